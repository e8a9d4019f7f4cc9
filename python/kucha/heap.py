"""Heap files: what was alive, who held it, and how much would go with it.

    from kucha.heap import Heap

    heap = Heap("app.heap")
    for row in heap.top("type")[:10]:
        print(row.name, row.objects, row.bytes)
    largest = heap.find("retained > 1M and not place", by="retained", most=1)[0]
    print(largest, largest.retained, largest.paths()[0])

Everything is computed in C, on demand, and kept as long as the Heap. Nodes are numbered in order of address; node 0 is
the root, which leads to everything that something holds.
"""

from __future__ import annotations

from typing import NamedTuple

from kucha import _core

TYPE_CHECKING = False
if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterable
    from typing import Any

ROOT = 0
FLAGS = ("tracked", "free", "buffer", "unknown", "immortal", "place", "dead", "opaque")  # bits, from the lowest
KINDS = (  # what kind of name an edge has, by number (include/kucha/graph.h)
    "unknown",
    "type",
    "attribute",
    "slot",
    "item",
    "key",
    "value",
    "local",
    "cell",
    "stack",
    "buffer",
    "root",
)
UNKNOWN_AGE = 255


class Row(NamedTuple):
    """Objects that have something in common."""

    name: str
    objects: int
    bytes: int
    slack: int  # bytes that the allocator gave out beyond
    free_listed: int  # dead objects that a type keeps for reuse; in none of the others
    largest: int  # bytes of the largest
    example: int  # its number


class Change(NamedTuple):
    """What became of objects that have something in common, over two or three heaps."""

    name: str
    counts: tuple[int, ...]
    bytes: tuple[int, ...]
    born: int  # same address, type and birthplace: the same object
    gone: int
    kept: int
    born_bytes: int
    grew: bool  # more of them in each heap than in the one before


class Merged(NamedTuple):
    """A place in merged paths: nodes of one type, whose holders have the same types all the way up."""

    parent: int | None
    name: str
    example: int
    through: int  # different nodes at this place
    nodes: int  # nodes asked for, here or below
    bytes: int


class Suspect(NamedTuple):
    """What keeps a large share of a heap: one object that many hang from, or all of a type or birthplace."""

    kind: str  # point, type or site
    name: str
    example: int  # the node that retains most
    old: int  # nodes of a group that are of age 2 or more
    nodes: int  # nodes of the group; those that would go with a point
    retained: int


class Duplicate(NamedTuple):
    """Immutable objects of one type that are equal."""

    example: int  # the first of them
    objects: int
    bytes: int
    wasted: int  # by all but the first


class Room(NamedTuple):
    """Containers of one type and birthplace that keep memory for what is not in them."""

    type: str
    site: int
    nodes: int
    bytes: int
    example: int  # the one with most


class Pin(NamedTuple):
    """Blocks of one type and birthplace in an arena that they keep."""

    type: str
    site: int
    nodes: int
    bytes: int
    example: int  # the largest of them


class Pinned(NamedTuple):
    """An arena that would go back to the system, were it not for a few blocks."""

    address: int
    bytes: int
    used: int
    nodes: int
    heap: str
    holder: int | None  # the nearest node without which nothing in it would live
    pins: list[Pin]  # most bytes first


class Node:
    """One node of a heap; its numbers are read when it is made, relations when they are asked for."""

    __slots__ = ("address", "age", "count", "flags", "heap", "label", "number", "site", "size", "slack", "text", "type")

    def __init__(self, heap: Heap, number: int) -> None:
        self.heap = heap
        self.number = number
        fields = heap.analysis.node(number)
        self.address, self.type, self.size, self.slack, self.count, self.flags, self.age, self.site = fields[:8]
        self.label, self.text = fields[8:]

    def __str__(self) -> str:
        return self.text

    def __repr__(self) -> str:
        return f"<{self.text}, {self.size} bytes>"

    @property
    def is_object(self) -> bool:
        """Whether it is memory, and not a place such as a thread or a frame."""
        return not self.flags >> FLAGS.index("place") & 1

    @property
    def flag_names(self) -> list[str]:
        """The words that are true of it."""
        return [name for bit, name in enumerate(FLAGS) if self.flags >> bit & 1]

    @property
    def retained(self) -> int:
        """Bytes that would go with it, its own included."""
        return self.heap.analysis.retained(self.number)[0]

    @property
    def held(self) -> int:
        """Nodes that would go with it, itself included."""
        return self.heap.analysis.retained(self.number)[1]

    @property
    def dominator(self) -> Node | None:
        """The nearest node without which it would not live."""
        number = self.heap.analysis.retained(self.number)[2]
        return None if number is None else Node(self.heap, number)

    @property
    def birthplace(self) -> list[tuple[str, str, int]]:
        """(function, file, line) of each frame that it was made under, innermost first; empty where not known."""
        return self.heap.analysis.site(self.site)

    def references(self, most: int = 100) -> list[tuple[str, Node]]:
        """What it holds, in order: the name of each reference, and the node."""
        return [(name, Node(self.heap, number)) for name, number in self.heap.analysis.references(self.number, most)]

    def holders(self, most: int = 100) -> list[tuple[Node, str]]:
        """Who holds it, and by which reference."""
        return [(Node(self.heap, number), name) for number, name in self.heap.analysis.referrers(self.number, most)[1]]

    def dominated(self, most: int = 10) -> list[Node]:
        """Those that only live because it does, most retained bytes first."""
        return [Node(self.heap, number) for number in self.heap.analysis.dominated(self.number, most)[1]]

    def paths(self, most: int = 1) -> list[list[Node]]:
        """The shortest chains of references from the root to it."""
        return [[Node(self.heap, number) for number in path] for path in self.heap.analysis.paths_to(self.number, most)]


class Heap:
    """A heap file that is open."""

    def __init__(self, path: str | os.PathLike[str], tell: Callable[[str, float], object] | None = None) -> None:
        self.analysis = _core.Analysis(path, tell)

    def __len__(self) -> int:
        nodes: int = self.info["nodes"]
        return nodes

    def __getitem__(self, number: int) -> Node:
        return Node(self, number)

    @property
    def info(self) -> dict[str, Any]:
        """How many nodes, edges, types and birthplaces there are; when and why the heap was taken."""
        return self.analysis.info()

    def at(self, address: int) -> Node | None:
        """The node that begins at an address, as id() gives it where no header stands before the object."""
        number = self.analysis.node_at(address)
        return None if number is None else Node(self, number)

    def top(self, by: str = "type", where: str | None = None) -> list[Row]:
        """Objects by type, module, size, site or age; most bytes first."""
        return [Row(*row[1:]) for row in self.analysis.histogram(by, self._selected(where))]

    def find(self, where: str | None = None, by: str = "size", most: int = 25) -> list[Node]:
        """The nodes that answer to a query (docs/heap.md): the largest by size or retained, or the first by address."""
        return [Node(self, number) for number in self.analysis.nodes(self._selected(where), by, most)[2]]

    def amount(self, where: str) -> tuple[int, int]:
        """How many nodes answer to a query, and their bytes."""
        return self.analysis.nodes(self._selected(where), "address", 0)[:2]

    def retained_by(self, where: str) -> tuple[int, int]:
        """Bytes and nodes that would go if all went that answer to a query."""
        return self.analysis.retained_by(self.analysis.select(where))

    def merged(self, where: str) -> list[Merged]:
        """The shortest paths of all that answer to a query, laid over each other; the root's row is the first."""
        return [Merged(*row) for row in self.analysis.merged(self.analysis.select(where))]

    def between(self, start: int, end: int) -> list[Node] | None:
        """The shortest chain of references from one node to another."""
        path = self.analysis.between(start, end)
        return None if path is None else [Node(self, number) for number in path]

    def diff(self, *newer: Heap, by: str = "type") -> list[Change]:
        """What changed up to one or two newer heaps, by type, module or site; most growth first."""
        return [Change(*row) for row in self.analysis.diff(tuple(heap.analysis for heap in newer), by)]

    def suspects(self, share: float = 0.1) -> tuple[int, list[Suspect]]:
        """Bytes of all that lives, and what retains at least this share of them, most first."""
        whole, rows = self.analysis.suspects(share)
        return whole, [Suspect(*row) for row in rows]

    def pins(self, share: float = 0.25) -> tuple[int, int, int, list[Pinned]]:
        """How many arenas there are, their bytes, those in use, and the arenas of which at most a share is in use."""
        arenas, whole, used, rows = self.analysis.pins(share)
        return arenas, whole, used, [Pinned(*row[:6], [Pin(*pin) for pin in row[6]]) for row in rows]

    def duplicates(self, most: int = 100) -> tuple[int, int, int, int, list[Duplicate]]:
        """Groups of equal objects, how many are in them, their bytes, those wasted, and those that waste most."""
        groups, nodes, whole, wasted, rows = self.analysis.duplicates(most)
        return groups, nodes, whole, wasted, [Duplicate(*row) for row in rows]

    def rooms(self) -> tuple[int, int, list[Room]]:
        """How many containers have room that nothing is in, its bytes, and these by type and birthplace."""
        nodes, whole, rows = self.analysis.rooms()
        return nodes, whole, [Room(*row) for row in rows]

    def map_svg(self, by: str = "type") -> str:
        """A picture of the arenas, by type, site, age or class (size of block). ValueError where the file has none."""
        from kucha.export import arena_map

        return arena_map.draw(self, by)

    def _selected(self, where: str | None) -> bytes | None:
        return None if where is None else self.analysis.select(where)


def write(
    path: str | os.PathLike[str],
    types: Iterable[tuple[str | None, str]],
    nodes: Iterable[tuple[int, int, int, int, int, int, int, str | None]],
    edges: Iterable[tuple[int, int, int, str | None, int]],
    sites: Iterable[list[tuple[str, str, int]]] = (),
    program: str | None = None,
    runtime: str | None = None,
    taken: float = 0.0,
) -> None:
    """Writes a heap file, for importers and tests.

    types: (module, name). sites: lists of (function, file, line), innermost first; the first has number 1. nodes:
    (address, index of the type, size, site, reference count, flags, age, label); the first has number 1, as the root
    is 0. edges: (from, to, kind, text, number), where a kind is an index into KINDS.
    """
    _core.heap_build(path, list(types), list(sites), list(nodes), list(edges), program, runtime, taken)
