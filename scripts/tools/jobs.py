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
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field, replace
from pathlib import Path

from tools.again import deserved, joined
from tools.counts import Counts, nothing


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
    again: Job | None = None  # what runs only the tests that failed (again.py)


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
        elif job.again is not None and deserved(counts):
            counts = self.try_again(replace(job.again, environment=job.environment, timeout=job.timeout), counts)
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

    def try_again(self, job: Job, first: Counts) -> Counts:
        """Runs what failed once more, and says how that went."""
        self.execute(job)
        counts = joined(first, job.count())
        how = "failed again" if counts.failed else "passed at the second try"
        self.say("\n".join([f"{how}:", *(f"  {failure.name}" for failure in first.failures), f"  see {job.log}"]))
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
