"""kucha run --lines: lines of a program that was not edited, and what they do to memory."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import Runner
from kucha.lines import Wanted

Write = Callable[[str, str], Path]

HELPER = """\
MADE_BY = "hand"


def build(n):
    kept = []
    for i in range(n):
        kept.append(bytearray(1000))
    return kept


def unused():
    return 1
"""
PROGRAM = """\
import threading

import helper


class Box:
    size = bytearray(5000)

    def fill(self, n):
        self.items = [bytearray(2000) for _ in range(n)]

    def deep(self, n):
        if n == 0:
            return
        self.items.append(bytearray(100_000))
        self.deep(n - 1)


def pieces(n):
    for _ in range(n):
        yield bytearray(10_000)


def work():
    held = bytearray(3_000_000)
    del held


box = Box()
box.fill(50)
box.deep(4)
kept = helper.build(200)
got = [piece for piece in pieces(3)]
thread = threading.Thread(target=work)
thread.start()
thread.join()
print("done")
"""
ROW = re.compile(r"^ *(\d+) +([\d.]+) MiB +(-?[\d.]+) MiB +(\d+) +(\d+) +(\d+) +(\d+)   (.*)$")


class Line:
    """One row of a table."""

    def __init__(self, found: re.Match[str]) -> None:
        self.count, self.allocated, self.freed, self.peak = (int(found[place]) for place in (4, 5, 6, 7))
        self.memory, self.increment = float(found[2]), float(found[3])
        self.text = found[8].strip()


def tables(text: str) -> dict[str, dict[str, Line]]:
    """The rows of each function by their text, the functions by the text of their first line."""
    found: dict[str, dict[str, Line]] = {}
    for table in text.split("Filename: ")[1:]:
        lines = [Line(match) for match in map(ROW.match, table.splitlines()) if match]
        found[lines[0].text] = {line.text: line for line in lines}
    return found


@pytest.fixture
def program(write: Write) -> Path:
    write("helper.py", HELPER)
    return write("app.py", PROGRAM)


@pytest.fixture
def shown(kucha: Runner, program: Path, tmp_path: Path) -> dict[str, dict[str, Line]]:
    """The tables that a run writes to a file."""
    done = kucha("run", "-q", "--no-trace", "--lines=lines.txt", program)
    assert (done.returncode, done.stdout, done.stderr) == (0, "done\n", "")
    return tables((tmp_path / "lines.txt").read_text())


def test_every_function_of_the_program_that_ran_has_a_table(shown: dict[str, dict[str, Line]]) -> None:
    assert set(shown) == {
        "import threading",  # the module
        'MADE_BY = "hand"',  # and the other module
        "def build(n):",
        "class Box:",
        "def fill(self, n):",
        "def deep(self, n):",
        "def pieces(n):",
        "def work():",
    }


def test_bytes_of_lines_are_exact(shown: dict[str, dict[str, Line]]) -> None:
    line = shown["def build(n):"]["kept.append(bytearray(1000))"]
    assert line.count == 200
    assert 200 * 1001 <= line.allocated - line.freed <= 200 * 1100 + 4000
    comprehension = shown["def fill(self, n):"]["self.items = [bytearray(2000) for _ in range(n)]"]
    assert 50 * 2001 <= comprehension.allocated <= 50 * 2200 + 4000
    generator = shown["def pieces(n):"]["yield bytearray(10_000)"]
    assert 3 * 10_001 <= generator.allocated <= 3 * 10_300
    held = shown["import threading"]["kept = helper.build(200)"]
    assert held.allocated >= line.allocated  # with what it called


def test_a_function_that_calls_itself_has_each_byte_once(shown: dict[str, dict[str, Line]]) -> None:
    deep = shown["def deep(self, n):"]
    assert deep["if n == 0:"].count == 5
    assert 4 * 100_001 <= deep["self.items.append(bytearray(100_000))"].allocated <= 4 * 101_000
    assert deep["self.deep(n - 1)"].allocated < 4000
    assert deep["self.deep(n - 1)"].peak >= 3 * 100_001


def test_threads_take_part_and_resident_memory_is_a_lines_own(shown: dict[str, dict[str, Line]]) -> None:
    work = shown["def work():"]
    assert work["held = bytearray(3_000_000)"].allocated >= 3_000_000
    assert work["del held"].freed >= 3_000_000
    assert work["held = bytearray(3_000_000)"].increment >= 2.5  # not the whole process, as in a first line
    assert work["held = bytearray(3_000_000)"].increment < 6
    assert abs(shown["def build(n):"]["def build(n):"].increment) < 1


def test_the_tables_that_weigh_most_are_shown_where_no_file_is_named(kucha: Runner, program: Path) -> None:
    done = kucha("run", "--no-trace", "--lines", "--top", "1", program)
    assert done.stdout == "done\n"
    assert done.stderr.count("Filename: ") == 1
    assert re.search(r"^lines +allocated +freed +peak +increment +runs +where$", done.stderr, re.MULTILINE)
    assert re.search(r"of \d+ lines in 8 functions; each with all that it called", done.stderr)


def test_with_a_capture_both_are_made(kucha: Runner, program: Path, tmp_path: Path) -> None:
    done = kucha("run", "--lines=lines.txt", "-o", "app.kucha", program)
    assert done.returncode == 0
    assert "the tables of all functions are in lines.txt" in done.stderr
    found = tables((tmp_path / "lines.txt").read_text())
    assert found["def build(n):"]["kept.append(bytearray(1000))"].allocated >= 200 * 1001
    assert "helper.py:7 in build" in kucha("report", "app.kucha").stdout


def test_only_what_was_named_is_looked_at(kucha: Runner, program: Path, tmp_path: Path) -> None:
    def heads(words: str, *more: str) -> set[str]:
        done = kucha("run", "-qf", "--no-trace", "--lines=lines.txt", "--lines-of", words, *more, program)
        assert (done.returncode, done.stderr) == (0, "")
        return set(tables((tmp_path / "lines.txt").read_text()))

    assert heads("helper:build") == {"def build(n):"}
    assert heads("app.py:Box.*") == {"def fill(self, n):", "def deep(self, n):"}
    assert heads("app.py:work, helper:build") == {"def work():", "def build(n):"}
    assert "def start(self):" in heads("threading:Thread.*")
    assert heads("nothing.like.it") == set()


def test_resident_memory_can_be_left_out(kucha: Runner, program: Path, tmp_path: Path) -> None:
    kucha("run", "-q", "--no-trace", "--lines=lines.txt", "--resident", "off", program)
    assert not re.search(r"\d MiB", (tmp_path / "lines.txt").read_text())


def test_an_exception_ends_the_program_as_ever(kucha: Runner, python: Runner, write: Write) -> None:
    path = write("fails.py", "def f():\n    return 1 / 0\n\n\ndef g():\n    f()\n\n\ng()\n")
    plain, ours = python(path), kucha("run", "--no-trace", "--lines=lines.txt", "-q", path)
    assert (ours.returncode, ours.stderr) == (plain.returncode, plain.stderr)


def test_what_cannot_be_is_one_sentence(kucha: Runner, program: Path, write: Write) -> None:
    for words, sentence in (
        (("--lines-of", "app"), "--lines-of and --resident say how --lines is to look; add it"),
        (("--lines", "--lines-of", ","), "--lines-of names no code; say own, all, a module or a file"),
        (("--lines", "--resident", "never"), "must be one of moved, every, off, not 'never'"),
        (("--lines=app.py",), "'app.py' exists already"),
    ):
        done = kucha("run", "--no-trace", *words, program)
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr.startswith("kucha: ") and sentence in done.stderr and done.stderr.count("\n") == 1


@pytest.mark.skipif(sys.version_info < (3, 12), reason="sys.monitoring is of 3.12")
def test_where_the_tool_id_is_taken_the_program_runs_without(python: Runner, program: Path, write: Write) -> None:
    write("sitecustomize.py", "import sys\nsys.monitoring.use_tool_id(sys.monitoring.PROFILER_ID, 'another')\n")
    folder = str(program.parent)
    done = python("-c", "import sys; print(sys.monitoring.get_tool(2))", PYTHONPATH=folder)
    if done.stdout != "another\n":
        pytest.skip("this interpreter has a sitecustomize of its own")
    done = python("-m", "kucha", "run", "--no-trace", "--lines", program, PYTHONPATH=f"{folder}:{':'.join(sys.path)}")
    assert done.stdout == "done\n"
    assert "'another' has the id 2 of sys.monitoring" in done.stderr
    assert "the program runs without --lines" in done.stderr


def test_words_choose_code() -> None:
    def matches(words: str, code: object = test_words_choose_code.__code__) -> bool:
        return code in Wanted(words)

    assert matches("all") and matches("own") and matches("test_lines") and matches("test_lines.py")
    assert matches("*/python/test_*.py") and matches("python.test_lines") and matches("test_lines:test_words*")
    assert not matches("lines.py") and not matches("test_lines:other") and not matches("test_lin")
    assert not matches("own", re.compile.__code__) and matches("re", re.compile.__code__)
    assert not matches("all", compile("1", "<string>", "exec"))
    with pytest.raises(ValueError, match="no code is named"):
        Wanted(" , ")
