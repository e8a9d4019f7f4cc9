"""Starts kucha in a program whose command line is not ours to edit: by the variables KUCHA and KUCHA_TRACEMALLOC.

The start-up file kucha.pth, which lies beside the package in site-packages, imports this module while the interpreter
starts, and only when one of the variables is there. The program is never stopped from here: a mistake in a variable,
or a capture that cannot be written, is one sentence on standard error. The exception is ``--swap``, which says that
the program must not run on another allocator: then the process ends with exit code 2 before the program has begun.
"""

from __future__ import annotations

import os
import sys

from kucha import _environment
from kucha.options import UsageError
from kucha.session import Session, Wishes, read_wishes, say


def _read(text: str) -> Wishes | None:
    """The wishes in the variable; None where it asks for nothing."""
    try:
        words = _environment.split(text)
    except ValueError as error:
        raise UsageError(f"the environment variable KUCHA can't be read ({error})") from None
    if not words or words == ["off"]:
        return None
    if words[0] != "run":
        raise UsageError(f"the environment variable KUCHA must be 'off' or begin with 'run', not '{words[0]}'")
    wishes, rest = read_wishes(words[1:])
    if rest:
        raise UsageError(f"the environment variable KUCHA takes options only, not '{rest[0]}'")
    return wishes


def _name(arguments: list[str]) -> str:
    """A word for the capture's name, from the command line of this interpreter."""
    first = sys.argv[0] if sys.argv else ""
    if first == "-m" and "-m" in arguments[:-1]:
        return arguments[arguments.index("-m") + 1]
    if first == "-c":
        return "code"
    return os.path.basename(first) or "python"


def boot() -> None:
    """Does what the variable says. Called once, while the interpreter starts."""
    text = os.environ.get(_environment.NAME, "")
    wishes: Wishes | None = None
    try:
        wishes = _read(text)
        if wishes is None:
            return
        # Children inherit the environment; they are traced only when that was asked for.
        del os.environ[_environment.NAME]
        command = list(sys.orig_argv)
        session = Session(wishes, _name(command), command)
        session.plan()
        session.start()
        session.trace()
    except UsageError as error:
        if wishes is not None and wishes.swap:
            say(str(error))
            os._exit(2)
        say(f"{str(error).rstrip('.')}; the program runs without kucha")
    except Exception as error:
        say(f"could not start: {type(error).__name__}: {error}; the program runs without kucha")


def boot_tracemalloc() -> None:
    """Starts kucha.tracemalloc as PYTHONTRACEMALLOC starts the original. An empty value and 0 ask for nothing."""
    text = os.environ.get(_environment.TRACEMALLOC, "")
    if text in ("", "0") or _environment.is_off():
        return
    try:
        if not (text.isascii() and text.isdecimal()):
            raise UsageError(f"{_environment.TRACEMALLOC} must be a number of frames, not '{text}'")
        from kucha import tracemalloc

        tracemalloc.take_over(int(text))
    except Exception as error:
        say(f"{str(error).rstrip('.')}; the program runs without kucha.tracemalloc")


boot()
boot_tracemalloc()
