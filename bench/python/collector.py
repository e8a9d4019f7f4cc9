"""What the stock collector's full collection costs on a heap of live containers; prints JSON.

    python collector.py stock|kucha KIND [CONTAINERS = 3000000] [ORDER = created|shuffled] [REPEATS = 5]

The collector follows a linked list through every container, so where the blocks lie decides how long it takes. KIND is
one of the keys of MAKERS. `shuffled` holds the containers in a list in random order, so that what refers to them meets
them in another order than memory has them. Times are CPU seconds; the first collection, which moves everything to the
oldest generation, is left out by the reader.
"""

from __future__ import annotations

import gc
import json
import random
import resource
import sys
import time
from collections.abc import Callable


class Slots:
    """An instance with slots."""

    __slots__ = ("first", "second")

    def __init__(self, number: int) -> None:
        self.first = number
        self.second = None


class Plain:
    """An instance with attributes, one of them a container."""

    def __init__(self, number: int) -> None:
        self.items = [number]


# What makes one item of the heap, and how many containers it is.
MAKERS: dict[str, tuple[Callable[[int], object], int]] = {
    "lists": (lambda number: [number], 1),
    "dicts": (lambda _: {"key": []}, 2),
    "tuples": (lambda number: (number, []), 2),
    "slots": (Slots, 1),
    "instances": (Plain, 2),
    "mixed": (lambda number: ({"key": [number]}, [number], (number, [number])), 6),
}


def main() -> None:
    mode, kind, *rest = sys.argv[1:]
    containers = int(rest[0]) if rest else 3_000_000
    order = rest[1] if len(rest) > 1 else "created"
    repeats = int(rest[2]) if len(rest) > 2 else 5
    if mode == "kucha":
        from kucha import _core

        _core.install()
    gc.disable()
    make, weight = MAKERS[kind]
    start = time.process_time()
    kept = [make(number) for number in range(containers // weight)]
    if order == "shuffled":
        random.Random(1).shuffle(kept)
    built = time.process_time() - start
    usage = resource.getrusage(resource.RUSAGE_SELF)
    seconds = []
    for _ in range(repeats):
        start = time.process_time()
        gc.collect()
        seconds.append(time.process_time() - start)
    print(
        json.dumps(
            {
                "seconds": seconds,
                "built": built,
                "system": usage.ru_stime,
                "faults": usage.ru_minflt,
                "resident": usage.ru_maxrss * 1024,
                "objects": len(gc.get_objects()) if containers <= 100_000 else containers,
            }
        ),
        flush=True,
    )
    sys.stdout.flush()
    __import__("os")._exit(0)  # taking three million containers down is not what is measured


if __name__ == "__main__":
    main()
