"""Cycle producers: what collections find dead, by type, birthplace and closing reference; nothing else changes."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import pytest
from conftest import TOP
from core_child import passes

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from conftest import Runner

# How the collector is set up before anything is watched: CPython's, on either allocator, and kucha's.
COLLECTORS = {
    "stock": "",
    "traced": "install()\n_core.trace_start(frames=2)\n",
    "kucha": "install()\n_core.gc_install()\n",
    "eager": "install()\n_core.gc_install(eager=True)\n",
    "concurrent": "install()\n_core.gc_install(concurrent=True)\n",
}

BEGIN = """
import gc, weakref
import kucha
gc.collect()
def watch(make, generation=2):
    gc.collect()
    with kucha.gc.producers() as made:
        make()
        number = gc.collect(generation)
    assert made.refused == 0, made.refused
    watch.number = number
    return made
def closings(made):
    return {cycle.closing: cycle for cycle in made.cycles}
class Node:
    def __init__(self, parent=None):
        self.parent = parent
        self.children = []
        if parent: parent.children.append(self)
"""


@pytest.fixture(params=list(COLLECTORS))
def collector(request: pytest.FixtureRequest) -> str:
    """The set-up of each collector."""
    return COLLECTORS[request.param] + BEGIN


SHAPES = """
class Slotted:
    __slots__ = ("left", "right", "__weakref__")
class Handler:
    def __init__(self): self.handle = self.run
    def run(self): pass
class Registry(dict): pass
class Row(list): pass
def slots():
    a, b = Slotted(), Slotted()
    a.left, b.right = b, a
def tree():
    root = Node(); Node(root); Node(root)
def bound(): Handler()
def closure():
    def walk(n): return walk(n - 1) if n else 0
    walk(3)
def failure():
    try: 1 / 0
    except ZeroDivisionError as error: kept = error
def generator():
    def numbers():
        me = yield
        yield me
    g = numbers(); next(g); g.send(g)
def listed(): l = []; l.append(l)
def mapped(): d = {}; d["self"] = d
def subclass():
    r = Registry(); r["me"] = r
def row():
    r = Row(); r.append(r)
def attribute():
    n = Node(); n.__dict__["me"] = n
def local_class():
    class Local: pass
expected = {
    slots: ("attribute", "Slotted.right -> Slotted", 1, 2),
    tree: ("attribute", "Node.parent -> Node", 1, 6),
    bound: ("method", "Handler.handle.__self__ -> Handler", 1, 2),
    closure: ("variable", "variable walk of function closure.<locals>.walk -> function closure.<locals>.walk", 1, 3),
    failure: ("local", "local kept of frame of failure -> ZeroDivisionError", 1, 3),
    generator: ("generator", "local me of generator generator.<locals>.numbers -> "
                             "generator generator.<locals>.numbers", 1, 1),
    listed: ("item", "list[...] -> list", 1, 1),
    mapped: ("item", "dict['self'] -> dict", 1, 1),
    subclass: ("item", "Registry['me'] -> Registry", 1, 1),
    row: ("item", "Row[...] -> Row", 1, 1),
    attribute: ("attribute", "Node.me -> Node", 1, None),
}
for make, (kind, closing, count, objects) in expected.items():
    made = watch(make)
    told = closings(made)
    assert closing in told, (closing, list(told))
    cycle = told[closing]
    assert (cycle.kind, cycle.count, cycle.collections) == (kind, count, 1), (make, cycle.kind, cycle.count)
    assert objects is None or cycle.objects >= objects, (make, cycle.objects)
    assert cycle.bytes > 0 and cycle.example and (cycle.advice or kind == "other"), cycle.example
    assert made.count == len(made.cycles) == 1 and made.looked == made.dead, (make, made)
    assert made.dead == watch.number or make is generator, (make, watch.number)    # that one dies when it is closed
    assert sum(row.objects for row in made.found) == made.looked
made = watch(local_class)
(cycle,) = made.cycles
assert cycle.kind == "class" and "Local" in cycle.closing, cycle
"""


def test_the_reference_that_closes_a_cycle_is_told_for_every_shape(collector: str) -> None:
    passes(collector + SHAPES)


def test_what_a_cycle_keeps_counts_as_its_own(collector: str) -> None:
    passes(
        collector
        + """
def make():
    n = Node(); n.me = n
    n.load = [[i] for i in range(100)]
made = watch(make)
(cycle,) = made.cycles
assert cycle.objects == watch.number >= 102, (cycle.objects, watch.number)
assert cycle.bytes > 100 * 56, cycle.bytes
number_of = lambda name: sum(row.objects for row in made.found if row.type == name)
assert number_of("list") == 102 and number_of("Node") == 1, made.found
"""
    )


def test_birthplaces_are_told_when_traced() -> None:
    passes(
        COLLECTORS["traced"]
        + BEGIN
        + """
exec(compile('''
def make():
    root = Node()
    Node(root)
''', "place.py", "exec"))
made = watch(make)
(cycle,) = made.cycles
assert cycle.place == "place.py:4 in make", cycle.place    # the child's, whose `parent` closes it
assert {"place.py:3 in make", "place.py:4 in make"} <= {row.place for row in made.found}, made.found
_core.trace_stop()
assert watch(make).cycles[0].place is None
"""
    )


def test_counts_are_kept_apart_by_those_who_watch() -> None:
    passes(
        BEGIN
        + """
def make():
    n = Node(); n.me = n
outer = kucha.gc.producers(); outer.start()
make(); gc.collect()
inner = kucha.gc.producers(); inner.start()
make(); make(); gc.collect()
inner.stop()
make(); gc.collect()
assert (outer.cycles[0].count, outer.cycles[0].collections, inner.cycles[0].count) == (4, 3, 2)
outer.stop(); outer.stop(); inner.stop()
make(); gc.collect()
assert (outer.cycles[0].count, inner.cycles[0].count) == (4, 2)
outer.start()
assert outer.cycles == [] and outer.dead == 0
outer.stop()
assert _core.gc_producers() is None and gc.callbacks == []
"""
    )


def test_finalizers_weak_references_and_resurrection_are_as_without_it(collector: str) -> None:
    passes(
        collector
        + """
def world():
    log = []
    class Ending:
        def __del__(self): log.append("end")
    class Reviving:
        kept = []
        def __del__(self): Reviving.kept.append(self); log.append("revived")
    def make():
        a, b = Ending(), Ending()
        a.other, b.other = b, a
        r = Reviving(); r.me = r; r.held = Node()
        refs.append(weakref.ref(a, lambda ref: log.append("callback")))
        refs.append(weakref.ref(r, lambda ref: log.append("callback of the revived")))
        plain = Node(); plain.me = plain
        refs.append(weakref.ref(plain))
    refs = []
    make()
    number = gc.collect()
    told = number, sorted(log), [ref() is None for ref in refs], len(Reviving.kept)
    again = gc.collect()
    Reviving.kept.clear(); Reviving.__del__ = lambda self: None
    last = gc.collect()
    return told, again, last
world(); gc.collect()
without = world(); gc.collect()
made = kucha.gc.producers()
made.start()
told = world()
assert told == without, (told, without)
revived = [cycle for cycle in made.cycles if "Reviving" in cycle.closing and cycle.kind != "class"]
assert [cycle.count for cycle in revived] == [1], revived    # when it died, and not when it was revived
assert {cycle.closing for cycle in made.cycles} >= {"Node.me -> Node"}
made.stop()
"""
    )


def test_the_module_gc_does_not_change(collector: str) -> None:
    passes(
        collector
        + """
def make():
    for _ in range(50):
        n = Node(); n.me = n
def facts(generation):
    gc.collect(); gc.disable()
    make()
    phases = []
    note = lambda phase, info: phases.append((phase, info["generation"], info["collected"], info["uncollectable"]))
    gc.callbacks.append(note)
    before = gc.get_count()
    number = gc.collect(generation)
    after = gc.get_count()
    gc.callbacks.remove(note)
    gc.collect(); gc.enable()
    return number, phases, before[1:], after[1:], len(gc.garbage), gc.isenabled()
plain = [facts(generation) for generation in (0, 1, 2)]
with kucha.gc.producers() as made:
    watched = [facts(generation) for generation in (0, 1, 2)]
assert plain == watched, (plain, watched)
assert sum(cycle.count for cycle in made.cycles if cycle.closing == "Node.me -> Node") == 150, made.cycles
assert not any(type(item).__name__ == "Finder" for item in gc.get_objects())
"""
    )


def test_debug_saveall_keeps_what_it_keeps(collector: str) -> None:
    passes(
        collector
        + """
class Ending:
    def __del__(self): pass
def make():
    n = Node(); n.me = n
    e = Ending(); e.me = e
gc.set_debug(gc.DEBUG_SAVEALL)
with kucha.gc.producers() as made:
    make()
    gc.collect()
kinds = sorted(type(item).__name__ for item in gc.garbage)
assert kinds.count("Node") == 1 and kinds.count("Ending") == 1 and "Finder" not in kinds, kinds
assert all(item.me is item for item in gc.garbage if hasattr(item, "me"))
assert {cycle.closing for cycle in made.cycles} >= {"Node.me -> Node", "Ending.me -> Ending"}, made.cycles
gc.set_debug(0); gc.garbage.clear(); gc.collect()
"""
    )


def test_collections_that_print_are_left_alone() -> None:
    passes(
        BEGIN
        + """
def make():
    n = Node(); n.me = n
gc.set_debug(gc.DEBUG_COLLECTABLE)
with kucha.gc.producers() as made:
    make(); gc.collect()
gc.set_debug(0)
assert made.dead == 0 and made.cycles == [], made
"""
    )


def test_frozen_objects_and_a_disabled_collector() -> None:
    passes(
        BEGIN
        + """
def make():
    n = Node(); n.me = n
gc.disable()
with kucha.gc.producers() as made:
    make(); gc.freeze(); gc.collect()
    assert made.dead == 0, made
    gc.unfreeze(); gc.collect()
    assert [cycle.count for cycle in made.cycles] == [1], made.cycles
assert not gc.isenabled()
"""
    )


def test_threads_collect_while_it_watches(collector: str) -> None:
    passes(
        collector
        + """
import threading
def work(number):
    for _ in range(number):
        a, b = Node(), Node()
        a.other, b.other = b, a
with kucha.gc.producers() as made:
    threads = [threading.Thread(target=work, args=(1000,)) for _ in range(4)]
    for thread in threads: thread.start()
    for thread in threads: thread.join()
    gc.collect()
told = closings(made)
assert told["Node.other -> Node"].count == 4000, told
assert made.collections >= 1 and made.looked == made.dead, made
"""
    )


def test_a_program_that_empties_gc_callbacks_ends_the_counting() -> None:
    passes(
        BEGIN
        + """
made = kucha.gc.producers(); made.start()
first, last = gc.callbacks
gc.callbacks.remove(first)              # who hears of the end
n = Node(); n.me = n; del n
gc.collect(); gc.collect()
gc.callbacks.clear()
n = Node(); n.me = n; del n
assert gc.collect() >= 1
made.stop()
assert made.looked == 0 and gc.callbacks == []
assert not any(type(item).__name__ == "Finder" for item in gc.get_objects())
"""
    )


def test_kuchas_collector_may_come_and_go_meanwhile() -> None:
    passes(
        "install()\n"
        + BEGIN
        + """
def make():
    n = Node(); n.me = n
with kucha.gc.producers() as made:
    make(); gc.collect()
    _core.gc_install(); assert gc.callbacks == []
    make(); gc.collect()
    _core.gc_uninstall(); assert len(gc.callbacks) == 2
    make(); gc.collect()
assert [cycle.count for cycle in made.cycles] == [3], made.cycles
"""
    )


def test_many_dead_are_sampled_and_the_result_says_so() -> None:
    passes(
        BEGIN
        + """
gc.disable()
def make():
    for _ in range(100000):
        a, b = [], []
        a.append(b); b.append(a)
    for _ in range(150000): l = []; l.append(l)
made = watch(make)
assert watch.number == made.dead == 350000 and made.looked == 200000, made
assert 0 < made.unnamed < made.count and made.cycles[0].count <= 20001, (made.unnamed, made.count)
assert "sample" in made.text()
class Link: __slots__ = ("after",)
def long():
    first = last = Link()
    for _ in range(150000):
        last.after = Link(); last = last.after
    last.after = first
made = watch(long)
assert made.cycles[0].closing == "Link.after -> Link" and " more) -> " in made.cycles[0].example, made.cycles
"""
    )


def test_objects_of_extension_types_and_unnamed_references() -> None:
    passes(
        BEGIN
        + """
import functools, itertools, collections
def make():
    d = collections.deque(); d.append(d)
    box = []
    p = functools.partial(print, box); box.append(p)
    box = []
    box.append(itertools.cycle(box))
    box = []
    box.append(iter(box))
    o = collections.OrderedDict(); o["self"] = o
made = watch(make)
assert made.count == 5 and made.looked == made.dead, made.cycles
assert all(cycle.closing and cycle.example for cycle in made.cycles)
"""
    )


def test_memory_that_is_refused_leaves_the_collection_as_it_is() -> None:
    passes(
        """
import resource
try: import _testcapi
except ImportError: _testcapi = None
"""
        + BEGIN
        + """
def make():
    n = Node(); n.me = n
made = kucha.gc.producers(); made.start()
if _testcapi is not None:                # Python's own memory: each of the first allocations in turn
    for number in range(30):
        make(); alive = weakref.ref(Node())
        _testcapi.set_nomemory(number, number + 1)
        try: gc.collect()
        except MemoryError: pass
        finally: _testcapi.remove_mem_hooks()
    gc.collect()
l = []                                   # and pages: the tables of a look
for _ in range(300000): l.append([l])
soft, hard = resource.getrlimit(resource.RLIMIT_AS)
used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
number = len(l) + 1
before = made.refused
resource.setrlimit(resource.RLIMIT_AS, (used + (1 << 20), hard))
del l
found = gc.collect()
resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
assert found == number, (found, number)
assert made.refused > before, made.refused
make(); gc.collect()
assert "Node.me -> Node" in closings(made), made.cycles
made.stop()
"""
    )


def test_without_it_nothing_of_it_is_there() -> None:
    passes(
        BEGIN
        + """
assert gc.callbacks == [] and "kucha.producers" not in sys.modules and _core.gc_producers() is None
_core.gc_producers_stop()
"""
    )


# ---- kucha run --cycles ----

PROGRAM = """
class Node:
    def __init__(self, owner): self.owner = owner
class Owner:
    def __init__(self): self.nodes = [Node(self) for _ in range(3)]
for _ in range(10): Owner()
"""


def test_a_run_shows_what_closed_the_cycles(kucha: Runner, write: Callable[[str, str], Path]) -> None:
    write("owners.py", PROGRAM)
    done = kucha("run", "--cycles", "owners.py")
    assert done.returncode == 0, done.stderr
    assert "Node.owner -> Owner" in done.stderr
    assert "born at owners.py:5 in Owner.__init__" in done.stderr
    assert "make owner a weak reference" in done.stderr


@pytest.mark.parametrize("options", [(), ("--gc=kucha",), ("--no-trace",)])
def test_a_run_writes_the_cycles_as_json(
    kucha: Runner, write: Callable[[str, str], Path], options: tuple[str, ...]
) -> None:
    folder = write("owners.py", PROGRAM).parent
    done = kucha("run", "-q", "--cycles=cycles.json", *options, "owners.py")
    assert done.returncode == 0, done.stderr
    told = json.loads((folder / "cycles.json").read_text())
    (cycle,) = [cycle for cycle in told["closing"] if cycle["closing"] == "Node.owner -> Owner"]
    assert cycle["count"] == 10 and cycle["kind"] == "attribute", cycle
    assert (cycle["place"] is None) == ("--no-trace" in options), cycle
    assert told["looked"] == told["dead"] >= 10 * (4 + 1)


# ---- the pytest marker ----

TESTS = """
import gc, pytest
class Node: pass
def cycle():
    n = Node(); n.me = n
kept = Node(); kept.me = kept
cycle()
@pytest.mark.no_cycles
def test_clean():
    assert [n for n in range(3)] == [0, 1, 2]
    with pytest.raises(ZeroDivisionError): 1 / 0
@pytest.mark.no_cycles
def test_cycles():
    cycle(); cycle()
@pytest.mark.no_cycles(allow=["Node"])
def test_allowed():
    cycle()
@pytest.mark.no_cycles
def test_class():
    class Local: pass
@pytest.mark.no_cycles(classes=True)
def test_class_too():
    class Local: pass
@pytest.mark.no_cycles
def test_fails_by_itself():
    cycle()
    assert False, "its own"
@pytest.mark.no_cycles(allow="Node")
def test_mistake(): pass
def test_unmarked():
    cycle()
"""


@pytest.fixture
def entry_points(monkeypatch: pytest.MonkeyPatch) -> None:
    """pytest finds its plugins by their entry points, as it does where nobody forbids it."""
    monkeypatch.delenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", raising=False)


@pytest.mark.usefixtures("entry_points")
def test_a_test_with_the_marker_fails_if_it_leaves_cycles(python: Runner, write: Callable[[str, str], Path]) -> None:
    write("test_marked.py", TESTS)
    done = python("-m", "pytest", "-q", "-rA", "--strict-markers", "-p", "no:cacheprovider", "test_marked.py")
    text = done.stdout + done.stderr
    assert done.returncode == 1, text
    passed = {line.split("::")[1] for line in text.splitlines() if line.startswith("PASSED")}
    assert passed == {"test_clean", "test_allowed", "test_class", "test_unmarked"}, text
    assert "the test left 2 reference cycles behind" in text and "Node.me -> Node" in text
    assert "its own" in text and "allow is a list of names" in text
    assert "class test_class_too.<locals>.Local" in text


@pytest.mark.usefixtures("entry_points")
def test_examples_of_the_document_run(python: Runner, write: Callable[[str, str], Path]) -> None:
    text = (TOP / "docs" / "gc-cycles.md").read_text()
    program, tests, everywhere = re.findall(r"^```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    passes(program)
    passes(everywhere)
    write("test_document.py", tests)
    done = python("-m", "pytest", "-q", "-p", "no:cacheprovider", "--strict-markers", "test_document.py")
    assert done.returncode == 0 and "2 passed" in done.stdout, done.stdout + done.stderr


@pytest.mark.usefixtures("entry_points")
def test_the_plugin_loads_nothing_before_it_is_asked(python: Runner, write: Callable[[str, str], Path]) -> None:
    write("test_plain.py", "import sys\ndef test_plain(): assert 'kucha._core' not in sys.modules\n")
    done = python("-m", "pytest", "-q", "-p", "no:cacheprovider", "test_plain.py")
    assert done.returncode == 0, done.stdout + done.stderr
