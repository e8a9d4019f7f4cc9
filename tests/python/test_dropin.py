"""kucha.dropin and kucha run --drop-in: programs written against the originals, none of them installed."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import Runner
from kucha import dropin

Write = Callable[[str, str], Path]

PROGRAM = """
import resource, sys, tracemalloc
from memory_profiler import profile, memory_usage
import psutil
import psutil as again

assert psutil is again

@profile
def f():
    return [0] * 1000

f()
tracemalloc.start()
data = [bytearray(100) for _ in range(10)]
assert tracemalloc.take_snapshot().statistics("lineno")
print(psutil.Process().memory_info().rss > 0, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss > 0)
print(len(memory_usage()), psutil.Process.__module__, tracemalloc.__name__, resource.__name__)
try:
    psutil.net_io_counters()
    print("passed through")
except AttributeError as error:
    print(error)
"""

# As if nothing were installed: the folder of other packages is not on the path.
WITHOUT = "import sys; sys.path[:] = [p for p in sys.path if 'pure' not in p and 'site-packages' not in p]\n"


def test_a_program_runs_as_it_is(kucha: Runner, write: Write) -> None:
    done = kucha("run", "--drop-in", "--no-trace", write("app.py", PROGRAM))
    assert done.returncode == 0, done.stderr
    assert "Line Contents" in done.stdout
    assert "1 kucha.psutil kucha.tracemalloc kucha.resource" in done.stdout
    assert "True True" in done.stdout


def test_what_is_not_ours_is_a_clear_error_without_the_original(kucha: Runner, write: Write) -> None:
    done = kucha("run", "--drop-in", "--no-trace", write("app.py", WITHOUT + PROGRAM))
    assert done.returncode == 0, done.stderr
    assert "kucha has psutil's memory side only, and psutil, which may have the rest, is not installed" in done.stdout


def test_what_is_not_ours_passes_through_to_the_original(kucha: Runner, write: Write) -> None:
    pytest.importorskip("psutil")
    done = kucha("run", "--drop-in", "--no-trace", write("app.py", PROGRAM))
    assert "passed through" in done.stdout, done.stdout + done.stderr


def test_a_module_of_the_originals_can_be_run(kucha: Runner, write: Write) -> None:
    program = write("lines.py", "@profile\ndef f():\n    return 1\nf()\n")
    done = kucha("run", "--drop-in", "--no-trace", "-m", "memory_profiler", program)
    assert "Allocated B" in done.stdout, done.stderr


def test_names_can_be_chosen_and_taken_back(python: Runner) -> None:
    text = (
        "import sys, resource\nfrom kucha import dropin\n"
        "print(dropin.install('resource'))\nimport resource, tracemalloc\n"
        "print(resource.__name__, tracemalloc.__name__)\n"
        "dropin.uninstall()\nimport resource\nprint(resource.__name__, sys.meta_path.count(dropin._finder))\n"
    )
    done = python("-c", text)
    assert done.stdout.splitlines() == ["['resource']", "kucha.resource tracemalloc", "resource 0"], done.stderr


def test_a_name_that_kucha_has_nothing_for_is_refused() -> None:
    with pytest.raises(ValueError, match=r"nothing in place of 'numpy'; there are tracemalloc, "):
        dropin.install("numpy")
    assert dropin._finder not in sys.meta_path


def test_modules_that_arrive_later_are_in_the_table() -> None:
    assert {"tracemalloc", "memory_profiler", "psutil", "resource"} <= set(dropin.available())
    assert {"guppy", "objgraph"} <= set(dropin.TABLE)
