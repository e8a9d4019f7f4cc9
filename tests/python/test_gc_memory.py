"""Collections where memory ends: at a limit, in a control group, at each request in turn. Nothing is lost, nothing is
freed that lives, and the garbage is gone in the end.
"""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import eventually
from core_child import passes, run_child
from test_gc_concurrent import BEGIN

# What lives and must stay as it is; what dies and must be gone; and a program that goes on without memory.
PROGRAM = (
    BEGIN
    + """
gc.disable()
def begin_one():
    # As above, whatever was refused before.
    _core.gc_settle()
    before = told()["begun"]
    until(lambda: told()["begun"] > before, "begun", 50)
    return told()["child"]
kept = {i: [i, str(i), (i,)] for i in range(3000)}
def right(): return all(kept[i] == [i, str(i), (i,)] for i in range(3000))
def garbage(): return [weakref.ref(Node()) for _ in range(1000)]
def gone(refs): return all(r() is None for r in refs)
def patiently(reached, what):
    # No memory is what this program expects, and lives with.
    end = time.monotonic() + 250
    while True:
        try:
            if reached(): return
            make(300)
        except MemoryError: ballast.clear()
        assert time.monotonic() < end, what
def stop(child):
    # Whether it stands before it was done.
    os.kill(child, signal.SIGSTOP)
    while True:
        with open(f"/proc/{child}/stat") as file: state = file.read().rpartition(") ")[2][0]
        if state in "TZ": return state == "T"
def stopped_child():
    for _ in range(100):
        refs = garbage()
        gc.enable(); child = begin_one(); gc.disable()
        if stop(child): return child, refs
        os.kill(child, signal.SIGCONT)
        _core.gc_settle()
    raise AssertionError("every child was done before it could be stopped")
def ended():
    before = told()["lost"] + told()["done"]
    return lambda: told()["lost"] + told()["done"] > before
"""
)

LIMITS = (
    PROGRAM
    + """
import resource
hard = resource.getrlimit(resource.LIMIT)[1]
def used():
    with open("/proc/self/statm") as file: return int(file.read().split()[FIELD]) * resource.getpagesize()
def limit(room): resource.setrlimit(resource.LIMIT, (used() + room, hard))
def lift(): resource.setrlimit(resource.LIMIT, (hard, hard))
begin()
"""
)
# Limits on what a process maps, and the field of statm that says how much that is.
EACH_LIMIT = pytest.mark.parametrize("limits", [("RLIMIT_AS", "0"), ("RLIMIT_DATA", "5")], ids=lambda pair: pair[0])


def limited(limits: tuple[str, str]) -> str:
    """A program that can set one of them for itself."""
    return LIMITS.replace("resource.LIMIT", f"resource.{limits[0]}").replace("FIELD", limits[1])


@EACH_LIMIT
def test_a_limit_that_is_there_when_a_collection_begins(limits: tuple[str, str]) -> None:
    passes(
        limited(limits)
        + """
for room in (0, 64 << 10, 1 << 20):
    _core.gc_settle()
    refs = garbage()
    limit(room)
    gc.enable()
    before = told()
    chances = lambda: sum(told()[what] - before[what] for what in ("refused", "lost", "done"))
    patiently(lambda: chances() >= 2, ("two collections", room))
    lift()
    gc.disable()
    _core.gc_settle()
    gc.collect()
    assert gone(refs) and right(), room
drive()
"""
    )


@EACH_LIMIT
def test_a_limit_that_is_lowered_while_the_child_lives(limits: tuple[str, str]) -> None:
    passes(
        limited(limits)
        + """
for room in (0, 1 << 20):
    child, refs = stopped_child()
    limit(room)
    os.kill(child, signal.SIGCONT)
    over = ended()
    gc.enable()
    patiently(over, ("its end", room))
    patiently(lambda: gone(refs), ("dead", room))
    lift()
    gc.disable()
    assert right(), room
drive()
"""
    )


# ---- control groups ----

Group = dict[str, Path]


def make_group() -> Group:
    """A group of its own for memory, below that of this process; skips where none can be made."""
    from kucha import resource

    found = resource.cgroup()
    if found.version == 0:
        pytest.skip("no control group of this process limits memory")
    folder = Path(found.path) / f"kucha-test-{os.getpid()}"
    try:
        folder.mkdir()
    except OSError as error:
        pytest.skip(f"a control group cannot be made here: {error}")
    names = {"limit": "memory.max", "used": "memory.current"}
    if found.version == 1:
        names = {"limit": "memory.limit_in_bytes", "used": "memory.usage_in_bytes"}
    group = {"folder": folder, "members": folder / "cgroup.procs"}
    group |= {what: folder / name for what, name in names.items()}
    if not group["limit"].exists():
        folder.rmdir()
        pytest.skip("control groups that can be made here do not limit memory")
    return group


def drop_group(folder: Path) -> None:
    """Ends who is left in it, and takes it away."""

    def is_gone() -> bool:
        with contextlib.suppress(OSError):
            for member in (folder / "cgroup.procs").read_text().split():
                os.kill(int(member), signal.SIGKILL)
        with contextlib.suppress(OSError):
            folder.rmdir()
        return not folder.exists()

    assert eventually(is_gone)


@pytest.fixture
def group() -> Iterator[str]:
    """Code that makes a process a member of a group of its own, and can set the group's limit."""
    made = make_group()
    try:
        try:
            made["limit"].write_text(str(1 << 40))
        except OSError as error:
            pytest.skip(f"the limit of a control group cannot be set here: {error}")
        places = {name: str(path) for name, path in made.items()}
        yield f"""
places = {places!r}
def write(what, number):
    with open(places[what], "w") as file: file.write(str(number))
def limit(room):
    with open(places["used"]) as file: write("limit", int(file.read()) + room)
def lift(): write("limit", 1 << 40)
lift()
try: write("members", os.getpid())
except OSError as error:
    print("skip: this process cannot be moved into a control group:", error)
    raise SystemExit
def resident():
    with open("/proc/self/statm") as file: return int(file.read().split()[1]) * os.sysconf("SC_PAGESIZE")
"""
    finally:
        drop_group(made["folder"])


def passes_in_group(code: str, attempts: int = 1) -> None:
    """Runs it; what says that it was not let into its group is skipped. Up to ``attempts`` times, if it is killed."""
    done = run_child(code)
    while done.returncode == -signal.SIGKILL and attempts > 1:
        attempts -= 1
        done = run_child(code)
    assert done.returncode == 0, (done.returncode, done.stdout[-2000:], done.stderr[-4000:])
    if done.stdout.startswith("skip: "):
        pytest.skip(done.stdout.removeprefix("skip: ").strip())
    assert done.stdout.endswith("whole\n")


def test_no_child_is_made_in_a_group_that_its_copies_could_break(group: str) -> None:
    passes_in_group(
        PROGRAM
        + group
        + """
begin()
limit(resident())    # a copy of each page, and nothing beside
refs = garbage()
gc.enable()
until(lambda: told()["refused"], "refused", 50)
until(lambda: gone(refs), "dead", 50)
assert told()["begun"] == 0, told()
lift()
until(lambda: told()["begun"], "begun")
gc.disable()
drive()
assert right()
print("whole")
"""
    )


def test_a_group_that_is_filled_up_meanwhile_loses_the_child_alone(group: str) -> None:
    """The kernel is asked to take the child, and mostly does: whom it ends is its choice, and with the program, once in
    some eight runs, it ends the test. What the program is like when it was spared is ours.
    """
    passes_in_group(
        PROGRAM
        + group
        + """
begin()
blocks = [bytearray(b"x") * (1 << 20) for _ in range(48)]
child, refs = stopped_child()
lost, over = told()["lost"], ended()
limit(8 << 20)
for block in blocks:                             # each page of them is copied now
    for at in range(0, 1 << 20, 4096): block[at] = 121
with open("/proc/swaps") as file: has_swap = len(file.readlines()) > 1
if has_swap: os.kill(child, signal.SIGCONT)      # else nobody else could have made room
gc.enable()
until(over, "its end", 50)
assert has_swap or told()["lost"] == lost + 1, told()
lift()
until(lambda: gone(refs), "dead")
gc.disable()
assert right() and all(block.count(b"y") == 256 and block.count(b"x") == (1 << 20) - 256 for block in blocks)
drive()
print("whole")
""",
        attempts=20,
    )


# ---- each request in turn (the build that checks) ----

EACH = (
    PROGRAM
    + """
if not hasattr(_core, "pages_fail_at"):
    print("skip")
    raise SystemExit
def make(count=300):
    ballast.extend([[] for _ in range(count)])
    if len(ballast) > 5000: ballast.clear()
def refuse(number, work):
    # The outcome, and whether so many requests were made at all.
    _core.pages_fail_at(number)
    try: return work(), _core.pages_fail_at(0) >= number
    except MemoryError: return None, True
    finally: _core.pages_fail_at(0)
"""
)


def passes_in_checking(code: str) -> None:
    """Runs it in the build that can refuse a request."""
    if passes(EACH + code) == "skip\n":
        pytest.skip("the checking build alone can refuse a request for pages")


def test_each_request_of_a_concurrent_collection_is_refused_in_turn() -> None:
    passes_in_checking(
        """
begin()
outcomes = []
for number in range(1, 30):
    _core.gc_settle()
    drive()                                        # no failure before this one counts
    refs, before = garbage(), told()
    def collect():
        gc.enable()                                # so much was made that this is a chance
        until(lambda: gone(refs), "dead", 50)
    refuse(number, collect)
    until(lambda: gone(refs), "dead", 50)
    gc.disable()
    outcomes.append(next(what for what in ("refused", "lost", "done", "begun") if told()[what] > before[what]))
    assert right(), number
assert {"refused", "lost"} <= set(outcomes) and outcomes[-5:] == ["done"] * 5, outcomes
"""
    )


@pytest.mark.parametrize("way", ["", "threads=3, together=0"])
def test_each_request_of_a_collection_at_one_go_is_refused_in_turn(way: str) -> None:
    passes_in_checking(
        """
_core.gc_install(WAY)
def collect(): return gc.collect()
last = 0
for number in range(1, 40):
    refs = garbage()
    large = [[] for _ in range(20000 + 2000 * number)]    # tables grow
    found, came = refuse(number, collect)
    assert gone(refs) and right() and found >= 1000, (number, found)
    last = number if came else last
assert last > 0
""".replace("WAY", way)
    )


def test_each_request_of_the_way_in_is_refused_in_turn() -> None:
    passes_in_checking(
        """
refused = 0
for number in range(1, 30):
    before = _core.gc_status()
    assert before is None
    refuse(number, lambda: _core.gc_install(concurrent=True, least=0))
    refused += _core.gc_status() is None
    refs = garbage()
    gc.collect()
    assert gone(refs) and right(), number
    _core.gc_uninstall()
assert refused > 0
begin()
drive()
"""
    )


@pytest.mark.parametrize("way", ["", "concurrent=True, least=0"])
def test_memory_that_the_interpreter_is_refused(way: str) -> None:
    told = passes(
        PROGRAM
        + """
try: import _testcapi
except ImportError:
    print("skip")
    raise SystemExit
begin = lambda: _core.gc_install(WAY)
begin()
for number in range(25):
    refs = garbage()
    _testcapi.set_nomemory(number, number + 1)
    try: gc.collect()
    except MemoryError: pass
    finally: _testcapi.remove_mem_hooks()
    gc.collect()
    assert gone(refs) and right(), number
""".replace("WAY", way)
    )
    if told == "skip\n":
        pytest.skip("this interpreter has no _testcapi")
