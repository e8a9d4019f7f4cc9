"""kucha.guppy: its sets, tables, kinds, paths and files, in programs of their own, and beside guppy3 where that is.

Programs run in processes of their own, since hpy() puts kucha's allocator in place for good.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from conftest import Runner

START = """
import gc, sys, types
from kucha.guppy import hpy
hp = hpy()
class A:
    def __init__(self, *held):
        self.held = held
class S:
    __slots__ = ("x",)
    def __init__(self, x):
        self.x = x
"""


def run(python: Runner, text: str, **options: str) -> str:
    """What a program prints; it must not fail."""
    done = python("-c", START + text, **options)
    assert done.returncode == 0, done.stderr + done.stdout
    return done.stdout


def test_the_heap_is_told_by_type(python: Runner) -> None:
    out = run(
        python,
        "keep = [A(n) for n in range(100)]\n"
        "h = hp.heap()\n"
        "print(h)\n"
        "assert (h & A).count == 100 and (h & hp.Type.str).count > 1000\n"
        "assert h.size == sum(row.size for row in h.partition.get_rows()) and h.count > 10_000\n"
        "assert {'str', 'dict of module', 'types.CodeType', '__main__.A'} <= {r.name for r in h.partition.get_rows()}\n"
        "print(h.more)\n"
        "assert str(h.all).count(chr(10)) == len(h) + 1\n"
        "print(h & A)\n",
    )
    lines = out.splitlines()
    assert re.fullmatch(r"Partition of a set of \d+ objects\. Total size = \d+ bytes\.", lines[0])
    assert lines[1] == " Index  Count   %     Size   % Cumulative  % Kind (class / dict of class)"
    assert re.fullmatch(r" {5}0 +\d+ +\d+ +\d+ +\d+ +\d+ +\d+ \S.*", lines[2])
    assert re.fullmatch(r"<\d+ more rows\. Type e\.g\. '_\.more' to view\.>", lines[12])
    assert lines[13] == lines[1]
    assert lines[14].startswith("    10 ")
    assert lines[-1].split()[:3] == ["0", "100", "100"]
    assert lines[-1].endswith(" __main__.A")


def test_what_was_born_since_is_told_apart(python: Runner) -> None:
    run(
        python,
        "old = [A() for _ in range(50)]\n"
        "hp.setref()\n"
        "new = [A() for _ in range(30)]\n"
        "h = hp.heap()\n"
        "assert (h & A).count == 30, h\n"
        "assert h.count < 400, h\n"
        "base = hp.heap()\n"
        "more = [S(n) for n in range(20)]\n"
        "assert ((hp.heap() - base) & S).count == 20\n"
        "assert hp.heapu().count < 400\n",
    )


def test_sets_hold_no_object_of_a_view(python: Runner) -> None:
    run(
        python,
        "import weakref\n"
        "one = A()\n"
        "gone = weakref.ref(one)\n"
        "found = hp.heap() & A\n"
        "assert found.theone is one and one in found and list(found.nodes) == [one]\n"
        "del one\n"
        "assert gone() is None and found.count == 1 and not list(found.nodes)\n"
        "try:\n"
        "    found.theone\n"
        "except ReferenceError as error:\n"
        "    assert 'lives no more' in str(error)\n"
        "else:\n"
        "    raise AssertionError\n"
        "held = hp.iso(A())\n"
        "assert held.theone is held.theone\n",
    )


def test_what_nobody_tracks_is_found_through_its_holders(python: Runner) -> None:
    run(
        python,
        "text = 'a text of the test ' * 3\n"
        "number = 3 ** 77\n"
        "keep = {'name': text, 'deep': [(number, 1.5)]}\n"
        "h = hp.heap()\n"
        "for obj in (text, number, keep['deep'][0], int, len, hpy.__code__, hpy.__code__.co_filename, sys, None):\n"
        "    own = h & hp.iso(obj)\n"
        "    if obj is not hpy.__code__ and obj is not hpy.__code__.co_filename:\n"
        "        assert own.count == 1, obj\n"
        "view, bits = h.seen()\n"
        "for obj in (text, number, keep['deep'][0], int, sys):\n"
        "    node = view.analysis.node_at(id(obj))\n"
        "    assert view.objects([node])[node] is obj, obj\n",
    )


def test_sets_are_calculated_with(python: Runner) -> None:
    run(
        python,
        "e1, e2, e3, e4 = [], {}, [], ()\n"
        "iso, ty = hp.iso, hp.Type\n"
        "assert iso(e1, e2) | iso(e3) == iso(e1, e2, e3)\n"
        "assert iso(e1, e3) - iso(e3) == iso(e1) and iso(e1, e3) ^ iso(e3, e2) == iso(e1, e2)\n"
        "assert iso(e1) <= iso(e1, e2) and iso(e1) < iso(e1, e2) and not iso(e2) >= iso(e1)\n"
        "assert iso(e1).disjoint(iso(e2)) and e1 in iso(e1) and [] not in iso(e1)\n"
        "assert ty(list) & iso(e1, e2, e3) == iso(e1, e3)\n"
        "assert (iso(e1, e3) | ty(list)) == ty(list) and str(iso(e1, e3) | ty(list)) == 'list'\n"
        "assert iso(e1, e2) | ty(dict) == ty(dict) | iso(e1) != ty(dict)\n"
        "assert ~ty(dict) & iso(e1, e2) == iso(e1) and ~ty(int) & ~ty(dict) != hp.Nothing\n"
        "assert ty(int) & ty(str) == hp.Nothing and ty(int) | ~ty(int) == hp.Anything\n"
        "assert ty(int) < hp.Anything and hp.Nothing < ty(int) and ty(int).disjoint(ty(str))\n"
        "assert dict in (ty(dict) | ty(type)) and {} in ty(dict) and 1 not in ty(dict)\n"
        "assert iso(e1, e2, e4) - dict == iso(e1, e4) and dict & iso(e2, e1) == iso(e2)\n"
        "assert ty(int) & hp.Size(28) & iso(1, 2**80, 'x') == iso(1)\n"
        "h = hp.heap()\n"
        "assert (h - h).count == 0 and (h ^ h) == hp.Nothing and (h | h) == h and h & int <= h\n"
        "assert ((h & int) | (h & str)).count == (h & int).count + (h & str).count\n"
        "late = A()\n"
        "assert late not in h and (h | hp.iso(late)).count > 1000 and late in (h | hp.iso(late))\n"
        "assert eval(repr(h[0].kind), {'hp': hp}) == h[0].kind\n"
        "for wrong in (lambda: ty(int) & None, lambda: ty(1), lambda: len(ty(int)), lambda: list(ty(int))):\n"
        "    try:\n"
        "        wrong()\n"
        "    except TypeError:\n"
        "        continue\n"
        "    raise AssertionError\n",
    )


def test_rows_are_taken_by_everything(python: Runner) -> None:
    run(
        python,
        "class C: pass\n"
        "c = C(); c.__dict__['x'] = s = S([1])\n"
        "keep = {'k': [c, A()]}\n"
        "h = hp.heap()\n"
        "for name in 'byclass byclodo byid bymodule byprod byrcs bysize bytype byunity byvia bydict'.split():\n"
        "    by = getattr(h, name)\n"
        "    assert by.count == h.count and by.size == h.size and len(by) >= 1, name\n"
        "    first = by[0]\n"
        "    assert first.count == by.partition.amounts[0][0] and first.size == by.partition.amounts[0][1], name\n"
        "assert hp.iso(keep['k'][1]).byrcs.kind == hp.Rcs(hp.Clodo(list))\n"
        "assert hp.iso(keep).kind == hp.Clodo(dictof=()) and hp.iso(s.x).byvia.kind == hp.Via('.x')\n"
        "assert hp.iso(sys).bymodule.kind == hp.Module('sys') and hp.iso(sys.__dict__).owners == hp.iso(sys)\n"
        "if any(one is c.__dict__ for one in gc.get_referents(c)):  # 3.13.0 does not tell of it\n"
        "    assert hp.iso(c.__dict__).kind == hp.Clodo(dictof=C) == hp.iso(c).dictof\n"
        "    assert hp.iso(c.__dict__).owners == hp.iso(c)\n"
        "both = h.by('Type&Size')\n"
        "assert both.count == h.count and both.size == h.size and 'Type & Individual Size' in str(both)\n"
        "assert h[1:3].count == h[1].count + h[2].count == h[{1, 2}].count and h[-1] == h[len(h) - 1]\n"
        "assert h.by(hp.Size.dictof).count == h.count and (h & A).by(hp.Type.refdby).count == 1\n"
        "assert h.byid[0].size >= h.byid[1].size >= h.byid[-1].size and h.byid[:3].count == 3\n"
        "assert hp.iso(c).maprox.__dict__ == hp.iso(c.__dict__)\n",
    )


def test_single_objects_are_listed(python: Runner) -> None:
    out = run(
        python,
        "print(hp.iso(*map(float, (3, 1, 2, 10))).byid)\n"
        "print(hp.iso('text', 'long ' * 20).byid)\n"
        "print(hp.iso({}, sys.__dict__, A()).byid)\n"
        "print(hp.iso(1, 2.0, 3.0).brief)\n"
        "print(hp.iso(len, sys, A).brief)\n",
    )
    lines = out.splitlines()
    assert lines[0] == "Set of 4 <float> objects. Total size = 96 bytes."
    assert lines[1] == " Index     Size   %   Cumulative  %   Value"
    assert [line.split()[-1] for line in lines[2:6]] == ["1.0", "2.0", "3.0", "10.0"]
    assert lines[7].endswith("Representation (limited)")
    assert lines[9].endswith("'text'")
    assert "<mixed>" in lines[10]
    assert lines[12].endswith("dict of module: sys")
    assert lines[-2] == "<3 (float | int): <2 float: 2.0, 3.0> | <1 int: 1>>"
    assert lines[-1].startswith("<3 (module | type | types.BuiltinMethodType): <1 module: sys>")


def test_who_holds_an_object(python: Runner) -> None:
    out = run(
        python,
        "def main():\n"
        "    a = A()\n"
        "    b = [a]\n"
        "    keep['b'] = b\n"
        "    return a, b\n"
        "keep = {}\n"
        "main()\n"
        "h = hp.heap()\n"
        "a = h & A\n"
        "print(a.sp)\n"
        "print(a.pathsin)\n"
        "print(a.rp)\n"
        "assert a.referrers == hp.iso(keep['b']) and a.imdom == hp.iso(keep['b'])\n"
        "b = hp.iso(keep['b'])\n"
        "assert b.referents == a and b.dominos >= a and b.domisize >= b.size + a.size\n"
        "assert b.referrers == hp.iso(keep) and a.rp.a == b and len(a.rp) == 4\n",
    )
    lines = out.splitlines()
    assert lines[0] == " 0: hp.Root.i0_modules['__main__'].__dict__['keep']['b'][0]"
    assert " 0: Src[0]" in lines
    start = lines.index("Reference Pattern by <[dict of] class>.")
    assert re.fullmatch(r" 0: _ --- \[-\] 1 __main__\.A: 0x[0-9a-f]+", lines[start + 1])
    assert re.fullmatch(r" 1: a      \[-\] 1 list: 0x[0-9a-f]+\*1", lines[start + 2])
    assert re.fullmatch(r" 2: aa ---- \[-\] 1 dict \(no owner\): 0x[0-9a-f]+\*1", lines[start + 3])
    assert lines[start + 4] == " 3: a3       [S] 1 dict of module: __main__"


def test_paths_between_objects_of_our_own(python: Runner) -> None:
    run(
        python,
        "dst = []\n"
        "middle = [dst, dst]\n"
        "src = {'m': middle, (1, 2): dst}\n"
        "assert hp.iso(dst).get_shpaths(hp.iso(src)).aslist() == ['%s[(1, 2)]']\n"
        "assert hp.iso(middle).get_shpaths(hp.iso(src)).aslist() == [\"%s['m']\"]\n"
        "s = S(dst)\n"
        "assert hp.iso(dst).get_shpaths(hp.iso(s)).aslist() == ['%s.x']\n",
    )


def test_tables_are_kept_in_files_and_compared(python: Runner, tmp_path: Path) -> None:
    file = tmp_path / "tables.hpy"
    run(
        python,
        f"path = {str(file)!r}\n"
        "h = hp.heap()\n"
        "h.dump(path)\n"
        "h.bytype.dump(path)\n"
        "(h & A).byid.dump(path)\n"
        "first, second, third = hp.loadall(path)\n"
        "assert str(first) == str(h) and str(second) == str(h.bytype) and first.count == h.count\n"
        "assert str(hp.load(path)) == str(third)\n"
        "keep = [A() for _ in range(70)]\n"
        "d = hp.heap().diff(first)\n"
        "assert d.count >= 70 and str(d).startswith('Summary of difference operation (A-B).')\n"
        "assert any(row[2] == '__main__.A' and row[0] == 70 for row in d.rows())\n"
        "assert hp.iso(A(), A()).diff(hp.iso()).count == 2 and hp.iso().diff(hp.iso(A())).count == -1\n"
        "assert h.stat[0].count == h[0].count\n"
        "for text in ('nonsense\\n', '', '.count: 3\\n'):\n"
        "    open(path, 'w').write(text)\n"
        "    try:\n"
        "        hp.load(path)\n"
        "    except ValueError:\n"
        "        continue\n"
        "    raise AssertionError\n",
    )


def test_birthplaces_are_producers(kucha: Runner, tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(
        "from guppy import hpy\n"
        "class A: pass\n"
        "hp = hpy()\n"
        "keep = [A() for _ in range(10)]\n"
        "a = hp.heap() & A\n"
        "print(hpy.__module__, a.byprod[0].count)\n"
        "print(a.byid[0].prod[0][2], a.byprod.kind == hp.Prod(__file__, 4))\n"
    )
    done = kucha("run", "--drop-in", str(tmp_path / "app.py"))
    assert "kucha.guppy 10" in done.stdout, done.stderr
    assert "4 True" in done.stdout, done.stderr


def test_it_stands_in_for_guppy(python: Runner) -> None:
    out = run(
        python,
        "from kucha import dropin\n"
        "assert dropin.install('guppy') == ['guppy', 'guppy.heapy']\n"
        "import guppy, guppy.heapy\n"
        "from guppy import hpy as again\n"
        "assert again is hpy and guppy.heapy.hpy is hpy\n"
        "assert 'heap' in dir(hp.doc) and 'Available attributes' in repr(hp.doc)\n"
        "print(hp.doc.heap)\n"
        "for name in ('pb', 'monitor'):\n"
        "    try:\n"
        "        getattr(hp, name)\n"
        "    except AttributeError as error:\n"
        "        print(error)\n",
    )
    assert out.startswith("heap()")
    assert "no profile browser" in out


def test_itself_is_not_in_what_it_measures(python: Runner) -> None:
    run(
        python,
        "sets = [hp.heap() for _ in range(3)]\n"
        "real = [hp.iso([n], {}) for n in range(50)]\n"
        "h = hp.heap()\n"
        "names = [row.name for row in h.bytype.partition.get_rows()]\n"
        "assert not [name for name in names if name.startswith('kucha.')], names\n"
        "assert abs(h.count - sets[0].count) < 300, (h.count, sets[0].count)\n",
    )


COUNTED = """
import gc, sys
from {module} import hpy
class A:
    __slots__ = ("x", "y")
class B: pass
class T(tuple): pass
keep = []
for n in range(500):
    a = A(); a.x = [n] * (n % 7); a.y = "text %d %s" % (n, "x" * (n % 50)); keep.append(a)
    b = B(); b.n = float(n) + 0.25; keep.append(b); keep.append(T((n, 2.5)))
    keep.append({{"k%d" % n: bytearray(n), n: frozenset(range(n % 9))}})
gc.collect()
h = hpy().heap()
for of in (A, B, T, bytearray, frozenset):
    part = h & of
    print(of.__name__, part.count, part.size if of is not B else "")
"""


def test_counts_and_sizes_are_those_of_guppy3(python: Runner) -> None:
    theirs = python("-c", COUNTED.format(module="guppy"))
    if theirs.returncode != 0:
        pytest.skip("guppy3 is not installed for this interpreter")
    ours = python("-c", COUNTED.format(module="kucha.guppy"))
    mine, other = ({line.split()[0]: line.split()[1:] for line in done.stdout.splitlines()} for done in (ours, theirs))
    for name in ("A", "B", "T", "bytearray"):
        assert mine[name][0] == other[name][0], name
    for name in ("A", "T"):
        assert mine[name] == other[name], name
