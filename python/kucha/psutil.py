"""psutil's memory side, over kucha's core: processes, the machine's memory, processors and disks.

Same names, fields, units and errors as psutil 7.2 on Linux. A ``Process`` keeps descriptors of what it reads more than
once, so ``memory_info()`` is one read of the system; and it keeps to its process: a pid that the system has given to
another one since is NoSuchProcess for every method, not only for those that change something.

What psutil has and this module has not (network, sensors, open files, ...) is taken from psutil where that is
installed, and is an AttributeError that says so where it is not. What is more than there: ``Process.memory_footprint``
(uss, pss and swap alone), ``Process.memory_details`` (peaks, and what rss is made of) and ``Process.cgroup_limits``
(what a container may use; ``virtual_memory`` is always the machine's).
"""

from __future__ import annotations

import time

from kucha import _process
from kucha._process import (
    cgroup_limits,
    pcputimes,
    pctxsw,
    pfootprint,
    pfullmem,
    pgids,
    pmem,
    pmmap_ext,
    pmmap_grouped,
    puids,
    scputimes,
)
from kucha._psutil_errors import AccessDenied, Error, NoSuchProcess, TimeoutExpired, ZombieProcess
from kucha._psutil_process import (
    STATUS_DEAD,
    STATUS_DISK_SLEEP,
    STATUS_IDLE,
    STATUS_PARKED,
    STATUS_RUNNING,
    STATUS_SLEEPING,
    STATUS_STOPPED,
    STATUS_TRACING_STOP,
    STATUS_WAKE_KILL,
    STATUS_WAKING,
    STATUS_ZOMBIE,
    Popen,
    Process,
    pass_through,
    reused,
)
from kucha._psutil_system import (
    boot_time,
    cpu_count,
    cpu_percent,
    cpu_times,
    cpu_times_percent,
    disk_usage,
    sdiskusage,
    sswap,
    start_watching,
    svmem,
    swap_memory,
    virtual_memory,
)
from kucha.resource import (
    RLIM_INFINITY,
    RLIMIT_AS,
    RLIMIT_CORE,
    RLIMIT_CPU,
    RLIMIT_DATA,
    RLIMIT_FSIZE,
    RLIMIT_LOCKS,
    RLIMIT_MEMLOCK,
    RLIMIT_MSGQUEUE,
    RLIMIT_NICE,
    RLIMIT_NOFILE,
    RLIMIT_NPROC,
    RLIMIT_RSS,
    RLIMIT_RTPRIO,
    RLIMIT_RTTIME,
    RLIMIT_SIGPENDING,
    RLIMIT_STACK,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator
    from typing import Any

__all__ = [
    "LINUX",
    "POSIX",
    "PROCFS_PATH",
    "RLIMIT_AS",
    "RLIMIT_CORE",
    "RLIMIT_CPU",
    "RLIMIT_DATA",
    "RLIMIT_FSIZE",
    "RLIMIT_LOCKS",
    "RLIMIT_MEMLOCK",
    "RLIMIT_MSGQUEUE",
    "RLIMIT_NICE",
    "RLIMIT_NOFILE",
    "RLIMIT_NPROC",
    "RLIMIT_RSS",
    "RLIMIT_RTPRIO",
    "RLIMIT_RTTIME",
    "RLIMIT_SIGPENDING",
    "RLIMIT_STACK",
    "RLIM_INFINITY",
    "STATUS_DEAD",
    "STATUS_DISK_SLEEP",
    "STATUS_IDLE",
    "STATUS_PARKED",
    "STATUS_RUNNING",
    "STATUS_SLEEPING",
    "STATUS_STOPPED",
    "STATUS_TRACING_STOP",
    "STATUS_WAKE_KILL",
    "STATUS_WAKING",
    "STATUS_ZOMBIE",
    "AccessDenied",
    "Error",
    "NoSuchProcess",
    "Popen",
    "Process",
    "TimeoutExpired",
    "ZombieProcess",
    "boot_time",
    "cgroup_limits",
    "cpu_count",
    "cpu_percent",
    "cpu_times",
    "cpu_times_percent",
    "disk_usage",
    "pcputimes",
    "pctxsw",
    "pfootprint",
    "pfullmem",
    "pgids",
    "pid_exists",
    "pids",
    "pmem",
    "pmmap_ext",
    "pmmap_grouped",
    "process_iter",
    "puids",
    "scputimes",
    "sdiskusage",
    "sswap",
    "svmem",
    "swap_memory",
    "version_info",
    "virtual_memory",
    "wait_procs",
]

# The release of psutil whose interface this is.
__version__ = "7.2.2"
version_info = (7, 2, 2)

PROCFS_PATH = "/proc"
POSIX = LINUX = True


def __getattr__(name: str) -> Any:
    return pass_through("module 'kucha.psutil'", name, lambda found: found)


# ---- all processes ----


def pids() -> list[int]:
    """The numbers of all processes that can be seen, sorted."""
    return _process.pids(PROCFS_PATH)


def pid_exists(pid: int) -> bool:
    """Whether there is a process of that number, whoever it belongs to."""
    return _process.pid_exists(PROCFS_PATH, pid)


_pmap: dict[int, Process] = {}  # what process_iter() has given out, to be given out again


def process_iter(attrs: Collection[str] | None = None, ad_value: Any = None) -> Iterator[Process]:
    """A Process for each process, in order of pid; the same object each time for the same process.

    With ``attrs``, names of attributes ([]: all), each has a dict of these in ``info``: see ``Process.as_dict``.
    """
    global _pmap
    now = pids()
    known = {pid: _pmap[pid] for pid in now if pid in _pmap and pid not in reused}
    reused.difference_update(now)
    try:
        for pid in now:
            try:
                process = known.get(pid)
                if process is None:
                    process = known[pid] = Process(pid)
                if attrs is not None:
                    process.info = process.as_dict(attrs, ad_value)
                yield process
            except NoSuchProcess:
                known.pop(pid, None)
    finally:
        _pmap = known


process_iter.cache_clear = lambda: _pmap.clear()  # type: ignore[attr-defined]


def wait_procs(
    procs: Iterable[Process], timeout: float | None = None, callback: Callable[[Process], object] | None = None
) -> tuple[list[Process], list[Process]]:
    """Waits until all of them have ended, or the time is over. Returns those that have, and those that have not.

    Each that has ended gets its exit code as ``returncode``, and the callback is called with it.
    """
    if timeout is not None and not timeout >= 0:
        raise ValueError(f"timeout must be a positive integer, got {timeout}")
    if callback is not None and not callable(callback):
        raise TypeError(f"callback {callback!r} is not a callable")
    deadline = None if timeout is None else time.monotonic() + timeout
    gone: list[Process] = []
    alive = list(dict.fromkeys(procs))
    while alive:
        left = None if deadline is None else max(0.0, deadline - time.monotonic())
        share = 1.0 / len(alive)  # one round takes a second at most, so that the end of each is seen soon
        for process in list(alive):
            if _has_ended(process, share if left is None else min(left, share)):
                alive.remove(process)
                gone.append(process)
                if callback is not None:
                    callback(process)
        if left == 0:
            break
    return gone, alive


def _has_ended(process: Process, timeout: float) -> bool:
    try:
        code = process.wait(timeout)
    except TimeoutExpired:
        return False
    if code is None and process.is_running():
        return False
    process.returncode = code
    return True


start_watching()
