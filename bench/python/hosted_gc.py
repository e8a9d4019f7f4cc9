"""What collections of CPython's objects cost, by its own collector and by kucha's; prints JSON.

    python hosted_gc.py live  stock|kucha|alone KIND CONTAINERS [ORDER = created|references|shuffled]
    python hosted_gc.py dead  stock|kucha|alone KIND CONTAINERS
    python hosted_gc.py build stock|kucha|alone|concurrent KIND CONTAINERS

`alone` is kucha's collector with one thread, where `kucha` marks with as many as there are processors.

`live`: full collections of a heap in which everything lives. In `created` order what refers to the containers, the
collector's list of them and memory all have the order in which they were made; in `references` what refers to them has
another; in `shuffled` the collector's list has one of its own, too. The first collection, which finds everything in the
youngest generation, is told apart. `dead`: the one collection that finds so many containers dead, in cycles and hanging
from cycles, that have lived through one before. `build`: the collector is on, with the thresholds that it comes with;
how much of the building is collections; with `concurrent`, children make the full ones of large heaps, and `child` is
their CPU time. Times are seconds of CPU time of the thread, and on the wall clock where a key says so.
"""

from __future__ import annotations

import ctypes
import gc
import json
import os
import random
import resource
import sys
import time
from collections.abc import Callable

from collector import MAKERS, Slots

REPEATS = 3


class Clock:
    """Seconds of CPU time and on the wall since it was made."""

    def __init__(self) -> None:
        self.cpu, self.wall, self.process = time.thread_time(), time.perf_counter(), time.process_time()

    def read(self) -> tuple[float, float]:
        """Both."""
        return time.thread_time() - self.cpu, time.perf_counter() - self.wall


class Collections:
    """All collections, as gc.callbacks tell of them; kucha's work, too, lies between the two calls."""

    def __init__(self) -> None:
        self.cpu: list[float] = []
        self.wall: list[float] = []
        self.clock = Clock()
        gc.callbacks.append(self.note)

    def note(self, phase: str, _info: dict[str, int]) -> None:
        """Hear of a collection's begin or end."""
        if phase == "start":
            self.clock = Clock()
            return
        cpu, wall = self.clock.read()
        self.cpu.append(cpu)
        self.wall.append(wall)


def ring(number: int) -> Slots:
    """Five containers, of which the first is a cycle by itself and the others hang from it."""
    made = Slots(number)
    made.first = ({"key": [number]}, [number])  # type: ignore[assignment]
    made.second = made  # type: ignore[assignment]
    return made


def loop(number: int) -> Slots:
    """One container that refers to itself."""
    made = Slots(number)
    made.second = made  # type: ignore[assignment]
    return made


# What makes an item that dies in a cycle, and how many containers it is.
DEAD_MAKERS: dict[str, tuple[Callable[[int], object], int]] = {"mixed": (ring, 5), "slots": (loop, 1)}


def make_items(makers: dict[str, tuple[Callable[[int], object], int]], kind: str, containers: int) -> list[object]:
    """Items of so many containers together."""
    make, weight = makers[kind]
    return [make(number) for number in range(containers // weight)]


def track_in_another_order(older: set[int]) -> None:
    """Give the collector's list of all that is not among the older objects an order of its own."""
    untrack, track = (getattr(ctypes.pythonapi, f"PyObject_GC_{name}") for name in ("UnTrack", "Track"))
    for function in (untrack, track):
        function.argtypes, function.restype = [ctypes.py_object], None
    containers = [item for item in gc.get_objects() if id(item) not in older]
    random.Random(2).shuffle(containers)
    for item in containers:
        untrack(item)
        track(item)


def live(kind: str, containers: int, order: str) -> dict[str, object]:
    """Full collections that find nothing."""
    gc.disable()
    older = {id(item) for item in gc.get_objects()}
    items = make_items(MAKERS, kind, containers)
    older.add(id(items))
    if order == "shuffled":
        track_in_another_order(older)
    if order != "created":
        random.Random(1).shuffle(items)
    found = Collections()
    for _ in range(1 + REPEATS):
        gc.collect()
    return {"first": found.cpu[0], "seconds": found.cpu[1:], "first wall": found.wall[0], "wall": found.wall[1:]}


def dead(kind: str, containers: int) -> dict[str, object]:
    """The collection that finds everything dead."""
    gc.disable()
    items = make_items(DEAD_MAKERS, kind, containers)
    gc.collect()
    items.clear()
    clock = Clock()
    gone = gc.collect()
    cpu, wall = clock.read()
    return {"seconds": [cpu], "wall": [wall], "gone": gone}


def children_time() -> float:
    """CPU time of the children that have ended."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def build(kind: str, containers: int) -> dict[str, object]:
    """Build a heap with collections as they come."""
    found = Collections()
    before = children_time()  # a process that was made by exec() has those of the one before
    clock = Clock()
    items = make_items(MAKERS, kind, containers)
    cpu, wall = clock.read()
    process = time.process_time() - clock.process
    gc.disable()
    gc.callbacks.remove(found.note)
    gc.collect()  # a child that still works is ended, and counted
    assert items
    return {
        "built": cpu,
        "built process": process,
        "child": children_time() - before,
        "built wall": wall,
        "collections": len(found.cpu),
        "share": sum(found.cpu) / cpu,
        "share wall": sum(found.wall) / wall,
        "longest wall": max(found.wall, default=0.0),
    }


def main() -> None:
    what, mode, kind, containers, *rest = sys.argv[1:]
    if mode != "stock":
        import kucha

        kucha.install()
        kucha.gc.install(concurrent=mode == "concurrent", threads=mode == "alone")
    measure: dict[str, Callable[..., dict[str, object]]] = {"live": live, "dead": dead, "build": build}
    if what == "live" and not rest:
        rest = ["created"]
    told = measure[what](kind, int(containers), *rest)
    told["resident"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(json.dumps(told), flush=True)
    os._exit(0)  # taking millions of containers down is not what is measured


if __name__ == "__main__":
    main()
