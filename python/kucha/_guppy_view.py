"""Pictures of the heap that the program lives in, for kucha.guppy: taken, asked, and led back to real objects.

A view is a heap file, written by a copy of the process (docs/heap-file.md), mapped, and unlinked at once. Nodes of it
are told by number, sets of nodes are bytes with a bit for each. What belongs to kucha itself, the sets that the program
holds included, is hidden: nothing is reached through it.

A node becomes a real object again only where a real object proves it: one that the collector tracks now, or that such
a one refers to now, at the same address and of the same type. So what has died meanwhile is an error, never a guess.
"""

from __future__ import annotations

import gc
import os
import sys
import types
import weakref
from itertools import compress

import kucha
from kucha import _core

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import Any

# How far up the holders of an object that the collector does not track it is looked for, and how many at each step.
_STEPS_UP = 4
_HOLDERS_ASKED = 20

# What code objects hold and tell nobody of.
_CODE_FIELDS = (
    *("co_consts", "co_names", "co_filename", "co_name", "co_qualname", "co_linetable", "co_exceptiontable"),
    *("co_code", "co_varnames", "co_cellvars", "co_freevars"),
)

OWNED = 1 << 32  # KU_PARTITION_OWNED of kucha/partition.h
NOWHERE = (1 << 64) - 1


class TypeName:
    """A type: where it lies, and what people call it. Equal to another at the same address."""

    __slots__ = ("address", "name")

    def __init__(self, address: int, name: str) -> None:
        self.address = address
        self.name = name

    def __eq__(self, other: object) -> bool:
        return isinstance(other, TypeName) and other.address == self.address

    def __hash__(self) -> int:
        return self.address

    def __str__(self) -> str:
        return self.name


def _public_names() -> dict[tuple[str, str], str]:
    """Types of the interpreter's inside by their own names, and what modules call them."""
    known: dict[tuple[str, str], str] = {}
    for module in (types, weakref):
        for name, of in vars(module).items():
            if type(of) is type and of.__module__ == "builtins" and not hasattr(sys.modules["builtins"], of.__name__):
                known[of.__module__, of.__qualname__] = f"{module.__name__}.{name}"
    known["builtins", "function"] = "function"
    known["builtins", "module"] = "module"
    known["weakref", "ReferenceType"] = known["weakref", "weakref"] = "weakref.ReferenceType"
    return known


_NAMES = _public_names()

# A set, not getattr(): the interpreter keeps names that attributes are looked up by, and so they would be in the heap.
_BUILTINS = {name for name, of in vars(sys.modules["builtins"]).items() if isinstance(of, type)}


def shown_name(module: str | None, name: str) -> str:
    """What the tables call a type."""
    public = _NAMES.get((module or "builtins", name))
    if public is not None:
        return public
    if module in (None, "builtins") and name in _BUILTINS:
        return name
    return f"{module or 'builtins'}.{name}"


def type_name(of: type) -> TypeName:
    """A live type."""
    module = type.__getattribute__(of, "__module__")
    name = type.__getattribute__(of, "__qualname__")
    return TypeName(id(of), shown_name(module if isinstance(module, str) else None, str(name)))


def _own_query() -> str:
    """What of a heap is kucha's own: its modules, the objects of its types, its frames that run."""
    names = [name for name in list(sys.modules) if name == "kucha" or name.startswith("kucha.")]
    of_types = " or ".join(f'module = "{name}"' for name in names)
    modules = " or ".join(f'label = "{name}"' for name in names)
    folder = os.path.dirname(os.path.abspath(__file__))
    return f'{of_types} or (type = "module" and ({modules})) or (place and label ~ "{folder}")'


def _folder() -> str:
    """A new folder that nobody else can look into."""
    path = os.path.join(os.environ.get("TMPDIR") or "/tmp", f"kucha-{os.getpid()}-{os.urandom(8).hex()}")
    os.mkdir(path, 0o700)
    return path


def _picture() -> _core.Analysis:
    folder = _folder()
    path = os.path.join(folder, "own.heap")
    try:
        _core.heap_dump(path, equals=False)  # nobody asks a view for duplicates
        return _core.Analysis(path)
    finally:
        if os.path.exists(path):
            os.unlink(path)
        os.rmdir(folder)


class View:
    """One picture."""

    __slots__ = ("_hidden", "analysis", "types", "what")

    def __init__(self) -> None:
        if not _core.installed():
            kucha.install()
        gc.collect()
        self.analysis = _picture()
        self._hidden = self.analysis.select(_own_query())
        self.what = _core.Objects(self.analysis, self._hidden)
        self.types = [TypeName(address, shown_name(module, name)) for module, name, address in self.what.types()]

    # ---- sets ----

    def none(self) -> bytes:
        """The empty set."""
        return bytes(len(self.what.stray()))

    def alive(self) -> bytes:
        """All objects that live."""
        return self.what.alive()

    def set_of(self, numbers: Iterable[int]) -> bytes:
        """The set of these nodes."""
        bits = bytearray(self.none())
        for number in numbers:
            bits[number >> 3] |= 1 << (number & 7)
        return bytes(bits)

    def of_objects(self, objects: Iterable[object]) -> bytes:
        """The set of those of these objects that are in the picture."""
        numbers = map(self.analysis.node_at, map(id, objects))
        return self.set_of(number for number in numbers if number is not None)

    def numbers(self, bits: bytes, most: int = (1 << 32) - 1) -> list[int]:
        """The nodes of a set, in order of address."""
        return self.what.members(bits, most)

    def is_own(self, number: int) -> bool:
        """Whether a node is kucha's own."""
        return bool(self._hidden[number >> 3] >> (number & 7) & 1)

    def address(self, number: int) -> int:
        """Where an object lies: its id."""
        return self.analysis.node(number)[0]

    # ---- kinds ----

    def type_number(self, of: TypeName) -> int | None:
        """The number of a type; None where no object of it was there."""
        for number, known in enumerate(self.types):
            if known == of:
                return number
        return None

    def type_of(self, number: int) -> TypeName:
        """The type of a node."""
        return self.types[self.what.type_of(number)]

    # ---- real objects ----

    def objects(self, numbers: Iterable[int]) -> dict[int, Any]:
        """Those of the nodes that still live, as real objects, by number."""
        wanted = {self.address(number): number for number in numbers}
        return _Finding(self, wanted).all()


class _Finding:
    """A search for real objects: among those that the collector tracks, then in what they refer to."""

    def __init__(self, view: View, wanted: dict[int, int]) -> None:
        self.view = view
        self.wanted = wanted
        self.found: dict[int, Any] = {}
        self.tracked: list[object] = gc.get_objects()

    def all(self) -> dict[int, Any]:
        try:
            self._take(compress(self.tracked, map(self.wanted.__contains__, map(id, self.tracked))), self.wanted)
            self._take(all_types(), self.wanted)
            self._through_holders(self.wanted, _STEPS_UP)
        finally:
            self.tracked = []
        return {self.wanted[address]: obj for address, obj in self.found.items() if address in self.wanted}

    def _take(self, objects: Iterable[object], wanted: dict[int, int]) -> None:
        for obj in objects:
            number = wanted.get(id(obj))
            if number is not None and self.view.type_of(number).address == id(type(obj)):
                self.found[id(obj)] = obj

    def _through_holders(self, wanted: dict[int, int], steps: int) -> None:
        missing = {address: number for address, number in wanted.items() if address not in self.found}
        if not missing or steps == 0:
            return
        holders: dict[int, int] = {}
        for number in missing.values():
            for holder, _ in self.view.analysis.referrers(number, _HOLDERS_ASKED)[1]:
                holders[self.view.address(holder)] = holder
        self._take(compress(self.tracked, map(holders.__contains__, map(id, self.tracked))), holders)
        self._through_holders(holders, steps - 1)
        for address in holders:
            if address in self.found:
                self._take(_held_by(self.found[address]), missing)
        self._take(_held_by_frames(), missing)


def all_types() -> Iterator[object]:
    """Every type; those of the interpreter's own are tracked by nobody."""
    seen: set[int] = set()
    waiting: list[type] = [object]
    while waiting:
        of = waiting.pop()
        if id(of) not in seen:
            seen.add(id(of))
            yield of
            waiting += type.__subclasses__(of)


def _held_by(holder: Any) -> Iterator[object]:
    """What an object refers to, as far as it is known how."""
    yield from gc.get_referents(holder)
    if type(holder) is dict:
        yield from holder
    elif type(holder) is types.CodeType:
        for field in _CODE_FIELDS:
            yield getattr(holder, field, None)
    elif isinstance(holder, type):
        yield from gc.get_referents(*gc.get_referents(holder))


def _held_by_frames() -> Iterator[object]:
    """The variables of all frames that run."""
    for top in sys._current_frames().values():
        frame: types.FrameType | None = top
        while frame is not None:
            yield from list(frame.f_locals.values())
            frame = frame.f_back
