"""The text at the end of a run: plain, on standard error, made from the finished capture.

It is read from the capture and not from the running tracer, so that it agrees with ``kucha report`` to the byte, and so
that making it is not itself measured.
"""

from __future__ import annotations

import os
import sys

from kucha.capture import (
    LIVE_BLOCKS,
    LIVE_BYTES,
    PEAK_BLOCKS,
    PEAK_BYTES,
    TEMPORARY,
    TOTAL_BLOCKS,
    TOTAL_BYTES,
    Profile,
)
from kucha.text import number, one_line, percent, plural, seconds, short_path, size

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from kucha.capture import Group, Key
    from kucha.session import Session

PLACES = 3  # of a histogram by powers of two that are shown as one: pauses are told apart by a factor of eight
SOURCE_BYTES_MAX = 4 << 20  # a source file larger than this is generated, and not worth reading for one line


def traced(path: str, session: Session, cost: dict[str, Any], duration: float) -> str:
    """The summary of a traced run."""
    profile = Profile(path)
    sums = profile.sums()
    lines = [_heading(session, duration), ""]
    lines += _totals(profile, sums)
    lines += _memory(profile.arenas)
    lines += _pauses(session)
    if session.wishes.timeline is not None and session.pauses is None:
        lines += [_collections(profile)]
    lines += [_tracing(session, cost)]
    if session.wishes.top:
        lines += _tables(profile, sums, session)
    lines += ["", *_captures(path, session)]
    return "\n".join(lines) + "\n"


def untraced(heaps: list[dict[str, Any]], session: Session, duration: float) -> str:
    """The summary of a run on the allocator alone."""
    return "\n".join([_heading(session, duration), "", *_memory(heaps), *_pauses(session)]) + "\n"


def _heading(session: Session, duration: float) -> str:
    python = ".".join(map(str, sys.version_info[:3]))
    return f"\nkucha: {one_line(session.name)} ran {seconds(duration)} on CPython {python} and kucha {session.version}"


def _row(name: str, text: str) -> str:
    return f"  {name:<15}{text}"


def _totals(profile: Profile, sums: list[int]) -> list[str]:
    estimate = "about " if profile.header["sample"] else ""
    temporary = percent(sums[TEMPORARY], sums[TOTAL_BLOCKS])
    return [
        _row("peak", f"{estimate}{size(sums[PEAK_BYTES])} in {plural(sums[PEAK_BLOCKS], 'block')}"),
        _row("live at exit", f"{estimate}{size(sums[LIVE_BYTES])} in {plural(sums[LIVE_BLOCKS], 'block')}"),
        _row(
            "allocated",
            f"{estimate}{size(sums[TOTAL_BYTES])} in {plural(sums[TOTAL_BLOCKS], 'block')}"
            + (f", {temporary} of them temporary" if temporary else ""),
        ),
    ]


def _memory(heaps: list[dict[str, Any]]) -> list[str]:
    """Resident size, and how full the arenas are."""
    resident, highest = resident_bytes()
    arenas = sum(heap["arenas"] for heap in heaps)
    live = sum(heap["bytes_used"] for heap in heaps)
    unused = sum(heap["bytes_free"] for heap in heaps)
    large = sum(heap["large_bytes"] for heap in heaps)
    lines = [_row("resident", f"{size(resident)}, {size(highest)} at most")] if highest else []
    if arenas:
        space = sum(heap["arenas"] * heap["arena_size"] for heap in heaps)
        share = percent(live, live + unused)
        full = f"{share} of their blocks' bytes in use, {size(live)}" if share else "empty"
        lines.append(_row("arenas", f"{plural(arenas, 'arena')}, {size(space)}; {full}"))
    lines.append(_row("large blocks", f"{size(large)} in {number(sum(heap['large_blocks'] for heap in heaps))}"))
    return lines


def _pauses(session: Session) -> list[str]:
    """What kucha's collector kept the program waiting for, where it is in charge; then how often for how long."""
    told = session.pauses
    if told is None:
        return []
    if not told.count:
        return [_row("collections", "none")]
    text = f"{plural(told.count, 'collection')} in {_short(told.total)}, {told.share:.1%} of the time; "
    lines = [_row("collections", f"{text}the longest {_short(told.longest)}")]
    for generation, one in enumerate(told.generations):
        sums = [sum(one.histogram[first : first + PLACES]) for first in range(0, len(one.histogram), PLACES)]
        each = [
            f"{number(count)} below {_short(2 ** (PLACES * (place + 1)) / 1e6)}"
            for place, count in enumerate(sums)
            if count
        ]
        if each:
            lines.append(_row(f"generation {generation}", ", ".join(each)))
    return lines


def _short(time: float) -> str:
    """A duration with three digits, from microseconds on."""
    for unit, name in ((1.0, "s"), (1e-3, "ms")):
        if time >= unit * 0.9995:
            return f"{time / unit:.3g} {name}" if time < 999.5 * unit else f"{time / unit:.0f} {name}"
    return f"{time * 1e6:.3g} µs"


def _collections(profile: Profile) -> str:
    from kucha.timeline import Collections

    return _row("collections", Collections(profile, 0.0, profile.timeline[-1][0]).text())


def resident_bytes() -> tuple[int, int]:
    """The resident size of this process, now and at most; zeros where the system does not say."""
    found = {"VmRSS": 0, "VmHWM": 0}
    try:
        with open("/proc/self/status", encoding="ascii", errors="replace") as file:
            for line in file:
                name, _, value = line.partition(":")
                if name in found:
                    found[name] = int(value.split()[0]) * 1024
    except (OSError, ValueError, IndexError):
        pass
    return found["VmRSS"], found["VmHWM"]


def _tracing(session: Session, cost: dict[str, Any]) -> str:
    wishes = session.wishes
    how = f"a sample every {size(wishes.sample)}" if wishes.sample else "every block"
    text = f"{how}, {plural(wishes.frames, 'frame')}; {plural(cost['sites'], 'site')}"
    text += f", {size(cost['metadata_bytes'])} of tables"
    if cost.get("seconds") is not None:
        text += f", about {seconds(cost['seconds'])}"
    return _row("tracing", text)


def _tables(profile: Profile, sums: list[int], session: Session) -> list[str]:
    top = session.wishes.top
    lines: list[str] = []
    by_column = (
        ("at the peak", "peak", PEAK_BYTES, PEAK_BLOCKS),
        ("live at exit", "live", LIVE_BYTES, LIVE_BLOCKS),
        ("churn", "blocks", TOTAL_BYTES, TOTAL_BLOCKS),
    )
    for title, measure, bytes_column, blocks_column in by_column:
        groups = profile.groups("own", measure)
        column = blocks_column if measure == "blocks" else bytes_column
        shown = [group for group in groups[:top] if group.counts[column]]
        lines += ["", f"{title:<15}{'bytes':>9} {'share':>7} {'blocks':>13}  where"]
        lines += [_line(group, sums, column, bytes_column, blocks_column, session.folder) for group in shown]
        if shown and measure == "peak":
            source = source_line(shown[0].key)
            if source:
                lines.insert(len(lines) - len(shown) + 1, f"{'':<48}{source}")
        if not shown:
            lines.append(f"{'':<48}nothing")
    return lines


def _line(group: Group, sums: list[int], column: int, bytes_column: int, blocks_column: int, folder: str) -> str:
    share = percent(group.counts[column], sums[column])
    figures = f"{size(group.counts[bytes_column]):>24} {share:>7} {number(group.counts[blocks_column]):>13}"
    where = place(group.key, folder)
    inner = group.main_inner()
    if inner != group.key:
        where += f", via {place(inner, folder)}"
    return f"{figures}  {where}"


def place(key: Key, folder: str = "") -> str:
    """A place in a program, as people write it: file:line in function."""
    filename, line, function = key
    text = short_path(filename, folder)
    if line:
        text += f":{line}"
    if function and function not in ("<module>", "<unknown>"):
        text += f" in {function}"
    return one_line(text)


def source_line(key: Key) -> str:
    """The text of a line of a source file, or nothing where it cannot be had."""
    filename, wanted, _ = key
    try:
        if not wanted or os.path.getsize(filename) > SOURCE_BYTES_MAX:
            return ""
        with open(filename, encoding="utf-8", errors="replace") as file:
            for count, line in enumerate(file, 1):
                if count == wanted:
                    return one_line(line.strip())[:100]
    except (OSError, ValueError):
        pass
    return ""


def _captures(path: str, session: Session) -> list[str]:
    """Where this capture is, and where those of child processes are."""
    shown = short_path(path, session.folder)
    lines = [f"capture        {shown}   (kucha report {shown})"]
    folder, name = os.path.split(path)
    base = name.removesuffix(f".{session.process}") if session.wishes.append_pid else name
    children = [
        entry
        for entry in sorted(os.listdir(folder))
        if entry.startswith(base + ".") and entry[len(base) + 1 :].isdecimal() and entry != name
    ]
    if children and (session.wishes.follow_fork or session.wishes.follow_subprocesses):
        base = short_path(os.path.join(folder, base), session.folder)
        lines.append(f"               of {plural(len(children), 'child', 'children')}: {base}.PID")
    return lines
