"""Instructions per call under Callgrind: a figure that no other process on the machine can disturb."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from harness.allocators import Allocator
from harness.table import Row

# Arguments of each program, small enough for Valgrind, and how many calls its measure_ function then makes: pairs has a
# warm-up of 4 * 4096 pairs, and churn one of as many steps as there are live blocks.
PLANS = {
    "pairs": (["100000", "1"], 2 * (100_000 + 4 * 4096)),
    "lifo": (["100000", "2"], 2 * 2 * 100_000),
    "churn": (["200000", "1", "100000"], 2 * (200_000 + 100_000)),
}
PATIENCE = 900  # seconds


def count(folder: Path, allocator: Allocator, library: Path, program: str) -> float | None:
    """Instructions per call in the measured function and all that it calls; None where Valgrind cannot tell."""
    arguments, calls = PLANS[program]
    output = folder / f"callgrind.{program}.{allocator.name}"
    options = [f"--toggle-collect=measure_{program}", f"--callgrind-out-file={output}"]
    command = ["valgrind", "--tool=callgrind", *options, str(folder / f"{program}-{allocator.build}"), *arguments]
    try:
        environment = allocator.environment(library)
        subprocess.run(command, capture_output=True, env=environment, check=True, timeout=PATIENCE)
        lines = output.read_text(encoding="utf-8").splitlines()
    except (OSError, subprocess.SubprocessError) as error:
        print(f"bench: no instruction count of {program} with {allocator.name}: {error}", file=sys.stderr)
        return None
    totals = [line for line in lines if line.startswith(("totals:", "summary:"))]
    return int(totals[-1].split()[1]) / calls


def rows(folder: Path, allocators: list[Allocator], library: Path) -> list[Row]:
    """One row for each program."""
    found = []
    for program in PLANS:
        counted = {allocator.name: count(folder, allocator, library, program) for allocator in allocators}
        values = {name: value for name, value in counted.items() if value is not None}
        ranked = sorted((name for name in values if not name.startswith("kucha")), key=lambda name: values[name])
        if "kucha" not in values or not ranked:
            continue
        found.append(
            Row(
                measure=f"C: {program}, instructions per call, the loop included",
                peers=", ".join(f"{name} {values[name]:.1f}" for name in ranked),
                kucha=f"{values['kucha']:.1f}",
                ratio=f"{values['kucha'] / values[ranked[0]]:.2f} of {ranked[0]}",
                target="",
                reached=None,
                n=1,
                data={"instructions": values},
            )
        )
    return found
