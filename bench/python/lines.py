"""How many times slower a loop runs when its lines are profiled: kucha's three ways, and memory_profiler; prints JSON.

    python lines.py [ROUNDS = 7] [LINES = 100000]

Two loops: one whose lines make objects, and one whose lines do nothing, which is the worst there is. In each round the
loop runs plain and then in every way, so that what else the machine does meets all alike; a figure is CPU time of the
process over that of the same round's plain run. The original is given a hundredth of the lines, and one round. `floor`
is what the interpreter itself asks for: from 3.12 on a callback of sys.monitoring in C that does nothing, at each line.
`reading` is what the kernel asks for: the resident size read as often as there are lines, and nothing else.
"""

from __future__ import annotations

import io
import json
import operator
import sys
import time
from collections import deque
from collections.abc import Callable
from itertools import repeat, starmap
from typing import Any

import kucha
from kucha import _core
from kucha.memory_profiler import LineProfiler

WAYS = ("off", "moved", "every")
ORIGINAL_SHARE = 100


def objects(lines: int) -> None:
    """Four lines a round, three of which make objects."""
    for i in range(lines // 4):
        x = i * 2
        y = x + 1
        z = str(y)
    del x, y, z


def empty(lines: int) -> None:
    """Four lines a round that do next to nothing."""
    i = 0
    end = lines // 4
    while i < end:
        i += 1
        i = i
        i = i


LOOPS: tuple[Callable[[int], None], ...] = (objects, empty)


def cost(call: Callable[[], object]) -> float:
    """CPU seconds of one call."""
    start = time.process_time()
    call()
    return time.process_time() - start


def profiled(way: str, loop: Callable[[int], None], lines: int) -> float:
    """CPU seconds of a loop under kucha's profiler."""
    profiler = LineProfiler(resident=way)
    profiler.add_function(loop)
    with profiler:
        return cost(lambda: loop(lines))


def original(loop: Callable[[int], None], lines: int) -> float | None:
    """CPU seconds of a loop under memory_profiler; None where it is not installed."""
    try:
        from memory_profiler import LineProfiler as Original
    except ImportError:
        return None
    profiler = Original(backend="psutil")
    wrapped = profiler(loop)
    seconds = cost(lambda: wrapped(lines))
    profiler.code_map.clear()
    return seconds


def floor(loop: Callable[[int], None], lines: int) -> float | None:
    """CPU seconds of a loop whose every line is told of to a function that does nothing; None before 3.12."""
    if sys.version_info < (3, 12):
        return None
    monitoring: Any = sys.monitoring
    tool, event = monitoring.PROFILER_ID, monitoring.events.LINE
    monitoring.use_tool_id(tool, "floor")
    monitoring.register_callback(tool, event, operator.is_)
    monitoring.set_local_events(tool, loop.__code__, event)
    seconds = cost(lambda: loop(lines))
    monitoring.set_local_events(tool, loop.__code__, 0)
    monitoring.register_callback(tool, event, None)
    monitoring.free_tool_id(tool)
    return seconds


def reading(times: int) -> float:
    """CPU seconds of so many readings of the resident size."""
    return cost(lambda: deque(starmap(_core.resident, repeat((), times)), maxlen=0))


def measure(loop: Callable[[int], None], rounds: int, lines: int) -> dict[str, Any]:
    """Ratios of all ways, round by round; the nanoseconds of a plain line."""
    found: dict[str, list[float]] = {"plain": [], "floor": [], "reading": [], **{way: [] for way in WAYS}}
    for number in range(rounds + 1):
        plain = cost(lambda: loop(lines))
        ratios = {way: profiled(way, loop, lines) / plain for way in WAYS}
        bare, read = floor(loop, lines), reading(lines) / plain
        if number == 0:
            continue  # the interpreter specialises code, and the clock is calibrated
        found["plain"].append(plain / lines * 1e9)
        for way, ratio in ratios.items():
            found[way].append(ratio)
        found["reading"].append(read)
        if bare is not None:
            found["floor"].append(bare / plain)
    few = max(4, lines // ORIGINAL_SHARE)
    theirs = original(loop, few)
    found["original"] = [] if theirs is None else [theirs / cost(lambda: loop(lines)) * lines / few]
    return found


def main() -> None:
    """Measures both loops."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 7
    lines = int(sys.argv[2]) if len(sys.argv) > 2 else 100_000
    kucha.install()
    out, sys.stdout = sys.stdout, io.StringIO()  # the original prints its table
    try:
        found = {loop.__name__: measure(loop, rounds, lines) for loop in LOOPS}
    finally:
        sys.stdout = out
    print(json.dumps(found))


if __name__ == "__main__":
    main()
