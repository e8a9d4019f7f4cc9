"""The native collector's rows: the graphs of bench/c/collect.c for kucha, Boehm's collector and CPython, and isolates.

meson builds the programs with the library (build/release/bench); Boehm's is there where libgc is. Each measurement is a
process; kucha and Boehm's run in turn, and the ratio is that of two measurements of one round. CPython, at ten to
twenty times the time, runs in the first round only.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from harness.numbers import median, paired_ratios
from harness.table import Row

NODES_AT_RANDOM = 4_000_000
ISOLATES_TARGET = 1.9


@dataclass(frozen=True)
class Measure:
    """A figure of a graph: what a reader calls it, where it is in a program's answer, and what is to be reached."""

    label: str
    key: str
    target: float
    unit: str = "ms"
    scale: float = 1.0  # of the program's milliseconds


@dataclass(frozen=True)
class Graph:
    """A run of the program."""

    arguments: tuple[str, ...]
    measures: tuple[Measure, ...]
    has_boehm: bool = True
    python: tuple[str, ...] | None = None  # arguments of graphs.py, if they are others; () for none
    huge: str = ""  # "always": kucha's heaps are asked to lie on huge pages


PER_OBJECT = 1e6 / NODES_AT_RANDOM
GRAPHS = (
    Graph(
        ("trees",),
        (
            Measure("trees with parent links, depth 20, built ten times", "build_ms", 650),
            Measure("full collection, that tree live", "live_ms", 60),
            Measure("full collection, that tree dead", "dead_ms", 80),
        ),
    ),
    Graph(
        ("list",),
        (
            Measure("doubly linked list of 10^7: build", "build_ms", 400),
            Measure("the same: full collection, live", "live_ms", 120),
            Measure("the same: full collection, dead", "dead_ms", 150),
        ),
    ),
    Graph(
        ("random", str(NODES_AT_RANDOM)),
        (Measure("4 million linked at random, live, an object", "live_ms", 40, "ns", PER_OBJECT),),
    ),
    Graph(
        ("random", str(NODES_AT_RANDOM), "shuffle"),
        (Measure("the same, shuffled in memory", "live_ms", 80, "ns", PER_OBJECT),),
    ),
    Graph(
        ("grow", "10000000", "whole"),
        (Measure("longest pause while 10^7 grow, by the clock: whole", "longest_ms", 150),),
        has_boehm=False,
        python=("grow", "10000000"),
    ),
    Graph(
        ("grow", "10000000", "stepped"),
        (Measure("the same: stepped", "longest_ms", 15),),
        has_boehm=False,
        python=(),
    ),
    Graph(
        ("grow", "10000000", "forked"),
        (Measure("the same: forked", "longest_ms", 15),),
        has_boehm=False,
        python=(),
    ),
    Graph(
        ("grow", "10000000", "forked"),
        (Measure("the same: forked, on huge pages", "longest_ms", 15),),
        has_boehm=False,
        python=(),
        huge="always",
    ),
)


def run(command: list[str], huge: str = "") -> Any:
    """One process; what it printed. Boehm's collector marks with one thread, because time is CPU time."""
    variables = {**os.environ, "GC_MARKERS": "1", "PYTHONHASHSEED": "0"}
    if huge:
        variables["KUCHA_BENCH_HUGE"] = huge
    answer = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=variables, check=True)
    return json.loads(answer.stdout)


def runs_of(top: Path, graph: Graph, rounds: int) -> dict[str, list[Any]]:
    """All rounds of a graph, kucha and its peers in turn."""
    folder = top / "build" / "release" / "bench"
    commands = {"kucha": [str(folder / "collect"), *graph.arguments]}
    if graph.has_boehm and (folder / "collect-boehm").exists():
        commands["Boehm"] = [str(folder / "collect-boehm"), *graph.arguments]
    results: dict[str, list[Any]] = {name: [] for name in commands}
    for number in range(rounds):
        for name in sorted(commands, reverse=number % 2 == 0):
            results[name].append(run(commands[name], graph.huge))
        print(f"bench: collect {' '.join(graph.arguments)}: round {number + 1} of {rounds}", file=sys.stderr)
    python = graph.arguments if graph.python is None else graph.python
    if python:
        results["CPython"] = [run([sys.executable, str(top / "bench" / "python" / "graphs.py"), *python])]
    return results


def row_of(measure: Measure, results: dict[str, list[Any]]) -> Row:
    """One figure beside its peers."""
    figures = {name: [answer[measure.key] * measure.scale for answer in runs] for name, runs in results.items()}
    medians = {name: median(values) for name, values in figures.items()}
    ratio = median(paired_ratios(figures["kucha"], figures["Boehm"])) if "Boehm" in figures else None
    return Row(
        measure=measure.label,
        peers=", ".join(f"{name} {medians[name]:,.0f} {measure.unit}" for name in sorted(set(medians) - {"kucha"})),
        kucha=f"{medians['kucha']:,.1f} {measure.unit}",
        ratio=f"{ratio:.2f} of Boehm" if ratio is not None else "",
        target=f"<= {measure.target:g} {measure.unit}",
        reached=medians["kucha"] <= measure.target,
        n=len(figures["kucha"]),
        data={"figures": figures, "ratio": ratio},
    )


def graph_rows(top: Path, graph: Graph, rounds: int) -> list[Row]:
    """The rows of one graph."""
    results = runs_of(top, graph, rounds)
    return [row_of(measure, results) for measure in graph.measures]


def isolates_row(top: Path, rounds: int) -> list[Row]:
    """Two isolates on two processors against one."""
    answer = run([str(top / "build" / "release" / "bench" / "isolates"), str(rounds)])
    return [
        Row(
            measure="two isolates on two processors against one, work by the clock",
            peers="",
            kucha=f"{answer['wall']:.2f} times; {answer['cpu']:.2f} by CPU time",
            ratio="",
            target=f">= {ISOLATES_TARGET}",
            reached=answer["wall"] >= ISOLATES_TARGET,
            n=rounds,
            data=answer,
        )
    ]


def measures(top: Path, only: set[str], rounds: int) -> list[tuple[str, Callable[[], list[Row]]]]:
    """What is to be measured, by name; each gives its rows."""
    found: list[tuple[str, Callable[[], list[Row]]]] = []
    if not only or "native-collector" in only:
        found += [(" ".join(graph.arguments), partial(graph_rows, top, graph, rounds)) for graph in GRAPHS]
    if not only or "isolates" in only:
        found.append(("isolates", partial(isolates_row, top, rounds)))
    return found
