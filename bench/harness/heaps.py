"""The rows of what looks at heaps: census, heap files, holders, dominators, guppy's interface, core files; with peers.

Each measurement is a process of bench/python/heaps.py over the same heap, kucha's and others' in turn. Targets are
those of six million objects; where fewer are asked for, those in time are taken by proportion, and the row says so.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from tools.interpreters import Interpreter

from harness.numbers import median, paired_ratios
from harness.packages import install
from harness.scripts import run_script
from harness.table import Row

PACKAGES = ("guppy3==3.1.6", "pympler==1.1", "objgraph==3.6.2")
OBJECTS = 1_500_000
FULL_OBJECTS = 6_600_000  # with --full
NODES = 2_000_000
FULL_NODES = 10_000_000
CENSUS_TARGET = 0.06 / 6_600_000  # seconds an object
CENSUS_GROWTH = 5e6  # bytes
STOPPED_TARGET = 0.030 / 6_000_000  # seconds a node
WHOLE_TARGET = 4.0 / 6_000_000
NODE_BYTES, EDGE_BYTES = 16, 5
HOLDERS_TARGET = 0.001  # seconds, after the first question
DOMINATORS_TARGET = 8.0 / 10_000_000  # seconds a node
DOMINATORS_BYTES = 1.2e9 / 10_000_000
MIB = 2**20


@dataclass(frozen=True)
class HeapOptions:
    """What the command line chose."""

    top: Path
    rounds: int
    objects: int = OBJECTS
    nodes: int = NODES


def options_of(top: Path, rounds: int, full: bool) -> HeapOptions:
    """The sizes of the targets, or smaller ones."""
    return HeapOptions(top, rounds, FULL_OBJECTS, FULL_NODES) if full else HeapOptions(top, rounds)


def scratch_of(options: HeapOptions) -> str:
    """Where heap files and cores may lie, in chroots too."""
    folder = options.top / "build" / "bench"
    folder.mkdir(parents=True, exist_ok=True)
    return str(folder)


def run(options: HeapOptions, interpreter: Interpreter, what: str, folder: str, check: bool = True) -> Any:
    """One process; what it printed."""
    packages = install(options.top / ".venv" / "bench-suite" / "heap", PACKAGES)
    arguments = [what, str(options.objects), folder]
    return run_script(options.top, interpreter, "heaps.py", arguments, packages, check)


def runs_of(options: HeapOptions, interpreter: Interpreter, names: tuple[str, ...]) -> dict[str, list[Any]]:
    """All rounds, in turn. A peer that cannot be had or fails under this interpreter is left out."""
    found: dict[str, list[Any]] = {name: [] for name in names}
    for number in range(options.rounds):
        for name in names if number % 2 == 0 else names[::-1]:
            with tempfile.TemporaryDirectory(prefix="heap-", dir=scratch_of(options)) as folder:
                try:
                    found[name].append(run(options, interpreter, name, folder))
                except subprocess.CalledProcessError as error:
                    if name == names[0]:
                        raise
                    print(f"bench: {name} under {interpreter.version}: {error}", file=sys.stderr)
        print(f"bench: heap {names[0]}: round {number + 1} of {options.rounds}", file=sys.stderr, flush=True)
    return {name: runs for name, runs in found.items() if runs}


def figure(runs: list[Any], *keys: str) -> float:
    """The median of a figure over the rounds."""
    values = []
    for run in runs:
        value = run
        for key in keys:
            value = value[key]
        values.append(float(value))
    return median(values)


def beside(found: dict[str, list[Any]], ours: str, peer: str, *keys: str) -> str:
    """How many times as quick as a peer ours is, in pairs; told of CPU time, which a busy machine changes least."""
    if len(found.get(peer, [])) != len(found[ours]):
        return ""
    values = {name: [figure([run], *keys) for run in found[name]] for name in (ours, peer)}
    return f"{1 / median(paired_ratios(values[ours], values[peer])):.3g} times as quick as {peer.partition('-')[2]}"


def millions(number: float) -> str:
    """6.6 M."""
    return f"{number / 1e6:.2g} M"


def census_rows(options: HeapOptions, interpreter: Interpreter) -> list[Row]:
    """A histogram by type."""
    ours = "census-kucha"
    found = runs_of(options, interpreter, (ours, "census-objgraph", "census-guppy3", "census-pympler"))
    least, grown = figure(found[ours], "wall"), figure(found[ours], "grown")
    limit = CENSUS_TARGET * options.objects
    peers = [
        f"{name.partition('-')[2]} {figure(runs, 'wall'):.2f} s (CPU {figure(runs, 'cpu'):.2f} s), "
        f"{figure(runs, 'grown') / MIB:.0f} MiB more, "
        f"{millions(figure(runs, 'objects'))} seen"
        for name, runs in found.items()
        if name != ours
    ]
    return [
        Row(
            measure=f"{interpreter.version}: histogram by type of {millions(options.objects)} objects",
            peers="; ".join(peers),
            kucha=f"{least * 1e3:.1f} ms (CPU {figure(found[ours], 'cpu') * 1e3:.1f} ms), {grown / 1024:.0f} KiB more, "
            f"{millions(figure(found[ours], 'objects'))} seen",
            ratio=", ".join(filter(None, (beside(found, ours, name, "cpu") for name in list(found)[1:]))),
            target=f"<= {limit * 1e3:.0f} ms (60 at 6.6 M), 5 MB",
            reached=least <= limit and grown <= CENSUS_GROWTH,
            n=options.rounds,
            data=found,
        )
    ]


def file_rows(options: HeapOptions, interpreter: Interpreter) -> list[Row]:
    """A heap file: how long the program stands still, how large it is, and what it answers how quickly."""
    found = runs_of(options, interpreter, ("file", "step-objgraph"))
    runs = found["file"]
    nodes, edges, size = (figure(runs, name) for name in ("nodes", "edges", "bytes"))
    stopped, whole, later = (figure(runs, name) for name in ("stopped", "wall", "holders_later"))
    cpu = figure(runs, "cpu")
    asked = NODE_BYTES * nodes + EDGE_BYTES * edges
    what = f"{interpreter.version}: heap file of {millions(nodes)} nodes, {millions(edges)} references"

    def row(label: str, peers: str, kucha: str, ratio: str, target: str, reached: bool | None) -> Row:
        return Row(f"{what}: {label}", peers, kucha, ratio, target, reached, options.rounds)

    rows = [
        row(
            "the program stands still, and the whole",
            "",
            f"{stopped * 1e3:.1f} ms; {whole:.2f} s (CPU {cpu * 1e3:.1f} ms; {figure(runs, 'children'):.2f} s)",
            "",
            f"<= {STOPPED_TARGET * nodes * 1e3:.1f} ms, {WHOLE_TARGET * nodes:.2f} s (30 ms, 4 s at 6 M)",
            stopped <= STOPPED_TARGET * nodes and whole <= WHOLE_TARGET * nodes,
        ),
        row(
            "its size",
            ".heapsnapshot 30 to 60 bytes a node",
            f"{size / MIB:.1f} MiB, {size / nodes:.1f} bytes a node with its references",
            f"{size / asked:.2f} of {NODE_BYTES} a node and {EDGE_BYTES} a reference",
            "<= 1",
            size <= asked,
        ),
    ]
    step = f"objgraph {figure(found['step-objgraph'], 'wall') * 1e3:.0f} ms a step" if "step-objgraph" in found else ""
    first = figure(runs, "holders_first")
    answers = (
        f"{first * 1e3:.1f} ms at first, then {later * 1e3:.3f} ms; opened in {figure(runs, 'opened') * 1e3:.1f} ms"
    )
    rows.append(row("who holds an object", step, answers, "", "<= 1 ms after the first", later <= HOLDERS_TARGET))
    retained, grown = figure(runs, "dominators", "wall"), figure(runs, "dominators", "grown")
    answer = f"{retained:.2f} s, {grown / MIB:.0f} MiB more"
    rows.append(row("what an object retains, the first question", "", answer, "", "", None))
    rows[0].data = found
    return rows


def guppy_rows(options: HeapOptions, interpreter: Interpreter) -> list[Row]:
    """guppy's interface."""
    ours, peer = "heap-kucha", "heap-guppy3"
    found = runs_of(options, interpreter, (ours, peer))

    def cpu_of(name: str) -> float:
        return figure(found[name], "cpu") + figure(found[name], "children")

    def told(name: str) -> str:
        runs = found[name]
        return (
            f"{figure(runs, 'wall'):.2f} s (CPU {cpu_of(name):.2f} s), byrcs {figure(runs, 'byrcs', 'wall'):.2f} s, "
            f"{(figure(runs, 'grown') + figure(runs, 'byrcs', 'grown')) / MIB:.0f} MiB more"
        )

    return [
        Row(
            measure=f"{interpreter.version}: heap() of {millions(options.objects)} objects, printed; rows by holder",
            peers=f"guppy3 {told(peer)}" if peer in found else "",
            kucha=f"kucha.guppy {told(ours)}",
            ratio=f"{beside(found, ours, peer, 'wall')}; CPU time {cpu_of(ours) / cpu_of(peer):.2f} of guppy3's"
            if peer in found
            else "",
            target="quicker than guppy3",
            reached=figure(found[ours], "wall") < figure(found[peer], "wall") if peer in found else None,
            n=options.rounds,
            data=found,
        )
    ]


def core_rows(options: HeapOptions, interpreter: Interpreter) -> list[Row]:
    """A heap file out of a core file, where the system leaves one in the folder of the process that dies."""
    runs = []
    for _ in range(options.rounds):
        with tempfile.TemporaryDirectory(prefix="core-", dir=scratch_of(options)) as folder:
            run(options, interpreter, "die", folder, check=False)
            if not any(name.startswith("core") for name in os.listdir(folder)):
                raise ValueError("the system leaves no core file in the folder of the process that dies")
            runs.append(run(options, interpreter, "core", folder))
    nodes, size, grown = figure(runs, "nodes"), figure(runs, "core") / MIB, figure(runs, "grown") / MIB
    return [
        Row(
            measure=f"{interpreter.version}: heap file of {millions(nodes)} nodes out of a core of {size:.0f} MiB",
            peers="",
            kucha=f"{figure(runs, 'wall'):.2f} s (CPU {figure(runs, 'cpu'):.2f} s), {grown:.0f} MiB",
            ratio="",
            target="",
            reached=None,
            n=options.rounds,
            data={"runs": runs},
        )
    ]


def living_rows(options: HeapOptions, interpreter: Interpreter) -> list[Row]:
    """A heap file of a program without kucha: how long it stands still."""
    ours, peer = "living-kucha", "living-gcore"
    found = runs_of(options, interpreter, (ours, peer))
    runs, size = found[ours], figure(found[ours], "resident") / MIB

    def told(name: str) -> str:
        return f"{figure(found[name], 'wall'):.2f} s (CPU {figure(found[name], 'cpu'):.2f} s)"

    return [
        Row(
            measure=f"{interpreter.version}: a program without kucha, {millions(figure(runs, 'nodes'))} nodes in "
            f"{size:.0f} MiB, is read: it stands still, and the whole",
            peers=f"gcore (a core file) {told(peer)}, all of which it stands still" if peer in found else "",
            kucha=f"{figure(runs, 'stopped') * 1e3:.0f} ms; {told(ours)}, {figure(runs, 'grown') / MIB:.0f} MiB",
            ratio=f"stands still {beside(found, ours, peer, 'stopped')}" if peer in found else "",
            target="",
            reached=None,
            n=options.rounds,
            data=found,
        )
    ]


def export_rows(options: HeapOptions, interpreter: Interpreter) -> list[Row]:
    """A heap file in other formats."""
    runs = runs_of(options, interpreter, ("export",))["export"]
    endings = ("csv", "json", "heapsnapshot")
    answers = [
        f"{ending} {figure(runs, ending, 'cpu'):.1f} s, {figure(runs, ending, 'bytes') / MIB:.0f} MiB"
        for ending in endings
    ]
    return [
        Row(
            measure=f"{interpreter.version}: a heap file of {millions(figure(runs, 'nodes'))} nodes is exported, CPU",
            peers="",
            kucha="; ".join(answers),
            ratio="",
            target="",
            reached=None,
            n=options.rounds,
            data={"runs": runs},
        )
    ]


def dominators_rows(options: HeapOptions) -> list[Row]:
    """Dominators of a graph without locality, by the library's algorithm and by Lengauer and Tarjan's."""
    program = str(options.top / "build" / "release" / "bench" / "dominators")
    found: dict[str, list[Any]] = {"semi": [], "lengauer": []}
    for _ in range(options.rounds):
        for name, runs in found.items():
            answer = subprocess.run([program, str(options.nodes), name], stdout=subprocess.PIPE, text=True, check=True)
            runs.append(json.loads(answer.stdout))
    if len({run["checksum"] for runs in found.values() for run in runs}) != 1:
        raise ValueError("the two algorithms found different dominators")
    ours, theirs = (figure(found[name], "dominators") for name in ("semi", "lengauer"))
    referrers, memory = figure(found["semi"], "referrers"), figure(found["semi"], "resident_mib") * MIB
    limit = DOMINATORS_TARGET * options.nodes
    what = f"{millions(options.nodes)} nodes, {millions(figure(found['semi'], 'edges'))} references without locality"
    return [
        Row(
            measure=f"dominators of {what}, CPU",
            peers=f"Lengauer-Tarjan {theirs:.2f} s",
            kucha=f"{ours:.2f} s, and {referrers:.2f} s for the referrers; {memory / MIB:.0f} MiB",
            ratio=f"{ours / theirs:.2f}",
            target=f"<= {limit:.1f} s (8 at 10 M), {DOMINATORS_BYTES * options.nodes / 1e9:.2f} GB",
            reached=ours + referrers <= limit and memory <= DOMINATORS_BYTES * options.nodes,
            n=options.rounds,
            data=found,
        )
    ]


def measures(options: HeapOptions, interpreter: Interpreter) -> list[tuple[str, Callable[[], list[Row]]]]:
    """What is to be measured, by name; each gives its rows."""
    found: list[tuple[str, Callable[[], list[Row]]]] = [
        ("heap census", partial(census_rows, options, interpreter)),
        ("heap file", partial(file_rows, options, interpreter)),
        ("heap guppy", partial(guppy_rows, options, interpreter)),
        ("heap core", partial(core_rows, options, interpreter)),
        ("heap living", partial(living_rows, options, interpreter)),
        ("heap export", partial(export_rows, options, interpreter)),
    ]
    if interpreter.name == "host":  # the program in C is built with the library, once
        found.append(("heap dominators", partial(dominators_rows, options)))
    return found
