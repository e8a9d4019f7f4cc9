"""Equivalence relations, for kucha.guppy: by what objects are put together, and what the rows are called.

Each relation puts together objects of a view (in C where the heap knows what it asks for), and real objects. Those
that ask who holds an object take a view for real objects too. A row is told by an *argument*: a type, a size, a set of
kinds.
"""

from __future__ import annotations

import sys
from types import ModuleType

from kucha._guppy_view import NOWHERE, OWNED, TypeName, View, type_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# A row: its argument, how many objects and bytes are in it, and what finds the objects.
Row = tuple["Any", int, int, "Any"]


class Owned:
    """The argument of namespaces: whose they are; of other dicts, nobody's."""

    __slots__ = ("by",)

    def __init__(self, by: Any) -> None:
        self.by = by

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Owned) and other.by == self.by

    def __hash__(self) -> int:
        return hash((Owned, self.by))

    def __str__(self) -> str:
        return "dict (no owner)" if self.by is None else f"dict of {self.by}"


class Relation:
    """What all relations share."""

    name = ""
    header = ""
    key = ""  # of kucha._core.Objects.partition()
    asks_heap = False  # whether real objects need a view

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and self.name == getattr(other, "name", None)

    def __hash__(self) -> int:
        return hash(self.name)

    def argument(self, view: View, tokens: tuple[int, ...]) -> Any:
        """What the tokens of a row stand for."""
        raise NotImplementedError

    def of_object(self, obj: object) -> Any:
        """The argument of a real object; only where `asks_heap` is false."""
        raise NotImplementedError

    def text(self, argument: Any) -> str:
        """What a row is called."""
        return str(argument)

    def code(self, argument: Any, prefix: str) -> str:  # noqa: ARG002
        """The argument as Python text; `prefix` leads to the relations."""
        return repr(argument)

    def said(self, argument: Any) -> str:
        """What the kind of a row is called, when it stands alone."""
        return self.text(argument)

    def rows(self, view: View, bits: bytes) -> list[Row]:
        """The rows of a set of a view."""
        found = view.what.partition(bits, self.key)
        return [(self.argument(view, tokens), count, size, tokens) for tokens, count, size, _ in found]

    def select(self, view: View, bits: bytes, tokens: Any) -> bytes:
        """The members of a row, told by what rows() gave in the last place."""
        return view.what.selected(bits, self.key, tokens)

    def matching(self, view: View, bits: bytes, argument: Any) -> bytes:
        """The members of a set that have this argument."""
        for own, _, _, tokens in self.rows(view, bits):
            if own == argument:
                return self.select(view, bits, tokens)
        return view.none()


class Unity(Relation):
    """All objects are one row."""

    name, header = "Unity", "<unclassified>"

    def of_object(self, obj: object) -> None:  # noqa: ARG002
        return None

    def text(self, argument: Any) -> str:  # noqa: ARG002
        return "<Anything>"

    def rows(self, view: View, bits: bytes) -> list[Row]:
        return [(None, *view.what.amount(bits), None)]

    def select(self, view: View, bits: bytes, tokens: Any) -> bytes:  # noqa: ARG002
        return bits


class Type(Relation):
    """By type."""

    name, header, key = "Type", "Type", "type"

    def of_object(self, obj: object) -> TypeName:
        return type_name(type(obj))

    def argument(self, view: View, tokens: tuple[int, ...]) -> TypeName:
        return view.types[tokens[0]]

    def code(self, argument: Any, prefix: str) -> str:  # noqa: ARG002
        return f"'<type {argument.name} at {hex(argument.address)}>'"


class Clodo(Relation):
    """By type, but namespaces by the type of who has them."""

    name, header, key = "Clodo", "Kind (class / dict of class)", "kind"
    asks_heap = True  # for dicts

    def of_object(self, obj: object) -> TypeName:
        return type_name(type(obj))

    def argument(self, view: View, tokens: tuple[int, ...]) -> Any:
        if tokens[0] < OWNED:
            return view.types[tokens[0]]
        owner = tokens[0] - OWNED
        return Owned(None if owner == len(view.types) else view.types[owner])

    def code(self, argument: Any, prefix: str) -> str:
        if not isinstance(argument, Owned):
            return TYPE.code(argument, prefix)
        return "dictof=()" if argument.by is None else f"dictof={TYPE.code(argument.by, prefix)}"


class Size(Relation):
    """By bytes."""

    name, header, key = "Size", "Individual Size", "size"

    def of_object(self, obj: object) -> int:
        return size_of(obj)

    def argument(self, view: View, tokens: tuple[int, ...]) -> int:  # noqa: ARG002
        return tokens[0]

    def text(self, argument: Any) -> str:
        return f"{argument:9}"

    def said(self, argument: Any) -> str:
        return f"<size = {argument}>"


class Rcs(Relation):
    """By the kinds of all who refer to an object."""

    name, header, key = "Rcs", "Referrers by Kind (class / dict of class)", "holders"
    asks_heap = True

    def argument(self, view: View, tokens: tuple[int, ...]) -> frozenset[Any]:
        return frozenset(CLODO.argument(view, (token,)) for token in tokens)

    def text(self, argument: Any) -> str:
        return ", ".join(sorted(map(str, argument))) or "<Nothing>"

    def said(self, argument: Any) -> str:
        return f"<referred by: {self.text(argument)}>" if argument else "<referred by nothing>"

    def code(self, argument: Any, prefix: str) -> str:
        return ", ".join(f"{prefix}Clodo({CLODO.code(one, prefix)})" for one in sorted(argument, key=str))


class Via(Relation):
    """By the references that lead to an object."""

    name, header, key = "Via", "Referred Via:", "names"
    asks_heap = True

    def argument(self, view: View, tokens: tuple[int, ...]) -> frozenset[str]:
        return frozenset(via_text(*view.what.name(token)) for token in tokens)

    def text(self, argument: Any) -> str:
        return ", ".join(sorted(repr(one) for one in argument)) or "''"

    def said(self, argument: Any) -> str:
        return f"<via {self.text(argument)}>"

    def code(self, argument: Any, prefix: str) -> str:  # noqa: ARG002
        return ", ".join(repr(one) for one in sorted(argument))


class Prod(Relation):
    """By the line that made an object, where the program was traced."""

    name, header, key = "Prod", "Producer (line of allocation)", "line"
    asks_heap = True

    def argument(self, view: View, tokens: tuple[int, ...]) -> tuple[str | None, int] | None:
        return None if tokens[0] == NOWHERE else view.what.line(tokens[0])

    def text(self, argument: Any) -> str:
        return "<unknown>" if argument is None else f"{argument[0]}:{argument[1]}"

    def code(self, argument: Any, prefix: str) -> str:  # noqa: ARG002
        return "" if argument is None else f"{argument[0]!r}, {argument[1]}"


class Id(Relation):
    """Each object is a row of its own."""

    name, header = "Id", "by identity"

    def of_object(self, obj: object) -> int:
        return id(obj)

    def text(self, argument: Any) -> str:
        return f"<id {hex(argument)}>"

    def rows(self, view: View, bits: bytes) -> list[Row]:
        numbers = memoryview(view.what.ordered(bits)).cast("I")
        return [(view.address(number), 1, view.what.size(number), number) for number in numbers]

    def select(self, view: View, bits: bytes, tokens: Any) -> bytes:  # noqa: ARG002
        return view.set_of([tokens])

    def matching(self, view: View, bits: bytes, argument: Any) -> bytes:
        number = view.analysis.node_at(argument)
        there = number is not None and bool(bits[number >> 3] >> (number & 7) & 1)
        return view.set_of([number]) if there and number is not None else view.none()


class Idset(Id):
    """As Id, with the object in place of its id."""

    name, header = "Idset", "by identity set"

    def text(self, argument: Any) -> str:
        return hex(argument)


class Module(Relation):
    """Modules, each by its name; all else is one row."""

    name, header = "Module", "Module"

    def of_object(self, obj: object) -> str | None:
        name = vars(obj).get("__name__") if isinstance(obj, ModuleType) else None
        return name if isinstance(name, str) else None

    def text(self, argument: Any) -> str:
        return "~module" if argument is None else str(argument)

    def rows(self, view: View, bits: bytes) -> list[Row]:
        modules = TYPE.matching(view, bits, type_name(ModuleType))
        found: list[Row] = [
            (view.analysis.node(number)[8], 1, view.what.size(number), view.set_of([number]))
            for number in view.numbers(modules)
        ]
        rest = minus(bits, modules)
        count, size = view.what.amount(rest)
        return [*found, (None, count, size, rest)] if count else found

    def select(self, view: View, bits: bytes, tokens: Any) -> bytes:  # noqa: ARG002
        own: bytes = tokens
        return own


class Made(Relation):
    """A relation made of others: both of two, of who refers to an object, of whose namespace it is."""

    asks_heap = True

    def select(self, view: View, bits: bytes, tokens: Any) -> bytes:  # noqa: ARG002
        own: bytes = tokens
        return own

    def row(self, view: View, argument: Any, bits: bytes) -> Row:
        """A row of these members."""
        return (argument, *view.what.amount(bits), bits)


class Both(Made):
    """Together by each of several relations."""

    def __init__(self, *parts: Relation) -> None:
        self.parts = parts
        self.name = " & ".join(part.name for part in parts)
        self.header = " & ".join(part.header for part in parts)
        self.asks_heap = any(part.asks_heap for part in parts)

    def of_object(self, obj: object) -> tuple[Any, ...]:
        return tuple(part.of_object(obj) for part in self.parts)

    def text(self, argument: Any) -> str:
        return " & ".join(part.text(one).strip() for part, one in zip(self.parts, argument, strict=True))

    def rows(self, view: View, bits: bytes) -> list[Row]:
        sets: list[tuple[tuple[Any, ...], bytes]] = [((), bits)]
        for part in self.parts:
            sets = [
                ((*before, argument), part.select(view, members, tokens))
                for before, members in sets
                for argument, _, _, tokens in part.rows(view, members)
            ]
        return [self.row(view, argument, members) for argument, members in sets]


class Refdby(Made):
    """Together by the rows of another relation that those are in who refer to an object."""

    def __init__(self, of: Relation) -> None:
        self.of = of
        self.name = f"{of.name}.refdby"
        self.header = f"Referred to by {of.header}"

    def text(self, argument: Any) -> str:
        return ", ".join(sorted(self.of.text(one) for one in argument)) or "<Nothing>"

    def rows(self, view: View, bits: bytes) -> list[Row]:
        sets: dict[frozenset[Any], bytes] = {frozenset(): bits}
        for argument, _, _, tokens in self.of.rows(view, view.what.related(bits, "holders")):
            one = self.of.select(view, view.what.related(bits, "holders"), tokens)
            held = view.what.related(one, "held")
            divided: dict[frozenset[Any], bytes] = {}
            for before, members in sets.items():
                divided[before | {argument}] = common(members, held)
                divided[before] = minus(members, held)
            sets = {names: members for names, members in divided.items() if any(members)}
        return [self.row(view, names, members) for names, members in sets.items() if any(members)]


class Dictof(Made):
    """Namespaces together by the row that who has them is in."""

    def __init__(self, of: Relation) -> None:
        self.of = of
        self.name = f"{of.name}.dictof"
        self.header = f"Dict of {of.header}"

    def text(self, argument: Any) -> str:
        return "<Nothing>" if argument is None else f"dict of {self.of.text(argument[0])}"

    def rows(self, view: View, bits: bytes) -> list[Row]:
        owners = view.what.related(bits, "owners")
        rows, rest = [], bits
        for argument, _, _, tokens in self.of.rows(view, owners):
            spaces = common(bits, view.what.related(self.of.select(view, owners, tokens), "spaces"))
            rest = minus(rest, spaces)
            rows.append(self.row(view, (argument,), spaces))
        return [*rows, self.row(view, None, rest)] if any(rest) else rows


# ---- sets of a view as numbers ----


def _combined(left: bytes, right: bytes, operation: str) -> bytes:
    one, other = int.from_bytes(left, "little"), int.from_bytes(right, "little")
    made = {"&": one & other, "|": one | other, "-": one & ~other, "^": one ^ other}[operation]
    return made.to_bytes(len(left), "little")


def common(left: bytes, right: bytes) -> bytes:
    """The intersection."""
    return _combined(left, right, "&")


def minus(left: bytes, right: bytes) -> bytes:
    """The difference."""
    return _combined(left, right, "-")


def union(left: bytes, right: bytes) -> bytes:
    """The union."""
    return _combined(left, right, "|")


def size_of(obj: object) -> int:
    """Bytes of a real object, as it says itself; where it fails to, as its type says."""
    try:
        return sys.getsizeof(obj)
    except Exception:  # a __sizeof__ of the program's may raise anything
        return object.__sizeof__(obj)


def via_text(kind: str, text: str | None, number: int) -> str:
    """A reference as it would be written behind the object that has it."""
    what = text if text is not None else str(number)
    forms = {
        "attribute": f".{what}",
        "slot": f".{what}" if what.isidentifier() else f"->{what}",
        "item": f"[{what}]",
        "key": f".keys()[{what}]",
        "value": f"[{text!r}]" if text is not None else f".values()[{what}]",
        "local": f".f_locals[{text!r}]",
        "cell": ".cell_contents",
        "stack": f"->f_valuestack[{what}]",
        "type": "->ob_type",
    }
    return forms.get(kind, f"->{kind}[{what}]")


TYPE = Type()
CLODO = Clodo()
UNITY, SIZE, RCS, VIA, PROD, ID, IDSET, MODULE = Unity(), Size(), Rcs(), Via(), Prod(), Id(), Idset(), Module()
ALL = {one.name: one for one in (CLODO, TYPE, UNITY, SIZE, RCS, VIA, PROD, ID, IDSET, MODULE)}
