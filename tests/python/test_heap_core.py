"""Heap files out of core files: against the live graph of the same moment, against gc, and against damage."""

from __future__ import annotations

import os
import shutil
import subprocess
import textwrap
from pathlib import Path

import pytest
from conftest import TOP, Runner, clean_environment
from core_child import CHILD_SECONDS, passes
from test_docs import BLOCK, commands, run_block

_corefile = pytest.importorskip("kucha._corefile", reason="this build has no libelf")

__all__ = ["commands"]  # a fixture

# What the programs under test begin with. Their collector is off: what two dumps agree on was there between them.
PROGRAM = """
import sys
sys.path.insert(0, {tests!r})
import core_file, gc, os
from collections import Counter
os.chdir({folder!r})
gc.disable()

class Nodes:
    '''A heap file as dicts: facts of nodes by address, and Counters of (target's address, name).'''
    def __init__(self, name):
        self.graph = _core.heap_open(name)
        self.info = self.graph.info()
        self.all = [self.graph.node(number) for number in range(self.info["nodes"])]
        self.number = {{node["address"]: number for number, node in enumerate(self.all)}}
    def at(self, address):
        return self.all[self.number[address]]
    def edges(self, address):
        return Counter((self.all[target]["address"], name) for target, name in self.graph.edges(self.number[address]))
    def targets(self, address):
        return Counter(self.all[target]["address"] for target, _ in self.graph.edges(self.number[address]))
    def of(self, obj):
        return self.edges(id(obj))
    def names(self, obj):
        return {{address: name for address, name in self.of(obj)}}
    def name_of(self, address):
        return self.at(address)["label"]

def read_core(name="a.core", **more):
    from kucha import _corefile
    return _corefile.write(name, "core.heap", **more)
"""


def in_folder(folder: Path, code: str, timeout: float = CHILD_SECONDS) -> str:
    tests = str(Path(__file__).resolve().parent)
    head = PROGRAM.format(tests=tests, folder=str(folder))
    return passes(head + textwrap.dedent(code), timeout=timeout)


# A program with something of each kind, and threads with names that wait: one in a loop, its iterator on the stack.
OBJECTS = """
import collections, functools, threading, types, weakref
class Plain: pass
class Slotted: __slots__ = ("x", "y")
class Row(tuple): pass
class Items(list): pass
class Number(int): pass
class Oops(Exception): pass
def outer(n):
    def inner(): return n
    return inner
def produce(first):
    local = [first]
    yield local
    yield first
class Pause:
    def __await__(self): yield self
async def pausing(first):
    held = [first]
    await Pause()
async def numbers(first):
    held = [first]
    yield held
def delegating(first):
    yield from produce(first)
def failing(depth):
    here = ["at", depth]
    if depth:
        failing(depth - 1)
    raise Oops("deep", here)
def caught():
    try:
        failing(3)
    except Oops as error:
        return error
@functools.lru_cache(maxsize=50)
def cached(number):
    return ["result", number]
class Queue(collections.deque): pass
class Ordered(collections.OrderedDict): pass
def started():
    coroutine, asynchronous, delegated = pausing([1]), numbers([2]), delegating([3])
    coroutine.send(None); next(delegated)
    try:
        asynchronous.__anext__().send(None)
    except StopIteration:
        pass
    expression = (item for item in [[4], [5]]); next(expression)
    over = produce([6]); list(over)
    return [coroutine, asynchronous, delegated, expression, over, produce([7])]
def collected():
    queue = collections.deque([number] for number in range(300))
    for _ in range(100):
        queue.popleft()
    ordered = collections.OrderedDict((str(number), [number]) for number in range(20))
    del ordered["3"]
    ordered.move_to_end("5")
    own, named = Queue([[1], [2]], 5), Ordered(a=[1])
    own.note, named.note = [3], [4]
    for number in range(60):
        cached(number)
    default = collections.defaultdict(list, {"a": [1], (2,): [3]})
    holes = {number: [number] for number in range(20)}; del holes[4]
    class Kept(dict): pass
    kept = Kept(a=[1], b=[2], c=[3]); del kept["a"]
    frozen = [frozendict(a=[1], b=(2, [3])), frozendict({(1, 2): "x"})] if sys.version_info >= (3, 15) else []
    return [queue, collections.deque(), own, ordered, named, cached, default, holes, kept, collections.Counter("aab"),
            weakref.WeakValueDictionary(a=own), types.MappingProxyType({"b": [2]}),
            collections.ChainMap({}, {"c": [1]}), *frozen]
def split():
    instance, shown = Plain(), Plain()
    instance.first, instance.second = [1], "two"
    shown.first, shown.second = [3], [4]
    return [instance, shown, shown.__dict__]
def build():
    plain = Plain(); plain.cache = [1.5]; plain.name = "n" * 30
    slotted = Slotted(); slotted.x = ("x",); slotted.y = plain
    other = Plain(); other.__dict__["odd"] = [2.5]
    number = Number(10**30); number.note = [3]
    generator = produce(plain); next(generator)
    cycle = [Plain()]; cycle[0].back = cycle
    return [plain, slotted, other, number, Row((1, [2])), Items([[3]]), outer([5]), generator, cycle,
            {(1, 2): [3]}, {"a": plain}, {1, (2, 3)}, frozenset([(4,)]), set(range(100)), Oops("a", [1]),
            functools.partial(print, plain), types.SimpleNamespace(q=plain), property(len), weakref.ref(plain),
            range(10**6), slice([1], None), plain.__init__, bytearray(b"x" * 100), "\\u20ac" * 20, 10**50, 1.5,
            [0] * 5000, b"y" * 5000, iter([1]), {str(i): i for i in range(200)}, caught(), *started(), *collected(),
            *split(), sys.intern("some name"), ()]
keep = build()
begun, go_on = threading.Semaphore(0), threading.Event()
def wait():
    waiting = keep[0]
    begun.release()
    go_on.wait()
def loop(items):
    for number, item in enumerate(items, 5):
        with go_on_lock:
            [wait_inside(item) for _ in (1, 2) if number == 5]
def wait_inside(item):
    inner = lambda: item
    begun.release()
    go_on.wait()
go_on_lock = threading.RLock()
# Who has said that it begins keeps the GIL until it waits: so what is read of it, one time and the next, is the same.
sys.setswitchinterval(1000)
thread = threading.Thread(target=wait, name="waits", daemon=True); thread.start()
other = threading.Thread(target=loop, args=([[8], (9,)],), name="loops", daemon=True); other.start()
begun.acquire(); begun.acquire()
"""


def test_layouts_are_those_of_this_interpreter() -> None:
    assert _corefile.layout_differences() == []


def test_core_of_a_program_under_kucha_has_what_a_live_dump_has(tmp_path: Path) -> None:
    in_folder(
        tmp_path,
        "install()\n"
        + OBJECTS
        + textwrap.dedent(
            """
        assert _core.heap_dump("before.heap")["banned"] == 0
        core_file.CoreFile("a.core").write()
        _core.heap_dump("after.heap")
        go_on.set(); thread.join(); other.join()
        outcome = read_core()
        assert outcome["hosted"] and outcome["missing"] == 0, outcome
        before, after, found = Nodes("before.heap"), Nodes("after.heap"), Nodes("core.heap")
        assert found.info["runtime"] == before.info["runtime"] and found.info["reason"] == "import"
        assert found.info["process"] == os.getpid()
        def is_place(node):
            return node["address"] >= 0xFFFFFF0000000000 or node["address"] == 0
        FACTS = ("type", "size", "slack", "label", "site", "age")
        # a flag of 128 says "could not be read for sure": a core has more of those; 64: nothing is seen to hold it
        UNSURE = 128 | 64
        checked = Counter()
        for address, number in before.number.items():
            node = before.all[number]
            if is_place(node) or address not in after.number:
                continue
            later = after.at(address)
            if any(later[key] != node[key] for key in (*FACTS, "count", "flags")):
                continue
            here = found.at(address) if address in found.number else {}
            same_flags = here.get("flags", 0) | UNSURE == node["flags"] | UNSURE
            if not same_flags or any(here.get(key) != node[key] for key in FACTS):
                checked["other"] += 1  # what a call of heap_dump() has in hand lies in the same place in the next
                example = node, here
                continue
            checked["nodes"] += 1
            checked["counts"] += here["count"] == node["count"]
            wanted, again = before.edges(address), after.edges(address)
            if wanted != again:
                continue
            got = found.edges(address)
            missing = Counter({edge: count for edge, count in (wanted - got).items() if "unknown" not in edge[1]})
            lost = before.targets(address) - found.targets(address)
            if here["flags"] & 128 and not node["flags"] & 128:
                checked["unsure"] += 1
                continue
            assert not missing and not lost, (node, missing, lost, [before.at(target) for target in lost])
            checked["edges"] += wanted.total()
        def waiting(nodes):
            roots = {name: address for address, name in nodes.edges(0) if name.startswith("thread ")}
            return {
                name: [(frame, nodes.edges(address)) for address, frame in nodes.edges(roots[name])]
                for name in roots if "MainThread" not in name
            }
        assert waiting(before) == waiting(after), "threads went on"
        assert waiting(found) == waiting(before)
        assert len(waiting(found)) == 2, waiting(found)
        assert checked["nodes"] > 10_000 and checked["edges"] > 40_000, checked
        assert checked["other"] < 30, (checked, example)
        # the function that wrote the core, and what it had in hand, are held more often there
        assert checked["counts"] > checked["nodes"] - 100, checked
        assert checked["unsure"] < checked["nodes"] / 50, checked
        """
        ),
    )


def test_core_of_a_program_under_kucha_has_roots_and_names(tmp_path: Path) -> None:
    in_folder(
        tmp_path,
        "install()\n"
        + OBJECTS
        + textwrap.dedent(
            """
        def main():
            local = keep[0]
            core = core_file.CoreFile("a.core")
            core.write()
        main()
        go_on.set(); thread.join(); other.join()
        read_core()
        """
        )
        + ROOTS,
    )


# Asked of the core of a program with OBJECTS, whoever gave it its memory.
ROOTS = """
found = Nodes("core.heap")
root = found.edges(0)
places = {name: address for address, name in root}
assert {"modules", "interpreter", "immortal", "C or unknown"} <= set(places), places
modules = {name: address for address, name in found.edges(places["modules"])}
assert modules["module sys"] == id(sys) and modules["module os"] == id(os)
threads = {name: address for name, address in places.items() if name.startswith("thread")}
assert len(threads) == 3, places
(waits,) = [address for name, address in threads.items() if " waits (" in name]
(mains,) = [address for name, address in threads.items() if " MainThread (" in name]
frames = {name.split(" at ")[0]: address for address, name in found.edges(waits)}
assert {"wait"} <= set(frames), frames
assert (id(keep[0]), "local waiting") in found.edges(frames["wait"])
frames = {name.split(" at ")[0]: address for address, name in found.edges(mains)}
assert (id(keep[0]), "local local") in found.edges(frames["main"]), frames
plain, slotted, other, number, row, items, inner, generator, cycle = keep[:9]
assert found.names(plain)[id(plain.cache)].endswith("cache"), found.of(plain)
assert found.names(slotted)[id(slotted.x)] == "attribute x"
assert found.names(keep)[id(plain)] == "item 0"
assert found.names(generator)[id(generator.gi_frame.f_locals["local"])] == "local local"
assert found.names(inner)[id(inner.__closure__)] == "slot __closure__"
assert found.names(inner.__closure__[0])[id(inner.__closure__[0].cell_contents)] == "cell cell_contents"
assert found.names(keep[10])[id(plain)] == "value of a"
assert set(found.names(keep[9]).values()) >= {"key 0", "value 0"}
assert found.at(id(plain))["type"] == "Plain" and found.name_of(id(outer)) == "outer"
assert id(plain) not in found.names(keep[18])  # a weak reference
for obj in keep:
    assert id(obj) in found.number, obj
    size = found.at(id(obj))["size"]
    for target, name in found.of(obj):
        size += found.at(target)["size"] if name == "buffer" else 0
    # a small dict's table may be one that was kept from before kucha was there
    exact = type(obj) in (list, tuple, set, frozenset, int, float, bytes, range, slice)
    if exact or type(obj) is dict and len(obj) > 9:
        assert size == sys.getsizeof(obj), (type(obj), size, sys.getsizeof(obj))
"""


def test_core_of_a_stock_program_is_read_from_the_collectors_lists(tmp_path: Path) -> None:
    in_folder(
        tmp_path,
        OBJECTS
        + textwrap.dedent(
            """
        def main():
            local = keep[0]
            core = core_file.CoreFile("a.core")
            core.write()
        objects = gc.get_objects()
        wanted = {id(obj): Counter(map(id, gc.get_referents(obj))) for obj in objects}
        known = {id(obj): obj for obj in objects}
        main()
        go_on.set(); thread.join(); other.join()
        outcome = read_core()
        assert not outcome["hosted"] and outcome["missing"] == 0, outcome
        """
        )
        + ROOTS
        + textwrap.dedent(
            """
        moving = {id(globals()), id(objects), id(wanted), id(known)}
        counted = Counter()
        def compare(obj): # a function: 3.15 imports what a global name holds, where that is a lazy import
            assert id(obj) in found.number, (type(obj), obj)
            lost = wanted[id(obj)] - found.targets(id(obj))
            unsure = found.at(id(obj))["flags"] & 128
            if lost and type(obj) is dict:
                # values that lie in an instance are that one's in a core; releases differ in who of the two visits them
                for owner in gc.get_referrers(obj):
                    if id(owner) in found.number and getattr(owner, "__dict__", None) is obj:
                        lost -= found.targets(id(owner))
            # a function's globals and a module's dict went on changing; what is not read for sure says so
            referents = {id(target): (type(target), target) for target in gc.get_referents(obj)}
            assert not lost or unsure or moving & set(lost), (type(obj), obj, [referents.get(at) for at in lost])
            counted["unsure" if unsure else "sure"] += 1
        def compare_all():
            for obj in objects:
                if id(obj) not in moving and type(obj).__name__ != "frame":
                    compare(obj)
        compare_all()
        assert counted["sure"] > 3000 and counted["unsure"] < counted["sure"] / 10, counted
        """
        ),
    )


def test_birthplaces_of_a_traced_program_are_in_its_core(tmp_path: Path) -> None:
    in_folder(
        tmp_path,
        """
        install()
        _core.trace_start(frames=5)
        def make():
            return [str(number) * 10 for number in range(1000)]
        kept = make()
        core = core_file.CoreFile("a.core")
        core.write()
        _core.heap_dump("after.heap")
        read_core()
        found, live = Nodes("core.heap"), Nodes("after.heap")
        def born(nodes, obj):
            from kucha.heap import Heap
            return Heap(nodes).at(id(obj)).birthplace
        for obj in (kept[0], kept[-1]):
            assert born("core.heap", obj) == born("after.heap", obj), born("core.heap", obj)
            assert any(function == "make" for function, _, _ in born("core.heap", obj)), born("core.heap", obj)
        """,
    )


# ---- damage ----

WRITES_A_CORE = "core_file.CoreFile('a.core').write()\n"


@pytest.fixture(scope="module")
def core(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The core of a small program without kucha."""
    folder = tmp_path_factory.mktemp("core")
    in_folder(folder, "kept = [str(i) for i in range(100)]\n" + WRITES_A_CORE)
    return folder / "a.core"


@pytest.mark.any_version
def test_what_is_no_core_or_a_cut_one_is_refused_in_a_sentence(core: Path, tmp_path: Path) -> None:
    (tmp_path / "text").write_text("this is no core file")
    (tmp_path / "empty").write_bytes(b"")
    (tmp_path / "cut").write_bytes(core.read_bytes()[: core.stat().st_size // 2])
    text = tmp_path / "text"
    for path, program, sentence in (
        (tmp_path / "missing", None, "No such file or directory"),
        (tmp_path, None, "not a regular file"),
        (text, None, "not a core file"),
        (tmp_path / "empty", None, "the file is empty"),
        (tmp_path / "cut", None, "the core file is cut"),
        (core, _corefile.__file__, "is not what the process ran"),
        (core, core, "not the file of a program"),
        (core, text, "not the file of a program"),
        (core, tmp_path / "missing", "No such file or directory"),
    ):
        with pytest.raises((ValueError, OSError), match=sentence):
            _corefile.write(path, tmp_path / "out", program)
        assert not (tmp_path / "out").exists()


@pytest.mark.any_version
def test_command_says_one_sentence_and_ends_with_2(kucha: Runner, tmp_path: Path) -> None:
    (tmp_path / "text").write_text("this is no core file")
    done = kucha("heap", "core", "text", cwd=tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (2, "", "kucha: 'text': not a core file\n")
    done = kucha("heap", "core", cwd=tmp_path)
    assert done.returncode == 2 and "expected kucha heap core CORE [EXE]" in done.stderr


@pytest.mark.any_version
def test_command_writes_beside_nothing_that_exists(kucha: Runner, core: Path, tmp_path: Path) -> None:
    done = kucha("heap", "core", str(core), cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert "a.core.heap: " in done.stdout and "references of CPython 3." in done.stdout
    again = kucha("heap", "core", str(core), cwd=tmp_path)
    assert again.returncode == 2 and "exists" in again.stderr
    assert kucha("heap", "core", "--force", "--json", str(core), cwd=tmp_path).returncode == 0


@pytest.mark.any_version
def test_names_need_the_files_of_the_program(core: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="EXE"):
        _corefile.write(core, tmp_path / "out", root=tmp_path)


def test_damaged_cores_never_end_the_reader(core: Path, tmp_path: Path) -> None:
    """A word here and there says something else: a graph, or a sentence; by numbers that are the same in each run."""
    in_folder(
        tmp_path,
        f"""
        import random
        from kucha import _corefile
        whole = bytearray(open({str(core)!r}, "rb").read())
        dice = random.Random(6)
        outcomes = Counter()
        for turn in range(12):
            undo = []
            for _ in range(2000):
                at = dice.randrange(8 if turn % 3 else 0x6000, len(whole) - 8) & ~7
                undo.append((at, bytes(whole[at:at + 8])))
                other = dice.randrange(0, len(whole) - 8) & ~7
                whole[at:at + 8] = dice.choice((whole[other:other + 8], dice.randbytes(8), bytes(8), b"\\xff" * 8))
            with open("damaged", "wb") as file:
                file.write(whole)
            try:
                _corefile.write("damaged", "damaged.heap")
                _core.heap_open("damaged.heap")
                outcomes["read"] += 1
            except (ValueError, OSError, MemoryError) as error:
                assert "\\n" not in str(error)
                outcomes["refused"] += 1
            for at, before in reversed(undo):
                whole[at:at + 8] = before
        assert outcomes.total() == 12
        """,
    )


# ---- the document ----

# What the system would do, were it allowed to: os.abort() leaves a core.
ABORT = """
import core_file, os
def abort():
    core_file.CoreFile("core").write()
    os._exit(134)
os.abort = abort
"""


@pytest.mark.any_version
def test_examples_do_what_the_document_shows(commands: Path, tmp_path: Path) -> None:
    text = (TOP / "docs" / "core-files.md").read_text()
    program = next(match[3] for match in BLOCK.finditer(text) if match[2] == "app.py")
    (tmp_path / "app.py").write_text(program)
    (tmp_path / "core_file.py").write_text((TOP / "tests" / "python" / "core_file.py").read_text())
    (tmp_path / "dying.py").write_text(ABORT + "exec(compile(open('app.py').read(), 'app.py', 'exec'))\n")
    environment = clean_environment(PATH=f"{commands}{os.pathsep}{os.environ['PATH']}")
    python = shutil.which("python", path=environment["PATH"])
    assert python is not None
    subprocess.run([python, "dying.py"], cwd=tmp_path, env=environment, timeout=120, check=False)
    assert (tmp_path / "core").exists()
    for match in BLOCK.finditer(text):
        if match[2] == "console":
            run_block(match[3], int(match[1] or 0), tmp_path, environment)


def test_a_mapping_that_ends_before_it_begins_and_a_name_that_is_no_text(core: Path, tmp_path: Path) -> None:
    """Each file of the core's list in turn: its end before its begin, then a name that is not UTF-8."""
    in_folder(
        tmp_path,
        f"""
        import struct
        from kucha import _corefile
        whole = bytearray(open({str(core)!r}, "rb").read())
        note = whole.index(b"CORE" + bytes(4), whole.index(struct.pack("<I", 0x46494C45)))  # NT_FILE
        body = note + 8
        count = struct.unpack_from("<Q", whole, body)[0]
        assert 0 < count < 10_000
        names = body + 16 + 24 * count
        def outcome(damaged):
            with open("damaged", "wb") as file:
                file.write(damaged)
            try:
                return _corefile.write("damaged", "damaged.heap")
            except ValueError as error:
                assert not isinstance(error, UnicodeError)
                return str(error)
        for number in range(count):
            damaged = bytearray(whole)
            at = body + 16 + 24 * number
            struct.pack_into("<Q", damaged, at + 8, struct.unpack_from("<Q", whole, at)[0] - 4096)
            outcome(damaged)
        named = bytearray(whole)
        at = names
        for _ in range(count):
            named[at] = 0xFF
            at = named.index(0, at) + 1
        assert isinstance(outcome(named), dict | str)
        """,
    )
