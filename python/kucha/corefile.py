"""Heap files out of core files, and of processes that go on without kucha (docs/core-files.md, docs/heap.md)."""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    _Path = str | bytes | os.PathLike[str] | os.PathLike[bytes]


class UnavailableError(ValueError):
    """Core files cannot be read by this installation; the message says why."""


def write(core: _Path, out: _Path, program: _Path | None = None, root: _Path | None = None) -> dict[str, Any]:
    """Writes the heap file ``out`` of the process that left the core file ``core``.

    ``program`` is its executable, where the name that the core has for it is wrong on this machine; ``root`` is a
    folder that stands before the names of its libraries. Returns what was found: ``nodes``, ``edges``, ``runtime``
    (such as "CPython 3.11.7"), ``hosted`` (it ran under kucha: every block is known), ``missing`` (files that the core
    leaves pages to and that could not be had) and ``first_missing``. Raises OSError for files, and ValueError with
    one sentence for what is no core, or one that cannot be read.
    """
    told: dict[str, Any] = _module().write(core, out, program, root)
    return told


def copy(process: int, out: _Path, *, hold: float = 0.1, patience: float = 10.0) -> dict[str, Any]:
    """Writes the heap file ``out`` of a process that goes on, which need not run under kucha.

    The process is stopped while its memory is copied; nothing of it is run or changed. Returns what ``write()`` does,
    and ``stopped``, the seconds that it stood still. A thread that waits in the kernel (for a disk, or a vfork) cannot
    be stopped: the others are kept standing still for ``hold`` seconds, at most, and then all go on; it is tried again
    when that thread waits no longer, for ``patience`` seconds in all. If this process is stopped meanwhile, that one
    goes on all the same. Raises ProcessLookupError where there is no such process, PermissionError where the system
    does not let it be traced, and ValueError with one sentence for one that cannot be read.
    """
    folder = os.path.dirname(os.path.abspath(os.fsdecode(out)))
    told: dict[str, Any] = _module().copy(process, out, folder, hold, patience)
    return told


def _module() -> Any:
    try:
        from kucha import _corefile
    except ImportError as error:
        raise UnavailableError(_why(error)) from None
    return _corefile


def _why(error: ImportError) -> str:
    """Whether the module was built, and only its library is not here."""
    if "libelf" in str(error):
        return (
            "core files, and processes that do not run under kucha, are read with libelf, which is not here: install "
            "it (Debian: libelf1; Fedora: elfutils-libelf)"
        )
    return (
        "this kucha was built without libelf (elfutils), and cannot read core files, or processes that do not run "
        "under kucha: install libelf-dev and build it"
    )
