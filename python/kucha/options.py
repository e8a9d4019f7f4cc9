"""Options of the command line: how a table of them is read, and how it becomes a help text.

One table per command (kucha/commands.py) is the only description of its options: the parser, ``--help`` and the test
that compares them with the manual page all read it. argparse is not used because importing it costs about as much
time as starting Python (it needs re and gettext), and ``kucha run`` is a thing that people put before every command.

Rules, those of getopt_long(3): ``--name VALUE`` and ``--name=VALUE``, ``-n VALUE`` and ``-nVALUE``, flags of one
letter may be joined (``-qf``), ``--`` ends the options. An option
whose value may be left out takes it by ``=`` alone. A command that runs a program stops at the first argument
that is not an option: what follows belongs to the program.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

HELP_COLUMN = 27  # where the explanations begin: wide enough for most options of ours
HELP_WIDTH = 79
SHORT = 3  # letters: fewer are the beginning of many words
LIKE = 0.66  # by difflib: a third of the letters may be wrong, or stand elsewhere


class UsageError(Exception):
    """What a person asked for cannot be done; the text says so in one sentence. The command ends with exit code 2."""


class Option:
    """One option: its names, what its value is called (None for a flag), its default, and how the text is converted.

    With `implied`, the value may be left out, and this is it then.
    """

    __slots__ = ("convert", "default", "help", "implied", "key", "metavar", "names")

    def __init__(
        self,
        names: str,
        metavar: str | None,
        explanation: str,
        default: Any = None,
        convert: Callable[[str], Any] = str,
        implied: str | None = None,
    ) -> None:
        self.implied = implied
        self.names = tuple(names.split())
        self.metavar = metavar
        self.help = explanation
        self.default = False if metavar is None and default is None else default
        self.convert = convert
        self.key = self.names[-1].lstrip("-").replace("-", "_")


class Command:
    """A verb: its options, and what it takes beside them."""

    __slots__ = ("brief", "details", "name", "options", "purpose", "takes_program", "usage")

    def __init__(
        self,
        name: str,
        brief: str,
        usage: str,
        purpose: str,
        details: str,
        options: Sequence[Option],
        takes_program: bool = False,
    ) -> None:
        self.name = name
        self.brief = brief
        self.usage = usage
        self.purpose = purpose
        self.details = details
        self.options = tuple(options)
        self.takes_program = takes_program


def count(least: int, most: int) -> Callable[[str], int]:
    """A converter for whole numbers between two bounds."""

    def convert(text: str) -> int:
        if not (text.isascii() and text.isdecimal()) or not least <= int(text) <= most:
            raise UsageError(f"must be a whole number from {least} to {most}, not '{text}'")
        return int(text)

    return convert


_UNITS = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30}


def byte_count(text: str) -> int:
    """Bytes, with the suffixes that people use: 65536, 64k, 64K, 64KiB, 1M."""
    lower = text.lower()
    for ending in ("ib", "b"):
        lower = lower.removesuffix(ending)
    unit = lower[-1:] if lower[-1:] in ("k", "m", "g") else ""
    digits = lower[: len(lower) - len(unit)]
    if not (digits.isascii() and digits.isdecimal()) or not 0 < int(digits) * _UNITS[unit] < 1 << 40:
        raise UsageError(f"must be a number of bytes such as 65536 or 64k, not '{text}'")
    return int(digits) * _UNITS[unit]


def choice(*words: str) -> Callable[[str], str]:
    """A converter that lets only these words through."""

    def convert(text: str) -> str:
        if text not in words:
            raise UsageError(f"must be one of {', '.join(words)}, not '{text}'")
        return text

    return convert


def parse(command: Command, arguments: Sequence[str]) -> tuple[dict[str, Any], list[str]]:
    """Reads the options of ``command``. Returns their values by key, and the arguments that are not options."""
    values = {option.key: option.default for option in command.options}
    by_name = {name: option for option in command.options for name in option.names}
    waiting = list(reversed(arguments))
    rest: list[str] = []
    while waiting:
        word = waiting.pop()
        if word == "--":
            rest.extend(reversed(waiting))
            break
        if len(word) < 2 or not word.startswith("-") or (command.takes_program and word[:2] in ("-m", "-c")):
            rest.append(word)
            if command.takes_program:
                rest.extend(reversed(waiting))
                break
        elif word.startswith("--"):
            _read_long(command, by_name, word, waiting, values)
        else:
            _read_short(command, by_name, word, waiting, values)
    return values, rest


def nearest(word: str, words: Sequence[str]) -> str | None:
    """The one of the words that was most likely meant; None where none is like it."""
    begun = [other for other in words if len(word) >= SHORT and other.startswith(word)]
    if len(begun) == 1:
        return begun[0]
    from difflib import get_close_matches  # here, because nobody who makes no mistake needs it

    return next(iter(get_close_matches(word, words, 1, LIKE)), None)


def _unknown(command: Command, name: str) -> UsageError:
    names = [other[2:] for option in command.options for other in option.names if other.startswith("--")]
    meant = nearest(name[2:], names) if name.startswith("--") else None
    question = f" (did you mean --{meant}?)" if meant else ""
    return UsageError(f"unknown option {name}{question}; see kucha {command.name} --help")


def _store(option: Option, name: str, text: str, values: dict[str, Any]) -> None:
    try:
        values[option.key] = option.convert(text)
    except UsageError as error:
        raise UsageError(f"the value of {name} {error}") from None


def _read_long(
    command: Command, by_name: dict[str, Option], word: str, waiting: list[str], values: dict[str, Any]
) -> None:
    name, equals, text = word.partition("=")
    option = by_name.get(name)
    if option is None:
        raise _unknown(command, name)
    if option.metavar is None:
        if equals:
            raise UsageError(f"{name} takes no value")
        values[option.key] = True
    elif equals:
        _store(option, name, text, values)
    elif option.implied is not None:
        values[option.key] = option.implied
    elif waiting:
        _store(option, name, waiting.pop(), values)
    else:
        raise UsageError(f"{name} needs a value, {option.metavar}")


def _read_short(
    command: Command, by_name: dict[str, Option], word: str, waiting: list[str], values: dict[str, Any]
) -> None:
    letters = word[1:]
    while letters:
        name, letters = "-" + letters[0], letters[1:]
        option = by_name.get(name)
        if option is None:
            raise _unknown(command, name)
        if option.metavar is None:
            values[option.key] = True
            continue
        if not letters and not waiting:
            raise UsageError(f"{name} needs a value, {option.metavar}")
        _store(option, name, letters or waiting.pop(), values)
        return


def _wrap(text: str, indent: int) -> list[str]:
    """Breaks a text into lines that fit beside ``indent`` columns (textwrap would import re)."""
    lines: list[str] = []
    line = ""
    for word in text.split():
        if line and len(line) + 1 + len(word) > HELP_WIDTH - indent:
            lines.append(line)
            line = word
        else:
            line = f"{line} {word}" if line else word
    return [*lines, line]


def _shown_value(option: Option) -> str:
    if not option.metavar:
        return ""
    return f" {option.metavar}" if option.implied is None else f"[={option.metavar}]"


def help_text(command: Command) -> str:
    """The text of ``kucha COMMAND --help``."""
    lines = [f"usage: kucha {usage}" for usage in command.usage.splitlines()]
    lines += ["", *_wrap(command.purpose, 0)]
    for paragraph in command.details.split("\n\n"):
        lines += ["", *_wrap(paragraph, 0)]
    lines += ["", "options:"]
    for option in command.options:
        head = "  " + ", ".join(option.names) + _shown_value(option)
        wrapped = _wrap(option.help, HELP_COLUMN)
        if len(head) >= HELP_COLUMN:
            lines.append(head)
        else:
            lines.append(head.ljust(HELP_COLUMN) + wrapped.pop(0))
        lines += [" " * HELP_COLUMN + more for more in wrapped]
    return "\n".join(lines) + "\n"
