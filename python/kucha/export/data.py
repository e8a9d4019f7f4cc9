"""A capture as data: one JSON document with everything, and the table of places as CSV."""

from __future__ import annotations

import csv
import io
import json

from kucha.capture import COUNTS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from kucha.capture import Key, Profile

_TIMELINE = ("seconds", "live_bytes", "resident_bytes", "arena_bytes", "large_bytes")
_COLLECTIONS = ("seconds", "collections", "nanoseconds", "longest_nanoseconds", "collected", "uncollectable")


def _key(key: Key) -> dict[str, Any]:
    return {"file": key[0], "line": key[1] or None, "function": key[2] or None}


def as_json(profile: Profile, measure: str, by: str, top: int | None) -> bytes:
    """Header, totals, places, time line, arenas, and every site with its stack (innermost frame first)."""
    keys: dict[Key, int] = {}
    stacks = [[keys.setdefault(profile.key(frame), len(keys)) for frame in stack] for stack in profile.stacks]
    groups = profile.groups(by, measure)[:top]
    document = {
        "header": profile.header,
        "totals": dict(zip(COUNTS, profile.sums(), strict=True)),
        "grouped_by": by,
        "sorted_by": measure,
        "places": [_key(group.key) | dict(zip(COUNTS, group.counts, strict=True)) for group in groups],
        "timeline": [dict(zip(_TIMELINE, point, strict=True)) for point in profile.timeline],
        "collections": [dict(zip(_COLLECTIONS, entry, strict=True)) for entry in profile.collections],
        "heaps": profile.arenas,
        "frames": [_key(key) for key in keys],
        "sites": [
            {"stack": stack} | dict(zip(COUNTS, counts, strict=True))
            for stack, counts in zip(stacks, profile.counts, strict=True)
        ],
    }
    return (json.dumps(document, indent=1) + "\n").encode()


def as_csv(profile: Profile, measure: str, by: str, top: int | None) -> bytes:
    """The table of places, one line each, with a line of names."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(("file", "line", "function", *COUNTS))
    for group in profile.groups(by, measure)[:top]:
        filename, line, function = group.key
        writer.writerow((filename, line or "", function, *group.counts))
    return out.getvalue().encode("utf-8", "backslashreplace")
