"""Several threads mark one heap: the same objects die, and the program sees none of the threads."""

from __future__ import annotations

import os

import pytest
from conftest import Runner
from core_child import passes, run_child

BEGIN = """
import gc, os, weakref
install()
gc.collect()
def threads(): return _core.gc_status()["threads"]
def candidates(): return _core.gc_status()["candidates"]
"""

# Objects of all kinds that marking reads by itself, and of some that it leaves to the interpreter's thread, in a shape
# that gives everybody something to do.
WIDE = """
import collections, functools
class Plain: pass
class Slotted: __slots__ = ("a", "b")
def closure(hold):
    def inner(): return hold
    return inner
def shelf(number):
    plain, slotted = Plain(), Slotted()
    plain.a, slotted.a = [number], {"key": (number, [number])}
    slotted.b = {frozenset([number])} if number % 3 else collections.deque([[number]])
    plain.b = functools.partial(closure([slotted]), [number])
    return plain
def wide(count): return {"all": [shelf(number) for number in range(count)]}
"""


def test_a_heap_for_which_threads_compete_is_marked_whole() -> None:
    passes(
        BEGIN
        + WIDE
        + """
_core.gc_install(threads=4, together=0)
gc.disable()
kept = [wide(2000) for _ in range(10)]
gc.collect()
for number in range(60):
    dead = wide(500)
    dead["self"] = dead
    refs = [weakref.ref(item) for item in dead["all"]]
    held = dead["all"][number]
    marked = gc.collect()
    assert marked == 0, (number, marked)
    del dead
    found = gc.collect()
    assert found > 500 and [ref() for ref in refs if ref() is not None] == [held], (number, found)
    # Two that take bits of one word at once may leave a living object among the candidates; it stays alive.
    assert _core.gc_status()["marked"] > 100000 and candidates() < 20000, _core.gc_status()
assert all(item.a == [place] for shelf in kept for place, item in enumerate(shelf["all"]))
"""
    )


def test_what_is_untracked_after_marking_is_no_candidate() -> None:
    # Where two take bits of one word at once, which the hostile build sees to, a tuple that was marked may be a
    # candidate still; it is in no list of the interpreter's once it is untracked.
    passes(
        BEGIN
        + """
_core.gc_install(threads=4, together=0)
gc.disable()
heap = [[] for _ in range(120000)]                     # candidates are taken in the order of their addresses
for turn in range(5):
    atoms = [tuple([number, turn]) for number in range(50000)]
    again = atoms[::-1]
    assert sys.version_info >= (3, 14) or all(map(gc.is_tracked, atoms))   # later they may never be
    gc.collect()
    assert threads() == 4 and not any(map(gc.is_tracked, atoms))
"""
    )


def test_frozen_objects_stay_frozen() -> None:
    passes(
        BEGIN
        + """
heap = [[number] for number in range(120000)]
loose = [{number: []} for number in range(1000)]
gc.disable()
def frozen(threads):
    _core.gc_install(threads=threads, together=0)
    for shelf in loose: shelf[0] = []
    gc.collect()                                       # who is tracked is on the roll
    for shelf in loose: shelf.clear(); shelf[1] = 1    # now of atoms, and tracked until a collection looks
    gc.freeze()
    before = gc.get_freeze_count()
    for _ in range(5):
        young = [[number] for number in range(1000)]
        gc.collect()
        assert gc.get_freeze_count() == before, (threads, gc.get_freeze_count(), before)
        assert _core.gc_status()["marked"] < 3000, _core.gc_status()   # what is not frozen
    gc.unfreeze()
    _core.gc_uninstall()
frozen(1)
frozen(4)
"""
    )


def test_more_than_one_thread_is_for_large_heaps_and_several_processors() -> None:
    passes(
        BEGIN
        + """
_core.gc_install()
gc.collect()
assert threads() == 1                                  # some ten thousand objects
heap = [[] for _ in range(150000)]
gc.collect()
expected = min(len(os.sched_getaffinity(0)), 4)
assert threads() in (expected, 1), (threads(), expected)   # 1: the group's quota is below two processors
os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
gc.collect()
assert threads() == 1
_core.gc_uninstall()
_core.gc_install(threads=3)
gc.collect()
assert threads() == 3                                  # taken at its word
_core.gc_install(threads=2)                            # it is in charge already
gc.collect()
assert threads() == 2
_core.gc_install(concurrent=True)                      # says nothing of threads
gc.collect()
assert threads() == 2
_core.gc_install(threads=9)
gc.collect()
assert threads() == 4                                  # no more
_core.gc_uninstall()
for bad in ({"threads": -1}, {"together": -1}):
    try: _core.gc_install(**bad)
    except ValueError as error: assert "threads must be" in str(error)
    else: raise AssertionError(bad)
assert _core.gc_status() is None
"""
    )


def test_what_hangs_on_an_evaluation_stack_is_found_by_all_of_them() -> None:
    passes(
        BEGIN
        + WIDE
        + """
_core.gc_install(threads=4, together=0)
gc.disable()
def look(number):
    if number == 20000:
        gc.collect()
        assert candidates() < 10000, candidates()      # of more than 200,000: the list that is filled is a root
    return shelf(number)
assert len([look(number) for number in range(20001)]) == 20001
"""
    )


def test_frozen_objects_are_roots_for_all_of_them() -> None:
    passes(
        BEGIN
        + WIDE
        + """
_core.gc_install(threads=4, together=0)
gc.disable()
heap = wide(5000)
gc.collect()                                           # what imports left
gc.freeze()
heap["young"] = wide(5000)
assert gc.collect() == 0 and candidates() < 10000, candidates()
gc.unfreeze()
assert gc.collect() == 0
"""
    )


def test_no_thread_is_left_and_a_fork_has_none() -> None:
    passes(
        BEGIN
        + """
import warnings
warnings.simplefilter("error")                         # 3.12 and later warn of a fork beside other threads
_core.gc_install(threads=4, together=0)
for _ in range(50):
    gc.collect()
    assert threads() == 4 and os.listdir("/proc/self/task") == [str(os.getpid())]
    child = os.fork()
    if child == 0:
        gc.collect()
        os._exit(0 if threads() == 4 else 1)
    assert os.waitpid(child, 0)[1] == 0
"""
    )


def test_threads_that_are_refused_are_done_without() -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can become a user who has no threads left")
    passes(
        BEGIN
        + WIDE
        + """
import resource
_core.gc_install(threads=4, together=0)
heap = wide(5000)
resource.setrlimit(resource.RLIMIT_NPROC, (1, 1))
os.setuid(54321)
try: __import__("_thread").start_new_thread(print, ())
except RuntimeError: pass
else: raise AssertionError("the limit does not hold")
heap["self"], ref = heap, weakref.ref(heap["all"][0])
gc.collect()
assert threads() == 1 and ref() is not None
del heap
assert gc.collect() > 5000 and ref() is None
"""
    )


def test_interpreters_that_collect_at_the_same_time_have_a_team_each() -> None:
    done = run_child(
        BEGIN
        + """
import threading
try: import _interpreters as interpreters
except ImportError:
    try: import _xxsubinterpreters as interpreters
    except ImportError: raise SystemExit(0)
_core.gc_install(threads=3, together=0)
CODE = '''
import gc
for number in range(30):
    heap = [[number] for _ in range(5000)]
    ring = []
    ring.append(ring)
    del ring
    assert gc.collect() >= 1
    assert all(item == [number] for item in heap)
'''
def run():
    made = interpreters.create()
    failed = interpreters.run_string(made, CODE)
    assert failed is None, failed
    interpreters.destroy(made)
running = [threading.Thread(target=run) for _ in range(3)]
for thread in running: thread.start()
for _ in range(20): gc.collect()
for thread in running: thread.join()
"""
    )
    assert done.returncode == 0 and "Error" not in done.stderr, done.stderr[-3000:]


def test_the_command_says_how_many(kucha: Runner) -> None:
    code = (
        "import gc; heap = [[] for _ in range(150000)]; gc.collect()\n"
        "from kucha import _core; print(_core.gc_status()['threads'])"
    )
    for words, threads in (["--gc-threads=3"], "3"), (["--gc-threads", "1"], "1"):
        done = kucha("run", "-q", "--no-trace", "--gc=kucha", *words, "-c", code)
        assert (done.returncode, done.stdout) == (0, f"{threads}\n"), done.stderr
    for word in ("5", "-1", "some"):
        done = kucha("run", "--gc=kucha", "--gc-threads", word, "-c", "0")
        assert done.returncode == 2 and "--gc-threads" in done.stderr, done.stderr
    done = kucha("run", "--gc-threads=2", "-c", "0")
    assert done.returncode == 2 and "add --gc=kucha" in done.stderr, done.stderr
