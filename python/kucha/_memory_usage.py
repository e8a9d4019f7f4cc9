"""Memory over time: ``memory_usage()`` of kucha.memory_profiler, and what its backends read.

A function is sampled by a thread of the system's that needs no GIL (kucha._process.Sampler), where the original starts
a second Python process for it; so nothing is forked, and its memory is not among the children's. A process is read by
way of kucha.psutil.
"""

from __future__ import annotations

import os
import subprocess
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import IO, Any

from kucha import psutil
from kucha._process import Sampler

MIB = float(1 << 20)
BACKENDS = ("psutil", "psutil_pss", "psutil_uss", "posix", "tracemalloc")
_MEASURE = {"psutil": "rss", "posix": "rss", "psutil_pss": "pss", "psutil_uss": "uss"}

Reading = float | tuple[float, float]


def choose_backend(new_backend: str | None = None) -> str:
    """The backend of that name; all of them are there. None is psutil."""
    if new_backend is None:
        return "psutil"
    if new_backend not in BACKENDS:
        raise KeyError(f"{new_backend!r} is no backend; there are {', '.join(BACKENDS)}")
    return new_backend


def process_bytes(process: psutil.Process, backend: str) -> int:
    """What a process has, as the backend measures it."""
    if backend in ("psutil", "posix"):
        return int(process.memory_info().rss)
    footprint = process.memory_footprint()
    return int(footprint.pss if backend == "psutil_pss" else footprint.uss)


def child_memory(pid: int, backend: str = "psutil") -> Iterator[tuple[int, float]]:
    """The processes that descend from one, and what each has, in MiB."""
    try:
        children = psutil.Process(os.getpid() if pid == -1 else pid).children(recursive=True)
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return
    for child in children:
        try:
            yield child.pid, process_bytes(child, backend) / MIB
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue  # it has ended meanwhile


def traced_tracemalloc() -> Any:
    """The tracemalloc of kucha, or the standard library's where that is the one that traces, or kucha's cannot."""
    import sys

    from kucha import tracemalloc as ours

    stock = sys.modules.get("tracemalloc")
    if stock is not None and stock is not ours and stock.is_tracing():
        return stock
    return ours


def start_tracemalloc() -> None:
    """Starts tracing, where nothing traces yet."""
    tracemalloc = traced_tracemalloc()
    if tracemalloc.is_tracing():
        return
    try:
        tracemalloc.start()
    except RuntimeError as error:
        from kucha.dropin import originals

        with originals("tracemalloc"):
            import tracemalloc as stock
        warnings.warn(f"{error}; the standard library's tracemalloc is used instead", stacklevel=3)
        stock.start()


def traced_bytes(filename: str | None) -> int:
    """What tracemalloc counts for a file."""
    if filename is None or filename == "<unknown>":
        raise RuntimeError("There is no access to source file of the profiled function")
    statistics = traced_tracemalloc().take_snapshot().statistics("filename")
    return sum(entry.size for entry in statistics if entry.traceback[0].filename.startswith(filename))


def get_memory(
    pid: int, backend: str, timestamps: bool = False, include_children: bool = False, filename: str | None = None
) -> Any:
    """Memory of a process (-1: of this one) in MiB, with the time of day if asked for."""
    if backend == "tracemalloc":
        memory = traced_bytes(filename) / MIB
    else:
        process = psutil.Process(os.getpid() if pid == -1 else pid)
        memory = process_bytes(process, backend) / MIB
        if include_children:
            memory += sum(child for _, child in child_memory(process.pid, backend))
    return (memory, time.time()) if timestamps else memory


# ---- what is watched ----


class _Wanted:
    """The arguments of memory_usage() that say what a reading is, and where it goes."""

    def __init__(
        self,
        backend: str,
        timestamps: bool,
        include_children: bool,
        multiprocess: bool,
        max_usage: bool,
        stream: IO[str] | None,
    ) -> None:
        self.backend = backend
        self.timestamps = timestamps
        self.include_children = include_children
        self.multiprocess = multiprocess
        self.max_usage = max_usage
        self.stream = stream
        self.result: Any = -1 if max_usage else []

    def read(self, pid: int) -> None:
        """One reading of a process, put where it belongs."""
        if self.max_usage:
            now = get_memory(pid, self.backend, include_children=self.include_children)
            self.result = max(self.result, now)
            return
        memory = get_memory(pid, self.backend, self.timestamps, self.include_children)
        if self.stream is not None:
            self.write(memory, pid)
        elif self.multiprocess:
            self.result.append([memory, *(child for _, child in child_memory(pid))])
        else:
            self.result.append(memory)

    def write(self, memory: tuple[float, float], pid: int) -> None:
        """Lines of a .dat file."""
        assert self.stream is not None
        self.stream.write("MEM {:.6f} {:.4f}\n".format(*memory))
        if self.multiprocess:
            for child, bytes_of_child in child_memory(pid):
                self.stream.write(f"CHLD {child} {bytes_of_child:.6f} {time.time():.4f}\n")


FLUSHED_EVERY = 50  # lines of a stream, so that another program can follow the file


def _watch_process(wanted: _Wanted, pid: int, interval: float, readings: float) -> None:
    count = 0
    while count < readings:
        count += 1
        wanted.read(pid)
        time.sleep(interval)
        if wanted.stream is not None and count % FLUSHED_EVERY == 0:
            wanted.stream.flush()


def _watch_popen(wanted: _Wanted, process: subprocess.Popen[Any], interval: float, readings: float) -> None:
    count = 0
    while True:
        try:
            wanted.read(process.pid)
        except (psutil.NoSuchProcess, psutil.ZombieProcess):
            process.poll()
            break  # it ended between two readings
        time.sleep(interval)
        count += 1
        if wanted.stream is not None and count % FLUSHED_EVERY == 0:
            wanted.stream.flush()
        if count >= readings or process.poll() is not None:
            break


ENOUGH_READINGS = 4  # with no more, the function was too quick for the interval, and runs again with a shorter one
SHORTEST_INTERVAL = 1e-6


def _watch_function(
    wanted: _Wanted, call: tuple[Callable[..., Any], Sequence[Any], dict[str, Any]], interval: float, runs: float
) -> Any:
    """Calls the function until there are readings enough. What it returned."""
    function, arguments, keywords = call
    measure: Any = _MEASURE[wanted.backend]
    done = 0
    while True:
        done += 1
        sampler = Sampler(interval, what=measure, children=wanted.include_children, most_only=wanted.max_usage)
        try:
            returned = function(*arguments, **keywords)
        finally:
            samples, taken = sampler.stop()
        if taken > ENOUGH_READINGS or done == runs or interval < SHORTEST_INTERVAL:
            break
        interval /= 10.0
    in_mib = [(memory / MIB, when) for memory, when in samples]
    if wanted.max_usage:
        wanted.result = in_mib[0] if wanted.timestamps else in_mib[0][0]
    elif wanted.stream is not None:
        for reading in in_mib:
            wanted.write(reading, os.getpid())
    else:
        wanted.result = in_mib if wanted.timestamps else [memory for memory, _ in in_mib]
    return returned


def _function_call(proc: Any) -> tuple[Callable[..., Any], Sequence[Any], dict[str, Any]]:
    if callable(proc):
        return proc, (), {}
    if not 1 <= len(proc) <= 3:
        raise ValueError(f"a function is given as (f,), (f, args) or (f, args, kw), not as {len(proc)} items")
    function = proc[0]
    arguments: Sequence[Any] = proc[1] if len(proc) > 1 else ()
    keywords: dict[str, Any] = proc[2] if len(proc) > 2 else {}
    if not callable(function):
        raise TypeError(f"the first of (f, args, kw) must be a function, not {function!r}")
    return function, arguments, keywords


def _process_number(proc: Any) -> int:
    if isinstance(proc, str) and proc.removeprefix("-").isdecimal():
        return int(proc)
    if isinstance(proc, int):
        return proc
    raise TypeError(f"a pid, a Popen object or a function is wanted, not {proc!r}")


def memory_usage(
    proc: Any = -1,
    interval: float = 0.1,
    timeout: float | None = None,
    timestamps: bool = False,
    include_children: bool = False,
    multiprocess: bool = False,
    max_usage: bool = False,
    retval: bool = False,
    stream: IO[str] | None = None,
    backend: str | None = None,
    max_iterations: float | None = None,
) -> Any:
    """Memory of a process, or while a function runs, in MiB.

    ``proc``: a pid (-1 is this process), a Popen object, a function, or a tuple (f, args, kw). Readings come every
    ``interval`` seconds, for ``timeout`` seconds, once for a pid without one; a function that is too quick for five
    readings is called again, with a tenth of the interval, at most ``max_iterations`` times. Returns a list, of pairs
    with the time of day with ``timestamps``, of lists with one number for each child with ``multiprocess``; the
    highest alone with ``max_usage``; and what the function returned beside that with ``retval``. With ``stream``
    readings are written there, in the format of mprof, and None is returned.
    """
    chosen = choose_backend(backend)
    if chosen == "tracemalloc":
        raise RuntimeError("There is no access to source file of the profiled function")
    wanted = _Wanted(chosen, timestamps or stream is not None, include_children, multiprocess, max_usage, stream)
    readings = float("inf") if timeout is None else float(round(timeout / interval))
    if callable(proc) or isinstance(proc, (list, tuple)):
        runs = readings if timeout is not None or max_iterations is None else max_iterations
        returned = _watch_function(wanted, _function_call(proc), interval, runs)
        if retval and stream is None:
            return wanted.result, returned
    elif isinstance(proc, subprocess.Popen):
        _watch_popen(wanted, proc, interval, readings)
    else:
        _watch_process(wanted, _process_number(proc), interval, 1 if timeout is None else readings)
    return None if stream is not None else wanted.result
