"""The capture of a program that is killed: what it knows although the program allocates nothing any more."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from conftest import PATIENCE, Runner, clean_environment, eventually, heaps_written, written

Write = Callable[[str, str], Path]


def kill_when(folder: Path, program: Path, right: Callable[[], bool]) -> None:
    """Runs a program until it has printed a line and something has come true; then SIGKILL."""
    command = [sys.executable, "-m", "kucha", "run", "-q", "-o", "out.kucha", str(program)]
    process = subprocess.Popen(
        command, cwd=folder, env=clean_environment(), stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    try:
        assert process.stdout.readline() == b"ready\n"
        assert eventually(right)
    finally:
        process.kill()
        process.communicate(timeout=2 * PATIENCE)


def document(kucha: Runner) -> dict[str, Any]:
    done = kucha("report", "--json", "out.kucha")
    assert done.returncode == 0, done.stderr
    read: dict[str, Any] = json.loads(done.stdout)
    return read


def test_parent_that_waits_right_after_a_fork(kucha: Runner, write: Write, tmp_path: Path) -> None:
    path = write(
        "program.py",
        """
import os
here, there = os.pipe()
if os.fork() == 0:
    os.close(there)
    os.read(here, 1)  # ends with the parent
    os._exit(0)
kept = bytearray(5_000_000)
os.write(1, b"ready\\n")
os.read(0, 1)
""",
    )
    kill_when(tmp_path, path, lambda: written(tmp_path / "out.kucha")["live_bytes"] >= 5_000_000)
    assert document(kucha)["totals"]["live_bytes"] >= 5_000_000


def test_no_second_thread_while_fork_is_on_its_way(kucha: Runner, write: Write) -> None:
    """Also where functions of os.register_at_fork() run Python code for a while before os.fork() returns."""
    path = write(
        "program.py",
        """
import os, time
def threads():
    return len(os.listdir("/proc/self/task"))
counts = []
def after():
    while True:
        count = threads()
        if time.perf_counter() - started > 0.05:  # half of what kucha gives os.fork(), and many times what a fork takes
            break
        counts.append(count)
os.register_at_fork(after_in_parent=after)
for _ in range(100):
    started = time.perf_counter()
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    os.waitpid(pid, 0)
    until = time.monotonic() + 60
    while threads() == 1 and time.monotonic() < until:
        time.sleep(0.001)
    assert threads() == 2, "the capture's thread is back"
    if len(counts) > 100:
        break
print(set(counts))
""",
    )
    done = kucha("run", "-q", "-o", "out.kucha", path)
    assert (done.returncode, done.stdout, done.stderr) == (0, "{1}\n", "")


def test_heaps_of_a_program_that_only_frees(kucha: Runner, write: Write, tmp_path: Path) -> None:
    path = write(
        "program.py",
        """
import itertools, os
kept = ["%d" % i * 9 for i in range(300_000)]
del kept
os.write(1, b"ready\\n")
for _ in itertools.repeat(None):
    pass
""",
    )

    def used(heaps: list[dict[str, Any]]) -> int:
        """Bytes of the objects' heap; 0 until they stand in the capture."""
        return sum(int(heap["bytes_used"]) for heap in heaps if heap["name"] == "objects")

    kill_when(tmp_path, path, lambda: 0 < used(heaps_written(tmp_path / "out.kucha")) < 5_000_000)
    assert 0 < used(document(kucha)["heaps"]) < 5_000_000
