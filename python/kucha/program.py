"""Running somebody's program as ``python`` would run it.

``kucha run`` loads the program into its own process. What the program can see must be what it would see without
kucha: ``sys.argv``, ``sys.orig_argv``, ``sys.path[0]``, the module ``__main__`` and its attributes, the call stack,
tracebacks, the exit code, the way a KeyboardInterrupt ends the process. The rules are those of CPython's
Modules/main.c (pymain_run_python) and Python/pythonrun.c; tests/python/test_run_as_python.py runs programs both ways
and compares.

The call stack is the extension module's part: ``_core.call_program`` calls the program with the interpreter's chain of
frames set aside, and prints an exception that comes out as the interpreter would (SystemExit ends the process there).
"""

from __future__ import annotations

import os
import sys

from kucha.options import UsageError
from kucha.text import current_folder

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import CodeType, ModuleType
    from typing import Any

    Call = tuple[Callable[..., object], list[Any]]

INTERRUPTED = 130  # what _core.call_program answers for a KeyboardInterrupt


class Program:
    """What is to be run: its kind (script, container, module, code or stdin), and its arguments."""

    __slots__ = ("arguments", "kind", "names", "value")

    def __init__(self, kind: str, value: str, arguments: list[str]) -> None:
        self.kind = kind
        self.value = value
        self.arguments = arguments
        self.names = 0  # identity of the dict of its __main__, which nobody here may hold while the program runs

    @property
    def name(self) -> str:
        """A word for file names and headings."""
        if self.kind == "code":
            return "code"
        if self.kind == "stdin":
            return "stdin"
        return os.path.basename(self.value.rstrip("/")) or "program"

    @property
    def argv(self) -> list[str]:
        """``sys.argv`` as the program starts."""
        first = {"code": "-c", "module": "-m", "stdin": "-"}.get(self.kind, self.value)
        return [first, *self.arguments]

    @property
    def words(self) -> list[str]:
        """The words after ``python`` on a command line that would run the program."""
        option = {"code": ["-c", self.value], "module": ["-m", self.value], "stdin": ["-"]}.get(self.kind, [self.value])
        return [*option, *self.arguments]


def from_arguments(arguments: list[str]) -> Program:
    """Reads ``script args``, ``-m module args``, ``-c code args`` or ``- args``."""
    if not arguments:
        raise UsageError("nothing to run; name a script, or use -m module, -c code, or - for standard input")
    first, rest = arguments[0], arguments[1:]
    if first == "-":
        return Program("stdin", "-", rest)
    if first[:2] in ("-m", "-c"):
        value = first[2:]
        if not value:
            if not rest:
                raise UsageError(f"{first} needs a value, {'a module' if first == '-m' else 'code'}")
            value = rest.pop(0)
        return Program("module" if first[1] == "m" else "code", value, rest)
    return Program(_kind_of_file(first), first, rest)


def _kind_of_file(path: str) -> str:
    """Script or container (a folder or an archive with a __main__ in it)."""
    if not os.path.exists(path):
        raise UsageError(f"can't open file '{path}': there is no such file")
    if os.path.isdir(path):
        if not any(os.path.exists(os.path.join(path, "__main__" + end)) for end in (".py", ".pyc")):
            raise UsageError(f"can't run '{path}': it is a directory without a __main__.py")
        return "container"
    if not os.path.isfile(path):
        return "script"  # a pipe: it can be read once, and not from its end
    try:
        with open(path, "rb") as file:
            head = file.read(4)
            file.seek(max(0, file.seek(0, os.SEEK_END) - 22))  # the end record of an archive without a comment
            tail = file.read(22)
    except OSError as error:
        raise UsageError(f"can't open file '{path}': {error.strerror}") from None
    if head == b"PK\3\4" or b"PK\5\6" in tail:
        return "container"
    if head == b"KUCH":
        from kucha.file_kinds import kind_of

        kind = kind_of(path)
        if kind:
            raise UsageError(f"can't run '{path}': it is a {kind[0]}, no program; kucha {kind[1]} {path} shows it")
    return "script"


def load(program: Program) -> CodeType | None:
    """Reads and compiles the program, before anything is traced. None where runpy will find the code itself.

    An error in the program's syntax comes out as the exception that compile() raises.
    """
    if program.kind in ("module", "container"):
        return None
    if program.kind == "script" and program.value.endswith(".pyc"):
        return _load_bytecode(program.value)
    if program.kind == "script":
        filename, source = _absolute(program.value), _read(program.value)
    elif program.kind == "stdin":
        filename, source = "<stdin>", sys.stdin.buffer.read()
    else:
        filename, source = "<string>", _dedent(program.value).encode("utf-8", "surrogateescape")
    if b"\0" in source:
        raise _null_bytes(source, filename)
    return compile(source, filename, "exec", dont_inherit=True)


def _null_bytes(source: bytes, filename: str) -> SyntaxError:
    """What the interpreter says of a file with a null byte in it; compile() would not say where."""
    before = source[: source.index(b"\0")]
    text = before.rpartition(b"\n")[2].decode(errors="replace")
    return SyntaxError("source code cannot contain null bytes", (filename, before.count(b"\n") + 1, None, text))


def _read(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError as error:
        raise UsageError(f"can't open file '{path}': {error.strerror}") from None


def _load_bytecode(path: str) -> CodeType:
    from _frozen_importlib_external import MAGIC_NUMBER
    from marshal import loads

    data = _read(path)
    if data[: len(MAGIC_NUMBER)] != MAGIC_NUMBER:
        raise UsageError(f"can't run '{path}': it was not compiled by this version of Python")
    try:
        code: CodeType = loads(data[16:])  # PEP 552: magic, flags, and eight bytes about the source
    except (EOFError, ValueError, TypeError):
        raise UsageError(f"can't run '{path}': its bytecode is damaged") from None
    return code


def _dedent(code: str) -> str:
    """From 3.14 on, the interpreter takes common indentation off the text of -c."""
    if sys.version_info < (3, 14) or not code.lstrip("\n")[:1].isspace():
        return code
    from textwrap import dedent

    return dedent(code)


def _absolute(path: str) -> str:
    """As config_run_filename_abspath() does it: nothing is normalised."""
    return path if os.path.isabs(path) else os.path.join(current_folder(), path)


def prepare(program: Program, code: CodeType | None) -> Call:
    """Lays out ``sys`` and ``__main__`` for the program. Returns what is to be called, and with which arguments.

    The arguments are a list that ``_core.call_program`` empties: at the end of the process nothing but ``sys.modules``
    may hold ``__main__``, or its names would not be finalised as they are under the interpreter alone.
    """
    sys.argv = program.argv
    sys.orig_argv = [sys.executable, *_interpreter_options(), *program.words]
    if not sys.flags.safe_path and sys.path:
        del sys.path[0]  # where kucha was started from
    main = _new_main()
    sys.modules["__main__"] = main
    if code is None:
        if program.kind == "container":
            sys.path.insert(0, _absolute(program.value))
        else:
            _first_on_path(current_folder())
        # The interpreter runs modules and containers through runpy, and so do we: the frames of runpy belong there.
        import runpy

        name = "__main__" if program.kind == "container" else program.value
        return runpy._run_module_as_main, [name, program.kind == "module"]  # type: ignore[attr-defined]
    if program.kind == "script":
        _first_on_path(os.path.dirname(os.path.realpath(program.value)))
        _describe_file(main.__dict__, _absolute(program.value), program.value.endswith(".pyc"))
    else:
        _first_on_path("")
        _describe_text(main.__dict__, code, program)
    program.names = id(main.__dict__)
    return exec, [code, main.__dict__]


def tidy(program: Program) -> None:
    """What the interpreter does to ``__main__`` when a script's code has run to its end (_PyRun_SimpleFile)."""
    names = vars(sys.modules.get("__main__", sys))
    if program.kind in ("script", "stdin") and id(names) == program.names:
        names.pop("__file__", None)
        names.pop("__cached__", None)


def _interpreter_options() -> list[str]:
    """The options that Python itself was given, in front of the script, -m or -c that started kucha."""
    options: list[str] = []
    words = iter(sys.orig_argv[1:])
    for word in words:
        if len(word) < 2 or word[0] != "-" or word[1] in "mc":
            break
        options.append(word)
        if word in ("-X", "-W", "--check-hash-based-pycs"):
            options.append(next(words, ""))
    return options


def _first_on_path(place: str) -> None:
    if not sys.flags.safe_path:
        sys.path.insert(0, place)


def _new_main() -> ModuleType:
    """A module ``__main__`` with the attributes that the interpreter gives its own."""
    import builtins
    from _frozen_importlib import BuiltinImporter

    main = type(sys)("__main__")
    names = main.__dict__
    names["__loader__"] = BuiltinImporter
    if sys.version_info < (3, 14):
        names["__annotations__"] = {}
    names["__builtins__"] = builtins
    return main


def _name_file(names: dict[str, Any], path: str) -> None:
    names["__file__"] = path
    if sys.version_info < (3, 15):
        names["__cached__"] = None


def _describe_file(names: dict[str, Any], path: str, compiled: bool) -> None:
    from _frozen_importlib_external import SourceFileLoader, SourcelessFileLoader

    _name_file(names, path)
    names["__loader__"] = (SourcelessFileLoader if compiled else SourceFileLoader)("__main__", path)


def _describe_text(names: dict[str, Any], code: CodeType, program: Program) -> None:
    """Code without a file. From 3.13 on, tracebacks show the lines of -c, which linecache is told."""
    if program.kind == "stdin":
        _name_file(names, "<stdin>")
    elif sys.version_info >= (3, 13):
        import linecache

        # the first micros of 3.13 keep the text by file name, later ones by code object
        key = code if hasattr(linecache, "_interactive_cache") else "<string>"
        linecache._register_code(key, _dedent(program.value), "<string>")  # type: ignore[attr-defined]
