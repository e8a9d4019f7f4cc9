"""``kucha heap dump PID`` of programs that do not run under kucha: stopped, copied, read as a core file is."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from conftest import Done, Runner, Start, clean_environment, eventually, starting
from kucha.heap import Heap
from kucha.psutil import Process

_corefile = pytest.importorskip("kucha._corefile", reason="this build has no libelf")

SECONDS = 120
PROGRAM = """
import collections, sys, threading
class Kept:
    def __init__(self, number):
        self.number = [number]
kept = [Kept(number) for number in range(500)]
queue = collections.deque([number] for number in range(200))
def wait(held):
    begun.release()
    go_on.wait()
begun, go_on = threading.Semaphore(0), threading.Event()
threads = [threading.Thread(target=wait, args=([name],), name=f"waits-{name}") for name in range(3)]
for thread in threads:
    thread.start()
for thread in threads:
    begun.acquire()
"""
END = """
print("up", flush=True)
sys.stdin.read()
go_on.set()
print("over", len(kept), flush=True)
"""


@pytest.fixture
def waiting(tmp_path: Path) -> Iterator[Start]:
    with starting(tmp_path, PROGRAM, END) as start:
        yield start


@pytest.fixture
def traced(waiting: Start, tmp_path: Path) -> subprocess.Popen[str]:
    """A program without kucha, on a machine that lets it be read."""
    process = waiting()
    try:
        _corefile.copy(process.pid, tmp_path / "first.heap", tmp_path)
    except PermissionError as error:
        pytest.skip(f"this machine does not let processes be traced: {error}")
    return process


def ends_well(process: subprocess.Popen[str]) -> None:
    """The program goes on, and comes to its end as if nothing had been."""
    assert process.poll() is None
    said, _ = process.communicate("", timeout=SECONDS)
    assert (said, process.returncode) == ("over 500\n", 0)


def succeeded(done: Done) -> Done:
    assert done.returncode == 0, (done.stdout, done.stderr)
    return done


def kept_in(path: Path) -> int:
    return Heap(path).amount("type = '__main__.Kept'")[0]


def test_a_stock_program_is_read_and_goes_on(traced: subprocess.Popen[str], kucha: Runner, tmp_path: Path) -> None:
    done = kucha("heap", "dump", traced.pid, "-o", "a.heap")
    assert (done.returncode, done.stdout) == (0, "")
    told, note = done.stderr.splitlines()
    assert told.startswith(f"kucha: the heap of {traced.pid} is in {tmp_path / 'a.heap'}: ")
    assert "the program was stopped " in told
    assert note == "kucha: it does not run under kucha, so birthplaces and slack are not known"
    assert kept_in(tmp_path / "a.heap") == 500
    shown = kucha("heap", "path", "--where", "type ~ 'Kept'", "a.heap").stdout
    assert "module __main__" in shown and ".kept list" in shown, shown
    file = Heap(tmp_path / "a.heap")
    queues = [{name for name, _ in node.references(1000)} for node in file.find("type = 'collections.deque'")]
    assert any({f"item {number}" for number in range(200)} <= names for names in queues)
    assert (file.info["process"], file.info["reason"]) == (traced.pid, "request")
    assert file.info["stopped"] > 0
    places = {name for name, _ in file[0].references()}
    assert sum("waits-" in name for name in places) == 3, places
    ends_well(traced)


def test_a_file_that_is_there_stays(traced: subprocess.Popen[str], kucha: Runner, tmp_path: Path) -> None:
    (tmp_path / "a.heap").write_text("mine")
    done = kucha("heap", "dump", traced.pid, "-o", "a.heap")
    assert done.returncode == 2 and "exists" in done.stderr
    assert (tmp_path / "a.heap").read_text() == "mine"
    succeeded(kucha("heap", "dump", traced.pid, "-q", "--force", "-o", "a.heap"))
    assert kept_in(tmp_path / "a.heap") == 500
    ends_well(traced)


@pytest.mark.usefixtures("traced")
def test_a_program_under_kucha_that_does_not_answer_is_read(waiting: Start, kucha: Runner, tmp_path: Path) -> None:
    code = "import signal\nsignal.signal(signal.SIGURG, signal.SIG_IGN)\n"
    process = waiting("-m", "kucha", "run", "-q", "--no-trace", code=code)
    done = succeeded(kucha("heap", "dump", process.pid, "-o", "a.heap"))
    assert "does not run under kucha" not in done.stderr
    assert kept_in(tmp_path / "a.heap") == 500
    ends_well(process)


def test_signals_that_come_meanwhile_are_not_lost(
    traced: subprocess.Popen[str], waiting: Start, tmp_path: Path
) -> None:
    """A program that answers each signal by a line, and is asked for the next only then."""
    del traced
    end = """
import os, select, signal
reader, writer = os.pipe()
os.set_blocking(writer, False)
signal.signal(signal.SIGUSR1, lambda number, frame: os.write(1, b"here\\n"))
signal.set_wakeup_fd(writer)  # any thread may be the one that takes the signal
print("up", flush=True)
while not select.select([0, reader], [], [])[0] == [0]:
    os.read(reader, 1)
go_on.set()
print("over", len(kept), flush=True)
"""
    process = waiting(end=end)
    assert process.stdout is not None
    script = f"""
import os, sys
from kucha import _corefile
for number in range(5):
    _corefile.copy({process.pid}, "signals.heap", ".")
    os.unlink("signals.heap")
"""
    reader = subprocess.Popen([sys.executable, "-c", script], cwd=tmp_path, env=clean_environment())
    answered = 0
    while answered == 0 or reader.poll() is None:
        process.send_signal(signal.SIGUSR1)
        assert process.stdout.readline() == "here\n"
        answered += 1
    assert reader.wait() == 0
    ends_well(process)


@pytest.mark.usefixtures("traced")
def test_a_program_that_collects_and_starts_threads_is_read_whole(waiting: Start, tmp_path: Path) -> None:
    """What a collection works on is in no list of the collector's: the copy waits for its end."""
    code = """
import gc
ended, pause = False, threading.Event()
def collect():
    while not ended:
        gc.collect()
        pause.wait(0.001)
def start():
    while not ended:
        thread = threading.Thread(target=int)
        thread.start()
        thread.join()
busy = [threading.Thread(target=collect, daemon=True), threading.Thread(target=start, daemon=True)]
for thread in busy:
    thread.start()
class Ends:
    def set(self, event=go_on):
        global ended
        ended = True
        event.set()
go_on = Ends()
"""
    process = waiting(code=code)
    for _ in range(5):
        _corefile.copy(process.pid, tmp_path / "a.heap", tmp_path)
        file = Heap(tmp_path / "a.heap")
        assert file.amount("type = '__main__.Kept' and tracked")[0] == 500
        (tmp_path / "a.heap").unlink()
    ends_well(process)


HELD = 3600.0  # seconds: until the test ends what a thread waits for

# The first thread waits in vfork(2), where it cannot be stopped, until the program has ended.
WAITS_IN_THE_KERNEL = """
import ctypes, os, platform, signal
reader, writer = os.pipe()
clone, vfork = {"x86_64": 56, "aarch64": 220}[platform.machine()], 0x4000
print("up", flush=True)
if ctypes.PyDLL(None).syscall(clone, vfork | signal.SIGCHLD, 0, 0, 0, 0) == 0:
    os.close(writer)
    print("waits", flush=True)
    os.read(reader, 1)
    os._exit(0)
"""


def states_of(process: subprocess.Popen[str]) -> set[str]:
    """The letters of its threads' states: t is stopped by who traces it, D waits in the kernel."""
    found = set()
    for task in Path(f"/proc/{process.pid}/task").iterdir():
        with contextlib.suppress(OSError):  # one that has ended since
            found.add((task / "stat").read_text().rpartition(")")[2].split()[0])
    return found


def until_it_is_stopped(process: subprocess.Popen[str], is_asking: Callable[[], bool]) -> None:
    while "t" not in states_of(process):
        assert is_asking()
        time.sleep(0.001)


def kill_while_it_is_stopped(process: subprocess.Popen[str], is_asking: Callable[[], bool]) -> None:
    until_it_is_stopped(process, is_asking)
    process.kill()


# One of its threads waits in vfork(2) until somebody writes to the gate, which its child opens before it would begin
# another program, and finds none; the first one answers lines.
HAS_A_GATE = """
import ctypes, os, threading
def wait_in_the_kernel(libc=ctypes.CDLL(None)):
    actions = ctypes.create_string_buffer(1024)
    libc.posix_spawn_file_actions_init(actions)
    libc.posix_spawn_file_actions_addopen(actions, 0, b"gate", os.O_RDONLY, 0)
    child, words = ctypes.c_int(), (ctypes.c_char_p * 2)(b"none", None)
    libc.posix_spawn(ctypes.byref(child), b"./none", actions, None, words, None)
os.mkfifo("gate")
threading.Thread(target=wait_in_the_kernel).start()
print("up", flush=True)
for line in sys.stdin:
    print("here", flush=True)
go_on.set()
print("over", len(kept), flush=True)
"""


@pytest.fixture
def gated(traced: subprocess.Popen[str], waiting: Start) -> subprocess.Popen[str]:
    """A program of which one thread waits in the kernel, where it cannot be stopped."""
    del traced
    process = waiting(end=HAS_A_GATE)
    assert eventually(lambda: Process(process.pid).children() and "D" in states_of(process))
    return process


def answers(gated: subprocess.Popen[str]) -> bool:
    assert gated.stdin is not None and gated.stdout is not None
    gated.stdin.write("there?\n")
    gated.stdin.flush()
    return gated.stdout.readline() == "here\n"


def open_gate(process: subprocess.Popen[str], folder: Path) -> None:
    """Leaves it open until the thread is through: its child may be on its way to it only now."""
    gate = os.open(folder / "gate", os.O_RDWR | os.O_NONBLOCK)
    assert eventually(lambda: "D" not in states_of(process))
    os.close(gate)


@contextlib.contextmanager
def asking(process: subprocess.Popen[str], folder: Path, **options: float) -> Iterator[subprocess.Popen[str]]:
    """A process, the first of its group, that has the program's heap written."""
    script = f"from kucha import _corefile\n_corefile.copy({process.pid}, 'a.heap', '.', **{options})"
    asker = subprocess.Popen(
        [sys.executable, "-c", script], cwd=folder, env=clean_environment(), process_group=0, text=True
    )
    try:
        yield asker
    finally:
        asker.kill()
        asker.wait()


def test_what_cannot_be_stopped_is_let_go_at_once(gated: subprocess.Popen[str], tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"^its thread \d+ waits in the kernel and cannot be stopped there$"):
        _corefile.copy(gated.pid, tmp_path / "a.heap", tmp_path, patience=0)
    assert "t" not in states_of(gated)
    status = [task / "status" for task in Path(f"/proc/{gated.pid}/task").iterdir()]
    assert all("TracerPid:\t0\n" in file.read_text() for file in status)
    assert not (tmp_path / "a.heap").exists()
    open_gate(gated, tmp_path)
    ends_well(gated)


def test_what_cannot_be_stopped_is_waited_for_and_goes_on(gated: subprocess.Popen[str], tmp_path: Path) -> None:
    with asking(gated, tmp_path, hold=0.01, patience=HELD) as asker:
        for _ in range(20):
            assert answers(gated)
            time.sleep(0.01)  # so that who asks has begun to
            assert asker.poll() is None
        open_gate(gated, tmp_path)
        assert asker.wait() == 0
    assert kept_in(tmp_path / "a.heap") == 500
    ends_well(gated)


def test_a_program_goes_on_while_who_asked_is_stopped(gated: subprocess.Popen[str], tmp_path: Path) -> None:
    with asking(gated, tmp_path, hold=HELD) as asker:
        until_it_is_stopped(gated, lambda: asker.poll() is None)
        os.killpg(asker.pid, signal.SIGSTOP)
        open_gate(gated, tmp_path)
        assert answers(gated)
        os.waitid(os.P_PID, asker.pid, os.WSTOPPED | os.WNOWAIT)
        assert not (tmp_path / "a.heap").exists()
        os.killpg(asker.pid, signal.SIGCONT)
        assert asker.wait() == 0
    assert kept_in(tmp_path / "a.heap") == 500
    ends_well(gated)


@pytest.mark.usefixtures("traced")
def test_the_end_of_a_child_of_ours_is_not_lost(waiting: Start, tmp_path: Path) -> None:
    process = waiting(end=WAITS_IN_THE_KERNEL)
    assert process.stdout is not None and process.stdout.readline() == "waits\n"
    raised: list[str] = []

    def ask() -> None:
        try:
            _corefile.copy(process.pid, tmp_path / "a.heap", tmp_path, hold=HELD)
        except ValueError as error:
            raised.append(str(error))

    asks = threading.Thread(target=ask)
    asks.start()
    kill_while_it_is_stopped(process, asks.is_alive)
    asks.join()
    assert raised == ["the process has ended"]
    assert process.wait() == -signal.SIGKILL


@pytest.mark.usefixtures("traced")
def test_the_end_is_told_while_who_asked_lives_on(waiting: Start, tmp_path: Path) -> None:
    process = waiting(end=WAITS_IN_THE_KERNEL)
    assert process.stdout is not None and process.stdout.readline() == "waits\n"
    script = f"""
import sys
from kucha import _corefile
try:
    _corefile.copy({process.pid}, "a.heap", ".", hold={HELD})
except ValueError as error:
    print(error, flush=True)
sys.stdin.read()
"""
    with subprocess.Popen(
        [sys.executable, "-c", script],
        cwd=tmp_path,
        env=clean_environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as reader:
        assert reader.stdout is not None
        kill_while_it_is_stopped(process, lambda: reader.poll() is None)
        assert reader.stdout.readline() == "the process has ended\n"
        assert process.wait(SECONDS) == -signal.SIGKILL
        assert reader.poll() is None
        reader.communicate("")


@pytest.mark.usefixtures("traced")
def test_files_that_are_gone_are_copied(waiting: Start, tmp_path: Path) -> None:
    folder = tmp_path / "bin"
    folder.mkdir()
    python = shutil.copy(os.path.realpath(sys.executable), folder)
    process = waiting("-S", python=python, PYTHONHOME=f"{sys.base_prefix}:{sys.base_exec_prefix}")
    os.unlink(python)
    outcome = _corefile.copy(process.pid, tmp_path / "a.heap", tmp_path)
    assert outcome["missing"] == 0
    assert kept_in(tmp_path / "a.heap") == 500
    ends_well(process)


def test_what_cannot_be_read_is_told_in_a_sentence(kucha: Runner, tmp_path: Path) -> None:
    done = kucha("heap", "dump", "4999999")
    assert done.stderr == "kucha: there is no process 4999999\n"
    with pytest.raises(ProcessLookupError):
        _corefile.copy(4999999, tmp_path / "a.heap", tmp_path)
    with pytest.raises(ValueError, match="no process of this number"):
        _corefile.copy(0, tmp_path / "a.heap", tmp_path)
    ended = subprocess.Popen([sys.executable, "-c", ""], stdout=subprocess.PIPE)
    assert ended.stdout is not None
    ended.stdout.read()
    os.waitid(os.P_PID, ended.pid, os.WEXITED | os.WNOWAIT)
    done = kucha("heap", "dump", ended.pid, "-o", "a.heap")
    ended.wait()
    assert done.returncode == 2
    assert "ended" in done.stderr and done.stderr.count("\n") == 1
    assert not (tmp_path / "a.heap").exists()


@pytest.mark.usefixtures("traced")
def test_what_is_no_python_is_told_in_a_sentence(kucha: Runner, tmp_path: Path) -> None:
    with subprocess.Popen(["sleep", "1000"]) as process:
        done = kucha("heap", "dump", process.pid, "-o", "a.heap")
        process.kill()
    assert done.returncode == 2
    assert "no interpreter" in done.stderr and done.stderr.count("\n") == 1
    assert not (tmp_path / "a.heap").exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may become somebody else")
@pytest.mark.usefixtures("traced")
def test_somebody_elses_program_is_not_read(waiting: Start) -> None:
    process = waiting()
    script = f"""
import os
from kucha import heap_remote
from kucha.options import UsageError
os.setgroups([]); os.setgid(65534); os.setuid(65534); os.chdir("/tmp")
try:
    heap_remote.dump([str({process.pid})], {{"output": "/tmp/not-here.heap", "force": False, "quiet": True}})
except UsageError as error:
    print(error)
"""
    done = subprocess.run(
        [sys.executable, "-c", script], env=clean_environment(), capture_output=True, text=True, check=True
    )
    assert "belongs to somebody else; only its owner and root may" in done.stdout, (done.stdout, done.stderr)
    ends_well(process)
