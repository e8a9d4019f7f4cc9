"""Files of kucha.tracemalloc: the standard library's own, both ways.

A file is a pickle of the original's Snapshot; so dump() makes one, and load() takes nothing but one: a file cannot run
anything.
"""

from __future__ import annotations

import pickle
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, Any

from kucha.dropin import originals

if TYPE_CHECKING:
    from kucha.tracemalloc import Snapshot


@contextmanager
def _original() -> Iterator[Any]:
    """The standard library's module under its own name, which may lead to ours. Importing it traces nothing."""
    ours = sys.modules["kucha.tracemalloc"]
    replaced = sys.modules.get("tracemalloc") is ours
    if replaced:
        del sys.modules["tracemalloc"]
    try:
        with originals("tracemalloc"):
            import tracemalloc

        yield tracemalloc
    finally:
        if replaced:
            sys.modules["tracemalloc"] = ours


class _Loaded:
    """What a pickled Snapshot, or its traces, is read into: its attributes."""

    traces: Any
    traceback_limit: int


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if module == "tracemalloc" and name in ("Snapshot", "_Traces"):
            return _Loaded
        raise pickle.UnpicklingError(f"a snapshot does not hold {module}.{name}")


def dump(snapshot: Snapshot, added: dict[str, Any], file: IO[bytes]) -> None:
    """Writes a snapshot, with what its program keeps in it (`added`)."""
    with _original() as original:
        copy = original.Snapshot(list(snapshot.traces._traces), snapshot.traceback_limit)
        vars(copy).update(added)
        pickle.dump(copy, file, pickle.HIGHEST_PROTOCOL)


def load(file: IO[bytes], name: str | bytes) -> tuple[Any, int, dict[str, Any]]:
    """The traces, the limit and all attributes of a snapshot; UnpicklingError where the file holds none."""
    loaded = _Unpickler(file).load()
    try:
        return loaded.traces._traces, loaded.traceback_limit, vars(loaded)
    except AttributeError:
        raise pickle.UnpicklingError(f"{name!r} holds no snapshot") from None
