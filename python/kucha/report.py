"""``kucha report``: a capture as tables and a tree on the terminal, or as a file for another tool."""

from __future__ import annotations

import os
import signal
import sys
from contextlib import contextmanager
from datetime import UTC, datetime

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn
from rich.table import Table
from rich.tree import Tree

from kucha.capture import (
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
from kucha.commands import TOP_REPORT
from kucha.export import collapsed, data, flamegraph, pprof, speedscope, timeline
from kucha.options import UsageError
from kucha.session import check_output, check_plot
from kucha.summary import place, source_line
from kucha.text import current_folder, number, one_line, percent, plural, seconds, size
from kucha.timeline import Collections

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    from kucha.capture import Group, Node

    Exporter = Callable[[Profile, str], bytes]

LEAST_SHARE = 0.01  # branches of the tree with less than this share of the whole are counted, not shown
TIMELINE_WIDTH = 60
WIDTH_IN_PIPES = 160
_BARS = "▁▂▃▄▅▆▇█"


def report(path: str, values: dict[str, Any]) -> int:
    """Does what the options of ``kucha report`` in ``values`` ask. Returns the exit code."""
    outputs = list(_outputs(values))
    for _, target in outputs:
        if target != "-":
            check_output(target, values["force"])
    printing = values["json"] or values["csv"]
    measure = values["sort"] or ("live" if values["diff"] else "peak")
    if sum((values["json"], values["csv"], *(target == "-" for _, target in outputs))) > 1:
        raise UsageError("only one thing can go to standard output; choose one of --json, --csv and OUT -")
    if values["diff"] is not None:
        if outputs:
            raise UsageError("--diff compares in a table, or with --json or --csv; graphs show one capture")
        return _compare(values["diff"], path, values, measure)
    with _progress(2 + len(outputs), values["quiet"]) as step:
        step(f"reading {os.path.basename(path)}")
        profile = Profile(path)
        for exporter, target in outputs:
            step(f"writing {target}")
            _write(exporter(profile, measure), target, values["force"])
        step("adding up")
        if printing:
            make = data.as_json if values["json"] else data.as_csv
            _write(make(profile, measure, values["by"], values["top"]), "-", False)
    if not printing and not outputs:
        _show(profile, values, measure)
    return 0


def _compare(older: str, newer: str, values: dict[str, Any], measure: str) -> int:
    """Does what ``--diff`` asks."""
    from kucha import comparison

    with _progress(3, values["quiet"]) as step:
        step(f"reading {os.path.basename(older)}")
        before = Profile(older)
        step(f"reading {os.path.basename(newer)}")
        both = comparison.Comparison(before, Profile(newer))
        step("comparing")
        if values["json"] or values["csv"]:
            make = comparison.as_json if values["json"] else comparison.as_csv
            _write(make(both, measure, values["by"], values["top"]), "-", False)
    if not (values["json"] or values["csv"]):
        comparison.show(_console(), both, values["by"], measure, _top(values))
    return 0


def _outputs(values: dict[str, Any]) -> Iterator[tuple[Exporter, str]]:
    target = values["flamegraph"]
    if target is not None:
        if not target.endswith((".svg", ".html")) and target != "-":
            raise UsageError(f"a flame graph is written to a name that ends in .svg or .html, not '{target}'")
        yield (flamegraph.html if target.endswith(".html") else flamegraph.svg), target
    target = values["timeline"]
    if target is not None:
        if target != "-":
            check_plot(target)
        yield (timeline.png if target.endswith(".png") else timeline.svg), target
    exporters: tuple[tuple[str, Exporter], ...] = (
        ("collapsed", collapsed.collapsed),
        ("speedscope", speedscope.speedscope),
        ("pprof", pprof.pprof),
    )
    for name, exporter in exporters:
        if values[name] is not None:
            yield exporter, values[name]


@contextmanager
def _progress(steps: int, quiet: bool) -> Iterator[Callable[[str], None]]:
    """A bar on standard error, where that is a terminal; it goes away when the work is done."""
    console = Console(stderr=True)
    if quiet or not console.is_terminal:
        yield lambda _: None
        return
    columns = (SpinnerColumn(), TextColumn("{task.description}", markup=False), BarColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("", total=steps)

        def step(description: str) -> None:
            bar.update(task, description=one_line(description), advance=1)

        yield step


def _write(content: bytes, target: str, force: bool) -> None:
    """Writes a whole file, or standard output. Captures hold names of a program: files are for their owner alone."""
    if target == "-":
        sys.stdout.flush()
        sys.stdout.buffer.write(content)
        sys.stdout.buffer.flush()
        return
    flags = os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | (os.O_TRUNC if force else os.O_EXCL)
    ours = False
    try:
        with os.fdopen(os.open(target, flags, 0o600), "wb") as file:
            ours = True
            file.write(content)
    except OSError as error:
        if ours:
            os.unlink(target)  # half a file helps nobody
        raise UsageError(f"can't write '{target}': {error.strerror or error}") from None


def _top(values: dict[str, Any]) -> int:
    top: int | None = values["top"]
    return TOP_REPORT if top is None else top


def _console() -> Console:
    # In a file or a pipe there is no width to keep to; a person who wants one sets COLUMNS.
    width = None if sys.stdout.isatty() or "COLUMNS" in os.environ else WIDTH_IN_PIPES
    return Console(highlight=False, width=width)


def _show(profile: Profile, values: dict[str, Any], measure: str) -> None:
    """The report for people."""
    console = _console()
    top = _top(values)
    sums = profile.sums()
    _show_head(console, profile, sums)
    _show_timeline(console, profile)
    if top:
        _show_places(console, profile, values["by"], measure, top, sums)
    if values["depth"]:
        _show_tree(console, profile, measure, values["depth"])
    _show_heaps(console, profile)


def _show_head(console: Console, profile: Profile, sums: list[int]) -> None:
    header = profile.header
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="bold")
    grid.add_column()
    started = datetime.fromtimestamp(header["start_time"], UTC).astimezone()
    lasted = f", {seconds(header['end_time'] - header['start_time'])}" if header["end_time"] is not None else ""
    state = "" if header["finished"] else "; not finished: it still runs, or was killed"
    how = f"a sample every {size(header['sample'])}" if header["sample"] else f"every block ({header['mode']})"
    estimate = "about " if header["sample"] else ""
    rows = (
        ("command", one_line(header["command"])),
        ("process", f"{header['pid']}, {started:%Y-%m-%d %H:%M:%S}{lasted}{state}"),
        ("exit code", _exit_code(header)),
        ("traced", f"{how}, {plural(header['frames'], 'frame')}, CPython {header['python']}"),
        ("peak", f"{estimate}{size(sums[PEAK_BYTES])} in {plural(sums[PEAK_BLOCKS], 'block')}"),
        ("live at the end", f"{estimate}{size(sums[LIVE_BYTES])} in {plural(sums[LIVE_BLOCKS], 'block')}"),
        (
            "allocated",
            f"{estimate}{size(sums[TOTAL_BYTES])} in {plural(sums[TOTAL_BLOCKS], 'block')}, "
            f"{plural(sums[TEMPORARY], 'of them temporary', 'of them temporary')}",
        ),
    )
    for name, text in rows:
        if text:
            grid.add_row(name, escape(text))
    console.print(grid)


def _exit_code(header: dict[str, Any]) -> str:
    """The exit code, with the name of the signal where it says that one ended the program."""
    code: int | None = header["exit_code"]
    if code is None:
        return ""
    try:
        return f"{code} ({signal.Signals(code - 128).name})"
    except ValueError:
        return str(code)


def _show_timeline(console: Console, profile: Profile) -> None:
    """Live bytes over time, as a row of bars; each bar is the highest point of its slice."""
    points = profile.timeline
    if len(points) < 2 or points[-1][0] <= points[0][0]:
        return
    width = min(TIMELINE_WIDTH, len(points))
    start, span = points[0][0], points[-1][0] - points[0][0]
    highest = [0] * width
    reached, last = 0, 0
    for moment, live, *_ in points:
        slot = min(width - 1, int((moment - start) / span * width))
        for passed in range(reached + 1, slot):  # nothing was written there, as around a fork: what was, still is
            highest[passed] = last
        highest[slot] = max(highest[slot], live)
        reached, last = slot, live
    most = max(highest) or 1
    bars = "".join(_BARS[min(len(_BARS) - 1, value * len(_BARS) // most)] for value in highest)
    console.print(f"[bold]live over time[/]   {bars}  {size(max(highest))} at most, {seconds(span)}")
    if profile.collections:
        console.print(f"[bold]collections[/]      {Collections(profile, 0.0, points[-1][0]).text()}")


def _show_places(console: Console, profile: Profile, by: str, measure: str, top: int, sums: list[int]) -> None:
    titles = {"own": "your own lines", "line": "lines", "function": "functions", "file": "files"}
    table = Table(title=f"Top {titles[by]}, by {measure}", title_justify="left", box=None, padding=(0, 1, 0, 0))
    for name in ("share", "peak", "live", "allocated", "blocks", "temporary"):
        table.add_column(name, justify="right", style="bold" if name == measure else None)
    table.add_column("where", overflow="fold", min_width=40)
    column = MEASURE[measure]
    groups = [group for group in profile.groups(by, measure) if group.counts[column]]
    for group in groups[:top]:
        table.add_row(percent(group.counts[column], sums[column]), *_figures(group), _where(group, by))
    console.print()
    console.print(table)
    if len(groups) > top:
        console.print(f"... and {number(len(groups) - top)} more; see --top")


def _figures(group: Group) -> tuple[str, ...]:
    counts = group.counts
    return (
        size(counts[PEAK_BYTES]),
        size(counts[LIVE_BYTES]),
        size(counts[TOTAL_BYTES]),
        number(counts[TOTAL_BLOCKS]),
        percent(counts[TEMPORARY], counts[TOTAL_BLOCKS]),
    )


def _where(group: Group, by: str) -> str:
    text = f"[cyan]{escape(place(group.key, current_folder()))}[/]"
    if by == "own":
        inner = group.main_inner()
        if inner != group.key:
            text += f"\n  via {escape(place(inner, current_folder()))}"
    source = source_line(group.key)
    return text + (f"\n  [dim]{escape(source)}[/]" if source else "")


def _show_tree(console: Console, profile: Profile, measure: str, depth: int) -> None:
    root = profile.tree(measure)
    if not root.value:
        return
    title = f"{measure}: {_amount(root.value, measure)}"
    tree = Tree(f"[bold]{title}[/]", guide_style="dim")
    waiting: list[tuple[Tree, Node, int]] = [(tree, root, 0)]
    while waiting:
        branch, node, level = waiting.pop()
        small = 0
        for child in node.ordered():
            if child.value < LEAST_SHARE * root.value or level >= depth:
                small += child.value
                continue
            label = f"{percent(child.value, root.value):>6} {_amount(child.value, measure)}"
            waiting.append((branch.add(f"{label}  {escape(place(child.key, current_folder()))}"), child, level + 1))
        if small:
            label = f"{percent(small, root.value):>6} {_amount(small, measure)}"
            branch.add(f"[dim]{label}  in smaller or deeper frames[/]")
    console.print()
    console.print("[italic]Call tree[/]")
    console.print(tree)


def _amount(value: int, measure: str) -> str:
    return size(value) if UNIT[measure] == "bytes" else plural(value, "block")


def _show_heaps(console: Console, profile: Profile) -> None:
    if not profile.arenas:
        return
    table = Table(title="Heaps when last written", title_justify="left", box=None, padding=(0, 2, 0, 0))
    table.add_column("heap")
    for name in ("arenas", "at most", "mapped", "in blocks", "free in pools", "large blocks"):
        table.add_column(name, justify="right")
    for heap in profile.arenas:
        table.add_row(
            escape(one_line(heap["name"])),
            f"{heap['arenas']} of {size(heap['arena_size'])}",
            number(heap["arenas_peak"]),
            size(heap["bytes_mapped"]),
            size(heap["bytes_used"]),
            size(heap["bytes_free"]),
            f"{size(heap['large_bytes'])} in {number(heap['large_blocks'])}",
        )
    console.print()
    console.print(table)
