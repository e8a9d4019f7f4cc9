"""kucha.objgraph beside objgraph: the same call on the same objects, and what must be the same is; and what is ours.

What lives before a test is frozen, so that looks at all objects are looks at the test's own, quick and undisturbed.
"""

from __future__ import annotations

import collections
import functools
import gc
import inspect
import io
import os
import random
import shutil
import stat
import sys
import types
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from conftest import Runner
from kucha import _objgraph_picture, _objgraph_search
from kucha import objgraph as ours

try:
    import objgraph as theirs
except ImportError:
    theirs = None

needs_theirs = pytest.mark.skipif(theirs is None, reason="objgraph is not installed")

PUBLIC = [name for name in ours.__all__ if name not in ("get_referrers", "show_graph")]


class Node:
    """A link of chains."""

    def __init__(self, *to: object) -> None:
        self.to = list(to)


class Meta(type):
    """Types of it cannot be hashed."""

    __hash__ = None  # type: ignore[assignment]

    def __eq__(cls, other: object) -> bool:
        raise AssertionError("types are not compared")


class Unhashable(metaclass=Meta):
    """Its type cannot be a key."""


class Final:
    """Has a finalizer."""

    __slots__ = ("x",)

    def __del__(self) -> None: ...


class Broken:
    """Cannot be shown."""

    def __repr__(self) -> str:
        raise RuntimeError("no")


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """No collection but those that are asked for."""
    gc.collect()
    gc.disable()
    gc.freeze()
    yield
    gc.unfreeze()
    gc.enable()


def generator(kept: object) -> Iterator[object]:
    """Holds its argument while it lives."""
    yield kept
    yield kept


def zoo() -> list[object]:
    """One of each kind that a picture treats in its own way."""
    final = Final()
    final.x = final  # type: ignore[attr-defined]
    running = generator([1])
    next(running)
    keys = {"good_name": [1], "bad name": [2], 7: [3], ("a", 1): [4], 'quote"\\\n\0': [5], Broken(): [6]}
    bound = Node([1]).__init__  # type: ignore[misc]
    many = [[number] for number in range(25)]
    cyclic: list[object] = []
    cyclic.append(cyclic)
    return [
        *(
            [
                final,
                running,
                keys,
                bound,
                many,
                cyclic,
                zoo,
                lambda: 1,
                Node,
                Unhashable(),
                Node(many, keys),
                len,
                [].append,
            ]
        ),
        *(functools.partial(zoo, 1), collections.OrderedDict(a=[1]), {1, (2, 3)}, types.ModuleType("made"), Broken()),
        *(
            mock.Mock(spec=list),
            mock.Mock(spec=dict),
            "text",
            12345,
            None,
            os,
            types.SimpleNamespace(a=[1]),
            ValueError(1),
        ),
        *(sys._getframe(), type("Named", (), {"__module__": None})(), "x" * 100, io.StringIO("s")),
    ]


def drawn(module: Any, call: str, *arguments: object, **options: object) -> list[str]:
    """The lines of a picture."""
    file = io.StringIO()
    getattr(module, call)(*arguments, output=file, **options)
    return file.getvalue().splitlines()


def same_picture(call: str, *arguments: object, **options: object) -> list[str]:
    """The lines that both draw; once without looking, since the original's first look makes dicts on functions."""
    drawn(theirs, call, *arguments, **options)
    expected = drawn(theirs, call, *arguments, **options)
    assert drawn(ours, call, *arguments, **options) == expected
    return expected


def same(call: str, *arguments: object, **options: object) -> Any:
    """What both say."""
    expected = getattr(theirs, call)(*arguments, **options)
    assert getattr(ours, call)(*arguments, **options) == expected
    return expected


# ---- the interface ----


@needs_theirs
@pytest.mark.parametrize("name", PUBLIC)
def test_arguments_are_the_originals_in_its_order(name: str) -> None:
    expected = [p.name for p in inspect.signature(getattr(theirs, name)).parameters.values() if p.kind != p.VAR_KEYWORD]
    got = [p.name for p in inspect.signature(getattr(ours, name)).parameters.values() if p.kind != p.KEYWORD_ONLY]
    assert got[: len(expected)] == expected


@needs_theirs
def test_no_public_function_is_missing() -> None:
    public = {name for name, value in vars(theirs).items() if inspect.isfunction(value) and not name.startswith("_")}
    assert public <= set(ours.__all__)
    assert all(callable(getattr(ours, name)) for name in ours.__all__)


# ---- counting ----


@needs_theirs
def test_all_objects_are_counted_the_same() -> None:
    keep = [Node() for _ in range(100)] + [Unhashable() for _ in range(3)]
    for _ in range(2):  # the first look of either may fill a cache of the interpreter's
        # as text, which is not counted; the order is the same, too
        mine, other = repr(ours.typestats()), repr(theirs.typestats())
        mine_long, other_long = repr(ours.typestats(shortnames=False)), repr(theirs.typestats(shortnames=False))
    assert (mine, mine_long) == (other, other_long)
    assert len(keep) == 103 and ours.count("Unhashable") == 3


@needs_theirs
def test_numbers_and_lists_are_the_same() -> None:
    keep = [Node(number) for number in range(50)]
    for name in ("Node", f"{__name__}.Node", "OrderedDict", "collections.OrderedDict", "no_such", "builtins.list"):
        same("count", name)
        assert [id(found) for found in ours.by_type(name, keep)] == [id(found) for found in theirs.by_type(name, keep)]
        same("count", name, zoo())
    assert list(map(id, ours.by_type("Node"))) == list(map(id, theirs.by_type("Node")))
    odd: dict[str, Any] = {"filter": lambda obj: isinstance(obj, Node) and obj.to[0] % 2}
    assert same("typestats", keep, **odd) == {"Node": 25}
    assert same("most_common_types", None, keep, False, **odd) == [(f"{__name__}.Node", 25)]
    for limit in (0, 1, 3, None):
        same("most_common_types", limit, zoo())
    assert ours.typestats(iter(keep)) == {"Node": 50}


@needs_theirs
def test_growth_is_the_same() -> None:
    peaks: list[dict[str, int]] = [{}, {}]
    for module, peak in zip((theirs, ours), peaks, strict=True):
        module.growth(None, peak)
    keep = [Node() for _ in range(7)]
    rows = [{row[0]: row for row in m.growth(None, peak)} for m, peak in zip((theirs, ours), peaks, strict=True)]
    assert rows[0]["Node"] == rows[1]["Node"]
    assert rows[0]["Node"][2] == len(keep)
    ours.growth()
    more = [Node()]
    assert ("Node", 8, 1) in ours.growth(None)
    assert more


def test_a_filter_that_fails_keeps_nothing_alive() -> None:
    keep = Node()
    before = len(gc.get_referrers(keep))
    with pytest.raises(ZeroDivisionError) as caught:
        ours.typestats(filter=lambda _: 1 // 0)
    assert len(gc.get_referrers(keep)) == before
    assert caught


@needs_theirs
def test_tables_are_the_same() -> None:
    files = [io.StringIO(), io.StringIO()]
    for module, file in zip((theirs, ours), files, strict=True):
        module.show_most_common_types(5, zoo(), file=file)
        module.show_most_common_types(limit=3, objects=zoo(), shortnames=False, file=file)
        module.show_growth(
            3, {"tuple": 1, "list": 10**7}, file=file, filter=lambda obj: type(obj) is Node or type(obj) is list
        )
    assert files[0].getvalue() == files[1].getvalue()
    nothing = io.StringIO()
    ours.show_most_common_types(objects=[], file=nothing)
    ours.show_growth(peak_stats=dict.fromkeys(ours.typestats(), 10**9), file=nothing)
    assert nothing.getvalue() == ""


# ---- new objects ----


@needs_theirs
def test_new_ids_and_their_table_are_the_same() -> None:
    texts = []
    for module in (theirs, ours):
        module.get_new_ids(limit=0, shortnames=True)
        module.get_new_ids(limit=0)
        keep: list[object] = [Node() for _ in range(4)]
        file = io.StringIO()
        new = module.get_new_ids(limit=None, sortby="new", file=file)
        assert set(map(id, keep)) == new["Node"]
        assert {id(found) for found in module.at_addrs(new["Node"])} == new["Node"]
        assert module.get_new_ids(skip_update=True) is new
        lines = file.getvalue().splitlines()
        texts.append([line.split() for line in lines if line.startswith(("Node", "Type"))])
        assert {len(line) for line in lines} == {len(lines[0])}
        del keep, new
        gc.collect()
    assert texts[0] == texts[1]


def test_what_new_ids_keeps_is_not_counted() -> None:
    keep = {1}
    ours.get_new_ids(limit=0)
    sets = ours.count("set")
    for _ in range(3):
        new = ours.get_new_ids(limit=0)
    assert [name for name, ids in new.items() if ids] == []
    assert ours.count("set") == sets >= len(keep)


def test_new_ids_refuses_a_column_that_there_is_not_and_keeps_states_apart() -> None:
    with pytest.raises(KeyError):
        ours.get_new_ids(sortby="size")
    state: dict[str, Any] = {}
    first = ours.get_new_ids(limit=0, _state=state, shortnames=False)
    keep = Node()
    assert id(keep) in ours.get_new_ids(limit=0, _state=state)[f"{__name__}.Node"]
    assert ours.get_new_ids(skip_update=True, _state=state) is first
    assert ours.get_new_ids(skip_update=True) is not first


# ---- finding ----


@needs_theirs
def test_leaking_objects_and_addresses_are_the_same() -> None:
    objects = zoo()
    assert list(map(id, ours.get_leaking_objects(objects))) == list(map(id, theirs.get_leaking_objects(objects)))
    assert ours.get_leaking_objects([]) == []
    mine, other = ({id(found) for found in module.get_leaking_objects()} for module in (ours, theirs))
    assert len(mine ^ other) <= 2  # each has the other's generator, which it was called from
    node = Node()
    assert ours.at(id(node)) is node and ours.at(1) is None
    assert list(map(id, ours.at_addrs([id(node), id(objects), 1]))) == list(
        map(id, theirs.at_addrs([id(node), id(objects), 1]))
    )


def test_referrers_are_without_the_call_itself() -> None:
    inner = Node()
    outer = [inner]
    (found,) = ours.get_referrers(inner)
    assert found is outer
    assert {id(each) for each in ours.get_referrers(inner, outer.__len__)} == {id(outer)}


def both_ways(module: Any, start: object, match: Callable[[object], bool], **options: object) -> list[list[int]]:
    """The chain each way, as ids."""
    return [
        list(map(id, module.find_ref_chain(start, match, **options))),
        list(map(id, module.find_backref_chain(start, match, **options))),
    ]


@needs_theirs
@pytest.mark.parametrize("seed", range(3))
def test_chains_are_the_same(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    chance = random.Random(seed)
    nodes = [Node() for _ in range(12)]
    for node in nodes:
        node.to += chance.sample(nodes, 2)
    links = {id(part) for node in nodes for part in (node, node.to, vars(node))}
    elsewhere = [id(nodes)]
    for many in (1, 4, 1000):  # one look for a layer, or one for each
        monkeypatch.setattr(_objgraph_search, "MANY", many)
        for goal in chance.sample(nodes, 1):
            start = chance.choice(nodes)

            def match(obj: object, goal: object = goal) -> bool:
                return obj is goal

            for options in ({"max_depth": 3}, {"max_depth": 0}, {"extra_ignore": [id(nodes[0]), *elsewhere]}):
                got = both_ways(ours, start, match, **options)
                assert got == both_ways(theirs, start, match, **options), (many, options)
                assert {*got[0], *got[1]} <= links | set(elsewhere) or not options


@needs_theirs
def test_chains_to_modules_are_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    node = Node()
    module = types.ModuleType("made")
    vars(module)["kept"] = {"a": [node]}
    monkeypatch.setitem(sys.modules, "made", module)
    chain = ours.find_backref_chain(node, ours.is_proper_module)
    assert list(map(id, chain)) == list(map(id, theirs.find_backref_chain(node, theirs.is_proper_module)))
    assert chain[0] is module and chain[-1] is node
    assert same_picture("show_chain", chain)
    assert same_picture("show_chain", chain, [], [node, node.to], backrefs=False, highlight=inspect.isclass)
    for obj in (os, types.ModuleType("os"), types.ModuleType("nowhere"), 1, mock.Mock(spec=types.ModuleType)):
        same("is_proper_module", obj)
    with pytest.raises(ValueError, match="all are empty"):
        ours.show_chain([], output=io.StringIO())


# ---- pictures ----


@needs_theirs
def test_pictures_of_what_an_object_refers_to_are_the_same() -> None:
    for obj in zoo():
        if not isinstance(obj, types.FrameType):  # the two are called from different lines
            same_picture("show_refs", [obj])
    animals = zoo()
    same_picture("show_refs", animals, max_depth=2)
    same_picture("show_refs", tuple(animals), max_depth=0, shortnames=False)


@needs_theirs
@pytest.mark.parametrize("many", [1, 1000])
def test_pictures_of_what_refers_to_an_object_are_the_same(many: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_objgraph_search, "MANY", many)
    inner = Node()
    held = [Node(inner), {"a": inner, 1: inner}, (inner,), generator(inner), functools.partial(print, inner)]
    next(held[3])  # type: ignore[call-overload]
    more = [[inner] for _ in range(20)]
    same_picture("show_backrefs", inner, max_depth=2, extra_ignore=[id(globals())])
    same_picture("show_backrefs", [inner, more], max_depth=3, too_many=3, shortnames=False)
    same_picture("show_backrefs", [Node, os, inner.__init__], max_depth=2)  # type: ignore[misc]


@needs_theirs
def test_options_of_pictures_do_the_same() -> None:
    inner = Node([1], {"x": "y"}, Final())
    every: dict[str, Any] = {
        "highlight": lambda obj: isinstance(obj, list),
        "extra_info": lambda obj: f'id "{id(obj)}"\n',
        "extra_node_attrs": lambda _: {"URL": 'a"b', "shape": None, "margin": "1"},
        "filter": lambda obj: not inspect.isclass(obj),
        "too_many": 2,
        "max_depth": 5,
    }
    for option, value in every.items():
        for call in ("show_refs", "show_backrefs"):
            same_picture(call, [inner], **{option: value})
    assert any("URL" in line for line in same_picture("show_refs", [inner], **every))


def count_shown(lines: list[str], obj: object) -> int:
    """The number of references that the object's node shows."""
    (line,) = {line for line in lines if line.startswith(f'  o{id(obj)}[label="')}
    return int(line.split("[", 2)[2].split("]")[0])


def test_reference_counts_are_exact_and_without_the_picture() -> None:
    inner = Node()
    several = [inner, [inner], {"a": inner}, (inner,)]
    for given in ([inner], several[1:]):
        lines = drawn(ours, "show_refs", given, refcounts=True, max_depth=2)
        assert count_shown(lines, inner) == 6  # with the list that the loop goes over
    file = io.StringIO()
    ours.show_backrefs(inner, refcounts=True, output=file)
    assert count_shown(file.getvalue().splitlines(), inner) == 5
    assert count_shown(drawn(ours, "show_refs", [inner, inner], refcounts=True, max_depth=0), inner) == 7


def test_a_picture_does_not_show_itself() -> None:
    def mark(obj: object) -> bool:
        return obj is mark

    holders = [mark]
    for many in (1, 1000):
        with mock.patch.object(_objgraph_search, "MANY", many):
            file = io.StringIO()
            ours.show_backrefs([mark], highlight=mark, output=file, max_depth=1)
        cells = mark.__closure__ or ()
        shown = {line.split()[0] for line in file.getvalue().splitlines() if " -> " in line}
        assert shown == {f"o{id(held)}" for held in (holders, *cells)}


def test_looking_makes_no_dicts_on_functions_and_asks_no_proxy() -> None:
    class Proxy:
        @property
        def __class__(self) -> type:  # type: ignore[override]
            raise AssertionError("asked")

    def plain() -> None: ...

    before = list(map(id, gc.get_referents(plain)))
    drawn(ours, "show_refs", [plain, Proxy()])
    assert list(map(id, gc.get_referents(plain))) == before


def test_annotations_that_cannot_be_evaluated_do_not_stop_a_picture() -> None:
    space: dict[str, Any] = {}
    exec("def f(x: NoSuchName if False else 1): return x\nf.extra = {}", space)
    assert any('label="extra' in line or "dict" in line for line in drawn(ours, "show_refs", [space["f"]]))


# ---- where pictures go ----

FAKE_DOT = """#!/bin/sh
for word; do case $word in -o*) out=${word#-o} ;; -T*) kind=${word#-T} ;; *) from=$word ;; esac; done
[ "$kind" = bad ] && exit 3
echo "$kind" >"$out" && cat "$from" >>"$out"
"""

DRAW = """
import sys
from kucha import objgraph
assert objgraph.show_refs([[1]], filename=sys.argv[1] if sys.argv[1:] else None) is None
"""


def tool(folder: Path, name: str, text: str) -> None:
    """A program in a folder."""
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(text)
    (folder / name).chmod(stat.S_IRWXU)


def draw(python: Runner, folder: Path, *names: str) -> tuple[str, str]:
    """What is said when a picture is made, with the name of the dot file taken out, and that name."""
    bin_folder = folder / "bin"
    bin_folder.mkdir(exist_ok=True)
    for needed in ("cat", "sh"):
        if not (bin_folder / needed).exists():
            (bin_folder / needed).symlink_to(shutil.which(needed) or "")
    (folder / "tmp").mkdir(exist_ok=True)
    done = python("-c", DRAW, *names, PATH=str(bin_folder), TMPDIR=str(folder / "tmp"))
    assert done.returncode == 0, done.stderr
    dot = done.stdout.split()[3]
    return done.stdout.replace(dot, "X.dot").replace(dot[:-4] + ".png", "X.png"), dot


def test_pictures_are_made_by_graphviz(python: Runner, tmp_path: Path) -> None:
    assert draw(python, tmp_path, "a.dot")[0] == "Graph written to X.dot (2 nodes)\n"
    assert (tmp_path / "a.dot").read_text().startswith("digraph ObjectGraph {")
    said, dot = draw(python, tmp_path, "a.png")
    assert said == "Graph written to X.dot (2 nodes)\nImage renderer (dot) not found, not doing anything else\n"
    assert Path(dot).read_text().startswith("digraph") and not (tmp_path / "a.png").exists()
    assert (
        "Graph viewer (xdot) and image renderer (dot) not found, not doing anything else" in draw(python, tmp_path)[0]
    )
    tool(tmp_path / "bin", "dot", FAKE_DOT)
    for kind in ("png", "svg"):
        assert draw(python, tmp_path, f"a.{kind}")[0].endswith(f"Image generated as a.{kind}\n")
        assert (tmp_path / f"a.{kind}").read_text().startswith(f"{kind}\ndigraph")
    assert 'dot failed (exit code 3) while executing "dot -Tbad -oa.bad X.dot"' in draw(python, tmp_path, "a.bad")[0]
    said, dot = draw(python, tmp_path)
    assert "Graph viewer (xdot) not found, generating a png instead\nImage generated as X.png" in said
    assert Path(dot).with_suffix(".png").exists()
    tool(tmp_path / "bin", "xdot", "#!/bin/sh\n")
    assert draw(python, tmp_path)[0].endswith("Spawning graph viewer (xdot)\n")


@pytest.mark.skipif(shutil.which("dot") is None, reason="Graphviz is not installed")
def test_graphviz_reads_what_is_written(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    animals = zoo()
    for name, head in (("a.png", b"\x89PNG"), ("a.svg", b"<?xml")):
        ours.show_refs(animals, max_depth=1, filename=str(tmp_path / name), refcounts=True)
        assert (tmp_path / name).read_bytes().startswith(head)
    said = capfd.readouterr()
    assert said.err == "" and "Image generated as" in said.out


def test_a_notebook_gets_the_picture(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    graphviz = types.ModuleType("graphviz")
    graphviz.Source = lambda text: text  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "graphviz", graphviz)
    monkeypatch.setattr(ours, "IS_INTERACTIVE", True)
    assert ours.show_chain([[1], 1]).startswith("digraph ObjectGraph {")
    assert ours.show_refs([1], filename=str(tmp_path / "a.dot")) is None
    with pytest.raises(ValueError, match="both output and filename"):
        ours.show_refs([1], filename="a.dot", output=io.StringIO())


@pytest.mark.parametrize(("shell", "expected"), [("ZMQInteractiveShell", True), ("TerminalInteractiveShell", False)])
def test_notebooks_are_known(shell: str, expected: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    assert not _objgraph_picture.in_notebook()
    monkeypatch.setattr("builtins.get_ipython", lambda: type(shell, (), {})(), raising=False)
    monkeypatch.setattr(_objgraph_picture, "find_spec", lambda name: name == "graphviz")
    assert _objgraph_picture.in_notebook() is expected


# ---- everything, and in the original's place ----

EVERYTHING = """
import kucha
kucha.install()
import io
from kucha import objgraph
before = objgraph.count("str", everything=True), objgraph.count("builtins.float", everything=True)
objgraph.growth(everything=True)
kept = [str(number) * 3 for number in range(3000)] + [float(number) for number in range(2000)]
assert objgraph.count("str", everything=True) - before[0] >= 3000, objgraph.typestats(everything=True)
assert objgraph.count("builtins.float", everything=True) - before[1] >= 2000
assert objgraph.count("str") == 0
rows = objgraph.growth(everything=True, limit=5)
assert ("str", 3000) <= [row[::2] for row in rows if row[0] == "str"][0] < ("str", 3400), rows
out = io.StringIO()
objgraph.show_most_common_types(everything=True, file=out, limit=3, shortnames=False)
assert "builtins.str" in out.getvalue(), out.getvalue()
for wrong in ({"objects": []}, {"filter": bool}):
    try:
        objgraph.typestats(everything=True, **wrong)
    except ValueError as error:
        assert "give no objects and no filter" in str(error)
    else:
        raise AssertionError(wrong)
"""


def test_everything_counts_what_the_collector_does_not_track(python: Runner) -> None:
    done = python("-c", EVERYTHING)
    assert done.returncode == 0, done.stderr
    done = python("-c", "from kucha import objgraph; objgraph.count('str', everything=True)")
    assert "kucha is not installed" in done.stderr


def test_it_stands_in_the_originals_place(kucha: Runner, write: Callable[[str, str], Path]) -> None:
    program = write("app.py", "import objgraph\nprint(objgraph.__name__, objgraph.count('module') > 5)\n")
    done = kucha("run", "--drop-in", "--no-trace", "--quiet", program)
    assert done.stdout == "kucha.objgraph True\n", done.stderr
