"""A program must not be able to tell `kucha run` from `python`: each runs both ways, and what is seen is compared."""

from __future__ import annotations

import os
import py_compile
import re
import signal
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import PATIENCE, Runner, clean_environment, eventually
from kucha.psutil import Process

Write = Callable[[str, str], Path]

# What a program sees of itself, when it starts and when its atexit functions run.
SELF = """
import atexit, sys
def show(moment):
    names = vars(sys.modules["__main__"])
    for name in sorted(names):
        if name.startswith("__") and name != "__spec__":
            print(moment, name, str(names[name]).split(" at 0x")[0])
    print(moment, getattr(names.get("__spec__"), "name", None), __name__, sys.argv, sys.path, sys.orig_argv[1:])
    print(moment, sys.flags, sys.warnoptions)
show("start")
atexit.register(show, "exit")
"""

ADDRESS = re.compile(r" at 0x[0-9a-f]+")

ENDINGS = {
    "end": "pass",
    "exit": "import sys; sys.exit()",
    "exit 0": "import sys; sys.exit(0)",
    "exit 3": "import sys; sys.exit(3)",
    "exit 256": "import sys; sys.exit(256)",
    "exit -1": "import sys; sys.exit(-1)",
    "exit text": "import sys; sys.exit('no\\nmore')",
    "exit object": "import sys; sys.exit(('a', 1))",
    "raise SystemExit": "raise SystemExit",
    "exit class": "raise SystemExit(True)",
    "_exit": "import os; os._exit(9)",
    "exception": "def f():\n    return 1 / 0\nf()",
    "chained": "try:\n    1 / 0\nexcept ZeroDivisionError as e:\n    raise KeyError('x') from e",
    "group": "raise ExceptionGroup('several', [ValueError(1), TypeError(2)])",
    "interrupt": "raise KeyboardInterrupt",
    "interrupt by signal": "import os, signal, time; os.kill(os.getpid(), signal.SIGINT); time.sleep(5)",
    "terminated": "import os, signal; os.kill(os.getpid(), signal.SIGTERM)",
    "aborted": "import os, resource; resource.setrlimit(resource.RLIMIT_CORE, (0, 0)); os.abort()",
    "excepthook": "import sys; sys.excepthook = lambda *a: print('hook', a[0].__name__)\n1 / 0",
    "broken excepthook": "import sys; sys.excepthook = lambda a: 0\n1 / 0",
    "recursion": "def f(n):\n    try:\n        return f(n + 1)\n    except RecursionError:\n        return n\nf(0)",
    "syntax": "def f(:\n    pass",
    "null byte": "x = 1\0",
    "encoding": "# coding: latin-1\nprint('h\xe9')",
    "thread": "import threading\nthreading.Thread(target=lambda: print(1 / 0)).start()",
    "thread lives on": "import threading, time\nthreading.Thread(target=lambda: (time.sleep(.1), print(1))).start()",
    "atexit order": "import atexit\nfor i in range(3): atexit.register(print, i)\nprint('body')",
    "atexit raises": "import atexit\natexit.register(lambda: 1 / 0)",
    "atexit exits": "import atexit, sys\natexit.register(lambda: sys.exit(4))",
    "unraisable": "class A:\n    def __del__(self): 1 / 0\nA()",
    "finalizer of a global": "class A:\n    def __del__(self): print('gone', __name__)\na = A()",
    "finalizer of a global, exit": "class A:\n    def __del__(self): print('gone', __name__)\na = A(); exit()",
    "finalizer of a global, exception": "class A:\n    def __del__(self): print('gone', __name__)\na = A(); 1 / 0",
    "stack": "import traceback\ndef f(): traceback.print_stack()\nf()",
    "depth": "import sys\nprint(sys._getframe().f_back, len(__import__('inspect').stack()))",
    "warning": "import warnings\ndef f(): warnings.warn('careful', stacklevel=9)\nf()",
    "warning in text": "print(1 is 1)",
    "future is not inherited": "def f(x: undefined_here): pass" if sys.version_info < (3, 14) else "pass",
    "locals are globals": "x = 1\nprint(locals() is globals(), [x for _ in range(2)], (lambda: x)())",
    "pickle": "import pickle\nclass A: pass\nprint(type(pickle.loads(pickle.dumps(A()))) is A, A.__module__)",
    "dataclass": "import dataclasses, typing\n@dataclasses.dataclass\nclass A:\n    x: 'int'\ntyping.get_type_hints(A)",
    "input": "print(input(), len(__import__('sys').stdin.read()))",
    "main again": "import __main__\nprint(__main__.__dict__ is globals())",
    "closed stderr": "import sys; sys.stderr.close()",
    "closed stdout": "import os; print('x'); os.close(1)",
    "faulthandler": "import faulthandler, sys; faulthandler.dump_traceback(all_threads=False)",
}

# Those that the other ways to start a program go through, too.
OTHER_WAYS = ["exception", "exit 3", "interrupt", "stack", "atexit order", "pickle", "syntax"]
OTHER_WAYS += ["finalizer of a global", "finalizer of a global, exit", "finalizer of a global, exception"]


def same(kucha: Runner, python: Runner, words: list[str | Path], stdin: str = "") -> None:
    """Runs both ways and compares what came out."""
    stock = python(*words, stdin=stdin)
    ours = kucha("run", "--quiet", *words, stdin=stdin)
    assert ours.returncode == stock.returncode
    assert ours.stdout == stock.stdout
    assert ADDRESS.sub("", ours.stderr) == ADDRESS.sub("", stock.stderr)


@pytest.mark.parametrize("ending", ENDINGS)
def test_script_ends_alike(kucha: Runner, python: Runner, write: Write, ending: str) -> None:
    """Output, exit code or signal, and tracebacks of a script are those under python."""
    (path := write("program.py", "")).write_bytes(ENDINGS[ending].encode("latin-1"))
    same(kucha, python, [path], stdin="one\ntwo\n")


@pytest.mark.parametrize("ending", OTHER_WAYS)
def test_code_ends_alike(kucha: Runner, python: Runner, ending: str) -> None:
    """The same for -c, whose lines tracebacks show from 3.13 on."""
    same(kucha, python, ["-c", ENDINGS[ending]])


@pytest.mark.parametrize("ending", OTHER_WAYS)
def test_module_ends_alike(kucha: Runner, python: Runner, write: Write, ending: str) -> None:
    """The same for -m, whose tracebacks show the frames of runpy."""
    write("program.py", ENDINGS[ending])
    same(kucha, python, ["-m", "program"])


@pytest.mark.parametrize("ending", OTHER_WAYS)
def test_standard_input_ends_alike(kucha: Runner, python: Runner, ending: str) -> None:
    """The same for a program that comes by standard input."""
    same(kucha, python, ["-"], stdin=ENDINGS[ending])


def test_script_sees_itself_alike(kucha: Runner, python: Runner, write: Write) -> None:
    """sys.argv, sys.path, __main__ and its attributes, at the start and in atexit functions."""
    path = write("folder/program.py", SELF)
    same(kucha, python, [path, "a", "-q", "--", "--frames", "b c"])
    same(kucha, python, ["folder/program.py"])
    same(kucha, python, ["./folder/../folder/program.py"])


def test_script_by_link_sees_itself_alike(kucha: Runner, python: Runner, write: Write, tmp_path: Path) -> None:
    """sys.path[0] is the folder that a link leads to."""
    (tmp_path / "link.py").symlink_to(write("folder/program.py", SELF))
    same(kucha, python, ["link.py"])


def test_script_without_py_and_compiled_script(kucha: Runner, python: Runner, write: Write, tmp_path: Path) -> None:
    """A script need not be called .py; a .pyc runs too."""
    path = write("program", SELF)
    same(kucha, python, [path])
    py_compile.compile(str(path), str(tmp_path / "compiled.pyc"))
    same(kucha, python, ["compiled.pyc", "x"])


def test_code_sees_itself_alike(kucha: Runner, python: Runner) -> None:
    """-c, and from 3.14 on with indented code."""
    same(kucha, python, ["-c", SELF, "a", "-m"])
    same(kucha, python, ["-c", "\n    import sys\n    print(sys.argv)\n"])


def test_module_sees_itself_alike(kucha: Runner, python: Runner, write: Write) -> None:
    """A module, a package, a module inside one."""
    write("program.py", SELF)
    write("package/__main__.py", SELF)
    write("package/__init__.py", "")
    write("package/inner.py", SELF)
    for module in ("program", "package", "package.inner"):
        same(kucha, python, ["-m", module, "a", "-x"])


def test_module_that_is_missing(kucha: Runner, python: Runner) -> None:
    """The interpreter's own sentence."""
    same(kucha, python, ["-m", "no_such_module_anywhere"])


def test_standard_input_sees_itself_alike(kucha: Runner, python: Runner) -> None:
    """- and arguments."""
    same(kucha, python, ["-", "a"], stdin=SELF)


def test_containers_see_themselves_alike(kucha: Runner, python: Runner, write: Write, tmp_path: Path) -> None:
    """A directory, a zip file, and a zip file with a text in front (zipapp) that have a __main__."""
    main = write("folder/__main__.py", SELF + "import beside\n")
    beside = write("folder/beside.py", "print(__name__)")
    same(kucha, python, ["folder", "a"])
    with zipfile.ZipFile(tmp_path / "app.zip", "w") as archive:
        archive.write(main, "__main__.py")
        archive.write(beside, "beside.py")
    same(kucha, python, ["app.zip", "a"])
    (tmp_path / "app").write_bytes(b"#!/usr/bin/env python3\n" + (tmp_path / "app.zip").read_bytes())
    same(kucha, python, [tmp_path / "app"])


@pytest.mark.parametrize(
    "options", [["-O"], ["-W", "error"], ["-X", "utf8=0"], ["-P"], ["-B", "-u"], ["-bb", "-X", "utf8"]]
)
def test_options_of_python_reach_the_program(python: Runner, write: Write, options: list[str]) -> None:
    """python OPTIONS -m kucha run is python OPTIONS, in sys.flags and in sys.orig_argv."""
    path = write("program.py", SELF + "assert 0 if __debug__ else 1, 'debug'")
    stock = python(*options, path)
    ours = python(*options, "-m", "kucha", "run", "-q", path)
    assert (ours.returncode, ours.stdout, ours.stderr) == (stock.returncode, stock.stdout, stock.stderr)


def test_multiprocessing_finds_main(kucha: Runner, python: Runner, write: Write) -> None:
    """Classes of __main__ travel to processes that are forked, and to those that are started anew."""
    path = write(
        "program.py",
        """
import multiprocessing, sys
class Thing:
    def __init__(self, n): self.n = n
def double(thing): return Thing(thing.n * 2)
if __name__ == "__main__":
    for method in ("fork", "spawn", "forkserver"):
        with multiprocessing.get_context(method).Pool(2) as pool:
            print(method, [thing.n for thing in pool.map(double, map(Thing, range(3)))])
""",
    )
    same(kucha, python, [path])


def test_breakpoint_and_pdb_see_no_frames_of_ours(kucha: Runner, python: Runner, write: Write) -> None:
    """The debugger's view of the stack ends where the program begins."""
    path = write("program.py", "def f():\n    breakpoint()\nf()\n")
    same(kucha, python, [path], stdin="where\ncontinue\n")


def test_control_c_reaches_the_program(write: Write, tmp_path: Path) -> None:
    """SIGINT is the program's KeyboardInterrupt; the process then ends by the signal, as the shell expects."""
    path = write("program.py", "print('ready', flush=True)\nimport time\ntime.sleep(600)\n")
    command = [sys.executable, "-m", "kucha", "run", "-q", str(path)]
    process = subprocess.Popen(
        command, cwd=tmp_path, env=clean_environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    assert eventually(lambda: Process(process.pid).status() == "sleeping")  # in time.sleep(), or nearly
    os.kill(process.pid, signal.SIGINT)
    _, errors = process.communicate(timeout=2 * PATIENCE)
    assert process.returncode == -signal.SIGINT
    assert errors.count("KeyboardInterrupt") == 1
    assert "kucha" not in errors


def test_no_frame_of_ours_is_traced(kucha: Runner, write: Write, tmp_path: Path) -> None:
    """Stacks in the capture end where the program begins."""
    path = write("program.py", "def f():\n    return [bytes(5000) for _ in range(10)]\nkept = f()\n")
    assert kucha("run", "-q", "-o", "out.kucha", "--frames", "50", path).returncode == 0
    done = kucha("report", "--collapsed", "-", "out.kucha")
    assert "program.py" in done.stdout
    assert "/kucha/" not in done.stdout
    assert str(tmp_path) in done.stdout
