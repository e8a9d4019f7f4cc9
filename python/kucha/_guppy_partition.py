"""Partitions of a set, for kucha.guppy: the rows of one relation, and the list of single objects."""

from __future__ import annotations

import time

from kucha import _guppy_brief as brief
from kucha import _guppy_relations as relations
from kucha._guppy_tables import Stat, Table
from kucha._guppy_view import View, type_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from typing import Any

    from kucha._guppy_sets import IdentitySet

# As many objects of a set stand in its brief form, and as many characters.
_BRIEF_OBJECTS = 20
_BRIEF_TEXT = 78


def live_amount(objects: Iterable[object]) -> int:
    """Bytes of real objects."""
    return sum(map(relations.size_of, objects))


def _needs_view(er: Any, objects: Iterable[Any]) -> bool:
    """Whether a relation can put together real objects only with a view."""
    if er == relations.CLODO:
        return any(type(obj) is dict for obj in objects)
    return bool(er.asks_heap)


def live_rows(er: Any, objects: dict[int, Any], view: Any) -> list[tuple[Any, int, int, list[Any]]]:
    """The rows of real objects; `view` gives a view where one is needed."""
    groups: dict[Any, list[Any]] = {}
    if _needs_view(er, objects.values()):
        seen = view()
        bits = seen.of_objects(objects.values())
        for argument, _, _, tokens in er.rows(seen, bits):
            found = (objects.get(seen.address(number)) for number in seen.numbers(er.select(seen, bits, tokens)))
            groups.setdefault(argument, []).extend(obj for obj in found if obj is not None)
    else:
        for obj in objects.values():
            groups.setdefault(er.of_object(obj), []).append(obj)
    return [(argument, len(members), live_amount(members), members) for argument, members in groups.items()]


class Partition(Table):
    """The rows of a set, largest first."""

    rows: Any  # a list, or what makes rows when they are asked for

    def __init__(self, of: IdentitySet) -> None:
        self.of = of
        self.er = of.er
        self.rows = sorted(self._found(), key=lambda row: (-row[2], self.er.text(row[0])))
        amounts = [(row[1], row[2]) for row in self.rows]
        super().__init__(sum(row[0] for row in amounts), sum(row[1] for row in amounts), self.er.header, amounts)

    def _found(self) -> list[Any]:
        if self.of._objects is not None:
            return list(live_rows(self.er, self.of._objects, self.of.hp.view))
        view, bits = self.of.seen()
        return self.er.rows(view, bits) if any(bits) else []

    def row_name(self, index: int) -> str:
        """What a row is called."""
        argument = self.rows[index][0]
        if self.er.name == "Idset":
            return f"<1 {_words_at(self.of, argument)}>"
        return self.er.text(argument)

    def arguments(self) -> list[Any]:
        """What the rows stand for."""
        return [row[0] for row in self.rows]

    def live(self, row: Any) -> list[Any]:
        """The real objects of a row."""
        members: list[Any] = row[3]
        return members

    def chosen(self, index: int | slice | Iterable[int]) -> list[Any]:
        """Rows by index, slice or indices."""
        if isinstance(index, int):
            return [self.rows[index]]
        return self.rows[index] if isinstance(index, slice) else [self.rows[one] for one in index]

    def get_rows(self, indices: Iterable[int] | None = None) -> Iterator[Row]:
        """The rows, each with its index, its set and its kind."""
        for index in range(self.numrows) if indices is None else indices:
            yield Row(self.of, index, self.rows[index])

    def __iter__(self) -> Iterator[IdentitySet]:
        return iter(self.of)

    @property
    def stat(self) -> Stat:
        """The same without the objects."""
        self.prepare(0, self.numrows)
        rows = [(*amount, self.row_name(index)) for index, amount in enumerate(self.amounts)]
        return Stat(rows, self.header, time.time(), kindname=self.kindname, is_list=self.is_list)


class Row:
    """One row of a partition."""

    __slots__ = ("count", "index", "of", "row", "size")

    def __init__(self, of: IdentitySet, index: int, row: Any) -> None:
        self.of = of
        self.index = index
        self.row = row
        self.count, self.size = row[1], row[2]

    @property
    def set(self) -> IdentitySet:
        """Its objects."""
        return self.of.rows_of([self.row])

    @property
    def kind(self) -> Any:
        """What they have in common."""
        return self.of.hp.atom(self.of.er, self.row[0])

    @property
    def name(self) -> str:
        """What it is called."""
        return self.of.er.text(self.row[0])


class _Sizes:
    """The sizes of nodes in order, looked up one at a time: a heap has millions."""

    __slots__ = ("numbers", "view")

    def __init__(self, view: View, numbers: Sequence[int]) -> None:
        self.view = view
        self.numbers = numbers

    def __len__(self) -> int:
        return len(self.numbers)

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return [(1, self.view.what.size(number)) for number in self.numbers[index]]
        return (1, self.view.what.size(self.numbers[index]))

    def __iter__(self) -> Iterator[tuple[int, int]]:
        return ((1, self.view.what.size(number)) for number in self.numbers)


class Listing(Partition):
    """Single objects, largest first."""

    is_list = True

    def __init__(self, of: IdentitySet) -> None:
        self.of = of
        self.er = of.er
        self.names: dict[int, str] = {}
        amounts = self._live_amounts() if of._objects is not None else self._view_amounts()
        kinds = sorted(row[0] for row in self._kinds())
        self.kindname = f"<{kinds[0]}>" if len(kinds) == 1 else "<mixed>"
        Table.__init__(self, of.count, of.size, self._header(kinds), amounts)

    def _live_amounts(self) -> list[tuple[int, int]]:
        rows = live_rows(self.er, self.of._objects or {}, self.of.hp.view)
        self.rows = sorted(rows, key=lambda row: (-row[2], *_order(row[3][0])))
        return [(row[1], row[2]) for row in self.rows]

    def _view_amounts(self) -> Any:
        view, bits = self.of.seen()
        numbers = memoryview(view.what.ordered(bits)).cast("I")
        self.rows = _Rows(view, numbers)
        return _Sizes(view, numbers)

    def _kinds(self) -> list[tuple[str, int]]:
        rows = self.of.by(relations.CLODO).partition.rows
        return [(relations.CLODO.text(row[0]), row[1]) for row in rows]

    def _header(self, kinds: list[str]) -> str:
        if len(kinds) != 1:
            return "Brief"
        first = self.rows[0][3]
        found = [first[0]] if self.of._objects is not None else self.of.seen()[0].objects([first]).values()
        return brief.header_of(next(iter(found), None))

    def prepare(self, start: int, end: int) -> None:
        """Finds the objects of these rows, to tell them by value or name."""
        wanted = [index for index in range(start, end) if index not in self.names]
        if self.of._objects is not None:
            held = {index: self.rows[index][3][0] for index in wanted}
            self.names |= {index: self._name(obj) for index, obj in held.items()}
            return
        view, _ = self.of.seen()
        found = view.objects([self.rows[index][3] for index in wanted])
        for index in wanted:
            number = self.rows[index][3]
            self.names[index] = self._name(found[number]) if number in found else self._address(view, number)

    def _name(self, obj: object) -> str:
        return brief.words(obj) if self.kindname != "<mixed>" else _words_of(self.of, obj)

    def _address(self, view: View, number: int) -> str:
        node = view.analysis.node(number)
        words = node[8] or hex(node[0])
        return words if self.kindname != "<mixed>" else f"{view.type_of(number)}: {words}"

    def row_name(self, index: int) -> str:
        """The object in few words."""
        return self.names[index].replace("\n", " ")

    def arguments(self) -> list[Any]:
        """Their ids."""
        return [row[0] for row in self.rows]


class _Rows:
    """The rows of a listing of a view, made when they are asked for."""

    __slots__ = ("numbers", "view")

    def __init__(self, view: View, numbers: Sequence[int]) -> None:
        self.view = view
        self.numbers = numbers

    def _row(self, number: int) -> tuple[int, int, int, int]:
        return (self.view.address(number), 1, self.view.what.size(number), number)

    def __len__(self) -> int:
        return len(self.numbers)

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return [self._row(number) for number in self.numbers[index]]
        return self._row(self.numbers[index])

    def __iter__(self) -> Iterator[tuple[int, int, int, int]]:
        return map(self._row, self.numbers)


def _order(obj: object) -> tuple[str, float, str]:
    """Objects of one size by type, then by value or name."""
    number = float(obj) if isinstance(obj, (int, float)) and abs(obj) < 1e300 else 0.0
    return str(type_name(type(obj))), number, brief.words(obj)


def _kind_name(of: IdentitySet, obj: object) -> str:
    if type(obj) is not dict:
        return str(type_name(type(obj)))
    view, _ = of.seen()
    number = view.analysis.node_at(id(obj))
    owner = view.what.owner(number) if number is not None else None
    return "dict (no owner)" if owner is None else f"dict of {view.type_of(owner)}"


def _words_of(of: IdentitySet, obj: object) -> str:
    """An object with its kind."""
    name = _kind_name(of, obj)
    if name == "dict of module" and isinstance(obj, dict) and "__name__" in obj:
        return f"{name}: {obj['__name__']}"
    words = hex(id(obj)) if name.startswith("dict of ") else brief.words(obj)
    return f"{name}: {words}"


def _words_at(of: IdentitySet, address: int) -> str:
    view, bits = of.seen()
    number = view.analysis.node_at(address)
    held = view.objects([number]) if number is not None and any(bits) else {}
    return next((_words_of(of, obj) for obj in held.values()), hex(address))


def _some(of: IdentitySet, row: Any) -> str:
    """The kind of a row, and the first of its objects."""
    if of._objects is not None:
        some = sorted(of.partition.live(row)[:_BRIEF_OBJECTS], key=_order)
        words = ", ".join(
            _words_of(of, obj).partition(": ")[2] if of.er == relations.CLODO else brief.words(obj) for obj in some
        )
    else:
        view, bits = of.seen()
        numbers = view.numbers(of.er.select(view, bits, row[3]), _BRIEF_OBJECTS)
        found = view.objects(numbers)
        words = ", ".join(
            _words_of(of, found[number]).partition(": ")[2] if number in found else hex(view.address(number))
            for number in numbers
        )
    return f"{row[1]} {of.er.text(row[0])}: {words}"


def briefly(of: IdentitySet) -> str:
    """A set in one line: how many of which kind, and some of them."""
    rows = sorted(of.partition.rows, key=lambda row: of.er.text(row[0]))
    if not rows:
        return "<Nothing>"
    if len(rows) == 1:
        text = _some(of, rows[0])
    else:
        parts = " | ".join(f"<{_some(of, row)}>" for row in rows)
        text = f"{of.count} ({' | '.join(of.er.text(row[0]) for row in rows)}): {parts}"
    return f"<{text if len(text) <= _BRIEF_TEXT - 2 else text[: _BRIEF_TEXT - 5] + '...'}>"
