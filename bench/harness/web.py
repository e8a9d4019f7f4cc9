"""The web application under load: latency and throughput with kucha's collector against the stock interpreter.

A round runs bench/python/web_client.py once in each mode, in an order that moves on. How many requests a second are due
is fixed once, at half of what the stock interpreter answers at most, and is the same in all runs. What is told of the
latency is that of requests that are due at their times; the throughput is that of connections that never wait.
"""

from __future__ import annotations

import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tools.interpreters import Interpreter

from harness.numbers import bootstrap, median, paired_ratios
from harness.packages import install
from harness.scripts import run_script
from harness.table import Row

PACKAGES = ("flask==3.1.3", "sqlalchemy==2.0.44", "waitress==3.0.2")
MODES = ("stock", "kucha", "concurrent")
LABELS = {"kucha": "`kucha run --gc=kucha`", "concurrent": "`kucha run --gc=concurrent`"}
LOAD = 0.5  # of the throughput of the stock interpreter
FIGURES = {
    "p50": ("rate", "p50"),
    "p99": ("rate", "p99"),
    "p99.9": ("rate", "p99.9"),
    "throughput": ("full", "throughput"),
    "resident": ("after", "resident"),
}
LATENCY_TARGET = 0.8
THROUGHPUT_TARGET = 1.03
ROUNDS = 20  # that the figure needs


@dataclass(frozen=True)
class WebOptions:
    """What the command line chose: seconds are those of each of a run's two loads."""

    top: Path
    rounds: int
    containers: int = 500_000
    seconds: float = 8.0


def run(options: WebOptions, interpreter: Interpreter, packages: list[str], mode: str, rate: float) -> Any:
    """One run of application and client; what the client printed."""
    scratch = options.top / "build" / "bench"
    scratch.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="web-", dir=scratch) as folder:
        words = [mode, folder, str(options.containers), str(options.seconds), f"{rate:.3f}"]
        return run_script(options.top, interpreter, "web_client.py", words, packages)


def measure(options: WebOptions, interpreter: Interpreter, packages: list[str]) -> tuple[float, dict[str, list[Any]]]:
    """The rate, and all runs by mode."""
    rate = LOAD * float(run(options, interpreter, packages, "stock", 0)["full"]["throughput"])
    runs: dict[str, list[Any]] = {mode: [] for mode in MODES}
    for number in range(options.rounds):
        shift = number % len(MODES)
        for mode in MODES[shift:] + MODES[:shift]:
            runs[mode].append(run(options, interpreter, packages, mode, rate))
        print(f"bench: web: round {number + 1} of {options.rounds}", file=sys.stderr, flush=True)
    return rate, runs


def values(runs: dict[str, list[Any]], mode: str, name: str) -> list[float]:
    """A figure of each run."""
    load, key = FIGURES[name]
    return [one[load][key] for one in runs[mode]]


def told(runs: dict[str, list[Any]], mode: str) -> str:
    """A mode's own figures, and how the application's collections were seen from inside."""
    p50, p99, p999 = (median(values(runs, mode, name)) * 1e3 for name in ("p50", "p99", "p99.9"))
    longest = median([one["after"]["longest"] for one in runs[mode]]) * 1e3
    share = median([collecting(one) for one in runs[mode]])
    latencies = f"p50 {p50:.1f}, p99 {p99:.0f}, p99.9 {p999:.0f} ms"
    collections = f"longest collection {longest:.0f} ms, all of them {share:.0%} of the time at full load"
    return f"{median(values(runs, mode, 'throughput')):.0f} requests/s; {latencies}; {collections}"


def collecting(one: Any) -> float:
    """The share of collections in the time at full load."""
    took = one["full"]["requests"] / one["full"]["throughput"]
    return float((one["between"]["collecting"] - one["before"]["collecting"]) / took)


def mode_row(options: WebOptions, runs: dict[str, list[Any]], mode: str, label: str) -> Row:
    """One mode against stock, in pairs. The targets count with their intervals."""
    ratios = {name: paired_ratios(values(runs, mode, name), values(runs, "stock", name)) for name in FIGURES}
    intervals = {name: bootstrap({name: found}) for name, found in ratios.items()}
    texts = [f"{name} {median(ratios[name]):.3f} [{low:.3f}, {high:.3f}]" for name, (low, high) in intervals.items()]
    p99, throughput = median(ratios["p99"]), median(ratios["throughput"])
    quick = p99 <= LATENCY_TARGET and intervals["p99"][1] < 1
    much = throughput >= THROUGHPUT_TARGET and intervals["throughput"][0] > 1
    return Row(
        measure=label,
        peers=f"stock: {told(runs, 'stock')}",
        kucha=told(runs, mode),
        ratio=", ".join(texts),
        target=f"p99 <= {LATENCY_TARGET}, throughput >= {THROUGHPUT_TARGET}; intervals without 1; {ROUNDS} rounds",
        reached=quick and much and options.rounds >= ROUNDS,
        n=options.rounds,
        data={"runs": {name: runs[name] for name in ("stock", mode)}, "ratios": ratios, "intervals": intervals},
    )


def rows(options: WebOptions, interpreter: Interpreter) -> list[Row]:
    """The application under one interpreter."""
    packages = install(options.top / ".venv" / "bench-suite" / "web", PACKAGES)
    rate, runs = measure(options, interpreter, packages)
    what = (
        f"{interpreter.version}: Flask, SQLAlchemy and {options.containers:,} cached containers, {rate:.0f} requests/s"
    )
    return [mode_row(options, runs, mode, f"{what}: {label}") for mode, label in LABELS.items()]
