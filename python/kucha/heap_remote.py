"""``kucha heap dump PID``: asks a running program for a heap file.

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

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

ANSWER_SECONDS = 30.0  # a main thread that is in C code for longer is told of
LOOK_SECONDS = 0.02


def dump(words: list[str], values: dict[str, Any]) -> int:
    """Has the process that the one word names write its heap. Returns the exit code."""
    word = " ".join(words)
    if not (word.isascii() and word.isdecimal() and 0 < int(word) < 1 << 31):
        raise UsageError(f"expected a process number, or -- and a program, not '{word}'; see kucha heap --help")
    process = int(word)
    path = os.path.abspath(values["output"] or f"kucha-{process}.heap")
    _check(path, values["force"])
    _expect_kucha(process)
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
    if not values["quiet"]:
        stopped = 1000 * float(answer[2])
        sys.stderr.write(f"kucha: the heap of {process} is in {path}: {int(answer[1]):,} nodes; ")
        sys.stderr.write(f"the program was stopped {stopped:.1f} ms\n")
    return 0


def _check(path: str, force: bool) -> None:
    from kucha.session import check_output

    check_output(path, force)


def _expect_kucha(process: int) -> None:
    """Refuses a process that would not answer, with the reason."""
    try:
        with open(f"/proc/{process}/status") as file:
            caught = next(int(line.split()[1], 16) for line in file if line.startswith("SigCgt:"))
        with open(f"/proc/{process}/maps", errors="surrogateescape") as file:
            loaded = any("/_core." in line for line in file)
    except FileNotFoundError:
        raise UsageError(f"there is no process {process}") from None
    except PermissionError:
        raise UsageError(f"process {process} belongs to somebody else; only its owner and root may ask it") from None
    if not loaded or not caught >> (ASK - 1) & 1:
        raise UsageError(
            f"process {process} would not answer: it was not started by kucha run or KUCHA=run, or handles "
            f"{signal.Signals(ASK).name} itself"
        )


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
