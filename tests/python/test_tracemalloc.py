"""kucha.tracemalloc against the original: its own tests, its files, and what a program sees.

What of CPython's test_tracemalloc no module can pass is named in BEYOND, with the reason.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from conftest import Runner

# Tests of test.test_tracemalloc that cannot pass, by class or by name.
BEYOND = {
    "TestCAPI": "the interpreter's PyTraceMalloc_Track writes into its own table, which only its own module reads",
    "TestCommandLine": "-X tracemalloc and PYTHONTRACEMALLOC start the interpreter's own module before any other code",
}
if sys.version_info < (3, 13):
    BEYOND["test_new_reference"] = "nothing reports that 3.11 and 3.12 take an object from a free list"

SUITE = """
import json, sys, unittest
import kucha.tracemalloc
kucha.tracemalloc.install()
from test import test_tracemalloc as suite
ran = []
class Result(unittest.TextTestResult):
    def startTest(self, test):
        ran.append(test.id())
        super().startTest(test)
outcome = unittest.TextTestRunner(resultclass=Result, stream=sys.stderr).run(
    unittest.defaultTestLoader.loadTestsFromModule(suite))
bad = [test.id() for test, _ in outcome.failures + outcome.errors]
print(json.dumps({"ran": ran, "bad": bad}))
"""


def test_the_originals_own_tests_pass(python: Runner) -> None:
    pytest.importorskip("test.test_tracemalloc")
    done = python("-c", SUITE, timeout=300)
    told = json.loads(done.stdout.splitlines()[-1])
    assert len(told["ran"]) > 30
    unexplained = [name for name in told["bad"] if not set(name.split(".")) & set(BEYOND)]
    assert not unexplained, done.stderr


def test_statistics_and_a_comparison_name_the_line(python: Runner, tmp_path: Path) -> None:
    script = tmp_path / "grow.py"
    script.write_text(
        "import kucha.tracemalloc as tracemalloc\n"
        "tracemalloc.start(5)\n"
        "before = tracemalloc.take_snapshot()\n"
        "def make():\n"
        "    return [bytes(1000) for _ in range(500)]\n"
        "kept = make()\n"
        "after = tracemalloc.take_snapshot()\n"
        "first = after.compare_to(before, 'lineno')[0]\n"
        "print(first.traceback[0].lineno, first.count_diff >= 500, first.size_diff >= 500_000)\n"
        "top = after.statistics('traceback')[0]\n"
        "print([frame.lineno for frame in top.traceback][:2], top.traceback.total_nframe)\n"
        "cumulative = after.statistics('lineno', cumulative=True)\n"
        "print({row.traceback[0].lineno for row in cumulative if row.size >= 500_000} >= {5, 6})\n"
        "print(len(after.traces) >= 500, after.traces[0].size > 0)\n"
    )
    done = python(script)
    assert done.stderr == ""
    assert done.stdout == "5 True True\n[6, 5] None\nTrue\nTrue True\n"


def test_either_module_reads_the_others_files(python: Runner) -> None:
    done = python(
        "-c",
        "import tracemalloc as original, kucha.tracemalloc as ours\n"
        "ours.start(3)\n"
        "kept = [bytes(100) for _ in range(50)]\n"
        "snapshot = ours.take_snapshot()\n"
        "snapshot.note = 'mine'\n"
        "snapshot.dump('ours')\n"
        "read = original.Snapshot.load('ours')\n"
        "def facts(snapshot):\n"
        "    return sorted((str(row.traceback), row.size, row.count) for row in snapshot.statistics('lineno'))\n"
        "assert facts(read) == facts(snapshot) and read.note == 'mine'\n"
        "made = original.Snapshot([(0, 10, (('a.py', 2), ('b.py', 4)), 3), (7, 5, (('c.py', 1),), 1)], 2)\n"
        "made.dump('original')\n"
        "loaded = ours.Snapshot.load('original')\n"
        "assert facts(loaded) == facts(made) and loaded.traces[0].traceback.total_nframe == 3\n"
        "by_file = [[str(row) for row in one.statistics('filename')] for one in (loaded, made)]\n"
        "assert by_file[0] == by_file[1]\n"
        "ours.install()\n"
        "snapshot.dump('installed')\n"
        "import tracemalloc\n"
        "assert tracemalloc is ours\n"
        "assert facts(original.Snapshot.load('ours')) == facts(ours.Snapshot.load('installed'))\n",
    )
    assert done.returncode == 0, done.stderr


def test_a_file_that_is_no_snapshot_is_refused_and_runs_nothing(python: Runner) -> None:
    done = python(
        "-c",
        "import os, pickle, kucha.tracemalloc as ours\n"
        "class Bad:\n"
        "    def __reduce__(self):\n"
        "        return os.mkdir, ('made-by-a-pickle',)\n"
        "open('bad', 'wb').write(pickle.dumps(Bad()))\n"
        "open('list', 'wb').write(pickle.dumps([1]))\n"
        "for name in ('bad', 'list'):\n"
        "    try:\n"
        "        ours.Snapshot.load(name)\n"
        "    except pickle.UnpicklingError as error:\n"
        "        print(error)\n"
        "print(os.path.exists('made-by-a-pickle'))\n",
    )
    assert done.stdout == "a snapshot does not hold posix.mkdir\n'list' holds no snapshot\nFalse\n"


def test_sizes_of_blocks_add_up_to_what_is_traced(python: Runner) -> None:
    done = python(
        "-c",
        "import kucha.tracemalloc as tracemalloc\n"
        "tracemalloc.start()\n"
        "kept = [bytes(n) for n in range(2, 3000)] + [bytearray(100_000)]\n"
        "bytes_, _ = tracemalloc.get_traced_memory()\n"
        "snapshot = tracemalloc.take_snapshot()\n"
        "total = sum(row.size for row in snapshot.statistics('filename'))\n"
        "assert total == sum(trace.size for trace in snapshot.traces)\n"
        "assert abs(total - bytes_) < 20_000, (total, bytes_)\n"
        "sizes = {trace.size for trace in snapshot.traces}\n"
        "assert {33 + n for n in range(2, 3000)} <= sizes\n",
    )
    assert done.returncode == 0, done.stderr


def test_a_generator_belongs_to_the_line_that_calls(python: Runner, tmp_path: Path) -> None:
    script = tmp_path / "generator.py"
    script.write_text(
        "import kucha.tracemalloc as tracemalloc\n"
        "def count():\n"
        "    yield 1\n"
        "def make(wanted):\n"
        "    return [wanted() for _ in range(50)]\n"
        "tracemalloc.start(2)\n"
        "kept = make(count)\n"
        "print({tracemalloc.get_object_traceback(one)[-1].lineno for one in kept})\n"
    )
    assert python(script).stdout == "{5}\n"


def test_resource_warnings_say_where_the_object_was_made(python: Runner, tmp_path: Path) -> None:
    script = tmp_path / "leaky.py"
    script.write_text(
        "import kucha.tracemalloc\nkucha.tracemalloc.install()\nkucha.tracemalloc.start(5)\n"
        "def leak():\n    open(__file__)\n\nleak()\n"
    )
    done = python("-W", "always", script)
    assert "Object allocated at (most recent call last):" in done.stderr
    assert "lineno 5" in done.stderr


def test_a_captures_tracing_is_read_and_left_alone(kucha: Runner, tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(
        "import kucha.tracemalloc as tracemalloc\n"
        "kept = [bytes(1000) for _ in range(100)]\n"
        "tracemalloc.start()\n"
        "tracemalloc.clear_traces()\n"
        "print(tracemalloc.get_traced_memory()[0] > 100_000)\n"
        "tracemalloc.stop()\n"
        "print(tracemalloc.is_tracing())\n"
        "kept += [bytes(1000) for _ in range(100)]\n"
    )
    done = kucha("run", "--output", "app.kucha", "app.py")
    assert done.stdout.startswith("True\nFalse\n")
    told = json.loads(kucha("report", "--json", "app.kucha").stdout)
    assert told["totals"]["live_bytes"] > 200_000


ASKED = "import tracemalloc as t; print(t.__name__, t.is_tracing(), t.get_traceback_limit())"


@pytest.mark.parametrize("words", [(), ("--no-trace",)])
def test_a_program_finds_it_started(kucha: Runner, words: tuple[str, ...]) -> None:
    output = () if words else ("--output", "app.kucha")
    done = kucha("run", "--tracemalloc", "--frames", "7", "--quiet", *words, *output, "-c", ASKED)
    assert (done.stdout, done.stderr) == ("kucha.tracemalloc True 7\n", "")


def test_what_the_interpreter_started_is_taken_over(kucha: Runner) -> None:
    words = ("run", "--tracemalloc", "--no-trace", "--quiet", "--frames", "3", "-c")
    look = "; import _tracemalloc; print(_tracemalloc.is_tracing())"
    assert kucha(*words, ASKED + look, PYTHONTRACEMALLOC="20").stdout == "kucha.tracemalloc True 20\nFalse\n"
    assert kucha(*words, ASKED, PYTHONTRACEMALLOC="2").stdout == "kucha.tracemalloc True 3\n"
    assert "kucha.tracemalloc True 255" in kucha(*words, ASKED, PYTHONTRACEMALLOC="300").stdout


def test_drop_in_respects_what_the_interpreter_was_told(kucha: Runner) -> None:
    words = ("run", "--drop-in", "--no-trace", "--quiet", "--frames", "3", "-c", ASKED)
    assert kucha(*words, PYTHONTRACEMALLOC="20").stdout == "kucha.tracemalloc True 20\n"
    assert kucha(*words).stdout == "kucha.tracemalloc False 1\n"


def test_the_original_goes_on_where_kucha_cannot(python: Runner) -> None:
    done = python(
        "-c",
        "import kucha.tracemalloc as ours, tracemalloc as original\n"
        "try:\n"
        "    ours.take_over(65536)\n"
        "except ValueError as error:\n"
        "    print(error)\n"
        "import tracemalloc\n"
        "print(tracemalloc is original, original.is_tracing(), original.get_traceback_limit(), ours.is_tracing())\n"
        "ours.take_over()\n"
        "import tracemalloc\n"
        "print(tracemalloc is ours, original.is_tracing(), ours.get_traceback_limit(), ours.is_tracing())\n",
        PYTHONTRACEMALLOC="6",
    )
    assert done.stdout == (
        "the number of frames must be in range [1; 65535]\nTrue True 6 False\nTrue False 6 True\n"
    ), done.stderr


def test_other_domains_are_read_from_the_originals_table(python: Runner, tmp_path: Path) -> None:
    script = tmp_path / "domains.py"
    script.write_text(
        "import ctypes, _tracemalloc\n"
        "import kucha.tracemalloc as tracemalloc\n"
        "track = ctypes.pythonapi.PyTraceMalloc_Track\n"
        "track.argtypes = [ctypes.c_uint, ctypes.c_size_t, ctypes.c_size_t]\n"
        "tracemalloc.start(5)\n"
        "_tracemalloc.start(1)\n"
        "kept = [bytes(1000) for _ in range(100)]\n"
        "for number in range(1, 4):\n"
        "    track(389047, number << 12, 1000)\n"
        "snapshot = tracemalloc.take_snapshot()\n"
        "arrays = snapshot.filter_traces([tracemalloc.DomainFilter(True, 389047)])\n"
        "print([(row.traceback[0].lineno, row.size, row.count) for row in arrays.statistics('lineno')])\n"
        "own = snapshot.filter_traces([tracemalloc.DomainFilter(False, 389047)])\n"
        "print(own.statistics('lineno')[0].count >= 100)\n"
        "print(len(own.traces) + len(arrays.traces) == len(snapshot.traces))\n"
        "_tracemalloc.stop()\n"
        "print({trace.domain for trace in tracemalloc.take_snapshot().traces})\n"
    )
    done = python(script)
    assert (done.stdout, done.stderr) == ("[(9, 3000, 3)]\nTrue\nTrue\n{0}\n", "")


def test_arrays_of_numpy_are_in_a_snapshot(python: Runner) -> None:
    pytest.importorskip("numpy")
    done = python(
        "-c",
        "import _tracemalloc, numpy, kucha.tracemalloc as t\n"
        "t.start(); _tracemalloc.start(1)\n"
        "kept = numpy.ones(100_000)\n"
        "found = t.take_snapshot().filter_traces([t.DomainFilter(True, numpy.lib.tracemalloc_domain)])\n"
        "print(sum(trace.size for trace in found.traces))\n",
    )
    assert done.stdout == "800000\n", done.stderr


@pytest.mark.parametrize("frames", [0, -1, 65536])
def test_a_wrong_number_of_frames_is_refused(python: Runner, frames: int) -> None:
    done = python("-c", f"import kucha.tracemalloc as t; t.start({frames})")
    assert done.stderr.endswith("ValueError: the number of frames must be in range [1; 65535]\n")


def test_more_frames_than_a_stack_keeps_are_cut(python: Runner) -> None:
    assert (
        python("-c", "import kucha.tracemalloc as t; t.start(1000); print(t.get_traceback_limit())").stdout == "255\n"
    )


def test_columns_that_contradict_themselves_are_refused(python: Runner) -> None:
    done = python(
        "-c",
        "from kucha import _core\n"
        "for columns in (([], [(0, 1)], [], []), (['a'], [(0, 1)], [((1,), 1)], []), (['a'], [], [], [(0, 1, 1, 0)]),\n"
        "                (['a'], [(0, 1)], [((0,) * 256, 1)], []), ([1], [], [], []), ([], [], [], [(0, 1, 0, 0)])):\n"
        "    try:\n"
        "        _core.Snapshot(*columns)\n"
        "    except (ValueError, TypeError):\n"
        "        print('refused')\n",
    )
    assert done.stdout == "refused\n" * 6, done.stderr
