"""kucha's collector in the place of CPython's: how it is put there, taken out, and what its pauses were.

The module ``gc`` of the standard library goes on working as it is: kucha does the work behind it.
See docs/gc-hosted.md.
::

    import kucha
    kucha.install(gc="kucha")
    ...
    print(kucha.gc.pauses().longest)
"""

from __future__ import annotations

from kucha import _core

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["Pauses", "install", "installed", "pauses", "uninstall"]


class Pauses:
    """How long collections have kept the program waiting since kucha's collector came. Times are in seconds.

    ``histogram[n]`` counts pauses of 2**n to 2**(n+1) microseconds; the first place also shorter ones, the last one
    also longer ones. ``generations`` has the same figures for each generation; there its own ``generations`` is empty.
    """

    __slots__ = ("count", "generations", "histogram", "longest", "share", "total")

    def __init__(self, facts: list[dict[str, Any]], since: float, generations: tuple[Pauses, ...]) -> None:
        self.count: int = sum(one["count"] for one in facts)
        self.total: float = sum(one["total"] for one in facts)
        self.longest: float = max(one["longest"] for one in facts)
        self.histogram: tuple[int, ...] = tuple(map(sum, zip(*(one["histogram"] for one in facts), strict=True)))
        self.share: float = self.total / since if since else 0.0
        self.generations = generations

    def __repr__(self) -> str:
        return f"<{self.count} pauses, {self.total:.3f} s, longest {self.longest:.6f} s, share {self.share:.1%}>"


def install() -> None:
    """Puts kucha's collector in charge of the main interpreter; kucha's allocator must be in place.

    Raises ``Refused``, with the reason in one sentence, where it would not be safe. Does nothing when it is there.
    """
    _core.gc_install()


def uninstall() -> None:
    """Gives the interpreter back to its own collector. Raises ``Refused`` in the middle of a collection."""
    _core.gc_uninstall()


def installed() -> bool:
    """Whether kucha's collector is in charge of this interpreter."""
    return _core.gc_status() is not None


def pauses() -> Pauses:
    """The pauses of all collections since kucha's collector came. Raises ``Refused`` where it is not in charge."""
    told = _core.gc_pauses()
    facts, since = told["generations"], told["since"]
    return Pauses(facts, since, tuple(Pauses([one], since, ()) for one in facts))
