"""Interpreters with a GIL of their own, all on kucha at the same time."""

from __future__ import annotations

import sys

import pytest
from core_child import passes

pytestmark = pytest.mark.skipif(sys.version_info < (3, 12), reason="one GIL before 3.12")

HELPERS = """
import threading
try:
    import _interpreters
    def create(): return _interpreters.create()
    def run(i, code):
        failure = _interpreters.run_string(i, code)
        if failure is not None: raise RuntimeError(failure)
    destroy = _interpreters.destroy
except ImportError:
    import _xxsubinterpreters as _interpreters
    def create(): return _interpreters.create(isolated=True)
    run = _interpreters.run_string
    destroy = _interpreters.destroy
WORK = '''
keep = []
for round in range(6):
    keep.append([{str(i): [i, float(i), "x" * (i % 700)]} for i in range(1500)])
    if len(keep) > 2:
        keep.pop(0)
text = "|".join(str(i) for i in range(20000))
assert len(text.split("|")) == 20000
big = bytearray(1000)
for i in range(300):
    big += bytes(i * 10)
import json, re, collections
P = collections.namedtuple("P", "a b")
assert json.loads(json.dumps([P(i, i) for i in range(1000)]))[5] == [5, 5]
del keep, text, big
'''
def together(count, rounds=2):
    failures = []
    def one():
        try:
            for _ in range(rounds):
                i = create()
                run(i, WORK)
                destroy(i)
        except BaseException as error:
            failures.append(error)
    threads = [threading.Thread(target=one) for _ in range(count)]
    for thread in threads: thread.start()
    for _ in range(3): exec(WORK, {})
    for thread in threads: thread.join()
    assert not failures, failures
"""


@pytest.mark.parametrize(
    "start",
    ["", "_core.trace_start(frames=1)", "_core.trace_start(frames=8)", "_core.trace_start(sample=1000)"],
)
def test_two_gils_allocate_at_once(start: str) -> None:
    passes(
        HELPERS
        + f"""
install()
{start}
before = [str(i) for i in range(5000)]
together(3)
assert _core.status()["interpreters"]
assert not _core.status()["unhooked"]
del before
exec(WORK, {{}})
if _core.tracing():
    assert _core.statistics("lineno")
    _core.trace_stop()
together(2, rounds=1)
_core.stats()
""",
        timeout=300,
    )


def test_the_first_interpreters_are_made_by_several_threads_at_once() -> None:
    """Each without the GIL, while others use the list of interpreters: none may go on before the entry points know."""
    for _ in range(12):
        passes(
            HELPERS
            + """
install()
ready = threading.Barrier(3)
def make():
    ready.wait()
    for _ in range(3): create()
makers = [threading.Thread(target=make) for _ in range(2)]
for maker in makers: maker.start()
ready.wait()
while any(maker.is_alive() for maker in makers):
    thread = threading.Thread(target=dict)
    thread.start()
    thread.join()
    kept = [[i] for i in range(100)]
"""
        )


def test_what_ended_interpreters_left_is_counted_while_others_are_made() -> None:
    """They are made without the main interpreter's GIL, and move into what is being counted."""
    passes(
        HELPERS
        + """
install()
for i in [create() for _ in range(3)]:
    run(i, "x = [[str(i)] for i in range(5000)]")
    destroy(i)
def make():
    for _ in range(8):
        i = create()
        run(i, "x = [[str(i)] for i in range(5000)]")
        destroy(i)
maker = threading.Thread(target=make)
maker.start()
while maker.is_alive():
    assert _core.census()[0]
maker.join()
heaps = _core.status()["heaps"]
assert _core.census()[0]
run(create(), "x = [[str(i)] for i in range(5000)]")      # what was read is free again
assert _core.status()["heaps"] == heaps, _core.status()
"""
    )


def test_the_first_traced_call_may_be_made_in_the_second_tracing() -> None:
    """Blocks that a slow path takes are counted then, too, and resized with all that is in them."""
    passes(
        HELPERS
        + """
install()
i = create()
run(i, "pass")
_core.trace_start(frames=1)
_core.trace_stop()
_core.trace_start(frames=1)
run(i, "keep = [bytes(5000) for _ in range(100)]")
blocks = sum(row[5] for row in _core.statistics("lineno") if row[0] in ("<string>", "<script>"))
assert blocks > 100, _core.statistics("lineno")[:9]
_core.trace_stop()
"""
    )


def test_houses_are_used_again() -> None:
    passes(
        HELPERS
        + """
install()
for _ in range(12):
    i = create()
    run(i, "x = [str(i) for i in range(1000)]")
    destroy(i)
assert _core.status()["heaps"] <= 6, _core.status()
""",
        timeout=300,
    )


def test_another_interpreter_may_import_the_module_and_is_refused_what_concerns_the_process() -> None:
    passes(
        HELPERS
        + """
install()
_core.trace_start()
i = create()
code = f'''
import sys
sys.path[:] = {sys.path!r}
from kucha import _core
_core.install()
assert _core.installed() and _core.tracing() and _core.status()["tracing"] is None
for call in (_core.facts, _core.stats, _core.purge, _core.trace_start, _core.trace_stop, _core.traced_memory):
    try:
        call()
    except _core.Refused as refused:
        assert "main interpreter" in str(refused)
    else:
        raise AssertionError(call)
'''
run(i, code)
destroy(i)
_core.trace_stop()
"""
    )


def test_install_is_refused_when_another_interpreter_exists() -> None:
    passes(
        HELPERS
        + """
i = create()
try:
    _core.install()
except _core.Refused as refused:
    assert "second interpreter" in str(refused)
else:
    raise AssertionError
destroy(i)
install()
exec(WORK, {})
"""
    )


@pytest.mark.parametrize("how", ["frames=1", "frames=8", "sample=200"])
def test_tracing_starts_and_stops_while_others_allocate(how: str) -> None:
    """What an interpreter made before tracing, or for an earlier tracer, is in nobody's counts."""
    passes(
        HELPERS
        + f"""
import time
install()
other = create()
run(other, "kept = [str(i) * 3 for i in range(3000)]")
busy = threading.Thread(target=together, args=(2, 3))
busy.start()
for round in range(4):
    _core.trace_start({how})
    mine = [str(i) for i in range(3000)]
    run(other, f"new = [object() for i in range(4000)]; del kept[:700]")
    _core.snapshot()
    assert _core.traced_memory()[0] > 0 and _core.statistics("traceback")
    time.sleep(0.05)
    _core.trace_stop()
    run(other, "del new; kept += [str(i) * 3 for i in range(700)]")
    del mine
busy.join()
destroy(other)
_core.trace_start({how})
together(2, rounds=1)
_core.trace_stop()
""",
        timeout=300,
    )


def test_counts_of_another_interpreter_are_exact() -> None:
    passes(
        HELPERS
        + """
install()
other = create()
run(other, "import sys; before = [bytes(40) for i in range(1000)]")
def live(line):
    rows = [row for row in _core.statistics("lineno") if row[0] in ("<string>", "<script>") and row[1] == line]
    return (rows[0][2], rows[0][3]) if rows else (0, 0)
_core.trace_start()
run(other, "\\n" * 100 + "made = [bytes(47) for i in range(1000)]")
size, blocks = live(101)
assert 1000 <= blocks <= 1010, blocks
assert size >= 1000 * (sys.getsizeof(b"") + 47), size
run(other, "del before")
assert live(101) == (size, blocks)
run(other, "del made")
assert live(101)[1] <= 10, live(101)
_core.trace_stop()
_core.trace_start()
run(other, "pass")
assert live(101)[1] == 0, live(101)
_core.trace_stop()
destroy(other)
"""
    )


def test_statistics_show_the_heaps_of_all_interpreters() -> None:
    passes(
        HELPERS
        + """
install()
i = create()
run(i, "x = [bytes(100) for i in range(50000)]; y = [bytes(5000) for i in range(100)]")
stop = []
def churn():
    j = create()
    while not stop:
        run(j, WORK)
    destroy(j)
thread = threading.Thread(target=churn, daemon=True)
thread.start()
import time
end = time.monotonic() + 60
# What another interpreter changes while it is read need not add up each time: who reads may lose the processor halfway.
def adds_up(heap): return heap["bytes_used"] + heap["bytes_free"] <= heap["bytes_mapped"] + heap["pool_size"] * 64
for round in range(40):
    heaps = _core.stats()
    assert [heap["interpreter"] for heap in heaps[:2]] == [0, 0]
    objects, buffers = (next(h for h in heaps if h["interpreter"] == i and h["domain"] == d) for d in ("obj", "mem"))
    assert 50000 <= objects["blocks_used"] < 100000 and objects["large_bytes"] >= 500000, objects
    assert sum(arena["blocks_used"] for arena in objects["arenas_list"]) >= 50000
    while not all(adds_up(heap) for heap in _core.stats()):
        assert time.monotonic() < end, _core.stats()
    text, picture = _core.stats_text(), _core.map_svg()
    assert f"Interpreter {int(i)}" in text and picture.count("<svg") >= len(heaps)
    _core.purge()
stop.append(1)
thread.join()
destroy(i)
""",
        timeout=300,
    )


def test_a_capture_shows_the_heaps_of_all_interpreters() -> None:
    passes(
        HELPERS
        + """
import os, tempfile
install()
path = os.path.join(tempfile.mkdtemp(), "x.kucha")
i = create()
_core.trace_start(capture=path)
run(i, "x = [bytes(100) for i in range(5000)]")
_core.trace_flush()
names = {heap["name"]: heap for heap in _core.capture_read(path).arenas}
assert names[f"objects of interpreter {int(i)}"]["blocks_used"] >= 5000, names
assert "objects" in names and "buffers" in names
_core.trace_stop()
destroy(i)
"""
    )


def test_an_interpreter_is_made_while_a_wrapper_holds_the_entry_points_for_one_gil() -> None:
    passes(
        HELPERS
        + """
install()
_core.trace_start(frames=2)
kept = [str(i) for i in range(1000)]
import tracemalloc
tracemalloc.start()
i = create()
assert not _core.tracing()
_core.trace_stop()
run(i, "x = [str(i) for i in range(20000)]; y = bytes(100000); del x")
more = [str(i) for i in range(1000)]
destroy(i)
tracemalloc.stop()
del kept, more
assert not _core.status()["unhooked"]
together(2, rounds=1)
exec(WORK, {})
""",
        timeout=300,
    )


def test_memory_of_one_interpreter_is_freed_by_another() -> None:
    """A shared buffer is released where it was made, whoever lets go of it last; channels and queues pass it."""
    if sys.version_info < (3, 14):
        pytest.skip("queues between interpreters have a public module from 3.14 on")
    passes(
        """
        install()
        from concurrent import interpreters
        import threading
        queue = interpreters.create_queue()
        answers = interpreters.create_queue()
        worker = interpreters.create()
        worker.prepare_main(queue=queue, answers=answers)
        code = "while (item := queue.get()) is not None:\\n"
        code += "    answers.put((len(item), item, str(len(item)) * 50, bytes(len(item) * 3)))"
        thread = threading.Thread(target=worker.exec, args=(code,))
        thread.start()
        for i in range(0, 2000, 9):
            queue.put("x" * (i % 900))
            size, item, text, data = answers.get()
            assert size == i % 900 == len(item) and text == str(size) * 50 and len(data) == 3 * size
        queue.put(None)
        thread.join()
        worker.close()
        """,
        timeout=300,
    )
