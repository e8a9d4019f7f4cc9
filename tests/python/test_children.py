"""Following: forked children, Python programs that are started, and the workers of programs from PyPI."""

from __future__ import annotations

import importlib.util
import json
import os
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import PATIENCE, Runner, captures, clean_environment, eventually

Write = Callable[[str, str], Path]

FORKING = """
import os, sys
before = [bytes(1000) for _ in range(100)]
pid = os.fork()
if pid == 0:
    child = [bytes(2000) for _ in range(1000)]
    {leave}
os.waitpid(pid, 0)
parent = [bytes(3000) for _ in range(100)]
"""


# Waits until this process's capture has so many bytes that live.
PATIENT = f"""
import os, time
from kucha import _core
def written():
    try:
        return _core.capture_read(f"out.kucha.{{os.getpid()}}").totals["live_bytes"]
    except (OSError, _core.CaptureError):
        return 0
def wait(size, until=time.monotonic() + {PATIENCE}):
    while written() < size and time.monotonic() < until:
        time.sleep(0.02)
"""


def header(kucha: Runner, path: Path) -> dict[str, object]:
    read: dict[str, object] = json.loads(kucha("report", "--json", path).stdout)["header"]
    return read


def live_by_line(kucha: Runner, path: Path) -> dict[int, int]:
    """Live bytes by line of program.py."""
    done = kucha("report", "--json", path)
    assert done.returncode == 0, done.stderr
    rows = json.loads(done.stdout)["places"]
    return {row["line"]: row["live_bytes"] for row in rows if str(row["file"]).endswith("program.py")}


@pytest.mark.parametrize("leave", ["sys.exit()", "os._exit(0)"])
def test_followed_fork_has_a_capture_of_its_own(kucha: Runner, write: Write, tmp_path: Path, leave: str) -> None:
    if leave.startswith("os."):
        # Leaves no chance to finish: the last second may be missing, so what has happened is waited for.
        write("patience.py", PATIENT)
        leave = "import patience; patience.wait(2_100_000); " + leave
    path = write("program.py", FORKING.format(leave=leave))
    done = kucha("run", "-o", "out.kucha", "--follow-fork", path)
    assert done.returncode == 0, done.stderr
    parent, child = captures(tmp_path)
    assert parent.name == "out.kucha"
    assert child.name.removeprefix("out.kucha.").isdigit()
    assert header(kucha, child)["pid"] == int(child.name.rpartition(".")[2])
    assert header(kucha, parent)["finished"] is True
    assert header(kucha, child)["finished"] is leave.startswith("sys.")
    assert "of 1 child: out.kucha.PID" in done.stderr
    assert done.stderr.count("kucha: ") == 1  # the parent's summary alone
    at_parent, at_child = live_by_line(kucha, parent), live_by_line(kucha, child)
    assert at_child[6] >= 1000 * 2000
    assert at_child[3] >= 100 * 1000
    assert 6 not in at_parent
    assert at_parent[9] >= 100 * 3000


def test_fork_that_is_not_followed_leaves_the_capture_alone(kucha: Runner, write: Write, tmp_path: Path) -> None:
    path = write("program.py", FORKING.format(leave="sys.exit()"))
    done = kucha("run", "-o", "out.kucha", path)
    assert done.returncode == 0, done.stderr
    assert [capture.name for capture in captures(tmp_path)] == ["out.kucha"]
    assert done.stderr.count("kucha: ") == 1
    assert header(kucha, tmp_path / "out.kucha")["finished"] is True
    at_parent = live_by_line(kucha, tmp_path / "out.kucha")
    assert at_parent[9] >= 100 * 3000
    assert 6 not in at_parent


def test_multiprocessing_pool_is_followed(kucha: Runner, write: Write, tmp_path: Path) -> None:
    path = write(
        "program.py",
        """
import multiprocessing
def work(n):
    return len([bytes(1000) for _ in range(n)])
if __name__ == "__main__":
    context = multiprocessing.get_context("fork")
    both = context.Barrier(2)          # one that has not begun when the other has done all would be ended unseen
    with context.Pool(2, both.wait) as pool:
        print(sum(pool.map(work, range(100))))
""",
    )
    done = kucha("run", "-q", "-o", "out.kucha", "--follow-fork", path)
    assert (done.returncode, done.stdout, done.stderr) == (0, "4950\n", "")
    assert len(captures(tmp_path)) == 3
    for capture in captures(tmp_path):
        assert header(kucha, capture)["python"]


def test_workers_of_multiprocessing_finish_their_captures(kucha: Runner, write: Write, tmp_path: Path) -> None:
    path = write(
        "program.py",
        """
import multiprocessing
def work():
    kept.extend(bytes(1000) for _ in range(1000))
kept = []
if __name__ == "__main__":
    worker = multiprocessing.get_context("fork").Process(target=work)
    worker.start()
    worker.join()
""",
    )
    assert kucha("run", "-q", "-o", "out.kucha", "--follow-fork", path).returncode == 0
    _, child = captures(tmp_path)
    assert header(kucha, child)["finished"] is True
    assert live_by_line(kucha, child)[4] >= 1000 * 1000


STARTING = """
import os, subprocess, sys
print("KUCHA" in os.environ, flush=True)
subprocess.run([sys.executable, "child.py", "x"], check=True)
os.chdir("/")
subprocess.run([sys.executable, "-c", "print('in a child')"], check=True)
"""


def test_followed_subprocesses_have_captures_of_their_own(kucha: Runner, write: Write, tmp_path: Path) -> None:
    write("child.py", "import sys\nkept = [bytes(2000) for _ in range(1000)]\nprint(sys.argv, flush=True)\n")
    path = write("program.py", STARTING)
    done = kucha("run", "-o", "out.kucha", "--follow-subprocesses", "--frames", "3", path)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "True\n['child.py', 'x']\nin a child\n"
    assert "Error" not in done.stderr
    found = captures(tmp_path)
    assert len(found) == 3
    assert done.stderr.count("kucha: ") == 1
    assert "of 2 children: out.kucha.PID" in done.stderr
    commands = [str(header(kucha, capture)["command"]) for capture in found]
    assert sum("child.py x" in command for command in commands) == 1
    assert {header(kucha, capture)["frames"] for capture in found} == {3}
    assert all(header(kucha, capture)["finished"] for capture in found)


def test_subprocesses_are_left_alone_without_being_asked(kucha: Runner, write: Write, tmp_path: Path) -> None:
    write("child.py", "import sys\nprint('kucha' in sys.modules, flush=True)\n")
    path = write("program.py", STARTING)
    done = kucha("run", "-q", "-o", "out.kucha", path)
    assert (done.returncode, done.stdout, done.stderr) == (0, "False\nFalse\nin a child\n", "")
    assert [capture.name for capture in captures(tmp_path)] == ["out.kucha"]


def test_users_own_sitecustomize_still_runs_in_children(kucha: Runner, write: Write, tmp_path: Path) -> None:
    write("own/sitecustomize.py", "print('custom', flush=True)\n")
    path = write(
        "program.py", "import subprocess, sys\nsubprocess.run([sys.executable, '-c', 'print(1)'], check=True)\n"
    )
    place = f"{tmp_path / 'own'}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"
    done = kucha("run", "-q", "-o", "out.kucha", "--follow-subprocesses", path, PYTHONPATH=place)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines().count("custom") == 2
    assert len(captures(tmp_path)) == 2


@pytest.mark.any_version
@pytest.mark.skipif(importlib.util.find_spec("xdist") is None, reason="pytest-xdist is not installed")
def test_workers_of_pytest_are_traced(kucha: Runner, write: Write, tmp_path: Path) -> None:
    write("tests/test_it.py", "import pytest\n@pytest.mark.parametrize('n', range(8))\ndef test_it(n): bytes(5000)\n")
    done = kucha(
        *("run", "-q", "-o", "out.kucha", "--follow-subprocesses"),
        *("-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "xdist", "-n", "2", "tests"),
        PYTEST_DISABLE_PLUGIN_AUTOLOAD="1",
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "8 passed" in done.stdout
    found = captures(tmp_path)
    assert len(found) == 3
    texts = [kucha("report", "--collapsed", "-", "--sort", "total", capture).stdout for capture in found]
    assert sum("test_it.py:3" in text for text in texts) >= 1


@pytest.mark.any_version
@pytest.mark.skipif(importlib.util.find_spec("gunicorn") is None, reason="gunicorn is not installed")
def test_workers_of_gunicorn_are_traced(kucha: Runner, write: Write, tmp_path: Path) -> None:
    write(
        "web.py",
        """
cache = []
def app(environ, start_response):
    cache.append(bytes(100_000))
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"kept %d" % len(cache)]
""",
    )
    command = [sys.executable, "-m", "kucha", "run", "-o", "out.kucha", "--follow-fork"]
    command += ["-m", "gunicorn", "--workers", "2", "--timeout", "300", "--bind", "127.0.0.1:0", "--no-control-socket"]
    command += ["web:app"]
    with open(tmp_path / "log", "w") as log:
        process = subprocess.Popen(command, cwd=tmp_path, env=clean_environment(), stdout=log, stderr=log)
    try:
        address = wait_for_address(tmp_path / "log")
        for _ in range(20):
            with urllib.request.urlopen(address, timeout=PATIENCE) as answer:
                assert answer.read().startswith(b"kept ")
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=2 * PATIENCE) == 0, (tmp_path / "log").read_text()
    finally:
        process.kill()
        process.wait()
    found = captures(tmp_path)
    assert len(found) == 3, (tmp_path / "log").read_text()
    kept = 0
    for capture in found[1:]:
        rows = json.loads(kucha("report", "--json", capture).stdout)["places"]
        kept += sum(row["total_bytes"] for row in rows if str(row["file"]).endswith("web.py") and row["line"] == 4)
    assert kept >= 20 * 100_000


@pytest.mark.any_version
@pytest.mark.skipif(importlib.util.find_spec("celery") is None, reason="celery is not installed")
@pytest.mark.skipif(sys.version_info >= (3, 14), reason="celery 5.7 does not say that it works there")
def test_workers_of_celery_are_traced(kucha: Runner, python: Runner, write: Write, tmp_path: Path) -> None:
    """With a broker of files: what is sent and what comes back lies in two folders."""
    for name in ("queue", "results"):
        (tmp_path / name).mkdir()
    write(
        "tasks.py",
        f"""
from celery import Celery
queue = {str(tmp_path / "queue")!r}
app = Celery("tasks", broker="filesystem://", backend={f"file://{tmp_path / 'results'}"!r})
folders = dict.fromkeys(("data_folder_in", "data_folder_out", "control_folder"), queue)
app.conf.update(broker_transport_options=folders, worker_proc_alive_timeout=300)
kept = []
@app.task
def keep(size):
    kept.append(bytes(size))
    return len(kept)
""",
    )
    send = "import tasks; sent = [tasks.keep.delay(100_000) for _ in range(20)]; print(len([s.get(250) for s in sent]))"
    # Celery imports so much that ten frames of each place would be most of the work.
    command = [sys.executable, "-m", "kucha", "run", "-q", "-o", "out.kucha", "--follow-fork", "--frames", "1"]
    command += ["-m", "celery", "-A", "tasks", "worker", "--concurrency", "2"]
    command += ["--without-gossip", "--without-mingle", "--without-heartbeat"]
    with open(tmp_path / "log", "w") as log:
        process = subprocess.Popen(command, cwd=tmp_path, env=clean_environment(), stdout=log, stderr=log)
    try:
        done = python("-c", send)
        assert (done.returncode, done.stdout) == (0, "20\n"), done.stderr + (tmp_path / "log").read_text()
        # Workers leave by os._exit(), so what they did must be in their captures before.
        assert eventually(lambda: kept_by_tasks(kucha, tmp_path) >= 20 * 100_000)
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=2 * PATIENCE) == 0, (tmp_path / "log").read_text()
    finally:
        process.kill()
        process.wait()
    assert len(captures(tmp_path)) == 3, (tmp_path / "log").read_text()
    assert kept_by_tasks(kucha, tmp_path) >= 20 * 100_000


def kept_by_tasks(kucha: Runner, folder: Path) -> int:
    """Bytes that live and were born where tasks.py keeps them, in the captures of celery's workers."""
    kept = 0
    for capture in captures(folder)[1:]:
        done = kucha("report", "--json", capture)
        rows = json.loads(done.stdout)["places"] if done.returncode == 0 else []
        kept += sum(row["live_bytes"] for row in rows if str(row["file"]).endswith("tasks.py") and row["line"] == 10)
    return kept


def wait_for_address(log: Path) -> str:
    """The address that gunicorn says it listens at, when both workers are there."""
    assert eventually(lambda: log.read_text().split().count("Booting") == 2), log.read_text()
    words = log.read_text().split()
    return next(word for word in words if word.startswith("http://127.0.0.1:"))
