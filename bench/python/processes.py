"""What it costs to ask about a process: kucha.psutil beside psutil, and beside reading the file alone; prints JSON.

    python processes.py [ROUNDS = 7]

The process asks about itself. Everything is measured in turn within one process, ROUNDS times, so that what else the
machine does meets all alike. A figure is microseconds per call, CPU time of this process (user and system: the system's
share is most of it). "raw" is the least that Python can do: os.pread() of a descriptor that is open, of the same file,
into a new bytes object, with nothing made of it; for smaps, whose text is longer than one read gives, open, read to the
end and close. The mappings are those of an interpreter that has imported psutil, and their number is told.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from typing import Any

import psutil
from kucha import psutil as ours

CALLS = {"memory_info": 5000, "memory_footprint": 500, "memory_maps": 40}


def read_all(path: str) -> int:
    """Reads a file to its end; how many bytes that were."""
    descriptor = os.open(path, os.O_RDONLY)
    size = 0
    while part := os.read(descriptor, 1 << 16):
        size += len(part)
    os.close(descriptor)
    return size


def subjects() -> dict[str, dict[str, Callable[[], Any]]]:
    """For each measure, who takes part."""
    mine, other = ours.Process(), psutil.Process()
    statm = os.open("/proc/self/statm", os.O_RDONLY)
    rollup = os.open("/proc/self/smaps_rollup", os.O_RDONLY)
    return {
        "memory_info": {
            "kucha": mine.memory_info,
            "psutil": other.memory_info,
            "raw": lambda: os.pread(statm, 256, 0),
        },
        "memory_footprint": {
            "kucha": mine.memory_footprint,
            "psutil": other.memory_full_info,
            "raw": lambda: os.pread(rollup, 4096, 0),
        },
        "memory_maps": {
            "kucha": mine.memory_maps,
            "psutil": other.memory_maps,
            "raw": lambda: read_all("/proc/self/smaps"),
        },
    }


def cost(call: Callable[[], Any], calls: int) -> float:
    """Microseconds of CPU time per call."""
    start = time.process_time_ns()
    for _ in range(calls):
        call()
    return (time.process_time_ns() - start) / calls / 1000


def main() -> None:
    """Measures all, round by round."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 7
    found: dict[str, dict[str, list[float]]] = {}
    for measure, calls in subjects().items():
        names = list(calls)
        figures = found[measure] = {name: [] for name in names}
        for number in range(rounds + 1):
            for place in range(len(names)):
                name = names[(place + number) % len(names)]
                figure = cost(calls[name], max(1, CALLS[measure] // (10 if number == 0 else 1)))
                if number > 0:  # the first is to warm up
                    figures[name].append(figure)
    facts = {"mappings": len(ours.Process().memory_maps(grouped=False)), "psutil": psutil.__version__}
    print(json.dumps({"microseconds": found, **facts}))


if __name__ == "__main__":
    main()
