"""One module of CPython's test suite, run by the suite's own runner in a process of its own, and what came of it.

The outcome of every test is read from the JUnit file that ``python -m test`` writes. That file leaves tests out: those
with a subtest that failed (the log names them), those of a class whose setUpClass failed, all of them after a crash. So
a module is also asked which tests it has (``--list-cases``), and a test without a result has the outcome ``missing``.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import time
import xml.etree.ElementTree as ElementTree
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).resolve().parent
MODES = ("stock", "plain", "traced", "started", "gc", "eager", "concurrent")
PASSED, FAILED, SKIPPED, CRASHED, MISSING, STOPPED = "passed", "failed", "skipped", "crashed", "missing", "stopped"
# What an interpreter is asked before its tests: which parts of kucha are in charge, and whether children are made.
TELL = """
from kucha import _core
chances = [[] for _ in range(10000)]
told = _core.gc_status()
children = told is not None and told["concurrent"] is not None and told["concurrent"]["begun"] > 0
print(_core.installed(), _core.tracing(), told is not None, children)
"""
# What is wrong with a module as a whole is told under this name, beside its tests.
WHOLE = "(module)"
# A module is run again without the test in which it stood still, so that this one does not take the others with it; one
# that stands still so often is given up.
HANGS = 3
# regrtest stops a module that takes too long, and writes its log; what does not stop then is killed, seconds later.
GRACE = 60
# What regrtest's exit code says where a module needs a resource that was not asked for, such as the network.
NO_TESTS_RAN = 4
# Environment variables that change what Python does, and must be the same however the run was started.
OURS = ("PYTHON", "KUCHA")


@dataclass
class Runner:
    """One interpreter, and where its results go."""

    python: str
    site: str
    out: Path
    timeout: int
    # What the interpreter is started with beside that: options such as -X dev, and variables such as PYTHON_JIT.
    options: list[str] = field(default_factory=list)
    variables: dict[str, str] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=lambda: dict.fromkeys(MODES, 0.0))

    def environment(self, mode: str) -> dict[str, str]:
        """The environment of a run: ours off or on, nothing of the caller's that changes Python."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(OURS)}
        return kept | {
            "PYTHONPATH": os.pathsep.join([str(HERE / "startup"), self.site]),
            "KUCHA_TEST_MODE": mode,
            "KUCHA_TEST_CAPTURES": str(self.out / "captures"),
            **self.variables,
        }

    def ask(self, mode: str, *arguments: str) -> str:
        """What the interpreter prints in a mode."""
        command = [self.python, *self.options, *arguments]
        done = subprocess.run(command, env=self.environment(mode), capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise SystemExit(f"run.py: in mode {mode}, {' '.join(command)} failed:\n{done.stderr}")
        return done.stdout.strip()

    def check_modes(self, modes: Collection[str], refused: bool = False) -> None:
        """Refuses to compare an interpreter with itself: kucha must be where it is said to be, or must have refused."""
        for mode in modes:
            (self.out / "captures").mkdir(parents=True, exist_ok=True)
            told = self.ask(mode, "-c", TELL)
            collects = mode in ("gc", "eager", "concurrent")
            wanted = (True, mode in ("traced", "started"), collects, mode == "concurrent")
            if told != " ".join(str(part and not refused) for part in wanted):
                raise SystemExit(f"run.py: in mode {mode}, installed, tracing, collecting and by children are: {told}")

    def cases(self, module: str) -> list[str]:
        """The tests that a module has, by name; none for one that cannot be imported here."""
        command = [self.python, *self.options, "-m", "test", "--list-cases", module]
        done = subprocess.run(command, env=self.environment("stock"), capture_output=True, text=True, check=False)
        return [line for line in done.stdout.splitlines() if line and " " not in line]

    def run(self, mode: str, module: str, only: Collection[str] = (), tag: str = "") -> dict[str, str]:
        """Runs a module in a mode, or only some tests of it; the outcomes by name, with that of the whole module."""
        folder = self.out / mode
        folder.mkdir(parents=True, exist_ok=True)
        place = folder / (f"{module}.{tag}" if tag else module)
        started = time.monotonic()
        hanging: list[str] = []
        while True:
            outcomes = self.run_once(mode, module, place, only, hanging)
            hangs = hanging_test(place.with_name(f"{place.name}.log").read_text(errors="replace"))
            if hangs is None or hangs in hanging or len(hanging) == HANGS:
                break
            hanging.append(hangs)
        outcomes |= dict.fromkeys(hanging, STOPPED)
        taken = time.monotonic() - started
        self.seconds[mode] += taken
        place.with_name(f"{place.name}.json").write_text(json.dumps({"seconds": taken, "outcomes": outcomes}, indent=1))
        return outcomes

    def run_once(
        self, mode: str, module: str, place: Path, only: Collection[str], but: Collection[str]
    ) -> dict[str, str]:
        """Runs a module, or some of its tests, without those in ``but``; results go to ``place`` with a suffix."""
        results = place.with_name(f"{place.name}.xml")
        results.unlink(missing_ok=True)
        command = [self.python, *self.options, "-m", "test", "--verbose", f"--timeout={self.timeout}"]
        command += [f"--junit-xml={results}"]
        if only:
            chosen = place.with_name(f"{place.name}.names")
            chosen.write_text("".join(f"{test}\n" for test in sorted(only)))
            command.append(f"--matchfile={chosen}")
        command += [word for test in but for word in ("--ignore", test)]
        with place.with_name(f"{place.name}.log").open("wb") as log:
            code = run_group([*command, module], self.environment(mode), log.fileno(), self.timeout + GRACE)
        # Thousands of processes make a capture each.
        for capture in (self.out / "captures").glob("capture.*"):
            capture.unlink()
        outcomes = read_outcomes(results)
        outcomes |= dict.fromkeys(failures(place.with_name(f"{place.name}.log").read_text(errors="replace")), FAILED)
        outcomes[f"{module} {WHOLE}"] = outcome_of_exit(code, outcomes)
        return outcomes

    def kept(self, mode: str, module: str) -> dict[str, str] | None:
        """The outcomes that an earlier run of a whole module left in the results' folder."""
        try:
            told = json.loads((self.out / mode / f"{module}.json").read_text())
        except (OSError, ValueError):
            return None
        self.seconds[mode] += told["seconds"]
        outcomes: dict[str, str] = told["outcomes"]
        return outcomes


def run_group(command: list[str], environment: dict[str, str], output: int, timeout: int) -> int | None:
    """Runs a command in a process group of its own; its exit code, None when it was stopped for taking too long."""
    with subprocess.Popen(
        command,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    ) as child:
        try:
            return child.wait(timeout)
        except subprocess.TimeoutExpired:
            os.killpg(child.pid, signal.SIGKILL)
            return None


def failures(log: str) -> list[str]:
    """The tests that a log says have failed, or a subtest of which has."""
    return re.findall(r"^(?:FAIL|ERROR): \w+ \(([\w.]+)\)", log, re.MULTILINE)


def hanging_test(log: str) -> str | None:
    """The test that was running when regrtest's time limit struck; None where that did not happen, or in no test."""
    # The limit's own line has a time in the bracket; after a test such as testReadAfterTimeout stands its class.
    struck = re.search(r"Timeout \(\d+:\d\d:\d\d", log)
    started = re.findall(r"^\w+ \(([\w.]+)\)", log[: struck.start()], re.MULTILINE) if struck else []
    return started[-1] if started else None


def outcome_of_exit(code: int | None, outcomes: dict[str, str]) -> str:
    """The outcome of a module as a whole: what its tests do not say."""
    if code is None:
        return STOPPED
    # regrtest's faulthandler prints and lets the signal kill the process: negative here, 128 and more through a shell.
    if code < 0 or code >= 128:
        return CRASHED
    if code in (0, NO_TESTS_RAN):
        return PASSED if outcomes else SKIPPED
    return PASSED if FAILED in outcomes.values() else FAILED


def read_outcomes(path: Path) -> dict[str, str]:
    """Outcomes by test from a JUnit file, empty without one; where a name comes twice the worst counts."""
    try:
        root = ElementTree.parse(path).getroot()
    except (OSError, ElementTree.ParseError):
        return {}
    worst = [PASSED, SKIPPED, FAILED]
    outcomes: dict[str, str] = {}
    for case in root.iter("testcase"):
        outcome = PASSED
        if case.find("failure") is not None or case.find("error") is not None:
            outcome = FAILED
        elif case.find("skipped") is not None:
            outcome = SKIPPED
        # A test with a subtest that failed has an entry without a name: it is missing, and so no test that passed.
        name = case.get("name")
        if name is not None:
            outcomes[name] = max(outcomes.get(name, PASSED), outcome, key=worst.index)
    return outcomes
