"""The example of docs/capture-file.md does what the page says."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

TOP = Path(__file__).resolve().parents[2]


def test_the_example_prints_what_the_page_says() -> None:
    """Runs the page's program on a committed capture."""
    page = (TOP / "docs" / "capture-file.md").read_text()
    program, output = re.findall(r"```(?:python|text)\n(.*?)```", page, re.DOTALL)
    seed = TOP / "fuzz" / "corpus" / "capture" / "seed-1"
    ran = subprocess.run(
        [sys.executable, "-c", program, str(seed)], capture_output=True, text=True, check=True, timeout=60
    )
    assert ran.stdout == output
