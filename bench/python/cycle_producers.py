"""What kucha.gc.producers() costs a collection, off and on in turn: CPU time of the thread, medians of the rounds.

    python3 bench/python/cycle_producers.py [stock | allocator | traced | kucha] [pairs]

Prints nanoseconds without and with it: for each dead object where many are (instances in pairs), for a young collection
that finds nothing, and for one that finds a list that holds itself, made and dropped.
"""

from __future__ import annotations

import gc
import sys
from statistics import median
from time import thread_time_ns

from kucha import _core

ROUNDS = 9
YOUNG = 1000  # collections of a measurement


class Node:
    def __init__(self, parent: Node | None = None) -> None:
        self.parent = parent
        self.child: Node | None = None


def many(pairs: int) -> float:
    for _ in range(pairs):
        node = Node()
        node.child = Node(node)
    del node
    began = thread_time_ns()
    found = gc.collect()
    return (thread_time_ns() - began) / found


def nothing() -> float:
    began = thread_time_ns()
    for _ in range(YOUNG):
        gc.collect(0)
    return (thread_time_ns() - began) / YOUNG


def one() -> float:
    began = thread_time_ns()
    for _ in range(YOUNG):
        row: list[object] = []
        row.append(row)
        del row
        gc.collect(0)
    return (thread_time_ns() - began) / YOUNG


def main(words: list[str]) -> None:
    how = words[0] if words else "stock"
    pairs = int(words[1]) if len(words) > 1 else 20000
    if how != "stock":
        _core.install()
    if how == "traced":
        _core.trace_start(frames=1)
    if how == "kucha":
        _core.gc_install()
    gc.disable()
    measures = {"dead object of many": lambda: many(pairs), "nothing found": nothing, "one found": one}
    times: dict[tuple[str, bool], list[float]] = {(name, on): [] for name in measures for on in (False, True)}
    for _ in range(ROUNDS):
        for on in (False, True):
            if on:
                _core.gc_producers_start()
            gc.collect()
            for name, measure in measures.items():
                times[name, on].append(measure())
            if on:
                _core.gc_producers_stop()
    for name in measures:
        print(f"{how:<10} {name:<20} {median(times[name, False]):8.0f} {median(times[name, True]):8.0f}")


if __name__ == "__main__":
    main(sys.argv[1:])
