"""`scripts/test WORD` runs the jobs that were meant, and those they need."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

TOP = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(TOP / "scripts"))

from tools.counts import nothing  # noqa: E402
from tools.interpreters import Interpreter  # noqa: E402
from tools.jobs import Job  # noqa: E402
from tools.suite import all_jobs, choose  # noqa: E402

NAMES = {
    "build release": (),
    "build release-trixie-3.13": (),
    "unit release": ("build release",),
    "python trixie-3.13": ("build release-trixie-3.13",),
    "cpython trixie-3.13": ("build release-trixie-3.13",),
}
JOBS = [Job(name=name, command=[], log=Path(), count=nothing, needs=needs) for name, needs in NAMES.items()]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ((), list(NAMES)),
        (("python trixie",), ["build release-trixie-3.13", "python trixie-3.13"]),
        (("cpython",), ["build release-trixie-3.13", "cpython trixie-3.13"]),
        (("unit", "cpython"), ["build release", "build release-trixie-3.13", "unit release", "cpython trixie-3.13"]),
        (("3.13",), ["build release-trixie-3.13", "python trixie-3.13", "cpython trixie-3.13"]),
        (("nothing",), []),
    ],
)
def test_words_choose_jobs(words: tuple[str, ...], expected: list[str]) -> None:
    assert [job.name for job in choose(JOBS, list(words))] == expected


def host() -> Interpreter:
    """The interpreter of these tests."""
    return Interpreter("host", ".".join(map(str, sys.version_info[:3])), sys.executable, None)


def test_long_runs_have_a_campaign_under_address_sanitizer() -> None:
    jobs = {job.name: job for job in all_jobs([host()], whole=True)}
    campaign = jobs["campaign asan"]
    assert int(campaign.environment["KUCHA_OPERATIONS"]) >= 5_000_000
    assert campaign.needs[0] in jobs
    assert campaign.timeout > int(campaign.command[campaign.command.index("--seconds") + 1])


def test_memcheck_is_told_of_blocks_in_one_job() -> None:
    jobs = {job.name: job for job in all_jobs([host()], whole=False)}
    assert jobs["unit valgrind"].command[-1] == "test_annotations"
    assert jobs["unit valgrind"].needs[0] in jobs


def test_every_test_runs_under_the_oldest_and_the_newest_and_most_under_all() -> None:
    found = [host(), *(Interpreter(f"x-3.{minor}", f"3.{minor}.1", "python", None) for minor in (90, 101, 95))]
    jobs = {job.name: job.command for job in all_jobs(found, whole=False)}
    chosen = {item.name: "not any_version" in jobs[f"python {item.name}"] for item in found}
    assert chosen == {"host": False, "x-3.90": True, "x-3.101": False, "x-3.95": True}


def test_the_suites_run_with_the_collector_in_all_its_ways() -> None:
    found = [host(), Interpreter("x-3.90", "3.90.1", "python", None)]
    for item in found:
        smoke = {job.name: job.command for job in all_jobs(found, whole=False)}
        assert {"concurrent", "test_gc"} <= set(smoke[f"collector {item.name}"])
        whole = {job.name: job.command for job in all_jobs(found, whole=True)}
        assert {"gc", "--all"} <= set(whole[f"collector {item.name}"])
        assert {"eager", "concurrent", "collector.txt"} <= set(whole[f"every chance {item.name}"])
        assert "KUCHA_SOAK_SECONDS=600" in whole[f"python soak {item.name}"]


def test_every_job_finds_what_it_needs() -> None:
    for whole in (False, True):
        jobs = all_jobs([host()], whole)
        names = [job.name for job in jobs]
        assert len(set(names)) == len(names)
        assert all(need in names for job in jobs for need in job.needs)


def test_the_python_package_is_tested_under_the_sanitizers_in_long_runs() -> None:
    jobs = {job.name: job for job in all_jobs([host()], whole=True)}
    sanitized = jobs["python asan-module"]
    assert sanitized.needs == ("build asan-module",)
    assert "libasan" in sanitized.environment["LD_PRELOAD"]


def test_what_is_skipped_under_the_sanitizers_is_there() -> None:
    sys.path.insert(0, str(TOP / "tests" / "python"))
    from sanitized import UNDER_SANITIZER

    for (file, name), reason in UNDER_SANITIZER.items():
        text = (TOP / "tests" / "python" / f"test_{file}.py").read_text()
        assert reason and (name == "*" or f"def test_{name.partition('[')[0]}(" in text)
