"""What it costs to look at a heap, with kucha's instruments and with others; prints JSON.

    python heaps.py WHAT OBJECTS FOLDER

WHAT is one of

    census-kucha, census-objgraph, census-guppy3, census-pympler     a histogram by type
    file                      a heap file, and what it answers: who holds an object, what retains how much
    step-objgraph             who holds an object, one step
    heap-kucha, heap-guppy3   guppy's heap(), printed, and the rows by holder of its largest part
    die                       leave a core file in FOLDER
    core                      make a heap file of the core file that is in FOLDER
    wait                      keep the heap, without kucha, until standard input ends
    living-kucha, living-gcore    a heap file, and a core file, of a program without kucha that goes on
    export                    write a heap file in other formats

The heap is of so many objects: instances with slots, each with a string, two numbers and a list of a string. Seconds
are on the wall clock; those of the processor are of the process, or where it says so of its children. `grown` is by how
many bytes the largest resident size grew.
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

PER_ITEM = 6
REPEATS = 3


class Record:
    """One item of the heap."""

    __slots__ = ("name", "number", "tags", "value")

    def __init__(self, number: int) -> None:
        self.name = f"record {number}"
        self.number = number + (1 << 40)  # no small number, which would be there already
        self.value = number / 7
        self.tags = [f"tag {number}"]


def build(objects: int) -> list[Record]:
    """The heap."""
    return [Record(number) for number in range(objects // PER_ITEM)]


class Meter:
    """What something costs, since the meter was made."""

    def __init__(self) -> None:
        self.peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        self.cpu, self.wall = time.process_time(), time.perf_counter()

    def read(self) -> dict[str, float]:
        """Seconds and bytes."""
        wall, cpu = time.perf_counter() - self.wall, time.process_time() - self.cpu
        grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - self.peak
        return {"wall": wall, "cpu": cpu, "grown": grown * 1024}


def children_cpu() -> float:
    """Seconds of the processor that ended children have had."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def repeated(what: Callable[[], object], times: int) -> dict[str, Any]:
    """The least of some times; memory after all of them."""
    meter = Meter()
    costs = []
    for _ in range(times):
        each = Meter()
        what()
        costs.append(each.read())
    least = {key: min(cost[key] for cost in costs) for key in ("wall", "cpu")}
    return {**least, "first": costs[0]["wall"], "grown": meter.read()["grown"]}


def census_kucha(_items: list[Record], _folder: str) -> dict[str, Any]:
    """kucha.census()."""
    import kucha

    kucha.census()
    told = repeated(kucha.census, REPEATS)
    return {**told, "objects": kucha.census().objects}


def census_objgraph(_items: list[Record], _folder: str) -> dict[str, Any]:
    """Of tracked objects only."""
    import objgraph

    told = repeated(lambda: objgraph.most_common_types(limit=20), 1)
    return {**told, "objects": sum(objgraph.typestats().values())}


def census_guppy3(_items: list[Record], _folder: str) -> dict[str, Any]:
    """heap(), and its rows by type."""
    from guppy import hpy

    interface = hpy()
    found: list[Any] = []
    told = repeated(lambda: found.append(str(interface.heap().bytype)), 1)
    return {**told, "objects": int(found[0].split("set of ")[1].split()[0])}


def census_pympler(_items: list[Record], _folder: str) -> dict[str, Any]:
    """Its summary of all objects that it finds."""
    from pympler import muppy, summary

    found: list[Any] = []
    told = repeated(lambda: found.append(summary.summarize(muppy.get_objects())), 1)
    return {**told, "objects": sum(row[1] for row in found[0])}


def timed(what: Callable[[], object]) -> float:
    """Seconds on the wall clock."""
    began = time.perf_counter()
    what()
    return time.perf_counter() - began


def heap_file(items: list[Record], folder: str) -> dict[str, Any]:
    """Write one; open it; who holds two objects; what retains most."""
    import kucha
    from kucha.heap import Heap

    path = os.path.join(folder, "bench.heap")
    meter, children = Meter(), children_cpu()
    outcome = kucha.heap_dump(path)
    told: dict[str, Any] = {**meter.read(), "stopped": outcome["stopped"], "children": children_cpu() - children}
    began = time.perf_counter()
    heap = Heap(path)
    told["opened"] = time.perf_counter() - began
    first, later = heap.at(id(items[len(items) // 2].tags)), heap.at(id(items[len(items) // 3].tags))
    told["holders_first"] = timed(lambda: first.holders())  # type: ignore[union-attr]
    told["holders_later"] = timed(lambda: later.holders())  # type: ignore[union-attr]
    meter = Meter()
    told["retained"] = heap.at(id(items)).retained  # type: ignore[union-attr]
    told["dominators"] = meter.read()
    info = heap.info
    told |= {"nodes": info["nodes"], "edges": info["edges"], "bytes": os.path.getsize(path)}
    os.unlink(path)
    return told


def step_objgraph(items: list[Record], _folder: str) -> dict[str, Any]:
    """One step of a chain: all that holds one object."""
    import objgraph

    wanted = items[len(items) // 2].tags
    return repeated(lambda: objgraph.find_backref_chain(wanted, lambda _: False, max_depth=1), REPEATS)


def guppy_heap(hpy: Callable[[], Any]) -> dict[str, Any]:
    """heap() and its table; then the holders of its largest part, by row."""
    interface = hpy()
    meter = Meter()
    children = children_cpu()
    found = interface.heap()
    text = str(found)
    told: dict[str, Any] = {**meter.read(), "children": children_cpu() - children}
    meter = Meter()
    str(found[0].byrcs)
    told["byrcs"] = meter.read()
    return {**told, "objects": found.count, "lines": len(text.splitlines())}


def heap_kucha(_items: list[Record], _folder: str) -> dict[str, Any]:
    """kucha.guppy."""
    from kucha.guppy import hpy

    return guppy_heap(hpy)


def heap_guppy3(_items: list[Record], _folder: str) -> dict[str, Any]:
    """guppy3."""
    from guppy import hpy

    return guppy_heap(hpy)


def die(items: list[Record], folder: str) -> dict[str, Any]:
    """Leave a core file, as far as the limits allow, where the system puts it: the folder, if it names no other."""
    hard = resource.getrlimit(resource.RLIMIT_CORE)[1]
    resource.setrlimit(resource.RLIMIT_CORE, (hard, hard))
    os.chdir(folder)
    print(json.dumps({"objects": len(items) * PER_ITEM}), flush=True)
    os.kill(os.getpid(), signal.SIGABRT)
    return {}


def core(folder: str) -> dict[str, Any]:
    """The heap file of a core file."""
    from kucha import corefile

    names = [name for name in os.listdir(folder) if name.startswith("core")]
    if not names:
        raise SystemExit("heaps: the system left no core file here")
    path, out = os.path.join(folder, names[0]), os.path.join(folder, "core.heap")
    sizes = os.stat(path)
    meter = Meter()
    found = corefile.write(path, out)
    told = {**meter.read(), "nodes": found["nodes"], "edges": found["edges"], "core": sizes.st_blocks * 512}
    told |= {"bytes": os.path.getsize(out), "missing": found["missing"]}
    os.unlink(out)
    os.unlink(path)
    return told


def wait(_items: list[Record], _folder: str) -> dict[str, Any]:
    """Be the program that is looked at."""
    print("up", flush=True)
    sys.stdin.read()
    os._exit(0)


@contextlib.contextmanager
def waiting(objects: int, folder: str) -> Iterator[int]:
    """The process number of such a program."""
    words = [sys.executable, __file__, "wait", str(objects), folder]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as program:
        assert program.stdout is not None
        program.stdout.readline()
        yield program.pid


def resident(process: int) -> int:
    """Bytes."""
    with open(f"/proc/{process}/statm") as file:
        return int(file.read().split()[1]) * resource.getpagesize()


def living_kucha(objects: int, folder: str) -> dict[str, Any]:
    """A heap file of a program without kucha; `stopped` is what it stood still."""
    from kucha import corefile

    path = os.path.join(folder, "living.heap")
    with waiting(objects, folder) as process:
        meter, children = Meter(), children_cpu()
        found = corefile.copy(process, path)
        told = {**meter.read(), "resident": resident(process)}
        told["cpu"] += children_cpu() - children  # a process beside this one copies
    told |= {"stopped": found["stopped"], "nodes": found["nodes"], "bytes": os.path.getsize(path)}
    os.unlink(path)
    return told


def living_gcore(objects: int, folder: str) -> dict[str, Any]:
    """A core file by gdb, during all of which the program stands still."""
    path = os.path.join(folder, "living")
    with waiting(objects, folder) as process:
        meter, children = Meter(), children_cpu()
        subprocess.run(
            ["gcore", "-o", path, str(process)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True
        )
        told = {**meter.read(), "resident": resident(process)}
        told["cpu"] += children_cpu() - children
        path = f"{path}.{process}"
    told |= {"stopped": told["wall"], "bytes": os.path.getsize(path)}
    os.unlink(path)
    return told


def export(_items: list[Record], folder: str) -> dict[str, Any]:
    """Seconds of the processor, and bytes written, by format."""
    import kucha
    from kucha.heap import Heap

    path = os.path.join(folder, "bench.heap")
    kucha.heap_dump(path)
    told: dict[str, Any] = {"nodes": Heap(path).info["nodes"]}
    for ending in ("csv", "json", "heapsnapshot"):
        out = os.path.join(folder, f"bench.{ending}")
        before = children_cpu()
        subprocess.run([sys.executable, "-m", "kucha", "heap", "export", path, "-o", out], check=True)
        told[ending] = {"cpu": children_cpu() - before, "bytes": os.path.getsize(out)}
        os.unlink(out)
    os.unlink(path)
    return told


MEASURES: dict[str, Callable[[list[Record], str], dict[str, Any]]] = {
    "census-kucha": census_kucha,
    "census-objgraph": census_objgraph,
    "census-guppy3": census_guppy3,
    "census-pympler": census_pympler,
    "file": heap_file,
    "step-objgraph": step_objgraph,
    "heap-kucha": heap_kucha,
    "heap-guppy3": heap_guppy3,
    "die": die,
    "wait": wait,
    "export": export,
}
OF_OTHERS: dict[str, Callable[[int, str], dict[str, Any]]] = {
    "living-kucha": living_kucha,
    "living-gcore": living_gcore,
}
OURS = ("census-kucha", "file", "heap-kucha", "die", "export")


def main() -> None:
    what, objects, folder = sys.argv[1], int(sys.argv[2]), sys.argv[3]
    if what == "core":
        told = core(folder)
    elif what in OF_OTHERS:
        told = OF_OTHERS[what](objects, folder)
    else:
        if what in OURS:
            import kucha

            kucha.install()
        gc.disable()
        told = MEASURES[what](build(objects), folder)
    print(json.dumps(told), flush=True)
    os._exit(0)  # taking millions of objects down is not what is measured


if __name__ == "__main__":
    main()
