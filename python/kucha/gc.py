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

    from kucha.producers import Producers

__all__ = ["Concurrent", "Pauses", "concurrent", "install", "installed", "pauses", "producers", "uninstall"]

_settles = False  # at the end of the process


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


class Concurrent:
    """What became of concurrent collections.

    ``begun`` had a child made, ``done`` were brought to their end, in ``slices`` slices; ``lost`` had theirs killed, or
    it failed; ``given_up`` were ended because the program collected by itself or the like. ``refused`` is how often no
    child could be made, or memory would not have been enough. ``phase`` is where the one under way stands: ``"child"``,
    ``"hold"``, ``"decide"``, or ``"idle"`` where there is none; ``child`` is the process that works, or 0.
    """

    __slots__ = ("begun", "child", "done", "given_up", "lost", "phase", "refused", "slices")

    def __init__(self, facts: dict[str, Any]) -> None:
        for name in self.__slots__:
            setattr(self, name, facts[name])

    def __repr__(self) -> str:
        return f"<{' '.join(f'{name}={getattr(self, name)!r}' for name in self.__slots__)}>"


def install(*, concurrent: bool = False, threads: int | None = None) -> None:
    """Puts kucha's collector in charge of all interpreters, those to come too; kucha's allocator must be in place.

    With ``concurrent``, full collections of large heaps are made by a child of the process: see docs/gc-concurrent.md.
    So many ``threads`` mark large heaps while the program stands still, four at the most; 0 is one for each processor
    that the program may use, which is so unless another number is said.
    Raises ``Refused``, with the reason in one sentence, where it would not be safe. When it is there, only what is said
    changes: whether collections are concurrent from now on, and the number of threads.
    """
    global _settles
    if threads is None:
        _core.gc_install(concurrent=concurrent)
    else:
        _core.gc_install(concurrent=concurrent, threads=threads)
    if concurrent and not _settles:
        import atexit

        atexit.register(_core.gc_settle)
        _settles = True


def uninstall() -> None:
    """Gives all interpreters back to their own collectors; in another than the main one, that interpreter alone.

    The others are given back when they next begin to collect. Raises ``Refused`` in the middle of a collection.
    """
    _core.gc_uninstall()


def installed() -> bool:
    """Whether kucha's collector is in charge of this interpreter."""
    return _core.gc_status() is not None


def concurrent() -> Concurrent | None:
    """What became of concurrent collections; None where there are none, because nobody has asked for them."""
    told = _core.gc_status()
    return Concurrent(told["concurrent"]) if told is not None and told["concurrent"] is not None else None


def pauses(*, everywhere: bool = False) -> Pauses:
    """The pauses of all collections since kucha's collector came. Raises ``Refused`` where it is not in charge.

    They are those of the interpreter that asks; with ``everywhere``, of all interpreters added up, those that have
    ended too. ``share`` is then that of the time that they all were there.
    """
    told = _core.gc_pauses(everywhere)
    facts, since = told["generations"], told["since"]
    return Pauses(facts, since, tuple(Pauses([one], since, ()) for one in facts))


def producers(*, everywhere: bool = False) -> Producers:
    """Tells what makes the garbage that collections find, from ``start()`` to ``stop()`` or in a ``with`` block.

    Of the interpreter that asks; with ``everywhere``, of all others that have kucha's collector, too, together, those
    that end meanwhile among them. Works in the main interpreter with CPython's collector and with kucha's, on kucha's
    allocator or without it; in others with kucha's collector. See docs/gc-cycles.md.
    """
    from kucha.producers import Producers

    return Producers(everywhere=everywhere)
