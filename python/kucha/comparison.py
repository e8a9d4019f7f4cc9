"""Two captures side by side: what grew and what shrank, by place; ``kucha report --diff BEFORE AFTER``.

A place is compared by its key: file, line and function, as far as ``--by`` tells them apart. Places whose counts are
all equal are left out. As with tracemalloc's ``compare_to``, the largest change comes first, whichever way it goes.
"""

from __future__ import annotations

import csv
import io
import json

from rich.markup import escape
from rich.table import Table

from kucha.capture import (
    COUNTS,
    LIVE_BLOCKS,
    LIVE_BYTES,
    MEASURE,
    PEAK_BLOCKS,
    PEAK_BYTES,
    TEMPORARY,
    TOTAL_BLOCKS,
    TOTAL_BYTES,
    UNIT,
    Profile,
)
from kucha.summary import place, source_line
from kucha.text import current_folder, number, one_line, percent, plural, size

TYPE_CHECKING = False
if TYPE_CHECKING:
    from rich.console import Console

    from kucha.capture import Key

_NOTHING = [0] * len(COUNTS)
_BLOCKS_OF = {
    LIVE_BYTES: LIVE_BLOCKS,
    PEAK_BYTES: PEAK_BLOCKS,
    TOTAL_BYTES: TOTAL_BLOCKS,
    TOTAL_BLOCKS: TOTAL_BLOCKS,
    TEMPORARY: TEMPORARY,
}
# What makes two captures hard to compare: their samples, their stacks, what is traced.
_SETTINGS = ("sample", "frames", "mode")


class Change:
    """The counts of one place in both captures."""

    __slots__ = ("after", "before", "key")

    def __init__(self, key: Key, before: list[int], after: list[int]) -> None:
        self.key = key
        self.before = before
        self.after = after

    def by(self, column: int) -> int:
        """How much a count grew."""
        return self.after[column] - self.before[column]


class Comparison:
    """Two captures, the older one first."""

    def __init__(self, before: Profile, after: Profile) -> None:
        self.before = before
        self.after = after
        self.sums = Change(("", 0, ""), before.sums(), after.sums())

    def changes(self, by: str, measure: str) -> list[Change]:
        """Every place that differs, the largest change of the measure first."""
        older = {group.key: group.counts for group in self.before.groups(by, measure)}
        newer = {group.key: group.counts for group in self.after.groups(by, measure)}
        column = MEASURE[measure]
        found = [Change(key, older.get(key, _NOTHING), newer.get(key, _NOTHING)) for key in older | newer]
        differing = [change for change in found if change.before != change.after]
        return sorted(differing, key=lambda change: (-abs(change.by(column)), -change.by(column), change.key))

    def warning(self) -> str:
        """Why the numbers of the two cannot be compared as they stand; nothing where they can."""
        older, newer = self.before.header, self.after.header
        names = [name for name in _SETTINGS if older[name] != newer[name]]
        return f"traced with different {' and '.join(names)}" if names else ""


# ---- for people ----


def show(console: Console, comparison: Comparison, by: str, measure: str, top: int) -> None:
    """The comparison as a table of totals and a table of places."""
    _show_head(console, comparison)
    column = MEASURE[measure]
    changes = [change for change in comparison.changes(by, measure) if change.by(column)]
    console.print()
    if not changes:
        console.print(f"No place differs in {measure}.")
        return
    if not top:
        return
    table = Table(title=f"Top changes, by {measure}", title_justify="left", box=None, padding=(0, 1, 0, 0))
    for name in ("change", "blocks", "before", "after"):
        table.add_column(name, justify="right", style="bold" if name == "change" else None)
    table.add_column("where", overflow="fold", min_width=40)
    for change in changes[:top]:
        blocks = change.by(_BLOCKS_OF[column])
        figures = (_amount(change.before[column], measure), _amount(change.after[column], measure))
        table.add_row(_signed(change.by(column), measure), f"{blocks:+,}", *figures, _where(change.key))
    console.print(table)
    if len(changes) > top:
        console.print(f"... and {number(len(changes) - top)} more; see --top")


def _show_head(console: Console, comparison: Comparison) -> None:
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="bold")
    for _ in range(3):
        grid.add_column(justify="right")
    grid.add_column()
    sums = comparison.sums
    grid.add_row("", "before", "after", "change")
    for name, column in (("peak", PEAK_BYTES), ("live at the end", LIVE_BYTES), ("allocated", TOTAL_BYTES)):
        blocks = sums.by(_BLOCKS_OF[column])
        grid.add_row(
            name,
            size(sums.before[column]),
            size(sums.after[column]),
            _signed(sums.by(column), "live"),
            f"{percent(sums.by(column), sums.before[column])}, {blocks:+,} {'block' if abs(blocks) == 1 else 'blocks'}",
        )
    for name, profile in (("before", comparison.before), ("after", comparison.after)):
        console.print(f"[bold]{name:<15}[/]  {escape(one_line(profile.path))}: {escape(_how(profile))}")
    if comparison.warning():
        console.print(f"[bold]{'note':<15}[/]  {comparison.warning()}")
    console.print()
    console.print(grid)


def _how(profile: Profile) -> str:
    header = profile.header
    how = f"a sample every {size(header['sample'])}" if header["sample"] else "every block"
    return f"{one_line(header['command'])} ({how}, {plural(header['frames'], 'frame')})"


def _amount(value: int, measure: str) -> str:
    return size(value) if UNIT[measure] == "bytes" else number(value)


def _signed(value: int, measure: str) -> str:
    return ("+" if value > 0 else "") + _amount(value, measure)


def _where(key: Key) -> str:
    source = source_line(key)
    return f"[cyan]{escape(place(key, current_folder()))}[/]" + (f"\n  [dim]{escape(source)}[/]" if source else "")


# ---- for programs ----


def as_json(comparison: Comparison, measure: str, by: str, top: int | None) -> bytes:
    """Both headers, the totals and every place that differs: its counts before, after, and the change."""
    document = {
        "before": comparison.before.header,
        "after": comparison.after.header,
        "grouped_by": by,
        "sorted_by": measure,
        "totals": _counts(comparison.sums),
        "places": [
            {"file": change.key[0], "line": change.key[1] or None, "function": change.key[2] or None} | _counts(change)
            for change in comparison.changes(by, measure)[:top]
        ],
    }
    return (json.dumps(document, indent=1) + "\n").encode()


def _counts(change: Change) -> dict[str, dict[str, int]]:
    return {
        "before": dict(zip(COUNTS, change.before, strict=True)),
        "after": dict(zip(COUNTS, change.after, strict=True)),
        "change": {name: change.by(column) for column, name in enumerate(COUNTS)},
    }


def as_csv(comparison: Comparison, measure: str, by: str, top: int | None) -> bytes:
    """A line for each place that differs: the changes of all counts, then what they were before."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    names = [f"{name}_change" for name in COUNTS] + [f"{name}_before" for name in COUNTS]
    writer.writerow(("file", "line", "function", *names))
    for change in comparison.changes(by, measure)[:top]:
        filename, line, function = change.key
        differences = [change.by(column) for column in range(len(COUNTS))]
        writer.writerow((filename, line or "", function, *differences, *change.before))
    return out.getvalue().encode("utf-8", "backslashreplace")
