#!/usr/bin/env python3
"""Measures kucha beside its peers and prints the table of figures; see ``bench/run.py --help``."""

import sys
from pathlib import Path

TOP = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(TOP / "bench"), str(TOP / "scripts")]

from harness.cli import main  # noqa: E402 (the folders above come first)

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], TOP))
