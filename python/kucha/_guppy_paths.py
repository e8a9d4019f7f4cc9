"""Chains of references, for kucha.guppy: shortest paths to an object, the references around it, the pattern behind it.

All are found in a view. A reference is written as the Python text that would follow it, where there is one; a key of a
dict that is no name is looked up in the dict itself, if that still lives.
"""

from __future__ import annotations

import string
from itertools import pairwise

from kucha import _guppy_relations as relations
from kucha._guppy_relations import via_text
from kucha._guppy_tables import ROWS_SHOWN, Everything
from kucha._guppy_view import View

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    from kucha._guppy_relations import Relation
    from kucha._guppy_sets import IdentitySet

_ROOT = 0
_EVERY = (1 << 32) - 1
_HOLDERS_WALKED = 100_000  # of one object, in a search: every function of a module refers to the module's dict
_PATHS_SHOWN = 10


def _kind_and_what(by: str) -> tuple[str, str | None, int]:
    """The name of an edge as kucha._core tells it, taken apart."""
    if by.startswith("value of "):
        return "value", by.removeprefix("value of "), 0
    kind, _, what = by.partition(" ")
    if kind in ("item", "key", "value", "stack", "unknown") and what.isdigit():
        return kind, None, int(what)
    return kind, what or None, 0


def _key_text(view: View, holder: int, number: int) -> str | None:
    """The key of entry `number` of a dict that lives still."""
    found = view.objects([holder]).get(holder)
    keys = list(found) if type(found) is dict else []
    return repr(keys[number]) if number < len(keys) else None


def reference_text(view: View, holder: int, by: str) -> str:
    """A reference as it is written behind its holder."""
    kind, text, number = _kind_and_what(by)
    if kind == "value" and text is None:
        key = _key_text(view, holder, number)
        return f"[{key}]" if key is not None else via_text(kind, text, number)
    return via_text(kind, text, number)


def root_text(path: list[tuple[int, str]], view: View) -> tuple[str, int]:
    """How a path from the root begins, and how many of its steps that covers: modules and frames of threads."""
    names = [by for _, by in path]
    place = view.analysis.node(path[1][0])[8] if len(path) > 1 else ""
    if place == "modules":
        return f"i0_modules[{names[1].removeprefix('module ')!r}]", 2
    if place and str(place).startswith("thread "):
        thread = str(place).rpartition("(")[2].rstrip(")")
        frames = [held for _, held in view.analysis.references(path[1][0], _EVERY)]  # the innermost first
        return f"t{thread}_f{len(frames) - 1 - frames.index(path[2][0])}", 2
    return f"i0[{place!r}]", 2


def path_text(view: View, path: list[int]) -> str:
    """A path of nodes behind its begin."""
    steps = [(holder, view.analysis.edge(holder, held)) for holder, held in pairwise(path)]
    if path[0] != _ROOT:
        return "".join(reference_text(view, *step) for step in steps)
    text, covered = root_text(steps, view)
    return f".{text}" + "".join(reference_text(view, *step) for step in steps[covered:])


class Printed:
    """Lines that are shown ten at a time."""

    def lines(self) -> list[str]:
        """All of them."""
        raise NotImplementedError

    def _shown(self, start: int) -> str:
        lines = self.lines()
        text = lines[start : start + _PATHS_SHOWN]
        if len(lines) > start + _PATHS_SHOWN:
            text.append(f"<... {len(lines) - start - _PATHS_SHOWN} more paths ...>")
        return "\n".join(text)

    def __repr__(self) -> str:
        return self._shown(0)

    __str__ = __repr__

    @property
    def more(self) -> Everything:
        """The lines behind those that are shown first."""
        return Everything(lambda: self._shown(_PATHS_SHOWN))

    @property
    def all(self) -> Everything:
        """Every line."""
        return Everything(lambda: "\n".join(self.lines()))


class ShortestPaths(Printed):
    """The shortest chains of references to the object of a set, from the root or from the objects of another set."""

    def __init__(
        self, dst: IdentitySet, src: IdentitySet | None = None, *, maxpaths: int = 100, avoid_nodes: Any = None
    ) -> None:
        self.hp = dst.hp
        self.view, bits = dst.seen()
        self.maxpaths = maxpaths
        self.targets = self.view.numbers(bits)
        if src is None:
            self.sources = {_ROOT}
        else:
            self.sources = set(self.view.numbers(src._to(dst)[1] if dst._view is not None else self._in(src)))
        self.avoid = set(self.view.numbers(self._in(avoid_nodes))) if avoid_nodes is not None else set()
        self._paths: list[list[int]] | None = None

    def _in(self, given: Any) -> bytes:
        return self.view.of_objects(given.nodes)

    def paths(self) -> list[list[int]]:
        """The paths, as nodes."""
        if self._paths is None:
            self._paths = []
            for target in self.targets:
                self._paths += self._to(target)
        return self._paths[: self.maxpaths]

    def _holders(self, number: int) -> list[int]:
        found = self.view.analysis.referrers(number, _HOLDERS_WALKED)[1]
        alive = self.view
        return list(dict.fromkeys(holder for holder, _ in found if self._counts(alive, holder)))

    def _counts(self, view: View, holder: int) -> bool:
        if holder in self.sources:
            return True
        if holder in self.avoid:
            return False
        node = view.analysis.node(holder)
        if node[5] >> 5 & 1:  # a place
            return node[8] not in ("C or unknown", "immortal")
        return not view.is_own(holder)

    def _to(self, target: int) -> list[list[int]]:
        """Breadth first from the object up, by layers, until one has a source in it; then every way back down."""
        above: dict[int, list[int]] = {}  # of each node met: the next ones on shortest ways to the target
        layer, seen = [target], {target}
        while layer and not self.sources & set(layer):
            found: dict[int, list[int]] = {}
            for number in layer:
                for holder in self._holders(number):
                    if holder not in seen:
                        found.setdefault(holder, []).append(number)
            seen |= set(found)
            above |= found
            layer = list(found)
        return [path for start in layer if start in self.sources for path in self._down(start, target, above)]

    def _down(self, start: int, target: int, above: dict[int, list[int]]) -> Iterator[list[int]]:
        waiting = [[start]]
        made = 0
        while waiting and made < self.maxpaths:
            path = waiting.pop()
            if path[-1] == target:
                made += 1
                yield path
            else:
                waiting += [[*path, number] for number in reversed(above[path[-1]])]

    def _text(self, path: list[int]) -> str:
        begin = f"{self.hp.reprefix}Root" if path[0] == _ROOT else "Src"
        return f"{begin}{path_text(self.view, path)}"

    def lines(self) -> list[str]:
        return [f"{index:2}: {self._text(path)}" for index, path in enumerate(self.paths())]

    def __getitem__(self, index: int) -> str:
        return f"%s{path_text(self.view, self.paths()[index])}"

    def __len__(self) -> int:
        return len(self.paths())

    def aslist(self) -> list[str]:
        """The paths as text, with ``%s`` for where they begin."""
        return [self[index] for index in range(len(self))]

    @property
    def numpaths(self) -> int:
        """How many there are."""
        return len(self)


class Around(Printed):
    """The references into an object, or out of it."""

    def __init__(self, of: IdentitySet, way: str) -> None:
        self.view, bits = of.seen()
        self.numbers = self.view.numbers(bits)
        self.way = way

    def _of(self, number: int) -> list[tuple[int, str]]:
        if self.way == "out":
            found = self.view.analysis.references(number, _EVERY)
            return [(number, by) for by, held in found if not by.startswith("buffer") and held != number]
        return [pair for pair in self.view.analysis.referrers(number, _EVERY)[1] if not self.view.is_own(pair[0])]

    def lines(self) -> list[str]:
        found = [reference_text(self.view, *pair) for number in self.numbers for pair in self._of(number)]
        return [f"{index:2}: Src{text}" for index, text in enumerate(found)]


class ReferencePattern:
    """Who refers to the objects of a set, by kind, who refers to those, and so on: a tree in lines.

    Signs: [-] goes on; [+] would go on, deeper than asked; [S] a module's dict, where it stops; [R] the root, or where
    it was told to begin; [^ n] the same set as line n.
    """

    def __init__(self, of: IdentitySet, depth: int, er: Relation, src: IdentitySet | None) -> None:
        self.er = er
        self.depth = depth
        view, bits = of.seen()
        self.hp = of.hp
        self.view = view
        self.source = src._to(of)[1] if src is not None and of._view is not None else None
        if src is not None and self.source is None:
            self.source = view.of_objects(src.nodes)
        self.lines: list[tuple[str, int, str, bytes]] = []  # name, depth, sign, objects
        self._add("_", 0, bits)

    def _add(self, name: str, depth: int, bits: bytes) -> None:
        same = next((index for index, line in enumerate(self.lines) if line[3] == bits), None)
        sign = self._sign(depth, bits) if same is None else f"^ {same}"
        self.lines.append((name, depth, sign, bits))
        if sign != "-":
            return
        holders = self.view.what.related(bits, "holders")
        rows = sorted(self.er.rows(self.view, holders), key=lambda row: (-row[2], self.er.text(row[0])))
        for index, row in enumerate(rows):
            self._add(_child(name, index), depth + 1, self.er.select(self.view, holders, row[3]))

    def _sign(self, depth: int, bits: bytes) -> str:
        if self.source is not None and any(relations.common(bits, self.source)):
            return "R"
        kinds = [relations.CLODO.text(row[0]) for row in relations.CLODO.rows(self.view, bits)]
        if depth > 0 and kinds == ["dict of module"]:
            return "S"
        return "+" if depth >= self.depth else "-"

    def _set(self, bits: bytes) -> IdentitySet:
        from kucha._guppy_sets import IdentitySet

        return IdentitySet(self.hp, self.er, None, self.view, bits)

    def __len__(self) -> int:
        return len(self.lines)

    def __getitem__(self, index: int) -> IdentitySet:
        return self._set(self.lines[index][3])

    def __iter__(self) -> Iterator[IdentitySet]:
        return (self._set(line[3]) for line in self.lines)

    def __getattr__(self, name: str) -> IdentitySet:
        for line, _, _, bits in self.lines:
            if line == name:
                return self._set(bits)
        raise AttributeError(f"no line of the pattern is called {name!r}")

    def _line(self, index: int) -> str:
        name, depth, sign, bits = self.lines[index]
        filler = "-" if depth % 2 == 0 else " "
        lead = f"{name} {filler * max(depth + 4 - len(name), 1)} "
        return f"{index:2}: {lead}[{sign}] {self._set(bits).brief[1:-1]}"

    def text(self, start: int, most: int) -> str:
        """The lines from `start` on."""
        end = min(start + most, len(self.lines))
        lines = [] if start else ["Reference Pattern by <[dict of] class>."]
        lines += [self._line(index) for index in range(start, end)]
        if end < len(self.lines):
            lines.append("<Type e.g. '_.more' for more.>")
        return "\n".join(lines)

    def __repr__(self) -> str:
        return self.text(0, ROWS_SHOWN)

    __str__ = __repr__

    @property
    def more(self) -> More:
        """The next lines."""
        return More(self.text, ROWS_SHOWN)


class More:
    """Lines behind others."""

    def __init__(self, text: Callable[[int, int], str], at: int) -> None:
        self._text = text
        self._at = at

    def __repr__(self) -> str:
        return self._text(self._at, ROWS_SHOWN)

    @property
    def more(self) -> More:
        """The next lines."""
        return More(self._text, self._at + ROWS_SHOWN)

    @property
    def top(self) -> More:
        """The first lines."""
        return More(self._text, 0)

    @property
    def prev(self) -> More:
        """The lines before these."""
        return More(self._text, max(0, self._at - ROWS_SHOWN))


def _child(name: str, index: int) -> str:
    """The name of a line under another: `a` under `_`, `ab` under `a`, `a3` for `aaa`."""
    letter = string.ascii_lowercase[index] if index < len(string.ascii_lowercase) else f"_{index}_"
    letters = ("" if name == "_" else _spelled(name)) + letter
    only = letters[0]
    return letters if len(letters) < 3 or letters != only * len(letters) else f"{only}{len(letters)}"


def _spelled(name: str) -> str:
    """`aaa` for `a3`."""
    return name[0] * int(name[1:]) if name[1:].isdigit() else name
