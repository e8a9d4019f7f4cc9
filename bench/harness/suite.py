"""The pyperformance suite: every benchmark that can be had here, untraced, with kucha's collector too, and stock.

What a benchmark needs from PyPI comes, at the versions that the suite asks for, into a folder of its own, so that two
benchmarks may ask for different ones. bench/python/suite_rounds.py runs the plan where the interpreter lies. A figure
is what pyperf measures, the time of the loops on the wall clock; CPU time and the largest resident size are those of
the whole process.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tools.interpreters import Interpreter

from harness.hosted import suite_folder
from harness.numbers import bootstrap, geometric_mean, median, paired_ratios
from harness.packages import Unavailable, install
from harness.scripts import run_plan
from harness.table import Row

MODES = ("stock", "kucha", "gc")
LABELS = {"kucha": "kucha's allocator", "gc": "kucha's allocator and collector"}
TARGET = 0.97
RESIDENT_TARGET = 1.0
FEWEST = 50  # benchmarks, for the figure to count
SECONDS = 0.5  # of a run's loops: 80 benchmarks, three modes and three rounds take twenty minutes
LONGEST = 5.0  # of one loop
LIMIT = 180.0  # of a process on the clock, which may prepare more than it measures
SHOWN = 4  # best and worst

# What starts other interpreters, in which kucha is not.
ELSEWHERE = ("2to3", "python_startup", "python_startup_no_site")


@dataclass(frozen=True)
class SuiteOptions:
    """What the command line chose."""

    top: Path
    bench_packages: Path
    rounds: int


def manifest(benchmarks: Path) -> dict[str, Path]:
    """Name and TOML file of each benchmark that the suite's manifest lists."""
    found = {}
    lines = (benchmarks / "MANIFEST").read_text(encoding="utf-8").partition("[group")[0].splitlines()
    for line in lines:
        name, _, where = line.partition("\t")
        if not where.startswith("<local") or name.startswith("#"):
            continue
        of = where.removeprefix("<local").removesuffix(">").removeprefix(":") or name
        file = "pyproject.toml" if of == name else f"bm_{name}.toml"
        found[name] = benchmarks / f"bm_{of}" / file
    return found


def settings_of(file: Path) -> dict[str, Any]:
    """The part of a TOML file that is the benchmark's, and the versions of Python that it asks for."""
    with file.open("rb") as stream:
        told = tomllib.load(stream)
    return {
        **told.get("tool", {}).get("pyperformance", {}),
        "python": told.get("project", {}).get("requires-python", ""),
    }


def too_old(asked: str, interpreter: Interpreter) -> bool:
    """Whether the interpreter is older than `>=3.12` asks for."""
    number = asked.removeprefix(">=")
    return bool(number) and interpreter.number < tuple(int(part) for part in number.split("."))


def packages_of(packages: Path, benchmark: Path) -> list[str]:
    """The folder with what a benchmark needs; none where it needs nothing. Raises Unavailable."""
    wanted = benchmark / "requirements.txt"
    if not wanted.exists():
        return []
    return install(packages.with_name("bench-suite") / benchmark.name, ["--requirement", str(wanted)])


def tasks_of(options: SuiteOptions, interpreter: Interpreter) -> tuple[dict[str, Any], dict[str, str]]:
    """What to run for each benchmark, and why the others are not run."""
    tasks: dict[str, Any] = {}
    left_out: dict[str, str] = {}
    for name, file in manifest(suite_folder(options.bench_packages)).items():
        settings = settings_of(file)
        if name in ELSEWHERE:
            left_out[name] = "measures other processes"
        elif too_old(settings["python"], interpreter):
            left_out[name] = f"for Python {settings['python']}"
        else:
            try:
                folders = packages_of(options.bench_packages, file.parent)
            except Unavailable as error:
                left_out[name] = str(error)
                continue
            script = str(file.parent / settings.get("runscript", "run_benchmark.py"))
            tasks[name] = {"script": script, "arguments": settings.get("extra_opts", []), "packages": folders}
    return tasks, left_out


def run_suite(options: SuiteOptions, interpreter: Interpreter, tasks: dict[str, Any]) -> Any:
    """Run the plan where the interpreter lies."""
    plan = {
        "tasks": tasks,
        "modes": list(MODES),
        "rounds": options.rounds,
        "seconds": SECONDS,
        "longest": LONGEST,
        "limit": LIMIT,
    }
    return run_plan(options.top, interpreter, "suite_rounds.py", plan, [options.bench_packages])


def ratios_of(results: Any, mode: str, key: str) -> dict[str, list[float]]:
    """Paired ratios against stock, by benchmark."""
    return {
        name: paired_ratios([run[key] for run in runs[mode]], [run[key] for run in runs["stock"]])
        for name, runs in results.items()
    }


def mean_of(ratios: dict[str, list[float]]) -> float:
    """Geometric mean of the medians."""
    return geometric_mean([median(values) for values in ratios.values()])


def extremes(ratios: dict[str, list[float]]) -> str:
    """The benchmarks that gained and lost most."""
    medians = sorted((median(values), name) for name, values in ratios.items())
    told = [f"{name} {value:.2f}" for value, name in medians]
    if len(told) <= 2 * SHOWN:
        return ", ".join(told)
    return f"from {', '.join(told[:SHOWN])} to {', '.join(told[-SHOWN:])}"


def mode_row(options: SuiteOptions, interpreter: Interpreter, found: Any, mode: str) -> Row:
    """A mode against stock over all benchmarks."""
    results = found["results"]
    ratios = ratios_of(results, mode, "seconds")
    mean, (low, high) = mean_of(ratios), bootstrap(ratios)
    cpu, resident = (mean_of(ratios_of(results, mode, key)) for key in ("cpu", "resident"))
    size = median([median([run["resident"] for run in runs["stock"]]) for runs in results.values()])
    return Row(
        measure=f"{interpreter.version}: pyperformance, {len(ratios)} benchmarks, {LABELS[mode]}",
        peers=f"stock; resident {size / 2**20:.0f} MiB (median)",
        kucha=extremes(ratios),
        ratio=f"{mean:.3f} [{low:.3f}, {high:.3f}]; CPU of the processes {cpu:.3f}; resident {resident:.3f}",
        target=f"<= {TARGET}, resident <= {RESIDENT_TARGET:.0f}, {FEWEST} or more" if mode == "gc" else "",
        reached=mean <= TARGET and resident <= RESIDENT_TARGET and len(ratios) >= FEWEST if mode == "gc" else None,
        n=options.rounds,
        data={
            "mean": mean,
            "interval": [low, high],
            "medians": {name: median(values) for name, values in ratios.items()},
            "mode": mode,
        },
    )


def rows(options: SuiteOptions, interpreter: Interpreter) -> list[Row]:
    """The suite under one interpreter, and what could not be run."""
    tasks, left_out = tasks_of(options, interpreter)
    found = run_suite(options, interpreter, tasks)
    left_out |= found["failures"]
    told = [mode_row(options, interpreter, found, mode) for mode in LABELS] if found["results"] else []
    reasons = "; ".join(f"{name}: {reason}" for name, reason in left_out.items())
    told.append(
        Row(
            measure=f"{interpreter.version}: pyperformance: run, and not run",
            peers="",
            kucha=", ".join(found["results"]),
            ratio=f"not run: {reasons}",
            target="",
            reached=None,
            n=options.rounds,
            data=found,
        )
    )
    return told
