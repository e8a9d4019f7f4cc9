"""What a run of tests counted, and how it is told."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass, field
from pathlib import Path

# What is told of failures at the end of a run. Whoever keeps records of runs may keep no more than some twenty lines of
# each, so the names come last, and what a failure said is cut to its own last lines, for the first few of them.
NAMED_FAILURES, TOLD_FAILURES, TOLD_LINES = 40, 6, 8


@dataclass(frozen=True)
class Failure:
    """A test that failed, or a job that gave no result: what it is called, and what it said."""

    name: str
    said: str = ""

    def of_job(self, job: str) -> Failure:
        """The same, with the job that it belongs to."""
        return Failure(f"{job}: {self.name}", self.said)


@dataclass
class Counts:
    """What a job counted: tests, by name those that failed or passed only when run again, and lines worth reading."""

    passed: int = 0
    failed: int = 0
    skipped: int = 0
    notes: list[str] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    second_tries: list[Failure] = field(default_factory=list)

    def add(self, other: Counts, job: str) -> None:
        """Adds a job's counts, without its notes."""
        self.passed += other.passed
        self.failed += other.failed
        self.skipped += other.skipped
        self.failures += [failure.of_job(job) for failure in other.failures]
        self.second_tries += [failure.of_job(job) for failure in other.second_tries]

    def fail(self, name: str, said: str = "") -> None:
        """Counts one failure."""
        self.failed += 1
        self.failures.append(Failure(name, said))


def last_lines(text: str, lines: int) -> list[str]:
    """The last lines of a text that say something."""
    return [line.rstrip() for line in text.splitlines() if line.strip()][-lines:]


def tell_failures(failures: list[Failure]) -> list[str]:
    """What stands at the end of a run: the last lines of the first failures, and then the names of all."""
    told = []
    for failure in failures[:TOLD_FAILURES]:
        told += [f"{failure.name}:", *("  | " + line for line in last_lines(failure.said, TOLD_LINES))]
    names = [f"FAILED {failure.name}" for failure in failures[:NAMED_FAILURES]]
    more = [f"and {len(failures) - NAMED_FAILURES} more"] * (len(failures) > NAMED_FAILURES)
    return told + names + more


def tell_second_tries(tries: list[Failure]) -> list[str]:
    """What stands before the failures: each test that passed only when it ran again, with the first's last line."""
    told = []
    for failure in tries:
        told += [f"passed at the second try: {failure.name}", *("  | " + line for line in last_lines(failure.said, 2))]
    return told


def nothing() -> Counts:
    """The counter of a job that only prepares: it adds to the sum by failing alone."""
    return Counts()


def count_junit(*paths: Path) -> Counts:
    """Counts the test cases of JUnit files; a missing or broken file counts as one failure."""
    counts = Counts()
    for path in paths:
        try:
            cases = list(ElementTree.parse(path).getroot().iter("testcase"))
        except (OSError, ElementTree.ParseError) as error:
            counts.fail(f"no results in {path.name}: {error}")
            continue
        for case in cases:
            told = [part for kind in ("failure", "error") for part in case.findall(kind)]
            if told:
                said = "\n".join(part.text or part.get("message") or "" for part in told)
                counts.fail(f"{case.get('classname') or path.stem} {case.get('name')}", said)
            elif case.find("skipped") is not None:
                counts.skipped += 1
            else:
                counts.passed += 1
    return counts
