"""Strings: splitting, joining, formatting, slicing, replacing and encoding short text.

The shape is a program that reads lines of a log, takes them apart, and builds keys and output from the parts.
"""

from __future__ import annotations

STEPS = 150_000
LINES = (
    "2024-03-01 12:00:01 INFO  worker-3 request=/api/items/42 status=200 time=0.0031",
    "2024-03-01 12:00:02 WARN  worker-1 request=/api/users status=404 time=0.0007",
    "2024-03-01 12:00:02 ERROR worker-9 request=/static/app.js?v=17 status=500 time=1.2003",
    "2024-03-01 12:00:03 DEBUG worker-2 cache=miss key=пользователь:17 size=18231",
)
KEYS_KEPT = 20_000


def parse(line: str, number: int) -> tuple[str, dict[str, str]]:
    """Take one line apart into a key and its fields."""
    words = line.split()
    fields = {}
    for word in words[4:]:
        name, _, value = word.partition("=")
        fields[name.upper()] = value
    key = f"{words[0]}/{words[3]}/{number}"
    return key, fields


def run(scale: float) -> int:
    """Do the work and return a checksum that depends on every string."""
    kept: dict[str, str] = {}
    checksum = 0
    for step in range(int(STEPS * scale)):
        key, fields = parse(LINES[step % len(LINES)], step)
        text = ";".join([f"{name}={value}" for name, value in fields.items()])
        data = (key + text).replace("/", "_").encode()
        checksum += len(data) + len(text[3:-3]) + len(data.decode()[::2])
        if len(kept) >= KEYS_KEPT:
            kept.clear()
        kept[key] = text
    return checksum
