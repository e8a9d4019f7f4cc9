"""The extension module behind kucha.psutil and kucha.resource (src/cpython/process_module.c). Uses no allocator."""

import os
from collections.abc import Iterable
from typing import Any, Literal, NamedTuple, final, overload

_Path = str | bytes | os.PathLike[str] | os.PathLike[bytes]

class pmem(NamedTuple):  # noqa: N801 (psutil's names, here and below)
    rss: int
    vms: int
    shared: int
    text: int
    lib: int
    data: int
    dirty: int

class pfullmem(NamedTuple):  # noqa: N801
    rss: int
    vms: int
    shared: int
    text: int
    lib: int
    data: int
    dirty: int
    uss: int
    pss: int
    swap: int

class pfootprint(NamedTuple):  # noqa: N801
    uss: int
    pss: int
    swap: int

class pmmap_grouped(NamedTuple):  # noqa: N801
    path: str
    rss: int
    size: int
    pss: int
    shared_clean: int
    shared_dirty: int
    private_clean: int
    private_dirty: int
    referenced: int
    anonymous: int
    swap: int

class pmmap_ext(NamedTuple):  # noqa: N801
    addr: str
    perms: str
    path: str
    rss: int
    size: int
    pss: int
    shared_clean: int
    shared_dirty: int
    private_clean: int
    private_dirty: int
    referenced: int
    anonymous: int
    swap: int

class pcputimes(NamedTuple):  # noqa: N801
    user: float
    system: float
    children_user: float
    children_system: float
    iowait: float

class pctxsw(NamedTuple):  # noqa: N801
    voluntary: int
    involuntary: int

class puids(NamedTuple):  # noqa: N801
    real: int
    effective: int
    saved: int

class pgids(NamedTuple):  # noqa: N801
    real: int
    effective: int
    saved: int

class scputimes(NamedTuple):  # noqa: N801
    user: float
    nice: float
    system: float
    idle: float
    iowait: float
    irq: float
    softirq: float
    steal: float
    guest: float
    guest_nice: float

class cgroup_limits(NamedTuple):  # noqa: N801
    version: int
    cpu_version: int
    pids_version: int
    path: str
    memory_limit: int | None
    memory_high: int | None
    memory_used: int
    memory_peak: int
    memory_reclaimable: int
    swap_limit: int | None
    memory_swap_limit: int | None
    swap_used: int
    oom_kills: int
    cpus: float | None
    pids_limit: int | None
    pids_used: int

class struct_rusage(tuple[Any, ...]):  # noqa: N801 (the standard library's name)
    ru_utime: float
    ru_stime: float
    ru_maxrss: int
    ru_ixrss: int
    ru_idrss: int
    ru_isrss: int
    ru_minflt: int
    ru_majflt: int
    ru_nswap: int
    ru_inblock: int
    ru_oublock: int
    ru_msgsnd: int
    ru_msgrcv: int
    ru_nsignals: int
    ru_nvcsw: int
    ru_nivcsw: int

class Process:
    _started: int
    def memory_info(self) -> pmem: ...
    def memory_footprint(self) -> pfootprint: ...
    def memory_full_info(self) -> pfullmem: ...
    @overload
    def memory_maps(self, grouped: Literal[True] = True) -> list[pmmap_grouped]: ...
    @overload
    def memory_maps(self, grouped: Literal[False]) -> list[pmmap_ext]: ...
    def memory_details(self) -> dict[str, int]: ...
    def cpu_times(self) -> pcputimes: ...
    def cpu_num(self) -> int: ...
    def num_threads(self) -> int: ...
    def num_ctx_switches(self) -> pctxsw: ...
    def uids(self) -> puids: ...
    def gids(self) -> pgids: ...
    def _open(self, pid: int, root: _Path) -> None: ...
    def _check(self) -> None: ...
    def _cache(self, on: bool) -> None: ...
    def _parent_pid(self) -> int: ...
    def _letter(self) -> str: ...
    def _short_name(self) -> str: ...
    def _started_after_boot(self) -> float: ...
    def _command_line(self) -> str: ...
    def _link(self, name: str) -> str: ...

RLIMIT_AS: int
RLIMIT_CORE: int
RLIMIT_CPU: int
RLIMIT_DATA: int
RLIMIT_FSIZE: int
RLIMIT_LOCKS: int
RLIMIT_MEMLOCK: int
RLIMIT_MSGQUEUE: int
RLIMIT_NICE: int
RLIMIT_NOFILE: int
RLIMIT_NPROC: int
RLIMIT_RSS: int
RLIMIT_RTPRIO: int
RLIMIT_RTTIME: int
RLIMIT_SIGPENDING: int
RLIMIT_STACK: int
RLIM_INFINITY: int
RUSAGE_SELF: int
RUSAGE_CHILDREN: int
RUSAGE_THREAD: int
limit_table: tuple[tuple[str, int, str, str, str], ...]
usage_table: tuple[tuple[str, str, str, bool], ...]

def memory(root: _Path, /) -> tuple[int, int, int, int, int, int, int, int, int, tuple[str, ...]]: ...
def swap(root: _Path, /) -> tuple[int, int, int, int, bool]: ...
@overload
def cpu_times(root: _Path, percpu: Literal[False], /) -> scputimes: ...
@overload
def cpu_times(root: _Path, percpu: Literal[True], /) -> list[scputimes]: ...
def cpu_count() -> int: ...
def boot_time(root: _Path, /) -> float: ...
def disk(path: _Path, /) -> tuple[int, int, int]: ...
def pids(root: _Path, /) -> list[int]: ...
def processes(root: _Path, /) -> list[tuple[int, int, int]]: ...
def pid_exists(root: _Path, pid: int, /) -> bool: ...
def cgroup(root: _Path, pid: int, /) -> cgroup_limits: ...
def getrlimit(resource: int, /) -> tuple[int, int]: ...
def setrlimit(resource: int, limits: Iterable[int], /) -> None: ...
def prlimit(pid: int, resource: int, limits: Iterable[int] | None = None, /) -> tuple[int, int]: ...
def getrusage(who: int, /) -> struct_rusage: ...
def getpagesize() -> int: ...

@final
class Sampler:
    def __new__(
        cls,
        interval: float,
        *,
        what: Literal["rss", "pss", "uss"] = "rss",
        children: bool = False,
        most_only: bool = False,
    ) -> Sampler: ...
    def stop(self) -> tuple[list[tuple[float, float]], int]: ...
