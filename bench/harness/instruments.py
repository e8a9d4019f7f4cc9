"""The rows beside the programs: snapshots, start-up of the command, processes, profiled lines, the stock collector."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tools.interpreters import Interpreter

from harness.numbers import median, paired_ratios
from harness.scripts import CLEARED, run_script
from harness.table import Row

SNAPSHOT_TARGET = 0.1  # seconds
COMPARE_TARGET = 0.2
SNAPSHOT_TOOLS = ("kucha", "interface", "tracemalloc")
SNAPSHOT_BLOCKS = 1_800_000
START_TARGET = 0.015  # seconds beyond `python -c pass`
PROCESS_TARGETS = {"memory_info": 1.2, "memory_maps": 600.0}  # microseconds
FOOTPRINT_TARGET = 1.2  # times a raw read of smaps_rollup, whose price hangs on the pages of the process
LINE_TARGETS = {"off": 8.0, "moved": 10.0, "every": 60.0}  # times as slow as the plain loop
LINE_WAYS = {"off": "exact bytes", "moved": "resident where it may have moved", "every": "resident at every line"}
LINE_LOOPS = {"objects": "lines that make objects", "empty": "empty lines"}
COLLECTOR_KINDS = ("lists", "dicts", "tuples", "slots", "instances", "mixed")
COLLECTOR_CONTAINERS = 3_000_000
CONCURRENT_CONTAINERS = 10_000_000
CONCURRENT_TARGETS = {"huge": 20.0, "small": 35.0}  # milliseconds of a pause, by the size of pages
CONCURRENT_COST = 0.5  # seconds more that a pass over all objects may take


@dataclass(frozen=True)
class InstrumentOptions:
    """What the command line chose."""

    top: Path
    rounds: int


def snapshot_rows(options: InstrumentOptions, interpreter: Interpreter) -> list[Row]:
    """Snapshots with statistics by line at 1.8 M live blocks: of the engine, and through the known interface."""
    runs: dict[str, list[Any]] = {tool: [] for tool in SNAPSHOT_TOOLS}
    for number in range(options.rounds):
        for tool in SNAPSHOT_TOOLS:
            if tool == "tracemalloc" and number > 0:
                continue  # ten seconds each; one process with three snapshots is enough for a peer
            repeats = "3" if tool == "tracemalloc" else "5"
            runs[tool].append(
                run_script(options.top, interpreter, "snapshot.py", [tool, str(SNAPSHOT_BLOCKS), repeats])
            )
    return [
        snapshot_row(interpreter, runs, "kucha", "", "snapshot with statistics by line", SNAPSHOT_TARGET),
        snapshot_row(interpreter, runs, "interface", "", "take_snapshot().statistics('lineno')", SNAPSHOT_TARGET),
        snapshot_row(interpreter, runs, "interface", "compare ", "compare_to(older, 'lineno')", COMPARE_TARGET),
    ]


def snapshot_row(
    interpreter: Interpreter, runs: dict[str, list[Any]], tool: str, what: str, label: str, target: float
) -> Row:
    """One row: a tool's median beside tracemalloc's, on the wall, and of the processor."""
    ours = median([median(run[f"{what}wall"]) for run in runs[tool]])
    cpu = median([median(run[f"{what}cpu"]) for run in runs[tool]])
    theirs = median([median(run[f"{what}wall"]) for run in runs["tracemalloc"]])
    return Row(
        measure=f"{interpreter.version}: {label}, 1.8 M live blocks",
        peers=f"tracemalloc {theirs:.2f} s",
        kucha=f"{ours * 1000:.1f} ms (CPU {cpu * 1000:.1f} ms)",
        ratio=f"{ours / theirs:.5f}",
        target=f"<= {target} s",
        reached=ours <= target,
        n=len(runs[tool]),
        data={name: runs[name] for name in (tool, "tracemalloc")},
    )


def timed(command: list[str], variables: dict[str, str], folder: Path) -> tuple[float, float]:
    """Wall-clock and CPU seconds of one process."""
    start = time.perf_counter()
    child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=variables, cwd=folder)
    _, status, usage = os.wait4(child.pid, 0)
    wall = time.perf_counter() - start
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode != 0:
        raise SystemExit(f"bench: {' '.join(command)} ended with {child.returncode}")
    return wall, usage.ru_utime + usage.ru_stime


# The command as pip writes it.
COMMAND = """\
import re
import sys
from kucha.__main__ import main
if __name__ == "__main__":
    sys.argv[0] = re.sub(r"(-script\\.pyw|\\.exe)?$", "", sys.argv[0])
    sys.exit(main())
"""


@dataclass(frozen=True)
class Start:
    """One way to start kucha: what a reader calls it, the words after the interpreter's name, the folder it is in."""

    label: str
    words: tuple[str, ...]
    site: Path
    variables: dict[str, str]
    has_target: bool = True


def ways_to_start(site: Path, folder: Path) -> list[Start]:
    """As a module and as the command, byte code written as installers do; and once more without any byte code."""
    folder.mkdir(parents=True, exist_ok=True)
    command = folder / "kucha"
    command.write_text(COMMAND, encoding="utf-8")
    bare = folder / "bare"
    shutil.rmtree(bare, ignore_errors=True)
    shutil.copytree(site / "kucha", bare / "kucha", ignore=shutil.ignore_patterns("__pycache__"))
    module = ("-m", "kucha")
    return [
        Start("`python -m kucha run -c pass`", module, site, {}),
        Start("`kucha run -c pass`", (str(command),), site, {}),
        Start("`python -m kucha run -c pass` without byte code", module, bare, {"PYTHONDONTWRITEBYTECODE": "1"}, False),
    ]


def start_row(options: InstrumentOptions, interpreter: Interpreter, python: str, way: Start, folder: Path) -> Row:
    """One way to start kucha against `python -c pass`, in pairs."""
    variables = {name: value for name, value in os.environ.items() if name not in CLEARED}
    variables |= {"PYTHONHASHSEED": "0", "PYTHONPATH": f"{way.site}:{options.top / '.venv' / 'pure'}", **way.variables}
    capture = folder / "start.kucha"
    plain = [python, "-c", "pass"]
    ours = [python, *way.words, "run", "-o", str(capture), "-c", "pass"]
    pairs = options.rounds * 8
    extra, extra_cpu, stock = [], [], []
    for number in range(pairs + 2):
        capture.unlink(missing_ok=True)
        order = (plain, ours) if number % 2 == 0 else (ours, plain)
        costs = {id(command): timed(command, variables, folder) for command in order}
        if number < 2:
            continue  # writes the byte code, and brings the files into memory
        stock.append(costs[id(plain)][0])
        extra.append(costs[id(ours)][0] - costs[id(plain)][0])
        extra_cpu.append(costs[id(ours)][1] - costs[id(plain)][1])
    capture.unlink(missing_ok=True)
    return Row(
        measure=f"{interpreter.version}: start of {way.label} beyond `python -c pass`",
        peers=f"python -c pass {median(stock) * 1000:.1f} ms",
        kucha=f"+{median(extra) * 1000:.1f} ms (CPU +{median(extra_cpu) * 1000:.1f} ms)",
        ratio=f"{1 + median(extra) / median(stock):.2f}",
        target=f"+{START_TARGET * 1000:.0f} ms at most" if way.has_target else "",
        reached=median(extra) <= START_TARGET if way.has_target else None,
        n=pairs,
        data={"stock": stock, "extra": extra, "extra cpu": extra_cpu},
    )


def start_rows(options: InstrumentOptions, interpreter: Interpreter) -> list[Row]:
    """The start of kucha, in all ways; only for an interpreter outside a chroot."""
    if interpreter.root is not None:
        return []
    folder = options.top / "build" / "bench" / "start"
    ways = ways_to_start(interpreter.build_folder("release") / "site", folder)
    # Both must be the interpreter itself, not a wrapper that looks for it first.
    probe = [interpreter.python, "-c", "import sys; print(sys.executable)"]
    python = subprocess.run(probe, capture_output=True, text=True, check=True).stdout.strip()
    return [start_row(options, interpreter, python, way, folder) for way in ways]


def collector_rows(options: InstrumentOptions, interpreter: Interpreter, order: str) -> list[Row]:
    """The stock collector's full collection over kucha's blocks against pymalloc's."""
    ratios: dict[str, float] = {}
    seconds: dict[str, float] = {}
    data: dict[str, Any] = {}
    for kind in COLLECTOR_KINDS:
        runs: dict[str, list[Any]] = {"stock": [], "kucha": []}
        for number in range(options.rounds):
            for mode in ("stock", "kucha") if number % 2 == 0 else ("kucha", "stock"):
                arguments = [mode, kind, str(COLLECTOR_CONTAINERS), order]
                runs[mode].append(run_script(options.top, interpreter, "collector.py", arguments))
        figures = {mode: [median(run["seconds"][1:]) for run in found] for mode, found in runs.items()}
        ratios[kind] = median(paired_ratios(figures["kucha"], figures["stock"]))
        seconds[kind] = median(figures["stock"])
        data[kind] = runs
        print(f"bench: collector {order} {kind}: {ratios[kind]:.2f}", file=sys.stderr)
    worst = max(ratios.values())
    row = Row(
        measure=f"{interpreter.version}: stock gc.collect(), 3 M containers, {order}",
        peers="stock s: " + ", ".join(f"{kind} {value:.2f}" for kind, value in seconds.items()),
        kucha=", ".join(f"{kind} {value:.2f}" for kind, value in ratios.items()),
        ratio=f"worst {worst:.2f}",
        target="",
        reached=None,
        n=options.rounds,
        data=data,
    )
    return [row]


def concurrent_rows(options: InstrumentOptions, interpreter: Interpreter, pages: str, dead: str) -> list[Row]:
    """The longest pause of a concurrent collection, and what a program that writes to all objects pays meanwhile."""
    runs: dict[str, list[Any]] = {"stock": [], "concurrent": []}
    for _ in range(options.rounds):
        for mode, found in runs.items():
            arguments = [mode, str(CONCURRENT_CONTAINERS), dead, pages]
            found.append(run_script(options.top, interpreter, "concurrent_gc.py", arguments))
    stock, wall, cpu = (
        median([run[name] for run in runs[mode]])
        for mode, name in (("stock", "wall_ms"), ("concurrent", "wall_ms"), ("concurrent", "cpu_ms"))
    )
    extra = median([run["pass_s"] - run["alone_s"] for run in runs["concurrent"]])
    what = f"{interpreter.version}: 10 M containers, {float(dead):.0%} dead, {pages} pages"
    longest = Row(
        measure=f"{what}: longest pause, concurrent",
        peers=f"stock gc.collect() {stock:.0f} ms",
        kucha=f"{wall:.1f} ms (CPU {cpu:.1f} ms)",
        ratio=f"{wall / stock:.4f}",
        target=f"<= {CONCURRENT_TARGETS[pages]:.0f} ms",
        reached=wall <= CONCURRENT_TARGETS[pages],
        n=options.rounds,
        data=runs,
    )
    cost = Row(
        measure=f"{what}: a pass that writes to every object meanwhile",
        peers=f"alone {median([run['alone_s'] for run in runs['concurrent']]):.2f} s",
        kucha=f"+{extra:.2f} s",
        ratio="",
        target=f"+{CONCURRENT_COST} s at most",
        reached=extra <= CONCURRENT_COST,
        n=options.rounds,
    )
    return [longest, cost]


def process_row(interpreter: Interpreter, measured: Any, name: str) -> Row:
    """One call about a process: kucha's, psutil's and the file alone."""
    figures = measured["microseconds"][name]
    ours, theirs, raw = (median(figures[who]) for who in ("kucha", "psutil", "raw"))
    beside = median(paired_ratios(figures["kucha"], figures["psutil"]))
    over_raw = median(paired_ratios(figures["kucha"], figures["raw"]))
    limit = PROCESS_TARGETS.get(name)
    size = f", {measured['mappings']} mappings" if name != "memory_info" else ""
    peer = f"psutil {measured['psutil']} {theirs:.1f}, at least {min(figures['psutil']):.1f}"
    return Row(
        measure=f"{interpreter.version}: {name}(){size}",
        peers=f"{peer}; the file alone {raw:.2f} µs",
        kucha=f"{ours:.2f} µs, at least {min(figures['kucha']):.2f}",
        ratio=f"{beside:.2f} of psutil, {over_raw:.2f} of the file alone",
        target=f"<= {limit} µs" if limit else f"<= {FOOTPRINT_TARGET} of the file alone",
        reached=ours <= limit if limit else over_raw <= FOOTPRINT_TARGET,
        n=len(figures["kucha"]),
        data={"microseconds": figures, "mappings": measured["mappings"]},
    )


def process_rows(top: Path, rounds: int, interpreter: Interpreter) -> list[Row]:
    """What it costs to ask about a process."""
    measured = run_script(top, interpreter, "processes.py", [str(max(rounds, 5))])
    return [process_row(interpreter, measured, name) for name in measured["microseconds"]]


def line_row(interpreter: Interpreter, found: Any, loop: str, way: str) -> Row:
    """A loop under kucha's line profiler, beside memory_profiler and what the interpreter itself asks for."""
    figures = found[loop]
    ratio, plain = median(figures[way]), median(figures["plain"])
    theirs = figures["original"]
    peers = f"memory_profiler {theirs[0]:,.0f} times" if theirs else "memory_profiler is not installed"
    if figures["floor"]:
        peers += f"; an empty callback in C {median(figures['floor']):.1f}"
    if way == "every":
        peers += f"; reading the size and nothing else {median(figures['reading']):.0f}"
    target = LINE_TARGETS[way]
    return Row(
        measure=f"{interpreter.version}: @profile, {LINE_LOOPS[loop]} of {plain:.1f} ns: {LINE_WAYS[way]}",
        peers=peers,
        kucha=f"{ratio:.1f} times, at least {min(figures[way]):.1f}",
        ratio=f"{ratio / theirs[0]:.5f}" if theirs else "",
        target=f"<= {target:.0f} times",
        reached=ratio <= target,
        n=len(figures[way]),
        data=figures,
    )


def line_rows(top: Path, rounds: int, interpreter: Interpreter) -> list[Row]:
    """What it costs to profile lines."""
    found = run_script(top, interpreter, "lines.py", [str(max(rounds, 5))])
    return [line_row(interpreter, found, loop, way) for loop in LINE_LOOPS for way in LINE_WAYS]
