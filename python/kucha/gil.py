"""Who holds the interpreter's lock, who waits for it, and what share of that collections take.

    from kucha import gil

    with gil.watch() as seen:
        work()
    print(seen())

Nothing can be hooked where the interpreter takes and drops its lock, so a thread that never takes it looks, about
every millisecond, at moments drawn at random. Shares are estimates, with the half width of a 95 % interval beside
them (None while there are too few looks); changes of hands are the interpreter's own count, and collections are timed
by functions in ``gc.callbacks``. Nothing else has to be installed: this works beside any allocator. See docs/gil.md.
"""

from __future__ import annotations

import atexit
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from kucha import _core
from kucha.text import number, one_line, percent, plural, seconds

__all__ = ["Report", "Thread", "read", "start", "stop", "watch"]

SHOWN = 10  # threads of a report as text; those that held or waited most

_names: dict[int, str] = {}  # by the kernel's number, of threads that were seen alive


@dataclass(frozen=True)
class Thread:
    """One thread: seconds that it held the lock, waited for it, and ran (or was ready to) without it."""

    name: str
    ident: int
    native_id: int
    held: float
    held_error: float | None  # share of the time, as all errors
    waiting: float
    waiting_error: float | None
    running: float


@dataclass(frozen=True)
class Report:
    """What was seen of the lock. Times are in seconds, errors are shares of the time."""

    seconds: float
    looks: int
    held: float
    held_error: float | None
    switches: int
    collections: int
    collections_seconds: float
    waits_known: bool
    left_out: int
    price: float
    threads: list[Thread]

    def __str__(self) -> str:
        return "\n".join(self._lines())

    def _lines(self) -> Iterator[str]:
        yield (
            f"held {_share(self.held, self.seconds, self.held_error)} of {seconds(self.seconds)}, "
            f"{plural(self.switches, 'change')} of hands; {plural(self.looks, 'look')}, "
            f"{seconds(self.price)} of a processor"
        )
        took = percent(self.collections_seconds, self.held) or "0.0%"
        yield (
            f"collections took {seconds(self.collections_seconds)} in {number(self.collections)}, {took} of what it "
            "was held"
        )
        for thread in self.threads[:SHOWN]:
            yield self._line(thread)
        if len(self.threads) > SHOWN or self.left_out:
            yield f"and {plural(len(self.threads[SHOWN:]), 'thread')} more"

    def _line(self, thread: Thread) -> str:
        text = f"{one_line(thread.name)} held it {_share(thread.held, self.seconds, thread.held_error)}"
        if not self.waits_known:
            return f"{text} (this system does not tell who waits)"
        waited = _share(thread.waiting, self.seconds, thread.waiting_error)
        return f"{text}, waited {waited}, ran without it {percent(thread.running, self.seconds)}"


def _share(part: float, whole: float, error: float | None) -> str:
    share = percent(part, whole) or "0.0%"
    return share if error is None else f"{share} ± {100 * error:.1f}"


def start(interval: float = 0.001) -> None:
    """Starts looking, every `interval` seconds on average; what was seen before is forgotten.

    Raises ``kucha.Refused`` on an interpreter whose lock is not known, or that is watched already, and ValueError for
    an interval outside of 0.0001 to 10.
    """
    _names.clear()
    _core.gil_start(interval)
    # What is looked at goes with the interpreter: a program that ends without stop() stops here.
    atexit.unregister(_core.gil_stop)
    atexit.register(_core.gil_stop)


def stop() -> None:
    """Stops looking. What was seen can still be read."""
    _note_names()
    _core.gil_stop()


def _note_names() -> None:
    for thread in threading.enumerate():
        if thread.native_id is not None:
            _names[thread.native_id] = thread.name


def read() -> Report:
    """What was seen since start(). Names are of threads that were alive at this call, or at an earlier one."""
    _note_names()
    facts: dict[str, Any] = _core.gil_read()
    threads = [
        Thread(name=_names.get(facts["native_id"], f"thread {facts['native_id']}"), **facts)
        for facts in facts.pop("threads")
    ]
    threads.sort(key=lambda thread: (-thread.held, -thread.waiting, thread.native_id))
    collections = facts.pop("collections")
    del facts["on"]
    return Report(
        **facts, collections=collections["count"], collections_seconds=collections["seconds"], threads=threads
    )


@contextmanager
def watch(interval: float = 0.001) -> Iterator[Callable[[], Report]]:
    """Looks while the block runs; gives a function that tells what was seen, also after the block."""
    start(interval)
    try:
        yield read
    finally:
        stop()


def summary() -> str:
    """The lines at the end of ``kucha run --gil``."""
    lines = list(read()._lines())
    return "".join(f"{'gil' if place == 0 else '':<15}{line}\n" for place, line in enumerate(lines))
