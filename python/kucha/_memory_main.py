"""``python -m kucha.memory_profiler``: runs a script or a module with its ``@profile`` functions recorded."""

from __future__ import annotations

import argparse
import builtins
import os
import runpy
import sys
from types import ModuleType
from typing import Any

from kucha import memory_profiler
from kucha._memory_usage import BACKENDS, start_tracemalloc, traced_tracemalloc

_USAGE = "python -m kucha.memory_profiler [options] script_file.py [args ...]"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="kucha.memory_profiler",
        usage=_USAGE,
        description="Runs a program, and shows what the lines of its @profile functions do to memory.",
    )
    parser.add_argument("--version", action="version", version=memory_profiler.__version__)
    parser.add_argument(
        "--pdb-mmem",
        dest="max_mem",
        metavar="MAXMEM",
        type=float,
        help="go into the debugger when the program has more than MAXMEM MiB",
    )
    parser.add_argument("--precision", type=int, default=3, help="digits behind the point. Default: 3")
    parser.add_argument("-o", dest="out_filename", metavar="FILE", help="append the results to a file")
    parser.add_argument(
        "--timestamp", action="store_true", help="record when functions run, for mprof, and not their lines"
    )
    parser.add_argument("--include-children", action="store_true", help="add the memory of child processes")
    parser.add_argument(
        "--backend", choices=BACKENDS, default="psutil", help="what memory is; psutil: resident memory. Default: psutil"
    )
    parser.add_argument(
        "--resident",
        choices=("every", "moved", "off"),
        default="every",
        help="read resident memory at every line, where it may have moved (quicker), or not at all. Default: every",
    )
    parser.add_argument(
        "--exact", action="store_true", help="put kucha's allocator in place, for the exact bytes of each line"
    )
    parser.add_argument("program", nargs=argparse.REMAINDER, help="a script or a module, and its arguments")
    return parser


def find_script(name: str) -> str:
    """The file, also one in a folder of PATH."""
    for folder in ("", *os.get_exec_path()):
        path = os.path.join(folder, name)
        if os.path.isfile(path):
            return path
    sys.stderr.write(f"Could not find script {name}\n")
    raise SystemExit(1)


def run_script(path: str, profiler: Any, arguments: list[str]) -> None:
    """Runs a file as __main__, with ``profile`` among the builtins."""
    main = ModuleType("__main__")
    main.__dict__.update(__file__=path, __builtins__=builtins, profile=profiler)
    sys.modules["__main__"] = main
    sys.argv = [path, *arguments]
    sys.path.insert(0, os.path.dirname(path))
    with open(path, "rb") as file:
        code = compile(file.read(), path, "exec", dont_inherit=True)
    exec(code, main.__dict__)


def _run(name: str, profiler: Any, arguments: list[str]) -> None:
    vars(builtins)["profile"] = profiler
    if name.endswith(".py") or os.path.isfile(name):
        run_script(find_script(name), profiler, arguments)
    else:
        sys.argv = [name, *arguments]
        runpy.run_module(name, {"profile": profiler}, "__main__", alter_sys=True)


def _write(profiler: Any, stream: Any, options: argparse.Namespace) -> None:
    if options.timestamp:
        profiler.show_results(stream=stream)
    else:
        memory_profiler.show_results(profiler, stream, options.precision)


def main(words: list[str]) -> int:
    """Runs one program. Returns the exit code."""
    options = _parser().parse_args(words)
    if not options.program:
        print("A program to run must be provided. Use -h for help")
        return 1
    if options.exact:
        import kucha

        try:
            kucha.install()
        except kucha.Refused as refusal:
            print(f"kucha: {refusal}; the table has no exact bytes", file=sys.stderr)
    profiler: Any
    if options.timestamp:
        profiler = memory_profiler.TimeStamper(options.backend, options.include_children)
    else:
        profiler = memory_profiler.LineProfiler(
            max_mem=options.max_mem,
            backend=options.backend,
            include_children=options.include_children,
            resident=options.resident,
        )
    if options.backend == "tracemalloc":
        start_tracemalloc()
    try:
        _run(options.program[0], profiler, options.program[1:])
    finally:
        if options.backend == "tracemalloc":
            traced_tracemalloc().stop()
        if options.out_filename is None:
            _write(profiler, sys.stdout, options)
        else:
            with open(options.out_filename, "a") as file:
                _write(profiler, file, options)
    return 0
