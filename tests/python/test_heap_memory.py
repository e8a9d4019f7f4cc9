"""What the objects of a heap do to the memory under it: arenas that a few of them keep."""

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
