"""Files of pyheap: what is in them, what it is called, and damage.

The importer was tried on files of pyheap's own dumper, too; that needs gdb and the dumper, which no package index has.
"""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest
from conftest import Runner
from kucha import heap_pyheap
from kucha.heap import Heap
from pyheap_file import TYPES, Frame, Thing, pyheap_file

pytestmark = pytest.mark.any_version

MODULE, FEED, CELL, FUNCTION = 0x2000, 0x2100, 0x2200, 0x2300
APP, SPACE, CACHE, FIRST, FIRST_SPACE, NAME, ITEMS, WORD, LOST, PAIR, CALL, CLOSURE, BOX = range(0x9000, 0x9D00, 0x100)
KEY_CACHE, KEY_NAME, KEY_SECRET = range(0xA000, 0xA300, 0x100)


def content(with_texts: bool = True) -> bytes:
    """Module app with a dict cache of a Feed with attributes; a thread; an object that nothing leads to."""
    things = [
        Thing(TYPES["type"], TYPES["type"], 400),
        Thing(FEED, TYPES["type"], 1000, attributes={"__module__": WORD}),
        Thing(APP, MODULE, 72, others=[SPACE], attributes={"cache": CACHE}, text="<module 'app' from 'app.py'>"),
        Thing(SPACE, TYPES["dict"], 200, [KEY_CACHE, CACHE]),
        Thing(CACHE, TYPES["dict"], 300, [KEY_SECRET, FIRST]),
        Thing(
            FIRST,
            FEED,
            48,
            others=[FIRST_SPACE, FEED],
            attributes={"__class__": TYPES["type"], "name": NAME, "_private": ITEMS},
        ),
        Thing(FIRST_SPACE, TYPES["dict"], 104, [KEY_NAME, NAME, KEY_NAME, ITEMS]),
        Thing(NAME, TYPES["str"], 60, text="a value"),
        Thing(ITEMS, TYPES["list"], 80, [NAME, WORD]),
        Thing(WORD, TYPES["str"], 52, text="app.feeds"),
        Thing(LOST, TYPES["tuple"], 48, [PAIR]),
        Thing(PAIR, TYPES["set"], 216, [NAME]),
        Thing(CALL, FUNCTION, 152, others=[CLOSURE], text="<function serve at 0x123>"),
        Thing(CLOSURE, TYPES["tuple"], 48, [BOX]),
        Thing(BOX, CELL, 40, others=[FIRST]),
        Thing(KEY_CACHE, TYPES["str"], 54, text="cache"),
        Thing(KEY_NAME, TYPES["str"], 53, text="not an identifier"),
        Thing(KEY_SECRET, TYPES["str"], 53, text="secret"),
    ]
    types = {MODULE: "module", FEED: "Feed", CELL: "cell", FUNCTION: "function"}
    threads = {"MainThread": [Frame("serve", "app.py", 12, {"request": ITEMS}), Frame("<module>", "app.py", 30, {})]}
    return pyheap_file(things, types, threads, with_texts)


@pytest.fixture
def imported(tmp_path: Path) -> Heap:
    (tmp_path / "a.pyheap").write_bytes(content())
    assert heap_pyheap.convert(tmp_path / "a.pyheap", tmp_path / "a.heap") == (18, 18)
    return Heap(tmp_path / "a.heap")


def names(heap: Heap, address: int) -> dict[int, str]:
    """What an object's references are called, by the target's address."""
    node = heap.at(address)
    assert node is not None
    return {target.address: name for name, target in node.references()}


def test_objects_have_their_types_sizes_and_labels(imported: Heap) -> None:
    first, app, call = imported.at(FIRST), imported.at(APP), imported.at(CALL)
    assert first is not None and app is not None and call is not None
    assert (first.type, first.size) == ("app.feeds.Feed", 48)
    assert (app.text, call.text) == ("module app", "function serve")
    assert imported.info["taken"] == 1714979289.0
    assert sum(row.objects for row in imported.top()) == 18


def test_references_are_called_what_the_file_tells(imported: Heap) -> None:
    assert names(imported, APP) == {SPACE: "slot __dict__"}
    assert names(imported, SPACE) == {KEY_CACHE: "key 0", CACHE: "value of cache"}
    assert names(imported, FIRST) == {FIRST_SPACE: "slot __dict__", FEED: "type"}
    assert names(imported, FIRST_SPACE) == {KEY_NAME: "key 1", NAME: "value of name", ITEMS: "value of _private"}
    assert names(imported, ITEMS) == {NAME: "item 0", WORD: "item 1"}
    assert names(imported, PAIR) == {NAME: "key 0"}
    assert names(imported, CALL) == {CLOSURE: "slot __closure__"}
    assert names(imported, BOX) == {FIRST: "cell cell_contents"}


def test_no_text_gets_into_the_file_but_names(imported: Heap, tmp_path: Path) -> None:
    written = (tmp_path / "a.heap").read_bytes()
    assert names(imported, CACHE) == {KEY_SECRET: "key 0", FIRST: "value 0"}
    assert b"secret" not in written and b"a value" not in written
    assert b"cache" in written


def test_everything_has_a_path_from_modules_frames_or_the_unknown(imported: Heap) -> None:
    def first_step(address: int) -> str:
        node = imported.at(address)
        assert node is not None
        return str(node.paths()[0][1])

    assert first_step(FIRST) == "modules"
    assert first_step(ITEMS) == "thread 1 MainThread"
    assert first_step(PAIR) == "C or unknown"
    assert not imported.find("dead")


def test_without_texts_values_are_called_by_attributes(tmp_path: Path) -> None:
    (tmp_path / "a.pyheap").write_bytes(content(with_texts=False))
    heap_pyheap.convert(tmp_path / "a.pyheap", tmp_path / "a.heap")
    heap = Heap(tmp_path / "a.heap")
    assert names(heap, SPACE)[CACHE] == "value of cache"
    first = heap.at(FIRST)
    assert first is not None and first.type == "Feed"


def test_commands_take_the_file_as_it_is(kucha: Runner, tmp_path: Path) -> None:
    (tmp_path / "a.pyheap").write_bytes(content())
    done = kucha("heap", "path", "a.pyheap", hex(FIRST))
    assert done.returncode == 0, done.stderr
    assert [line.split("  0x")[0].strip() for line in done.stdout.splitlines()[:4]] == [
        "modules",
        "module app .cache",
        "dict [entry 0]",
        "app.feeds.Feed",
    ]
    assert kucha("heap", "import", "a.pyheap").stdout == "a.pyheap.heap: 18 objects and 18 references, from pyheap\n"
    again = kucha("heap", "import", "a.pyheap")
    assert again.returncode == 2 and "exists" in again.stderr
    told = json.loads(kucha("heap", "import", "--force", "--json", "a.pyheap", "-o", "b.heap").stdout)
    assert told == {"file": "b.heap", "objects": 18, "references": 18}
    top = [kucha("heap", "top", name).stdout for name in ("a.pyheap", "b.heap")]
    assert top[0] == top[1] and "app.feeds.Feed" in top[0]


def test_damaged_files_are_refused_in_one_sentence(kucha: Runner, tmp_path: Path) -> None:
    for written in (content()[:400], b"no heap at all", b"", content()[:11] + b"\2" + content()[12:]):
        (tmp_path / "a.pyheap").write_bytes(written)
        done = kucha("heap", "import", "--force", "a.pyheap")
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr.startswith("kucha: 'a.pyheap': ") and done.stderr.count("\n") == 1
    done = kucha("heap", "import", "none.pyheap")
    assert (done.returncode, done.stderr) == (
        2,
        "kucha: can't read or write 'none.pyheap': No such file or directory\n",
    )


def test_no_damage_does_more_than_a_value_error(tmp_path: Path) -> None:
    whole, chance = content(), random.Random(6)
    damaged = [whole[:size] for size in range(0, len(whole), 7)]
    for _ in range(300):
        copy = bytearray(whole)
        for _ in range(chance.randint(1, 4)):
            copy[chance.randrange(len(copy))] = chance.choice((0, 1, 0x7F, 0x80, 0xFF))
        damaged.append(bytes(copy))
    for written in damaged:
        (tmp_path / "a.pyheap").write_bytes(written)
        try:
            heap_pyheap.convert(tmp_path / "a.pyheap", tmp_path / "a.heap")
        except ValueError as error:
            assert "\n" not in str(error)
        else:
            Heap(tmp_path / "a.heap").top()
