"""kucha: CPython's memory on an allocator that knows where every block was born.

The package is thin: the work is in the extension module ``kucha._core``, and importing ``kucha`` loads neither that
module nor anything heavy. What is public here is fetched from it at first use::

    import kucha
    kucha.install()                  # the allocator, under this interpreter; nothing else
    print(kucha.stats_text())

The command line is ``kucha run script.py``; see ``kucha --help``.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Literal

    from kucha import gc
    from kucha._census import census
    from kucha._core import (
        CaptureError,
        Refused,
        capture_read,
        facts,
        heap_dump,
        installed,
        object_site,
        purge,
        statistics,
        stats,
        stats_text,
        status,
        trace_cost,
        trace_flush,
        trace_reset_peak,
        trace_start,
        trace_stop,
        traced_memory,
        tracing,
    )
    from kucha.picture import map_svg

    version: str

__all__ = [
    "CaptureError",
    "Refused",
    "capture_read",
    "census",
    "facts",
    "gc",
    "heap_dump",
    "install",
    "installed",
    "map_svg",
    "object_site",
    "purge",
    "statistics",
    "stats",
    "stats_text",
    "status",
    "trace_cost",
    "trace_flush",
    "trace_reset_peak",
    "trace_start",
    "trace_stop",
    "traced_memory",
    "tracing",
    "version",
]

# What is public under the name that it has in kucha._core.
_FROM_CORE = frozenset(__all__) - {"census", "gc", "install", "map_svg"}


def install(*, gc: Literal["stock", "kucha"] = "stock", concurrent: bool = False) -> bool:
    """Puts kucha's allocator under the ``mem`` and ``obj`` domains of this interpreter, and starts nothing else.

    With ``gc="kucha"`` kucha's collector is put in charge too; it can be taken out again (``kucha.gc.uninstall()``).
    With ``concurrent`` besides, a child of the process makes its full collections of large heaps.

    Returns True when the allocator is in place, also when it was already; False, and changes nothing, where the
    environment says ``KUCHA=off``. Raises ``Refused``, with the reason in one sentence, where it would not be safe: on
    a free-threaded build, on a version that kucha does not know, beside another tool that has wrapped the allocator.
    Once in place the allocator stays until the process ends. Call it early: older blocks stay where they were.
    """
    from kucha import _environment

    if _environment.is_off():
        return False
    from kucha import _core

    if gc not in ("stock", "kucha"):
        raise ValueError(f"gc must be 'stock' or 'kucha', not {gc!r}")
    if concurrent and gc != "kucha":
        raise ValueError("concurrent collections are those of gc='kucha'")
    _core.install()
    if gc == "kucha":
        from kucha import gc as collector

        collector.install(concurrent=concurrent)
    return True


def __getattr__(name: str) -> Any:
    """Fetches a public name from the extension module at its first use."""
    if name == "__version__":
        name = "version"
    if name == "gc":
        from importlib import import_module

        return import_module("kucha.gc")
    if name == "map_svg":
        from kucha.picture import map_svg

        return map_svg
    if name == "census":
        from kucha._census import census

        return census
    if name in _FROM_CORE:
        from kucha import _core

        value = getattr(_core, name)
        globals()[name] = value
        return value
    raise AttributeError(f"module 'kucha' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
