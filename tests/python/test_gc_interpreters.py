"""kucha's collector in several interpreters at once: each has its own, and the same objects die as without it."""

from __future__ import annotations

import platform
import sys

import pytest
from core_child import CHILD_SECONDS, passes
from test_gc_hosted import BEGIN, GRAPHS

# "own" and "shared" say whose lock an interpreter runs under: before 3.12 there is one for all.
KINDS = ["shared"] if sys.version_info < (3, 12) else ["shared", "own"]

HELPERS = """
import threading
try:
    import _interpreters
    def create(kind): return _interpreters.create("isolated" if kind == "own" else "legacy")
    def run(i, code):
        failure = _interpreters.run_string(i, code)
        if failure is not None: raise RuntimeError(failure.formatted)
except ImportError:
    import _xxsubinterpreters as _interpreters
    def create(kind): return _interpreters.create(isolated=kind == "own")
    run = _interpreters.run_string
destroy = _interpreters.destroy
START = f"import sys, gc; sys.path[:] = {sys.path!r}\\nfrom kucha import _core\\n"
def together(works):
    failures = []
    def one(work, *arguments):
        try: work(*arguments)
        except BaseException as error: failures.append(error)
    threads = [threading.Thread(target=one, args=work) for work in works]
    for thread in threads: thread.start()
    for thread in threads: thread.join()
    assert not failures, failures
"""

IN_CHARGE = """
before = _core.gc_status()
assert before is not None and gc.callbacks == []
loop = []; loop.append(loop); del loop
assert gc.collect() >= 1 and gc.collect() == 0
assert _core.gc_status()["full"] == before["full"] + 2, (before, _core.gc_status())
"""


def passes_together(code: str, timeout: float = CHILD_SECONDS) -> None:
    """Runs it where interpreters can be made, and code run in them."""
    passes(BEGIN + HELPERS + code, timeout=timeout)


@pytest.mark.parametrize("kind", KINDS)
def test_an_interpreter_made_later_is_taken_in(kind: str) -> None:
    """Before the first line of the program's, which need not import anything."""
    passes_together(
        f"""
_core.gc_install()
other = create("{kind}")
run(other, "loop = []; loop.append(loop); del loop; import gc; assert gc.collect() >= 1")
assert sum(one["count"] for one in _core.gc_pauses(True)["generations"]) >= 1
run(other, START + {IN_CHARGE!r})
destroy(other)
exec({IN_CHARGE!r})
"""
    )


@pytest.mark.parametrize("kind", KINDS)
def test_an_interpreter_made_before_is_taken_in(kind: str) -> None:
    passes_together(
        f"""
others = [create("{kind}") for _ in range(3)]
for other in others: run(other, START + "assert _core.gc_status() is None")
_core.gc_install()
for other in others: run(other, {IN_CHARGE!r})
for other in others: destroy(other)
"""
    )


@pytest.mark.skipif(platform.machine() != "x86_64", reason="the tool's function is a machine's jump")
def test_the_evaluator_of_another_tool_stays() -> None:
    """One that is put in front of ours before an interpreter was taken in, and goes on with ours."""
    passes_together(
        f"""
import ctypes, mmap, struct
def function(name, result, *arguments):
    found = getattr(ctypes.pythonapi, name)
    found.restype, found.argtypes = result, arguments
    return found
address = ctypes.c_void_p
newest = function("PyInterpreterState_Head", address)
evaluator = function("_PyInterpreterState_GetEvalFrameFunc", address, address)
evaluate = function("_PyInterpreterState_SetEvalFrameFunc", None, address, address)
other = create("shared")
stock = evaluator(newest())
_core.gc_install()
ours = evaluator(newest())
assert ours != stock
page = mmap.mmap(-1, mmap.PAGESIZE, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
page[:14] = bytes.fromhex("ff2500000000") + struct.pack("<Q", ours)
tool = ctypes.addressof(ctypes.c_char.from_buffer(page))
evaluate(newest(), tool)
run(other, "def function(): pass\\nfunction()\\n" + START + {IN_CHARGE!r})
assert evaluator(newest()) == tool
evaluate(newest(), stock)
destroy(other)
"""
    )


@pytest.mark.parametrize("kind", KINDS)
def test_uninstalling_takes_all_out(kind: str) -> None:
    """Each at its next collection, of which its callbacks hear as always."""
    passes_together(
        f"""
_core.gc_install()
others = [create("{kind}") for _ in range(2)]
told = '''
heard = []
def first(phase, info): heard.append((1, phase, info["generation"]))
def second(phase, info): heard.append((2, phase, info["generation"]))
gc.callbacks += [first, second]
listed = gc.callbacks
'''
once = '''
heard.clear()
gc.collect()
assert heard == [(1, "start", 2), (2, "start", 2), (1, "stop", 2), (2, "stop", 2)], heard
assert gc.callbacks is listed and gc.callbacks == [first, second]
'''
for other in others: run(other, START + told + once + "assert _core.gc_status() is not None")
_core.gc_uninstall()
for _ in range(2):
    for other in others: run(other, "assert _core.gc_status() is None" + once + "assert _core.gc_status() is None")
_core.gc_install()
for other in others: run(other, once + "assert _core.gc_status()['full'] == 1")
_core.gc_uninstall()
_core.gc_install(eager=True)                        # nobody has noticed
for other in others: run(other, once + "assert _core.gc_status()['full'] == 1")
run(others[0], "_core.gc_uninstall(); assert _core.gc_status() is None" + once)
run(others[1], once)
assert _core.gc_status() is not None
for other in others: destroy(other)
"""
    )


def test_gc_of_each_interpreter_is_its_own() -> None:
    passes_together(
        f"""
_core.gc_install()
frozen = gc.get_freeze_count()
others = [create(kind) for kind in {KINDS!r}]
code = '''
full = gc.get_stats()[2]["collections"]
made = [[] for _ in range(50)]
assert sum(one is made[7] for one in gc.get_objects()) == 1
gc.disable(); gc.set_threshold(123, 4, 5); gc.freeze()
assert gc.get_freeze_count() > 50
gc.collect()
assert gc.get_stats()[2]["collections"] == full + 1
gc.set_debug(gc.DEBUG_SAVEALL)
loop = [made]; loop.append(loop); del loop
assert gc.collect() >= 1 and any(one[0] is made for one in gc.garbage if type(one) is list)
'''
for other in others: run(other, START + code)
assert gc.isenabled() and gc.get_freeze_count() == frozen and gc.get_debug() == 0 and gc.garbage == []
assert gc.get_threshold() != (123, 4, 5)
assert len(gc.get_objects()) > 1000
for other in others: destroy(other)
"""
    )


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("eager", [False, True])
def test_random_graphs_end_as_under_the_interpreters_alone(kind: str, eager: bool) -> None:
    """In three interpreters and the main one, at the same time."""
    generation = 1 if eager else 2  # that the program collects; every one looks at all if eager
    passes_together(
        f"""
code = {GRAPHS!r} + '''
gc.disable()
import weakref
def run_all(generation):
    for seed in range(3): outcome(seed, 150)    # once for what only happens the first time
    return [outcome(seed, 150, generation) for seed in range(3)]
'''
others = [create("{kind}") for _ in range(3)]
names = {{"gc": gc}}
exec(code, names)
stock = names["run_all"](2)
for other in others: run(other, START + code + f"\\nassert run_all(2) == {{stock!r}}")
_core.gc_install(eager={eager})
def mine():
    for _ in range(2): assert names["run_all"]({generation}) == stock
again = f"\\nfor _ in range(2): assert run_all({generation}) == {{stock!r}}"
together([*[(run, other, again) for other in others], (mine,)])
for other in others: run(other, "assert _core.gc_status()['full'] > 5")
for other in others: destroy(other)
""",
        timeout=300,
    )


@pytest.mark.parametrize("kind", KINDS)
def test_interpreters_come_and_go_while_others_collect(kind: str) -> None:
    passes_together(
        f"""
_core.gc_install(eager=True)
code = START + '''
class Node: pass
import weakref
class Ending:
    count = 0
    def __del__(self): Ending.count += 1
def loop():
    node = Node(); node.self = node; node.end = Ending()
    return node
kept = [loop() for _ in range(500)]
refs = [weakref.ref(node) for node in kept]
for _ in range(3000): loop()
gc.collect()
assert Ending.count == 3000 and all(ref() is not None for ref in refs)
'''
def come_and_go():
    for _ in range(4):
        other = create("{kind}")
        run(other, code)
        destroy(other)      # with what it kept
def mine():
    for _ in range(4): exec(code, {{}})
together([(come_and_go,), (come_and_go,), (mine,)])
assert sum(one["count"] for one in _core.gc_pauses(True)["generations"]) > 12
""",
        timeout=300,
    )


@pytest.mark.parametrize("kind", KINDS)
def test_pauses_are_those_of_the_interpreter_that_asks(kind: str) -> None:
    passes_together(
        f"""
import kucha
gc.disable()
_core.gc_install()
other = create("{kind}")
run(other, START + "import kucha; gc.disable(); before = kucha.gc.pauses().count\\nfor _ in range(5): gc.collect()\\n"
    "told = kucha.gc.pauses(); assert told.count == before + 5 and told.longest > 0, told")
assert kucha.gc.pauses().count == 0
every = kucha.gc.pauses(everywhere=True)
assert every.count >= 5 and every.generations[2].count >= 5 and 0 < every.share < 1, every
destroy(other)
gc.collect()
assert kucha.gc.pauses().count == 1
assert kucha.gc.pauses(everywhere=True).count > every.count
kucha.gc.uninstall()
kucha.gc.install()
assert kucha.gc.pauses(everywhere=True).count == 0
"""
    )


@pytest.mark.parametrize("kind", KINDS)
def test_a_fork_after_others_have_ended_and_a_program_that_is_started_with_several(kind: str) -> None:
    """A fork with several interpreters ends in the child with all supported versions of CPython, whoever collects."""
    passes_together(
        f"""
import os, subprocess
_core.gc_install()
others = [create("{kind}") for _ in range(2)]
for other in others: run(other, START + {IN_CHARGE!r})
assert subprocess.run([sys.executable, "-c", "print(7)"], stdout=subprocess.PIPE).stdout == b"7\\n"
for other in others: run(other, {IN_CHARGE!r})
for other in others: destroy(other)
def collects():
    kept = [[i, {{"a": [i]}}] for i in range(3000)]
    loop = [kept]; loop.append(loop); del loop
    return gc.collect() >= 1 and len(kept) == 3000
child = os.fork()
if child == 0: os._exit(0 if collects() and _core.gc_status() is not None else 7)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
assert collects()
"""
    )


@pytest.mark.parametrize("kind", KINDS)
def test_what_an_interpreter_leaves_behind_ends_as_always(kind: str) -> None:
    """Collections of one that is ending are its own."""
    code = f"""{BEGIN}{HELPERS}
SWITCH
other = create("KIND")
run(other, START + '''
import os
class Ending:
    def __init__(self, name): self.name, self.self = name, self
    def __del__(self): os.write(1, str(self.name).encode() + b" ")
kept = Ending("kept"); Ending("dropped"); later = [Ending(i) for i in range(3)]
''')
destroy(other)
"""
    code = code.replace("KIND", kind)
    stock, ours = (passes(code.replace("SWITCH", switch)) for switch in ("", "_core.gc_install()"))
    assert sorted(stock.split()) == sorted(ours.split())
