"""Full collections by a child: the same objects die, whatever becomes of the child, and nobody else notices it."""

from __future__ import annotations

import importlib.util
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import PATIENCE, Runner, clean_environment
from core_child import passes, run_child
from test_children import wait_for_address
from test_gc_hosted import GRAPHS

BEGIN = """
import gc, os, signal, sys, threading, time, weakref
install()
# Every chance is taken, however small the heap.
def begin(): _core.gc_install(eager=True, concurrent=True, least=0)
def told(): return _core.gc_status()["concurrent"]
ballast = []
def make(count=1000):
    ballast.extend([[] for _ in range(count)])
    if len(ballast) > 200000: ballast.clear()
def until(reached, what, count=1000):
    end = time.monotonic() + 250
    while not reached():
        assert time.monotonic() < end, (what, told())
        make(count)
def begin_one():
    # From an idle state on, up to a child that was made just now.
    _core.gc_settle()
    before = told()["begun"]
    # So few at a time that no second chance comes before it is seen.
    until(lambda: told()["begun"] > before or told()["refused"], "begun", 50)
    assert told()["phase"] == "child" and told()["child"] > 1, ("no child could be made", told())
    return told()["child"]
def drive():
    # One that begins now, to its end.
    gc.enable()
    before = told()["done"]
    begin_one()
    until(lambda: told()["done"] > before, "done")
    gc.disable()
    _core.gc_settle()
class Node:
    def __init__(self): self.me = self
"""

# What became of one of the graphs, by whichever collector.
END = """
def end(seed, collect):
    kept, called, refs = graph(seed, 300)
    collect()
    back = sorted(n.label for n in Reviving.kept)
    told = sorted(map(str, called)), sorted(Ending.log), back, [r() is None for r in refs]
    del kept, refs
    gc.collect()
    forget()
    return told
"""


def test_random_graphs_end_as_under_the_interpreter_alone() -> None:
    passes(
        BEGIN
        + GRAPHS
        + END
        + """
gc.disable()
begin()
for seed in range(5):
    end(seed, gc.collect)    # once for what only happens the first time
    _core.gc_uninstall()
    stock = end(seed, gc.collect)
    begin()
    ours = end(seed, drive)
    assert stock == ours, (seed, stock, ours)
assert stock[1] and told()["lost"] == 0
"""
    )


def test_half_of_a_heap_is_freed_slice_by_slice() -> None:
    passes(
        BEGIN
        + """
import types
gc.disable()
begin()
# A cycle that holds a list of many, small cycles, a chain, and a large cycle.
class Weak:
    __slots__ = ("it", "__weakref__")
def row(): return [Weak() for _ in range(30000)]
many = row()
root = Node(); root.many = many
small = []
for _ in range(20000):
    one = Weak(); one.it = one; small.append(one)
chain = None
for _ in range(30000):
    one = Weak(); one.it = chain; chain = one
turn = Node(); turn.chain = chain
large = row()
for at in range(len(large)): large[at].it = large[at - 1]
dead = [weakref.ref(one) for one in [*many, root, *small, chain, turn, *large]]
living = row()
for one in living: one.it = one
lives = [weakref.ref(one) for one in living]
del many, root, small, chain, turn, large, one
assert sum(r() is None for r in dead) == 0
drive()
assert sum(r() is not None for r in dead) == 0 and all(r() is not None for r in lives)
assert told()["slices"] > 1 and told()["lost"] == 0, told()    # how many is the speed's affair
found = gc.get_stats()[0]["collected"] + gc.get_stats()[1]["collected"] + gc.get_stats()[2]["collected"]
assert found > 110000, found
assert not [o for o in gc.get_objects() if "entinel" in type(o).__name__] and not gc.garbage
"""
    )


def test_what_is_brought_back_stays() -> None:
    passes(
        BEGIN
        + """
gc.disable()
begin()
gc.collect()
class Heavy(Node): pass
dead = [Heavy() for _ in range(3000)]
refs = [weakref.ref(one) for one in dead]
del dead
gc.enable()
begin_one()
back = [r() for r in refs[::3]]
for one in back: one.label = [one]
listed = [o for o in gc.get_objects() if type(o) is Heavy][:100]
before = told()["done"]
until(lambda: told()["done"] > before, "done")
gc.disable()
assert all(r() is not None and r().label[0] is r() for r in refs[::3])
assert all(o.me is o for o in listed)
del back, listed, one
_core.gc_settle()
gc.collect()
assert all(r() is None for r in refs)
"""
    )


def test_blocks_that_are_freed_and_used_again_meanwhile() -> None:
    passes(
        BEGIN
        + """
import _ctypes, ctypes
gc.disable()
begin()
class Held: pass
# Only C code holds these, so that they are no known roots: the child finds out that they are held.
held = [Held() for _ in range(5000)]
for one in held: ctypes.pythonapi.Py_IncRef(ctypes.py_object(one))
addresses = [id(one) for one in held]
dead = [Node() for _ in range(5000)]
refs = [weakref.ref(one) for one in dead]
del held, one, dead
gc.enable()
child = begin_one()
# Those that are dead come back and end by their count, and their memory is used for what is no object of a collector's.
for r in refs:
    one = r(); one.me = None
del one
assert all(r() is None for r in refs)
filled = [bytes([i % 256]) * n for n in range(20, 140, 8) for i in range(5000)]
again = [Held() for _ in range(5000)]
before = told()["done"]
until(lambda: told()["done"] > before, "done")
gc.disable()
assert all(len(set(one)) == 1 for one in filled)
assert all(type(one) is Held for one in again)
assert sum(type(o) is Held for o in gc.get_objects()) == 10000
"""
    )


def test_large_blocks_that_are_freed_and_others_that_begin_beside_them() -> None:
    """Some of the new ones begin sixteen bytes before what was freed."""
    passes(
        BEGIN
        + """
class Slot:
    __slots__ = ("me", "__weakref__")
class Wide:
    __slots__ = ("me", *(f"s{n}" for n in range(99)), "__weakref__")
begin()
for turn in range(3):
    gc.disable()
    refs = []
    for number in range(1500):
        one = Wide() if number % 3 == 0 else Slot()
        one.me = one
        refs.append(weakref.ref(one))
    gc.enable()
    begin_one()
    gc.disable()
    # Those that are dead come back, and end by their count.
    for ref in refs:
        one = ref()
        if one is not None: one.me = None
    one = None
    again = [kind() for _ in range(600) for kind in (Slot, Wide)] + [bytes(840) for _ in range(600)]
    gc.enable()
    before = told()
    until(lambda: told()["done"] + told()["given_up"] > before["done"] + before["given_up"], "done")
    assert all(type(one) in (Slot, Wide, bytes) for one in again)
    assert told()["lost"] == 0
"""
    )


def test_it_is_safe_to_collect_in_any_phase() -> None:
    passes(
        BEGIN
        + """
begin()
reached = set()
def garbage(): return [weakref.ref(Node()) for _ in range(5000)]
rounds = 0
while reached < {"child", "hold", "decide"}:
    rounds += 1
    assert rounds < 2000, reached
    refs = garbage()
    begin_one()
    want = next(p for p in ("decide", "hold", "child") if p not in reached)
    end = time.monotonic() + 20
    while told()["phase"] not in (want, "idle") and time.monotonic() < end: make(700)
    phase = told()["phase"]
    gc.collect()
    assert told()["phase"] == "idle" and told()["child"] == 0
    assert all(r() is None for r in refs), phase
    reached.add(phase)
assert told()["given_up"] >= 3
# A chance that came while the garbage is made would see to it that some of it is gone before the one that is meant
# begins.
gc.disable(); _core.gc_settle(); refs = garbage(); gc.enable(); begin_one(); gc.freeze(); make(5000)
living = sum(r() is not None for r in refs)
assert living == 5000 and gc.get_freeze_count() > 5000, (living, gc.get_freeze_count(), told())
gc.unfreeze(); gc.collect()
assert all(r() is None for r in refs)
begin_one(); _core.gc_uninstall()
assert _core.gc_status() is None
gc.collect()
"""
    )


LOST = """
import ctypes
gc.disable()
begin()
# A child that is done before it can be stopped proves nothing: another one then, with garbage of its own.
for _ in range(100):
    refs = [weakref.ref(Node()) for _ in range(3000)]
    gc.enable()
    child = begin_one()
    gc.disable()
    os.kill(child, signal.SIGSTOP)
    state = ""
    while state not in ("T", "Z"): state = open(f"/proc/{child}/stat").read().rpartition(") ")[2][0]
    if state == "T": break
    os.kill(child, signal.SIGCONT)
    _core.gc_settle()
lost = told()["lost"]
"""


@pytest.mark.parametrize("way", ["SIGKILL", "SIGSEGV", "SIGALRM"])
def test_a_child_that_is_killed_costs_nothing(way: str) -> None:
    done = run_child(
        BEGIN
        + """
import faulthandler
faulthandler.enable()
"""
        + LOST
        + f"""
done = told()["done"]
gc.enable()
os.kill(child, signal.{way})
assert os.path.exists(f"/proc/{{child}}")
if signal.{way} is signal.SIGKILL:
    until(lambda: told()["lost"] > lost, "lost")
    assert all(r() is None for r in refs), "the collection was not made at one go"
os.kill(child, signal.SIGCONT) if told()["lost"] == lost else None
until(lambda: told()["lost"] > lost or told()["done"] > done, "its end")
if told()["done"] == done: assert told()["lost"] == lost + 1
until(lambda: all(r() is None for r in refs), "dead")
print("whole")
"""
    )
    assert done.returncode == 0 and done.stdout == "whole\n" and done.stderr == "", done.stderr


def test_where_no_child_can_be_made_it_collects_at_one_go() -> None:
    passes(
        BEGIN
        + """
import resource
gc.disable()
begin()
os.setuid(65534) if os.getuid() == 0 else None  # the limit on processes is not for root
resource.setrlimit(resource.RLIMIT_NPROC, (0, resource.getrlimit(resource.RLIMIT_NPROC)[1]))
refs = [weakref.ref(Node()) for _ in range(3000)]
gc.enable()
until(lambda: told()["refused"], "refused")
until(lambda: all(r() is None for r in refs), "dead")
assert told()["begun"] == 0
tries = told()["refused"]
make(20000)
assert told()["refused"] <= tries + 5, "it is not tried at every chance"
"""
    )


def test_the_program_does_not_meet_the_child() -> None:
    passes(
        BEGIN
        + """
seen = []
signal.signal(signal.SIGCHLD, lambda number, frame: seen.append(number))
begin()
open_before = sorted(os.listdir("/proc/self/fd"))
reader, writer = os.pipe()
begin_one()
try: os.wait()
except ChildProcessError: pass
else: raise AssertionError("wait() met the child")
try: os.waitpid(-1, os.WNOHANG)
except ChildProcessError: pass
else: raise AssertionError("waitpid() met the child")
os.close(writer)
assert os.read(reader, 1) == b"", "the pipe has ended"
os.close(reader)
import subprocess
assert subprocess.run([sys.executable, "-c", "print(5)"], capture_output=True, text=True).stdout == "5\\n"
before = told()["done"]
until(lambda: told()["done"] > before, "done")
assert [n for n in seen] == [signal.SIGCHLD] * len(seen) and len(seen) <= 1, seen
_core.gc_settle()
assert sorted(os.listdir("/proc/self/fd")) == open_before
"""
    )


def test_forks_of_the_program() -> None:
    passes(
        BEGIN
        + """
begin()
def passes_in_fork(phase):
    refs = [weakref.ref(Node()) for _ in range(5000)]
    gc.enable()
    begin_one()
    end = time.monotonic() + 20
    while told()["phase"] not in (phase, "idle") and time.monotonic() < end: make(700)
    forked = os.fork()
    code = 1
    try:
        if forked == 0:
            signal.alarm(250)
            make(20000)
            gc.collect()
            assert all(r() is None for r in refs)
            before = told()["done"]
            begin_one()
            until(lambda: told()["done"] > before, "done in the fork")
            code = 0
    finally:
        if forked == 0: os._exit(code)
    before = told()["done"]
    until(lambda: told()["done"] > before, "done in the parent")
    assert all(r() is None for r in refs)
    assert os.waitpid(forked, 0)[1] == 0
for phase in ("child", "hold", "decide"): passes_in_fork(phase)
assert told()["lost"] == 0
"""
    )


def test_threads_make_and_end() -> None:
    passes(
        BEGIN
        + """
begin()
found = []
def work(rounds):
    keep = []
    for i in range(rounds):
        node = Node(); node.other = [node]
        keep.append([i, {i: keep}])
    found.append(all(one[1][one[0]] is keep for one in keep))
for _ in range(10):
    threads = [threading.Thread(target=work, args=(3000,)) for _ in range(3)]
    for thread in threads: thread.start()
    for thread in threads: thread.join()
# A child outlives the thread that made it.
before = told()["done"]
maker = threading.Thread(target=begin_one)
maker.start(); maker.join()
until(lambda: told()["done"] > before, "done")
assert found == [True] * 30 and told()["lost"] == 0, told()
gc.collect()
assert not [o for o in gc.get_objects() if type(o) is Node]
"""
    )


def test_the_process_may_end_at_any_time() -> None:
    code = (
        BEGIN
        + """
class Speaks:
    def __init__(self): self.me = self
    def __del__(self): print("end")
import kucha.gc
kucha.gc.install(concurrent=True)
begin()
one = Speaks(); del one
child = begin_one()
sys.stderr.write(str(child))
"""
    )
    for ending, status, spoken in (
        ("", 0, "end\n"),
        ("gc.disable()", 0, "end\n"),
        ("os._exit(3)", 3, None),
        ("os.kill(os.getpid(), 9)", -9, None),
    ):
        done = run_child(code + ending)
        assert done.returncode == status and spoken in (None, done.stdout), (ending, done)
        # run_child() has read both pipes to their ends; the child ends by itself, and is reaped by init.
        assert done.stderr.isdigit(), done.stderr


def test_a_program_that_becomes_another_one() -> None:
    done = run_child(
        BEGIN
        + """
begin()
begin_one()
os.execv(sys.executable, [sys.executable, "-c", "print('other')"])
"""
    )
    assert (done.returncode, done.stdout) == (0, "other\n"), done.stderr


def test_tracing_may_begin_and_end_meanwhile() -> None:
    passes(
        BEGIN
        + """
import tracemalloc
begin()
for _ in range(3):
    refs = [weakref.ref(Node()) for _ in range(2000)]
    begin_one()
    _core.trace_start(frames=2)
    make(3000)
    begin_one()
    _core.trace_stop(None)
    before = told()["done"]
    until(lambda: told()["done"] > before, "done")
    assert all(r() is None for r in refs)
# Somebody else's wrapper in front: no child, and collections at one go.
_core.gc_settle()
tracemalloc.start()
begun = told()["begun"]
refs = [weakref.ref(Node()) for _ in range(2000)]
until(lambda: all(r() is None for r in refs), "dead")
assert told()["begun"] == begun and told()["refused"] > 0
tracemalloc.stop()
"""
    )


@pytest.mark.skipif(sys.version_info < (3, 12), reason="one GIL before 3.12")
def test_an_interpreter_with_a_lock_of_its_own_comes_meanwhile() -> None:
    passes(
        BEGIN
        + """
try: import _interpreters
except ImportError: import _xxsubinterpreters as _interpreters
begin()
refs = [weakref.ref(Node()) for _ in range(2000)]
begin_one()
other = _interpreters.create()
until(lambda: all(r() is None for r in refs), "dead")
_interpreters.run_string(other, "a = []; a.append(a)")
_interpreters.destroy(other)
make(5000)
"""
    )


def test_the_command_and_public_names(kucha: Runner) -> None:
    code = "import kucha; print(kucha.gc.installed(), kucha.gc.concurrent().phase)"
    done = kucha("run", "-q", "--no-trace", "--gc=concurrent", "-c", code)
    assert (done.returncode, done.stdout) == (0, "True idle\n"), done.stderr
    passes(
        """
import kucha
try: kucha.install(concurrent=True)
except ValueError: pass
else: raise AssertionError
assert kucha.install(gc="kucha") and kucha.gc.concurrent() is None
kucha.gc.install(concurrent=True)
told = kucha.gc.concurrent()
assert (told.begun, told.done, told.lost, told.refused, told.given_up, told.slices) == (0, 0, 0, 0, 0, 0)
assert told.phase == "idle" and told.child == 0 and "phase='idle'" in repr(told)
"""
    )


@pytest.mark.any_version
@pytest.mark.skipif(importlib.util.find_spec("gunicorn") is None, reason="gunicorn is not installed")
def test_workers_of_gunicorn(write: Callable[[str, str], Path], tmp_path: Path) -> None:
    """The parent waits for any child of its own; the workers are forked while a child of its works."""
    write(
        "web.py",
        """
import gc, time
from kucha import _core
_core.gc_install(eager=True, concurrent=True, least=0)
ballast = []
def told(): return _core.gc_status()["concurrent"]
def until(reached):
    end = time.monotonic() + 250
    while not reached() and time.monotonic() < end:
        ballast.extend([[] for _ in range(1000)])
        if len(ballast) > 200000: ballast.clear()
until(lambda: told()["phase"] == "child")
def app(environ, start_response):
    before = told()["done"]
    until(lambda: told()["done"] > before)
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"done %d" % (told()["done"] > before)]
""",
    )
    command = [
        sys.executable,
        "-m",
        "kucha",
        "run",
        "-q",
        "--no-trace",
        "-m",
        "gunicorn",
        "--preload",
        "--workers",
        "2",
    ]
    # A worker that is silent for long would be killed; how long a collection takes is the machine's affair.
    command += ["--timeout", "300", "--bind", "127.0.0.1:0", "--no-control-socket", "web:app"]
    log = tmp_path / "log"
    with open(log, "w") as file:
        process = subprocess.Popen(command, cwd=tmp_path, env=clean_environment(), stdout=file, stderr=file)
    try:
        address = wait_for_address(log)
        for _ in range(6):
            with urllib.request.urlopen(address, timeout=280) as answer:
                assert answer.read() == b"done 1"
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=2 * PATIENCE) == 0, log.read_text()
    finally:
        process.kill()
        process.wait()
    assert log.read_text().split().count("Booting") == 2, "a worker was lost: " + log.read_text()
