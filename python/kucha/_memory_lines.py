"""Lines of functions: the LineProfiler of kucha.memory_profiler, its table, and the TimeStamper.

Numbers and text are those of memory_profiler 0.61. Where kucha's allocator is in place, the table has three columns
more: the bytes that the line allocated and freed, and how far it went above where it began; exact, with all that the
line called.
"""

from __future__ import annotations

import functools
import inspect
import linecache
import logging
import os
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import CodeType, FrameType
from typing import Any, TextIO, cast

from kucha import _core
from kucha._lines import Recorder, Resident, Row
from kucha._memory_usage import MIB, choose_backend, get_memory

Measure = tuple[float, float, int]  # increment, memory (MiB), occurrences
_READ_IN_C = ("psutil", "posix")


def _reader(backend: str, include_children: bool) -> Callable[[CodeType], float] | None:
    """What a recorder calls for the memory of this process; None where it reads that itself."""
    if backend in _READ_IN_C and not include_children:
        return None

    def read(code: CodeType) -> float:
        now: float = get_memory(-1, backend, include_children=include_children, filename=code.co_filename)
        return now * MIB

    return read


class CodeMap:
    """The functions that a profiler looks at, and what it found, line by line."""

    def __init__(self, include_children: bool, backend: str, resident: Resident = "every") -> None:
        self.include_children = include_children
        self.backend = backend
        self.resident = resident
        self.recorder = Recorder(resident, _reader(backend, include_children))
        self._toplevel: list[tuple[str, CodeType, range, int]] = []

    def add(self, code: CodeType) -> None:
        """Looks at a code object, and at those inside it."""
        filename = code.co_filename
        if filename.endswith((".pyc", ".pyo")):
            filename = filename[:-1]
        if not os.path.exists(filename):
            print("ERROR: Could not find file " + filename)
            if filename.startswith(("ipython-input", "<ipython-input")):
                print(
                    "NOTE: %mprun can only be used on functions defined in physical files, and not in the IPython "
                    "environment."
                )
            return
        lines, first = inspect.getsourcelines(code)
        table = self.recorder.add(code, first, len(lines))
        if table >= 0:
            self._toplevel.append((filename, code, range(first, first + len(lines)), table))

    def __contains__(self, code: object) -> bool:
        return any(code is known for _, known, _, _ in self._toplevel)

    def tables(self) -> Iterator[tuple[str, CodeType, range, list[Row]]]:
        """Each function that has run: its file, its code, its lines, and the rows of those that have run."""
        for filename, code, lines, table in self._toplevel:
            rows = self.recorder.rows(table)
            if rows:
                yield filename, code, lines, rows

    def values(self) -> Iterator[dict[int, Measure]]:
        """The lines that have run of each function, with increment, memory and occurrences."""
        for _, _, _, rows in self.tables():
            yield {line: (increment / MIB, memory / MIB, count) for line, increment, memory, count, *_ in rows}

    def items(self) -> Iterator[tuple[str, Iterator[tuple[int, Measure | None]]]]:
        """Each function that has run: its file, and its lines with increment, memory and occurrences."""
        for filename, _, lines, rows in self.tables():
            known = {line: (increment / MIB, memory / MIB, count) for line, increment, memory, count, *_ in rows}
            yield filename, ((line, known.get(line)) for line in lines)


class LineProfiler:
    """Records what lines of functions do to memory, while it is on.

    ``backend`` and ``include_children`` as in memory_usage(). ``max_mem``: go into the debugger above so many MiB.
    ``resident``: read resident memory at 'every' line, where it may have 'moved' (quicker; docs/memory_profiler.md), or
    keep it 'off' and record what the allocator counts alone.
    """

    def __init__(
        self,
        *,
        include_children: bool = False,
        backend: str | None = None,
        max_mem: float | None = None,
        resident: Resident = "every",
    ) -> None:
        self.backend = choose_backend(backend)
        self.code_map = CodeMap(include_children, self.backend, resident)
        self.enable_count = 0
        self.max_mem = max_mem
        self._former: Any = None

    def __call__(self, func: Any = None, precision: int = 1) -> Any:
        """Decorates a function, or gives the decorator."""
        if func is None:
            return functools.partial(self.__call__, precision=precision)
        if isinstance(func, (staticmethod, classmethod)):
            return type(func)(self(func.__func__))
        if not callable(func):
            raise AttributeError(f"a function is wanted, which has a name and lines, not {func!r}")
        self.add_function(func)
        return self.wrap_function(func)

    def add_function(self, func: Any) -> None:
        """Looks at a function."""
        code = getattr(func, "__code__", None)
        if code is None:
            warnings.warn(f"Could not extract a code object for the object {func!r}", stacklevel=3)
        else:
            self.code_map.add(code)

    @contextmanager
    def _count_ctxmgr(self) -> Iterator[None]:
        self.enable_by_count()
        try:
            yield
        finally:
            self.disable_by_count()

    def wrap_function(self, func: Any) -> Any:
        """The function, with the profiler on while its code runs."""
        return wrapped(func, self._count_ctxmgr)

    def runctx(self, cmd: Any, globals: dict[str, Any], locals: dict[str, Any]) -> LineProfiler:  # noqa: A002
        """Runs a statement with the profiler on."""
        with self._count_ctxmgr():
            exec(cmd, globals, locals)
        return self

    def enable_by_count(self) -> None:
        """Switches on, once more where it is on."""
        self.enable()
        self.enable_count += 1

    def disable_by_count(self) -> None:
        """Takes one enable_by_count() back."""
        if self.enable_count > 0:
            self.enable_count -= 1
            self.disable()

    def __enter__(self) -> None:
        self.enable_by_count()

    def __exit__(self, *about: object) -> None:
        self.disable_by_count()

    def enable(self) -> None:
        """Switches on in this thread."""
        if self.max_mem is None:
            self.code_map.recorder.on()
        elif sys.gettrace() != self.trace_max_mem:
            self._former = sys.gettrace()
            sys.settrace(self.trace_max_mem)

    def disable(self) -> None:
        """Switches off in this thread."""
        if self.max_mem is None:
            self.code_map.recorder.off()
        elif self.enable_count == 0:
            sys.settrace(self._former)

    def trace_max_mem(self, frame: FrameType, event: str, argument: Any) -> Any:
        """For sys.settrace: goes into the debugger when the process has more than it may."""
        if event in ("line", "return") and frame.f_code in self.code_map and self.max_mem is not None:
            now = get_memory(-1, self.backend, filename=frame.f_code.co_filename)
            if now >= self.max_mem:
                sys.stdout.write(f"Current memory {now:.2f} MiB exceeded the maximum of {self.max_mem:.2f} MiB\n")
                sys.stdout.write("Stepping into the debugger \n")
                import pdb

                debugger = pdb.Pdb()
                self.max_mem = float("inf")
                debugger.set_trace(frame)
                return debugger.trace_dispatch
        if self._former is not None:
            self._former(frame, event, argument)
        return self.trace_max_mem


# ---- wrapping ----


def wrapped(func: Any, around: Callable[[], Any]) -> Any:
    """A function that runs ``func`` inside ``around()``; of a generator, only what it does between two values."""
    if inspect.isasyncgenfunction(func):

        @functools.wraps(func)
        async def call_async_generator(*args: Any, **kwargs: Any) -> Any:
            inner = func(*args, **kwargs)
            value: Any = None
            try:
                while True:
                    try:
                        with around():
                            item = await inner.asend(value)
                    except StopAsyncIteration:
                        return
                    value = yield item
            finally:
                with around():
                    await inner.aclose()

        return call_async_generator
    if inspect.iscoroutinefunction(func):

        @functools.wraps(func)
        async def call_coroutine(*args: Any, **kwargs: Any) -> Any:
            with around():
                return await func(*args, **kwargs)

        return call_coroutine
    if inspect.isgeneratorfunction(func):

        @functools.wraps(func)
        def call_generator(*args: Any, **kwargs: Any) -> Any:
            return (yield from _between_values(func(*args, **kwargs), around))

        return call_generator

    @functools.wraps(func)
    def call(*args: Any, **kwargs: Any) -> Any:
        with around():
            return func(*args, **kwargs)

    return call


def _between_values(generator: Any, around: Callable[[], Any]) -> Any:
    """Runs a generator as ``yield from`` would, inside ``around()`` while its own code runs."""
    step, value = generator.send, None
    while True:
        try:
            with around():
                item = step(value)
        except StopIteration as end:
            return end.value
        try:
            step, value = generator.send, (yield item)
        except GeneratorExit:
            with around():
                generator.close()
            raise
        except BaseException as error:
            step, value = generator.throw, error


# ---- the table ----

_KNOWN = "{0:>6} {1:>12} {2:>12}  {3:>10}   {4:<}"
_EXACT = "{0:>6} {1:>12} {2:>12}  {3:>10} {5:>13} {6:>13} {7:>13}   {4:<}"
_HEADINGS = ("Line #", "Mem usage", "Increment", "Occurrences", "Line Contents", "Allocated B", "Freed B", "Peak B")


def show_results(prof: LineProfiler, stream: TextIO | None = None, precision: int = 1) -> None:
    """Writes the table of each function that has run."""
    stream = stream or sys.stdout
    counted = prof.code_map.recorder.counted
    for filename, _, lines, rows in prof.code_map.tables():
        write_table(stream, filename, lines, rows, precision, counted, prof.code_map.resident)


def write_table(
    stream: TextIO, filename: str, lines: range, rows: list[Row], precision: int, counted: bool, resident: Resident
) -> None:
    """Writes the table of one function; ``counted`` with the columns of kucha's allocator."""
    template = _EXACT if counted else _KNOWN
    header = template.format(*_HEADINGS)
    stream.write("Filename: " + filename + "\n\n")
    stream.write(header + "\n")
    stream.write("=" * len(header) + "\n")
    source = linecache.getlines(filename)
    known = {row[0]: row for row in rows}
    for line in lines:
        text = source[line - 1] if line <= len(source) else "\n"
        stream.write(template.format(*_cells(line, known.get(line), text, precision, resident)))
    stream.write("\n\n")


def _cells(line: int, row: Row | None, text: str, precision: int, resident: Resident) -> tuple[Any, ...]:
    if row is None:
        return (line, "", "", "", text, "", "", "")
    _, increment, memory, count, allocated, freed, peak = row
    shown = ("", "")
    if resident != "off":
        shown = (_mib(memory, precision), _mib(increment, precision))
    return (line, *shown, count, text, allocated, freed, peak)


def _mib(size: int, precision: int) -> str:
    return f"{size / MIB:{precision + 4}.{precision}f} MiB"


class LogFile:
    """A stream for the table that writes to a logger; with ``reportIncrementFlag`` only lines whose memory grew."""

    def __init__(self, name: str | None = None, reportIncrementFlag: bool = False) -> None:  # noqa: N803
        self.logger = logging.getLogger(name)
        self.reportIncrementFlag = reportIncrementFlag

    def write(self, msg: str, level: int = logging.INFO) -> None:
        """One piece of the table."""
        if self.reportIncrementFlag:
            parts = msg.split("MiB")
            grew = len(parts) > 1 and _is_above_zero(parts[1])
            if not (grew or "Filename:" in msg or "Line Contents" in msg):
                return
        self.logger.log(level, msg)

    def flush(self) -> None:
        """Of all handlers of the logger."""
        for handler in self.logger.handlers:
            handler.flush()


def _is_above_zero(text: str) -> bool:
    try:
        return float(text) > 0
    except ValueError:
        return False


# ---- times of functions, for mprof ----


class TimeStamper:
    """Records when functions run, and what the process has then: what ``mprof run`` puts into its file."""

    def __init__(self, backend: str, include_children: bool = False) -> None:
        self.functions: dict[Any, list[list[tuple[float, float]]]] = {}
        self.backend = backend
        self.include_children = include_children
        self.current_stack_level = -1
        self.stack: dict[Any, list[int]] = {}

    def __call__(self, func: Any = None, precision: int | None = None) -> Any:
        """Decorates a function, or gives the decorator."""
        if func is None:
            return functools.partial(self.__call__, precision=precision)
        if not callable(func):
            raise ValueError(f"Value must be callable, and {func!r} is not")
        self.add_function(func)
        return self.wrap_function(func)

    def add_function(self, func: Any) -> None:
        """Has a place for what will be recorded."""
        self.functions.setdefault(func, [])
        self.stack.setdefault(func, [])

    def timestamp(self, name: str = "<block>") -> Any:
        """A context manager that records a block of code under a name."""

        def block() -> None:
            """Stands for the block."""

        block.__module__, block.__name__ = "", name
        self.add_function(block)
        return self._around(block)

    def wrap_function(self, func: Any) -> Any:
        """The function, recorded at each call."""
        if inspect.isgeneratorfunction(func) or inspect.isasyncgenfunction(func):

            @functools.wraps(func)
            def call(*args: Any, **kwargs: Any) -> Any:
                with self._around(func):
                    return func(*args, **kwargs)

            return call
        return wrapped(func, lambda: self._around(func))

    def _reading(self, func: Any) -> tuple[float, float]:
        code = getattr(func, "__code__", None)
        filename = "<unknown>" if code is None else code.co_filename
        now = get_memory(-1, self.backend, True, self.include_children, filename)
        return cast("tuple[float, float]", now)

    @contextmanager
    def _around(self, func: Any) -> Iterator[None]:
        readings = [self._reading(func)]
        self.functions[func].append(readings)
        self.current_stack_level += 1
        self.stack[func].append(self.current_stack_level)
        try:
            yield
        finally:
            self.current_stack_level -= 1
            readings.append(self._reading(func))

    def show_results(self, stream: TextIO | None = None) -> None:
        """Writes lines of a .dat file; a call that has not ended ends now."""
        stream = stream or sys.stdout
        for func, calls in self.functions.items():
            for readings, level in zip(calls, self.stack[func], strict=True):
                (before, begun), (after, ended) = readings[0], (*readings, (readings[0][0], time.time()))[1]
                name = f"{func.__module__}.{func.__name__}"
                stream.write(f"FUNC {name} {before:.4f} {begun:.4f} {after:.4f} {ended:.4f} {level}\n")


def exact_is_there() -> bool:
    """Whether tables have the columns of kucha's allocator."""
    return _core.installed()
