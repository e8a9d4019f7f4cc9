"""``kucha ps``: what memory processes use, as a table or as JSON."""

from __future__ import annotations

import json
import os
import sys
from contextlib import suppress

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from kucha import psutil, resource
from kucha._psutil_process import NOT_FOUND
from kucha.commands import TOP_REPORT
from kucha.options import UsageError
from kucha.text import one_line, percent, plural, seconds, size

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    Row = dict[str, Any]

WIDTH_IN_PIPES = 160
LEFT = ("user", "name", "command")  # columns of words
SIZES = ("rss", "peak", "uss", "pss", "swap", "vms")


def console() -> Console:
    """Where tables go: as wide as the terminal; in a file or a pipe there is no width to keep to."""
    width = None if sys.stdout.isatty() or "COLUMNS" in os.environ else WIDTH_IN_PIPES
    return Console(highlight=False, width=width)


def pid_of(word: str) -> int:
    """A pid as somebody wrote it."""
    if not (word.isascii() and word.isdecimal()) or not 0 < int(word) < 1 << 31:
        raise UsageError(f"a PID is a number from 1 on, not '{one_line(word)}'")
    return int(word)


def find(word: str) -> psutil.Process:
    """The process of that pid."""
    pid = pid_of(word)
    try:
        return psutil.Process(pid)
    except psutil.NoSuchProcess as error:
        raise UsageError(error.msg.removeprefix(NOT_FOUND)) from None


def show(words: list[str], values: dict[str, Any]) -> int:
    """Does what the options of ``kucha ps`` ask. Returns the exit code."""
    if values["maps"] and not words:
        raise UsageError("--maps needs a PID")
    named = [find(word) for word in words]
    rows = [row for row in map(_row, named or psutil.process_iter()) if row is not None]
    by = values["sort"]
    rows.sort(key=lambda row: row["pid"] if by == "pid" else -(row[by] or 0))
    top = values["top"] if values["top"] is not None else len(rows) if named else TOP_REPORT
    shown = rows[:top]
    if values["maps"]:
        for row in shown:
            row["maps"] = _maps(row["pid"])
    if values["json"]:
        print(json.dumps({"processes": shown, "machine": _machine(), "cgroup": resource.cgroup()._asdict()}, indent=1))
        return 0
    _print_processes(shown, len(rows))
    for row in shown if values["maps"] else ():
        _print_maps(row)
    _print_machine()
    return 0


# ---- reading ----


def _row(process: psutil.Process) -> Row | None:
    """What is shown of a process; None when it has ended meanwhile."""
    try:
        with process.oneshot():
            memory = process.memory_info()
            times = process.cpu_times()
            row: Row = {
                "pid": process.pid,
                "user": process.username(),
                "name": process.name(),
                "status": process.status(),
                "threads": process.num_threads(),
                "cpu": times.user + times.system,
                "rss": memory.rss,
                "vms": memory.vms,
                "shared": memory.shared,
                "peak": process.memory_details()["rss_peak"],
                "uss": None,
                "pss": None,
                "swap": None,
                "command": None,
            }
    except (psutil.AccessDenied, psutil.NoSuchProcess):
        return None
    with suppress(psutil.AccessDenied, psutil.NoSuchProcess):
        row["uss"], row["pss"], row["swap"] = process.memory_footprint()
    with suppress(psutil.AccessDenied, psutil.NoSuchProcess):
        row["command"] = process.cmdline()
    return row


def _maps(pid: int) -> list[Row] | None:
    """What is mapped, most in memory first; None where this user may not know, or it has ended."""
    try:
        maps = psutil.Process(pid).memory_maps()
    except (psutil.AccessDenied, psutil.NoSuchProcess):
        return None
    return [item._asdict() for item in sorted(maps, key=lambda item: -item.rss)]


def _machine() -> Row:
    return {"memory": psutil.virtual_memory()._asdict(), "swap": psutil.swap_memory()._asdict()}


# ---- printing ----


def _bytes(value: int | None) -> str:
    return "" if value is None else size(value)


def _print_processes(rows: list[Row], all_rows: int) -> None:
    headings = ("pid", "user", "name", *SIZES, "threads", "cpu", "command")
    lines = [_texts(row) for row in rows]
    output = console()
    table = Table(box=None, padding=(0, 2, 0, 0))
    left = output.width
    for index, heading in enumerate(headings):
        table.add_column(heading, justify="left" if heading in LEFT else "right", no_wrap=True)
        left -= max([len(heading), *(len(line[index]) for line in lines)]) + 2 if heading != "command" else 2
    for line in lines:  # the command gets what is left of the line
        table.add_row(*map(escape, line[:-1]), escape(_cut(line[-1], max(left, len("command")))))
    output.print(table)
    if len(rows) < all_rows:
        print(f"{plural(all_rows - len(rows), 'process', 'processes')} more; see --top")


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else text[: width - 1] + "…"


def _texts(row: Row) -> list[str]:
    command = " ".join(row["command"] or ()) or f"[{row['name']}]"
    if row["status"] == "zombie":
        command = f"({row['name']} has ended)"
    texts = [str(row["pid"]), row["user"], row["name"], *(_bytes(row[name]) for name in SIZES)]
    return [one_line(text) for text in (*texts, str(row["threads"]), seconds(row["cpu"]), command)]


def _print_maps(row: Row) -> None:
    maps = row["maps"]
    print()
    if maps is None:
        print(f"what process {row['pid']} has mapped is not for this user to know, or it has ended")
        return
    table = Table(title=f"mapped by {row['pid']}", title_justify="left", box=None, padding=(0, 2, 0, 0))
    columns = ("rss", "pss", "private_clean", "private_dirty", "anonymous", "swap", "size")
    for heading in columns:
        table.add_column(heading.replace("_", " "), justify="right", no_wrap=True)
    table.add_column("path")
    for item in maps:
        table.add_row(*(size(item[name]) for name in columns), escape(one_line(item["path"])))
    console().print(table)


def _print_machine() -> None:
    memory, swap = psutil.virtual_memory(), psutil.swap_memory()
    print(f"\nmachine         {size(memory.used)} of {size(memory.total)} in use, {size(memory.available)} available")
    if swap.total:
        print(f"swap            {size(swap.used)} of {size(swap.total)} in use")
    print(f"control group   {describe_group(resource.cgroup())}")


def describe_group(group: resource.cgroup_limits) -> str:
    """The memory of a control group in one line."""
    if not group.version:
        return "none"
    used = f"{size(group.memory_used)}, of it {size(group.memory_reclaimable)} files that can go"
    if group.memory_limit is None:
        return f"no memory limit (v{group.version}); uses {used}"
    share = percent(group.memory_used, group.memory_limit)
    kills = f"; {plural(group.oom_kills, 'process', 'processes')} killed for it" if group.oom_kills else ""
    return f"limit {size(group.memory_limit)} (v{group.version}); uses {used}, {share}{kills}"
