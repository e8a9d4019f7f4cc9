"""Tables, for kucha.guppy: partitions of sets, lists of single objects, statistics kept in files, differences.

The lay-out is guppy's: ten rows at a time, then what ``.more`` would show; ``.all`` shows all of them. A *statistic* is
a partition without the objects, and what ``dump()`` writes and ``load()`` reads, in guppy's own text form.
"""

from __future__ import annotations

import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import IO, Any

ROWS_SHOWN = 10


class Lines:
    """A part of a table: it prints as text, and knows what comes behind it."""

    __slots__ = ("_show", "at")

    def __init__(self, show: Callable[[int, int | None], str], at: int) -> None:
        self._show = show
        self.at = at

    def __str__(self) -> str:
        return self._show(self.at, ROWS_SHOWN)

    __repr__ = __str__

    @property
    def more(self) -> Lines:
        """The rows behind these."""
        return Lines(self._show, self.at + ROWS_SHOWN)

    @property
    def top(self) -> Lines:
        """The rows that the table begins with."""
        return Lines(self._show, 0)


class Everything:
    """All of a table, as text."""

    __slots__ = ("_text",)

    def __init__(self, text: Callable[[], str]) -> None:
        self._text = text

    def __str__(self) -> str:
        return self._text()

    __repr__ = __str__


def share(part: int, whole: int) -> float:
    """Percent."""
    return 100.0 * part / whole if whole else 0.0


def plural(count: int, word: str) -> str:
    """``1 object``, ``2 objects``."""
    return f"{count} {word}{'' if count == 1 else 's'}"


class Table:
    """What partitions, lists and statistics share: rows of a count, a size and a name, and sums of them."""

    kindname = ""
    is_list = False  # of single objects

    def __init__(self, count: int, size: int, header: str, rows: Sequence[tuple[int, int]]) -> None:
        self.count = count
        self.size = size
        self.header = header
        self.amounts = rows

    def row_name(self, index: int) -> str:
        """What a row is called."""
        raise NotImplementedError

    @property
    def numrows(self) -> int:
        """How many rows there are."""
        return len(self.amounts)

    def heading(self) -> str:
        """The line that says what it is."""
        if self.is_list:
            return f"Set of {self.count} {self.kindname} objects. Total size = {self.size} bytes."
        return f"Partition of a set of {plural(self.count, 'object')}. Total size = {self.size} bytes."

    def columns(self) -> str:
        """The line over the rows."""
        if self.is_list:
            return f" Index     Size   %   Cumulative  %   {self.header}"
        return f" Index  Count   %     Size   % Cumulative  % {self.header}"

    def text(self, start: int, most: int | None) -> str:
        """The rows from `start` on."""
        end = self.numrows if most is None else min(start + most, self.numrows)
        if start >= self.numrows and start > 0:
            return ""
        lines = [self.columns()]
        sum_before = sum(size for _, size in self.amounts[:start])
        self.prepare(start, end)
        for index in range(start, end):
            count, size = self.amounts[index]
            sum_before += size
            lines.append(self._line(index, count, size, sum_before))
        if end < self.numrows:
            lines.append(f"<{plural(self.numrows - end, 'more row')}. Type e.g. '_.more' to view.>")
        return "\n".join(lines)

    def prepare(self, start: int, end: int) -> None:
        """Names of rows from `start` on are about to be asked for."""

    def _line(self, index: int, count: int, size: int, up_to: int) -> str:
        part, whole = share(size, self.size), share(up_to, self.size)
        if self.is_list:
            return f"{index:6} {size:8} {part:5.1f} {up_to:9} {whole:5.1f} {self.row_name(index)}"
        of = share(count, self.count)
        return f"{index:6} {count:6} {of:3.0f} {size:8} {part:3.0f} {up_to:9} {whole:3.0f} {self.row_name(index)}"

    def __str__(self) -> str:
        if self.count == 0:
            return "hp.Nothing"
        return f"{self.heading()}\n{self.text(0, ROWS_SHOWN)}"

    __repr__ = __str__

    @property
    def more(self) -> Lines:
        """The next rows."""
        return Lines(self.text, ROWS_SHOWN)

    @property
    def all(self) -> Everything:
        """Every row."""
        return Everything(lambda: f"{self.heading()}\n{self.text(0, None)}")

    # ---- files ----

    def dump(self, fn: str | IO[str], mode: str = "a") -> None:
        """Writes the table, without its objects, to the end of a file that ``load()`` reads."""
        if isinstance(fn, str):
            with open(fn, mode, encoding="utf-8") as file:
                self._write(file)
        else:
            self._write(fn)

    def _write(self, file: IO[str]) -> None:
        facts = {
            "loader": "_load_stat",
            "format": "IdFormat" if self.is_list else "SetFormat",
            "timemade": repr(getattr(self, "timemade", time.time())),
            "count": self.count,
            "size": self.size,
            "kindname": self.kindname,
            "kindheader": self.header,
            "numrows": self.numrows,
        }
        file.writelines(f".{name}: {value}\n" for name, value in facts.items())
        self.prepare(0, self.numrows)
        for index, (count, size) in enumerate(self.amounts):
            amount = size if self.is_list else f"{count} {size}"
            file.write(f".r: {amount} {_escaped(self.row_name(index))}\n")
        file.write(".end: .loader: _load_stat\n")


def _escaped(name: str) -> str:
    """A name in one line, as guppy breaks it: further lines begin with a sign of their own."""
    return name.replace("\n", "\n.n: ")


class Stat(Table):
    """A table without objects: counts and sizes by name."""

    def __init__(
        self, rows: list[tuple[int, int, str]], header: str, made: float, *, kindname: str = "", is_list: bool = False
    ) -> None:
        super().__init__(sum(row[0] for row in rows), sum(row[1] for row in rows), header, [row[:2] for row in rows])
        self.names = [row[2] for row in rows]
        self.timemade = made
        self.kindname = kindname
        self.is_list = is_list

    def row_name(self, index: int) -> str:
        """What a row is called."""
        return self.names[index]

    def __len__(self) -> int:
        return self.numrows

    def rows(self) -> list[tuple[int, int, str]]:
        """(count, size, name) of each row."""
        return [(*amount, name) for amount, name in zip(self.amounts, self.names, strict=True)]

    def __getitem__(self, index: int | slice) -> Stat:
        found = self.rows()[index]
        kept = [found] if isinstance(found, tuple) else found
        return Stat(kept, self.header, self.timemade, kindname=self.kindname, is_list=self.is_list)

    @property
    def bysize(self) -> Stat:
        """Largest rows first."""
        return Stat(sorted(self.rows(), key=lambda row: -row[1]), self.header, self.timemade)

    def __sub__(self, other: Any) -> Difference:
        return Difference(self, statistic(other))

    def diff(self, other: Any) -> Difference:
        """What there is more of than in another."""
        return Difference(self, statistic(other))


class Difference(Stat):
    """What there is more of in one statistic than in another, by name; most first, less counts as much."""

    def __init__(self, one: Stat, other: Stat, only: list[tuple[int, int, str]] | None = None) -> None:
        self.one = one
        self.other = other
        super().__init__(only if only is not None else self._changes(), one.header, one.timemade)

    def _changes(self) -> list[tuple[int, int, str]]:
        before = {name: (count, size) for count, size, name in self.other.rows()}
        changes = []
        for count, size, name in self.one.rows():
            old_count, old_size = before.pop(name, (0, 0))
            changes.append((count - old_count, size - old_size, name))
        changes += [(-count, -size, name) for name, (count, size) in before.items()]
        changed = [row for row in changes if row[0] or row[1]]
        return sorted(changed, key=lambda row: (-abs(row[1]), row[2]))

    def __getitem__(self, index: int | slice) -> Difference:
        found = self.rows()[index]
        return Difference(self.one, self.other, [found] if isinstance(found, tuple) else found)

    def heading(self) -> str:
        """The sums of both, and of the difference."""
        gain = share(self.size, self.other.size) if self.other.size else 0.0
        return (
            "Summary of difference operation (A-B).\n"
            "        Count     Size\n"
            f"  A   {self.one.count:7} {self.one.size:8}\n"
            f"  B   {self.other.count:7} {self.other.size:8}\n"
            f"  A-B {self.count:7} {self.size:8}  = {gain:9.3g} % of B"
        )

    def columns(self) -> str:
        """The line over the rows."""
        return f" Index  Count     Size  Cumulative  % of B {self.header}"

    def _line(self, index: int, count: int, size: int, up_to: int) -> str:
        gain = share(up_to, self.other.size)
        return f"{index:6} {count:6} {size:8} {up_to:9} {gain:9.3g} {self.row_name(index)}"

    def __str__(self) -> str:
        if not self.numrows:
            return self.heading()
        title = "\n\nDifferences by kind, largest absolute size diffs first.\n"
        return f"{self.heading()}{title}{self.text(0, ROWS_SHOWN)}"

    __repr__ = __str__


def statistic(of: Any) -> Stat:
    """The statistic of a set, or this one."""
    found: Stat = of if isinstance(of, Stat) else of.stat
    return found


def _finished(facts: dict[str, str], rows: list[str]) -> Stat:
    is_list = facts.get("format") == "IdFormat"
    made: list[tuple[int, int, str]] = []
    for row in rows:
        first, _, rest = row.partition(" ")
        second, _, name = (first, "", rest) if is_list else rest.partition(" ")
        made.append((1 if is_list else int(first), int(second), name))
    stat = Stat(
        made,
        facts.get("kindheader", ""),
        float(facts.get("timemade", "0") or 0),
        kindname=facts.get("kindname", ""),
        is_list=is_list,
    )
    if "count" in facts and "size" in facts and facts["count"].isdigit():
        stat.count, stat.size = int(facts["count"]), int(facts["size"])
    return stat


def read_all(file: IO[str]) -> list[Stat]:
    """Every statistic in a file. ValueError for a line that is none of such a file's."""
    found: list[Stat] = []
    facts: dict[str, str] = {}
    rows: list[str] = []
    for line in file:
        word, colon, value = line.rstrip("\n").partition(": ")
        if word == ".end" or (word == ".end:" and not colon):
            found.append(_finished(facts, rows))
            facts, rows = {}, []
        elif word == ".r":
            rows.append(value)
        elif word in (".n", ".n:") and rows:
            rows[-1] += "\n" + value
        elif word.startswith("."):
            facts[word.strip(".:")] = value
        elif line.strip():
            raise ValueError(f"not a line of a file that dump() wrote: {line.strip()!r}")
    if facts:
        raise ValueError("the file ends within a table")
    return found
