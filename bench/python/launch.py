"""Run one program in one mode, in this very process; the parent measures the CPU time of the whole process.

    python launch.py MODE program NAME [SCALE]      one of the six programs beside this file
    python launch.py MODE suite SCRIPT LOOPS [ARGS] a run_benchmark.py of pyperformance, through pyperf's worker mode
    python launch.py MODE measured SCRIPT LOOPS [ARGS]  the same; the last line is what pyperf measured

The mode says what is switched on before the program's module is imported. Nothing else differs between two modes:
`stock` runs the same lines up to the switch. The last line of standard output is the program's checksum, which must be
the same in every mode. With KUCHA_BENCH_STATUS=FILE, what the allocator says of itself at the end goes to FILE.
"""

from __future__ import annotations

import os
import sys

MODES = {
    "stock": "the interpreter as it is",
    "kucha": "kucha's allocator, nothing traced",
    "gc": "kucha's allocator and its collector, nothing traced",
    "traced1": "every allocation traced, 1 frame",
    "traced10": "every allocation traced, 10 frames",
    "sampled": "sampled, one in 64 KiB on average, 1 frame",
    "interface1": "kucha.tracemalloc, 1 frame: the interface started as a program starts it",
    "interface10": "kucha.tracemalloc, 10 frames",
    "tracemalloc1": "tracemalloc, 1 frame",
    "tracemalloc10": "tracemalloc, 10 frames",
}
SAMPLE_BYTES = 64 * 1024


def switch_on(mode: str) -> None:
    """Do what the mode asks for."""
    if mode == "stock":
        return
    if mode.startswith("tracemalloc"):
        import tracemalloc

        tracemalloc.start(int(mode.removeprefix("tracemalloc")))
        return
    if mode.startswith("interface"):
        from kucha import tracemalloc as interface

        interface.start(int(mode.removeprefix("interface")))
        return
    if mode == "gc":
        import kucha

        kucha.install(gc="kucha")
        return
    from kucha import _core

    _core.install()
    if mode == "sampled":
        _core.trace_start(frames=1, sample=SAMPLE_BYTES)
    elif mode.startswith("traced"):
        _core.trace_start(frames=int(mode.removeprefix("traced")))
    if not _core.installed():
        raise SystemExit("launch: the allocator was not installed")


def run_program(name: str, scale: float) -> None:
    """Run one of our own programs."""
    module = __import__(f"programs.{name}", fromlist=["run"])
    print(module.run(scale))


def run_suite(script: str, loops: str, arguments: list[str]) -> None:
    """Run a script of pyperformance in pyperf's worker mode: this process does `loops` loops, once, with no warm-up."""
    import builtins
    import runpy

    folder = os.path.dirname(script)
    sys.path.insert(0, folder)
    sys.argv = [script, "--worker", "--worker-task=0", "--warmups=0", "--values=1", f"--loops={loops}", *arguments]
    # As in a program that was started: there this name is the module, elsewhere its dict.
    runpy.run_path(script, {"__builtins__": builtins}, "__main__")
    print("done")


def run_measured(script: str, loops: str, arguments: list[str]) -> None:
    """The same, and print the seconds that pyperf measured for all loops together."""
    import json
    import tempfile

    with tempfile.TemporaryFile("w+") as told:
        copy = os.dup(told.fileno())  # pyperf closes what it writes to
        run_suite(script, loops, [f"--pipe={copy}", *arguments])
        told.seek(0)
        benchmark = json.load(told)["benchmarks"][0]
    facts = {**benchmark.get("metadata", {}), **benchmark["runs"][0].get("metadata", {})}
    per_loop = benchmark["runs"][0]["values"][0] * facts.get("inner_loops", 1)
    print(json.dumps({"seconds": per_loop * int(loops)}))


def write_status() -> None:
    """Leave the allocator's own statistics where the parent asked for them."""
    path = os.environ.get("KUCHA_BENCH_STATUS")
    core = sys.modules.get("kucha._core")
    if path and core is not None:
        with open(path, "w", encoding="utf-8") as stream:
            stream.write(core.stats_text())


def main() -> None:
    mode, kind, target, *rest = sys.argv[1:]
    if mode not in MODES:
        raise SystemExit(f"launch: no mode {mode!r}; one of {', '.join(MODES)}")
    switch_on(mode)
    if kind == "program":
        run_program(target, float(rest[0]) if rest else 1.0)
    elif kind == "measured":
        run_measured(target, rest[0], rest[1:])
    else:
        run_suite(target, rest[0], rest[1:])
    write_status()


if __name__ == "__main__":
    main()
