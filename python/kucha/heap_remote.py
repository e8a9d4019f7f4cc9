"""``kucha heap dump PID``: the heap file of a running program.

A program under kucha is asked for it. Any other one is stopped while its memory is copied, and read as a core file is
(kucha/corefile.py); nothing is run in it.

The request is a file in a folder that both can see, for the owner alone; SIGURG says that it is there. The program
(kucha/heap_triggers.py) writes the heap file and appends how it went to the request, which is removed in the end.
"""

from __future__ import annotations

import os
import signal
import sys
import time

from kucha.heap_triggers import ASK, ASK_FOLDERS, ASK_HEAD, BEGUN, ask_path
from kucha.options import UsageError
from kucha.text import one_line

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

ANSWER_SECONDS = 30.0  # a main thread that is in C code for longer is told of
LOOK_SECONDS = 0.02


def dump(words: list[str], values: dict[str, Any]) -> int:
    """Writes the heap of the process that the one word names. Returns the exit code."""
    process = _number(" ".join(words))
    path = os.path.abspath(values["output"] or f"kucha-{process}.heap")
    _check(path, values["force"])
    if not _answers(process):
        return _copy(process, path, values["quiet"])
    return _ask(process, path, values["quiet"])


def ask(word: str, path: str) -> None:
    """Has a program under kucha, by its number, write its heap, and refuses any other one: it has no arenas of ours."""
    process = _number(word)
    if not _is_under_kucha(process):
        raise UsageError(
            f"process {process} does not run under kucha: its arenas are its own allocator's (of CPython: pymalloc's), "
            f"and kucha map draws kucha's; kucha heap dump {process} tells what is in its heap"
        )
    if not _answers(process):
        raise UsageError(
            f"process {process} would not answer: it was not started by kucha run or KUCHA=run, or handles "
            f"{signal.Signals(ASK).name} itself"
        )
    _ask(process, path, quiet=True)


def _number(word: str) -> int:
    if not (word.isascii() and word.isdecimal() and 0 < int(word) < 1 << 31):
        raise UsageError(f"expected a process number, or -- and a program, not '{word}'; see kucha heap --help")
    return int(word)


def _ask(process: int, path: str, quiet: bool) -> int:
    request, descriptor = _leave_request(process, path)
    try:
        os.kill(process, ASK)
        answer = _await_answer(process, descriptor, len(ASK_HEAD) + len(os.fsencode(path)))
    except OSError as error:
        raise UsageError(f"process {process} can't be asked: {error.strerror}") from None
    finally:
        os.unlink(request)
        os.close(descriptor)
    if answer[0] != "done":
        raise UsageError(f"process {process} could not write its heap: {' '.join(answer[1:])}")
    if not quiet:
        _tell(process, path, int(answer[1]), float(answer[2]))
    return 0


def _tell(process: int, path: str, nodes: int, stopped: float) -> None:
    sys.stderr.write(f"kucha: the heap of {process} is in {path}: {nodes:,} nodes; ")
    sys.stderr.write(f"the program was stopped {1000 * stopped:.1f} ms\n")


def _copy(process: int, path: str, quiet: bool) -> int:
    from kucha import corefile

    try:
        found = corefile.copy(process, path)
    except ProcessLookupError:
        raise UsageError(f"process {process} ended meanwhile") from None
    except PermissionError as error:
        if str(error.filename) != str(process):
            raise UsageError(f"can't write '{path}': {error.strerror}") from None
        raise UsageError(f"process {process} can't be read: {_why_denied(process)}") from None
    except OSError as error:
        raise UsageError(f"can't write '{path}': {error.strerror}") from None
    except ValueError as error:
        raise UsageError(f"process {process} can't be read: {one_line(str(error))}") from None
    if not quiet:
        _tell(process, path, found["nodes"], found["stopped"])
        if not found["hosted"] and found["runtime"].startswith("CPython"):
            sys.stderr.write("kucha: it does not run under kucha, so birthplaces and slack are not known\n")
    return 0


def _why_denied(process: int) -> str:
    """What keeps this user from tracing a process."""
    facts = _status(process)
    tracer, owner = facts.get("TracerPid", "0"), facts.get("Uid", "").split()[:1]
    if tracer != "0":
        return f"process {tracer} is tracing it"
    if os.geteuid() != 0 and owner != [str(os.geteuid())]:
        return "it belongs to somebody else; only its owner and root may read it"
    try:
        with open("/proc/sys/kernel/yama/ptrace_scope") as file:
            scope = file.read().strip()
    except OSError:
        scope = "0"
    if scope == "3":
        return "kernel.yama.ptrace_scope is 3, which lets nobody trace until the machine starts anew"
    if scope != "0" and os.geteuid() != 0:
        return f"kernel.yama.ptrace_scope is {scope}, which lets only root do that; ask as root, or set it to 0"
    return "the system forbids it here; in a container that takes CAP_SYS_PTRACE"


def _status(process: int) -> dict[str, str]:
    try:
        with open(f"/proc/{process}/status", errors="surrogateescape") as file:
            return {name: value.strip() for name, _, value in (line.partition(":") for line in file)}
    except OSError:
        return {}


def _check(path: str, force: bool) -> None:
    from kucha.session import check_output

    check_output(path, force)


def _is_under_kucha(process: int) -> bool:
    """Whether a process has kucha's module of C."""
    try:
        with open(f"/proc/{process}/maps", errors="surrogateescape") as file:
            return any("/_core." in line for line in file)
    except FileNotFoundError:
        raise UsageError(f"there is no process {process}") from None
    except PermissionError:
        raise UsageError(f"process {process} belongs to somebody else; only its owner and root may ask it") from None


def _answers(process: int) -> bool:
    """Whether a process runs under kucha and waits to be asked."""
    caught = int(_status(process).get("SigCgt", "0"), 16)
    return _is_under_kucha(process) and bool(caught >> (ASK - 1) & 1)


def _number_inside(process: int) -> int:
    """The process's number as it sees it itself: another one in a container."""
    with open(f"/proc/{process}/status") as file:
        for line in file:
            if line.startswith("NSpid:"):
                return int(line.split()[-1])
    return process


def _leave_request(process: int, path: str) -> tuple[str, int]:
    """The request's name as we see it, and its descriptor."""
    inside = _number_inside(process)
    failure: OSError | None = None
    for folder in ASK_FOLDERS:
        name = ask_path(f"/proc/{process}/root{folder}", inside)
        try:
            if os.path.lexists(name):
                os.unlink(name)  # of somebody who was ended while waiting
            descriptor = os.open(name, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        except OSError as error:
            failure = error
            continue
        os.write(descriptor, ASK_HEAD.encode() + os.fsencode(path))
        return name, descriptor
    raise UsageError(f"no request can be left for process {process}: {failure and failure.strerror}")


def _await_answer(process: int, descriptor: int, size: int) -> list[str]:
    """The words of the answer, whose lines stand behind the request: begun, then done or failed."""
    deadline = time.monotonic() + ANSWER_SECONDS
    while True:
        alive = _is_alive(process)
        lines = os.pread(descriptor, 1 << 16, size).decode(errors="replace").split("\n")[1:-1]
        if lines and lines[-1] != BEGUN:
            return lines[-1].split()
        if not alive:
            return ["failed", "it ended meanwhile"]
        if not lines and time.monotonic() > deadline:
            return ["failed", f"no answer in {ANSWER_SECONDS:.0f} seconds; its main thread does not run Python now"]
        time.sleep(LOOK_SECONDS)


def _is_alive(process: int) -> bool:
    try:
        with open(f"/proc/{process}/stat", "rb") as file:
            return file.read().rpartition(b")")[2].split()[0] not in (b"Z", b"X")
    except OSError:
        return False
