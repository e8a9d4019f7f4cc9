"""What the tests of the Python package share: running programs with kucha and without, in a folder of their own."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sanitized import skip_what_cannot_be_tested

# A job in the background of a shell is started with SIGINT ignored, and its children would be, too.
signal.signal(signal.SIGINT, signal.default_int_handler)

TOP = Path(__file__).resolve().parents[2]
Done = subprocess.CompletedProcess[str]
Runner = Callable[..., Done]
Start = Callable[..., subprocess.Popen[str]]

# Variables that change what Python or kucha do, and that a test sets itself where it is about them.
FOREIGN = (
    "KUCHA",
    "KUCHA_TRACEMALLOC",
    "PYTHONMALLOC",
    "PYTHONTRACEMALLOC",
    "PYTHONDEVMODE",
    "PYTHONSAFEPATH",
    "PYTHONWARNINGS",
    "COLUMNS",
)


def clean_environment(**changes: str) -> dict[str, str]:
    """The environment without what would change the outcome."""
    kept = {name: value for name, value in os.environ.items() if name not in FOREIGN}
    return kept | {"COLUMNS": "200"} | changes


@pytest.fixture
def python(tmp_path: Path) -> Runner:
    """Runs the interpreter under test, in the test's folder."""

    def run(*words: str | Path, stdin: str = "", timeout: float = 280, **environment: str) -> Done:
        return subprocess.run(
            [sys.executable, *map(str, words)],
            cwd=tmp_path,
            env=clean_environment(**environment),
            input=stdin,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )

    return run


@pytest.fixture
def kucha(python: Runner) -> Runner:
    """Runs the command kucha, in the test's folder."""

    def run(*words: str | Path, **options: object) -> Done:
        return python("-m", "kucha", *words, **options)

    return run


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str, str], Path]:
    """Writes a file into the test's folder."""

    def write_file(name: str, text: str) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    return write_file


# Files whose tests are about what no interpreter changes: /proc, the formats of captures, reports and heap files, the
# words of the command line, documents. These, and tests marked so one by one, run under the oldest interpreter and the
# newest; scripts/test leaves them out under those between (see tools/suite.py).
ANY_VERSION = frozenset(
    f"test_{name}.py"
    for name in (
        "capture_file_doc",
        "capture_upkeep",
        "comparison",
        "docs",
        "doctor",
        "dropin",
        "exports",
        "heap",
        "limits_and_ps",
        "manual",
        "mprof",
        "objgraph_suite",
        "options",
        "psutil",
        "psutil_hidden",
        "report",
        "resource",
        "timeline",
    )
)


def pytest_configure(config: pytest.Config) -> None:
    """Makes the mark known."""
    config.addinivalue_line("markers", "any_version: runs under the oldest interpreter and the newest alone")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Marks what lies in such a file, and what AddressSanitizer leaves no room for."""
    for item in items:
        if item.path.name in ANY_VERSION:
            item.add_marker(pytest.mark.any_version)
    skip_what_cannot_be_tested(items)


PATIENCE = 60.0  # seconds until something must have happened that takes well under one, on however busy a machine


@contextlib.contextmanager
def starting(folder: Path, program: str, end: str) -> Iterator[Start]:
    """What starts programs that say "up" and then wait for their standard input to end; it ends at the end.

    Each is ``program``, what the caller adds as ``code``, and ``end``, if the caller has none of its own.
    """
    started: list[subprocess.Popen[str]] = []

    def start(
        *words: str, code: str = "", end: str = end, python: str = sys.executable, **environment: str
    ) -> subprocess.Popen[str]:
        (folder / "waits.py").write_text(f"{program}{code}{end}")
        process = subprocess.Popen(
            [python, *words, "waits.py"],
            cwd=folder,
            env=clean_environment(**environment),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        assert process.stdout is not None
        assert process.stdout.readline() == "up\n"
        return process

    yield start
    for process in started:
        process.communicate("", timeout=2 * PATIENCE)


def eventually(right: Callable[[], object]) -> bool:
    """Whether it comes true. For what others do in their own time: threads, children, the kernel."""
    until = time.monotonic() + PATIENCE
    while not right():
        if time.monotonic() > until:
            return False
        time.sleep(0.02)
    return True


# For programs that are watched: a watcher sleeps between two readings, and the kernel counts how often a thread went to
# sleep of itself. turns() is that count for a process's main thread, or for all threads of this process but the one
# that asks; wait() sleeps until the watcher has had so many turns more.
WATCHED = f"""
import os, threading, time
def sleeps(path):
    try:
        with open(path) as file:
            return next(int(line.split()[1]) for line in file if line.startswith("voluntary_ctxt_switches"))
    except OSError: return 0  # a thread that has ended since it was listed
def turns(pid=0):
    if pid: return sleeps(f"/proc/{{pid}}/status")
    tasks = set(os.listdir("/proc/self/task")) - {{str(threading.get_native_id())}}
    return sum(sleeps(f"/proc/self/task/{{task}}/status") for task in tasks)
def wait(more, pid=0, until=time.monotonic() + {PATIENCE}):
    before = turns(pid)
    while turns(pid) < before + more and time.monotonic() < until: time.sleep(0.005)
"""


def read_early(path: Path) -> Any:
    """A capture that is being written, as far as it is in the file; None where it cannot be read yet."""
    from kucha import _core

    try:
        return _core.capture_read(str(path))
    except (OSError, _core.CaptureError):
        return None


def written(path: Path) -> dict[str, int]:
    """The totals of a capture that is being written."""
    capture = read_early(path)
    return capture.totals if capture is not None else {"live_bytes": 0}


def heaps_written(path: Path) -> list[dict[str, Any]]:
    """The heaps in a capture that is being written."""
    capture = read_early(path)
    return list(capture.arenas) if capture is not None else []


def captures(folder: Path) -> list[Path]:
    """The captures in a folder, sorted."""
    return sorted(path for path in folder.iterdir() if ".kucha" in path.name)
