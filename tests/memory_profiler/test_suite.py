"""memory_profiler's own tests against kucha.memory_profiler, from its source release (scripts/setup test gets it).

Its tests are of two kinds: programs that ``python -m memory_profiler`` runs, which must go through and print tables,
and modules for pytest. Both run as they are, with ``kucha run --drop-in``.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

TOP = Path(__file__).resolve().parents[2]
Done = subprocess.CompletedProcess[str]

# Functions with @profile; some define nothing else, and are only there to be imported and called.
PROGRAMS = (
    "test_as",
    "test_func",
    "test_gen",
    "test_global",
    "test_import",
    "test_loop",
    "test_loop_decorated",
    "test_mprofile",
    "test_nested",
    "test_precision_command_line",
    "test_unicode",
)
SILENT = ("test_global", "test_import")  # their decorators are imported, and print at each call
SCRIPTS = ("test_attributes", "test_stream_unicode")
MODULES = ("test_async.py", "test_exception.py", "test_increment_display.py", "test_memory_usage.py", "test_mprof.py")
# What cannot be run here, with the reason.
LEFT_OUT = {
    "test_exit_code.py": "it calls a function inside of the mprof script, by a method of unittest that 3.12 took away",
    "test_precision_import.py": "it imports test modules by names that pytest gives them no more",
    "test_tracemalloc.py": "it sleeps for seven seconds; tests/python/test_memory_profiler.py has the backend",
}
NEEDS_640_MIB = "test_loop_incr"


@pytest.fixture
def suite(tmp_path: Path) -> Path:
    """A copy of the tests."""
    found = sorted((TOP / ".venv" / "memory_profiler").glob("memory_profiler-*/test"))
    if not found:
        pytest.skip("memory_profiler's source release is not here; scripts/setup test fetches it")
    return shutil.copytree(found[-1], tmp_path / "suite")


def drop_in(folder: Path, *words: str | Path) -> Done:
    """Runs a program that finds kucha's modules under the originals' names."""
    command = [sys.executable, "-m", "kucha", "run", "--drop-in", "--no-trace", "-q", *map(str, words)]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=240, check=False)


def test_every_file_of_the_suite_is_known(suite: Path) -> None:
    known = {f"{name}.py" for name in (*PROGRAMS, *SCRIPTS)} | {*MODULES, *LEFT_OUT}
    assert {path.name for path in suite.glob("test_*.py")} == known


def test_its_programs_are_profiled(suite: Path) -> None:
    for name in PROGRAMS:
        done = drop_in(suite, "-m", "memory_profiler", suite / f"{name}.py")
        assert (done.returncode, done.stderr) == (0, ""), name
        assert ("Line #    Mem usage" in done.stdout) or name in SILENT, name


def test_its_scripts_go_through(suite: Path) -> None:
    for name in SCRIPTS:
        done = drop_in(suite, suite / f"{name}.py")
        assert (done.returncode, done.stderr) == (0, ""), name


def test_its_modules_pass(suite: Path) -> None:
    words = ["-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", suite]
    done = drop_in(suite, *words, "-k", f"not {NEEDS_640_MIB}", *(suite / name for name in MODULES))
    assert done.returncode == 0, done.stdout
