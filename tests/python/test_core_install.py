"""install(): the allocator under a running interpreter, what refuses it, and what stays right after it."""

from __future__ import annotations

import re
import sys

import pytest
from core_child import passes, run_child

WORK = """
def work():
    import json
    keep = [{str(i): [i, float(i), "x" * (i % 700)]} for i in range(3000)]
    text = json.dumps(keep)
    assert json.loads(text) == keep
    for i in range(0, 3000, 2):
        keep[i] = None
    big = bytearray(1 << 20)
    for _ in range(12):
        big += bytes(100_000)
    assert len(big) == (1 << 20) + 1_200_000
    return len(text)
"""


def test_facts_hold_on_this_interpreter() -> None:
    passes("""
        facts = _core.facts()
        assert facts["supported"] is True and facts["reason"] is None, facts
        assert facts["python"] == ".".join(map(str, sys.version_info[:3]))
        assert facts["free_threaded"] is False
        assert facts["refcnt tracer"] is (sys.version_info >= (3, 13))
        assert not _core.installed()
    """)


def test_install_is_idempotent_and_the_program_works_on_it() -> None:
    passes(
        WORK
        + """
before = work()
install()
install()
assert work() == before
status = _core.status()
assert status["installed"] and not status["unhooked"] and status["tracing"] is None and status["heaps"] == 2
import gc
gc.collect()
"""
    )


def test_statistics_count_what_lives() -> None:
    passes("""
        install()
        def used(domain):
            return sum(heap["blocks_used"] for heap in _core.stats() if heap["domain"] == domain)
        def large():
            return sum(heap["large_bytes"] for heap in _core.stats())
        used("obj"); large()
        before, before_large = used("obj"), large()
        keep = [object() for _ in range(50_000)]
        text = bytes(3_000_000)
        assert 50_000 <= used("obj") - before <= 50_200
        assert 3_000_000 <= large() - before_large <= 3_600_000
        del keep, text
        assert used("obj") - before <= 200
        for heap in _core.stats():
            for row in heap["classes"]:
                assert row["block_size"] % 16 == 0
            assert sum(row["blocks_used"] for row in heap["classes"]) == heap["blocks_used"]
            assert sum(row["blocks_used"] for row in heap["arenas_list"]) == heap["blocks_used"]
        assert "obj" in _core.stats_text() and "<svg" in _core.map_svg()
        assert _core.purge() >= 0
    """)


def test_nothing_can_be_read_before_install() -> None:
    passes("""
        for call in (_core.stats, _core.stats_text, _core.map_svg, _core.purge, _core.trace_start):
            try:
                call()
            except _core.Refused as refused:
                assert "not installed" in str(refused)
            else:
                raise AssertionError(call)
        assert issubclass(_core.Refused, RuntimeError) and issubclass(_core.CaptureError, ValueError)
    """)


@pytest.mark.parametrize(
    ("options", "environment", "word"),
    [
        (("-X", "dev"), {}, "debug"),
        ((), {"PYTHONMALLOC": "debug"}, "debug"),
        ((), {"PYTHONMALLOC": "pymalloc_debug"}, "debug"),
        ((), {"PYTHONMALLOC": "malloc"}, "PYTHONMALLOC=malloc"),
        (("-X", "tracemalloc"), {}, "tracemalloc"),
    ],
)
def test_refused_beside_another_allocator(options: tuple[str, ...], environment: dict[str, str], word: str) -> None:
    code = """
        try:
            _core.install()
        except _core.Refused as refused:
            print(refused)
        assert not _core.installed() and not _core.status()["unhooked"]
        x = [str(i) for i in range(1000)]
    """
    done = run_child(code, *options, **environment)
    assert done.returncode == 0, done.stderr
    assert word in done.stdout


def test_refused_while_tracemalloc_traces_and_installs_after_it() -> None:
    passes(
        WORK
        + """
import tracemalloc
tracemalloc.start()
early = [str(i) for i in range(1000)]
try:
    install()
except _core.Refused as refused:
    assert "tracemalloc" in str(refused)
else:
    raise AssertionError
tracemalloc.stop()
install()
work()
del early
work()
"""
    )


def test_tracemalloc_over_kucha_and_away_again() -> None:
    passes(
        WORK
        + """
install()
early = [str(i) for i in range(1000)]
import tracemalloc
tracemalloc.start(3)
assert _core.status()["unhooked"]
traced = [str(i) * 3 for i in range(1000)]
work()
assert tracemalloc.get_traced_memory()[0] > 50_000
assert tracemalloc.get_object_traceback(traced[500]) is not None
try:
    _core.trace_start()
except _core.Refused as refused:
    assert "another tool" in str(refused)
else:
    raise AssertionError
del early
tracemalloc.stop()
assert not _core.status()["unhooked"]
del traced
work()
_core.trace_start()
work()
_core.trace_stop()
"""
    )


def test_tracemalloc_comes_and_goes_while_kucha_traces() -> None:
    passes(
        WORK
        + """
install()
import tracemalloc
_core.trace_start(frames=2)
a = [str(i) for i in range(1000)]
tracemalloc.start()
b = [str(i) for i in range(1000)]
work()
_core.trace_stop()
assert not _core.tracing()
c = [str(i) for i in range(1000)]
work()
tracemalloc.stop()
del a, b, c
work()
assert not _core.status()["unhooked"]
_core.trace_start(sample=1000)
work()
tracemalloc.start()
work()
tracemalloc.stop()
work()
_core.trace_stop()
work()
"""
    )


def test_blocks_born_before_go_back_and_can_be_resized() -> None:
    passes("""
        old = [[j for j in range(i % 60)] for i in range(5000)]
        texts = ["y" * (i % 600) for i in range(5000)]
        buffers = [bytearray(i % 900) for i in range(3000)]
        install()
        for i, item in enumerate(old):
            item.extend(range(100))
            assert item[:i % 60] == list(range(i % 60)) and len(item) == i % 60 + 100
        for i, item in enumerate(buffers):
            item.extend(b"z" * 700)
            assert item == bytearray(i % 900) + b"z" * 700
            del item[10:]
        assert all(len(text) == i % 600 for i, text in enumerate(texts))
        del old, texts, buffers
        import gc
        gc.collect()
    """)


def test_threads_share_the_heap() -> None:
    passes(
        WORK
        + """
install()
import threading
results = []
threads = [threading.Thread(target=lambda: results.append(work())) for _ in range(8)]
for thread in threads: thread.start()
for thread in threads: thread.join()
assert len(set(results)) == 1 and len(results) == 8
"""
    )


@pytest.mark.parametrize("tracing", ["", "_core.trace_start(frames=5)", "_core.trace_start(sample=512)"])
def test_fork_keeps_both_sides_working(tracing: str) -> None:
    passes(
        WORK
        + f"""
import os, threading
install()
{tracing}
keep = [str(i) for i in range(10000)]
stop = threading.Event()
noise = threading.Thread(target=stop.wait)
noise.start()
for round in range(5):
    child = os.fork()
    if child == 0:
        work()
        os._exit(0 if keep[77] == "77" else 9)
    work()
    _, status = os.waitpid(child, 0)
    assert status == 0, status
stop.set()
noise.join()
"""
    )


def test_starts_with_one_gigabyte_of_addresses() -> None:
    resource = pytest.importorskip("resource")
    assert resource is not None
    passes(
        """
import resource
resource.setrlimit(resource.RLIMIT_AS, (1 << 30, 1 << 30))
"""
        + WORK
        + """
install()
work()
_core.trace_start(frames=3)
work()
assert len(bytearray(100 << 20)) == 100 << 20
"""
    )


def test_a_limit_on_addresses_that_comes_later_is_no_memory_error() -> None:
    passes(
        WORK
        + """
install()
_core.trace_start()
work()
import resource
resource.setrlimit(resource.RLIMIT_AS, (1 << 30, resource.getrlimit(resource.RLIMIT_AS)[1]))
ten = bytearray(10 << 20)
lists = [[i] for i in range(200_000)]
work()
"""
    )


def test_memory_that_runs_out_is_a_memory_error_and_no_more() -> None:
    passes(
        WORK
        + """
import resource
install()
resource.setrlimit(resource.RLIMIT_AS, (400 << 20, 400 << 20))
keep = []
try:
    while True:
        keep.append([bytes(200) for _ in range(10000)])
except MemoryError:
    del keep
else:
    raise AssertionError
work()
"""
    )


def test_a_crash_shows_that_kucha_was_active() -> None:
    done = run_child("""
        import faulthandler, os, signal
        faulthandler.enable()
        install()
        print(_core.version)
        sys.stdout.flush()
        os.kill(os.getpid(), signal.SIGSEGV)
    """)
    assert done.returncode < 0
    version = re.sub(r"[^0-9A-Za-z]", "_", done.stdout.strip())
    assert f"kucha._active_{version}" in done.stderr


def test_calloc_and_realloc_have_the_meaning_that_cpython_documents() -> None:
    pytest.importorskip("_testcapi")
    passes("""
        import _testcapi
        install()
        for name in ("test_pymem_alloc0", "test_pyobject_new", "test_pymem_malloc", "test_pyobject_malloc"):
            function = getattr(_testcapi, name, None)
            if function is not None:
                function()
        _core.trace_start()
        for name in ("test_pymem_alloc0", "test_pyobject_new"):
            function = getattr(_testcapi, name, None)
            if function is not None:
                function()
    """)


def test_a_jit_is_told_and_the_program_works_with_it() -> None:
    if sys.version_info < (3, 14):
        pytest.skip("no JIT before 3.14")
    passes(
        """
assert _core.facts()["jit"] is sys._jit.is_enabled()
"""
        + WORK
        + """
def loop():
    total = []
    for i in range(20000):
        total.append((i, str(i)))
        if len(total) > 100:
            total.clear()
    return i
install()
_core.trace_start(frames=4)
for _ in range(20): loop(); work()
rows = _core.statistics("lineno")
assert rows
_core.trace_stop()
for _ in range(5): loop(); work()
""",
        PYTHON_JIT="1",
    )
