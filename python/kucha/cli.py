"""The command line: finds the verb and does it. Only what the verb needs is imported.

Exit codes: 2 for a wrong request, with one sentence on standard error; otherwise that of the program that was run, or
0.
"""

from __future__ import annotations

import os
import sys

from kucha.options import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from kucha.options import Command
    from kucha.session import Wishes

_HEAD = """\
usage: kucha [--help] [--version] COMMAND ...

CPython's memory on an allocator that knows where every block was born.

commands:
"""
_FOOT = """
Each command explains itself: kucha COMMAND --help.
The environment variable KUCHA: KUCHA=off disables everything; KUCHA="run ..." starts
kucha, with the options of kucha run, in every Python program that inherits it.
"""


def _overview() -> str:
    from kucha.commands import COMMANDS

    lines = [f"  {name:<10}{command.brief}" for name, command in COMMANDS.items()]
    lines.append(f"  {'mprof':<10}the memory of a program over time: run, list, plot, peak, rm, clean")
    return _HEAD + "\n".join(lines) + "\n" + _FOOT


def main(arguments: list[str] | None = None) -> int:
    """Runs one command. Returns the exit code."""
    words = sys.argv[1:] if arguments is None else arguments
    try:
        return _dispatch(words) if _runs(words) else _answer(lambda: _dispatch(words))
    except UsageError as error:
        _complain(str(error))
        return 2
    except KeyboardInterrupt:
        if _runs(words):
            raise  # the program's own: its traceback has been printed, and the interpreter ends the process by SIGINT
        return 130


def _runs(words: list[str]) -> bool:
    """Whether a program is to be run in this process."""
    return bool(words) and (words[0] in _RUNNERS or (words[:2] == ["heap", "dump"] and "--" in words))


def _answer(do: Callable[[], int]) -> int:
    """Does what prints, and sees to it that what was printed got through. Returns the exit code."""
    if sys.stdout is None:  # closed: as with print(), nothing is said
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115
    try:
        code = do()
        sys.stdout.flush()
        return code
    except OSError as error:
        if not isinstance(error, BrokenPipeError):  # then the reader has gone: say nothing, as other commands do
            where = f"'{error.filename}'" if error.filename else "standard output"
            _complain(f"can't write to {where}: {error.strerror or error}")
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # the interpreter will flush what is left
        return 1


def _complain(sentence: str) -> None:
    from kucha.session import say

    say(sentence)


def _dispatch(words: list[str]) -> int:
    from kucha.commands import COMMANDS

    if not words:
        if sys.stderr is not None:
            sys.stderr.write(_overview())
        return 2
    verb, rest = words[0], words[1:]
    if verb == "help" and rest[:1] and rest[0] in COMMANDS:
        verb, rest = rest[0], ["--help"]
    if verb in ("-h", "--help", "help"):
        print(_overview(), end="")
        return 0
    if verb in ("-V", "--version"):
        from kucha import _core

        print(f"kucha {_core.version}")
        return 0
    if verb == "mprof":
        from kucha.mprof import main as mprof

        return mprof(rest)
    command = COMMANDS.get(verb)
    if command is None:
        raise _unknown(verb, [*COMMANDS, "mprof"])
    return _DOERS[verb](command, rest)


def _unknown(verb: str, verbs: list[str]) -> UsageError:
    """What to say of a first word that is no verb; often it is the program, and `run` was forgotten."""
    from kucha.options import nearest

    if verb.startswith("-"):
        return UsageError(f"unknown option '{verb}'; see kucha --help")
    if verb.endswith(".py") or os.path.isfile(verb):
        return UsageError(f"unknown command '{verb}'; to run a program: kucha run {verb}")
    meant = nearest(verb, verbs)
    question = f" (did you mean {meant}?)" if meant else ""
    return UsageError(f"unknown command '{verb}'{question}; see kucha --help")


def _run(command: Command, words: list[str]) -> int:
    from kucha.session import read_wishes

    if _asks_for_help(command, words):
        return _help(command)
    wishes, rest = read_wishes(words)
    _check_value(command, words[: len(words) - len(rest)], rest)
    return _run_program(wishes, rest, words)


def _check_value(command: Command, options: list[str], rest: list[str]) -> None:
    """Refuses a value that was meant for an option which takes it by = alone, and would be taken for the program."""
    if not options or not rest or os.path.exists(rest[0]) or rest[0].startswith("-"):
        return
    name = options[-1]
    if any(name in option.names and option.implied is not None for option in command.options):
        raise UsageError(f"there is no file '{rest[0]}'; a value of {name} is written {name}={rest[0]}")


def _help(command: Command) -> int:
    from kucha.options import help_text

    def show() -> int:
        print(help_text(command), end="")
        return 0

    return _answer(show)


def _asks_for_help(command: Command, words: list[str]) -> bool:
    """Whether help is among our own options: what follows the program's name belongs to the program."""
    from kucha.options import parse

    return bool(parse(command, words)[0]["help"])


def _run_program(wishes: Wishes, rest: list[str], words: list[str]) -> int:
    from kucha import _core, _environment, program
    from kucha.session import Session, say

    wanted = program.from_arguments(rest)
    try:
        code = program.load(wanted)
    except (SyntaxError, ValueError) as error:
        sys.excepthook(type(error), error.with_traceback(None), None)
        return 1
    session = None
    if _environment.is_off():
        if not wishes.quiet:
            say("KUCHA=off is set; the program runs without kucha")
    elif _core.tracing():
        raise UsageError("this process is traced already, by kucha run or by the environment variable KUCHA")
    else:
        os.environ.pop(_environment.NAME, None)
        verb = [] if wishes.heap_only or words[:1] == ["map"] else ["run"]
        session = Session(wishes, wanted.name, ["kucha", *verb, *words])
        session.plan()
        session.start()
    call = program.prepare(wanted, code)
    del code
    if session is not None:
        session.trace()
    status = _core.call_program(*call)
    program.tidy(wanted)
    if status == program.INTERRUPTED:
        # The interpreter ends a process that a KeyboardInterrupt reached the top of by SIGINT, and has printed it.
        sys.excepthook = lambda *_: None
        raise KeyboardInterrupt
    if not sys.flags.inspect:
        # Ends the process as a program's own sys.exit() does, without going back through frames of ours, where what the
        # end of the process allocates would be traced to.
        _core.call_program(sys.exit, [1 if status else 0])
    return 1 if status else 0


def _stats(command: Command, words: list[str]) -> int:
    from kucha.options import parse
    from kucha.session import read_wishes

    values, rest = parse(command, words)
    if values["help"]:
        return _help(command)
    wishes, rest = read_wishes(["--allocator-only", "--stats", "--", *rest])
    return _run_program(wishes, rest, words)


def _map(command: Command, words: list[str]) -> int:
    from kucha import arena_map
    from kucha.options import parse
    from kucha.session import read_wishes

    values, rest = parse(command, words)
    if values["help"]:
        return _help(command)
    if rest and arena_map.is_heap_file(rest[0]):  # what follows are options: there is no program
        values, more = parse(command, [*words[: len(words) - len(rest)], *rest[1:]])
        if more:
            raise UsageError(f"map takes one heap file, not '{more[0]}' besides; see kucha map --help")
        return _answer(lambda: arena_map.of_file(rest[0], values))
    if len(rest) == 1 and rest[0].isdecimal() and not os.path.exists(rest[0]):
        return _answer(lambda: arena_map.of_process(rest[0], values))
    options = ["--force"] if values["force"] else []
    options += ["--swap"] if values["by"] == "site" else ["--allocator-only"]
    wishes, rest = read_wishes([*options, "--map", values["output"], "--", *rest])
    wishes.map_by = values["by"]
    wishes.heap_only = values["by"] == "site"
    return _run_program(wishes, rest, ["map", *words])


def _report(command: Command, words: list[str]) -> int:
    from kucha.options import parse

    values, rest = parse(command, words)
    if values["help"]:
        return _help(command)
    if len(rest) != 1:
        raise UsageError("report takes one capture, or two with --diff BEFORE AFTER; see kucha report --help")
    from kucha.report import report

    return report(rest[0], values)


def _doctor(command: Command, words: list[str]) -> int:
    from kucha.options import parse

    values, rest = parse(command, words)
    if values["help"]:
        return _help(command)
    if rest:
        raise UsageError(f"doctor takes no arguments, not '{rest[0]}'; see kucha doctor --help")
    from kucha.doctor import doctor

    return doctor(as_json=values["json"])


def _ps(command: Command, words: list[str]) -> int:
    from kucha.options import parse

    values, rest = parse(command, words)
    if values["help"]:
        return _help(command)
    from kucha.processes import show

    return show(rest, values)


def _heap(command: Command, words: list[str]) -> int:
    from kucha.options import parse

    end = words.index("--") if _runs(["heap", *words]) else len(words)
    values, rest = parse(command, words[:end])
    if values["help"]:
        return _help(command)
    if end < len(words):
        return _dump_program(rest, values, words)
    if rest[:1] == ["dump"]:
        from kucha import heap_remote

        return heap_remote.dump(rest[1:], values)
    from kucha.heap_command import heap

    return heap(rest, values)


def _dump_program(rest: list[str], values: dict[str, Any], words: list[str]) -> int:
    """Runs a program for the sake of a heap file at its end."""
    from kucha.session import read_wishes

    if rest != ["dump"]:
        raise UsageError(f"expected kucha heap dump [options] -- and a program, not '{rest[-1]}' before it")
    options = ["--force"] if values["force"] else []
    options += ["--quiet"] if values["quiet"] else []
    options += ["--heap-dump", values["output"]] if values["output"] else ["--heap-at", "exit"]
    wishes, program = read_wishes([*options, *words[words.index("--") :]])
    wishes.heap_only = True
    return _run_program(wishes, program, ["heap", *words])


def _limits(command: Command, words: list[str]) -> int:
    from kucha.options import parse

    end = words.index("--") if "--" in words else len(words)
    values, rest = parse(command, words[:end])
    if values["help"]:
        return _help(command)
    from kucha.limits import run

    return run(rest, words[end + 1 :] if end < len(words) else None, values)


_RUNNERS = ("run", "stats", "map")
_DOERS = {
    "run": _run,
    "report": _report,
    "heap": _heap,
    "stats": _stats,
    "map": _map,
    "ps": _ps,
    "limits": _limits,
    "doctor": _doctor,
}
