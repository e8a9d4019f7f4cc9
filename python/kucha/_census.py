"""How many objects of each type live, numbers and strings included: a walk over the allocator's pools.

``census()`` asks no collector and follows no reference: it looks once at every block that the allocator has given out
(about 10 ns each), so its counts are exact for all that was born since ``kucha.install()``, also for what no
``gc.get_objects()`` shows. ``print(kucha.census())`` is a table.

What was born before lies in blocks of the interpreter's own allocator, of which no walk can tell those that live from
those that do not. The interpreter knows how many there are: ``older``. A heap file has those that references lead to.
"""

from __future__ import annotations

import sys

from kucha.text import size

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

ROWS_SHOWN = 20


class Row:
    """Objects of one type: ``objects`` that live and their ``bytes``; ``kept`` ones are dead and on a free list."""

    __slots__ = ("bytes", "kept", "kept_bytes", "objects", "type")

    def __init__(self, of: type, objects: int, taken: int, kept: int, kept_bytes: int) -> None:
        self.type = of
        self.objects = objects
        self.bytes = taken
        self.kept = kept
        self.kept_bytes = kept_bytes

    @property
    def name(self) -> str:
        """The type as people write it: ``dict``, ``decimal.Decimal``."""
        module = type.__getattribute__(self.type, "__module__")
        name = type.__getattribute__(self.type, "__qualname__")
        return f"{name}" if module == "builtins" or not isinstance(module, str) else f"{module}.{name}"

    def __repr__(self) -> str:
        return f"<{self.name}: {self.objects} objects, {self.bytes} bytes>"


class Census:
    """The rows, most bytes first, and what is no object: ``unknown`` and ``buffers`` are (blocks, bytes).

    ``older`` is how many blocks live that were given out before ``kucha.install()``; they are in none of the others.
    """

    __slots__ = ("buffers", "older", "rows", "unknown")

    def __init__(self, rows: list[Row], unknown: tuple[int, int], buffers: tuple[int, int], older: int = 0) -> None:
        self.older = older
        self.rows = sorted(rows, key=lambda row: -row.bytes)
        self.unknown = unknown
        self.buffers = buffers

    @property
    def objects(self) -> int:
        """Objects that live, of all types."""
        return sum(row.objects for row in self.rows)

    @property
    def bytes(self) -> int:
        """Bytes of all blocks that are given out: of objects, living or kept, and of what is none."""
        return sum(row.bytes + row.kept_bytes for row in self.rows) + self.unknown[1] + self.buffers[1]

    def count(self, of: type) -> int:
        """How many objects of exactly this type live."""
        return sum(row.objects for row in self.rows if row.type is of)

    def __iter__(self) -> Iterator[Row]:
        return iter(self.rows)

    def __len__(self) -> int:
        return len(self.rows)

    def __str__(self) -> str:
        lines = [f"{self.objects:,} objects of {len(self.rows):,} types, {size(self.bytes)} given out", ""]
        lines.append(f"{'objects':>12} {'bytes':>12}  type")
        lines += [f"{row.objects:12,} {size(row.bytes):>12}  {row.name}" for row in self.rows[:ROWS_SHOWN]]
        rest = self.rows[ROWS_SHOWN:]
        if rest:
            more = sum(row.objects for row in rest), sum(row.bytes for row in rest)
            lines.append(f"{more[0]:12,} {size(more[1]):>12}  ({len(rest):,} more types)")
        lines.append(f"{self.buffers[0]:12,} {size(self.buffers[1]):>12}  (buffers)")
        lines.append(f"{self.unknown[0]:12,} {size(self.unknown[1]):>12}  (tables of dicts, and other blocks)")
        lines.append(f"{self.older:12,} {'':>12}  (blocks born before kucha.install(), not counted above)")
        return "\n".join(lines)


def census() -> Census:
    """Counts what lives now. Raises ``Refused`` where kucha's allocator is not installed."""
    from kucha import _core

    rows, unknown, buffers = _core.census()
    # The interpreter counts what its own small-block allocator has given out: since install() nothing is added there.
    return Census([Row(*row) for row in rows], unknown, buffers, sys.getallocatedblocks())
