"""kucha's modules under the names of the originals, so that programs written against those run as they are.

``install()`` (and ``kucha run --drop-in``) puts a finder in front of all others: ``import psutil`` then gives
``kucha.psutil``, whether or not psutil is installed, and imports it only then. What has been imported before under one
of the names is replaced in ``sys.modules``; a module that holds the original already keeps it. What of psutil is not
ours passes through to psutil where that is installed, and is an AttributeError that says so where it is not.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.machinery import ModuleSpec
from types import CodeType, ModuleType
from typing import Any

# Originals, and what stands for them; an entry counts once the module is there.
TABLE = {
    "tracemalloc": "kucha.tracemalloc",
    "memory_profiler": "kucha.memory_profiler",
    "mprof": "kucha.mprof",
    "psutil": "kucha.psutil",
    "resource": "kucha.resource",
    "guppy": "kucha.guppy",
    "guppy.heapy": "kucha.guppy",
    "objgraph": "kucha.objgraph",
}


class _Loader:
    """Gives kucha's module for the original's name; the module stays what it is."""

    def __init__(self, ours: str) -> None:
        self.ours = ours
        self.spec: ModuleSpec | None = None

    def create_module(self, _: ModuleSpec) -> ModuleType:
        """Imports ours."""
        module = importlib.import_module(self.ours)
        self.spec = module.__spec__
        return module

    def exec_module(self, module: ModuleType) -> None:
        """The import system has written the original's name into the module's spec."""
        module.__spec__ = self.spec

    def get_code(self, _: str) -> CodeType | None:
        """For ``python -m``."""
        spec = importlib.util.find_spec(self.ours)
        loader: Any = None if spec is None else spec.loader
        code: CodeType | None = None if loader is None else loader.get_code(self.ours)
        return code


class _Finder:
    """Finds the names that were dropped in."""

    def __init__(self) -> None:
        self.names: set[str] = set()
        self.aside: set[str] = set()

    def find_spec(self, name: str, path: Sequence[str] | None = None, target: object = None) -> ModuleSpec | None:  # noqa: ARG002
        """The import system's question."""
        if name not in self.names or name in self.aside:
            return None
        loader: Any = _Loader(TABLE[name])
        return ModuleSpec(name, loader, origin=TABLE[name])


_finder = _Finder()


def available() -> list[str]:
    """The originals that kucha has a module for."""
    return [name for name, ours in TABLE.items() if importlib.util.find_spec(ours) is not None]


def install(*names: str) -> list[str]:
    """Makes imports of these originals (without names: of all that there are) give kucha's modules, process-wide.

    Returns their names. ValueError for a name that kucha has no module for.
    """
    there = available()
    for name in names:
        if name not in there:
            raise ValueError(f"kucha has nothing in place of '{name}'; there are {', '.join(there)}")
    wanted = [name for name in there if not names or name in names or name.rpartition(".")[0] in names]
    _finder.names.update(wanted)
    if _finder not in sys.meta_path:
        sys.meta_path.insert(0, _finder)  # type: ignore[arg-type, unused-ignore]
    for name in wanted:
        if sys.modules.get(name) is not None and sys.modules[name].__name__ != TABLE[name]:
            sys.modules[name] = importlib.import_module(TABLE[name])
    return wanted


def uninstall() -> None:
    """Lets imports find the originals again; what was imported meanwhile stays where it is held."""
    for name in _finder.names:
        if name in sys.modules and sys.modules[name].__name__ == TABLE[name]:
            del sys.modules[name]
    _finder.names.clear()
    if _finder in sys.meta_path:
        sys.meta_path.remove(_finder)  # type: ignore[arg-type, unused-ignore]


@contextmanager
def originals(name: str) -> Iterator[None]:
    """Inside it, an import finds the original, where that is installed."""
    _finder.aside.add(name)
    try:
        yield
    finally:
        _finder.aside.discard(name)
