"""kucha mprof, and files that go both ways between it and the original's mprof."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import WATCHED, Runner
from kucha import mprof

Write = Callable[[str, str], Path]

PROGRAM = (
    WATCHED
    + """
try:
    profile
except NameError:
    profile = lambda f: f
@profile
def hold():
    data = b"x" * (30 << 20)
    time.sleep(0.3)
    wait(4, os.getppid())
hold()
"""
)


@pytest.fixture
def recorded(kucha: Runner, write: Write, tmp_path: Path) -> Path:
    """A file that mprof run made."""
    done = kucha("mprof", "run", "-T", "0.05", write("app.py", PROGRAM))
    assert done.returncode == 0, done.stderr
    (path,) = tmp_path.glob("mprofile_*.dat")
    return path


def test_the_verbs_work_on_what_was_recorded(recorded: Path, kucha: Runner, python: Runner) -> None:
    content = mprof.read_mprofile_file(str(recorded))
    assert len(content["mem_usage"]) >= 4
    assert content["cmd_line"].strip().endswith("app.py")
    assert list(content["func_timestamp"]) == ["__main__.hold"]
    ((begun, ended, before, after, level),) = content["func_timestamp"]["__main__.hold"]
    assert ended - begun >= 0.3
    assert (after - before < 30, level) == (True, 0)
    assert kucha("mprof", "list").stdout.startswith(f"0 {recorded.name} ")
    peak = kucha("mprof", "peak").stdout
    assert float(re.search(r"\t([\d.]+) MiB", peak)[1]) > 35  # type: ignore[index]
    assert "MiB" in python("-m", "kucha.mprof", "peak", "--func", "__main__.hold", "-1").stdout
    assert "NaN MiB" in kucha("mprof", "peak", "--func", "nobody").stdout
    assert recorded.name in kucha("mprof", "clean", "--dry-run").stdout
    assert kucha("mprof", "clean").returncode == 0
    assert not recorded.exists()


def test_the_original_reads_our_file_and_we_read_its(recorded: Path, python: Runner, tmp_path: Path) -> None:
    original = pytest.importorskip("mprof")
    ours, theirs = mprof.read_mprofile_file(str(recorded)), original.read_mprofile_file(str(recorded))
    assert {**theirs, "children": dict(theirs["children"])} == ours
    recorded.unlink()
    assert python("-m", "mprof", "run", "-T", "0.05", "app.py").returncode == 0
    (made,) = tmp_path.glob("mprofile_*.dat")
    theirs = original.read_mprofile_file(str(made))
    assert {**theirs, "children": dict(theirs["children"])} == mprof.read_mprofile_file(str(made))


def test_labels_are_the_shortest_that_differ() -> None:
    expected = {
        "x.z": "z",
        "x.y": "y",
        "x.b": "x.b",
        "f.a.b": "f.a.b",
        "g.a.b": "g.a.b",
        "g.a.c": "a.c",
        "b.c": "b.c",
    }
    assert mprof.function_labels(expected) == expected


def test_children_are_recorded_by_themselves(kucha: Runner, write: Write, tmp_path: Path) -> None:
    child = WATCHED + "import sys; x = b'x' * (20 << 20); wait(4, int(sys.argv[1]))"
    write(
        "parent.py",
        f"import os, subprocess, sys\nsubprocess.run([sys.executable, '-c', {child!r}, str(os.getppid())])\n",
    )
    done = kucha("mprof", "run", "-T", "0.05", "--multiprocess", "-o", "out.dat", "parent.py")
    assert done.returncode == 0, done.stderr
    (readings,) = mprof.read_mprofile_file(str(tmp_path / "out.dat"))["children"].values()
    assert max(memory for memory, _ in readings) > 20
    assert "Child " in kucha("mprof", "peak", "out.dat").stdout


def test_exit_codes_and_programs_that_are_not_there(kucha: Runner) -> None:
    words = ("mprof", "run", "-T", "0.02", "-o", "x.dat")
    assert kucha(*words, "-E", sys.executable, "-c", "raise SystemExit(3)").returncode == 3
    assert kucha(*words, sys.executable, "-c", "raise SystemExit(3)").returncode == 0
    done = kucha(*words, "./no-such-program")
    assert (done.returncode, "can't run './no-such-program'" in done.stderr) == (1, True)
    assert kucha("mprof").returncode == 1
    assert "kucha mprof {run" in kucha("mprof", "--help").stdout


def test_bad_files_are_told_apart(kucha: Runner, write: Write) -> None:
    assert "No input file found" in kucha("mprof", "peak").stderr
    assert "File gone.dat not found" in kucha("mprof", "rm", "gone.dat").stderr
    assert "Invalid index" in kucha("mprof", "rm", "5").stderr
    write("short.dat", "CMDLINE x\nMEM 5.0\n")
    assert "short.dat, line 2: a line of MEM has words missing" in kucha("mprof", "peak", "short.dat").stderr
    write("words.dat", "MEM a b\n")
    assert kucha("mprof", "peak", "words.dat").returncode == 1


def test_a_file_is_drawn(kucha: Runner, write: Write, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    write("a.dat", "CMDLINE x\nMEM 5.0 100.0\nMEM 9.0 101.0\nCHLD 7 3.0 100.5\nFUNC m.f 5.0 100.1 8.0 100.8 0\n")
    for options in ((), ("--flame",), ("--slope", "--window", "0,1")):
        done = kucha("mprof", "plot", *options, "-o", "a.svg", "a.dat")
        assert done.returncode == 0, done.stderr
        assert "<svg" in (tmp_path / "a.svg").read_text()
