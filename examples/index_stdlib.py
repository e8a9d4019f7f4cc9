"""Indexes the interpreter's own standard library: who defines what, and who uses it.

Every module is parsed twice. The first pass collects definitions; the second goes through all names that the code
uses and writes down, for each definition, the places that refer to it. Parsed trees are cached, because the second
pass needs them again; and there lies the mistake that this example is about: the cache does not do what its author
meant. Run it with

    kucha run examples/index_stdlib.py

and the summary names the line. `--modules N` looks at the first N modules only.
"""

from __future__ import annotations

import argparse
import ast
import sys
import sysconfig
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

# Folders that are not the library proper: tests, and what was installed beside it.
NOT_LIBRARY = {"test", "tests", "idle_test", "site-packages", "dist-packages", "lib2to3", "idlelib", "__pycache__"}


# A name with more definitions than this (get, __init__) says nothing about which one is meant.
AMBIGUOUS = 4


@dataclass(frozen=True, slots=True)
class Place:
    """A line of a module."""

    module: str
    line: int


@dataclass(slots=True)
class Definition:
    """A class or a function, and the places that use its name."""

    name: str
    place: Place
    uses: list[Place] = field(default_factory=list)


class Sources:
    """Reads and parses modules."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._trees: dict[tuple[str, int], ast.Module] = {}

    def modules(self) -> list[str]:
        """The names of all modules, as paths below the root, sorted."""
        found = []
        for path in self.root.rglob("*.py"):
            relative = path.relative_to(self.root)
            if not NOT_LIBRARY.intersection(relative.parts):
                found.append(relative.as_posix())
        return sorted(found)

    def tree(self, module: str, reader: int) -> ast.Module:
        """The tree of a module. `reader` tells passes apart, and should never have become part of the key."""
        key = (module, reader)  # so the second pass never hits what the first one cached, and nothing ever leaves
        if key not in self._trees:
            text = (self.root / module).read_text(encoding="utf-8", errors="replace")
            self._trees[key] = ast.parse(text, module)
        return self._trees[key]


def statements(tree: ast.Module) -> Iterator[ast.stmt]:
    """All statements of a module, nested ones too, without a look at expressions."""
    waiting: list[ast.AST] = [tree]
    while waiting:
        node = waiting.pop()
        for block in ("body", "orelse", "finalbody", "handlers", "cases"):
            inner = getattr(node, block, None)
            if isinstance(inner, list):
                yield from (child for child in inner if isinstance(child, ast.stmt))
                waiting.extend(inner)


class Index:
    """Definitions by name, with their uses."""

    def __init__(self, sources: Sources) -> None:
        self.sources = sources
        self.definitions: defaultdict[str, list[Definition]] = defaultdict(list)

    def collect(self, module: str) -> None:
        """First pass: what the module defines."""
        for node in statements(self.sources.tree(module, reader=1)):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
                self.definitions[node.name].append(Definition(node.name, Place(module, node.lineno)))

    def refer(self, module: str) -> None:
        """Second pass: which definitions the module's names could mean."""
        for node in ast.walk(self.sources.tree(module, reader=2)):
            if isinstance(node, ast.Name):
                name = node.id
            elif isinstance(node, ast.Attribute):
                name = node.attr
            else:
                continue
            meant = self.definitions.get(name, ())
            if 0 < len(meant) <= AMBIGUOUS:
                place = Place(module, node.lineno)
                for definition in meant:
                    definition.uses.append(place)


# Lives as long as the program, as the caches of real programs do.
LIBRARY = Sources(Path(sysconfig.get_path("stdlib")))


def report(index: Index, modules: int) -> None:
    """Prints what was found; the same on every run of one interpreter."""
    every = [definition for same in index.definitions.values() for definition in same]
    uses = sum(len(definition.uses) for definition in every)
    unused = sum(not definition.uses for definition in every)
    print(f"{modules} modules, {len(every)} definitions, {uses} uses, {unused} definitions nobody names")
    unique = [same[0] for same in index.definitions.values() if len(same) == 1 and not same[0].name.startswith("__")]
    for definition in sorted(unique, key=lambda one: (-len(one.uses), one.name))[:5]:
        top, count = Counter(place.module for place in definition.uses).most_common(1)[0]
        where = f"{definition.place.module}:{definition.place.line}"
        print(f"  {definition.name:<24}{len(definition.uses):>6} uses, {count} of them in {top}; defined in {where}")


def main() -> int:
    """Builds the index and prints it."""
    parser = argparse.ArgumentParser(description="Index the standard library of this interpreter.")
    parser.add_argument("--modules", type=int, default=None, help="look at the first N modules only")
    limit = parser.parse_args().modules
    modules = LIBRARY.modules()[:limit]
    if not modules:
        print("this interpreter has no standard library in source form", file=sys.stderr)
        return 1
    index = Index(LIBRARY)
    for module in modules:
        index.collect(module)
    for module in modules:
        index.refer(module)
    report(index, len(modules))
    return 0


if __name__ == "__main__":
    sys.exit(main())
