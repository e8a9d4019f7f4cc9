"""What makes the garbage that only a collection finds: by type, birthplace and the reference that closed a cycle.

::

    import kucha
    with kucha.gc.producers() as made:
        ...
    for cycle in made.cycles:
        print(cycle.closing, cycle.count, cycle.advice)

See docs/gc-cycles.md. While nobody watches, none of it is there.
"""

from __future__ import annotations

from kucha import _core

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType
    from typing import Any

__all__ = ["Cycle", "Found", "Producers"]

_CLASSES = "any class is a cycle: make it once, not in a function that is called often"
_ADVICE = {
    "attribute": "make {name} a weak reference (weakref.ref), or set it to None when the object is done with",
    "item": "hold the objects in a weakref.WeakSet or WeakValueDictionary, or take them out when they are done with",
    "method": "hold the method by weakref.WeakMethod, or drop it when the object is done with",
    "variable": "the function refers to itself: pass it as an argument, or make it a method or a global function",
    "local": "end the function with 'del {name}', or keep the exception without its traceback "
    "(error.with_traceback(None))",
    "generator": "close() the generator when it is done with",
    "class": _CLASSES,
    "other": "",
}
_TOTALS = ("collections", "dead", "looked", "cycles", "unnamed", "refused")


class Found:
    """Objects that collections found dead, of one type and birthplace.

    ``place`` is ``file:line in function``, or None where the object's block was not traced. ``bytes`` are theirs
    alone, with the memory beside them, such as a list's items. ``collections`` is in how many they were found.
    """

    __slots__ = ("bytes", "collections", "objects", "place", "type")

    def __init__(self, name: str, place: str | None, objects: int, size: int, collections: int) -> None:
        self.type = name
        self.place = place
        self.objects = objects
        self.bytes = size
        self.collections = collections

    def __repr__(self) -> str:
        return f"<{self.objects} {self.type} ({self.place or 'not traced'}), {self.bytes} bytes>"


class Cycle:
    """Cycles that were closed by the same reference, from objects that were born at the same place.

    ``closing`` is the reference in words, ``name`` its own name or None, ``type`` and ``place`` the type and the
    birthplace of the object that holds it. ``count`` is how many cycles there were, ``objects`` and ``bytes`` what was
    in them or dead because of them. ``example`` is one of them in words, and ``advice`` what can be done.
    """

    __slots__ = (
        "advice",
        "bytes",
        "closing",
        "collections",
        "count",
        "example",
        "kind",
        "name",
        "objects",
        "place",
        "type",
    )

    def __init__(self, record: tuple[Any, ...], counts: tuple[int, ...]) -> None:
        _, self.kind, self.type, self.place, self.closing, self.name, self.example = record[:7]
        self.count, self.objects, self.bytes, self.collections = counts
        self.advice: str = _ADVICE[self.kind].format(name=self.name)

    def __repr__(self) -> str:
        return f"<{self.count} times {self.closing} ({self.place or 'not traced'}), {self.bytes} bytes>"


class Producers:
    """What collections found from ``start()`` to ``stop()``, or in a ``with`` block; as of now while it goes on.

    ``collections`` found something, ``dead`` objects in all, ``looked`` of which were looked at and died: of more than
    200,000 at a time a sample is looked at. ``count`` is the number of cycles among them, of which ``unnamed`` were too
    many to be told one by one. ``refused`` collections could not be looked at.

    They are those of the interpreter that asks; with ``everywhere``, also those of all others that have kucha's
    collector, together, of those that have ended, too.
    """

    __slots__ = ("_before", "_everywhere", "_now", "_watches")

    def __init__(self, *, everywhere: bool = False) -> None:
        self._everywhere = everywhere
        self._watches = False
        self._before: dict[str, Any] = {}
        self._now: dict[str, Any] = {}

    def start(self) -> None:
        """Counts from now on, from nothing. Raises ``Refused`` where the interpreter's collector is not known."""
        if self._watches:
            older = _core.gc_producers(self._everywhere)
        else:
            older = _core.gc_producers_start(self._everywhere)
            self._watches = True
        self._before, self._now = older or {}, {}

    def stop(self) -> None:
        """Counts no more. What was counted stays."""
        if self._watches:
            self._now = _core.gc_producers(self._everywhere) or {}
            self._watches = False
            _core.gc_producers_stop(self._everywhere)

    def __enter__(self) -> Producers:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    def __del__(self) -> None:
        self.stop()

    def _told(self) -> dict[str, Any]:
        return (_core.gc_producers(self._everywhere) or {}) if self._watches else self._now

    def _total(self, name: str) -> int:
        value: int = self._told().get(name, 0) - self._before.get(name, 0)
        return value

    @property
    def collections(self) -> int:
        """How many collections found something dead."""
        return self._total("collections")

    @property
    def dead(self) -> int:
        """How many objects they found dead."""
        return self._total("dead")

    @property
    def looked(self) -> int:
        """How many of these were looked at, and died."""
        return self._total("looked")

    @property
    def count(self) -> int:
        """How many cycles there were among them."""
        return self._total("cycles")

    @property
    def unnamed(self) -> int:
        """How many of the cycles are in none of ``cycles``."""
        return self._total("unnamed")

    @property
    def refused(self) -> int:
        """How many collections could not be looked at."""
        return self._total("refused")

    def _records(self) -> list[tuple[tuple[Any, ...], tuple[int, ...]]]:
        """Records, and by how much their counts have grown; those that have not grown are left out."""
        before = {record[0]: record[7:] for record in self._before.get("records", ())}
        grown = []
        for record in self._told().get("records", ()):
            base = before.get(record[0], (0, 0, 0, 0))
            counts = tuple(now - then for now, then in zip(record[7:], base, strict=True))
            if counts[1]:
                grown.append((record, counts))
        return grown

    @property
    def found(self) -> list[Found]:
        """What died, by type and birthplace; most bytes first."""
        rows = [Found(record[2], record[3], *counts[1:]) for record, counts in self._records() if not record[1]]
        return sorted(rows, key=lambda row: (-row.bytes, row.type, row.place or ""))

    @property
    def cycles(self) -> list[Cycle]:
        """The cycles, by the reference that closed them; most bytes first."""
        rows = [Cycle(record, counts) for record, counts in self._records() if record[1]]
        return sorted(rows, key=lambda row: (-row.bytes, row.closing, row.place or ""))

    def as_dict(self) -> dict[str, Any]:
        """All of it, for JSON."""
        told: dict[str, Any] = {name: self._total(name) for name in _TOTALS}
        told["closing"] = [{name: getattr(row, name) for name in sorted(Cycle.__slots__)} for row in self.cycles]
        told["found"] = [{name: getattr(row, name) for name in sorted(Found.__slots__)} for row in self.found]
        return told

    def text(self, top: int = 5, folder: str = "") -> str:
        """A table of the cycles with most bytes, and what can be done about each."""
        from kucha.text import number, one_line, percent, plural, size

        if not self.dead:
            return "cycles         none: no collection found anything dead\n"
        bytes_of_all = sum(row.bytes for row in self.found)
        lines = [
            f"cycles         {plural(self.count, 'cycle')}; {plural(self.looked, 'object')}, {size(bytes_of_all)}, "
            f"died in {plural(self.collections, 'collection')}"
        ]
        if self.looked < self.dead:
            lines.append(f"{'':<15}{number(self.dead)} were found dead: this is a sample of them, or some lived on")
        rows = self.cycles[:top]
        if rows:
            lines += ["", f"{'closed by':<15}{'bytes':>9} {'share':>7} {'cycles':>13}  reference"]
        for row in rows:
            share = percent(row.bytes, bytes_of_all)
            lines.append(f"{size(row.bytes):>24} {share:>7} {number(row.count):>13}  {one_line(row.closing)}")
            place = f"{row.type}, born at {_short(row.place, folder)}" if row.place else f"{row.type}, not traced"
            lines += [f"{'':<48}{one_line(text)}" for text in (place, row.example, row.advice) if text]
        return "\n".join(lines) + "\n"

    def __repr__(self) -> str:
        return f"<{self.count} cycles, {self.looked} objects of {self.collections} collections>"


def _short(place: str, folder: str) -> str:
    """A birthplace with its file as seen from the folder."""
    from kucha.text import short_path

    file, colon, rest = place.rpartition(":")
    return f"{short_path(file, folder)}{colon}{rest}"
