"""Instances: objects with an attribute dict, with slots, and of a subclass, linked in short chains and dropped.

An instance is the allocation that CPython keeps no free list for, so nearly every one of them reaches the allocator.
"""

from __future__ import annotations

STEPS = 400_000
WINDOW = 2048


class Point:
    """An object with an attribute dict."""

    def __init__(self, x: int, y: int) -> None:
        self.x = x
        self.y = y

    def moved(self, by: int) -> Point:
        return Point(self.x + by, self.y - by)


class Cell:
    """An object with slots."""

    __slots__ = ("next", "value")

    def __init__(self, value: Point, following: Cell | None) -> None:
        self.value = value
        self.next = following


class Marked(Point):
    """A subclass with one attribute more."""

    def __init__(self, x: int, y: int, mark: str) -> None:
        super().__init__(x, y)
        self.mark = mark


def run(scale: float) -> int:
    """Do the work and return a checksum that depends on every instance."""
    window: list[Cell | None] = [None] * WINDOW
    checksum = 0
    for step in range(int(STEPS * scale)):
        point = Point(step, step + 1)
        other = point.moved(3)
        slot = step % WINDOW
        cell = Cell(other, window[slot - 1] if step % 5 else None)
        window[slot] = cell
        if step % 3 == 0:
            checksum += len(Marked(step, other.y, "third").mark)
        checksum += cell.value.x - point.x
    return checksum
