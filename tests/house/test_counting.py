"""What counts tests is tested: a run that breaks is a failure, and no failure is lost on the way to the last line."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType

import pytest

TOP = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(TOP / "scripts"))

from tools.jobs import Counts, Job, Scheduler, count_junit, nothing  # noqa: E402
from tools.suite import count_cpython  # noqa: E402

JUNIT = """<testsuites><testsuite>
<testcase name="a"/><testcase name="b"><failure>no</failure></testcase>
<testcase name="c"><skipped/></testcase><testcase name="d"><error/></testcase><testcase name="a"><failure/></testcase>
</testsuite></testsuites>"""


@pytest.fixture(scope="module")
def runner() -> ModuleType:
    """tests/cpython/run.py as a module."""
    specification = importlib.util.spec_from_file_location("cpython_run", TOP / "tests" / "cpython" / "run.py")
    assert specification and specification.loader
    module = importlib.util.module_from_spec(specification)
    sys.modules["cpython_run"] = module
    specification.loader.exec_module(module)
    return module


def job(folder: Path, name: str, code: str, **settings: object) -> Job:
    """A job that runs a line of Python and counts nothing."""
    return Job(name, [sys.executable, "-c", code], folder / f"{name}.log", nothing, **settings)  # type: ignore[arg-type]


def test_junit_failures_and_errors_count(tmp_path: Path) -> None:
    path = tmp_path / "x.xml"
    path.write_text(JUNIT)
    counts = count_junit(path)
    assert (counts.passed, counts.failed, counts.skipped) == (1, 3, 1)


@pytest.mark.parametrize("content", [None, "", "<testsuites><testsuite>"])
def test_junit_file_that_is_missing_or_cut_is_a_failure(tmp_path: Path, content: str | None) -> None:
    path = tmp_path / "x.xml"
    if content is not None:
        path.write_text(content)
    assert count_junit(path).failed == 1


@pytest.mark.parametrize("code", ["raise SystemExit(3)", "import os; os.kill(os.getpid(), 11)", "while True: pass"])
def test_job_that_breaks_is_one_failure_and_what_needs_it_another(tmp_path: Path, code: str) -> None:
    jobs = [job(tmp_path, "first", code, timeout=2), job(tmp_path, "second", "pass", needs=("first",))]
    assert Scheduler(tmp_path, 2).run(jobs).failed == 2


def test_job_whose_tests_passed_but_that_ended_badly_is_a_failure(tmp_path: Path) -> None:
    bad = job(tmp_path, "bad", "raise SystemExit(1)")
    bad.count = lambda: Counts(passed=5)
    total = Scheduler(tmp_path, 1).run([bad])
    assert (total.passed, total.failed) == (5, 1)


def test_jobs_run_after_what_they_need(tmp_path: Path) -> None:
    write = f"open({str(tmp_path / 'made')!r}, 'w').close()"
    read = f"open({str(tmp_path / 'made')!r}).close()"
    total = Scheduler(tmp_path, 2).run(
        [job(tmp_path, "reader", read, needs=("writer",)), job(tmp_path, "writer", write)]
    )
    assert total.failed == 0


def test_comparison_finds_what_passes_only_on_the_stock_interpreter(runner: ModuleType) -> None:
    stock = {"a": "passed", "b": "passed", "c": "failed", "d": "skipped", "e": "passed", "m (module)": "passed"}
    other = {"a": "passed", "b": "failed", "c": "failed", "d": "failed", "m (module)": "crashed"}
    assert runner.differences(stock, other) == {"b": "failed", "e": "missing", "m (module)": "crashed"}


def test_crash_counts_even_where_the_stock_run_failed(runner: ModuleType) -> None:
    assert runner.differences({"m (module)": "failed"}, {"m (module)": "crashed"}) == {"m (module)": "crashed"}


@pytest.mark.parametrize(
    ("code", "outcomes", "outcome"),
    [
        (0, {"a": "passed"}, "passed"),
        (0, {}, "skipped"),
        (2, {"a": "failed"}, "passed"),  # the failed test tells it
        (2, {"a": "passed"}, "failed"),  # something beside the tests
        (-11, {"a": "passed"}, "crashed"),
        (139, {}, "crashed"),
        (None, {}, "crashed"),
    ],
)
def test_outcome_of_a_module(runner: ModuleType, code: int | None, outcomes: dict[str, str], outcome: str) -> None:
    assert runner.outcome_of_exit(code, outcomes) == outcome


def test_subtests_that_fail_are_not_hidden_by_one_that_passes(runner: ModuleType, tmp_path: Path) -> None:
    path = tmp_path / "x.xml"
    path.write_text(JUNIT)
    assert runner.read_outcomes(path) == {"a": "failed", "b": "failed", "c": "skipped", "d": "failed"}


def test_comparison_without_results_is_a_failure(tmp_path: Path) -> None:
    assert count_cpython(tmp_path / "none.json").failed == 1
    lists = {key: [] for key in ("different", "expected", "unexpectedly_passed", "second_try")}
    (tmp_path / "some.json").write_text(json.dumps({"passed": 7, "failed": 2, "skipped": 1, **lists}))
    assert count_cpython(tmp_path / "some.json").failed == 2


def test_expected_lists_have_reasons(runner: ModuleType) -> None:
    for path in sorted((TOP / "tests" / "cpython" / "expected").glob("*.txt")):
        for (name, mode), reason in runner.read_expected(path.stem).items():
            assert mode in runner.MODES[1:], name
            assert reason, name
