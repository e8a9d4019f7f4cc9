"""memory_profiler, over kucha's core: change the import, and nothing else.

The interface and the numbers are those of memory_profiler 0.61: ``@profile`` and its table, ``memory_usage()``,
``LineProfiler``, ``LogFile``, the magics of IPython, ``python -m kucha.memory_profiler script.py``. What is more than
there:

- where kucha's allocator is in place (``kucha.install()``, ``kucha run``), the table also has the bytes that each line
  allocated and freed, and its peak, exact, small and cached objects included;
- lines are recorded in C: where the original makes a loop over a thousand times slower, this is tens;
- ``resident='moved'`` reads resident memory only where it may have moved, ``'off'`` not at all;
- generators and asynchronous generators are profiled while they run, not while they are made; other threads that call a
  profiled function have their lines recorded too.

docs/memory_profiler.md says what differs, and why.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from typing import Any, TextIO

from kucha._lines import Resident, ToolTaken
from kucha._memory_lines import CodeMap, LineProfiler, LogFile, TimeStamper, show_results, wrapped
from kucha._memory_usage import child_memory as _get_child_memory
from kucha._memory_usage import choose_backend, memory_usage, start_tracemalloc
from kucha._memory_usage import get_memory as _get_memory

__all__ = [
    "CodeMap",
    "LineProfiler",
    "LogFile",
    "TimeStamper",
    "ToolTaken",
    "choose_backend",
    "load_ipython_extension",
    "memory_usage",
    "profile",
    "show_results",
]

__version__ = "0.61.0"  # of the interface

has_tracemalloc = True
_private = (_get_memory, _get_child_memory)  # names that programs take from the original all the same


def profile(
    func: Any = None,
    stream: TextIO | None = None,
    precision: int = 1,
    backend: str = "psutil",
    resident: Resident = "every",
) -> Any:
    """Decorates a function: each call, when it has returned, writes the table of its lines."""
    chosen = choose_backend(backend)
    if chosen == "tracemalloc":
        start_tracemalloc()
    if func is None:
        return functools.partial(profile, stream=stream, precision=precision, backend=backend, resident=resident)
    if isinstance(func, (staticmethod, classmethod)):
        return type(func)(profile(func.__func__, stream, precision, backend, resident))
    return _each_call(func, lambda: LineProfiler(backend=chosen, resident=resident), stream, precision)


def _each_call(func: Any, make: Callable[[], LineProfiler], stream: TextIO | None, precision: int) -> Any:
    """The function, with a profiler of its own for each call."""
    import inspect

    def begin() -> tuple[LineProfiler, Any]:
        profiler = make()
        profiler.add_function(func)
        return profiler, wrapped(func, profiler._count_ctxmgr)

    if inspect.isasyncgenfunction(func):

        @functools.wraps(func)
        async def call_async_generator(*args: Any, **kwargs: Any) -> Any:
            profiler, inner = begin()
            async for item in inner(*args, **kwargs):
                yield item
            show_results(profiler, stream, precision)

        return call_async_generator
    if inspect.iscoroutinefunction(func):

        @functools.wraps(func)
        async def call_coroutine(*args: Any, **kwargs: Any) -> Any:
            profiler, inner = begin()
            value = await inner(*args, **kwargs)
            show_results(profiler, stream, precision)
            return value

        return call_coroutine
    if inspect.isgeneratorfunction(func):

        @functools.wraps(func)
        def call_generator(*args: Any, **kwargs: Any) -> Any:
            profiler, inner = begin()
            try:
                return (yield from inner(*args, **kwargs))
            finally:
                show_results(profiler, stream, precision)

        return call_generator

    @functools.wraps(func)
    def call(*args: Any, **kwargs: Any) -> Any:
        profiler, inner = begin()
        value = inner(*args, **kwargs)
        show_results(profiler, stream, precision)
        return value

    return call


def load_ipython_extension(ip: Any) -> None:
    """Gives IPython ``%memit``, ``%%memit``, ``%mprun`` and ``%%mprun``: ``%load_ext kucha.memory_profiler``."""
    from kucha._memory_magics import magics

    ip.register_magics(magics())


if __name__ == "__main__":
    from kucha._memory_main import main

    sys.exit(main(sys.argv[1:]))
