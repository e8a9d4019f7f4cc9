"""What `make test` does: every build, and every test on every interpreter, as jobs.

The last line that is printed is ``N passed, M failed``, summed over everything that was counted; tests that were
skipped are in neither number. A job that breaks without a result counts as one failure. Right above that line stand the
last lines of what failed, and then the name of each failed test, so that the end of a log tells what to look at. Tests
that passed only at their second try (again.py) are named before those.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

from tools.counts import Counts, Failure, count_junit, nothing, tell_failures, tell_second_tries
from tools.interpreters import CHROOTS, TOP, Interpreter, find_all
from tools.jobs import Job, Scheduler

RESULTS = TOP / "build" / "results"
PURE = TOP / ".venv" / "pure"
# Variants whose unit tests run, and the name each geometry has in reports.
UNIT_VARIANTS = ("release", "large", "classic", "asan", "hostile")
# What a campaign of random operations against a model does under AddressSanitizer, and the seconds it may take.
CAMPAIGN_OPERATIONS, CAMPAIGN_SECONDS = 5_000_000, 7200
# How long the soak runs whose resident size must stay flat, in seconds.
SOAK_SECONDS = 600
# What a test of the Python package, and all of them, may take under AddressSanitizer: 49 minutes on a busy machine.
SANITIZED_TEST_SECONDS, SANITIZED_SECONDS = 1200, 4 * 3600
# Variants under which the Python tests run on the host, beside the default one under every interpreter.
GEOMETRIES = ("large", "classic")
PARALLEL = 2
# regrtest's own limit for a module of the smoke set, and of the whole suite, in seconds.
SMOKE_SECONDS, LONG_SECONDS = 600, 1200
# The modules of CPython's suite that are run with concurrent collections in any case.
SMOKE_COLLECTOR = ("test_gc", "test_finalization")
DAY = 24 * 3600

SANITIZER_OPTIONS = {
    "ASAN_OPTIONS": "detect_leaks=1:abort_on_error=0:allocator_may_return_null=1",
    "UBSAN_OPTIONS": "print_stacktrace=1:halt_on_error=1",
}


def python_path(site: Path) -> str:
    """The PYTHONPATH that runs a build in place."""
    return os.pathsep.join([str(site), str(PURE)])


def build_job(interpreter: Interpreter, variant: str) -> Job:
    """Builds a variant for an interpreter."""
    folder = interpreter.build_folder(variant)
    return Job(
        name=f"build {folder.name}",
        command=interpreter.build_command(variant),
        log=RESULTS / f"build-{folder.name}.log",
        count=nothing,
        environment={"KUCHA_JOBS": "1", "KUCHA_WERROR": "1"},
    )


def unit_job(host: Interpreter, variant: str, *programs: str) -> Job:
    """Runs the C unit tests of a variant, or only these programs."""
    folder = host.build_folder(variant)
    results = RESULTS / f"unit-{variant}"

    def count() -> Counts:
        return count_junit(*sorted(results.glob("*.xml")) or [results / "any.xml"])

    return Job(
        name=f"unit {variant}",
        command=[sys.executable, str(TOP / "scripts" / "unit"), str(folder), str(results), *programs],
        log=RESULTS / f"unit-{variant}.log",
        count=count,
        needs=(f"build {folder.name}",),
        environment=SANITIZER_OPTIONS,
    )


def campaign_job(host: Interpreter) -> Job:
    """Runs the tests against a model, with millions of operations."""
    return replace(
        unit_job(host, "asan", "--seconds", str(CAMPAIGN_SECONDS), "test_heap"),
        name="campaign asan",
        environment=SANITIZER_OPTIONS | {"KUCHA_OPERATIONS": str(CAMPAIGN_OPERATIONS)},
        timeout=CAMPAIGN_SECONDS + 60,
    )


def soak_job(host: Interpreter) -> Job:
    """Runs the soak for ten minutes."""
    return replace(
        unit_job(host, "release", "--seconds", str(2 * SOAK_SECONDS), "test_soak"),
        name="soak",
        environment={"KUCHA_SOAK_SECONDS": str(SOAK_SECONDS)},
        timeout=2 * SOAK_SECONDS + 60,
    )


def pytest_job(
    interpreter: Interpreter,
    folder: str,
    variant: str = "release",
    pattern: str = "",
    marks: str = "",
    seconds: int = 300,
    settings: dict[str, str] | None = None,
) -> Job:
    """Runs a folder of pytest tests, or only the files of a pattern, or those with marks, under an interpreter."""
    build = interpreter.build_folder(variant)
    tag = f"{Path(folder).name}-{build.name}"
    results, results_again = RESULTS / f"{tag}.xml", RESULTS / f"{tag}-again.xml"
    for stale in (results, results_again):
        stale.unlink(missing_ok=True)
    options = ["-q", "-p", "pytest_timeout", f"--timeout={seconds}", "-o", f"cache_dir={RESULTS / tag}.cache"]
    options += ["-m", marks] if marks else []
    settings = (settings or {}) | {
        "PYTHONPATH": python_path(build / "site"),
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
        # Old releases of protobuf, which a reader in the tests asks for, have C code that newer interpreters refuse.
        "PROTOCOL_BUFFERS_PYTHON_IMPLEMENTATION": "python",
        "KUCHA_BUILD": str(build),
    }
    words = ["env", *(f"{name}={value}" for name, value in settings.items())]
    files = sorted(str(path.relative_to(TOP)) for path in (TOP / folder).glob(pattern)) if pattern else [folder]
    whole = [*words, interpreter.python, "-m", "pytest", *options, *files]
    first = Job(
        name=f"{Path(folder).name} {interpreter.name if variant == 'release' else variant}",
        command=interpreter.command([*whole, f"--junit-xml={results}"]),
        log=RESULTS / f"{tag}.log",
        count=lambda: count_junit(results),
        needs=(f"build {build.name}",),
        timeout=1500,
    )
    only_failed = ["--last-failed", "--last-failed-no-failures=none", f"--junit-xml={results_again}"]
    again = replace(
        first,
        command=interpreter.command([*whole, *only_failed]),
        log=RESULTS / f"{tag}-again.log",
        count=lambda: count_junit(results_again),
    )
    return replace(first, again=again)


def sanitizer_libraries() -> str:
    """What a program that was not built with the sanitizers loads first, so that a part of it can be."""
    compiler = shlex.split(os.environ.get("CC", "cc"))
    asked = (f"-print-file-name=lib{name}.so" for name in ("asan", "ubsan"))
    return ":".join(subprocess.check_output([*compiler, option], text=True).strip() for option in asked)


def sanitized_job(host: Interpreter) -> Job:
    """Runs the Python package's tests with its C code under the sanitizers.

    An interpreter leaves memory behind when it ends, so leaks are not looked for; tests make the system refuse memory,
    and programs die with a core. What cannot be tested so is listed, with reasons, in tests/python/sanitized.py.
    """
    allowed = "detect_leaks=0:allocator_may_return_null=1:disable_coredump=0"
    return replace(
        pytest_job(host, "tests/python", "asan-module", seconds=SANITIZED_TEST_SECONDS),
        environment=SANITIZER_OPTIONS | {"LD_PRELOAD": sanitizer_libraries(), "ASAN_OPTIONS": allowed},
        timeout=SANITIZED_SECONDS,
    )


def python_soak_job(interpreter: Interpreter) -> Job:
    """Runs the collector's soak, and the reader of damaged cores, for ten minutes each way."""
    job = pytest_job(interpreter, "tests/soak", settings={"KUCHA_SOAK_SECONDS": str(SOAK_SECONDS)})
    return replace(job, name=f"python soak {interpreter.name}", timeout=10 * SOAK_SECONDS)


def suites_job(interpreter: Interpreter, name: str, whole: bool, *words: str) -> Job:
    """Runs CPython's own tests under an interpreter, with and without kucha; the words say which, and in which ways."""
    build = interpreter.build_folder("release")
    tag = f"{name.replace(' ', '-')}-{interpreter.name}"
    out = RESULTS / tag
    seconds = LONG_SECONDS if whole else SMOKE_SECONDS
    command = ["tests/cpython/run.py", "--python", interpreter.python, "--site", str(build / "site"), "--out", str(out)]
    (out / "cpython.json").unlink(missing_ok=True)
    return Job(
        name=f"{name} {interpreter.name}",
        command=interpreter.command([interpreter.python, *command, f"--timeout={seconds}", *words]),
        log=RESULTS / f"{tag}.log",
        count=lambda: count_cpython(out / "cpython.json"),
        needs=(f"build {build.name}",),
        timeout=DAY if whole else 2400,
    )


def suites_jobs(interpreter: Interpreter, whole: bool) -> list[Job]:
    """CPython's own tests with the allocator alone and with tracing, and with kucha's collector."""
    if not whole:
        # What is about collections, a child for each: some seconds.
        collects = suites_job(interpreter, "collector", False, "--mode", "concurrent", *SMOKE_COLLECTOR)
        return [suites_job(interpreter, "cpython", False), collects]
    each = [word for mode in ("eager", "concurrent") for word in ("--mode", mode)]
    return [
        suites_job(interpreter, "cpython", True, "--all"),
        suites_job(interpreter, "collector", True, "--mode", "gc", "--all"),
        suites_job(interpreter, "every chance", True, *each, "--list", "collector.txt"),
    ]


def count_cpython(path: Path) -> Counts:
    """Counts what tests/cpython/run.py wrote down."""
    try:
        told = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        return Counts(failed=1, failures=[Failure(f"no results in {path}: {error}")])
    notes = [f"cannot pass: {line}" for line in told["expected"]]
    notes += [f"listed as impossible, but passes: {line}" for line in told["unexpectedly_passed"]]
    notes += [f"second try: {line}" for line in told["second_try"]]
    if told["not_ours"]:
        notes.append(f"do not pass on the stock interpreter either: {told['not_ours']}")
    failures = [Failure(line) for line in told["different"]]
    return Counts(told["passed"], told["failed"], told["skipped"], notes, failures)


def has_tests(folder: str) -> bool:
    """Whether the folder holds pytest files."""
    return any((TOP / folder).glob("test_*.py"))


def all_jobs(interpreters: list[Interpreter], whole: bool) -> list[Job]:
    """The jobs, those that take long near the front, so that none of them is left alone at the end."""
    host = interpreters[0]
    builds = [build_job(item, "release") for item in interpreters]
    cpython = [job for item in one_of_each_minor(interpreters) for job in suites_jobs(item, whole)]
    if whole:
        long = [campaign_job(host), soak_job(host)]
        long += [python_soak_job(item) for item in dict.fromkeys((host, newest(interpreters)))]
        long += [pytest_job(host, folder) for folder in ("tests/psutil", "tests/memory_profiler", "tests/programs")]
        long.append(replace(pytest_job(host, "tests/python", pattern="test_guppy_suite.py"), name="guppy3's tests"))
        long.append(sanitized_job(host))
        return [*builds, *(build_job(host, variant) for variant in ("asan", "asan-module")), *long, *cpython]
    builds += [build_job(host, variant) for variant in (*UNIT_VARIANTS, "valgrind") if variant != "release"]
    tests = [unit_job(host, variant) for variant in UNIT_VARIANTS]
    tests.append(unit_job(host, "valgrind", "test_annotations"))
    if has_tests("tests/python"):
        ends = (host, newest(interpreters))
        tests += [
            pytest_job(item, "tests/python", marks="" if item in ends else "not any_version") for item in interpreters
        ]
        # Requests for memory can be refused one by one in a build that checks; and threads that mark lose bits.
        tests.append(pytest_job(host, "tests/python", "hostile", "test_gc_[mt]e*.py"))
        # What lies above the module does not know the geometry.
        tests += [pytest_job(host, "tests/python", variant, "test_core*.py") for variant in GEOMETRIES]
    tests += [pytest_job(host, folder) for folder in ("tests/house", "tests/install") if has_tests(folder)]
    return builds + tests + cpython


def newest(interpreters: list[Interpreter]) -> Interpreter:
    """The one of the latest release."""
    return max(interpreters, key=lambda item: item.number)


def one_of_each_minor(interpreters: list[Interpreter]) -> list[Interpreter]:
    """The first interpreter found of each release: its own test suite tells little about another micro of it."""
    return list({item.minor: item for item in reversed(interpreters)}.values())[::-1]


def missing_minors(interpreters: list[Interpreter]) -> list[str]:
    """Releases that are supported, and for which no interpreter was found."""
    found = {item.minor for item in interpreters}
    return [minor for minors in CHROOTS.values() for minor in minors if minor not in found]


def choose(jobs: list[Job], words: list[str]) -> list[Job]:
    """The jobs with one of the words in their name, with what they need; all of them without words.

    A word begins where a word of the name does: "python trixie" is not in "cpython trixie-3.13".
    """
    if not words:
        return jobs
    pattern = re.compile("|".join(rf"(?<!\w){re.escape(word)}" for word in words))
    wanted = {job.name for job in jobs if pattern.search(job.name)}
    wanted |= {need for job in jobs if job.name in wanted for need in job.needs}
    return [job for job in jobs if job.name in wanted]


def interrupt(number: int, frame: object) -> None:
    """A request to end is an interruption: the scheduler cleans up."""
    del frame
    raise SystemExit(128 + number)


def main(arguments: list[str]) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="test", description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--long", action="store_true", help="CPython's whole test suites, and nothing else")
    parser.add_argument("--list", action="store_true", help="only list the jobs")
    parser.add_argument("words", nargs="*", help="only the jobs whose name contains a word, and what those need")
    chosen = parser.parse_args(arguments)
    interpreters = find_all()
    if not interpreters or interpreters[0].name != "host":
        print("test: there is no python3; set PYTHON to an interpreter", file=sys.stderr)
        return 1
    jobs = choose(all_jobs(interpreters, chosen.long), chosen.words)
    if chosen.list:
        print("\n".join(job.name for job in jobs))
        return 0
    shutil.rmtree(RESULTS, ignore_errors=True)
    scheduler = Scheduler(TOP, PARALLEL)
    signal.signal(signal.SIGTERM, interrupt)
    # A shell that starts us in the background has SIGINT ignored, and what ignores it hands that on to every program
    # under test. A handler is not handed on.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    scheduler.say("interpreters: " + ", ".join(f"{item.name} {item.version}" for item in interpreters))
    total = scheduler.run(jobs)
    for minor in missing_minors(interpreters):
        # Root can make the chroots (scripts/setup interpreters), so there it is a failure and not a choice.
        reason = f"NOT TESTED: Python {minor}; no interpreter was found (see docs/building.md)"
        scheduler.say(reason)
        if os.geteuid() == 0:
            total.fail(reason)
    if total.skipped:
        scheduler.say(f"{total.skipped} skipped")
    for line in tell_second_tries(total.second_tries) + tell_failures(total.failures):
        print(line)
    print(f"{total.passed} passed, {total.failed} failed")
    return 1 if total.failed or not total.passed else 0
