"""The C rows: one process per allocator and round, peers beside kucha, medians and the ratio to the best peer.

The programs in bench/c are compiled here, three times each, into build/bench. jemalloc, tcmalloc and mimalloc serve the
same binary as glibc, by LD_PRELOAD.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import sysconfig
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness import callgrind
from harness.allocators import HUGE_WISHES, Allocator, find_allocators
from harness.numbers import median, paired_ratios
from harness.table import Row

PROGRAMS = ("pairs", "lifo", "churn", "resident")
TIE = 1.03  # one of the three timed rows may be this far behind the best peer
RESIDENT_TARGET = 122 * 2**20
MIB = 2**20


def compile_programs(top: Path, folder: Path, library: Path, builds: set[str]) -> None:
    """Compile each program once for each kind of allocator."""
    folder.mkdir(parents=True, exist_ok=True)
    python_library = [
        "-L" + str(sysconfig.get_config_var("LIBDIR")),
        f"-lpython{sysconfig.get_config_var('LDVERSION')}",
    ]
    options = {
        "malloc": (["-DBENCH_MALLOC", "-fno-builtin-malloc", "-fno-builtin-free"], []),
        "pymalloc": (["-DBENCH_PYMALLOC", "-I" + sysconfig.get_path("include")], python_library),
        "kucha": (
            ["-DBENCH_KUCHA", f"-I{top / 'include'}", f"-I{library.parent / 'include'}"],
            ["-L" + str(library.parent), "-lkucha"],
        ),
    }
    for program in PROGRAMS:
        for build in sorted(builds):
            flags, libraries = options[build]
            source = top / "bench" / "c" / f"{program}.c"
            target = folder / f"{program}-{build}"
            command = ["cc", "-O2", "-g", "-std=gnu17", "-Wall", "-Wextra", *flags, "-o", str(target), str(source)]
            subprocess.run([*command, *libraries], check=True)


def run_program(folder: Path, allocator: Allocator, library: Path, program: str, arguments: list[str]) -> Any:
    """One process: what it printed, and its seconds in the kernel."""
    command = [str(folder / f"{program}-{allocator.build}"), *arguments]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    answer = subprocess.run(command, capture_output=True, text=True, env=allocator.environment(library), check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return json.loads(answer.stdout) | {"system": after.ru_stime - before.ru_stime}


def run_rounds(
    folder: Path, allocators: list[Allocator], library: Path, program: str, arguments: list[str], rounds: int
) -> dict[str, list[Any]]:
    """All allocators in turn, in an order that moves on from round to round."""
    results: dict[str, list[Any]] = {allocator.name: [] for allocator in allocators}
    for number in range(rounds):
        shift = number % len(allocators)
        for allocator in allocators[shift:] + allocators[:shift]:
            results[allocator.name].append(run_program(folder, allocator, library, program, arguments))
        print(f"bench: {program} {' '.join(arguments)}: round {number + 1} of {rounds}", file=sys.stderr)
    return results


def per_process(results: dict[str, list[Any]], first: bool = False) -> dict[str, list[float]]:
    """One figure for each process: its first round, or the median of its later ones (of all where there are few)."""
    figures = {}
    for name, runs in results.items():
        if first:
            figures[name] = [run["rounds"][0] for run in runs]
        else:
            figures[name] = [median(run["rounds"][1:] or run["rounds"]) for run in runs]
    return figures


def others(figures: dict[str, list[float]]) -> dict[str, list[float]]:
    """The peers alone."""
    return {name: values for name, values in figures.items() if not name.startswith("kucha")}


def beside(medians: dict[str, float]) -> str:
    """What kucha took with other wishes for huge pages, where that was asked for."""
    measured = [wish for wish in HUGE_WISHES if f"kucha-{wish}" in medians]
    figures = ", ".join(f"{wish} {medians[f'kucha-{wish}']:.1f}" for wish in measured)
    return f" (huge pages {figures})" if figures else ""


def timed_row(measure: str, figures: dict[str, list[float]], has_target: bool) -> Row:
    """A row of nanoseconds: kucha against the best peer, the one with the smallest median."""
    medians = {name: median(values) for name, values in figures.items()}
    best = min(others(figures), key=lambda name: medians[name])
    ratio = median(paired_ratios(figures["kucha"], figures[best]))
    ranked = sorted(others(figures), key=lambda name: medians[name])
    ours = f"{medians['kucha']:.1f} ns"
    ours += beside(medians)
    return Row(
        measure=measure,
        peers=", ".join(f"{name} {medians[name]:.1f}" for name in ranked) + " ns",
        kucha=ours,
        ratio=f"{ratio:.2f} of {best}",
        target="best of all peers" if has_target else "",
        reached=ratio <= 1.0 if has_target else None,
        n=len(figures["kucha"]),
        data={"nanoseconds": figures, "ratio": ratio, "best": best},
    )


def allow_tie(rows: list[Row]) -> None:
    """One timed row may tie within 3 %: the one nearest to the best peer, if it is the only one behind."""
    behind = [row for row in rows if row.reached is False]
    if len(behind) == 1 and behind[0].data["ratio"] <= TIE:
        behind[0].reached = True
        behind[0].target += " (ties within 3 %)"


def system_row(measure: str, results: dict[str, list[Any]]) -> Row:
    """The kernel's part of whole processes, in milliseconds.

    Minor faults are no measure of it: getrusage(2) counts each page that was taken by one call with many others, too.
    """
    system = {name: [run["system"] * 1e3 for run in runs] for name, runs in results.items()}
    medians = {name: median(values) for name, values in system.items()}
    ranked = sorted(others(system), key=lambda name: medians[name])
    ratio = medians["kucha"] / max(medians[ranked[0]], 1)  # the clock may say that it was nothing at all
    return Row(
        measure=measure,
        peers=", ".join(f"{name} {medians[name]:.0f}" for name in ranked) + " ms",
        kucha=f"{medians['kucha']:.0f} ms" + beside(medians),
        ratio=f"{ratio:.2f} of {ranked[0]}",
        target="",
        reached=None,
        n=len(results["kucha"]),
        data={"milliseconds": system},
    )


def resident_rows(results: dict[str, list[Any]]) -> list[Row]:
    """Resident size at the peak, without and with the process itself, and after 90 % were freed."""

    def figures(key: str, base: str | None) -> dict[str, float]:
        return {
            name: median([run[key] - (run[base] if base else 0) for run in runs]) / MIB
            for name, runs in results.items()
        }

    def row(measure: str, values: dict[str, float], target: str, reached: bool | None) -> Row:
        ranked = sorted((name for name in values if not name.startswith("kucha")), key=lambda name: values[name])
        ours = f"{values['kucha']:.1f} MiB"
        ours += beside(values)
        ratio = values["kucha"] / values[ranked[0]]
        peers = ", ".join(f"{name} {values[name]:.1f}" for name in ranked) + " MiB"
        data = {"MiB": values}
        return Row(measure, peers, ours, f"{ratio:.3f} of {ranked[0]}", target, reached, len(results["kucha"]), data)

    growth, total, left = figures("peak", "before"), figures("peak", None), figures("freed", "before")
    within = growth["kucha"] * MIB <= RESIDENT_TARGET
    rows = [
        row("resident at peak, 112 MiB of payload: growth", growth, "<= 122 MiB", within),
        row("the same, whole process with its 3.4 MiB table", total, "", None),
        row("resident growth left after freeing 90 % and a purge", left, "", None),
    ]
    rows[0].data["runs"] = results
    return rows


@dataclass(frozen=True)
class NativeOptions:
    """What the command line chose."""

    top: Path
    library: Path
    bench_packages: Path
    peers: dict[str, str]
    only: set[str]
    rounds: int
    huge: bool
    instructions: bool


def measure(options: NativeOptions) -> list[Row]:
    """All C rows that were asked for."""
    folder = options.top / "build" / "bench"
    allocators = find_allocators(options.bench_packages, options.peers, options.huge)
    compile_programs(options.top, folder, options.library, {allocator.build for allocator in allocators})

    def wanted(name: str) -> bool:
        return not options.only or name in options.only

    def runs(program: str, *arguments: str) -> dict[str, list[Any]]:
        return run_rounds(folder, allocators, options.library, program, list(arguments), options.rounds)

    timed, beside = [], []
    if wanted("pairs"):
        timed.append(timed_row("C: malloc/free pairs of 16 to 512 bytes", per_process(runs("pairs")), True))
    if wanted("lifo"):
        results = runs("lifo")
        timed.append(timed_row("C: 10^6 blocks of 64 bytes, last in first out", per_process(results), True))
        beside.append(timed_row("the same, first round of the process", per_process(results, first=True), False))
        beside.append(system_row("the same, in the kernel, whole process", results))
    if wanted("churn"):
        timed.append(timed_row("C: random churn over 10^6 live blocks", per_process(runs("churn")), True))
        read = runs("churn", "4000000", "5", "1000000", "1")
        beside.append(timed_row("the same, each block read before it is freed", per_process(read), False))
    allow_tie(timed)
    rows = timed + beside
    if wanted("resident"):
        rows += resident_rows(runs("resident"))
    if options.instructions:
        rows += callgrind.rows(folder, allocators, options.library)
    return rows
