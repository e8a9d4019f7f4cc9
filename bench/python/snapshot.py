"""How long a snapshot with statistics by line takes, at a given number of live blocks; prints JSON.

    python snapshot.py kucha|interface|tracemalloc [BLOCKS = 1800000] [REPEATS = 3]

`kucha` asks the engine for statistics of what it counts; `interface` (kucha.tracemalloc) and `tracemalloc` take a
snapshot of every block, group it, and compare it with the one before, which is timed apart.

The blocks are made at a few hundred different lines (functions compiled from generated source, in several files), in
objects of mixed types, and stay alive while the snapshot is taken. Seconds are wall-clock time, since that is what the
program stands still for; CPU time is beside it.
"""

from __future__ import annotations

import gc
import importlib
import json
import resource
import sys
import time
from collections.abc import Callable
from functools import partial
from typing import Any

FILES = 20
LINES = 25
FORMS = ("[number]", "(number, 'x')", "{{'k': number}}", "str(number) * 3", "bytearray(number % 64)", "Thing(number)")


class Thing:
    """An instance with an attribute dict."""

    def __init__(self, value: int) -> None:
        self.value = value


def makers() -> list[Callable[[int], object]]:
    """One function for each of FILES * LINES places."""
    found: list[Callable[[int], object]] = []
    for file in range(FILES):
        lines = []
        for line in range(LINES):
            form = FORMS[(file + line) % len(FORMS)].format()
            lines.append(f"def make_{line}(number): return {form}")
        space: dict[str, Any] = {"Thing": Thing}
        exec(compile("\n".join(lines), f"generated_{file}.py", "exec"), space)
        found += [space[f"make_{line}"] for line in range(LINES)]
    return found


def blocks_now() -> int:
    """Live blocks as the interpreter counts them; kucha's own count where it is installed."""
    core = sys.modules.get("kucha._core")
    if core is None:
        return sys.getallocatedblocks()
    return sum(heap["blocks_used"] for heap in core.stats())


def fill(blocks: int) -> list[object]:
    """Make objects until so many blocks more are alive."""
    places = makers()
    kept: list[object] = []
    start = blocks_now()
    number = 1 << 20  # beyond the cached small integers
    while blocks_now() - start < blocks:
        for place in places:
            kept.append(place(number))
            number += 1
    return kept


class Clock:
    """What calls took, on the wall and of the processor."""

    def __init__(self) -> None:
        self.wall: list[float] = []
        self.cpu: list[float] = []

    def time(self, call: Callable[[], Any]) -> Any:
        """Makes one call; what it returned."""
        wall, cpu = time.perf_counter(), time.process_time()
        result = call()
        self.wall.append(time.perf_counter() - wall)
        self.cpu.append(time.process_time() - cpu)
        return result


def start(tool: str) -> tuple[Callable[[], tuple[Any, Any]], Callable[[Any, Any], Any] | None]:
    """Starts tracing; what takes a snapshot and its statistics by line, and what compares two snapshots."""
    if tool == "kucha":
        from kucha import _core

        _core.install()
        _core.trace_start(frames=1)
        return lambda: (None, _core.statistics("lineno")), None
    module: Any = importlib.import_module("tracemalloc" if tool == "tracemalloc" else "kucha.tracemalloc")
    module.start()

    def take() -> tuple[Any, Any]:
        snapshot = module.take_snapshot()
        return snapshot, snapshot.statistics("lineno")

    return take, lambda new, old: new.compare_to(old, "lineno")


def main() -> None:
    tool = sys.argv[1]
    blocks = int(sys.argv[2]) if len(sys.argv) > 2 else 1_800_000
    repeats = int(sys.argv[3]) if len(sys.argv) > 3 else 3
    gc.disable()
    take, compare = start(tool)
    kept = fill(blocks)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    taking, comparing = Clock(), Clock()
    rows, older = 0, None
    for _ in range(repeats):
        snapshot, statistics = taking.time(take)
        rows = len(statistics)
        if compare is not None and older is not None:
            comparing.time(partial(compare, snapshot, older))
        older = snapshot
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    facts = {"wall": taking.wall, "cpu": taking.cpu, "compare wall": comparing.wall, "compare cpu": comparing.cpu}
    print(json.dumps({"tool": tool, **facts, "rows": rows, "grown": grown * 1024, "kept": len(kept)}))


if __name__ == "__main__":
    main()
