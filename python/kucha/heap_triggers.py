"""When a running program writes heap files: at its end, at a signal, when memory is refused, at an amount, when asked.

``kucha run --heap-dump FILE --heap-at WHEN`` says when; besides, every program under kucha answers ``kucha heap dump
PID`` (kucha/heap_remote.py), which leaves a request in a file and sends SIGURG. That signal does nothing in a process
that does not wait for it, so a request that goes astray harms nobody. A program that handles SIGURG itself keeps its
handler, and is not asked.

A file is written by a copy of the process; the program stops only while the copy is made. Where the allocator sees the
event (memory refused) the extension module begins the dump; everything else begins here, in the main thread, or in the
thread that watches an amount of memory. Nothing here raises into the program: what fails is one sentence on standard
error.
"""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]  # not signal, which imports enum
import _thread
import os
import stat
import time

from kucha.options import UsageError, byte_count
from kucha.text import current_folder, short_path

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType
    from typing import Any

REQUESTED, SIGNAL, MEMORY_ERROR, LIMIT, EXIT = range(5)  # ku_graph_reason
ASK = _signal.SIGURG
ASK_FOLDERS = ("/tmp", "/dev/shm")  # a request is opened without following links, and only if it is the owner's
ASK_HEAD = "kucha heap dump 1\n"
BEGUN = "begun"  # a line of the answer, before done or failed
WATCH_SECONDS = 0.1  # between two looks at how much memory is used: a look takes some microseconds
_NEVER = frozenset({"SIGKILL", "SIGSTOP", "SIGSEGV", "SIGBUS", "SIGFPE", "SIGILL", "SIGURG"})


class When:
    """What ``--heap-at`` says."""

    __slots__ = ("amount", "exit", "memory_error", "share", "signals")

    def __init__(self) -> None:
        self.exit = False
        self.memory_error = False
        self.signals: list[int] = []
        self.amount = 0  # bytes; 0: not asked for
        self.share = 0.0  # of what the process may use

    @property
    def kinds(self) -> int:
        """How many different things it names."""
        return self.exit + self.memory_error + len(self.signals) + bool(self.amount) + bool(self.share)


def read_when(text: str) -> When:
    """A converter for the option: words with commas between them."""
    when = When()
    for word in text.split(","):
        if word == "exit":
            when.exit = True
        elif word == "memory-error":
            when.memory_error = True
        elif word.startswith("SIG"):
            when.signals.append(_signal_number(word))
        elif word.endswith("%"):
            when.share = _share(word)
        else:
            try:
                when.amount = byte_count(word)
            except UsageError:
                raise UsageError(
                    f"must be made of exit, memory-error, a signal such as SIGUSR1, an amount of memory such as 2G or "
                    f"80%, with commas, not '{word}'"
                ) from None
    return when


def _signal_number(name: str) -> int:
    number = getattr(_signal, name, None)
    if not isinstance(number, int) or name in _NEVER or name.startswith("SIG_"):
        raise UsageError(f"must name a signal that a program can handle, such as SIGUSR1, not '{name}'")
    return number


def _share(word: str) -> float:
    digits = word[:-1]
    if not (digits.isascii() and digits.isdecimal()) or not 1 <= int(digits) <= 100:
        raise UsageError(f"must have a share from 1% to 100%, not '{word}'")
    return int(digits) / 100


# ---- how much is used ----


def _resident() -> int:
    with open("/proc/self/statm", "rb") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def _shares() -> list[float]:
    """How much is used of each limit on the memory of this process."""
    from kucha import _process

    with open("/proc/self/statm", "rb") as file:
        pages = [int(field) for field in file.read().split()]
    page = os.sysconf("SC_PAGE_SIZE")
    found = []
    for limit, used in ((_process.RLIMIT_AS, pages[0]), (_process.RLIMIT_DATA, pages[5])):
        soft = _process.getrlimit(limit)[0]
        if soft > 0 and soft != _process.RLIM_INFINITY:
            found.append(used * page / soft)
    group = _process.cgroup("/proc", 0)
    if group.memory_limit:
        found.append((group.memory_used - group.memory_reclaimable) / group.memory_limit)
    return found


# ---- writing ----


class Triggers:
    """What writes heap files in this process. The paths are absolute."""

    def __init__(self, when: When, path: str | None, command: str, say: Callable[[str], None], quiet: bool) -> None:
        self.when = when
        self.path = path  # None: only when asked
        self.command = command
        self.say = say
        self.quiet = quiet  # only what failed is said
        self.folder = current_folder()
        self.process = os.getpid()
        self.written = 0
        self.asides: list[_thread.LockType] = []  # each is held by a thread that has something to say yet

    def plan(self) -> None:
        """Refuses what could never happen. Raises UsageError."""
        if self.when.share and not _shares():
            raise UsageError(
                "--heap-at has a share, but neither RLIMIT_AS, RLIMIT_DATA nor the control group limits the memory of "
                "this process; give an amount, such as 2G"
            )

    def start(self) -> None:
        """Waits for everything that was named, and for being asked. In the main thread."""
        from kucha import _core

        self.core = _core
        if _signal.getsignal(ASK) == _signal.SIG_DFL:
            _signal.signal(ASK, self._asked)
        for number in self.when.signals:
            _signal.signal(number, self._signalled)
        self._await_refusal()
        if self.when.amount or self.when.share:
            _thread.start_new_thread(self._watch, ())

    def finish(self) -> None:
        """At the end of the program: the last file, and what came of a refusal."""
        if os.getpid() != self.process:
            return
        if self.when.memory_error:
            self._tell_refusal()
        if self.when.exit:
            self.write(EXIT, "at exit")
        for lock in self.asides:
            lock.acquire()
        while True:
            try:
                if self.core.heap_wait() is None:
                    return
            except (OSError, MemoryError, self.core.Refused) as error:
                self.say(f"a heap file could not be written: {error}")

    def write(self, reason: int, why: str, wait: bool = True) -> None:
        """Writes the next file, and says so."""
        path = self.next_path()
        self.written += 1
        try:
            outcome = self.core.heap_dump(path, reason=reason, program=self.command, wait=wait)
        except (OSError, MemoryError, self.core.Refused) as error:
            self.say(f"the heap could not be written to '{path}': {getattr(error, 'strerror', None) or error}")
            return
        if wait:
            self._tell(path, outcome, why)
        else:
            self._aside(self._wait_and_tell, path, outcome["copy"], why)

    def next_path(self) -> str:
        """app.heap, then app.2.heap, app.3.heap; a child made by fork has its number behind."""
        assert self.path is not None
        path = self.path
        if self.written:
            stem, dot, ending = path.rpartition(".")
            if dot and "/" not in ending and not stem.endswith("/"):
                path = f"{stem}.{self.written + 1}.{ending}"
            else:
                path = f"{path}.{self.written + 1}"
        return path if os.getpid() == self.process else f"{path}.{os.getpid()}"

    def _tell(self, path: str, outcome: dict[str, Any], why: str) -> None:
        if not self.quiet:
            stopped = 1000 * outcome["stopped"]
            where = short_path(path, self.folder)
            self.say(f"heap {why} in {where}: {outcome['nodes']:,} nodes; the program was stopped {stopped:.1f} ms")

    def _wait_and_tell(self, path: str, copy: int, why: str) -> None:
        try:
            outcome = self.core.heap_wait(copy)
        except (OSError, MemoryError, self.core.Refused) as error:
            self.say(f"the heap could not be written to '{path}': {error}")
            return
        if outcome is not None:
            self._tell(path, outcome, why)

    # ---- what waits ----

    def _new_aside(self) -> _thread.LockType:
        self.asides = [lock for lock in self.asides if lock.locked()]
        lock = _thread.allocate_lock()
        lock.acquire()
        self.asides.append(lock)
        return lock

    def _do_aside(self, lock: _thread.LockType, call: Callable[..., None], arguments: tuple[object, ...]) -> None:
        try:
            call(*arguments)
        finally:
            lock.release()

    def _aside(self, call: Callable[..., None], *arguments: object) -> None:
        """Does it in a thread of its own, or here, where none can be had. The end of the program waits for it."""
        lock = self._new_aside()
        try:
            _thread.start_new_thread(self._do_aside, (lock, call, arguments))
        except RuntimeError:
            self._do_aside(lock, call, arguments)

    # ---- refused memory ----

    def _await_refusal(self) -> None:
        if self.when.memory_error:
            assert self.path is not None
            self.refusal_path = self.path if self.when.kinds == 1 else f"{self.path}.memory-error"
            self.core.heap_at_refusal(self.refusal_path, self.command)

    def _tell_refusal(self) -> None:
        try:
            outcome = self.core.heap_refused()
        except (OSError, MemoryError, self.core.Refused) as error:
            self.say(f"memory was refused, and the heap could not be written: {error}")
            return
        if outcome is not None:
            self._tell(self.refusal_path, outcome, "as memory was refused")

    # ---- signals ----

    def _signalled(self, number: int, _frame: FrameType | None) -> None:
        self.write(SIGNAL, f"at signal {number}", wait=False)

    def _asked(self, _number: int, _frame: FrameType | None) -> None:
        for folder in ASK_FOLDERS:
            try:
                descriptor = _open_request(ask_path(folder, os.getpid()))
            except OSError:
                continue
            self._answer(descriptor)
            return

    def _answer(self, descriptor: int) -> None:
        text = os.read(descriptor, 1 << 16)
        head, _, path = text.partition(b"\n")
        if head + b"\n" != ASK_HEAD.encode() or not path.startswith(b"/"):
            os.close(descriptor)
            return
        try:
            name = os.fsdecode(path)
            copy = self.core.heap_dump(name, reason=REQUESTED, program=self.command, wait=False)["copy"]
        except (OSError, MemoryError, self.core.Refused) as error:
            _reply(descriptor, f"\nfailed {error}")
            os.close(descriptor)
            return
        _reply(descriptor, f"\n{BEGUN}")
        self._aside(self._wait_and_reply, descriptor, copy)

    def _wait_and_reply(self, descriptor: int, copy: int) -> None:
        try:
            outcome = self.core.heap_wait(copy) or {}
            _reply(descriptor, f"done {outcome.get('nodes', 0)} {outcome.get('stopped', 0.0)}")
        except (OSError, MemoryError, self.core.Refused) as error:
            _reply(descriptor, f"failed {error}")
        os.close(descriptor)

    # ---- an amount of memory ----

    def _watch(self) -> None:
        try:
            while not self._is_over():
                time.sleep(WATCH_SECONDS)
        except OSError as error:
            self.say(f"how much memory is used could not be read: {error}; no heap file will be written for it")
            return
        if os.getpid() == self.process:
            self._do_aside(self._new_aside(), self.write, (LIMIT, "at the limit"))

    def _is_over(self) -> bool:
        if self.when.amount and _resident() >= self.when.amount:
            return True
        return bool(self.when.share) and max(_shares(), default=0.0) >= self.when.share


# ---- the request ----


def ask_path(folder: str, process: int) -> str:
    """Where a process looks for a request."""
    return f"{folder}/kucha-heap-{process}"


def _open_request(path: str) -> int:
    """The request's file, if it is one that its owner or root has left there."""
    descriptor = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    facts = os.fstat(descriptor)
    if not stat.S_ISREG(facts.st_mode) or facts.st_nlink != 1 or facts.st_uid not in (os.geteuid(), 0):
        os.close(descriptor)
        raise PermissionError(path)
    return descriptor


def _reply(descriptor: int, line: str) -> None:
    try:
        os.write(descriptor, f"{line}\n".encode(errors="replace"))
    except OSError as error:
        assert error.errno  # nobody waits any more, or the folder is full: then who asked is told by its own deadline
