"""What counts tests is tested: a run that breaks is a failure, and no failure is lost on the way to the last line."""

from __future__ import annotations

import argparse
import importlib.util
import json
import sys
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Protocol, cast

import pytest

TOP = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(TOP / "scripts"))

from tools import suite  # noqa: E402
from tools.again import MOST, deserved, joined  # noqa: E402
from tools.counts import (  # noqa: E402
    NAMED_FAILURES,
    TOLD_LINES,
    Counts,
    Failure,
    count_junit,
    nothing,
    tell_failures,
    tell_second_tries,
)
from tools.interpreters import Interpreter  # noqa: E402
from tools.jobs import Job, Scheduler  # noqa: E402
from tools.suite import count_cpython  # noqa: E402


class Tally(Protocol):
    """What tests/cpython/run.py counts."""

    tests: int
    passed: int
    failed: int
    skipped: int
    not_ours: int
    second_try: list[str]
    expected: list[str]
    unexpectedly_passed: list[str]
    different: list[str]


ALL = {"a": "passed", "b": "passed", "c": "passed"}
JUNIT = """<testsuites><testsuite>
<testcase name="a"/><testcase name="b"><failure>no</failure></testcase>
<testcase name="c"><skipped/></testcase><testcase name="d"><error/></testcase><testcase name="a"><failure/></testcase>
</testsuite></testsuites>"""


@pytest.fixture(scope="module")
def runner() -> ModuleType:
    """tests/cpython/run.py as a module."""
    return load("run")


@pytest.fixture(scope="module")
def regrtest(runner: ModuleType) -> ModuleType:
    """tests/cpython/regrtest.py as the module that run.py has imported."""
    return sys.modules[runner.Runner.__module__]


def load(name: str) -> ModuleType:
    """A file of tests/cpython as a module."""
    place = TOP / "tests" / "cpython" / f"{name}.py"
    specification = importlib.util.spec_from_file_location(f"cpython_{name}", place)
    assert specification and specification.loader
    module = importlib.util.module_from_spec(specification)
    sys.modules[f"cpython_{name}"] = module
    specification.loader.exec_module(module)
    return module


class Script:
    """Stands for an interpreter: what each run of module m tells, in order; and what was run."""

    def __init__(self, **told: list[dict[str, str]]) -> None:
        self.told = told
        self.asked: list[tuple[str, set[str]]] = []

    def cases(self, module: str) -> list[str]:
        """The tests of the module."""
        assert module == "m"
        return ["a", "b", "c"]

    def run(self, mode: str, module: str, only: Collection[str] = (), tag: str = "") -> dict[str, str]:
        """The next outcomes of a way; the module as a whole passes unless something else is told."""
        assert module == "m" and (not only or tag)
        self.asked.append((mode, set(only)))
        outcomes = {"m (module)": "passed"} | self.told[mode].pop(0)
        return {name: told for name, told in outcomes.items() if not only or name in only or "(" in name}


def compared(runner: ModuleType, script: Script, expected: dict[tuple[str, str], str] | None = None) -> Tally:
    """The tally of one module that was run traced."""
    tally = runner.Tally()
    arguments = argparse.Namespace(resume=False, modes=["traced"])
    runner.compare_module(script, "m", arguments, expected or {}, tally)
    return cast("Tally", tally)


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


def test_failures_are_told_with_the_job_that_they_belong_to(tmp_path: Path) -> None:
    (tmp_path / "x.xml").write_text(JUNIT.replace('"b"><failure>no', '"b" classname="k"><failure>much\n\nno'))
    bad = job(tmp_path, "bad", "print('last words'); raise SystemExit(1)")
    jobs = [
        replace(bad, name="tests", count=lambda: count_junit(tmp_path / "x.xml")),
        replace(bad, log=tmp_path / "b.log"),
        job(tmp_path, "rest", "pass", needs=("bad",)),
    ]
    told = tell_failures(Scheduler(tmp_path, 1).run(jobs).failures)
    assert told[:3] == ["tests: k b:", "  | much", "  | no"]
    assert told[-5:] == [
        "FAILED tests: k b",
        "FAILED tests: x d",
        "FAILED tests: x a",
        "FAILED bad: ended with exit code 1",
        "FAILED rest: not run, because bad failed",
    ]
    assert told[told.index("bad: ended with exit code 1:") + 1] == "  | last words"


def test_what_is_told_of_failures_stays_short() -> None:
    long = "\n".join(map(str, range(1000)))
    told = tell_failures([Failure(f"t{number}", long) for number in range(NAMED_FAILURES + 2)])
    assert told[TOLD_LINES] == "  | 999"
    assert told[-2:] == [f"FAILED t{NAMED_FAILURES - 1}", "and 2 more"]
    assert len(told) < 100


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
        (4, {}, "skipped"),  # a resource that was not asked for
        (2, {"a": "failed"}, "passed"),  # the failed test tells it
        (2, {"a": "passed"}, "failed"),  # something beside the tests
        (-11, {"a": "passed"}, "crashed"),
        (139, {}, "crashed"),
        (None, {}, "stopped"),
    ],
)
def test_outcome_of_a_module(regrtest: ModuleType, code: int | None, outcomes: dict[str, str], outcome: str) -> None:
    assert regrtest.outcome_of_exit(code, outcomes) == outcome


def test_subtests_that_fail_are_not_hidden_by_one_that_passes(regrtest: ModuleType, tmp_path: Path) -> None:
    path = tmp_path / "x.xml"
    path.write_text(JUNIT)
    assert regrtest.read_outcomes(path) == {"a": "failed", "b": "failed", "c": "skipped", "d": "failed"}


def test_what_the_log_alone_tells(regrtest: ModuleType) -> None:
    log = "test_a (x.A.test_a) ... ok\nFAIL: test_b (x.A.test_b) (i=3)\nERROR: setUpClass (x.B)\n"
    assert regrtest.failures(log) == ["x.A.test_b", "x.B"]
    assert regrtest.hanging_test(log) is None
    assert regrtest.hanging_test("test_a (x.A.test_a) ... ok\ntestTimeout (x.A.testTimeout) ... ok\n") is None
    waiting = "testTimeout (x.A.testTimeout) ... ok\ntest_b (x.A.test_b)\nIts docstring ... Timeout (0:00:30)!\n"
    assert regrtest.hanging_test(waiting) == "x.A.test_b"


def test_stock_interpreter_is_asked_about_what_did_not_pass_and_no_more(runner: ModuleType) -> None:
    script = Script(traced=[ALL])
    tally = compared(runner, script)
    assert (tally.passed, tally.failed, script.asked) == (3, 0, [("traced", set())])
    script = Script(traced=[{"a": "passed", "b": "skipped"}], stock=[{"b": "skipped", "c": "failed"}])
    tally = compared(runner, script)
    assert (tally.passed, tally.skipped, tally.not_ours, tally.failed) == (1, 1, 1, 0)
    assert script.asked == [("traced", set()), ("stock", {"b", "c"})]


def test_what_fails_again_alone_is_a_difference(runner: ModuleType) -> None:
    script = Script(traced=[ALL | {"b": "failed"}, {"b": "failed"}], stock=[{"b": "passed"}])
    tally = compared(runner, script)
    assert (tally.passed, tally.failed, len(tally.different)) == (2, 1, 1)


def test_what_passes_alone_must_pass_in_the_whole_module_too(runner: ModuleType) -> None:
    lost = ALL | {"b": "failed"}
    tally = compared(runner, Script(traced=[lost, ALL, ALL], stock=[ALL, ALL]))
    assert (tally.passed, tally.failed, len(tally.second_try)) == (3, 0, 1)
    tally = compared(runner, Script(traced=[lost, ALL, lost], stock=[ALL, ALL]))
    assert (tally.passed, tally.failed, len(tally.second_try)) == (2, 1, 0)


def test_what_depends_on_the_tests_before_it_is_no_difference(runner: ModuleType) -> None:
    lost = ALL | {"b": "skipped"}
    tally = compared(runner, Script(traced=[lost, ALL, lost], stock=[ALL, lost]))
    assert (tally.passed, tally.skipped, tally.failed, len(tally.second_try)) == (2, 1, 0, 0)


def test_crash_gets_no_second_try(runner: ModuleType) -> None:
    tally = compared(runner, Script(traced=[{"m (module)": "crashed"}], stock=[ALL]))
    assert (tally.passed, tally.failed) == (0, 4)


def test_module_that_gives_no_result_is_run_again_whole(runner: ModuleType) -> None:
    tally = compared(runner, Script(traced=[{"m (module)": "stopped"}, ALL], stock=[ALL]))
    assert (tally.passed, tally.failed, len(tally.second_try)) == (3, 0, 4)


def test_listed_as_impossible(runner: ModuleType) -> None:
    expected = {("b", "traced"): "Objects/obmalloc.c"}
    lost = ALL | {"b": "failed"}
    tally = compared(runner, Script(traced=[lost, lost], stock=[ALL]), expected)
    assert (tally.failed, len(tally.expected)) == (0, 1)
    tally = compared(runner, Script(traced=[ALL]), expected)
    assert (tally.failed, tally.unexpectedly_passed) == (0, ["traced: b"])


def test_comparison_without_results_is_a_failure(tmp_path: Path) -> None:
    assert count_cpython(tmp_path / "none.json").failed == 1
    lists = {key: [] for key in ("different", "expected", "unexpectedly_passed", "second_try")}
    (tmp_path / "some.json").write_text(json.dumps({"passed": 7, "failed": 2, "skipped": 1, "not_ours": 3, **lists}))
    assert count_cpython(tmp_path / "some.json").failed == 2


def test_differences_of_the_comparison_are_failures_by_name(tmp_path: Path) -> None:
    lists = {key: [] for key in ("expected", "unexpectedly_passed", "second_try")}
    told = {"passed": 1, "failed": 1, "skipped": 0, "not_ours": 0, "different": ["plain: m.a: failed"], **lists}
    (tmp_path / "some.json").write_text(json.dumps(told))
    assert [failure.name for failure in count_cpython(tmp_path / "some.json").failures] == ["plain: m.a: failed"]


def test_expected_lists_have_reasons(runner: ModuleType) -> None:
    for path in sorted((TOP / "tests" / "cpython" / "expected").glob("*.txt")):
        for (name, mode), reason in runner.read_expected(path.stem).items():
            assert mode in runner.MODES[1:], name
            assert reason, name


def one_failed(said: str, count: int = 1) -> Counts:
    """A job's counts in which so many tests failed, and said this."""
    return Counts(passed=7, failed=count, failures=[Failure(f"t{i}", said) for i in range(count)])


@pytest.mark.parametrize(
    "said",
    [
        "E  AssertionError: exit code -11",
        "E  assert -6 == 0",
        "E  assert (-11, '', '') == (0, '', '')",
        "Fatal Python error: Segmentation fault",
        "==7==ERROR: AddressSanitizer: heap-use-after-free",
        "src/a.c:7:3: runtime error: null pointer passed",
        "kucha: a.c:7: f: this does not hold: x",
        "subprocess.CalledProcessError: died with <Signals.SIGABRT: 6>",
    ],
)
def test_a_crash_has_no_second_try(said: str) -> None:
    assert not deserved(one_failed(said))


def test_few_failures_that_are_no_crash_have_a_second_try() -> None:
    assert deserved(one_failed("E  assert 2 == 3"))
    assert deserved(one_failed("E  assert 2 == -11e3 or exit code -15", MOST))
    assert not deserved(one_failed("E  assert 2 == 3", MOST + 1))
    assert not deserved(Counts(passed=7))
    assert not deserved(Counts(failed=2, failures=[Failure("the job took longer")]))


def test_a_second_try_counts_only_where_all_pass() -> None:
    first = one_failed("said", 2)
    good = joined(first, Counts(passed=2))
    assert (good.passed, good.failed, good.failures) == (9, 0, [])
    assert tell_second_tries(good.second_tries)[:2] == ["passed at the second try: t0", "  | said"]
    for second in (Counts(passed=1), Counts(passed=1, failed=1), Counts(passed=3), Counts(failed=1)):
        assert joined(first, second) is first


FLAKY = """
import pathlib, pytest
ROUNDS = pathlib.Path("rounds")
def test_good(): pass
@pytest.mark.parametrize("name", ["a", "b"])
def test_second(name):
    path = ROUNDS / name
    path.parent.mkdir(exist_ok=True)
    before = path.exists()
    path.touch()
    assert before, "not yet"
def test_always(): assert not pathlib.Path("hopeless").exists()
"""


@pytest.mark.parametrize("hopeless", [False, True])
def test_pytest_runs_what_failed_once_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hopeless: bool) -> None:
    (tmp_path / "test_flaky.py").write_text(FLAKY)
    if hopeless:
        (tmp_path / "hopeless").touch()
    monkeypatch.setattr(suite, "RESULTS", tmp_path / "results")
    host = Interpreter("host", "3", sys.executable, None)
    job = replace(suite.pytest_job(host, str(tmp_path)), needs=())
    total = Scheduler(tmp_path, 1).run([job])
    assert (total.passed, total.failed) == ((1, 3) if hopeless else (4, 0))
    assert [failure.name for failure in total.second_tries] == (
        [] if hopeless else [f"{job.name}: test_flaky test_second[{name}]" for name in "ab"]
    )
