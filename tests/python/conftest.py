"""What the tests of the Python package share: running programs with kucha and without, in a folder of their own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

# A job in the background of a shell is started with SIGINT ignored, and its children would be, too.
signal.signal(signal.SIGINT, signal.default_int_handler)

TOP = Path(__file__).resolve().parents[2]
Done = subprocess.CompletedProcess[str]
Runner = Callable[..., Done]

# Variables that change what Python or kucha do, and that a test sets itself where it is about them.
FOREIGN = (
    "KUCHA",
    "KUCHA_TRACEMALLOC",
    "PYTHONMALLOC",
    "PYTHONTRACEMALLOC",
    "PYTHONDEVMODE",
    "PYTHONSAFEPATH",
    "PYTHONWARNINGS",
    "COLUMNS",
)


def clean_environment(**changes: str) -> dict[str, str]:
    """The environment without what would change the outcome."""
    kept = {name: value for name, value in os.environ.items() if name not in FOREIGN}
    return kept | {"COLUMNS": "200"} | changes


@pytest.fixture
def python(tmp_path: Path) -> Runner:
    """Runs the interpreter under test, in the test's folder."""

    def run(*words: str | Path, stdin: str = "", timeout: float = 120, **environment: str) -> Done:
        return subprocess.run(
            [sys.executable, *map(str, words)],
            cwd=tmp_path,
            env=clean_environment(**environment),
            input=stdin,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )

    return run


@pytest.fixture
def kucha(python: Runner) -> Runner:
    """Runs the command kucha, in the test's folder."""

    def run(*words: str | Path, **options: object) -> Done:
        return python("-m", "kucha", *words, **options)

    return run


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str, str], Path]:
    """Writes a file into the test's folder."""

    def write_file(name: str, text: str) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    return write_file


def captures(folder: Path) -> list[Path]:
    """The captures in a folder, sorted."""
    return sorted(path for path in folder.iterdir() if ".kucha" in path.name)
