"""When a program writes heap files: at its end, at signals, when memory is refused, at an amount, and when asked."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from conftest import Done, Runner, Start, starting
from kucha import _core

Write = Callable[[str, str], Path]
SECONDS = 120  # how long something is waited for that comes at once on an idle machine

PROGRAM = """
import sys
class Kept: pass
kept = [Kept() for _ in range(1000)]
"""
# Runs a program with a limit on its addresses, as ulimit -S does.
LIMITED = """
import os, resource, sys
resource.setrlimit(resource.RLIMIT_AS, (int(sys.argv[1]), resource.getrlimit(resource.RLIMIT_AS)[1]))
os.execv(sys.executable, [sys.executable, *sys.argv[2:]])
"""


def objects(path: Path, name: str = "Kept") -> int:
    """How many objects of a type a heap file has."""
    return sum(count for _, kind, count, _, _ in _core.heap_open(str(path)).types() if kind == name)


def reason(path: Path) -> str:
    why: str = _core.heap_open(str(path)).info()["reason"]
    return why


def succeeded(done: Done) -> None:
    assert done.returncode == 0, done.stderr


def until(what: Callable[[], object]) -> None:
    deadline = time.monotonic() + SECONDS
    while not what():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_the_last_thing_is_a_heap_file(kucha: Runner, write: Write, tmp_path: Path) -> None:
    program = write("program.py", PROGRAM)
    done = kucha("run", "-o", "a.kucha", "--heap-dump", "a.heap", program)
    succeeded(done)
    assert "kucha: heap at exit in a.heap: " in done.stderr
    assert (objects(tmp_path / "a.heap"), reason(tmp_path / "a.heap")) == (1000, "exit")
    assert _core.heap_open(str(tmp_path / "a.heap")).info()["sites"] > 1  # birthplaces, as the run was traced
    again = kucha("run", "--no-trace", "-q", "--heap-dump", "a.heap", program)
    assert again.returncode == 2
    assert "'a.heap' exists already" in again.stderr
    done = kucha("run", "--no-trace", "-q", "-f", "--heap-dump", "a.heap", program)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_program_is_run_for_the_sake_of_its_heap(kucha: Runner, write: Write, tmp_path: Path) -> None:
    program = write("program.py", PROGRAM + "sys.exit(len(sys.argv))")
    done = kucha("heap", "dump", "-o", "a.heap", "--", program, "x", "-q")
    assert done.returncode == 3
    assert done.stderr.startswith("kucha: heap at exit in a.heap: ")
    assert done.stderr.count("\n") == 1
    assert objects(tmp_path / "a.heap") == 1000
    top = kucha("heap", "top", "--by", "site", "a.heap")
    assert "program.py:4" in top.stdout
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.heap", "program.py"]


FILLS = """
import resource
resource.setrlimit(resource.RLIMIT_AS, (1 << 30, resource.getrlimit(resource.RLIMIT_AS)[1]))
def fill():
    held_here = [Kept() for _ in range(500)]
    while True:
        held_here.append(bytearray(8 << 20))
try:
    fill()
except MemoryError:
    print("caught")
try:
    bytearray(1 << 50)
except MemoryError:
    print("again")
"""


def test_refused_memory_is_seen_before_anything_is_let_go(kucha: Runner, write: Write, tmp_path: Path) -> None:
    program = write("program.py", PROGRAM + FILLS)
    done = kucha("run", "--no-trace", "--heap-dump", "a.heap", "--heap-at", "memory-error", program)
    succeeded(done)
    assert done.stdout == "caught\nagain\n"
    assert done.stderr.count("kucha: heap as memory was refused in a.heap: ") == 1
    assert (objects(tmp_path / "a.heap"), reason(tmp_path / "a.heap")) == (1500, "memory error")
    graph = _core.heap_open(str(tmp_path / "a.heap"))
    threads = [node for node, name in graph.edges(0) if name.startswith("thread")]
    frames = [(name, node) for thread in threads for node, name in graph.edges(thread)]
    locals_of_fill = [name for frame, node in frames if frame.startswith("fill at ") for _, name in graph.edges(node)]
    assert "local held_here" in locals_of_fill


def test_a_memory_error_of_somebody_else_is_seen_where_it_ends_the_program(
    kucha: Runner, write: Write, tmp_path: Path
) -> None:
    code = "\ndef fail():\n    mine = [Kept() for _ in range(7)]\n    raise MemoryError('not the allocator')\nfail()"
    program = write("p.py", PROGRAM + code)
    done = kucha("run", "--no-trace", "--heap-dump", "a.heap", "--heap-at", "memory-error", program)
    assert done.returncode == 1
    assert "MemoryError: not the allocator" in done.stderr
    assert objects(tmp_path / "a.heap") == 1007  # the traceback holds the frames


def test_nothing_is_written_where_nothing_happens(kucha: Runner, write: Write, tmp_path: Path) -> None:
    words = ("--heap-dump", "a.heap", "--heap-at", "memory-error,SIGUSR1,100G")
    done = kucha("run", "--no-trace", "-q", *words, write("program.py", PROGRAM))
    assert (done.returncode, done.stderr) == (0, "")
    assert [path.name for path in tmp_path.iterdir()] == ["program.py"]


def test_each_signal_writes_another_file(kucha: Runner, write: Write, tmp_path: Path) -> None:
    code = """
import os, signal, time
def wait_for(name):
    while not os.path.exists(name): time.sleep(0.01)
os.kill(os.getpid(), signal.SIGUSR1)
wait_for("a.heap")
kept += [Kept() for _ in range(500)]
os.kill(os.getpid(), signal.SIGUSR2)
wait_for("a.2.heap")
"""
    words = ("--no-trace", "--heap-dump", "a.heap", "--heap-at", "SIGUSR1,SIGUSR2,exit")
    succeeded(kucha("run", *words, write("program.py", PROGRAM + code)))
    found = {path.name: (objects(path), reason(path)) for path in tmp_path.glob("*.heap")}
    assert found == {"a.heap": (1000, "signal"), "a.2.heap": (1500, "signal"), "a.3.heap": (1500, "exit")}


@pytest.mark.parametrize("when", ["100M", "40%"])
def test_an_amount_of_memory_is_watched(when: str, python: Runner, write: Write, tmp_path: Path) -> None:
    code = """
import mmap, os, time
assert not os.path.exists("a.heap")
mine = b"x" * (150 << 20), mmap.mmap(-1, 400 << 20)  # resident; addresses: more than half of the limit
while not os.path.exists("a.heap"): time.sleep(0.01)
mine = None
"""
    program = write("program.py", PROGRAM + code)
    limited = write("limited.py", LIMITED)
    limit = 1 << 30 if when.endswith("%") else 1 << 46
    words = ("-m", "kucha", "run", "--no-trace", "--heap-dump", "a.heap", "--heap-at", when, program)
    if when.endswith("%") and python(limited, limit, "-c", "import mmap; mmap.mmap(-1, 1 << 29)").returncode != 0:
        pytest.skip("an interpreter needs more addresses here")
    done = python(limited, limit, *words)
    succeeded(done)
    assert "kucha: heap at the limit in a.heap: " in done.stderr
    assert (objects(tmp_path / "a.heap"), reason(tmp_path / "a.heap")) == (1000, "limit")


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--heap-at", "sometimes"), "must be made of exit, memory-error, a signal such as SIGUSR1, an amount"),
        (("--heap-at", "SIGKILL"), "must name a signal that a program can handle, such as SIGUSR1, not 'SIGKILL'"),
        (("--heap-at", "SIGNOTHING"), "not 'SIGNOTHING'"),
        (("--heap-at", "0%"), "must have a share from 1% to 100%, not '0%'"),
        (("--heap-dump", "/nowhere/a.heap"), "there is no directory '/nowhere'"),
    ],
)
def test_what_cannot_be_is_refused_beforehand(
    words: tuple[str, ...], sentence: str, kucha: Runner, write: Write
) -> None:
    done = kucha("run", *words, write("program.py", "print('ran')"))
    assert (done.returncode, done.stdout) == (2, "")
    assert sentence in done.stderr


# ---- asking ----


@pytest.fixture
def waiting(tmp_path: Path) -> Iterator[Start]:
    with starting(tmp_path, PROGRAM, "\nprint('up', flush=True)\nsys.stdin.read()\n") as start:
        yield start


def test_a_program_under_kucha_answers(waiting: Start, kucha: Runner, tmp_path: Path) -> None:
    process = waiting("-m", "kucha", "run", "-q", "--no-trace")
    done = kucha("heap", "dump", process.pid, "-o", "a.heap")
    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr.startswith(f"kucha: the heap of {process.pid} is in ")
    assert (objects(tmp_path / "a.heap"), reason(tmp_path / "a.heap")) == (1000, "request")
    again = kucha("heap", "dump", process.pid, "-o", "a.heap")
    assert again.returncode == 2
    assert "exists already" in again.stderr
    succeeded(kucha("heap", "dump", process.pid, "-o", "a.heap", "--force", "-q"))
    out, _ = process.communicate("", timeout=SECONDS)
    assert (out, process.returncode) == ("", 0)
    assert not any(os.path.exists(f"{folder}/kucha-heap-{process.pid}") for folder in ("/tmp", "/dev/shm"))


def test_a_child_made_by_fork_answers_too(waiting: Start, kucha: Runner, tmp_path: Path) -> None:
    code = """
import os, time
child = os.fork()
if child == 0:
    kept += [Kept() for _ in range(5)]
    open("child", "w").write(str(os.getpid()))
    while not os.path.exists("stop"): time.sleep(0.01)
    os._exit(0)
while not os.path.exists("child") or not open("child").read(): time.sleep(0.01)
"""
    waiting("-m", "kucha", "run", "-q", "--no-trace", code=code)
    done = kucha("heap", "dump", (tmp_path / "child").read_text(), "-o", "child.heap")
    (tmp_path / "stop").touch()
    succeeded(done)
    assert objects(tmp_path / "child.heap") == 1005


def test_a_program_that_cannot_answer_is_told_of(waiting: Start, kucha: Runner, tmp_path: Path) -> None:
    plain = waiting()
    done = kucha("map", plain.pid)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"kucha: process {plain.pid} does not run under kucha: its arenas are its own ")
    assert "pymalloc's" in done.stderr and f"kucha heap dump {plain.pid}" in done.stderr
    code = "import signal\nsignal.signal(signal.SIGURG, signal.SIG_DFL)"
    deaf = waiting("-m", "kucha", "run", "-q", "--no-trace", code=code)
    done = kucha("map", deaf.pid)
    assert done.stderr.startswith(f"kucha: process {deaf.pid} would not answer: it was not started by kucha run")
    assert "or handles SIGURG itself" in done.stderr
    done = kucha("heap", "dump", "4999999")
    assert done.stderr == "kucha: there is no process 4999999\n"
    done = kucha("heap", "dump", "-o", "nowhere/a.heap", plain.pid)
    assert "there is no directory '" in done.stderr
    done = kucha("heap", "dump", "it")
    assert "expected a process number, or -- and a program, not 'it'" in done.stderr
    assert not list(tmp_path.glob("*.heap"))


def test_a_file_that_the_program_may_not_write_is_told_of(waiting: Start, kucha: Runner, tmp_path: Path) -> None:
    process = waiting("-m", "kucha", "run", "-q", "--no-trace", code="import os\nos.umask(0o77)")
    (tmp_path / "a.heap").mkdir()
    done = kucha("heap", "dump", process.pid, "-o", "a.heap/../b.heap", "-q")
    succeeded(done)
    long = "x" * 250  # with what stands behind a temporary name, too long for a name
    done = kucha("heap", "dump", process.pid, "-o", long)
    assert done.returncode == 2
    assert f"process {process.pid} could not write its heap: " in done.stderr


def test_an_idle_signal_and_foreign_requests_do_nothing(waiting: Start, tmp_path: Path) -> None:
    process = waiting("-m", "kucha", "run", "-q", "--no-trace")
    request = Path(f"/tmp/kucha-heap-{process.pid}")
    process.send_signal(signal.SIGURG)
    for text in ("", "kucha heap dump 2\n/etc/x", "kucha heap dump 1\nrelative"):
        request.write_text(text)
        process.send_signal(signal.SIGURG)
    target = tmp_path / "elsewhere"
    target.write_text(f"kucha heap dump 1\n{tmp_path}/linked.heap")
    request.unlink()
    request.symlink_to(target)
    process.send_signal(signal.SIGURG)
    out, _ = process.communicate("", timeout=SECONDS)
    request.unlink()
    assert (out, process.returncode) == ("", 0)
    assert not list(tmp_path.glob("*.heap"))


# ---- copies ----


def test_a_copy_that_is_killed_leaves_nothing(tmp_path: Path, python: Runner) -> None:
    code = """
import os, signal, sys
from kucha import _core
_core.install()
kept = [[str(i)] for i in range(100_000)]
missed = turn = 0
while turn < 6 or missed == 0:  # a copy that was done before this process had a processor again was not killed
    copy = _core.heap_dump("a.heap", wait=False)["copy"]
    while turn > 2 and not any(name.endswith(".part") for name in os.listdir()):
        if os.path.exists("a.heap"): break
    os.kill(copy, signal.SIGKILL)
    try:
        outcome = _core.heap_wait(copy)
        assert outcome["nodes"] > 200_000 and os.path.exists("a.heap")
    except _core.Refused as error:
        assert "killed" in str(error)
        missed += 1
    for name in os.listdir():
        if name == "a.heap":
            assert _core.heap_open(name).info()["nodes"] > 200_000  # whole, or not there
            os.unlink(name)
        assert not name.endswith(".part"), name
    turn += 1
assert missed > 0 and _core.heap_wait() is None and _core.heap_wait(12345) is None
for turn in range(20): _core.heap_dump(f"{turn}.heap", wait=False)
waited = 0
while _core.heap_wait() is not None: waited += 1
assert waited == 16
assert all(_core.heap_open(f"{turn}.heap").info()["nodes"] > 200_000 for turn in range(20))
"""
    succeeded(python("-c", code))
