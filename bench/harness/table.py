"""A row of the table of figures, and the table as text and as Markdown."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

HEADINGS = ("measure", "peers", "kucha", "ratio", "target", "reached", "n")


@dataclass
class Row:
    """One measure. `reached` is None where the row has no target of its own; `data` is kept in the JSON file only."""

    measure: str
    peers: str
    kucha: str
    ratio: str
    target: str
    reached: bool | None
    n: int
    data: dict[str, Any] = field(default_factory=dict)
    section: str = ""  # the heading that the row stands under in Markdown

    def cells(self) -> tuple[str, ...]:
        """The row's cells, as text."""
        verdict = {True: "yes", False: "NO", None: ""}[self.reached]
        return (self.measure, self.peers, self.kucha, self.ratio, self.target, verdict, str(self.n))

    def as_dict(self) -> dict[str, Any]:
        """The row for the JSON file."""
        return dataclasses.asdict(self)


def as_text(rows: Sequence[Row]) -> str:
    """The table for a terminal, columns aligned."""
    lines = [HEADINGS, *(row.cells() for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(HEADINGS))]
    drawn = ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines]
    drawn.insert(1, "  ".join("-" * width for width in widths))
    return "\n".join(drawn)


def as_markdown(rows: Sequence[Row], facts: Mapping[str, str]) -> str:
    """What docs/benchmarks.md takes over: the machine's facts, and a table for each section."""
    lines = [f"{', '.join(f'{name} {value}' for name, value in facts.items())}."]
    for section in dict.fromkeys(row.section for row in rows):
        lines += ["", f"## {section}", "", "| " + " | ".join(HEADINGS) + " |", "|" + "---|" * len(HEADINGS)]
        lines += ["| " + " | ".join(row.cells()) + " |" for row in rows if row.section == section]
    return "\n".join(lines)
