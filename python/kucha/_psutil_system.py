"""The functions of kucha.psutil about the machine: memory, swap, processors, disks.

Numbers come from C as the system gives them; percentages are worked out here, rounded to a tenth as psutil's are.
"""

from __future__ import annotations

import os
import sys
import threading
import time
import warnings
from collections import namedtuple

from kucha import _process
from kucha._process import scputimes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Literal, NamedTuple, TypeVar, overload

    T = TypeVar("T")

    class svmem(NamedTuple):  # noqa: N801 (psutil's names, here and below)
        total: int
        available: int
        percent: float
        used: int
        free: int
        active: int
        inactive: int
        buffers: int
        cached: int
        shared: int
        slab: int

    class sswap(NamedTuple):  # noqa: N801
        total: int
        used: int
        free: int
        percent: float
        sin: int
        sout: int

    class sdiskusage(NamedTuple):  # noqa: N801
        total: int
        used: int
        free: int
        percent: float
else:
    # Not typing.NamedTuple: importing typing takes longer than all of this module.
    _SVMEM = "total available percent used free active inactive buffers cached shared slab"
    svmem = namedtuple("svmem", _SVMEM, module="kucha.psutil")
    sswap = namedtuple("sswap", "total used free percent sin sout", module="kucha.psutil")
    sdiskusage = namedtuple("sdiskusage", "total used free percent", module="kucha.psutil")


def root() -> str:
    """Where /proc lies: psutil's PROCFS_PATH, which a program may set."""
    return str(sys.modules["kucha.psutil"].PROCFS_PATH)


def _percent(part: float, whole: float) -> float:
    return round(part / whole * 100, 1) if whole else 0.0


def _warn(sentence: str) -> None:
    warnings.warn(sentence, RuntimeWarning, stacklevel=3)


def virtual_memory() -> svmem:
    """The memory of the machine, in bytes, as ``free`` tells it; not a container's: see cgroup_limits."""
    total, available, free, active, inactive, buffers, cached, shared, slab, missing = _process.memory(root())
    if missing:
        was = "was" if len(missing) == 1 else "were"
        _warn(f"{', '.join(missing)} memory stats couldn't be determined and {was} set to 0")
    used = total - available
    percent = _percent(used, total)
    return svmem(total, available, percent, used, free, active, inactive, buffers, cached, shared, slab)


def swap_memory() -> sswap:
    """Swap of the machine, in bytes; ``sin`` and ``sout`` are what was swapped in and out since its start."""
    total, free, came, went, known = _process.swap(root())
    if not known:
        _warn("'sin' and 'sout' swap memory stats couldn't be determined and were set to 0")
    return sswap(total, total - free, free, _percent(total - free, total), came, went)


def disk_usage(path: str | bytes | os.PathLike[str] | int) -> sdiskusage:
    """The file system that a path, or an open file by its number, lies in, in bytes.

    ``free`` and ``percent`` are for those who are not root.
    """
    if isinstance(path, int):
        told = os.fstatvfs(path)
        total, free, available = (told.f_frsize * blocks for blocks in (told.f_blocks, told.f_bfree, told.f_bavail))
    else:
        total, free, available = _process.disk(path)
    used = total - free
    return sdiskusage(total, used, available, _percent(used, used + available))


def boot_time() -> float:
    """When the machine was started, in seconds since 1970."""
    return _process.boot_time(root())


# ---- processors ----


if TYPE_CHECKING:

    @overload
    def cpu_times(percpu: Literal[False] = False) -> scputimes: ...
    @overload
    def cpu_times(percpu: Literal[True]) -> list[scputimes]: ...


def cpu_times(percpu: bool = False) -> scputimes | list[scputimes]:
    """Seconds that the processors have spent, by what they did, since the machine's start; together or each."""
    return _process.cpu_times(root(), True) if percpu else _process.cpu_times(root(), False)


def cpu_count(logical: bool = True) -> int | None:
    """How many processors are on line; with ``logical=False`` how many cores these are. None where nobody knows."""
    return (_process.cpu_count() if logical else _cores()) or None


def _cores() -> int:
    import glob

    cores = set()
    places = "/sys/devices/system/cpu/cpu[0-9]*/topology/"
    for path in glob.glob(places + "core_cpus_list") or glob.glob(places + "thread_siblings_list"):
        with open(path, encoding="ascii") as file:
            cores.add(file.read().strip())
    return len(cores) or _cores_of_cpuinfo()


def _cores_of_cpuinfo() -> int:
    """Where /sys is not mounted: the pairs of package and core that /proc/cpuinfo names; 0 where it names none."""
    cores, package = set(), ""
    with open(f"{root()}/cpuinfo", encoding="utf-8", errors="replace") as file:
        for line in file:
            name, _, value = line.partition(":")
            if name.strip() == "physical id":
                package = value.strip()
            elif name.strip() == "core id":
                cores.add((package, value.strip()))
    return len(cores)


def _deltas(before: scputimes, after: scputimes) -> scputimes:
    """What was spent between the two; where a counter went back, which the kernel's sometimes do, nothing was."""
    return scputimes(*(max(0.0, late - early) for early, late in zip(before, after, strict=True)))


def _total(times: scputimes) -> float:
    """All time there was. That of guests is part of user and nice already."""
    return sum(times) - times.guest - times.guest_nice


def _busy(before: scputimes, after: scputimes) -> float:
    spent = _deltas(before, after)
    total = _total(spent)
    return _percent(total - spent.idle - spent.iowait, total)


def _shares(before: scputimes, after: scputimes) -> scputimes:
    spent = _deltas(before, after)
    total = _total(spent)
    return scputimes(*(_percent(part, total) for part in spent))


class _Watch:
    """The last reading of each thread: a percentage is of the time since then."""

    def __init__(self) -> None:
        self.whole: dict[int, scputimes] = {}
        self.each: dict[int, list[scputimes]] = {}

    def between(self, interval: float | None) -> tuple[scputimes, scputimes]:
        """The times before and after: of an interval that is waited for, or since the last call."""
        thread = threading.get_ident()
        before = self.whole.get(thread)
        if interval or before is None:
            before = cpu_times()
        time.sleep(interval or 0)
        after = self.whole[thread] = cpu_times()
        return before, after

    def between_each(self, interval: float | None) -> list[tuple[scputimes, scputimes]]:
        """The same for each processor."""
        thread = threading.get_ident()
        before = self.each.get(thread)
        if interval or before is None:
            before = cpu_times(percpu=True)
        time.sleep(interval or 0)
        after = self.each[thread] = cpu_times(percpu=True)
        return list(zip(before, after, strict=False))


_percent_watch = _Watch()
_times_watch = _Watch()


def _measure(
    watch: _Watch, work_out: Callable[[scputimes, scputimes], T], interval: float | None, percpu: bool
) -> T | list[T]:
    if interval is not None and interval < 0:
        raise ValueError(f"interval is not positive (got {interval})")
    if percpu:
        return [work_out(before, after) for before, after in watch.between_each(interval)]
    return work_out(*watch.between(interval))


if TYPE_CHECKING:

    @overload
    def cpu_percent(interval: float | None = None, percpu: Literal[False] = False) -> float: ...
    @overload
    def cpu_percent(interval: float | None = None, *, percpu: Literal[True]) -> list[float]: ...
    @overload
    def cpu_percent(interval: float | None, percpu: Literal[True]) -> list[float]: ...


def cpu_percent(interval: float | None = None, percpu: bool = False) -> float | list[float]:
    """How busy the processors were, in per cent, together or each.

    During the interval in seconds, which is waited for; without one, since this thread's last call, or, at its first,
    since the module was imported.
    """
    return _measure(_percent_watch, _busy, interval, percpu)


def cpu_times_percent(interval: float | None = None, percpu: bool = False) -> scputimes | list[scputimes]:
    """The shares of ``cpu_times()`` in per cent; ``interval`` and ``percpu`` are those of ``cpu_percent()``."""
    return _measure(_times_watch, _shares, interval, percpu)


def start_watching() -> None:
    """Takes the first reading, as psutil does when it is imported."""
    thread = threading.get_ident()
    for watch in (_percent_watch, _times_watch):
        try:
            watch.whole[thread] = cpu_times()
            watch.each[thread] = cpu_times(percpu=True)
        except OSError:  # no /proc here, perhaps at another PROCFS_PATH
            return
