"""Running a piece of Python in a process of its own: what an allocator does to an interpreter cannot be taken back."""

from __future__ import annotations

import subprocess
import sys
import textwrap

from conftest import clean_environment

# Seconds after which a child is given up; it takes a few, but the machine may be busy with other things. Below pytest's
# own limit, so that the child's last words are read.
CHILD_SECONDS = 280.0

PROLOGUE = """\
import sys
from kucha import _core
def install():
    _core.install()
    assert _core.installed()
"""


def run_child(
    code: str, *options: str, timeout: float = CHILD_SECONDS, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Runs ``code`` after a prologue that imports the module."""
    return subprocess.run(
        [sys.executable, *options, "-c", PROLOGUE + textwrap.dedent(code)],
        env=clean_environment(**environment),
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )


def passes(code: str, *options: str, timeout: float = CHILD_SECONDS, **environment: str) -> str:
    """Runs ``code``, which asserts what must be true. Returns what it printed."""
    done = run_child(code, *options, timeout=timeout, **environment)
    assert done.returncode == 0, f"exit code {done.returncode}\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}"
    return done.stdout
