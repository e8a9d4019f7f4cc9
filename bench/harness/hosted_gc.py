"""The rows of kucha's collector under CPython: full collections of what lives and of what is dead, and its share.

Each measurement is a process of bench/python/hosted_gc.py, the stock collector and kucha's in turn; ratios are of two
processes of one round, on the clock, since kucha marks with several threads; beside them stands what one thread takes,
in its CPU time. A row is reached when every kind of heap in it is.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from tools.interpreters import Interpreter

from harness.numbers import median, paired_ratios
from harness.scripts import run_script
from harness.table import Row

MODES = ("stock", "kucha", "alone")
KINDS = ("mixed", "dicts", "instances", "slots")
DEAD_KINDS = ("mixed", "slots")
ORDERS = {
    "created": "in creation order",
    "references": "what refers to them shuffled",
    "shuffled": "the collector's list shuffled, too",
}
# Times shorter. What the target of a shuffled heap was set by has its list shuffled; with references alone it is told.
LIVE_TARGETS = {"created": 5.0, "references": None, "shuffled": 12.0}
DEAD_TARGET = 2.0
SHARE_TARGET = 0.10
LIVE_SIZES = (700_000, 3_300_000)
DEAD_SIZES = (1_000_000, 5_000_000)
FULL_SIZE = 10_000_000  # with --full; mixed heaps alone, the others would take a quarter of an hour more
BUILD_SIZE = 1_000_000


@dataclass(frozen=True)
class GcOptions:
    """What the command line chose."""

    top: Path
    rounds: int
    live: tuple[int, ...] = LIVE_SIZES
    dead: tuple[int, ...] = DEAD_SIZES
    kinds: tuple[str, ...] = KINDS


def options_of(top: Path, rounds: int, full: bool, brief: bool) -> GcOptions:
    """All sizes up to ten million; or, where time is short, the smaller ones of mixed heaps."""
    if full:
        return GcOptions(top, rounds, (*LIVE_SIZES, FULL_SIZE), (*DEAD_SIZES, FULL_SIZE))
    if brief:
        return GcOptions(top, rounds, LIVE_SIZES[:1], DEAD_SIZES[:1], KINDS[:1])
    return GcOptions(top, rounds)


def runs_of(
    options: GcOptions,
    interpreter: Interpreter,
    what: str,
    kinds: Sequence[str],
    *words: str,
    modes: Sequence[str] = MODES,
) -> dict[str, dict[str, list[Any]]]:
    """By kind and mode, what each process printed."""
    found: dict[str, dict[str, list[Any]]] = {}
    for kind in kinds:
        runs: dict[str, list[Any]] = {mode: [] for mode in modes}
        for number in range(options.rounds):
            for mode in sorted(runs, reverse=number % 2 == 0):
                runs[mode].append(run_script(options.top, interpreter, "hosted_gc.py", [what, mode, kind, *words]))
        found[kind] = runs
        print(f"bench: gc {what} {kind} {' '.join(words)}: done", file=sys.stderr, flush=True)
    return found


def medians_of(runs: dict[str, list[Any]], mode: str, key: str) -> list[float]:
    """A figure of each process of a mode; of several in one process the median."""
    return [median(run[key]) if isinstance(run[key], list) else run[key] for run in runs[mode]]


def joined(found: dict[str, dict[str, list[Any]]], what: Callable[[dict[str, list[Any]]], str]) -> str:
    """One text for all kinds."""
    return ", ".join(f"{kind} {what(runs)}" for kind, runs in found.items())


def milliseconds(mode: str, key: str) -> Callable[[dict[str, list[Any]]], str]:
    """How a kind's median is told."""
    return lambda runs: f"{median(medians_of(runs, mode, key)) * 1e3:.0f}"


def shorter(runs: dict[str, list[Any]], mode: str = "kucha", key: str = "wall") -> float:
    """How many times shorter kucha's collections are, of pairs the median."""
    return median(paired_ratios(medians_of(runs, "stock", key), medians_of(runs, mode, key)))


def collection_row(
    options: GcOptions, label: str, target: float | None, found: dict[str, dict[str, list[Any]]], also: str = ""
) -> Row:
    """How many times shorter collections are; `also` is said of kucha's."""
    ratios = {kind: shorter(runs) for kind, runs in found.items()}
    alone = joined(found, lambda runs: f"{shorter(runs, 'alone', 'seconds'):.1f}")
    return Row(
        measure=label,
        peers=f"stock ms: {joined(found, milliseconds('stock', 'wall'))}",
        kucha=f"ms: {joined(found, milliseconds('kucha', 'wall'))}{also}",
        ratio="times shorter: "
        + ", ".join(f"{kind} {value:.1f}" for kind, value in ratios.items())
        + f"; one thread, CPU time: {alone}",
        target=f">= {target:.0f} times shorter" if target else "",
        reached=min(ratios.values()) >= target if target else None,
        n=options.rounds,
        data={"runs": found, "ratios": ratios},
    )


def live_rows(options: GcOptions, interpreter: Interpreter, size: int, order: str) -> list[Row]:
    """Full collections in which everything lives."""
    kinds = options.kinds if size < FULL_SIZE else options.kinds[:1]
    found = runs_of(options, interpreter, "live", kinds, str(size), order)
    label = f"{interpreter.version}: full collection, {size / 1e6:g} M live containers, {ORDERS[order]}"
    first = f"; the first: {joined(found, milliseconds('kucha', 'first wall'))}"
    return [collection_row(options, label, LIVE_TARGETS[order], found, first)]


def dead_rows(options: GcOptions, interpreter: Interpreter, size: int) -> list[Row]:
    """Collections in which everything is dead. Both collectors must have found all of it."""
    found = runs_of(options, interpreter, "dead", [kind for kind in DEAD_KINDS if kind in options.kinds], str(size))
    gone = {run["gone"] for runs in found.values() for mode in runs.values() for run in mode}
    if len(gone) != 1:
        raise ValueError(f"not all collections freed the same: {sorted(gone)}")
    label = f"{interpreter.version}: full collection, {size / 1e6:g} M dead in cycles"
    return [collection_row(options, label, DEAD_TARGET, found)]


def processor_time(runs: dict[str, list[Any]], mode: str) -> list[float]:
    """Of building it all, other threads and the children included."""
    return [run["built process"] + run["child"] for run in runs[mode]]


def share_row(options: GcOptions, label: str, mode: str, found: dict[str, dict[str, list[Any]]]) -> Row:
    """Share of one way to collect, beside the stock collector's."""
    shares = {kind: median(medians_of(runs, mode, "share wall")) for kind, runs in found.items()}

    def whole(time_of: Callable[[dict[str, list[Any]], str], list[float]]) -> str:
        return joined(found, lambda runs: f"{median(paired_ratios(time_of(runs, mode), time_of(runs, 'stock'))):.2f}")

    ratio = "building it all: " + whole(lambda runs, one: medians_of(runs, one, "built wall"))
    ratio += "; in CPU time of all threads and children: " + whole(processor_time)
    return Row(
        measure=label,
        peers="stock: " + joined(found, lambda runs: f"{median(medians_of(runs, 'stock', 'share wall')):.0%}"),
        kucha=", ".join(f"{kind} {share:.0%}" for kind, share in shares.items()),
        ratio=ratio,
        target=f"<= {SHARE_TARGET:.0%}",
        reached=max(shares.values()) <= SHARE_TARGET,
        n=options.rounds,
        data={"runs": found},
    )


def share_rows(options: GcOptions, interpreter: Interpreter) -> list[Row]:
    """Share of collections in building a heap, and what the whole takes: at one go, and where children make them."""
    found = runs_of(options, interpreter, "build", options.kinds, str(BUILD_SIZE), modes=(*MODES, "concurrent"))
    label = f"{interpreter.version}: share of collections in building {BUILD_SIZE / 1e6:g} M containers"
    return [
        share_row(options, label, "kucha", found),
        share_row(options, f"{label}, one thread", "alone", found),
        share_row(options, f"{label}, concurrent collections", "concurrent", found),
    ]


def measures(options: GcOptions, interpreter: Interpreter) -> list[tuple[str, Callable[[], list[Row]]]]:
    """What is to be measured, by name; each gives its rows."""
    found: list[tuple[str, Callable[[], list[Row]]]] = [("gc share", partial(share_rows, options, interpreter))]
    found += [(f"gc dead {size}", partial(dead_rows, options, interpreter, size)) for size in options.dead]
    found += [
        (f"gc live {size} {order}", partial(live_rows, options, interpreter, size, order))
        for size in options.live
        for order in ORDERS
    ]
    return found
