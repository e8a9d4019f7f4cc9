"""The Python rows: six programs and five of the pyperformance suite, in every mode, under every interpreter.

A plan is handed to bench/python/rounds.py, which runs where the interpreter lies (a chroot, perhaps) and gives back the
cost of each run. tracemalloc multiplies the time of a program, so its modes, and a `stock` for them, have a plan of
their own with less work per run.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tools.interpreters import Interpreter

from harness.numbers import bootstrap, geometric_mean, median, paired_ratios
from harness.scripts import run_plan
from harness.table import Row

PROGRAMS = ("containers", "instances", "strings", "json_trip", "simulation", "binary_trees")

# The five of pyperformance, named before anything was tuned. They need nothing but the standard library, and together
# they are method calls on small objects, floats, lists inside a compiler, a C extension's tree, and asyncio's tasks.
# The loops are chosen for about 0.8 s on the machine of docs/benchmarks.md.
SUITE = {
    "deltablue": ("bm_deltablue", 180, ()),
    "raytrace": ("bm_raytrace", 2, ()),
    "regex_compile": ("bm_regex_compile", 4, ()),
    "xml_etree": ("bm_xml_etree", 10, ("process",)),
    "async_tree": ("bm_async_tree", 1, ("none",)),
}

MODES = ("stock", "kucha", "traced1", "traced10", "sampled", "interface1", "interface10")
PEER_MODES = ("stock", "tracemalloc1", "tracemalloc10")
PEER_SCALE = 0.05  # tracemalloc with ten frames is up to a hundred times slower
PEER_ROUNDS = 3

UNTRACED_TARGET = 0.92
TRACED_TARGET = 1.05
TRACED_WORST = 1.20
SAMPLED_TARGET = 1.0
INTERFACE_TARGETS = {"interface1": 1.1, "interface10": 1.15}


@dataclass(frozen=True)
class HostedOptions:
    """What the command line chose."""

    top: Path
    bench_packages: Path
    only: set[str]
    rounds: int
    peers: bool


def suite_folder(bench_packages: Path) -> Path:
    """Where the package pyperformance keeps its benchmarks."""
    return bench_packages / "pyperformance" / "data-files" / "benchmarks"


def tasks(options: HostedOptions, scale: float) -> dict[str, list[str]]:
    """Arguments of launch.py for each program; at a small scale a suite program does the least it can."""
    chosen = {f"{name}": ["program", name, str(scale)] for name in PROGRAMS}
    for name, (folder, loops, arguments) in SUITE.items():
        script = suite_folder(options.bench_packages) / folder / "run_benchmark.py"
        if script.exists():
            chosen[name] = ["suite", str(script), str(max(1, int(loops * scale))), *arguments]
    wanted = options.only & set(chosen)
    return {name: chosen[name] for name in chosen if not wanted or name in wanted}


def run_programs(
    options: HostedOptions, interpreter: Interpreter, modes: tuple[str, ...], scale: float, rounds: int
) -> Any:
    """Run a plan where the interpreter lies."""
    plan = {"tasks": tasks(options, scale), "modes": list(modes), "rounds": rounds}
    return run_plan(options.top, interpreter, "rounds.py", plan, [options.bench_packages])


def check_sums(results: dict[str, Any]) -> None:
    """Every mode must have done the same work."""
    for name, modes in results.items():
        sums = {run["checksum"] for runs in modes.values() for run in runs}
        if len(sums) > 1:
            raise SystemExit(f"bench: {name} gave different results in different modes: {sorted(sums)}")


def ratios_of(results: dict[str, Any], mode: str, names: tuple[str, ...], key: str = "cpu") -> dict[str, list[float]]:
    """Paired ratios of a mode against stock, by program."""
    found = {}
    for name in names:
        runs = results.get(name, {})
        ours, stock = runs.get(mode, []), runs.get("stock", [])
        if ours and len(ours) == len(stock):
            found[name] = paired_ratios([run[key] for run in ours], [run[key] for run in stock])
    return found


def summary(ratios: dict[str, list[float]]) -> tuple[float, tuple[float, float], dict[str, float]]:
    """Geometric mean of the medians, its bootstrap interval, and the medians."""
    medians = {name: median(values) for name, values in ratios.items()}
    return geometric_mean(list(medians.values())), bootstrap(ratios), medians


def ratio_of_minima(results: dict[str, Any], mode: str, names: Iterable[str]) -> float:
    """Geometric mean of the ratios of the cheapest runs: on a machine that others use, what they disturbed least."""
    ratios = []
    for name in names:
        ours, stock = results[name][mode], results[name]["stock"]
        ratios.append(min(run["cpu"] for run in ours) / min(run["cpu"] for run in stock))
    return geometric_mean(ratios)


def peer_text(results: dict[str, Any] | None, mode: str, names: tuple[str, ...]) -> str:
    """What tracemalloc costs on the same programs."""
    ratios = ratios_of(results, mode, names) if results else {}
    if not ratios:
        return ""
    mean, _, medians = summary(ratios)
    frames = mode.removeprefix("tracemalloc")
    return f"tracemalloc {frames}: {mean:.1f}x ({min(medians.values()):.1f} to {max(medians.values()):.1f})"


def mode_row(
    interpreter: Interpreter, measured: Any, peers: Any, group: str, names: tuple[str, ...], mode: str
) -> Row | None:
    """One row: a mode over a group of programs under one interpreter."""
    ratios = ratios_of(measured["results"], mode, names)
    if not ratios:
        return None
    mean, (low, high), medians = summary(ratios)
    minima = ratio_of_minima(measured["results"], mode, ratios)
    worst = max(medians, key=lambda name: medians[name])
    words = {
        "kucha": ("untraced", f"<= {UNTRACED_TARGET}", mean <= UNTRACED_TARGET, ""),
        "traced1": ("traced, 1 frame", f"<= {TRACED_TARGET}, none over {TRACED_WORST:.2f}", None, "tracemalloc1"),
        "traced10": ("traced, 10 frames", f"<= {TRACED_TARGET}, none over {TRACED_WORST:.2f}", None, "tracemalloc10"),
        "sampled": ("sampled at 64 KiB", f"<= {SAMPLED_TARGET:.1f}", mean <= SAMPLED_TARGET, ""),
    }
    for name, limit in INTERFACE_TARGETS.items():
        frames = name.removeprefix("interface")
        words[name] = (f"kucha.tracemalloc.start({frames})", f"<= {limit}", mean <= limit, f"tracemalloc{frames}")
    label, target, reached, peer = words[mode]
    if reached is None:
        reached = mean <= TRACED_TARGET and medians[worst] <= TRACED_WORST
    missing = [name for name in names if name not in ratios]
    ours = ", ".join(f"{name} {value:.2f}" for name, value in medians.items())
    if missing:
        ours += f" (failed: {', '.join(missing)})"
        reached = False
    return Row(
        measure=f"{interpreter.version}: {group}, {label}, CPU against stock",
        peers=peer_text(peers["results"] if peers else None, peer, names) if peer else "",
        kucha=ours,
        ratio=f"{mean:.3f} [{low:.3f}, {high:.3f}]; of minima {minima:.3f}",
        target=target,
        reached=reached,
        n=min(len(values) for values in ratios.values()),
        data={
            "mean": mean,
            "minima": minima,
            "interval": [low, high],
            "medians": medians,
            "mode": mode,
            "group": group,
        },
    )


def resident_row(interpreter: Interpreter, measured: Any) -> Row | None:
    """Largest resident size of the six programs, untraced and traced, against stock."""
    texts = []
    for mode in MODES[1:]:
        ratios = ratios_of(measured["results"], mode, PROGRAMS, key="resident")
        if ratios:
            texts.append(f"{mode} {summary(ratios)[0]:.3f}")
    if not texts:
        return None
    runs = measured["results"]
    stock = {name: [run["resident"] for run in runs[name]["stock"]] for name in PROGRAMS if name in runs}
    sizes = {name: round(median(values) / 2**20) for name, values in stock.items()}
    peers = "stock MiB: " + ", ".join(f"{name} {size}" for name, size in sizes.items())
    measure = f"{interpreter.version}: largest resident size of the six against stock"
    return Row(measure, peers, ", ".join(texts), "", "", None, len(next(iter(stock.values()))))


def measure(options: HostedOptions, interpreter: Interpreter) -> list[Row]:
    """All Python rows of one interpreter."""
    measured = run_programs(options, interpreter, MODES, 1.0, options.rounds)
    check_sums(measured["results"])
    peers = None
    if options.peers:
        peers = run_programs(options, interpreter, PEER_MODES, PEER_SCALE, min(PEER_ROUNDS, options.rounds))
        check_sums(peers["results"])
    rows: list[Row] = []
    for group, names in (("six programs", PROGRAMS), ("five of pyperformance", tuple(SUITE))):
        chosen = tuple(name for name in names if name in measured["results"])
        for mode in MODES[1:]:
            row = mode_row(interpreter, measured, peers, group, chosen, mode) if chosen else None
            if row is not None:
                rows.append(row)
    resident = resident_row(interpreter, measured)
    if resident is not None:
        rows.append(resident)
    for reason in measured["failures"].values():
        print(f"bench: {reason}", file=sys.stderr)
    if rows:
        rows[0].data["runs"] = measured
        rows[0].data["peer runs"] = peers
    return rows
