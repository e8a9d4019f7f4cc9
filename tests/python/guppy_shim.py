"""Runs guppy3's own tests with kucha.guppy in guppy's place: ``python guppy_shim.py FOLDER TEST...``.

FOLDER is guppy3's source; only its tests are taken from there. They reach for guppy's inside through ``Root()``; the
stand-in has of it what kucha has, under guppy's names. Prints the tests that did not pass, behind a line of ``=``.
"""

from __future__ import annotations

import contextlib
import importlib.util
import io
import sys
import types
import unittest
from pathlib import Path
from types import ModuleType
from typing import Any

from kucha.guppy import Heapy, hpy


class Part:
    """A part of guppy, with the attributes given."""

    def __init__(self, **attributes: Any) -> None:
        self.__dict__ |= attributes


class Root:
    """guppy's way to modules: each is an attribute."""

    folder = Path()

    def __getattr__(self, name: str) -> Any:
        return self._guppy() if name == "guppy" else importlib.import_module(name)

    def _guppy(self) -> Part:
        use: Heapy = hpy()
        use.reprefix = "hpy()."
        view = Part(is_rg_update_all=False, heap=use.heap)
        uniset = Part(Anything=use.Anything, Nothing=use.Nothing, types=types)
        heapy = Part(Use=use, View=view, UniSet=uniset, Part=None, ImpSet=None, Path=None, RefPat=None)
        return Part(heapy=heapy, sets=Laws())


class Laws:
    """guppy's tests of the laws of sets, read when they are asked for."""

    @property
    def test(self) -> ModuleType:
        """The module."""
        return sys.modules.get("laws") or loaded("laws", Root.folder / "guppy" / "sets" / "test.py")


def loaded(name: str, path: Path) -> ModuleType:
    """A module out of a file."""
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def main(folder: Path, wanted: list[str]) -> None:
    """Runs the tests called so: module.class.function."""
    Root.folder = folder
    for name in ("guppy", "guppy.heapy", "guppy.heapy.test", "guppy.sets"):
        sys.modules[name] = ModuleType(name)
    sys.modules["guppy"].Root = Root  # type: ignore[attr-defined]
    sys.modules["guppy"].hpy = hpy  # type: ignore[attr-defined]
    for name in ("mutbitset", "immbitset", "mutnodeset", "immnodeset"):  # sets that kucha has none of: only named
        setattr(sys.modules["guppy.sets"], name, frozenset)
    tests = folder / "guppy" / "heapy" / "test"
    support = loaded("guppy.heapy.test.support", tests / "support.py")
    sys.modules["guppy.heapy.test"].support = support  # type: ignore[attr-defined]
    suite = unittest.TestSuite()
    for name in wanted:
        module, case, function = name.split(".")
        found = sys.modules.get(module) or loaded(module, tests / f"{module}.py")
        suite.addTest(getattr(found, case)(function))
    told = io.StringIO()
    with contextlib.redirect_stdout(told):
        result = unittest.TextTestRunner(stream=sys.stderr).run(suite)
    print("=" * 10)
    for test, _ in [*result.failures, *result.errors]:
        print(test.id())


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
