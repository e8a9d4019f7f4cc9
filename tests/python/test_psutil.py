"""kucha.psutil beside psutil: the same call on the same process, and what must be the same is."""

from __future__ import annotations

import contextlib
import copy
import gc
import mmap
import os
import pickle
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import kucha.psutil as ours
import pytest

theirs = pytest.importorskip("psutil")

# Methods that change nothing, with their arguments.
READERS: dict[str, tuple[Any, ...]] = {
    "memory_info": (),
    "memory_full_info": (),
    "memory_maps": (),
    "cpu_times": (),
    "cpu_num": (),
    "num_threads": (),
    "num_ctx_switches": (),
    "uids": (),
    "gids": (),
    "ppid": (),
    "name": (),
    "cmdline": (),
    "exe": (),
    "cwd": (),
    "username": (),
    "status": (),
    "create_time": (),
    "nice": (),
    "is_running": (),
    "memory_percent": ("uss",),
    "rlimit": (ours.RLIMIT_NOFILE,),
}
PATIENCE = 60.0  # seconds until two readings must have agreed once
CHILD = "import sys, time; kept = bytearray(5 << 20); print('ready', flush=True); time.sleep(600)"


@pytest.fixture
def child() -> Iterator[subprocess.Popen[bytes]]:
    """A Python program that waits."""
    with subprocess.Popen([sys.executable, "-c", CHILD], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        while ours.Process(process.pid).status() != "sleeping":
            time.sleep(0.01)
        yield process
        process.kill()


@pytest.fixture
def zombie() -> Iterator[int]:
    """The pid of a process that has ended and that nobody has asked how."""
    pid = os.fork()
    if pid == 0:
        os._exit(3)
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    yield pid
    with contextlib.suppress(ChildProcessError):
        os.waitpid(pid, 0)


def alike(mine: Callable[[], Any], other: Callable[[], Any]) -> tuple[Any, Any]:
    """Two readings of what other processes change now and then, taken again until they agree, or the last ones.

    What a process shares with others changes with theirs; and a process that has just ended, or gone to sleep, is
    counted as having changed over to another one a moment later.
    """
    until = time.monotonic() + PATIENCE
    while True:
        pair = mine(), other()
        if pair[0] == pair[1] or time.monotonic() > until:
            return pair
        time.sleep(0.005)


def outcome(call: Callable[..., Any], *arguments: Any, **named: Any) -> tuple[str, Any]:
    """What a call gives: its value, or the name of its exception."""
    try:
        return "value", call(*arguments, **named)
    except Exception as error:
        return "raises", type(error).__name__


def shape(value: Any) -> Any:
    """The names in a value, without its figures."""
    if isinstance(value, list):
        return [shape(item) for item in value[:1]]
    return (type(value).__name__, getattr(value, "_fields", None))


@pytest.mark.parametrize("name", READERS)
def test_a_process_that_waits_reads_the_same(name: str, child: subprocess.Popen[bytes]) -> None:
    mine, other = ours.Process(child.pid), theirs.Process(child.pid)
    values = alike(*(lambda process=process: getattr(process, name)(*READERS[name]) for process in (mine, other)))
    assert values[0] == values[1]
    assert repr(values[0]) == repr(values[1])
    assert shape(values[0]) == shape(values[1])


def test_maps_one_by_one_read_the_same(child: subprocess.Popen[bytes]) -> None:
    mine, other = ours.Process(child.pid), theirs.Process(child.pid)
    maps = alike(lambda: mine.memory_maps(grouped=False), lambda: other.memory_maps(grouped=False))
    assert maps[0] == maps[1] and shape(maps[0]) == shape(maps[1])
    sums = alike(
        lambda: (
            sum(item.private_clean + item.private_dirty for item in mine.memory_maps()),
            mine.memory_footprint(),
        ),
        lambda: (lambda whole: (whole.uss, whole[-3:]))(mine.memory_full_info()),
    )
    assert sums[0] == sums[1]


def test_a_file_that_was_deleted_is_shown_by_its_name(tmp_path: Path) -> None:
    import mmap

    path = tmp_path / "mapped (deleted)"
    path.write_bytes(bytes(mmap.PAGESIZE))
    with path.open("r+b") as file, mmap.mmap(file.fileno(), 0) as kept:
        for _ in range(2):
            mine = {item.path for item in ours.Process().memory_maps() if str(tmp_path) in item.path}
            assert mine == {item.path for item in theirs.Process().memory_maps() if str(tmp_path) in item.path}
            assert len(mine) == 1
            path.unlink(missing_ok=True)
        kept.flush()


@pytest.mark.parametrize("name", READERS)
def test_a_zombie_gives_the_same(name: str, zombie: int) -> None:
    mine, other = ours.Process(zombie), theirs.Process(zombie)
    mine_gives, other_gives = alike(
        lambda: outcome(getattr(mine, name), *READERS[name]), lambda: outcome(getattr(other, name), *READERS[name])
    )
    assert mine_gives == other_gives


@pytest.mark.parametrize("name", READERS)
def test_a_process_that_is_gone_gives_the_same(name: str, zombie: int) -> None:
    mine, other = ours.Process(zombie), theirs.Process(zombie)
    os.waitpid(zombie, 0)
    mine_gives, other_gives = (outcome(getattr(process, name), *READERS[name]) for process in (mine, other))
    if name in ("create_time", "is_running"):  # psutil has remembered the first
        assert mine_gives[0] == "raises" or mine_gives == other_gives
    else:
        assert mine_gives == other_gives == ("raises", "NoSuchProcess")


def test_a_thread_of_the_kernel_has_no_memory_of_its_own() -> None:
    if not os.path.exists("/proc/2/stat") or ours.Process(2).name() != "kthreadd":
        pytest.skip("threads of the kernel are not shown here")
    process = ours.Process(2)
    assert process.memory_info().rss == 0
    assert process.memory_footprint() == (0, 0, 0)
    assert process.memory_maps() == []
    assert (process.exe(), process.cmdline()) == ("", [])


# ---- families ----


def test_families_are_the_same(child: subprocess.Popen[bytes]) -> None:
    mine, other = ours.Process(), theirs.Process()
    for name in ("children", "parents"):
        assert [item.pid for item in getattr(mine, name)()] == [item.pid for item in getattr(other, name)()]
    assert child.pid in [item.pid for item in mine.children()]
    assert [item.pid for item in mine.children(recursive=True)] == [item.pid for item in other.children(recursive=True)]
    parent = ours.Process(child.pid).parent()
    assert parent == mine and hash(parent) == hash(mine) and parent != ours.Process(child.pid)
    assert ours.Process(1).parent() is None or os.getpid() == 1


def test_grandchildren_come_with_recursion() -> None:
    script = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {CHILD!r}])"
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        (inner,) = ours.Process(process.pid).children()
        assert inner in ours.Process().children(recursive=True) and inner not in ours.Process().children()
        inner.kill()


# ---- wrong requests ----

WRONG: list[tuple[str, Callable[[Any], Any]]] = [
    ("a negative pid", lambda psutil: psutil.Process(-1)),
    ("a pid that is text", lambda psutil: psutil.Process("1")),
    ("a pid with a fraction", lambda psutil: psutil.Process(1.5)),
    ("a pid beyond all pids", lambda psutil: psutil.Process(1 << 40)),
    ("a pid that nobody has", lambda psutil: psutil.Process(0x7FFFFFFF)),
    ("pid 0", lambda psutil: psutil.Process(0)),
    ("a type of memory that there is not", lambda psutil: psutil.Process().memory_percent("warm")),
    ("a negative interval", lambda psutil: psutil.Process().cpu_percent(-1)),
    ("a negative interval of the machine", lambda psutil: psutil.cpu_percent(interval=-1)),
    ("a limit that there is not", lambda psutil: psutil.Process().rlimit(99)),
    ("one number for a limit", lambda psutil: psutil.Process().rlimit(psutil.RLIMIT_CORE, (1,))),
    ("a limit that is no pair", lambda psutil: psutil.Process().rlimit(psutil.RLIMIT_CORE, 5)),
    ("soft above hard", lambda psutil: psutil.Process().rlimit(psutil.RLIMIT_CORE, (2, 1))),
    ("an attribute that there is not", lambda psutil: psutil.Process().as_dict(["warmth"])),
    ("attributes as text", lambda psutil: psutil.Process().as_dict("name")),
    ("a timeout that is text", lambda psutil: psutil.Process().wait("1")),
    ("a negative timeout", lambda psutil: psutil.Process().wait(-1)),
    ("waiting for processes with a negative timeout", lambda psutil: psutil.wait_procs([], timeout=-1)),
    ("waiting with a callback that cannot be called", lambda psutil: psutil.wait_procs([], callback=1)),
    ("a path that there is not", lambda psutil: psutil.disk_usage("/no/such/place")),
    ("a number of no open file", lambda psutil: psutil.disk_usage(10**6)),
    ("pid_exists of text", lambda psutil: psutil.pid_exists("1")),
    ("pid_exists of a negative number", lambda psutil: psutil.pid_exists(-1)),
    ("pid_exists of a large number", lambda psutil: psutil.pid_exists(0x7FFFFFFF)),
    ("an attribute of the module", lambda psutil: psutil.no_such_thing),
    ("an attribute of a process", lambda psutil: psutil.Process().no_such_thing),
]


@pytest.mark.parametrize(("what", "request_"), WRONG, ids=[what for what, _ in WRONG])
def test_wrong_requests_are_refused_alike(what: str, request_: Callable[[Any], Any]) -> None:
    assert outcome(request_, ours) == outcome(request_, theirs)


def test_methods_of_an_object_that_was_not_made_say_so() -> None:
    from kucha import _process

    with pytest.raises(RuntimeError, match="__init__"):
        _process.Process().memory_info()


def test_errors_print_and_pickle_as_theirs() -> None:
    for name, arguments in {
        "Error": (),
        "NoSuchProcess": (5, "name"),
        "ZombieProcess": (5, "name", 3),
        "AccessDenied": (0, None, "why"),
        "TimeoutExpired": (1.5, 5, "name"),
    }.items():
        mine, other = getattr(ours, name)(*arguments), getattr(theirs, name)(*arguments)
        assert (str(mine), repr(mine), vars(mine)) == (str(other), repr(other), vars(other))
        again = pickle.loads(pickle.dumps(mine))
        assert (type(again), vars(again)) == (type(mine), vars(mine))
        assert [item.__name__ for item in type(mine).__mro__] == [item.__name__ for item in type(other).__mro__]


def test_results_are_tuples_with_names() -> None:
    memory = ours.Process().memory_info()
    assert pickle.loads(pickle.dumps(memory)) == memory == copy.deepcopy(memory) == tuple(memory)
    assert hash(memory) == hash(tuple(memory)) and type(pickle.loads(pickle.dumps(memory))) is ours.pmem
    assert memory._replace(rss=1).rss == 1 and memory._asdict()["vms"] == memory.vms


# ---- which process it is ----


def fake_stat(folder: Path, started: int) -> None:
    (folder / "77").mkdir(exist_ok=True)
    numbers = " ".join(["1", *["0"] * 17, str(started), *["0"] * 30])
    (folder / "77" / "stat").write_text(f"77 (name) S {numbers}\n")
    (folder / "77" / "statm").write_text("10 5 2 1 0 3 0\n")
    (folder / "stat").write_text("cpu  1 2 3 4 5 6 7 8 9 10\nbtime 1000\n")


def test_a_number_that_was_given_to_another_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ours, "PROCFS_PATH", str(tmp_path))
    fake_stat(tmp_path, 100)
    process, same = ours.Process(77), ours.Process(77)
    assert process == same and process.memory_info().rss == 5 * os.sysconf("SC_PAGE_SIZE")
    fake_stat(tmp_path, 200)
    with pytest.raises(ours.NoSuchProcess, match="given to another process"):
        process.memory_info()
    assert not process.is_running() and not same.is_running()
    assert ours.Process(77) != process
    assert "terminated + PID reused" in str(process)
    for change in (process.kill, process.suspend, lambda: process.nice(5), lambda: process.rlimit(7, (1, 1))):
        with pytest.raises(ours.NoSuchProcess):
            change()


def test_a_process_that_ends_while_it_is_read() -> None:
    for _ in range(5):
        with subprocess.Popen([sys.executable, "-c", CHILD], stdout=subprocess.PIPE) as child:
            assert child.stdout is not None
            child.stdout.readline()
            process = ours.Process(child.pid)
            killer = threading.Timer(0.02, child.kill)
            killer.start()
            with pytest.raises(ours.NoSuchProcess):  # ZombieProcess is one
                while True:
                    assert len(process.memory_maps()) > 5
                    process.memory_full_info()
            killer.join()


def test_descriptors_closed_behind_its_back(child: subprocess.Popen[bytes], python: Any) -> None:
    script = f"""
import os, kucha.psutil
process = kucha.psutil.Process({child.pid})
for _ in range(4):
    before = process.memory_info(), process.num_threads(), process.cpu_times(), process.uids()
os.closerange(3, 1 << 16)
kept = [os.open("/dev/null", os.O_RDONLY) for _ in range(300)]
assert (process.memory_info(), process.num_threads(), process.cpu_times(), process.uids()) == before
del process
for descriptor in kept:
    os.close(descriptor)  # they are still the program's
"""
    done = python("-c", script)
    assert (done.returncode, done.stderr) == (0, "")


def test_thousands_of_processes_take_few_descriptors() -> None:
    gc.collect()
    before = len(os.listdir("/proc/self/fd"))
    many = [ours.Process() for _ in range(2000)]
    for process in many:
        for _ in range(3):
            process.memory_info()
    assert len(os.listdir("/proc/self/fd")) - before <= 256
    assert many[-1].memory_info().rss > 0
    del many, process
    assert len(os.listdir("/proc/self/fd")) == before


def test_threads_read_one_object_at_once(child: subprocess.Popen[bytes]) -> None:
    process = ours.Process(child.pid)

    def now() -> Any:
        return len(process.memory_maps()), process.memory_footprint().swap, process.memory_info()

    def read_by_threads() -> Any:
        """What four threads read that is not so, where the kernel changed nothing meanwhile."""
        expected = now()
        found: list[Any] = []
        threads = [threading.Thread(target=lambda: found.extend(now() for _ in range(20))) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(found) == 80
        return [item for item in found if item != expected]

    wrong, _ = alike(read_by_threads, list)
    assert wrong == []


def test_a_forked_child_goes_on_reading_its_parent() -> None:
    process = ours.Process()
    for _ in range(3):
        process.memory_info()
    pid = os.fork()
    if pid == 0:
        right = process.pid == os.getppid() and process.memory_info().rss > 0 and process.is_running()
        os._exit(0 if right and ours.Process().pid == os.getpid() else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


def test_oneshot_reads_once() -> None:
    process = ours.Process()
    with process.oneshot():
        before = process.memory_info()
        kept = mmap.mmap(-1, 30 << 20)
        kept[:: mmap.PAGESIZE] = b"x" * (len(kept) // mmap.PAGESIZE)  # pages count once they were written to
        with process.oneshot():
            assert process.memory_info() is before
        assert process.memory_info() is before and process.cpu_times() == process.cpu_times()
    assert process.memory_info().rss > before.rss + (20 << 20) and kept is not None


# ---- percentages ----


def test_a_busy_process_and_machine_are_seen() -> None:
    process = ours.Process()
    stamps = [(time.perf_counter(), time.process_time())]
    assert process.cpu_percent() == 0.0
    ours.cpu_percent()
    stamps.append((time.perf_counter(), time.process_time()))
    while time.process_time() < stamps[1][1] + 0.3:
        pass
    stamps.append((time.perf_counter(), time.process_time()))
    told = process.cpu_percent()
    stamps.append((time.perf_counter(), time.process_time()))
    ticks = 4 / os.sysconf("SC_CLK_TCK")  # user and system, each cut to ticks, at both ends
    least = (stamps[2][1] - stamps[1][1] - ticks) / (stamps[3][0] - stamps[0][0])
    most = (stamps[3][1] - stamps[0][1] + ticks) / (stamps[2][0] - stamps[1][0])
    assert 100 * least - 0.1 <= told <= 100 * most + 0.1
    assert 0 < ours.cpu_percent() <= 100
    assert len(ours.cpu_percent(interval=0.05, percpu=True)) == len(theirs.cpu_percent(percpu=True))
    shares = ours.cpu_times_percent(interval=0.05)
    assert 99 <= sum(shares) - shares.guest - shares.guest_nice <= 101


# ---- the machine ----


def test_the_machine_reads_the_same() -> None:
    for name in ("virtual_memory", "swap_memory", "cpu_times"):
        mine, other = getattr(ours, name)(), getattr(theirs, name)()
        assert shape(mine) == shape(other)

        def apart(name: str = name) -> list[str]:
            """The figures that differ; others use the machine, too."""
            mine, other = getattr(ours, name)(), getattr(theirs, name)()
            pairs = ((field, getattr(mine, field), value) for field, value in other._asdict().items())
            return [field for field, a, b in pairs if abs(a - b) > max(abs(b) * 0.1, 300 << 20)]

        differing, _ = alike(apart, list)
        assert differing == [], name
    assert ours.virtual_memory().total == theirs.virtual_memory().total
    mine, other = alike(ours.boot_time, theirs.boot_time)  # the kernel makes it out of two clocks, cut to seconds
    assert mine == other
    for logical in (True, False):
        assert ours.cpu_count(logical) == theirs.cpu_count(logical)
    assert shape(ours.cpu_times(percpu=True)) == shape(theirs.cpu_times(percpu=True))


@pytest.mark.parametrize("path", ["/", b"/", Path("/"), "."], ids=repr)
def test_disks_read_the_same(path: Any) -> None:
    mine, other = alike(lambda: ours.disk_usage(path), lambda: theirs.disk_usage(path))
    assert shape(mine) == shape(other) and mine == other


def test_a_disk_is_known_by_an_open_file() -> None:
    number = os.open("/", os.O_RDONLY)
    try:
        mine, other = alike(lambda: ours.disk_usage(number), lambda: theirs.disk_usage(number))
    finally:
        os.close(number)
    assert shape(mine) == shape(other) and mine == other


def test_the_same_processes_are_listed(child: subprocess.Popen[bytes]) -> None:
    mine, other = alike(ours.pids, theirs.pids)  # until nobody starts or ends one in between
    assert mine == other and child.pid in mine and ours.pid_exists(child.pid)
    listed = {item.pid: item for item in ours.process_iter(["name", "memory_info"])}
    assert listed[child.pid].info["memory_info"] == ours.Process(child.pid).memory_info()
    again = {item.pid: item for item in ours.process_iter()}
    assert again[child.pid] is listed[child.pid]


def test_an_id_of_a_thread_is_no_process() -> None:
    ready, done = threading.Event(), threading.Event()
    thread = threading.Thread(target=lambda: (ready.set(), done.wait()))
    thread.start()
    ready.wait()
    try:
        assert thread.native_id is not None
        assert ours.pid_exists(thread.native_id) is theirs.pid_exists(thread.native_id) is False
    finally:
        done.set()
        thread.join()


# ---- its end ----


def test_waiting_for_a_child() -> None:
    with ours.Popen([sys.executable, "-c", "import time; time.sleep(600)"]) as child:
        assert child.status() in (ours.STATUS_SLEEPING, ours.STATUS_RUNNING, ours.STATUS_DISK_SLEEP)
        with pytest.raises(ours.TimeoutExpired) as caught:
            child.wait(timeout=0.01)
        assert (caught.value.seconds, caught.value.pid) == (0.01, child.pid)
        child.suspend()
        while child.status() != ours.STATUS_STOPPED:
            time.sleep(0.01)
        child.resume()
        child.terminate()
        assert child.wait(timeout=60) == -signal.SIGTERM
        assert child.wait() == child.returncode and not child.is_running()
    with ours.Popen([sys.executable, "-c", "raise SystemExit(7)"]) as child:
        assert child.wait() == 7


def test_waiting_for_several() -> None:
    quick = [ours.Popen([sys.executable, "-c", "pass"]) for _ in range(3)]
    slow = ours.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    told: list[int] = []
    gone: list[Any] = []
    alive: list[Any] = [*quick, slow]
    while len(alive) > 1:  # ends when the quick have; what waits for the slow one takes the whole timeout
        ended, alive = ours.wait_procs(alive, timeout=0.2, callback=lambda process: told.append(process.pid))
        gone += ended
    assert set(gone) == set(quick) and alive == [slow] and sorted(told) == sorted(item.pid for item in quick)
    assert all(item.returncode == 0 for item in gone)
    slow.kill()
    assert ours.wait_procs([slow])[0] == [slow]


def test_waiting_for_a_stranger(child: subprocess.Popen[bytes]) -> None:
    pid = os.fork()
    if pid == 0:  # to whom our child is no child
        try:
            ours.Process(child.pid).wait(timeout=0.05)
        except ours.TimeoutExpired:
            os._exit(0)
        os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


# ---- what is not ours ----


def test_the_rest_is_psutils(child: subprocess.Popen[bytes]) -> None:
    mine = ours.Process(child.pid)
    assert mine.num_fds() == theirs.Process(child.pid).num_fds()
    assert ours.getloadavg() and ours.LINUX and not ours.WINDOWS
    assert ours.Process(child.pid).as_dict(["num_fds", "name"]) == theirs.Process(child.pid).as_dict(
        ["num_fds", "name"]
    )
    child.kill()
    child.wait()
    with pytest.raises(ours.NoSuchProcess):
        mine.num_fds()


def test_the_rest_is_an_error_that_says_so_where_psutil_is_not_installed(python: Any) -> None:
    script = """
import sys
sys.modules["psutil"] = None
import kucha.psutil
import mmap
for owner in (kucha.psutil, kucha.psutil.Process()):
    try:
        owner.net_connections
    except AttributeError as error:
        assert "psutil, which may have the rest, is not installed" in str(error), error
    else:
        raise SystemExit(1)
    assert not hasattr(owner, "_private")
"""
    done = python("-c", script)
    assert (done.returncode, done.stderr) == (0, "")


def test_it_needs_neither_the_allocator_nor_typing(python: Any) -> None:
    script = """
import sys, kucha.psutil, kucha.resource
assert "kucha._core" not in sys.modules and "typing" not in sys.modules, sorted(sys.modules)
"""
    done = python("-S", "-c", script)
    assert (done.returncode, done.stderr) == (0, "")
