"""kucha.resource beside the standard library's resource: names, values, errors."""

from __future__ import annotations

import os
import pickle
import resource as theirs
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import kucha.resource as ours
import pytest

NAMES = [name for name in dir(theirs) if not name.startswith("_")]
NUMBERS = [name for name in NAMES if isinstance(getattr(theirs, name), int)]
LIMITS = [name for name in NUMBERS if name.startswith("RLIMIT_")]
FIELDS = [name for name in dir(theirs.getrusage(theirs.RUSAGE_SELF)) if name.startswith("ru_")]


@pytest.fixture
def child() -> Iterator[int]:
    """A process whose limits may be changed: it has said that it does nothing any more but wait."""
    waits, says = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.write(says, b"x")
            while True:
                signal.pause()
        finally:
            os._exit(1)  # whatever a limit does to it, it does not go on with the tests
    os.close(says)
    assert os.read(waits, 1) == b"x"
    os.close(waits)
    yield pid
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)


def outcome(call: Callable[..., Any], *arguments: Any) -> tuple[str, Any]:
    """What a call gives: its value, or its exception's class, and errno if it has one."""
    try:
        return "value", call(*arguments)
    except Exception as error:
        return "raises", (type(error), getattr(error, "errno", None))


def test_every_name_is_there() -> None:
    assert [name for name in NAMES if not hasattr(ours, name)] == []
    assert {name: getattr(ours, name) for name in NUMBERS} == {name: getattr(theirs, name) for name in NUMBERS}
    assert ours.error is theirs.error is OSError
    assert set(ours.__all__) == {name for name in vars(ours) if name in ours.__all__}


@pytest.mark.parametrize("name", LIMITS)
def test_limits_read_the_same(name: str, child: int) -> None:
    number = getattr(theirs, name)
    assert ours.getrlimit(number) == theirs.getrlimit(number)
    assert ours.prlimit(child, number) == theirs.prlimit(child, number) == ours.prlimit(child, number, None)


@pytest.mark.parametrize("name", LIMITS)
def test_limits_are_set_the_same(name: str, child: int) -> None:
    number = getattr(theirs, name)
    before = theirs.prlimit(child, number)
    assert ours.prlimit(child, number, (0, before[1])) == before
    assert theirs.prlimit(child, number) == (0, before[1])
    assert ours.prlimit(child, number, iter([0, 0])) == (0, before[1])
    assert ours.prlimit(child, number) == theirs.prlimit(child, number) == (0, 0)


def test_a_limit_of_this_process_holds(python: Any) -> None:
    script = """
import kucha.resource as resource
resource.setrlimit(resource.RLIMIT_NOFILE, (5, 100))
assert resource.getrlimit(resource.RLIMIT_NOFILE) == (5, 100)
try:
    kept = [open("/dev/null") for _ in range(5)]
except OSError as error:
    print(error.errno)
resource.setrlimit(resource.RLIMIT_CORE, [0, 0])
assert resource.getrlimit(resource.RLIMIT_CORE) == (0, 0)
"""
    done = python("-c", script)
    assert (done.returncode, done.stdout, done.stderr) == (0, "24\n", "")


WRONG: list[tuple[str, Callable[[Any], Any]]] = [
    ("no such limit", lambda resource: resource.getrlimit(99)),
    ("a limit by name", lambda resource: resource.getrlimit("core")),
    ("a limit with a fraction", lambda resource: resource.getrlimit(2.5)),
    ("two arguments", lambda resource: resource.getrlimit(1, 2)),
    ("setting what is no limit", lambda resource: resource.setrlimit(99, (1, 1))),
    ("setting without values", lambda resource: resource.setrlimit(4)),
    ("one number", lambda resource: resource.setrlimit(4, 1)),
    ("a tuple of one", lambda resource: resource.setrlimit(4, (1,))),
    ("a tuple of three", lambda resource: resource.setrlimit(4, (1, 2, 3))),
    ("text for a number", lambda resource: resource.setrlimit(4, ("a", 2))),
    ("a fraction for a number", lambda resource: resource.setrlimit(4, (2.5, 3))),
    ("a number beyond 64 bits", lambda resource: resource.setrlimit(4, (1 << 64, 1 << 64))),
    ("soft above hard", lambda resource: resource.setrlimit(4, (2, 1))),
    ("a process with a negative pid", lambda resource: resource.prlimit(-1, 0)),
    ("a process that nobody has", lambda resource: resource.prlimit(0x7FFFFFFF, 0)),
    ("a pid as text", lambda resource: resource.prlimit("1", 0)),
    ("no such limit of a process", lambda resource: resource.prlimit(0, 99)),
    ("one number for a process", lambda resource: resource.prlimit(0, 0, 5)),
    ("soft above hard of a process", lambda resource: resource.prlimit(0, 4, (2, 1))),
    ("usage of what there is not", lambda resource: resource.getrusage(5)),
    ("usage by name", lambda resource: resource.getrusage("self")),
]


@pytest.mark.parametrize(("what", "request_"), WRONG, ids=[what for what, _ in WRONG])
def test_wrong_requests_are_refused_alike(what: str, request_: Callable[[Any], Any]) -> None:
    mine = outcome(request_, ours)
    assert mine == outcome(request_, theirs)
    assert mine[0] == "raises"


def test_a_pid_beyond_all_pids_is_refused() -> None:
    """3.12.1 takes its lower half for the pid; the others refuse it as we do."""
    with pytest.raises(OverflowError):
        ours.prlimit(1 << 40, 0)


def test_negative_limits_are_those_of_the_newest() -> None:
    """3.11 to 3.13 wrap them around; 3.14 refuses all but -1, and so do we everywhere."""
    with pytest.raises(ValueError, match="negative"):
        ours.prlimit(0, ours.RLIMIT_CORE, (-2, -2))
    if sys.version_info >= (3, 15):
        with pytest.warns(DeprecationWarning, match="RLIM_INFINITY"), suppress(ValueError):
            ours.setrlimit(ours.RLIMIT_CORE, (0, -1))  # not allowed where the hard limit is lower already


def test_large_limits_stay_positive(child: int) -> None:
    large = (1 << 64) - 2
    ours.prlimit(child, ours.RLIMIT_CORE, (large, large))
    assert ours.prlimit(child, ours.RLIMIT_CORE) == (large, large)


def test_raising_a_hard_limit_is_refused_as_there() -> None:
    script = """
import os, resource as theirs, sys
import kucha.resource as ours
limit = ours.RLIMIT_NOFILE
ours.setrlimit(limit, (50, 100))
if os.geteuid() == 0:
    os.setresuid(65534, 65534, 65534)
for call in ("setrlimit", "prlimit"):
    for module in (theirs, ours):
        try:
            getattr(module, call)(*((0,) if call == "prlimit" else ()), limit, (50, 200))
        except Exception as error:
            print(type(error).__name__)
for module in (theirs, ours):
    try:
        module.prlimit(1, limit)
    except Exception as error:
        print(type(error).__name__)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.stderr == ""
    assert done.stdout.split() == ["ValueError"] * 2 + ["PermissionError"] * 4


@pytest.mark.parametrize("who", ["RUSAGE_SELF", "RUSAGE_CHILDREN", "RUSAGE_THREAD"])
def test_usage_reads_the_same(who: str) -> None:
    before, mine, after = (module.getrusage(getattr(module, who)) for module in (theirs, ours, theirs))
    assert len(mine) == len(before) == 16
    for name in FIELDS:  # counters only grow
        assert getattr(before, name) <= getattr(mine, name) <= getattr(after, name), name
        assert type(getattr(mine, name)) is type(getattr(before, name))
    assert [getattr(mine, name) for name, *_ in numbered()] == list(mine)
    assert repr(mine).replace("kucha.", "") == repr(theirs.struct_rusage(mine))
    assert pickle.loads(pickle.dumps(mine)) == mine


def numbered() -> list[tuple[str, ...]]:
    """Fields of the table, under the names that they have in the structure."""
    return [(f"ru_{name}", unit, meaning) for name, unit, meaning, _ in ours.usage_table]


def test_usage_that_linux_does_not_count_is_said_so() -> None:
    usage = ours.getrusage(ours.RUSAGE_SELF)
    zero = [name for name, _, _, always_zero in ours.usage_table if always_zero]
    assert zero == ["ixrss", "idrss", "isrss", "nswap", "msgsnd", "msgrcv", "nsignals"]
    assert [getattr(usage, f"ru_{name}") for name in zero] == [0] * 7


def test_the_largest_resident_size_is_in_kib() -> None:
    from kucha import psutil

    peak = psutil.Process().memory_details()["rss_peak"]
    assert abs(ours.getrusage(ours.RUSAGE_SELF).ru_maxrss * 1024 - peak) <= peak * 0.2


def test_tables_name_every_limit() -> None:
    names = [name for name, *_ in ours.limit_table]
    assert names == sorted(names) and len(names) == 16
    assert {constant: number for _, number, constant, *_ in ours.limit_table} == {
        name: getattr(ours, name) for name in ours.__all__ if name.startswith("RLIMIT_") and name != "RLIMIT_OFILE"
    }
    assert all(meaning.endswith(".") for *_, meaning in ours.limit_table)
    assert ours.limits() == {name: theirs.prlimit(0, number) for name, number, *_ in ours.limit_table}
    with pytest.raises(ProcessLookupError):
        ours.limits(0x7FFFFFFF)


def test_audit_hooks_see_limits_being_set(python: Any) -> None:
    script = """
import sys
import kucha.resource as resource
sys.addaudithook(lambda event, arguments: print(event, arguments) if event.startswith("resource.") else None)
resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
resource.prlimit(0, resource.RLIMIT_CORE, None)
"""
    done = python("-c", script)
    assert done.stdout == "resource.setrlimit (4, (0, 0))\nresource.prlimit (0, 4, None)\n"


def test_pages_are_of_the_same_size() -> None:
    assert ours.getpagesize() == theirs.getpagesize()


def test_control_groups_are_those_that_the_system_shows() -> None:
    group, again = ours.cgroup(), ours.cgroup(os.getpid())
    limits = ("version", "path", "memory_limit", "swap_limit", "memory_swap_limit", "cpus", "pids_limit")
    assert [getattr(group, name) for name in limits] == [getattr(again, name) for name in limits]
    assert group.version in (0, 1, 2) and (group.version == 0) == (group.path == "")
    if group.version:
        assert os.path.isdir(group.path)
    with pytest.raises(ProcessLookupError):
        ours.cgroup(0x7FFFFFFF) if group.version else os.kill(0x7FFFFFFF, 0)
