"""What the objects of a heap do to the memory under it: arenas that a few keep, equal objects, room in containers."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from conftest import Runner
from kucha.heap import Heap

Write = Callable[[str, str], Path]

# Many rows that go, and between them a few sessions that stay: a cache holds them.
PROGRAM = """
class Session: __slots__ = ("number",)
class Row: __slots__ = ("number",)
cache = []
def make(count):
    rows = []
    for number in range(count):
        row = Row()
        rows.append(row)
        if number % 60_000 == 30_000:
            cache.append(Session())
    return rows
make(300_000)
"""


def test_what_keeps_arenas_is_told(kucha: Runner, write: Write, tmp_path: Path) -> None:
    done = kucha("heap", "dump", "-q", "-o", "a.heap", "--", write("program.py", PROGRAM))
    assert done.returncode == 0, done.stderr
    heap = Heap(tmp_path / "a.heap")
    count, whole, used, pinned = heap.pins()
    assert count >= len(pinned) > 0
    assert 0 < used < whole
    kept = [arena for arena in pinned if any(pin.type == "__main__.Session" for pin in arena.pins)]
    assert kept
    for arena in kept:
        assert arena.used == sum(pin.bytes for pin in arena.pins) <= 0.25 * arena.bytes
        assert arena.nodes == sum(pin.nodes for pin in arena.pins)
        (pin,) = (pin for pin in arena.pins if pin.type == "__main__.Session")
        born = heap.analysis.site(pin.site)
        assert born[0][0] == "make"
        assert arena.holder is not None
    every = heap.pins(1.0)[3]
    assert len(every) == count
    shown = kucha("heap", "pins", "a.heap")
    assert (shown.returncode, shown.stderr) == (0, "")
    assert "nearly empty ones: " in shown.stdout
    assert "__main__.Session, made in make (" in shown.stdout
    data = json.loads(kucha("heap", "pins", "--json", "a.heap").stdout)
    assert data["arenas"] == count
    assert any(kind["type"] == "__main__.Session" for kind in data["kinds"])
    assert sum(row["arenas"] for row in data["holders"]) == len(data["pinned"])


def test_a_file_without_arenas_says_so(kucha: Runner, tmp_path: Path) -> None:
    from kucha import heap

    heap.write(tmp_path / "a.heap", [("app", "Row")], [(4096, 0, 16, 0, 1, 0, 0, None)], [])
    done = kucha("heap", "pins", "a.heap")
    assert done.stdout == "this file knows no arenas: it was not written by a program under kucha\n"


# Values of every kind that is compared, made so that the compiler shares none of them.
VALUES = """
import sys
from kucha import _core
from kucha.heap import Heap
_core.install()
class Word(str): pass
# What was born before waits on free lists and has no block of ours: these take it.
drain = [[i + 0.5 for i in range(500)], [(i,) for i in range(3000)], [(i, i) for i in range(3000)]]
drain += [[10 ** 9 + i for i in range(500)], [complex(i, i) for i in range(500)]]
def text(number, ending): return "".join(["text of ", str(number), ending])
made = []
for i in range(60):
    for ending in ("a", "\\xe9", "\\u20ac", "\\U0001f600"):
        made.append(text(i % 7, ending))
    made += [bytes([i % 5] * 30), 10 ** 20 + i % 3, -(10 ** 20 + i % 3), i % 4 + 0.25, complex(i % 2, 1)]
    made += [float("-0"), float("0")]
    made += [(text(i % 6, "x"), (i % 3 + 0.5,)), (text(i % 6, "x"),), Word(text(1, "a")), [i % 2], {i % 2}]
    made.append(float(10 ** 20))  # equal to an int, and no int
deep = ()
chains = []
for turn in range(2):
    deep = ()
    for level in range(5): deep = (deep, 10 ** 20)
    chains.append(deep)
_core.heap_dump("a.heap")
heap = Heap("a.heap")
exact = {str, bytes, int, float, complex, tuple}
def value(one):
    if type(one) is tuple: return tuple, tuple(value(item) for item in one)
    return type(one), repr(one)
nodes = {}
for one in made:
    node = heap.at(id(one))
    if type(one) not in exact:
        assert node is None or heap.analysis.equal(node.number) is None, one
        continue
    first = heap.analysis.equal(node.number)
    assert first is not None, one
    assert nodes.setdefault(value(one), first) == first, one
assert len(set(nodes.values())) == len(nodes) > 50
first, second = (heap.analysis.equal(heap.at(id(chain)).number) for chain in chains)
assert first == second is not None
"""

ROOMS = """
import sys
from kucha import _core
from kucha.heap import Heap
_core.install()
grown = []
for i in range(10_001): grown.append(i)
exact = [0] * 1000
names = {str(i): i for i in range(1000)}
table = {i: i for i in range(1000)}
for i in range(900): del table[i]
members = set(range(5000))
few = {1, 2}
_core.heap_dump("a.heap")
heap = Heap("a.heap")
room = lambda one: heap.analysis.room(heap.at(id(one)).number)
assert room(grown) == sys.getsizeof(grown) - sys.getsizeof([]) - 8 * len(grown) > 0
assert room(exact) == room(few) == 0
assert room(table) >= 900 * 24 and room(names) >= 0 and room(names) % 16 == 0
assert sys.getsizeof(members) - room(members) == sys.getsizeof(set()) + 16 * 5000
containers, whole, rows = heap.rooms()
assert containers == sum(row.nodes for row in rows) and whole == sum(row.bytes for row in rows)
assert {"list", "dict", "set"} <= {row.type for row in rows}
"""


def test_equal_objects_are_those_that_python_calls_equal(python: Runner, tmp_path: Path) -> None:
    done = python("-c", VALUES)
    assert done.returncode == 0, done.stderr
    groups, nodes, whole, wasted, rows = Heap(tmp_path / "a.heap").duplicates(1 << 32)
    assert len(rows) == groups
    assert sum(row.objects for row in rows) == nodes
    assert sum(row.bytes for row in rows) == whole
    assert sum(row.wasted for row in rows) == wasted < whole
    assert [row.wasted for row in rows] == sorted((row.wasted for row in rows), reverse=True)
    assert all(row.objects > 1 for row in rows)


def test_room_is_what_containers_could_give_back(python: Runner) -> None:
    done = python("-c", ROOMS)
    assert done.returncode == 0, done.stderr


def test_duplicates_and_slack_are_printed(kucha: Runner, python: Runner) -> None:
    assert python("-c", VALUES).returncode == 0
    shown = kucha("heap", "duplicates", "--top", "3", "a.heap")
    assert (shown.returncode, shown.stderr) == (0, "")
    assert " are there more than once, in " in shown.stdout
    data = json.loads(kucha("heap", "duplicates", "--json", "a.heap").stdout)
    assert len(data["list"]) == data["groups"] > 50
    assert {"str", "bytes", "int", "float", "complex", "tuple"} >= {row["type"] for row in data["list"]}
    shown = kucha("heap", "slack", "a.heap")
    assert (shown.returncode, shown.stderr) == (0, "")
    assert " in which nothing is" in shown.stdout
    data = json.loads(kucha("heap", "slack", "--json", "a.heap").stdout)
    assert data["bytes"] == sum(row["bytes"] for row in data["room"]) > 0
    assert data["rounded"] == sum(row["bytes"] for row in data["allocator"]) > 0
