#!/usr/bin/env python3
"""Runs CPython's own test suite with and without kucha and compares the outcome of every test.

    run.py --python PYTHON --site SITE --out FOLDER [--all | --list FILE | MODULE ...]

Three ways are compared: ``stock`` (the interpreter as it is), ``plain`` (kucha's allocator under it) and ``traced``
(and every allocation traced); others when they are named: ``started`` (by the environment variable KUCHA), and with
kucha's collector ``gc`` (as it is), ``eager`` (everything is collected at every chance) and ``concurrent`` (by a child
at every chance). What passes in the stock way must pass in the others, and no module may crash. To learn that, most of
the stock run is not needed:

1. Each module runs whole, plain and traced. A test that passed both times needs no comparison.
2. What did not pass (failed, skipped, or gave no result though the module has such a test) runs on the stock
   interpreter, those tests alone. What does not pass there either is the interpreter's own, or this machine's.
3. What passes there runs alone, in the way in which it did not pass, and where that goes well the whole module once
   more, on both sides. What passes both times had been disturbed, by a loaded machine as a rule, and is listed as
   passed at the second try. All else is a difference. A module that died from a signal gets no second try.

``expected/<minor>.txt`` lists tests that cannot pass under kucha, one a line: name, ways, and the place in the
interpreter that makes it impossible, separated by ``|``. A listed test that passes is reported as such, and is no
failure; more of them than one in a hundred tests are one.

Results: FOLDER/cpython.json (counts and differences), FOLDER/<way>/<module>.log, .xml and .json. With --resume, modules
whose results lie there are not run again. Exit code 1 on a difference.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from regrtest import CRASHED, FAILED, HERE, MISSING, MODES, PASSED, SKIPPED, STOPPED, WHOLE, Runner

# The share of all tests that may be listed as impossible.
EXPECTED_SHARE = 0.01


@dataclass
class Tally:
    """What was counted over all modules: tests once for each way, and lines worth reading."""

    tests: int = 0
    passed: int = 0
    failed: int = 0
    skipped: int = 0
    not_ours: int = 0  # that do not pass on the stock interpreter either, without being skipped
    second_try: list[str] = field(default_factory=list)
    expected: list[str] = field(default_factory=list)
    unexpectedly_passed: list[str] = field(default_factory=list)
    different: list[str] = field(default_factory=list)


@dataclass
class Stock:
    """What the stock interpreter does with a module's tests, found out as far as it is asked."""

    runner: Runner
    module: str
    resume: bool
    known: dict[str, str] = field(default_factory=dict)
    whole: bool = False

    def ask(self, names: set[str]) -> dict[str, str]:
        """The outcomes of some tests, each run in the company of the others that were asked for."""
        unknown = set() if self.whole else names - self.known.keys()
        if unknown:
            self.known |= dict.fromkeys(unknown, MISSING)
            self.known |= self.runner.run("stock", self.module, unknown, f"some{len(self.known)}")
        return {name: self.known.get(name, MISSING) for name in names}

    def ask_all(self) -> dict[str, str]:
        """The outcomes of all tests and of the module."""
        if not self.whole:
            kept = self.runner.kept("stock", self.module) if self.resume else None
            self.known = self.runner.run("stock", self.module) if kept is None else kept
            self.whole = True
        return self.known


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


def compare(stock: Stock, outcomes: dict[str, str]) -> dict[str, str]:
    """What a run lost against the stock interpreter, which is asked about no more than is in doubt."""
    whole = f"{stock.module} {WHOLE}"
    if outcomes[whole] != PASSED:
        return differences(stock.ask_all(), outcomes)
    doubtful = {name for name, outcome in outcomes.items() if outcome != PASSED}
    return differences(stock.ask(doubtful), outcomes)


def confirm(stock: Stock, mode: str, suspects: dict[str, str]) -> tuple[dict[str, str], set[str]]:
    """Tries again what was lost, alone and then in the whole module; what is lost again, and what passed this time.

    Some tests depend on those before them, so what passes alone is compared as it runs in whole modules on both sides.
    """
    runner, module = stock.runner, stock.module
    if CRASHED in suspects.values():
        return suspects, set()
    lost: dict[str, str] = {}
    if f"{module} {WHOLE}" not in suspects:
        lost = differences(dict.fromkeys(suspects, PASSED), runner.run(mode, module, suspects.keys(), "alone"))
        if suspects.keys() <= lost.keys() or CRASHED in lost.values():
            return lost, set()
    again = runner.run(mode, module, tag="again")
    open_ones = suspects.keys() - lost.keys()
    lost |= {name: told for name, told in differences(stock.ask_all(), again).items() if name in open_ones}
    lost |= {name: told for name, told in again.items() if told == CRASHED}
    return lost, {name for name in open_ones if again.get(name) == PASSED}


def account(mode: str, module: str, lost: dict[str, str], expected: dict[tuple[str, str], str], tally: Tally) -> None:
    """Tells apart what is expected and what is a difference."""
    missing = 0
    for name, outcome in sorted(lost.items()):
        if (name, mode) in expected:
            tally.expected.append(f"{mode}: {name}: {expected[name, mode]}")
            continue
        tally.failed += 1
        if outcome == MISSING and f"{module} {WHOLE}" in lost:
            missing += 1
        else:
            tally.different.append(f"{mode}: {name}: {outcome}, but passes on the stock interpreter")
    if missing:
        tally.different.append(f"{mode}: {module}: {missing} tests gave no result, but pass on the stock interpreter")


def count(module: str, outcomes: dict[str, str], lost: dict[str, str], tally: Tally) -> None:
    """Adds up the tests of a module in one way; those without a result are skipped where the module is."""
    if outcomes[f"{module} {WHOLE}"] == SKIPPED:
        outcomes = {name: SKIPPED if told == MISSING else told for name, told in outcomes.items()}
    for name, outcome in outcomes.items():
        if name.endswith(WHOLE):
            continue
        tally.tests += 1
        tally.passed += outcome == PASSED and name not in lost
        tally.skipped += outcome == SKIPPED and name not in lost
        tally.not_ours += outcome in (FAILED, MISSING, STOPPED) and name not in lost


def compare_module(
    runner: Runner, module: str, arguments: argparse.Namespace, expected: dict[tuple[str, str], str], tally: Tally
) -> None:
    """Runs a module with kucha, asks the stock interpreter about what did not pass, and adds it to the tally."""
    stock = Stock(runner, module, arguments.resume)
    listed = dict.fromkeys(runner.cases(module), MISSING)
    for mode in arguments.modes:
        kept = runner.kept(mode, module) if arguments.resume else None
        outcomes = listed | (runner.run(mode, module) if kept is None else kept)
        lost = compare(stock, outcomes)
        if lost:
            first = lost
            lost, passed = confirm(stock, mode, first)
            outcomes |= dict.fromkeys(passed, PASSED)
            tally.second_try += [f"{mode}: {name}: {first[name]} at first" for name in sorted(passed)]
        account(mode, module, lost, expected, tally)
        count(module, outcomes, lost, tally)
        tally.unexpectedly_passed += [
            f"{mode}: {name}" for name in outcomes if (name, mode) in expected and outcomes[name] == PASSED
        ]


def list_modules(runner: Runner, arguments: argparse.Namespace) -> list[str]:
    """The modules to run, of those that this interpreter has: those named, all, or those of a list."""
    command = [runner.python, "-m", "test", "--list-tests"]
    listed = subprocess.run(command, env=runner.environment("stock"), capture_output=True, text=True, check=False)
    existing = listed.stdout.split()
    if not existing:
        raise SystemExit(f"run.py: {runner.python} has no test suite (Debian: libpython3.x-testsuite)\n{listed.stderr}")
    if arguments.all:
        return existing
    wanted = arguments.modules
    if not wanted:
        lines = (HERE / arguments.list).read_text().splitlines()
        wanted = [line for line in lines if line and not line.startswith("#")]
    # A package such as test_capi is listed by its parts from 3.13 on.
    return [name for name in existing if any(name in (want, f"test.{want}") or is_part(name, want) for want in wanted)]


def is_part(name: str, package: str) -> bool:
    """Whether a module belongs to a package of tests."""
    return name.startswith((f"test.{package}.", f"{package}."))


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
        f"{tally.skipped} skipped, {tally.not_ours} do not pass on the stock interpreter either ({times})"
    )


def parse(words: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--python", default=sys.executable, help="the interpreter to test")
    parser.add_argument(
        "--site", type=os.path.abspath, required=True, help="the folder that holds the package kucha built for it"
    )
    parser.add_argument("--out", type=Path, required=True, help="where results go")
    parser.add_argument("--timeout", type=int, default=1200, help="seconds for a module (%(default)s)")
    parser.add_argument(
        "--mode", dest="modes", action="append", choices=MODES[1:], help="only this way (plain and traced)"
    )
    parser.add_argument("--option", dest="options", action="append", default=[], help="a word to start Python with")
    parser.add_argument("--variable", dest="variables", action="append", default=[], help="NAME=VALUE to start it with")
    parser.add_argument("--refused", action="store_true", help="kucha refuses to start this way, and does no harm")
    parser.add_argument("--resume", action="store_true", help="take the results that lie in the folder")
    parser.add_argument("--all", action="store_true", help="the whole suite")
    parser.add_argument("--list", default="smoke.txt", help="a file with names of modules, beside run.py (%(default)s)")
    parser.add_argument("modules", nargs="*", help="modules such as test_gc; those of the list when none is given")
    arguments = parser.parse_args(words)
    arguments.modes = arguments.modes or ["plain", "traced"]
    return arguments


def main() -> int:
    """Runs, compares, reports."""
    arguments = parse()
    # Whoever starts this in the background of a shell has SIGINT ignored, and a program under test would inherit that:
    # test_threading then waits for ever, on a stock interpreter too. A handler is not inherited.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    variables = dict(word.split("=", 1) for word in arguments.variables)
    runner = Runner(
        arguments.python, arguments.site, arguments.out.resolve(), arguments.timeout, arguments.options, variables
    )
    runner.check_modes(arguments.modes, arguments.refused)
    version = runner.ask("stock", "-c", "import platform; print(platform.python_version())")
    expected = read_expected(version)
    tally = Tally()
    for module in list_modules(runner, arguments):
        print(f"{version} {module}", flush=True)
        compare_module(runner, module, arguments, expected, tally)
    if arguments.all and len(tally.expected) > EXPECTED_SHARE * tally.tests:
        tally.failed += 1
        tally.different.append(f"{len(tally.expected)} of {tally.tests} tests are listed as impossible")
    report(tally, runner)
    summary = {"version": version, "seconds": runner.seconds} | vars(tally)
    (runner.out / "cpython.json").write_text(json.dumps(summary, indent=1))
    return 1 if tally.failed else 0


if __name__ == "__main__":
    sys.exit(main())
