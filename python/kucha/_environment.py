"""The environment variable KUCHA, which works in programs whose command line is not ours to edit.

``KUCHA=off`` disables everything. ``KUCHA="run --frames 5 -o out.kucha"`` starts kucha in every Python program that
inherits it, with the options of ``kucha run``. Anything else is reported, and the program runs as if it were absent.

``KUCHA_TRACEMALLOC=10`` is to ``kucha.tracemalloc`` what ``PYTHONTRACEMALLOC`` is to the original: every Python program
that inherits it finds the module under the original's name, and started, with so many frames.
"""

from __future__ import annotations

import os
import sys

NAME = "KUCHA"
TRACEMALLOC = "KUCHA_TRACEMALLOC"


def is_off() -> bool:
    """Whether the environment says that kucha must not do anything."""
    return os.environ.get(NAME, "").strip() == "off"


def split(text: str) -> list[str]:
    """The words of the variable, with the shell's quoting. shlex is imported only where there is something to quote."""
    if not any(mark in text for mark in "'\"\\"):
        return text.split()
    import shlex

    return shlex.split(text)


def join(words: list[str]) -> str:
    """The inverse of ``split``."""
    text = " ".join(words)
    if split(text) == words:
        return text
    import shlex

    return shlex.join(words)


def boot_file() -> str | None:
    """The start-up file through which this interpreter's children find kucha: kucha.pth in a site folder, or None.

    Site folders are told by their names, because the module site is not to be asked while it reads start-up files.
    """
    for place in sys.path:
        if os.path.basename(place) in ("site-packages", "dist-packages"):
            path = os.path.join(place, "kucha.pth")
            if os.path.exists(path):
                return path
    return None
