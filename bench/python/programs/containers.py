"""Small containers: lists, tuples, dicts and sets of one to a dozen items, made, kept for a while and dropped.

The shape is a program that groups and regroups records: most containers die at once, some live for the length of a
window of a few thousand, and a few stay to the end.
"""

from __future__ import annotations

WINDOW = 4096
STEPS = 330_000


def run(scale: float) -> int:
    """Do the work and return a checksum that depends on every container."""
    window: list[object] = [None] * WINDOW
    kept: list[tuple[int, ...]] = []
    checksum = 0
    for step in range(int(STEPS * scale)):
        row = [step, step + 1, step + 2]
        pair = (step, row)
        table = {"step": step, "row": row, "pair": pair}
        group = {step & 7, step & 15, step & 31}
        nested = [[part, part + 1] for part in row]
        merged = {**table, "nested": nested, "group": group}
        window[step % WINDOW] = merged
        window[(step * 7) % WINDOW] = nested
        if step % 64 == 0:
            kept.append(tuple(part[0] for part in nested))
        checksum += len(merged) + len(group) + len(pair)
    return checksum + sum(map(len, kept))
