"""Heap files out of those of pyheap, a tool that injects a dumper by gdb: ``kucha heap import dump.pyheap``.

The format (version 1) is that of its dumper: big-endian numbers, in one stream without an index.

    magic u64, version u32, when text, flags u64 (1: with str() of objects), names and addresses of builtin types
    threads: name, alive, daemon, frames (file, line, function, locals by name)
    names of attributes that are met often: elsewhere -1 is the first of them
    common types, with the attributes that all of their objects have
    objects: address, type u64, size u32; what is in a dict, list, set or tuple; what else it refers to, in no order;
             unless its type is common, attributes by name, those of its classes among them; str() where there is one
    types: address, name
    magic

A reference has a name where the contents or the attributes tell one. A dict whose values are all attributes of the
object that refers to it is taken for its namespace. There are no roots but the frames of threads: besides, modules
are taken to be in sys.modules, and what nothing leads to from either is held by "C or unknown". No str() of an object
gets into the heap file, with the same exception as for any heap file, the names of things: modules, functions,
attributes.
"""

from __future__ import annotations

import mmap
import struct
from datetime import datetime
from typing import NamedTuple

from kucha import heap

TYPE_CHECKING = False
if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterator

    Edge = tuple[int, int, int, str | None, int]

MAGIC = 123_000_321
VERSION = 1
WITH_TEXTS = 1  # the flag of a file that has str() of objects
CONTAINERS = ("dict", "list", "set", "tuple")  # whose contents are told in order
ROOT, PLACES = 0, ("modules", "C or unknown")
PLACE_BASE = 0xFFFFFF0000000000  # as in every heap file: above what a program can have at
PLACE_STEP = 8
PLACE_FLAG = 1 << heap.FLAGS.index("place")
LABEL_MOST = 200  # of what str() said of a module or function
_KIND = {name: number for number, name in enumerate(heap.KINDS)}
# What a reference out of an object of this type to one of that type is, where there can be but one such.
_BY_TYPES = {
    ("cell", None): ("cell", "cell_contents"),
    ("module", "dict"): ("slot", "__dict__"),
    ("type", "dict"): ("slot", "__dict__"),
    ("function", "code"): ("slot", "__code__"),
    ("function", "tuple"): ("slot", "__closure__"),
    ("method", "function"): ("slot", "__func__"),
}


def is_pyheap(path: str | os.PathLike[str]) -> bool:
    """Whether a file begins as pyheap's do."""
    with open(path, "rb") as file:
        return file.read(8) == MAGIC.to_bytes(8, "big")


def convert(source: str | os.PathLike[str], target: str | os.PathLike[str]) -> tuple[int, int]:
    """Writes the heap file of a .pyheap file. Returns how many objects and references it has.

    Raises OSError for files, and ValueError with one sentence where the source is none, or damaged.
    """
    with open(source, "rb") as file:
        if file.seek(0, 2) < 8:
            raise ValueError("this is no .pyheap file: it is too short")
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
            try:
                dump = _Dump(_Reader(content))
                return _Graph(dump).write(target)
            except (struct.error, IndexError, UnicodeDecodeError):
                raise ValueError("this .pyheap file is damaged, or not all of it is here") from None


class _Reader:
    """Numbers and texts, one after the other. What lies behind the end is a struct.error."""

    def __init__(self, content: mmap.mmap) -> None:
        self.content = content
        self.at = 0

    def _numbers(self, form: str) -> tuple[int, ...]:
        found = struct.unpack_from(form, self.content, self.at)
        self.at += struct.calcsize(form)
        return found

    def u32(self) -> int:
        """A number of 4 bytes."""
        return self._numbers("!I")[0]

    def u64(self) -> int:
        """A number of 8 bytes."""
        return self._numbers("!Q")[0]

    def boolean(self) -> bool:
        """One byte."""
        return bool(self._numbers("!B")[0])

    def count(self, least: int) -> int:
        """How many of something follow, each of ``least`` bytes or more: not more than there is room for."""
        number = self.u32()
        if number * least > len(self.content) - self.at:
            raise struct.error
        return number

    def addresses(self, each: int = 1) -> tuple[int, ...]:
        """A list of so many addresses each."""
        return self._numbers(f"!{self.count(8 * each) * each}Q")

    def skip(self, size: int) -> None:
        """Leaves bytes out; they must be there."""
        if size > len(self.content) - self.at:
            raise struct.error
        self.at += size

    def _text(self, size: int) -> str:
        start = self.at
        self.skip(size)
        return self.content[start : self.at].decode("utf-8", "backslashreplace").replace("\0", "\\x00")

    def text(self) -> str:
        """A text."""
        return self._text(self._numbers("!H")[0])

    def skip_text(self) -> None:
        """A text that nobody wants."""
        self.skip(self._numbers("!H")[0])

    def attribute(self, names: list[str]) -> str:
        """The name of an attribute: there, or one of those that are met often."""
        number = self._numbers("!h")[0]
        return self._text(number) if number >= 0 else names[-1 - number]


class _Frame(NamedTuple):
    file: str
    line: int
    function: str
    locals: dict[str, int]


class _Object(NamedTuple):
    address: int
    type: int
    size: int
    content: tuple[int, ...]  # of a container: keys and values in turn for a dict
    others: tuple[int, ...]  # referred to besides
    attributes: int  # where they begin in the file; 0: it has none of its own
    text: int  # where str() of it begins; 0: there is none


class _Dump:
    """All of a file, but for attributes and texts, which are read when somebody wants them."""

    def __init__(self, reader: _Reader) -> None:
        self.reader = reader
        if reader.u64() != MAGIC:
            raise ValueError("this is no .pyheap file")
        version = reader.u32()
        if version != VERSION:
            raise ValueError(f"this .pyheap file is of version {version}; kucha reads version {VERSION}")
        self.taken = reader.text()
        self.with_texts = bool(reader.u64() & WITH_TEXTS)
        known = {reader.text(): reader.u64() for _ in range(reader.count(10))}
        self.containers = {known[name]: name for name in CONTAINERS if name in known}
        self.threads = [self._thread() for _ in range(reader.count(8))]
        self.often = [reader.attribute([]) for _ in range(reader.count(2))]
        self.common = {reader.u64(): self._skip_attributes() for _ in range(reader.count(12))}
        self.objects: dict[int, _Object] = {}
        for _ in range(reader.count(24)):
            self._object()
        self.types = {reader.u64(): reader.text() for _ in range(reader.count(10))}
        if reader.u64() != MAGIC:
            raise ValueError("this .pyheap file is damaged: its end is not where it must be")

    def _thread(self) -> tuple[str, list[_Frame]]:
        name, _, _ = self.reader.text(), self.reader.boolean(), self.reader.boolean()
        return name, [self._frame() for _ in range(self.reader.count(12))]

    def _frame(self) -> _Frame:
        file, line, function = self.reader.text(), self.reader.u32(), self.reader.text()
        return _Frame(
            file, line, function, {self.reader.text(): self.reader.u64() for _ in range(self.reader.count(10))}
        )

    def _skip_attributes(self) -> int:
        start = self.reader.at
        for _ in range(self.reader.count(10)):
            self.reader.attribute(self.often)
            self.reader.u64()
        return start

    def _object(self) -> None:
        reader = self.reader
        address, kind, size = reader.u64(), reader.u64(), reader.u32()
        container = self.containers.get(kind)
        content = reader.addresses(2 if container == "dict" else 1) if container else ()
        others = reader.addresses()
        attributes = 0 if kind in self.common else self._skip_attributes()
        text = reader.at if self.with_texts and not container else 0
        if text:
            reader.skip_text()
        if address == 0 or address % PLACE_STEP or address >= PLACE_BASE or address in self.objects:
            raise ValueError(f"this .pyheap file is damaged: no object can be at {address:#x}, or two are")
        self.objects[address] = _Object(address, kind, size, content, others, attributes, text)

    def attributes(self, item: _Object) -> Iterator[tuple[str, int]]:
        """Names and values of an object's attributes, in order of their names."""
        if item.attributes:
            self.reader.at = item.attributes
            for _ in range(self.reader.u32()):
                yield self.reader.attribute(self.often), self.reader.u64()

    def text(self, item: _Object | None) -> str:
        """What str() said of an object; nothing where that was not kept."""
        if item is None or not item.text:
            return ""
        self.reader.at = item.text
        return self.reader.text()


class _Graph:
    """The lists that heap.write() takes."""

    def __init__(self, dump: _Dump) -> None:
        self.dump = dump
        self.types: dict[tuple[str | None, str], int] = {}
        self.by_address: dict[int, int] = {}  # types, by the address of the type object
        self.nodes: list[tuple[int, int, int, int, int, int, int, str | None]] = []
        self.edges: list[Edge] = []
        self.numbers = {address: number for number, address in enumerate(dump.objects, 1)}
        self.spaces: dict[int, dict[int, str]] = {}  # names of the values of namespaces, by the dict's address
        self.places = 0

    def write(self, target: str | os.PathLike[str]) -> tuple[int, int]:
        """Makes all of it."""
        for item in self.dump.objects.values():
            flags, age = 0, heap.UNKNOWN_AGE
            self.nodes.append((item.address, self._type(item.type), item.size, 0, 0, flags, age, self._label(item)))
        containers = self.dump.containers
        for item in self.dump.objects.values():
            if containers.get(item.type) != "dict":
                self._add_references(item)
        for item in self.dump.objects.values():
            if containers.get(item.type) == "dict":
                self._add_entries(item)
        references = len(self.edges)
        self._add_roots()
        taken = _seconds(self.dump.taken)
        heap.write(target, self.types, self.nodes, self.edges, runtime="imported from pyheap", taken=taken)
        return len(self.dump.objects), references

    # ---- nodes ----

    def _type(self, address: int) -> int:
        if address not in self.by_address:
            name = self.dump.types.get(address, "?")
            module = self._module_of(address)
            self.by_address[address] = self.types.setdefault((module, name), len(self.types))
        return self.by_address[address]

    def _module_of(self, address: int) -> str | None:
        """What a type says of its module, where its text was kept."""
        item = self.dump.objects.get(address)
        if item is None:
            return None
        named = [value for name, value in self.dump.attributes(item) if name == "__module__"]
        text = self.dump.text(self.dump.objects.get(named[0])) if named else ""
        return text if text and all(part.isidentifier() for part in text.split(".")) else None

    def _type_name(self, item: _Object) -> str:
        return self.dump.types.get(item.type, "?")

    def _label(self, item: _Object) -> str | None:
        """What a type, a module or a function is called."""
        if item.address in self.dump.types:
            return self.dump.types[item.address]
        kind = self._type_name(item)
        if kind == "module":  # <module 'json.decoder' from ...
            return _quoted(self.dump.text(item), "'", "'")
        if kind == "function":  # <function JSONDecoder.decode at 0x...
            return _quoted(self.dump.text(item), "<function ", " at ")
        return None

    # ---- edges ----

    def _edge(self, holder: int, target: int, kind: str, text: str | None = None, number: int = 0) -> None:
        found = self.numbers.get(target)
        if found is not None:  # the dumper leaves itself out
            self.edges.append((holder, found, _KIND[kind], text, number))

    def _add_references(self, item: _Object) -> None:
        holder = self.numbers[item.address]
        in_order = "key" if self.dump.containers.get(item.type) == "set" else "item"
        for number, target in enumerate(item.content):
            self._edge(holder, target, in_order, None, number)
        if not item.others:
            return
        names: dict[int, str] = {}
        for name, value in self.dump.attributes(item):
            if value not in names or names[value].startswith("__"):
                names[value] = name
        for number, target in enumerate(item.others):
            kind, text = self._reference(item, target, names)
            self._edge(holder, target, kind, text, number)

    def _reference(self, item: _Object, target: int, names: dict[int, str]) -> tuple[str, str | None]:
        """Kind and name of a reference that is not told in order."""
        if target == item.type:
            return "type", None
        found = self.dump.objects.get(target)
        if found is None:
            return "unknown", None
        kind, to = self._type_name(item), self._type_name(found)
        named = _BY_TYPES.get((kind, to)) or _BY_TYPES.get((kind, None))
        if (
            self.dump.containers.get(found.type) == "dict"
            and target not in names
            and (named or _is_space(found, names))
        ):
            self.spaces.setdefault(target, names)
            return "slot", "__dict__"
        if named:
            return named
        return ("attribute", names[target]) if target in names else ("unknown", None)

    def _add_entries(self, item: _Object) -> None:
        """Of a dict. A value of a namespace has its owner's name for it."""
        holder = self.numbers[item.address]
        names = self.spaces.get(item.address, {})
        for number in range(len(item.content) // 2):
            key, value = item.content[2 * number : 2 * number + 2]
            self._edge(holder, key, "key", None, number)
            self._edge(holder, value, "value", self._key(key, value, names), number)
        for number, target in enumerate(item.others):
            self._edge(holder, target, "unknown", None, number)

    def _key(self, key: int, value: int, names: dict[int, str]) -> str | None:
        """The name of an entry of a namespace: the key, where its text was kept, else by the value."""
        if not names:
            return None
        text = self.dump.text(self.dump.objects.get(key))
        return text if text.isidentifier() else names.get(value)

    # ---- roots ----

    def _place(self, holder: int, label: str, kind: str = "<place>") -> int:
        number = self.types.setdefault((None, kind), len(self.types))
        address = PLACE_BASE + self.places * PLACE_STEP
        self.places += 1
        self.nodes.append((address, number, 0, 0, 0, PLACE_FLAG, heap.UNKNOWN_AGE, label))
        self.edges.append((holder, len(self.nodes), _KIND["root"], label, 0))
        return len(self.nodes)

    def _add_roots(self) -> None:
        modules, unknown = (self._place(ROOT, name) for name in PLACES)
        for address, item in self.dump.objects.items():
            if self._type_name(item) == "module":
                label = self.nodes[self.numbers[address] - 1][7]
                self._edge(modules, address, "root", f"module {label}" if label else "module")
        for number, (name, frames) in enumerate(self.dump.threads, 1):
            thread = self._place(ROOT, f"thread {number} {name}")
            for frame in frames:
                at = self._place(thread, f"{frame.function} at {frame.file}:{frame.line}", "<frame>")
                for local, address in frame.locals.items():
                    self._edge(at, address, "local", local)
        for node in _unreached(len(self.nodes), self.edges):
            self.edges.append((unknown, node, _KIND["unknown"], None, 0))


def _is_space(found: _Object, names: dict[int, str]) -> bool:
    """Whether a dict has nothing but attributes of who refers to it."""
    return bool(found.content) and all(value in names for value in found.content[1::2])


def _quoted(text: str, before: str, after: str) -> str | None:
    """What stands between the first two of these in the str() of an object."""
    found = text[:LABEL_MOST].partition(before)[2].partition(after)
    return found[0] if found[1] else None


def _seconds(taken: str) -> float:
    try:
        return datetime.fromisoformat(taken).timestamp()
    except (ValueError, OverflowError):
        return 0.0


def _unreached(count: int, edges: list[Edge]) -> Iterator[int]:
    """Nodes that nothing leads to from the root: for each group of them, the one that the file has first."""
    inside: list[list[int]] = [[] for _ in range(count + 1)]
    for holder, target, *_ in edges:
        inside[holder].append(target)
    reached = bytearray(count + 1)
    _flood(ROOT, inside, reached)
    held = {target for targets in inside for target in targets}
    # Those that nobody refers to come first: they may lead to all of the others.
    order: Callable[[int], bool] = held.__contains__
    for node in sorted(range(1, count + 1), key=order):
        if not reached[node]:
            yield node
            _flood(node, inside, reached)


def _flood(start: int, inside: list[list[int]], reached: bytearray) -> None:
    reached[start] = 1
    waiting = [start]
    while waiting:
        for target in inside[waiting.pop()]:
            if not reached[target]:
                reached[target] = 1
                waiting.append(target)
