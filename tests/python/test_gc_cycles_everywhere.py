"""Cycle producers of several interpreters: each counts its own, and what all have counted is added up."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from core_child import CHILD_SECONDS, passes
from test_gc_interpreters import HELPERS, KINDS

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from conftest import Runner

BEGIN = """
import gc
import kucha
install()
"""

# What makes `count` cycles of a class with this name, and a list on each.
MAKES = """
import gc
def makes(name, count):
    Node = type(name, (), {})
    for _ in range(count):
        node = Node(); node.me = node; node.rows = [[]]
    del node
    gc.collect()
def told(made):
    return {cycle.closing: cycle.count for cycle in made.cycles if ".me -> " in cycle.closing}
"""


def passes_together(code: str, timeout: float = CHILD_SECONDS) -> None:
    """Runs it where interpreters can be made, and code run in them."""
    passes(BEGIN + HELPERS + MAKES + "START += 'import kucha\\n' + " + repr(MAKES) + "\n" + code, timeout=timeout)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("options", ["", "eager=True", "concurrent=True"])
def test_each_interpreter_counts_its_own_and_all_are_added_up(kind: str, options: str) -> None:
    """Interpreters that have ended, too; one that asks for itself counts what the sum counts."""
    passes_together(
        f"""
_core.gc_install({options})
mine, every = kucha.gc.producers(), kucha.gc.producers(everywhere=True)
others = [create("{kind}") for _ in range(3)]
gc.collect()
for other in others: run(other, START + "gc.collect()")
mine.start(); every.start()
makes("Mine", 5)
for at, other in enumerate(others): run(other, f"makes('Other', {{10 + at}}); makes('Number{{at}}', 3)")
run(others[0], "own = kucha.gc.producers(); own.start(); makes('Own', 7)\\n"
    "assert told(own) == {{'Own.me -> Own': 7}}, told(own)\\n"
    "assert own.dead >= 21 and own.found[0].type, own.found")
assert told(mine) == {{"Mine.me -> Mine": 5}}, told(mine)
expected = {{"Mine.me -> Mine": 5, "Other.me -> Other": 33, "Own.me -> Own": 7,
            **{{f"Number{{at}}.me -> Number{{at}}": 3 for at in range(3)}}}}
assert told(every) == expected, told(every)
for other in others: destroy(other)
assert told(every) == expected, told(every)
(cycle,) = [cycle for cycle in every.cycles if cycle.closing == "Other.me -> Other"]
# The tuple and the dict of a young one's class may be in it.
assert cycle.kind == "attribute" and cycle.collections == 3 and cycle.objects >= 99, cycle.objects
assert "make me a weak reference" in cycle.advice and "Other.me -> Other" in cycle.example
assert every.looked == every.dead == sum(row.objects for row in every.found) > mine.dead
assert "Other.me" in every.text() and every.as_dict()["closing"]
makes("Mine", 1)
assert told(every)["Mine.me -> Mine"] == 6
every.stop(); mine.stop()
makes("Mine", 1)
assert told(every)["Mine.me -> Mine"] == 6 == told(mine)["Mine.me -> Mine"]
assert _core.gc_producers() is None and _core.gc_producers(True) is None
"""
    )


@pytest.mark.parametrize("kind", KINDS)
def test_counts_begin_when_somebody_asks(kind: str) -> None:
    """For all or for one, in any order, and whoever has asked before."""
    passes_together(
        f"""
_core.gc_install()
other = create("{kind}")
run(other, START + "own = kucha.gc.producers(); own.start(); makes('First', 2)")
every = kucha.gc.producers(everywhere=True)
with every:
    run(other, "makes('First', 3)")
    assert told(every) == {{"First.me -> First": 3}}, told(every)
    with kucha.gc.producers(everywhere=True) as later:
        run(other, "makes('First', 4)")
    assert told(later) == {{"First.me -> First": 4}}, told(later)
    run(other, "own.stop(); assert told(own) == {{'First.me -> First': 9}}, told(own)")
    run(other, "makes('First', 5)")                  # nobody there watches but for the sum
    run(other, "again = kucha.gc.producers(); again.start(); makes('First', 6)\\n"
        "assert told(again) == {{'First.me -> First': 6}}, told(again)\\nagain.stop()")
run(other, "makes('First', 7)")
assert told(every) == {{"First.me -> First": 18}} and told(later) == {{"First.me -> First": 4}}, told(every)
with every: run(other, "makes('First', 8)")
assert told(every) == {{"First.me -> First": 8}}, told(every)
# Asked for all from another one, which ends without having stopped.
run(other, "wide = kucha.gc.producers(everywhere=True); wide.start()")
makes("Mine", 2)
run(other, "assert told(wide) == {{'Mine.me -> Mine': 2}}, told(wide)")
assert _core.gc_producers(True) is not None
destroy(other)
assert _core.gc_producers(True) is None
gc.collect()
assert _core.gc_producers() is None and _core.gc_producers(True) is None
"""
    )


@pytest.mark.parametrize("kind", KINDS)
def test_in_parallel_nothing_is_lost(kind: str) -> None:
    """Traced, with young collections too, while those who ask come and go and somebody reads."""
    passes_together(
        f"""
_core.trace_start(frames=1)
_core.gc_install()
work = '''
gc.collect()
def body(name):
    for number in range(200): makes(name, 5)
'''
every = kucha.gc.producers(everywhere=True)
every.start()
others = [create("{kind}") for _ in range(3)]
for other in others: run(other, START + work)
exec(work)
stop = threading.Event()
def reads():
    while not stop.is_set():
        assert every.count >= 0 and every.text()
        with kucha.gc.producers(everywhere=True) as made: made.found
def mine():
    try: together([*[(run, other, f"body('Node{{at}}')") for at, other in enumerate(others)], (body, "Mine")])
    finally: stop.set()
together([(mine,), (reads,)])
for other in others[:2]: destroy(other)
counts = told(every)
for name in ["Mine", *[f"Node{{at}}" for at in range(3)]]:
    assert counts[f"{{name}}.me -> {{name}}"] == 1000, counts
born = [row for row in every.found if row.type == "Node1"]
assert sum(row.objects for row in born) == 1000 and all(" in makes" in row.place for row in born), born
every.stop()
run(others[2], "gc.collect()")
destroy(others[2])
""",
        timeout=300,
    )


@pytest.mark.parametrize("kind", KINDS)
def test_interpreters_come_and_go_and_leave_nothing(kind: str) -> None:
    passes_together(
        f"""
_core.gc_install()
def mapped(): return int(open("/proc/self/statm").read().split()[0]) >> 8      # MiB
code = START + '''
own = kucha.gc.producers(); own.start()
makes("Node", 20)
assert told(own) == {{"Node.me -> Node": 20}}, told(own)
kept = kucha.gc.producers(everywhere=True); kept.start()
'''
def come_and_go():
    for _ in range(6):
        other = create("{kind}")
        run(other, code)
        destroy(other)
with kucha.gc.producers(everywhere=True) as every:
    together([(come_and_go,)])
    before = mapped()
    together([(come_and_go,), (come_and_go,)])
    assert mapped() - before < 200, (before, mapped())
    assert told(every)["Node.me -> Node"] == 18 * 20, told(every)
assert _core.gc_producers(True) is None
""",
        timeout=300,
    )


@pytest.mark.parametrize("kind", KINDS)
def test_kuchas_collector_may_come_and_go(kind: str) -> None:
    """Without it an interpreter is watched as long as somebody asks there."""
    passes_together(
        f"""
other = create("{kind}")
run(other, START + '''
try: kucha.gc.producers().start()
except kucha.Refused as refusal: assert "main one" in str(refusal), refusal
else: assert False
''')
every = kucha.gc.producers(everywhere=True)
every.start()                                        # of the main one alone
makes("Mine", 2)
_core.gc_install()
run(other, "makes('Node', 3); own = kucha.gc.producers(); own.start(); makes('Node', 4)")
_core.gc_uninstall()
makes("Mine", 5)
run(other, "listed = []; gc.callbacks.append(lambda phase, info: listed.append(phase)); makes('Node', 6)\\n"
    "assert listed == ['start', 'stop'] and len(gc.callbacks) == 3, (listed, gc.callbacks)\\n"
    "assert told(own) == {{'Node.me -> Node': 10}}, told(own); own.stop(); assert len(gc.callbacks) == 1")
assert told(every)["Mine.me -> Mine"] == 7, told(every)
_core.gc_install()
run(other, "makes('Node', 9); assert len(gc.callbacks) == 1; gc.callbacks.clear()")
makes("Mine", 1)
every.stop()
assert told(every)["Mine.me -> Mine"] == 8 and told(every)["Node.me -> Node"] == 22, told(every)
run(other, "gc.collect(); assert kucha._core.gc_producers() is None")
destroy(other)
assert gc.callbacks == []
"""
    )


def test_a_fork_while_others_are_watched() -> None:
    """Nobody is in the list of watchers then, and their counts are there in the child."""
    passes_together(
        f"""
import os
_core.gc_install()
every = kucha.gc.producers(everywhere=True)
every.start()
for kind in {KINDS!r}:
    other = create(kind)
    run(other, START + "makes('Node', 20)")
    destroy(other)
child = os.fork()
if child == 0:
    makes("Mine", 3)
    counts = told(every)
    os._exit(0 if counts == {{"Node.me -> Node": {20 * len(KINDS)}, "Mine.me -> Mine": 3}} else 7)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
every.stop()
"""
    )


def test_a_run_tells_the_cycles_of_all_interpreters(kucha: Runner, write: Callable[[str, str], Path]) -> None:
    program = f"""
import sys
{HELPERS.split("START =", maxsplit=1)[0]}
other = create({KINDS[-1]!r})
run(other, '''
import gc
class Node:
    def __init__(self): self.me = self
for _ in range(10): Node()
gc.collect()
''')
destroy(other)
"""
    folder = write("others.py", program).parent
    done = kucha("run", "--cycles=cycles.json", "--gc=kucha", "others.py")
    assert done.returncode == 0, done.stderr
    (cycle,) = [
        cycle
        for cycle in json.loads((folder / "cycles.json").read_text())["closing"]
        if cycle["closing"] == "Node.me -> Node"
    ]
    assert cycle["count"] == 10, cycle
