"""kucha.memory_profiler against the original, from PyPI, on the same programs; and what only ours has."""

from __future__ import annotations

import asyncio
import io
import logging
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from conftest import WATCHED, Done, Runner, eventually
from kucha import memory_profiler
from kucha.memory_profiler import LineProfiler, LogFile, TimeStamper, memory_usage, profile, show_results

Write = Callable[[str, str], Path]

# Everything that makes line events in other ways than going from one line to the next. No coroutine: from 3.12 on, what
# the original makes of one cannot be run.
PROGRAM = """
import asyncio

@profile
def recursive(n):
    if n == 0:
        return 0
    x = [n] * 100
    return 1 + recursive(n - 1)

@profile
def raising(i):
    if i % 2:
        raise ValueError
    return [k for k in range(100)
            if k % 3]

@profile
def catching():
    for i in range(5):
        try:
            raising(i)
        except ValueError:
            pass
    try:
        raise KeyError
    finally:
        return 3

@profile
def generators():
    def inner():
        try:
            x = yield 1
            y = yield 2
        except RuntimeError:
            yield 3
        for z in range(10): yield z
    made = inner()
    next(made)
    made.send(5)
    made.throw(RuntimeError)
    a = sum(made)
    s = {i for i in range(500)}; d = {i: i for i in range(400)}
    w = 0
    while w < 1000: w += 1
    for q in range(300): w += q
    t = sum(i for i in range(200))
    f = lambda x: x + 1
    list(map(f, range(50)))
    nested = [[j for j in range(10)] for i in range(20)]
    with open(__file__) as file:
        file.read()
    return (w,
            t)

@profile
def branches(n):
    for i in range(n):
        if i % 2: continue
        elif i == 9:
            break
        else:
            x = i
    while True:
        n -= 1
        if n < 0: break
    x = [i for i in range(1000) for j in range(3) if i if j]
    match n:
        case 1: pass
        case _: x = 2
    assert n

class Things:
    @profile
    def method(self):
        return [self for _ in range(3)]

recursive(5)
catching()
generators()
branches(40)
Things().method()
"""

ROW = re.compile(r" *(\d+) +(-?[\d.]+) MiB +(-?[\d.]+) MiB +(\d+) ")


def occurrences(text: str) -> list[tuple[int, int]]:
    return [(int(row[1]), int(row[4])) for row in map(ROW.match, text.splitlines()) if row]


@pytest.fixture
def both(python: Runner, write: Write) -> Callable[..., tuple[Done, Done]]:
    """Runs a program under the original and under ours."""
    pytest.importorskip("memory_profiler")

    def run(text: str, *options: str) -> tuple[Done, Done]:
        program = write("program.py", text)
        return (
            python("-m", "memory_profiler", *options, program),
            python("-m", "kucha.memory_profiler", *options, program),
        )

    return run


def table_of(prof: LineProfiler) -> str:
    stream = io.StringIO()
    show_results(prof, stream)
    return stream.getvalue()


# ---- beside the original ----


def test_every_line_occurs_as_often_as_the_original_says(both: Callable[..., tuple[Done, Done]]) -> None:
    original, ours = both(PROGRAM, "--precision", "1")
    assert original.returncode == ours.returncode == 0, original.stderr + ours.stderr
    rows = occurrences(original.stdout)
    assert len(rows) > 40
    assert occurrences(ours.stdout) == rows

    def shape(text: str) -> str:
        return re.sub(r" *-?\d+\.\d MiB", " X MiB", text)

    assert shape(ours.stdout) == shape(original.stdout)


def test_memory_moves_as_the_original_says(both: Callable[..., tuple[Done, Done]]) -> None:
    original, ours = both(
        "@profile\ndef f():\n    a = [1] * 10 ** 6\n    b = [2] * 3 * 10 ** 6\n    del b\n    return a\nf()\n"
    )

    def increments(text: str) -> list[float]:
        return [float(row[3]) for row in map(ROW.match, text.splitlines()) if row]

    for theirs, mine in zip(increments(original.stdout)[1:], increments(ours.stdout)[1:], strict=True):
        assert mine == pytest.approx(theirs, abs=1.0)


def test_a_program_that_fails_is_shown_all_the_same(both: Callable[..., tuple[Done, Done]]) -> None:
    original, ours = both("@profile\ndef f():\n    x = 1\n    raise RuntimeError('gone')\nf()\n")
    assert original.returncode == ours.returncode == 1
    assert occurrences(original.stdout) == occurrences(ours.stdout) != []
    assert "RuntimeError: gone" in ours.stderr


# ---- exact bytes ----

# What a bytearray takes beside its bytes: a head in a block of 64, and one byte at its end; from 3.15 on there is a
# bytes object inside, which has a head of 32.
HEAD = 65 if sys.version_info < (3, 15) else 97

EXACT = """
import io, kucha
kucha.install()
from kucha.memory_profiler import LineProfiler, show_results

def helper():
    return bytearray(50_000)

def f():
    keep = bytearray(100_000)
    for i in range(300):
        x = i + 1000
        bytearray(1 << 20)
    y = "abc"
    z = helper()
    del keep
    many = [str(i) for i in range(1000)]
    return z

LineProfiler()(f)()  # from 3.12 on, the interpreter makes notes about each code object that runs the first time
prof = LineProfiler()
prof(f)()
out = io.StringIO()
show_results(prof, out)
print(out.getvalue())
"""


def exact_rows(text: str) -> dict[str, tuple[int, int, int]]:
    """Allocated, freed and peak by the text of the line."""
    found = re.findall(r"MiB +\d+ +(-?\d+) +(-?\d+) +(-?\d+)   (.*)", text)
    return {line.strip(): (int(allocated), int(freed), int(peak)) for allocated, freed, peak, line in found}


def test_bytes_are_exact_where_the_allocator_is_kuchas(python: Runner, write: Write) -> None:
    done = python(write("exact.py", EXACT))
    assert done.returncode == 0, done.stderr
    rows = exact_rows(done.stdout)
    size = 100_000 + HEAD
    assert rows["keep = bytearray(100_000)"] == (size, 0, size)
    assert rows["del keep"] == (0, size, 0)
    assert rows['y = "abc"'] == (0, 0, 0)
    assert rows["z = helper()"] == (50_000 + HEAD, 0, 50_000 + HEAD)
    allocated, freed, peak = rows["bytearray(1 << 20)"]
    assert allocated == freed == 300 * ((1 << 20) + HEAD)
    assert peak == (1 << 20) + HEAD
    if sys.version_info < (3, 14):  # later ones have a free list for ints, which is no allocation
        assert rows["x = i + 1000"] == (300 * 32, 299 * 32, 32)  # an int is 28 bytes in a block of 32
    allocated, freed, _ = rows["many = [str(i) for i in range(1000)]"]
    assert allocated - freed > 1000 * 8 + 900 * 48


def test_the_plain_table_stays_as_known_without_the_allocator() -> None:
    prof = LineProfiler()
    prof(lambda: None)()
    assert "Occurrences   Line Contents" in table_of(prof)


def test_a_byte_stands_once_in_a_table(python: Runner, write: Write) -> None:
    program = write(
        "once.py",
        EXACT.split("def helper")[0]
        + "def f(n):\n    a = bytearray(10_000)\n    if n:\n        f(n - 1)\n"
        + "    return [bytearray(100) for _ in range(9)]\n"
        + "prof = LineProfiler(); g = prof(f); f = g.__wrapped__; g(4)\nshow_results(prof)\n",
    )
    rows = exact_rows(python(program).stdout)
    assert rows["a = bytearray(10_000)"][0] == 5 * (10_000 + HEAD)
    assert rows["f(n - 1)"][0] < 10_000


# ---- the decorator ----


def gather(**options: Any) -> tuple[io.StringIO, Any]:
    stream = io.StringIO()
    return stream, profile(stream=stream, **options)


def test_the_decorator_keeps_what_the_function_is() -> None:
    @profile
    def f() -> int:
        """Says so."""
        return 1

    assert (f.__name__, f.__doc__, f.__module__) == ("f", "Says so.", __name__)


def test_each_call_has_a_table_of_its_own() -> None:
    stream, decorate = gather(precision=4)

    @decorate
    def f() -> int:
        return 1

    assert f() + f() == 2
    assert stream.getvalue().count("Filename: ") == 2
    assert re.search(r"\d+\.\d{4} MiB", stream.getvalue())


def test_generators_are_profiled_while_they_run() -> None:
    stream, decorate = gather()

    @decorate
    def count(n: int) -> Any:
        for i in range(n):
            got = yield i
            assert got is None
        return "end"

    def outer() -> Any:
        return (yield from count(3))

    assert list(count(3)) == [0, 1, 2]
    running = outer()
    assert [next(running) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(StopIteration) as end:
        next(running)
    assert end.value.value == "end"
    assert [times for _, times in occurrences(stream.getvalue())] == [1, 4, 6, 3, 1] * 2


def test_coroutines_and_asynchronous_generators() -> None:
    stream, decorate = gather()

    @decorate
    async def values() -> Any:
        for i in range(3):
            await asyncio.sleep(0)
            yield i

    @decorate
    async def total() -> int:
        found = 0
        async for value in values():
            found += value
        return found

    assert asyncio.run(total()) == 3
    assert stream.getvalue().count("Filename: ") == 2


def test_static_and_class_methods() -> None:
    stream, decorate = gather()

    class Thing:
        @decorate
        @staticmethod
        def one() -> int:
            return 1

        @decorate
        @classmethod
        def two(cls) -> str:
            return cls.__name__

    assert (Thing.one(), Thing.two()) == (1, "Thing")
    assert stream.getvalue().count("Filename: ") == 2


def test_a_builtin_has_no_lines_and_is_called_all_the_same() -> None:
    with pytest.warns(UserWarning, match="Could not extract a code object"):
        assert LineProfiler()(len)([1]) == 1


def test_an_exception_gets_through_and_the_profiler_is_off_after_it() -> None:
    stream, decorate = gather()

    @decorate
    def fails() -> None:
        raise KeyError("x")

    with pytest.raises(KeyError):
        fails()
    assert sys.gettrace() is None
    assert stream.getvalue() == ""


def test_every_backend_measures_memory() -> None:
    for backend in ("psutil", "psutil_pss", "psutil_uss", "posix"):
        stream, decorate = gather(backend=backend)
        assert decorate(lambda: [0] * 1000)() is not None
        assert occurrences(stream.getvalue()), backend
    with pytest.raises(KeyError, match="is no backend"):
        profile(backend="guess")


def test_resident_memory_is_read_where_it_may_have_moved() -> None:
    prof = LineProfiler(resident="moved")

    def f() -> int:
        kept = bytearray(0)
        for i in range(2000):
            i += 1
        kept = bytearray(b"x" * (40 << 20))
        return len(kept)

    prof(f)()
    prof(f)()
    rows = next(prof.code_map.tables())[3]
    assert max(row[2] for row in rows) - rows[0][2] > 30 << 20


def test_the_profiler_can_be_asked_for_its_numbers() -> None:
    prof = LineProfiler()

    def f() -> list[int]:
        return [0] * 10

    with prof:
        pass
    prof.add_function(f)
    prof.runctx("f()", {"f": f}, {})
    ((filename, lines),) = prof.code_map.items()
    assert filename == __file__
    assert [measure[2] for _, measure in lines if measure] == [1, 1]


def test_threads_have_their_lines_recorded() -> None:
    prof = LineProfiler()

    def f(n: int) -> int:
        for i in range(n):
            n += i
        return n

    decorated = prof(f)
    threads = [threading.Thread(target=decorated, args=(500,)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    counts = [row[3] for row in next(prof.code_map.tables())[3]]
    assert counts[-3:] == [4 * 501, 4 * 500, 4]


def test_what_traced_before_traces_on() -> None:
    seen: list[str] = []

    def tracer(frame: Any, event: str, argument: object) -> Any:
        if frame.f_code.co_name == "traced":
            seen.append(event)
        return tracer

    def traced() -> int:
        return 1

    decorated = LineProfiler()(traced)
    before = sys.gettrace()
    sys.settrace(tracer)
    try:
        decorated()
        assert sys.gettrace() is tracer
    finally:
        sys.settrace(before)
    assert seen == ["call", "line", "return"]


@pytest.mark.skipif(sys.version_info < (3, 12), reason="sys.monitoring came with 3.12")
def test_a_tool_id_that_is_taken_is_a_clear_error() -> None:
    monitoring = sys.monitoring  # type: ignore[attr-defined, unused-ignore]
    monitoring.use_tool_id(monitoring.PROFILER_ID, "another profiler")
    try:
        with pytest.raises(memory_profiler.ToolTaken, match="'another profiler' has the id 2"):
            LineProfiler()(lambda: None)()
    finally:
        monitoring.free_tool_id(monitoring.PROFILER_ID)
    assert LineProfiler()(lambda: 5)() == 5
    assert monitoring.get_tool(monitoring.PROFILER_ID) is None


# ---- memory_usage ----


def test_readings_of_this_process_and_of_another() -> None:
    (mine,) = memory_usage()
    assert 5 < mine < 10_000
    assert len(memory_usage(-1, interval=0.01, timeout=0.05)) == 5
    (pair,) = memory_usage(os.getpid(), timestamps=True)
    assert pair[1] == pytest.approx(time.time(), abs=10)
    assert isinstance(memory_usage(str(os.getpid()), max_usage=True), float)


def test_readings_while_a_function_runs() -> None:
    watched: dict[str, Any] = {}
    exec(WATCHED, watched)

    def f(size: int, turns: int = 0) -> int:
        data = bytearray(b"x" * size)
        watched["wait"](turns)
        return len(data)

    (before,) = memory_usage()
    usage, result = memory_usage((f, (60 << 20,), {"turns": 6}), interval=0.01, retval=True)
    assert result == 60 << 20
    assert max(usage) - before > 50
    most = memory_usage((f, (60 << 20, 3)), interval=0.01, max_usage=True)
    assert most - before > 50
    assert all(len(pair) == 2 for pair in memory_usage((f, (1,)), timestamps=True, max_iterations=1))


def test_a_quick_function_is_called_again_unless_told_otherwise() -> None:
    calls: list[int] = []
    memory_usage((calls.append, (1,)), max_iterations=1)
    assert len(calls) == 1

    def is_called_again() -> bool:
        calls.clear()
        memory_usage((calls.append, (1,)))
        return len(calls) > 2

    # A call during which this thread has no processor for a while is not quick.
    assert eventually(is_called_again)


def test_a_function_that_keeps_the_lock_is_sampled() -> None:
    readings, length = 0, 6_000_000
    while readings <= 10:  # the pytest_timeout of a test is the limit
        readings = len(memory_usage((sum, (range(length),)), interval=0.005, max_iterations=1))
        length *= 3


def test_a_program_that_was_started_is_read_until_it_ends() -> None:
    text = WATCHED + "x = bytearray(b'x' * (30 << 20)); wait(4, os.getppid())"
    process = subprocess.Popen([sys.executable, "-c", text])
    usage = memory_usage(process, interval=0.02, multiprocess=True)
    assert max(reading[0] for reading in usage) > 30
    stream = io.StringIO()
    process = subprocess.Popen([sys.executable, "-c", text])
    assert memory_usage(process, interval=0.05, stream=stream) is None
    assert re.fullmatch(r"(MEM \d+\.\d{6} \d+\.\d{4}\n)+", stream.getvalue())


FORKING = """
import os, time, warnings
from kucha.memory_profiler import memory_usage

warnings.simplefilter("always")

def threads():
    return len(os.listdir("/proc/self/task"))

def forks():
    seen = threads()
    for _ in range(3):
        child = os.fork()
        if child == 0:
            os._exit(threads())
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        until = time.monotonic() + 60
        while threads() < 2 and time.monotonic() < until:
            pass
        seen = seen, status, threads()
    return seen

print(memory_usage((forks,), interval=3600, max_iterations=1, retval=True)[1])
print(threads())
"""


def test_a_function_that_forks_is_sampled_on_and_not_warned_of_threads(python: Runner) -> None:
    done = python("-c", FORKING)
    assert (done.stdout, done.stderr) == ("(((2, 1, 2), 1, 2), 1, 2)\n1\n", "")


def test_children_are_added() -> None:
    child = subprocess.Popen(
        [sys.executable, "-c", "x = b'x' * (40 << 20); print(1, flush=True); input()"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    try:
        assert child.stdout is not None
        child.stdout.readline()
        assert memory_usage(include_children=True)[0] - memory_usage()[0] > 40
        alone = memory_usage((time.sleep, (0.05,)), interval=0.02, max_usage=True)
        assert memory_usage((time.sleep, (0.05,)), interval=0.02, max_usage=True, include_children=True) - alone > 35
    finally:
        child.communicate(b"\n")


def test_what_cannot_be_measured_is_refused() -> None:
    for wrong in ((), (len, (), {}, 4)):
        with pytest.raises(ValueError):
            memory_usage(wrong)
    for wrong in ((1,), (1, 2)):
        with pytest.raises(TypeError, match="must be a function"):
            memory_usage(wrong)
    with pytest.raises(AttributeError, match="a function is wanted"):
        LineProfiler()(5)
    with pytest.raises(TypeError, match="a pid"):
        memory_usage(1.5)
    with pytest.raises(RuntimeError, match="no access to source file"):
        memory_usage((len, ("",)), backend="tracemalloc")
    with pytest.raises(ZeroDivisionError):
        memory_usage((lambda: 1 / 0,))


# ---- streams, times, magics ----


def test_a_log_file_takes_the_lines_that_grew(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    log = LogFile("growth", reportIncrementFlag=True)
    log.write("     4     10.0 MiB      0.0 MiB           1   a\n")
    log.write("     5     20.0 MiB     10.0 MiB           1   b\n")
    log.write("Filename: x.py\n")
    LogFile("growth").write("anything")
    assert [record.message.strip()[:1] for record in caplog.records] == ["5", "F", "a"]


def test_times_of_functions_are_lines_of_a_dat_file() -> None:
    stamper = TimeStamper("psutil")

    def outer() -> int:
        with stamper.timestamp("block"):
            return inner()

    inner = stamper(lambda: 1)
    assert stamper(outer)() == 1
    stream = io.StringIO()
    stamper.show_results(stream)
    lines = stream.getvalue().splitlines()
    assert len(lines) == 3
    assert all(re.fullmatch(r"FUNC \S+( \d+\.\d{4}){4} \d", line) for line in lines)
    assert sorted(int(line[-1]) for line in lines) == [0, 1, 2]
    with pytest.raises(ValueError, match="must be callable"):
        stamper(5)


def test_the_magics_measure_and_show(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    magics = pytest.importorskip("kucha._memory_magics")

    class Options(SimpleNamespace):
        def __contains__(self, name: str) -> bool:
            return hasattr(self, name)

    shell = SimpleNamespace(user_ns={}, user_global_ns={})
    fake = SimpleNamespace(shell=shell, parse_options=lambda line, *_, **__: (Options(o="", r="2"), line))
    result = magics._memit(fake, "x = [0] * 1000")
    assert "peak memory: " in capsys.readouterr().out
    assert len(result.mem_usage) == 2
    assert shell.user_ns["x"] == [0] * 1000


def test_the_command_says_what_it_needs(python: Runner) -> None:
    done = python("-m", "kucha.memory_profiler")
    assert done.returncode == 1
    assert "A program to run must be provided" in done.stdout
    assert "Could not find script" in python("-m", "kucha.memory_profiler", "no_such.py").stderr


def test_the_command_runs_modules_and_appends_to_a_file(python: Runner, write: Write, tmp_path: Path) -> None:
    write("mod.py", "import sys\n@profile\ndef f():\n    return sys.argv[1:]\nprint(f())\n")
    done = python("-m", "kucha.memory_profiler", "--exact", "-o", "out.txt", "mod", "a", "b")
    assert done.stdout == "['a', 'b']\n", done.stderr
    assert "Allocated B" in (tmp_path / "out.txt").read_text()
