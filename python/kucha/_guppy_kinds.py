"""Kinds, for kucha.guppy: what objects have in common, as sets that nobody lists: all ints, all but texts, everything.

A kind is an expression of *atoms* (of one type, of one size ...), joined by and, or and not, and beside it objects that
are in it, or not, for no other reason than who they are. Atoms of one relation exclude each other. So whether a kind is
part of another is decided by looking at every combination of the atoms that both name, or none of them, of each
relation; and at each object that either names. Relations are taken to be independent of each other.
"""

from __future__ import annotations

from itertools import product

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

    from kucha._guppy_relations import Relation

# More combinations of atoms than this are not looked at: an expression of that many relations was made by no person.
_MOST_REGIONS = 1 << 16

Atom = tuple["Relation", "Any"]
Region = dict["Relation", "Any"]


class Formula:
    """An expression of atoms."""

    __slots__ = ("atom", "operation", "parts")

    def __init__(self, operation: str, parts: tuple[Formula, ...] = (), atom: Atom | None = None) -> None:
        self.operation = operation  # all, none, atom, not, and, or
        self.parts = parts
        self.atom = atom

    def atoms(self) -> set[Atom]:
        """All that it names."""
        named = {self.atom} if self.atom else set()
        return named.union(*(part.atoms() for part in self.parts))

    def holds(self, of: Callable[[Atom], bool]) -> bool:
        """Whether it is true where the atoms are as told."""
        if self.operation == "atom":
            assert self.atom is not None
            return of(self.atom)
        if self.operation in ("all", "none"):
            return self.operation == "all"
        if self.operation == "not":
            return not self.parts[0].holds(of)
        return (all if self.operation == "and" else any)(part.holds(of) for part in self.parts)

    def text(self, show: Callable[[Atom], str]) -> str:
        """As people read it."""
        if self.operation == "atom":
            assert self.atom is not None
            return show(self.atom)
        if self.operation == "not":
            return f"~{self.parts[0].text(show)}"
        sign = {"and": " & ", "or": " | "}.get(self.operation)
        if sign is None:
            return "<Anything>" if self.operation == "all" else "<Nothing>"
        return f"({sign.join(sorted(part.text(show) for part in self.parts))})"


ALL = Formula("all")
NONE = Formula("none")


def _regions(atoms: Iterable[Atom]) -> Iterable[Region]:
    """Every combination of one atom, or none of those named, of each relation."""
    named: dict[Relation, list[Any]] = {}
    for relation, argument in atoms:
        named.setdefault(relation, []).append(argument)
    choices = [[*arguments, _Other()] for arguments in named.values()]
    size = 1
    for choice in choices:
        size *= len(choice)
    if size > _MOST_REGIONS:
        raise ValueError("these kinds are of too many parts to be compared")
    return (dict(zip(named, picked, strict=True)) for picked in product(*choices))


class _Other:
    """What an object has that has none of the atoms that were named."""


def is_part(left: Formula, right: Formula) -> bool:
    """Whether whatever answers to the left one answers to the right one."""
    for region in _regions(left.atoms() | right.atoms()):

        def of(atom: Atom, region: Region = region) -> bool:
            return bool(region[atom[0]] == atom[1])

        if left.holds(of) and not right.holds(of):
            return False
    return True


def negated(one: Formula) -> Formula:
    """All that does not answer to it."""
    if one.operation in ("all", "none"):
        return NONE if one is ALL else ALL
    return one.parts[0] if one.operation == "not" else Formula("not", (one,))


def both(left: Formula, right: Formula) -> Formula:
    """What answers to both, in few words."""
    if is_part(left, right):
        return left
    if is_part(right, left):
        return right
    if is_part(left, negated(right)):
        return NONE
    return Formula("and", _flat("and", left, right))


def either(left: Formula, right: Formula) -> Formula:
    """What answers to one of them."""
    if is_part(left, right):
        return right
    if is_part(right, left):
        return left
    if is_part(negated(left), right):
        return ALL
    return Formula("or", _flat("or", left, right))


def _flat(operation: str, *parts: Formula) -> tuple[Formula, ...]:
    return tuple(inner for part in parts for inner in (part.parts if part.operation == operation else (part,)))
