"""How the verbs of ``kucha heap`` print: a console, tables without lines, safe texts."""

from __future__ import annotations

import json
import sys

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from kucha.text import one_line

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

TOP = 25
WIDTH_IN_PIPES = 160


def console() -> Console:
    """Standard output; wide where nobody looks, so that lines stay whole."""
    return Console(highlight=False, width=None if sys.stdout.isatty() else WIDTH_IN_PIPES)


def table(title: str, columns: Sequence[str], last: str) -> Table:
    """A table of numbers, and words in the last column."""
    made = Table(title=title, title_justify="left", box=None, padding=(0, 2, 0, 0))
    for name in columns:
        made.add_column(name, justify="right")
    made.add_column(last, overflow="fold")
    return made


def say(text: object) -> str:
    """A text out of a file, safe to print."""
    return escape(one_line(str(text)))


def print_json(value: object) -> None:
    """One JSON document."""
    print(json.dumps(value, indent=1))


def lines(values: dict[str, Any]) -> int:
    """How many lines a table may have."""
    return TOP if values["top"] is None else int(values["top"])
