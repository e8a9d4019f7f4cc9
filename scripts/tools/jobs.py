"""Jobs of a test run: commands with a log, a time limit and counted results, some at a time, in an order that holds.

A job is done when its command ended and its results were counted. It starts when every job that it needs has succeeded;
where one of those failed it is not run, and counts as one failure, so that nothing goes missing silently.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
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
    """What a job counted: tests, those that failed by name, and lines worth reading."""

    passed: int = 0
    failed: int = 0
    skipped: int = 0
    notes: list[str] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)

    def add(self, other: Counts, job: str) -> None:
        """Adds a job's counts, without its notes."""
        self.passed += other.passed
        self.failed += other.failed
        self.skipped += other.skipped
        self.failures += [failure.of_job(job) for failure in other.failures]

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


@dataclass
class Job:
    """A command to run, and how to count what it did."""

    name: str
    command: list[str]
    log: Path
    count: Callable[[], Counts]
    needs: tuple[str, ...] = ()
    environment: dict[str, str] = field(default_factory=dict)
    timeout: int = 900


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


class Scheduler:
    """Runs jobs, at most ``width`` at a time, and sums what they counted."""

    def __init__(self, top: Path, width: int, stream: object = sys.stdout) -> None:
        """``top`` is the folder that commands run in."""
        self.top = top
        self.width = width
        self.stream = stream
        self.total = Counts()
        self.started = time.monotonic()
        self.lock = threading.Lock()
        self.children: set[int] = set()  # process groups that run now
        self.stopped = False

    def say(self, text: str) -> None:
        """Prints a line with the seconds since the start."""
        with self.lock:
            print(f"[{time.monotonic() - self.started:5.0f} s] {text}", flush=True)

    def run(self, jobs: list[Job]) -> Counts:
        """Runs the jobs, in their order as far as their needs allow; when it is interrupted no process stays behind."""
        try:
            return self.run_all(jobs)
        finally:
            self.stop_all()

    def stop_all(self) -> None:
        """Ends every process that a job started and that still runs."""
        with self.lock:
            self.stopped = True
            for group in self.children:
                os.killpg(group, signal.SIGKILL)

    def run_all(self, jobs: list[Job]) -> Counts:
        """Starts jobs as others end."""
        waiting = list(jobs)
        good: set[str] = set()
        bad: set[str] = set()
        with ThreadPoolExecutor(self.width) as pool:
            running: dict[Future[Counts], Job] = {}
            while waiting or running:
                self.drop_hopeless(waiting, bad)
                for job in [job for job in waiting if set(job.needs) <= good][: self.width - len(running)]:
                    waiting.remove(job)
                    running[pool.submit(self.run_one, job)] = job
                if not running:
                    break
                for future in self.wait_for_one(running):
                    job = running.pop(future)
                    counts = future.result()
                    self.total.add(counts, job.name)
                    (bad if counts.failed else good).add(job.name)
        return self.total

    def wait_for_one(self, running: dict[Future[Counts], Job]) -> set[Future[Counts]]:
        """Waits until a job is done. Who interrupts it interrupts the jobs: the pool would wait for its threads."""
        try:
            return wait(running, return_when=FIRST_COMPLETED).done
        except BaseException:
            self.stop_all()
            raise

    def drop_hopeless(self, waiting: list[Job], bad: set[str]) -> None:
        """Fails the jobs that need one that failed."""
        for job in list(waiting):
            broken = bad.intersection(job.needs)
            if broken:
                waiting.remove(job)
                bad.add(job.name)
                reason = f"not run, because {', '.join(sorted(broken))} failed"
                self.total.fail(f"{job.name}: {reason}")
                self.say(f"FAILED {job.name}: {reason}")

    def run_one(self, job: Job) -> Counts:
        """Runs one job and tells how it went."""
        began = time.monotonic()
        job.log.parent.mkdir(parents=True, exist_ok=True)
        trouble = self.execute(job)
        counts = job.count() if trouble is None or job.count is not nothing else Counts()
        log = job.log.read_text(errors="replace") if trouble or counts.failed else ""
        if trouble and not counts.failed:
            counts.fail(trouble, log)
        numbers = f"{counts.passed} passed, {counts.failed} failed" + (
            f", {counts.skipped} skipped" * bool(counts.skipped)
        )
        state = "FAILED" if counts.failed else "ok    "
        self.say(
            f"{state} {job.name:24} {numbers if job.count is not nothing else ''} ({time.monotonic() - began:.0f} s)"
        )
        if counts.failed:
            self.say("\n".join([f"  the end of {job.log}:", *("  | " + line for line in log.splitlines()[-40:])]))
        for note in [f"FAILED {failure.name}" for failure in counts.failures] + counts.notes:
            self.say(f"  {note}")
        return counts

    def start(self, job: Job, log: int) -> subprocess.Popen[bytes]:
        """Starts a job's command."""
        with self.lock:
            if self.stopped:
                raise OSError("the run was interrupted")
            child = subprocess.Popen(
                job.command,
                cwd=self.top,
                env=os.environ | job.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            self.children.add(child.pid)
            return child

    def execute(self, job: Job) -> str | None:
        """Runs the command in a process group of its own; what went wrong, None when nothing did."""
        with job.log.open("wb") as log:
            try:
                child = self.start(job, log.fileno())
            except OSError as error:
                return f"could not be started: {error}"
            try:
                code = child.wait(job.timeout)
            except subprocess.TimeoutExpired:
                os.killpg(child.pid, signal.SIGKILL)
                child.wait()
                return f"took longer than {job.timeout} s and was stopped"
            finally:
                with self.lock:
                    self.children.discard(child.pid)
        if code < 0:
            return f"died from signal {-code} ({signal.Signals(-code).name})"
        return f"ended with exit code {code}" if code else None
