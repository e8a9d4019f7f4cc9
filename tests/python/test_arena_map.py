"""kucha map: pictures of arenas by type, age, birthplace and size of block, of programs, processes and heap files."""

from __future__ import annotations

import re
import subprocess
import sys
from collections import Counter
from pathlib import Path
from xml.etree import ElementTree

import pytest
from conftest import Done, Runner, clean_environment
from kucha import heap
from kucha.heap import Heap

pytestmark = pytest.mark.any_version

PROGRAM = """
class Feed:
    def __init__(self, number):
        self.name = f"feed {number}"

def make(count):
    return {number: Feed(number) for number in range(count)}

odd = type("<&\\x01'\\">", (), {})
odd.__module__ = "app"
feeds = make(3000)
others = [odd() for _ in range(3000)]
"""
SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("map")
    (folder / "app.py").write_text(PROGRAM)
    words = [sys.executable, "-m", "kucha", "heap", "dump", "-q", "-o", "app.heap", "--", "app.py"]
    subprocess.run(words, cwd=folder, env=clean_environment(), check=True, timeout=120)
    return folder / "app.heap"


def refused(done: Done, sentence: str) -> None:
    assert (done.returncode, done.stdout, done.stderr) == (2, "", f"kucha: {sentence}\n")


def words_of(picture: str) -> list[str]:
    """All texts in a picture, which must be XML."""
    root = ElementTree.fromstring(picture)
    assert root.tag == f"{SVG}svg"
    return [element.text or "" for element in root.iter() if element.tag in (f"{SVG}text", f"{SVG}title")]


def test_cells_add_up_to_what_is_in_use_by_any_key(file: Path) -> None:
    opened = Heap(file)
    arenas, _, used, _ = opened.pins()
    facts = opened.analysis.arenas()
    assert len(facts) == arenas
    for by in ("type", "site", "age", "class"):
        cells = opened.analysis.arena_map(by)
        assert sum(cell[4] for cell in cells) == used
        assert len({cell[:3] for cell in cells}) == len(cells)
        for arena, pool, _, nodes, size in cells:
            assert pool < facts[arena][1] // facts[arena][2] and 0 < nodes <= size
    with pytest.raises(ValueError, match="by type, birthplace, age or size"):
        opened.analysis.arena_map("colour")


def test_types_have_what_the_histogram_has_in_arenas(file: Path) -> None:
    opened = Heap(file)
    counts: Counter[int] = Counter()
    for _, _, key, nodes, _ in opened.analysis.arena_map("type"):
        counts[key] += nodes
    feed = opened.analysis.type_names().index(("__main__", "Feed"))
    assert counts[feed] == 3000


def test_pictures_say_what_they_show(file: Path) -> None:
    opened = Heap(file)
    by_type = words_of(opened.map_svg("type"))
    assert by_type[0] == "Arenas by type"
    assert "__main__.Feed" in by_type and any(text.startswith("app.<&") for text in by_type)
    assert any(re.match(r"pool 0x[0-9a-f]+: [\d.]+% in use\n", text) for text in by_type)
    by_site = words_of(opened.map_svg("site"))
    assert any("Feed.__init__" in text and "app.py:4" in text for text in by_site)
    assert any(text.endswith(" bytes") for text in words_of(opened.map_svg("class")))
    assert "not tracked by the collector" in words_of(opened.map_svg("age"))


def test_map_takes_a_heap_file(kucha: Runner, file: Path, tmp_path: Path) -> None:
    done = kucha("map", file, "--by", "type", "-o", "app.svg")
    assert (done.returncode, done.stderr) == (0, "kucha: the arenas are drawn in app.svg\n")
    assert (tmp_path / "app.svg").read_text() == Heap(file).map_svg("type")
    assert (tmp_path / "app.svg").stat().st_mode & 0o777 == 0o600
    refused(
        kucha("map", "-o", "app.svg", file), "'app.svg' exists already; choose another name, or replace it with --force"
    )
    assert kucha("map", "-f", "-o", "app.svg", file, "--by", "age").returncode == 0
    assert words_of((tmp_path / "app.svg").read_text())[0] == "Arenas by age"
    refused(kucha("map", file, "more"), "map takes one heap file, not 'more' besides; see kucha map --help")


def test_a_heap_without_arenas_is_refused(kucha: Runner, tmp_path: Path) -> None:
    heap.write(tmp_path / "a.heap", [("app", "Row")], [(0x1000, 0, 8, 0, 1, 0, 1, None)], [])
    sentence = "this heap file knows no arenas: it was not written by a program under kucha"
    refused(kucha("map", "a.heap"), sentence)
    assert not (tmp_path / "kucha-map.svg").exists()


def test_map_runs_a_program_and_draws_what_lives_at_its_end(kucha: Runner, tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(PROGRAM + "print('done')\n")
    done = kucha("map", "--by", "site", "app.py")
    assert (done.returncode, done.stdout) == (0, "done\n"), done.stderr
    assert done.stderr == "kucha: the arenas are drawn in kucha-map.svg\n"
    texts = words_of((tmp_path / "kucha-map.svg").read_text())
    assert any("Feed.__init__" in text and "app.py:4" in text for text in texts)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["app.py", "kucha-map.svg"]
    assert kucha("map", "-f", "--by", "type", "app.py").returncode == 0
    assert "__main__.Feed" in words_of((tmp_path / "kucha-map.svg").read_text())


def test_map_asks_a_process(kucha: Runner, tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(PROGRAM + "print('ready', flush=True)\ninput()\n")
    words = [sys.executable, "-m", "kucha", "run", "-q", "-o", "app.kucha", "app.py"]
    with subprocess.Popen(
        words, cwd=tmp_path, env=clean_environment(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as program:
        assert program.stdin is not None and program.stdout is not None
        assert program.stdout.readline() == "ready\n"
        done = kucha("map", "--by", "type", str(program.pid))
        program.communicate("\n", timeout=120)
    assert done.returncode == 0, done.stderr
    assert "__main__.Feed" in words_of((tmp_path / "kucha-map.svg").read_text())
    assert program.returncode == 0
