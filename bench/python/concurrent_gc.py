"""What full collections of a large heap keep a program waiting for; prints JSON.

    python concurrent_gc.py stock|kucha|concurrent [CONTAINERS = 10000000] [DEAD = 0.01] [PAGES = huge|small]

The heap is of mixed containers, a share of them dead in cycles. `stock` and `kucha` call gc.collect(). `concurrent`
goes on making a few objects, so that a collection comes to its end, and passes over the live ones meanwhile, writing
to every one of them, as long as the child works; `pass_s` is the slowest such pass, `alone_s` one without a child. A
pause is from the announcement of a collection to its end, on the wall clock and in CPU time of the thread: on a machine
that others use too, the second says what the program would wait for on one of its own.
"""

from __future__ import annotations

import ctypes
import gc
import json
import resource
import sys
import time

NO_HUGE_PAGES = 41  # PR_SET_THP_DISABLE, prctl(2)
WEIGHT = 4  # containers that one item is


class Item:
    """An instance that holds a dict, a list and a tuple."""

    __slots__ = ("held", "me", "number")

    def __init__(self, number: int) -> None:
        inner = [number]
        self.held = ({"inner": inner}, inner)
        self.number = number
        self.me: Item | None = None


class Pauses:
    """Of all collections, as gc.callbacks tell of them."""

    def __init__(self) -> None:
        self.wall: list[float] = []
        self.cpu: list[float] = []
        gc.callbacks.append(self.note)

    def note(self, phase: str, _info: dict[str, int]) -> None:
        """Hear of a collection's begin or end."""
        now = (time.perf_counter(), time.thread_time())
        if phase == "start":
            self.began = now
        else:
            self.wall.append(now[0] - self.began[0])
            self.cpu.append(now[1] - self.began[1])


def build(containers: int, dead: float) -> list[Item]:
    """The live items; the dead ones come first in memory."""
    items = [Item(number) for number in range(containers // WEIGHT)]
    cut = int(len(items) * dead)
    for item in items[:cut]:
        item.me = item
    return items[cut:]


def write_all(items: list[Item]) -> float:
    """Seconds of a pass that writes to every item."""
    began = time.perf_counter()
    for item in items:
        item.number += 1
    return time.perf_counter() - began


def concurrently(items: list[Item]) -> dict[str, float]:
    """Goes on until one concurrent collection is done."""
    from kucha.gc import concurrent

    alone = min(write_all(items) for _ in range(2))
    passes, made = [], []
    began = time.perf_counter()
    gc.enable()
    while (told := concurrent()) is not None and not told.done and not told.lost and not told.refused:
        if told.phase == "child":
            passes.append(write_all(items))
            answered = time.perf_counter() - began
        made.append([[] for _ in range(1000)])
    gc.disable()
    if told is None or not told.done:
        raise SystemExit(f"there was no concurrent collection: {told}")
    slowest = max(passes, default=0.0)
    return {"alone_s": alone, "pass_s": slowest, "child_s": answered, "all_s": time.perf_counter() - began}


def main() -> None:
    mode, *rest = sys.argv[1:]
    containers = int(rest[0]) if rest else 10_000_000
    dead = float(rest[1]) if len(rest) > 1 else 0.01
    if len(rest) > 2 and rest[2] == "small":
        ctypes.CDLL(None).prctl(NO_HUGE_PAGES, 1, 0, 0, 0)
    if mode != "stock":
        import kucha

        kucha.install(gc="kucha", concurrent=mode == "concurrent")
    gc.disable()
    items = build(containers, dead)
    pauses = Pauses()
    told = {}
    if mode == "concurrent":
        told = concurrently(items)
    else:
        gc.collect()
    resident = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    longest = {"wall_ms": max(pauses.wall) * 1e3, "cpu_ms": max(pauses.cpu) * 1e3}
    print(json.dumps({"mode": mode, "resident_mib": resident // 1024, **longest, **told}))


if __name__ == "__main__":
    main()
