"""Full collections by a child where there are several interpreters: the main one's, whatever others do meanwhile."""

from __future__ import annotations

import sys

import pytest
from core_child import CHILD_SECONDS, passes
from test_gc_concurrent import BEGIN, END
from test_gc_hosted import GRAPHS
from test_gc_interpreters import HELPERS, KINDS

# What an interpreter does beside the main one: makes, keeps and drops, for so many rounds, and collects.
WORK = """
import gc, weakref
class Node:
    def __init__(self): self.me = self
kept = [Node() for _ in range(500)]
refs = [weakref.ref(node) for node in kept]
def work(rounds):
    for number in range(rounds):
        for _ in range(3000): node = Node(); node.rows = [[], {}, (number,) * 100]
        kept[number % 500].more = [bytes(700), bytes(70)]
    gc.collect()
    assert all(ref() is not None for ref in refs)
"""


def passes_together(code: str, timeout: float = CHILD_SECONDS) -> None:
    """Runs it where interpreters can be made, and code run in them."""
    passes(BEGIN + HELPERS + f"WORK = {WORK!r}\n" + code, timeout=timeout)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("roll", [True, False])
def test_it_is_made_where_there_are_others(kind: str, roll: bool) -> None:
    """Beside some that stand still, and beside some that are gone."""
    passes_together(
        f"""
begin()
others = [create("{kind}") for _ in range(2)]
for other in others: run(other, START)
if not {roll}:
    for other in others: destroy(other)
gc.disable()
class Weak:
    __slots__ = ("it", "__weakref__")
small = []
for _ in range(20000):
    one = Weak(); one.it = one; small.append(one)
wide = [(one, *range(100)) for one in small[:3000]]      # large blocks, in cycles
for one, row in zip(small, wide): one.it = row
living = [Weak() for _ in range(20000)]
for one in living: one.it = one
dead, lives = [weakref.ref(one) for one in small], [weakref.ref(one) for one in living]
del small, wide, one, row
drive()
assert sum(r() is not None for r in dead) == 0 and all(r() is not None for r in lives)
assert told()["refused"] == told()["lost"] == 0 and told()["done"] >= 1, told()
if {roll}:
    for other in others: destroy(other)
"""
    )


@pytest.mark.parametrize("kind", KINDS)
def test_random_graphs_end_as_under_the_interpreter_alone(kind: str) -> None:
    """While two others work, in parallel where they can."""
    passes_together(
        GRAPHS
        + END
        + f"""
begin()
others = [create("{kind}") for _ in range(2)]
for other in others: run(other, START + WORK)
gc.disable()
stop = threading.Event()
def busy(other):
    while not stop.is_set(): run(other, "work(3)")
def mine():
    try:
        for seed in range(4):
            end(seed, gc.collect)    # once for what only happens the first time
            stock = end(seed, gc.collect)
            ours = end(seed, drive)
            assert stock == ours, (seed, stock, ours)
        assert stock[1] and told()["lost"] == 0 and told()["done"] >= 4, told()
    finally: stop.set()
together([(mine,), *[(busy, other) for other in others]])
for other in others: destroy(other)
""",
        timeout=300,
    )


@pytest.mark.parametrize("kind", KINDS)
def test_others_come_and_go_in_any_phase(kind: str) -> None:
    """Also the first of them, after which entry points are others; threads of the main one make and drop meanwhile."""
    passes_together(
        f"""
begin()
for phase in ("child", "hold", "decide"):
    dead = [weakref.ref(Node()) for _ in range(5000)]
    wide = [Node() for _ in range(500)]
    for node in wide: node.row = (node, *range(200))
    dead += [weakref.ref(node) for node in wide]
    del wide, node
    begin_one()
    until(lambda: told()["phase"] in (phase, "idle"), phase, 50)
    other = create("{kind}")
    run(other, START + WORK + "work(1)")
    until(lambda: all(r() is None for r in dead), ("dead", phase))
    destroy(other)
assert told()["lost"] == 0, told()
stop = threading.Event()
def come_and_go():
    for _ in range(5):
        other = create("{kind}")
        run(other, START + WORK + "work(2)")
        destroy(other)
def make_and_drop():
    while not stop.is_set():
        refs = [weakref.ref(Node()) for _ in range(300)]
        rows = [bytes(n) for n in range(0, 2000, 20)]
        time.sleep(0.001)
def mine():
    try:
        before = told()["done"]
        refs = [weakref.ref(Node()) for _ in range(2000)]
        until(lambda: told()["done"] > before + 3 and all(r() is None for r in refs), "done")
    finally: stop.set()
together([(mine,), (come_and_go,), (come_and_go,), (make_and_drop,)])
""",
        timeout=300,
    )


def test_what_others_free_under_the_same_lock() -> None:
    """Objects of the main interpreter whose last reference another one drops while the child works, and whose memory is
    used again."""
    passes_together(
        """
import ctypes
begin()
other = create("shared")
run(other, START + "import ctypes, gc\\ngc.disable()\\nheld = []\\ntake = ctypes.pythonapi.Py_IncRef\\n"
    "take.argtypes = [ctypes.py_object]\\n"
    "def hold(address): held.append(ctypes.cast(address, ctypes.py_object).value)")
class Slot:
    __slots__ = ("a", "__weakref__")
class Wide:
    __slots__ = tuple(f"s{n}" for n in range(100)) + ("__weakref__",)
for turn in range(3):
    gc.disable()
    # Cycles that the child finds dead, brought back by a weak reference, opened, and given away.
    pairs = []
    for number in range(1500):
        kind = Wide if number % 3 == 0 else Slot
        one = kind(); name = "s0" if kind is Wide else "a"
        setattr(one, name, one)
        pairs.append((weakref.ref(one), name))
    del one
    gc.enable()
    begin_one()
    gc.disable()
    given = 0
    for ref, name in pairs:
        one = ref()
        if one is None: continue
        setattr(one, name, None)
        run(other, f"hold({id(one)})") if given % 50 == 0 else None
        given += 1
    one = None
    assert given > 1000, given
    run(other, "held.clear()")
    again = [kind() for _ in range(600) for kind in (Slot, Wide)] + [bytes(840) for _ in range(600)]
    text = [str(n) * 9 for n in range(3000)]
    gc.enable()
    before = told()
    until(lambda: told()["done"] + told()["given_up"] > before["done"] + before["given_up"], "done")
    assert all(type(one) in (Slot, Wide, bytes) for one in again) and text[7] == "7" * 9
    assert told()["lost"] == 0
destroy(other)
"""
    )


def test_a_neighbour_that_stands_in_a_finalizer() -> None:
    """Nothing is decided meanwhile; where that takes long, the collection is made at one go."""
    passes_together(
        """
begin()
import os
reads, writes = os.pipe()
ready, says = os.pipe()
other = create("shared")
run(other, START + f"import os\\nclass Ending:\\n    def __init__(self): self.me = self\\n"
    f"    def __del__(self): os.write({says}, b'x'); os.read({reads}, 1)\\nEnding()\\ngc.disable()")
def stands(): run(other, "gc.collect()")
for patient in (True, False):
    gc.disable()
    dead = [weakref.ref(Node()) for _ in range(5000)]
    thread = threading.Thread(target=stands); thread.start()
    os.read(ready, 1)
    gc.enable()
    begin_one()
    before = told()
    until(lambda: told()["phase"] != "child", "answered", 50)
    for _ in range(20): make(1000)
    assert told()["slices"] == before["slices"] and all(r() is not None for r in dead), told()
    if patient: os.write(writes, b"x")
    until(lambda: all(r() is None for r in dead), "dead", 3000)
    assert patient or told()["given_up"] > before["given_up"], (told(), before)
    if not patient: os.write(writes, b"x")
    thread.join()
    run(other, "Ending()")
os.write(writes, b"x")
destroy(other)
"""
    )


@pytest.mark.parametrize("kind", KINDS)
def test_a_child_that_is_killed_while_others_work(kind: str) -> None:
    passes_together(
        f"""
begin()
others = [create("{kind}") for _ in range(2)]
for other in others: run(other, START + WORK)
stop = threading.Event()
large = [[] for _ in range(200000)]                      # what the child has to look at
def busy(other):
    while not stop.is_set(): run(other, "work(2)")
def mine():
    try:
        for turn in range(100):
            if turn >= 6 and told()["lost"]: break       # it may have answered before it was killed
            dead = [weakref.ref(Node()) for _ in range(3000)]
            _core.gc_settle()
            until(lambda: told()["phase"] == "child", "begun", 50)
            os.kill(told()["child"], (signal.SIGKILL, signal.SIGSEGV)[turn % 2])
            until(lambda: all(r() is None for r in dead), "dead")
        assert told()["lost"] >= 1, told()
    finally: stop.set()
together([(mine,), *[(busy, other) for other in others]])
for other in others: destroy(other)
""",
        timeout=300,
    )


@pytest.mark.parametrize("kind", KINDS)
def test_a_fork_in_any_phase_after_others_have_ended(kind: str) -> None:
    """A fork with several interpreters ends in the child with all supported versions of CPython, whoever collects."""
    passes_together(
        f"""
begin()
other = create("{kind}")
run(other, START + WORK + "work(1)")
destroy(other)
for phase in ("child", "hold", "decide"):
    dead = [weakref.ref(Node()) for _ in range(3000)]
    begin_one()
    until(lambda: told()["phase"] in (phase, "idle"), phase, 50)
    child = os.fork()
    if child == 0:
        gc.collect()
        os._exit(0 if all(r() is None for r in dead) else 7)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0, phase
    until(lambda: all(r() is None for r in dead), "dead")
"""
    )


@pytest.mark.skipif(sys.version_info < (3, 14), reason="the module came with 3.14")
def test_a_pool_of_interpreters() -> None:
    passes_together(
        """
from concurrent.futures import InterpreterPoolExecutor
begin()
with InterpreterPoolExecutor(max_workers=2) as pool:
    before = told()["done"]
    results = [pool.submit(sum, range(number * 1000)) for number in range(50)]
    refs = [weakref.ref(Node()) for _ in range(2000)]
    until(lambda: told()["done"] > before + 1 and all(r() is None for r in refs), "done")
    assert [result.result() for result in results] == [sum(range(number * 1000)) for number in range(50)]
assert told()["lost"] == 0 and told()["refused"] == 0, told()
"""
    )
