"""The magics of IPython: ``%memit``, ``%%memit``, ``%mprun`` and ``%%mprun``. Imported where IPython asks for them."""

from __future__ import annotations

import builtins
import gc
from importlib import import_module
from io import StringIO
from typing import Any

from kucha._memory_lines import LineProfiler, show_results
from kucha._memory_usage import memory_usage


class MemitResult:
    """What %memit found; shown as %timeit shows its own."""

    def __init__(
        self,
        mem_usage: list[float],
        baseline: float,
        repeat: int,
        timeout: int | None,
        interval: float,
        include_children: bool,
    ) -> None:
        self.mem_usage = mem_usage
        self.baseline = baseline
        self.repeat = repeat
        self.timeout = timeout
        self.interval = interval
        self.include_children = include_children

    def __str__(self) -> str:
        most = max(self.mem_usage)
        return f"peak memory: {most:.02f} MiB, increment: {most - self.baseline:.02f} MiB"

    def _repr_pretty_(self, p: Any, cycle: bool) -> None:  # noqa: ARG002
        p.text(f"<MemitResult : {self}>")


def _func_exec(stmt: str, ns: dict[str, Any]) -> None:
    exec(stmt, ns)


def _memit(magics: Any, line: str = "", cell: str | None = None) -> MemitResult | None:
    """Measure the memory of a statement.

    %memit [-r<R>] [-t<T>] [-i<I>] [-c] [-o] [-q] statement; as %%memit, the first line is setup, which is not measured.
    -r: repeat so many times, and take the highest. -t: stop after so many seconds. -i: seconds between readings,
    default 0.1. -c: add child processes. -o: return the result. -q: print nothing.
    """
    options, statement = magics.parse_options(line, "r:t:i:coq", posix=False, strict=False)
    setup, statement = ("pass", statement) if cell is None else (statement, cell)
    repeat = max(1, int(getattr(options, "r", 1)))
    timeout = int(getattr(options, "t", 0)) or None
    interval = float(getattr(options, "i", 0.1))
    include_children = "c" in options
    space = magics.shell.user_ns
    gc.collect()
    _func_exec(setup, space)
    baseline = memory_usage()[0]
    usage = [
        memory_usage(
            (_func_exec, (statement, space)),
            timeout=timeout,
            interval=interval,
            max_usage=True,
            max_iterations=1,
            include_children=include_children,
        )
        for _ in range(repeat)
    ]
    result = MemitResult(usage, baseline, repeat, timeout, interval, include_children)
    if "q" not in options:
        print(result)
    return result if "o" in options else None


def _functions(names: list[str], magics: Any, error: type[Exception]) -> list[Any]:
    found = []
    for name in names:
        try:
            found.append(eval(name, magics.shell.user_global_ns, magics.shell.user_ns))
        except Exception as problem:
            raise error(f"Could not find function {name!r}.\n{type(problem).__name__}: {problem}") from None
    return found


def _run_with_profile(profiler: LineProfiler, statement: str, magics: Any) -> str:
    """Runs with ``profile`` among the builtins. What to say of how it ended."""
    before = vars(builtins).get("profile")
    had = "profile" in vars(builtins)
    vars(builtins)["profile"] = profiler
    try:
        profiler.runctx(statement, magics.shell.user_global_ns, magics.shell.user_ns)
    except SystemExit:
        return "*** SystemExit exception caught in code being profiled."
    except KeyboardInterrupt:
        return "*** KeyboardInterrupt exception caught in code being profiled."
    finally:
        if had:
            vars(builtins)["profile"] = before
        else:
            del vars(builtins)["profile"]
    return ""


def _mprun(magics: Any, parameter_s: str = "", cell: str | None = None) -> LineProfiler | None:
    """Run a statement, and show what the lines of functions do to memory.

    %mprun -f function [-f function ...] [-T file] [-r] [-c] statement; as %%mprun, the cell is run as well.
    -f: a function to look at, which must stand in a file. -T: also write the table to a file. -r: return the
    LineProfiler. -c: add child processes.
    """
    ipython: Any = import_module("IPython")
    error, show = ipython.core.error.UsageError, ipython.core.page.page
    parameters = parameter_s.replace('"', r"\"").replace("'", r"\'")
    options, statement = magics.parse_options(parameters, "rf:T:c", list_all=True)
    if cell is not None:
        statement += "\n" + cell
    profiler = LineProfiler(include_children="c" in options)
    for function in _functions(options.get("f", []), magics, error):
        profiler.add_function(function)
    message = _run_with_profile(profiler, statement, magics)
    text = StringIO()
    show_results(profiler, text)
    output = text.getvalue().rstrip()
    show(output)
    print(message)
    for name in options.get("T", []):
        with open(name, "w") as file:
            file.write(output)
        print(f"\n*** Profile printout saved to text file {name}. {message}")
    return profiler if "r" in options else None


def magics() -> Any:
    """The class of the magics, for register_magics()."""
    magic: Any = import_module("IPython.core.magic")
    both = magic.line_cell_magic
    members = {"memit": both(_named("memit", _memit)), "mprun": both(_named("mprun", _mprun))}
    return magic.magics_class(type("MemoryProfilerMagics", (magic.Magics,), members))


def _named(name: str, function: Any) -> Any:
    function.__name__ = name
    return function
