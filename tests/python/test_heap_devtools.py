""".heapsnapshot files read by the code of Chrome's DevTools itself, where node and that code are (scripts/setup test).

All nodes of a program's heap: sizes, references and their names, birthplaces, and what each retains, which DevTools
computes by itself.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest
from conftest import TOP, Runner
from kucha.heap import Heap

pytestmark = pytest.mark.any_version
CODE = TOP / ".venv" / "devtools"
PROGRAM = """
import sys
class Feed:
    def __init__(self, number):
        self.name = f"feed {number}"
        self.items = [[number], (number, self.name)]
feeds = {sys.intern(f"feed{number}"): Feed(number) for number in range(100)}
"""


def node_can() -> bool:
    """Whether there is a node that DevTools' code runs under: 18 is the first."""
    if shutil.which("node") is None or not (CODE / "node_modules" / "heap-snapshot-toolkit").is_dir():
        return False
    told = subprocess.run(["node", "--version"], capture_output=True, text=True, timeout=60, check=False).stdout
    number = told.strip().removeprefix("v").partition(".")[0]
    return number.isdecimal() and int(number) >= 18


def test_devtools_reads_what_kucha_says(kucha: Runner, tmp_path: Path) -> None:
    if not node_can():
        pytest.skip("no node, or DevTools' code is not here; scripts/setup test fetches it")
    (tmp_path / "app.py").write_text(PROGRAM)
    assert kucha("heap", "dump", "-q", "-o", "app.heap", "--", "app.py").returncode == 0
    assert kucha("heap", "export", "app.heap", "-o", "app.heapsnapshot").returncode == 0
    reader = Path(__file__).with_name("devtools_reader.mjs")
    words = ["node", str(reader), str(CODE), "app.heapsnapshot"]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stderr
    told, heap = json.loads(done.stdout), Heap(tmp_path / "app.heap")
    assert len(told["nodes"]) == len(heap)
    assert told["total"] == sum(node["size"] for node in told["nodes"])
    for number, theirs in enumerate(told["nodes"]):
        ours = heap[number]
        assert theirs["id"] == 2 * number + 1
        assert theirs["size"] == ours.size
        assert theirs["stack"] == [list(frame) for frame in ours.birthplace]
        assert len(theirs["edges"]) == len(heap.analysis.references(number, len(heap)))
    cache = next(node for node in told["nodes"] if any(name == "feed7" for _, name, _ in node["edges"]))
    feeds = [told["nodes"][to // 2] for kind, name, to in cache["edges"] if kind == "property" and "feed" in name]
    assert [feed["name"] for feed in feeds] == ["__main__.Feed"] * 100
    # DevTools hangs up what is dead at its root: what that refers to is retained otherwise there. These it does not.
    for theirs in (cache, *feeds):
        assert theirs["retained"] == heap[theirs["id"] // 2].retained
    assert cache["retained"] > sum(feed["retained"] for feed in feeds) > sum(feed["size"] for feed in feeds)
    by_line = {line: count for _, line, count, _ in told["births"]}
    assert by_line[5] >= 100 and by_line[6] >= 300  # names; lists and tuples
