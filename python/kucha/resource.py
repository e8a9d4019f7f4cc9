"""The standard library's ``resource``, over kucha's core: limits and usage, read and set.

Same names, values and errors as CPython 3.14's module, on every version; errors say more. What is more than there:

* ``limit_table``: every limit that the system has, RLIMIT_LOCKS among them, as (name, number, constant, unit, meaning);
* ``usage_table``: the fields of ``struct_rusage`` as (name, unit, meaning, always zero); Linux never sets seven;
* ``limits(pid)``: all limits of a process at once;
* ``cgroup(pid)``: what the process's control group may use, which is what a container may.
"""

from __future__ import annotations

import sys

from kucha._process import (
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
    RUSAGE_CHILDREN,
    RUSAGE_SELF,
    RUSAGE_THREAD,
    cgroup_limits,
    getpagesize,
    getrlimit,
    getrusage,
    limit_table,
    prlimit,
    setrlimit,
    struct_rusage,
    usage_table,
)

__all__ = [
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
    "RLIMIT_OFILE",
    "RLIMIT_RSS",
    "RLIMIT_RTPRIO",
    "RLIMIT_RTTIME",
    "RLIMIT_SIGPENDING",
    "RLIMIT_STACK",
    "RLIM_INFINITY",
    "RUSAGE_CHILDREN",
    "RUSAGE_SELF",
    "RUSAGE_THREAD",
    "cgroup",
    "cgroup_limits",
    "error",
    "getpagesize",
    "getrlimit",
    "getrusage",
    "limit_table",
    "limits",
    "prlimit",
    "setrlimit",
    "struct_rusage",
    "usage_table",
]

RLIMIT_OFILE = RLIMIT_NOFILE  # BSD's name for it
error = OSError

if sys.version_info >= (3, 15):
    # Where the system could not tell a limit; it can.
    RLIM_SAVED_CUR = RLIM_SAVED_MAX = RLIM_INFINITY
    __all__ += ["RLIM_SAVED_CUR", "RLIM_SAVED_MAX"]


def limits(pid: int = 0) -> dict[str, tuple[int, int]]:
    """Every limit of a process as ``{name: (soft, hard)}``, in alphabetical order; pid 0 is this process."""
    return {name: prlimit(pid, number) for name, number, *_ in limit_table}


def cgroup(pid: int = 0) -> cgroup_limits:
    """What the control group of a process may use, and uses; pid 0 is this process.

    ``version`` is that of the group's memory controller: 1, 2, or 0 where there is none. No limit is None. The tightest
    limit between the group and the root that can be seen holds. Under version 2 ``swap_limit`` is for swap alone; under
    version 1 ``memory_swap_limit`` is for memory and swap together.
    """
    from kucha import _process

    return _process.cgroup("/proc", pid)
