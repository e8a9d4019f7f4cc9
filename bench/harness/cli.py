"""The command line of the benchmarks."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

from tools.interpreters import Interpreter, find_all, version_of

from harness import collector, heaps, hosted, hosted_gc, instruments, machine, native, suite, web
from harness.table import Row, as_markdown, as_text

# What the programs need from PyPI: the suite and its runner, and a newer mimalloc than Debian's. They lie in a folder
# of their own without their dependencies, so that interpreters in chroots take them by PYTHONPATH.
PACKAGES = ("pyperf==2.10.0", "pyperformance==1.14.0", "cmeel-mimalloc==3.4.3")

NATIVE = ("pairs", "lifo", "churn", "resident")
INSTRUMENTS = ("snapshot", "start", "processes", "lines", "collector", "concurrent")
COLLECTOR = ("native-collector", "isolates")
SECTIONS = (*NATIVE, *COLLECTOR, "programs", "suite", *INSTRUMENTS, "gc", "heap", "web", "pyperformance")

EPILOG = """\
sections beside the programs:
  gc            full collections of CPython's heaps by kucha's collector: 0.7 and 3.3 million live containers of four
                kinds in three orders, 1 and 5 million dead, and its share in building a heap; --full: 10 million mixed
  heap          census, heap file, holders, retained sizes, guppy's heap(), a core file, dominators, beside objgraph,
                guppy3 and pympler, 1.5 million objects; --full: 6.6 million, and dominators of 10 million nodes
  web           a Flask application with SQLAlchemy and a cache of 500,000 containers under load, stock and with
                kucha's collector, stopping and concurrent; only where it is asked for: a minute a round, and the figure
                needs --rounds 20
  pyperformance every benchmark of the suite that can be had here, with kucha's allocator and its collector; only where
                it is asked for: twenty minutes with --rounds 3, and a first run brings 30 packages from PyPI
"""


def parse(arguments: list[str]) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="bench/run.py",
        description="Measure kucha beside its peers.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--quick", action="store_true", help="few rounds: the shape of the table in minutes")
    parser.add_argument(
        "--half-hour",
        action="store_true",
        help="what fits into half an hour of a quiet machine: five rounds, all but web and pyperformance; tracemalloc "
        "beside us, snapshots, heaps and the collector only under the first interpreter",
    )
    parser.add_argument("--rounds", type=int, help="rounds for each measure (7; 3 with --quick, 5 with --half-hour)")
    names = ", ".join((*SECTIONS, *hosted.PROGRAMS, *hosted.SUITE))
    parser.add_argument("--only", action="append", default=[], metavar="NAME", help=f"a section or program: {names}")
    parser.add_argument(
        "--python",
        action="append",
        default=[],
        metavar="NAME",
        help="an interpreter by name (host, sid-3.14), minor or path; default all",
    )
    parser.add_argument("--peer", action="append", default=[], metavar="NAME=PATH", help="one more malloc to preload")
    parser.add_argument("--huge", action="store_true", help="in C, kucha with huge pages always and never, too")
    parser.add_argument("--instructions", action="store_true", help="in C, instructions per call under Callgrind too")
    parser.add_argument("--no-tracemalloc", action="store_true", help="leave the slow peer out")
    parser.add_argument(
        "--full", action="store_true", help="the sizes of the targets, where the usual ones are smaller"
    )
    parser.add_argument("--output", type=Path, help="the JSON file (out/bench.json)")
    options = parser.parse_args(arguments)
    known = {*SECTIONS, *hosted.PROGRAMS, *hosted.SUITE}
    unknown = set(options.only) - known
    if unknown:
        parser.error(f"no measure {', '.join(sorted(unknown))}; there are {names}")
    return options


def find_interpreters(names: list[str], half_hour: bool) -> list[Interpreter]:
    """Those that were named, or all that can be used; 3.12, supported by source, not in half an hour."""
    found = find_all()
    if not names:
        wanted = "" if half_hour else "3.12"
        return [item for item in found if not item.name.startswith("pyenv-") or item.minor == wanted]
    chosen = []
    for name in names:
        matching = [item for item in found if name in (item.name, item.minor, item.python)]
        version = version_of([name]) if not matching and Path(name).exists() else None
        if version:
            matching = [Interpreter(Path(name).name, version, name)]
        if not matching:
            raise SystemExit(f"bench: no interpreter '{name}'; scripts/interpreters list shows those that can be used")
        chosen.append(matching[0])
    return chosen


def install_packages(folder: Path) -> None:
    """Bring the packages where they are not there yet; without a network the rows that need them are left out."""
    stamp = folder / "kucha-bench"
    wanted = "\n".join(PACKAGES)
    if stamp.exists() and stamp.read_text(encoding="utf-8") == wanted:
        return
    print(f"bench: installing {', '.join(PACKAGES)}", file=sys.stderr)
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps", "--upgrade"]
    done = subprocess.run([*pip, "--target", str(folder), *PACKAGES], check=False)
    if done.returncode == 0:
        stamp.write_text(wanted, encoding="utf-8")
    else:
        print("bench: pip could not install them; the rows that need them are left out", file=sys.stderr)


def build(interpreter: Interpreter, top: Path) -> bool:
    """Build kucha for the interpreter; False, with the reason shown, where that fails."""
    done = subprocess.run(interpreter.build_command("release"), cwd=top, check=False)
    return done.returncode == 0


def attempt(rows: list[Row], what: str, measure: Callable[[], list[Row]]) -> None:
    """Add what a measure gives; one that fails is reported and the others go on."""
    try:
        found = measure()
    except (OSError, subprocess.SubprocessError, ValueError, KeyError, IndexError) as error:
        print(f"bench: {what} could not be measured: {error}", file=sys.stderr)
        found = [Row(what, "", "not measured", "", "", False, 0, {"error": str(error)})]
    rows += found
    if found:
        print(as_text(found), file=sys.stderr, flush=True)


def further_measures(
    options: argparse.Namespace, top: Path, packages: Path, item: Interpreter, rounds: int, slow: bool
) -> list[tuple[str, Callable[[], list[Row]]]]:
    """Measures that modules of their own know by name."""
    only = set(options.only)
    few = 1 if options.half_hour else max(2, rounds // 2)
    found: list[tuple[str, Callable[[], list[Row]]]] = []
    if (slow and not only) or "gc" in only:
        asked = hosted_gc.options_of(top, rounds if only else few, options.full, options.half_hour)
        found += hosted_gc.measures(asked, item)
    if (slow and not only) or "heap" in only:
        found += heaps.measures(heaps.options_of(top, rounds if only else few, options.full), item)
    if "web" in only:
        found.append(("web", partial(web.rows, web.WebOptions(top, rounds), item)))
    if "pyperformance" in only:
        found.append(("pyperformance", partial(suite.rows, suite.SuiteOptions(top, packages, rounds), item)))
    return found


def measure_interpreter(
    options: argparse.Namespace, top: Path, packages: Path, item: Interpreter, rounds: int, first: bool
) -> list[Row]:
    """All rows of one interpreter; with --half-hour, what is slow only for the first."""
    rows: list[Row] = []
    slow = first or not options.half_hour
    only = set(options.only)
    programs = only & {*hosted.PROGRAMS, *hosted.SUITE}
    programs |= set(hosted.PROGRAMS) if "programs" in only else set()
    programs |= set(hosted.SUITE) if "suite" in only else set()
    if not only or programs:
        chosen = hosted.HostedOptions(top, packages, programs, rounds, slow and not options.no_tracemalloc)
        attempt(rows, f"{item.version}: programs", lambda: hosted.measure(chosen, item))
    few = instruments.InstrumentOptions(top, 1 if options.half_hour else max(2, rounds // 2))
    if (slow and not only) or "snapshot" in only:
        attempt(rows, f"{item.version}: snapshot", lambda: instruments.snapshot_rows(few, item))
    if not only or "start" in only:
        many = instruments.InstrumentOptions(top, rounds)
        attempt(rows, f"{item.version}: start", lambda: instruments.start_rows(many, item))
    if not only or "processes" in only:
        attempt(rows, f"{item.version}: processes", lambda: instruments.process_rows(top, rounds, item))
    if not only or "lines" in only:
        attempt(rows, f"{item.version}: lines", lambda: instruments.line_rows(top, rounds, item))
    if (slow and not only) or "collector" in only:
        for order in ("created", "shuffled"):
            measure = partial(instruments.collector_rows, few, item, order)
            attempt(rows, f"{item.version}: collector", measure)
    if (slow and not only) or "concurrent" in only:
        for pages in instruments.CONCURRENT_TARGETS:
            for dead in ("0.01", "0.5"):
                measure = partial(instruments.concurrent_rows, few, item, pages, dead)
                attempt(rows, f"{item.version}: concurrent", measure)
    for name, run in further_measures(options, top, packages, item, rounds, slow):
        attempt(rows, f"{item.version}: {name}", run)
    for row in rows:
        row.section = f"Python {item.version}"
    return rows


def measure_native(options: argparse.Namespace, top: Path, packages: Path, rounds: int) -> list[Row]:
    """The C rows."""
    only = set(options.only)
    if only and not only & set(NATIVE):
        return []
    library = top / "build" / "release" / "libkucha.so"
    peers = dict(text.split("=", 1) for text in options.peer)
    chosen = native.NativeOptions(
        top, library, packages, peers, only & set(NATIVE), rounds, options.huge, options.instructions
    )
    rows: list[Row] = []
    attempt(rows, "C programs", lambda: native.measure(chosen))
    for row in rows:
        row.section = "C"
    return rows


def measure_collector(options: argparse.Namespace, top: Path, rounds: int) -> list[Row]:
    """The native collector and isolates, whose programs are built with the library."""
    only = set(options.only)
    rows: list[Row] = []
    if not only or only & set(COLLECTOR):
        subprocess.run([str(top / "scripts" / "build"), "release"], cwd=top, check=True)
        for name, measure in collector.measures(top, only & set(COLLECTOR), rounds):
            attempt(rows, name, measure)
    for row in rows:
        row.section = "The native collector"
    return rows


def main(arguments: list[str], top: Path) -> int:
    """Measure, print the table, write the JSON file."""
    options = parse(arguments)
    rounds = options.rounds or (3 if options.quick else 5 if options.half_hour else 7)
    packages = top / ".venv" / "bench"
    install_packages(packages)
    machine_facts = machine.facts(top)
    interpreters = find_interpreters(options.python, options.half_hour)
    rows = measure_native(options, top, packages, rounds)
    rows += measure_collector(options, top, rounds)
    needs_python = not options.only or set(options.only) - {*NATIVE, *COLLECTOR}
    for number, item in enumerate(interpreters if needs_python else []):
        if build(item, top):
            rows += measure_interpreter(options, top, packages, item, rounds, number == 0)
        else:
            print(f"bench: kucha could not be built for {item.name}; its rows are left out", file=sys.stderr)
    machine_facts["load at end"] = machine.load()
    for name, value in machine_facts.items():
        print(f"{name + ':':20} {value}")
    print()
    print(as_text(rows))
    output = options.output or top / "out" / "bench.json"
    output.parent.mkdir(parents=True, exist_ok=True)
    result = {
        "machine": machine_facts,
        "command": "bench/run.py " + " ".join(arguments),
        "interpreters": {item.name: item.version for item in interpreters},
        "rows": [row.as_dict() for row in rows],
    }
    output.write_text(json.dumps(result, indent=1), encoding="utf-8")
    output.with_suffix(".md").write_text(as_markdown(rows, machine_facts) + "\n", encoding="utf-8")
    print(f"\neverything measured is in {output}, the table as Markdown beside it")
    return 0
