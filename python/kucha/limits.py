"""``kucha limits``: what a process and its control group may use, as a table or as JSON; and limits set."""

from __future__ import annotations

import json
import os
from contextlib import suppress

from rich.markup import escape
from rich.table import Table

from kucha import psutil, resource
from kucha.options import UsageError
from kucha.processes import console, describe_group, find
from kucha.text import number, size

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    Limit = tuple[int, int]

LARGEST = (1 << 64) - 2  # one more is the system's number for "unlimited"
UNITS = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40}
INFINITY = resource.RLIM_INFINITY


def run(words: list[str], program: list[str] | None, values: dict[str, Any]) -> int:
    """Does what the options of ``kucha limits`` ask. Returns the exit code, unless a program takes this one's place."""
    wanted = {row[0]: values[row[0]] for row in resource.limit_table if values[row[0]] is not None}
    if len(words) > 1 or (program is not None and words):
        raise UsageError("limits takes one PID, or -- and a program; see kucha limits --help")
    if program is not None:
        return _exec(program, wanted)
    if wanted and not words:
        raise UsageError("name the process whose limits are to be set, or -- and a program to run with them")
    process = find(words[0]) if words else psutil.Process()
    for name, text in wanted.items():
        _set(process.pid, name, text)
    if not wanted:
        _show(process, bool(values["json"]))
    return 0


# ---- setting ----


def _number(name: str, unit: str, text: str) -> int:
    """One number of a limit."""
    if text == "unlimited":
        return INFINITY
    digits, suffix = text, ""
    if unit == "bytes":
        lower = text.lower().removesuffix("b").removesuffix("i")
        suffix = lower[-1:] if lower[-1:] in UNITS else ""
        digits = lower.removesuffix(suffix)
    if not (digits.isascii() and digits.isdecimal()) or int(digits) * UNITS[suffix] > LARGEST:
        example = "a number of bytes such as 65536 or 64k" if unit == "bytes" else "a whole number"
        raise UsageError(f"the value of --{name} must be {example}, or unlimited, not '{text}'")
    return int(digits) * UNITS[suffix]


def _parse(name: str, unit: str, text: str, before: Limit) -> Limit:
    """SOFT:HARD, SOFT:, :HARD, or one number for both."""
    soft, colon, hard = text.partition(":")
    if not colon:
        both = _number(name, unit, text)
        return both, both
    if not soft and not hard:
        raise UsageError(f"the value of --{name} has no number before the colon, nor behind it")
    return (
        _number(name, unit, soft) if soft else before[0],
        _number(name, unit, hard) if hard else before[1],
    )


def _set(pid: int, name: str, text: str) -> None:
    resource_number, unit = next((row[1], row[3]) for row in resource.limit_table if row[0] == name)
    try:
        before = resource.prlimit(pid, resource_number)
        resource.prlimit(pid, resource_number, _parse(name, unit, text, before))
    except (OSError, ValueError) as error:
        raise UsageError(f"--{name} {text}: {getattr(error, 'strerror', None) or error}") from None


def _exec(program: list[str], wanted: dict[str, str]) -> int:
    if not program:
        raise UsageError("there is no program behind --")
    for name, text in wanted.items():
        _set(0, name, text)
    try:
        os.execvp(program[0], program)
    except OSError as error:
        raise UsageError(f"{program[0]} cannot be run: {error.strerror}") from None


# ---- showing ----


def _in_use(process: psutil.Process) -> dict[str, float]:
    """What the process uses of that which the limits are about, where the system tells."""
    used: dict[str, float] = {}
    with suppress(psutil.AccessDenied, psutil.NoSuchProcess), process.oneshot():
        memory, times = process.memory_info(), process.cpu_times()
        used = {"as": memory.vms, "rss": memory.rss, "cpu": int(times.user + times.system)}
        used["memlock"] = process.memory_details()["locked"]
    with suppress(OSError):
        used["nofile"] = len(os.listdir(f"/proc/{process.pid}/fd"))
    return used


def _show(process: psutil.Process, as_json: bool) -> None:
    try:
        limits = resource.limits(process.pid)
        group = resource.cgroup(process.pid)
    except OSError as error:
        raise UsageError(str(error.strerror)) from None
    used = _in_use(process)
    if as_json:
        print(json.dumps(_document(process, limits, group, used), indent=1))
        return
    print(f"process {process.pid}, {process.name()}\n")
    _print_limits(limits, used)
    _print_group(group)


def _document(
    process: psutil.Process, limits: dict[str, Limit], group: resource.cgroup_limits, used: dict[str, float]
) -> dict[str, Any]:
    rows = {}
    for name, _, constant, unit, meaning in resource.limit_table:
        soft, hard = (None if value == INFINITY else value for value in limits[name])
        facts = {"constant": constant, "unit": unit, "meaning": meaning}
        rows[name] = {"soft": soft, "hard": hard, "used": used.get(name), **facts}
    page = resource.getpagesize()
    return {"pid": process.pid, "limits": rows, "cgroup": group._asdict(), "page_size": page}


def _shown(value: float | None, unit: str) -> str:
    if value is None:
        return ""
    if value == INFINITY:
        return "unlimited"
    return size(value) if unit == "bytes" else number(int(value))


def _print_limits(limits: dict[str, Limit], used: dict[str, float]) -> None:
    table = Table(box=None, padding=(0, 2, 0, 0))
    table.add_column("limit", no_wrap=True)
    for heading in ("soft", "hard", "in use"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("of", no_wrap=True)
    table.add_column("meaning")
    for name, _, _, unit, meaning in resource.limit_table:
        soft, hard = limits[name]
        row = (name, _shown(soft, unit), _shown(hard, unit), _shown(used.get(name), unit), unit, escape(meaning))
        table.add_row(*row)
    console().print(table)


def _shown_limit(limit: int | None) -> str:
    return "no limit" if limit is None else f"limit {size(limit)}"


def _print_group(group: resource.cgroup_limits) -> None:
    print(f"\ncontrol group   {describe_group(group)}")
    if group.version == 1:
        print(f"memory and swap {_shown_limit(group.memory_swap_limit)}; {size(group.swap_used)} of swap in use")
    elif group.version == 2:
        print(f"swap            {_shown_limit(group.swap_limit)}; {size(group.swap_used)} in use")
        print(f"slowed down     {'never' if group.memory_high is None else 'from ' + size(group.memory_high) + ' on'}")
    if group.cpu_version:
        print(f"processors      {'no limit' if group.cpus is None else f'limit {group.cpus:g}'}")
    if group.pids_version:
        limit = "no limit" if group.pids_limit is None else f"limit {number(group.pids_limit)}"
        print(f"processes       {limit}; {number(group.pids_used)} there")
