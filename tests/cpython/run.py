#!/usr/bin/env python3
"""Runs CPython's own test suite with and without kucha and compares the outcome of every test.

    run.py --python PYTHON --site SITE --out FOLDER [--all | MODULE ...]

Three runs are compared: ``stock`` (the interpreter as it is), ``plain`` (kucha's allocator under it) and ``traced``
(and every allocation traced). What passes in the stock run must pass in the others, and no module may crash. A test
that fails only with kucha is run once more, as the suite's own runner does with failures, since a loaded machine
makes some tests fail; a module that died from a signal gets no second chance.

``expected/<minor>.txt`` lists tests that cannot pass under kucha, one a line: name, modes, and the place in the
interpreter that makes it impossible, separated by ``|``. A listed test that passes is reported as such, and is no
failure.

Results: FOLDER/cpython.json (counts and differences), FOLDER/<mode>/<module>.log and .xml. Exit code 1 on a difference.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import time
import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).resolve().parent
MODES = ("stock", "plain", "traced")
PASSED, FAILED, SKIPPED, CRASHED, MISSING = "passed", "failed", "skipped", "crashed", "missing"
# What is wrong with a module as a whole is told under this name, beside its tests.
WHOLE = "(module)"


@dataclass
class Runner:
    """One interpreter, and where its results go."""

    python: str
    site: str
    out: Path
    timeout: int
    seconds: dict[str, float] = field(default_factory=lambda: dict.fromkeys(MODES, 0.0))

    def environment(self, mode: str) -> dict[str, str]:
        """The environment of a run: ours off or on, nothing of the caller's that changes Python."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "KUCHA"))}
        return kept | {
            "PYTHONPATH": os.pathsep.join([str(HERE / "startup"), self.site]),
            "PYTHONDONTWRITEBYTECODE": "1",
            "KUCHA_TEST_MODE": mode,
        }

    def ask(self, mode: str, program: str) -> str:
        """What a one-line program prints in a mode."""
        command = [self.python, "-c", program]
        done = subprocess.run(command, env=self.environment(mode), capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise SystemExit(f"run.py: in mode {mode} the interpreter cannot even start:\n{done.stderr}")
        return done.stdout.strip()

    def check_modes(self) -> None:
        """Refuses to compare an interpreter with itself: kucha must be in where it is said to be."""
        for mode in MODES[1:]:
            told = self.ask(mode, "from kucha import _core; print(_core.installed(), _core.tracing())")
            if told != f"True {mode == 'traced'}":
                raise SystemExit(f"run.py: in mode {mode}, installed and tracing are: {told}")

    def run(self, mode: str, module: str) -> dict[str, str]:
        """Runs one module of the suite in a mode; the outcome of each of its tests by name."""
        folder = self.out / mode
        folder.mkdir(parents=True, exist_ok=True)
        results = folder / f"{module}.xml"
        results.unlink(missing_ok=True)
        # Above the whole module's time limit stands the limit of one test, which prints where it hangs.
        command = [
            self.python,
            "-m",
            "test",
            "--verbose",
            f"--timeout={self.timeout // 2}",
            f"--junit-xml={results}",
            module,
        ]
        started = time.monotonic()
        with (folder / f"{module}.log").open("wb") as log:
            code = run_group(command, self.environment(mode), log.fileno(), self.timeout)
        self.seconds[mode] += time.monotonic() - started
        outcomes = read_outcomes(results)
        outcomes[f"{module} {WHOLE}"] = outcome_of_exit(code, outcomes)
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


def outcome_of_exit(code: int | None, outcomes: dict[str, str]) -> str:
    """The outcome of a module as a whole: what its tests do not say."""
    # regrtest's faulthandler prints and lets the signal kill the process: negative here, 128 and more through a shell.
    if code is None or code < 0 or code >= 128:
        return CRASHED
    if code == 0:
        return PASSED if outcomes else SKIPPED
    return PASSED if FAILED in outcomes.values() else FAILED


def read_outcomes(path: Path) -> dict[str, str]:
    """Outcomes by test from a JUnit file, empty without one; where a name comes twice (subtests) the worst counts."""
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
        name = case.get("name", "?")
        outcomes[name] = max(outcomes.get(name, PASSED), outcome, key=worst.index)
    return outcomes


def read_expected(version: str) -> dict[tuple[str, str], str]:
    """Tests that cannot pass, by name and mode, with the reason."""
    minor = ".".join(version.split(".")[:2])
    path = HERE / "expected" / f"{minor}.txt"
    expected: dict[tuple[str, str], str] = {}
    for line in path.read_text().splitlines() if path.exists() else []:
        if line.strip() and not line.startswith("#"):
            name, modes, reason = (part.strip() for part in line.split("|", 2))
            for mode in modes.split(","):
                expected[name, mode.strip()] = reason
    return expected


def differences(stock: dict[str, str], other: dict[str, str]) -> dict[str, str]:
    """Tests that pass in the stock run and do not in the other; and crashes, whatever the stock run did there."""
    found = {name: other.get(name, MISSING) for name, outcome in stock.items() if outcome == PASSED}
    found = {name: outcome for name, outcome in found.items() if outcome != PASSED}
    return found | {
        name: outcome for name, outcome in other.items() if outcome == CRASHED and stock.get(name) != CRASHED
    }


@dataclass
class Tally:
    """What was counted over all modules."""

    passed: int = 0
    failed: int = 0
    skipped: int = 0
    second_try: list[str] = field(default_factory=list)
    expected: list[str] = field(default_factory=list)
    unexpectedly_passed: list[str] = field(default_factory=list)
    different: list[str] = field(default_factory=list)


def compare_module(runner: Runner, module: str, expected: dict[tuple[str, str], str], tally: Tally) -> None:
    """Runs a module in all modes and adds what came of it to the tally."""
    stock = runner.run("stock", module)
    for mode in MODES[1:]:
        outcomes = runner.run(mode, module)
        different = differences(stock, outcomes)
        if different and CRASHED not in different.values():
            different = retry(runner, mode, module, different, tally)
        for name, outcome in different.items():
            if (name, mode) in expected:
                tally.expected.append(f"{mode}: {name}: {expected[name, mode]}")
                continue
            tally.failed += 1
            if outcome != MISSING:
                tally.different.append(f"{mode}: {name}: {outcome}, but passes on the stock interpreter")
        lost = sum(outcome == MISSING for outcome in different.values())
        if lost:
            tally.different.append(f"{mode}: {module}: {lost} tests gave no result, but pass on the stock interpreter")
        for name, outcome in stock.items():
            tally.passed += outcome == PASSED and name not in different
            tally.skipped += outcome == SKIPPED
            if (name, mode) in expected and name not in different and outcome == PASSED:
                tally.unexpectedly_passed.append(f"{mode}: {name}")


def retry(runner: Runner, mode: str, module: str, different: dict[str, str], tally: Tally) -> dict[str, str]:
    """Runs both sides once more; what differs both times remains."""
    again = differences(runner.run("stock", module), runner.run(mode, module))
    tally.second_try += [
        f"{mode}: {name}: {outcome} at first" for name, outcome in different.items() if name not in again
    ]
    crashed = {name: outcome for name, outcome in again.items() if outcome == CRASHED}
    return {name: outcome for name, outcome in again.items() if name in different} | crashed


def list_modules(runner: Runner, arguments: argparse.Namespace) -> list[str]:
    """The modules to run, of those that this interpreter has: those named, all, or the smoke set."""
    command = [runner.python, "-m", "test", "--list-tests"]
    listed = subprocess.run(command, env=runner.environment("stock"), capture_output=True, text=True, check=False)
    existing = listed.stdout.split()
    if not existing:
        raise SystemExit(f"run.py: {runner.python} has no test suite (Debian: libpython3.x-testsuite)\n{listed.stderr}")
    if arguments.all:
        return existing
    wanted = arguments.modules
    if not wanted:
        lines = (HERE / "smoke.txt").read_text().splitlines()
        wanted = [line for line in lines if line and not line.startswith("#")]
    # A package such as test_capi is listed by its parts from 3.13 on.
    return [name for name in existing if any(name == want or name.startswith(f"test.{want}.") for want in wanted)]


def report(tally: Tally, runner: Runner) -> None:
    """Prints what is worth reading."""
    for title, lines in (
        ("passes, though listed as impossible", tally.unexpectedly_passed),
        ("cannot pass (expected)", tally.expected),
        ("passed at the second try", tally.second_try),
        ("DIFFERENT", tally.different),
    ):
        for line in lines:
            print(f"{title}: {line}")
    times = ", ".join(f"{mode} {seconds:.0f} s" for mode, seconds in runner.seconds.items())
    print(
        f"{tally.passed} passed, {tally.failed} failed, {len(tally.expected)} cannot pass, "
        f"{tally.skipped} skipped ({times})"
    )


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--python", default=sys.executable, help="the interpreter to test")
    parser.add_argument("--site", required=True, help="the folder that holds the package kucha built for it")
    parser.add_argument("--out", type=Path, required=True, help="where results go")
    parser.add_argument("--timeout", type=int, default=1200, help="seconds for a module (%(default)s)")
    parser.add_argument("--all", action="store_true", help="the whole suite")
    parser.add_argument("modules", nargs="*", help="modules such as test_gc; the smoke set when none is given")
    arguments = parser.parse_args()
    runner = Runner(arguments.python, arguments.site, arguments.out.resolve(), arguments.timeout)
    runner.check_modes()
    version = runner.ask("stock", "import platform; print(platform.python_version())")
    expected = read_expected(version)
    tally = Tally()
    for module in list_modules(runner, arguments):
        print(f"{version} {module}", flush=True)
        compare_module(runner, module, expected, tally)
    report(tally, runner)
    summary = {"version": version, "seconds": runner.seconds} | vars(tally)
    (runner.out / "cpython.json").write_text(json.dumps(summary, indent=1))
    return 1 if tally.failed else 0


if __name__ == "__main__":
    sys.exit(main())
