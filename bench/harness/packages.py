"""Packages from PyPI that only benchmarks need, each set of them in a folder of its own."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path


class Unavailable(OSError):
    """Packages cannot be had; the text says why."""


def install(folder: Path, wanted: Sequence[str]) -> list[str]:
    """Bring packages with all that they need into the folder, once; the folder, as a list of one, for PYTHONPATH.

    `wanted` is what pip takes, files of requirements too (`--requirement`, the file). Interpreters in chroots take the
    folder as it is, and packages with parts in C then fall back to Python where they can. Raises Unavailable.
    """
    stamp = folder / "kucha-bench"
    said = "\n".join(wanted)
    if not stamp.exists() or stamp.read_text(encoding="utf-8") != said:
        print(f"bench: installing into {folder.name}", file=sys.stderr, flush=True)
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--upgrade"]
        done = subprocess.run([*pip, "--target", str(folder), *wanted], capture_output=True, text=True, check=False)
        if done.returncode != 0:
            errors = [line for line in done.stderr.splitlines() if line.startswith("ERROR")]
            raise Unavailable(f"pip: {(errors or ['ERROR: it failed'])[0].removeprefix('ERROR: ')}")
        stamp.write_text(said, encoding="utf-8")
    return [str(folder)]
