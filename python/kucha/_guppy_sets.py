"""Sets of objects, for kucha.guppy: those that a view has, those that are held for real, and kinds that nobody lists.

A set of a *view* holds no object: it is a bit for each node, so that heap() keeps nothing alive and costs next to no
memory. A set made of real objects (``iso``, ``idset``) holds them, and takes a view when it is asked what only the heap
knows. Sets of two views meet in the later one (for a difference: in the left one's) by address and type: what has died
in between is in neither.
"""

from __future__ import annotations

from kucha import _guppy_kinds as kinds
from kucha import _guppy_relations as relations
from kucha._guppy_kinds import Formula
from kucha._guppy_partition import Listing, Partition, briefly, live_amount
from kucha._guppy_tables import Stat
from kucha._guppy_view import TypeName, View

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import IO, Any

    from kucha._guppy_relations import Relation
    from kucha.guppy import Heapy

# A set of more kinds than this is not written out as one.
_KINDS_NAMED = 1000


class UniSet:
    """What finite sets and kinds have in common: the algebra."""

    __slots__ = ("hp",)
    hp: Heapy

    def _and(self, other: UniSet) -> UniSet:
        raise NotImplementedError

    def _or(self, other: UniSet) -> UniSet:
        raise NotImplementedError

    def _minus(self, other: UniSet) -> UniSet:
        raise NotImplementedError

    def _part_of(self, other: UniSet) -> bool:
        raise NotImplementedError

    def __and__(self, other: object) -> UniSet:
        given = self.hp.adapt(other)
        return NotImplemented if given is None else self._and(given)

    def __or__(self, other: object) -> UniSet:
        given = self.hp.adapt(other)
        return NotImplemented if given is None else self._or(given)

    def __sub__(self, other: object) -> UniSet:
        given = self.hp.adapt(other)
        return NotImplemented if given is None else self._minus(given)

    def __xor__(self, other: object) -> UniSet:
        given = self.hp.adapt(other)
        return NotImplemented if given is None else self._minus(given)._or(given._minus(self))

    __rand__ = __and__
    __ror__ = __or__
    __rxor__ = __xor__

    def __rsub__(self, other: object) -> UniSet:
        given = self.hp.adapt(other)
        return NotImplemented if given is None else given._minus(self)

    def __invert__(self) -> UniSet:
        return self.hp.Anything._minus(self)

    def __le__(self, other: object) -> bool:
        given = self.hp.adapt(other)
        return NotImplemented if given is None else self._part_of(given)

    def __ge__(self, other: object) -> bool:
        given = self.hp.adapt(other)
        return NotImplemented if given is None else given._part_of(self)

    def __lt__(self, other: object) -> bool:
        given = self.hp.adapt(other)
        return NotImplemented if given is None else self._part_of(given) and not given._part_of(self)

    def __gt__(self, other: object) -> bool:
        given = self.hp.adapt(other)
        return NotImplemented if given is None else given._part_of(self) and not self._part_of(given)

    def __eq__(self, other: object) -> bool:
        given = self.hp.adapt(other)
        return False if given is None else self._part_of(given) and given._part_of(self)

    def __ne__(self, other: object) -> bool:
        return not self == other

    __hash__ = None  # type: ignore[assignment]

    def disjoint(self, other: object) -> bool:
        """Whether the two have no object in common."""
        return not self & other

    def __bool__(self) -> bool:
        raise NotImplementedError

    @property
    def fam(self) -> type:
        """What sort of set it is."""
        return type(self)

    @property
    def doc(self) -> Any:
        """What can be asked."""
        from kucha._guppy_help import Help

        return Help(type(self), self)


class Kind(UniSet):
    """All objects that have something in common, and beside it some that are in it, or not, by themselves."""

    __slots__ = ("formula", "minus", "plus")

    def __init__(self, hp: Heapy, formula: Formula, plus: Iterable[Any] = (), minus: Iterable[Any] = ()) -> None:
        self.hp = hp
        self.formula = formula
        self.plus = {id(obj): obj for obj in plus}
        self.minus = {id(obj): obj for obj in minus}

    def has(self, objects: dict[int, Any]) -> dict[int, Any]:
        """Those of these objects that are in it."""
        found = self.hp.answering(self.formula, objects)
        return {
            key: obj for key, obj in objects.items() if key in self.plus or (key in found and key not in self.minus)
        }

    def _named(self, other: UniSet) -> dict[int, Any]:
        named = {**self.plus, **self.minus}
        if isinstance(other, Kind):
            return {**named, **other.plus, **other.minus}
        assert isinstance(other, IdentitySet)
        return {**named, **other.held()}

    def _combined(self, formula: Formula, members: dict[int, Any], named: dict[int, Any]) -> UniSet:
        """A kind of this formula, but of those objects that are named just the members."""
        if formula.operation == "none":
            return self.hp.of_objects(members.values())
        inside = self.hp.answering(formula, named)
        return Kind(
            self.hp,
            formula,
            [obj for key, obj in members.items() if key not in inside],
            [obj for key, obj in inside.items() if key not in members],
        )

    def _and(self, other: UniSet) -> UniSet:
        if isinstance(other, IdentitySet):
            return other._and(self)
        assert isinstance(other, Kind)
        named = self._named(other)
        return self._combined(kinds.both(self.formula, other.formula), other.has(self.has(named)), named)

    def _or(self, other: UniSet) -> UniSet:
        named = self._named(other)
        if isinstance(other, IdentitySet):
            return self._combined(self.formula, {**self.has(named), **other.held()}, named)
        assert isinstance(other, Kind)
        members = {**self.has(named), **other.has(named)}
        return self._combined(kinds.either(self.formula, other.formula), members, named)

    def _minus(self, other: UniSet) -> UniSet:
        named = self._named(other)
        if isinstance(other, IdentitySet):
            gone, formula = other.held(), self.formula
        else:
            assert isinstance(other, Kind)
            gone, formula = other.has(named), kinds.both(self.formula, kinds.negated(other.formula))
        return self._combined(formula, {k: obj for k, obj in self.has(named).items() if k not in gone}, named)

    def _part_of(self, other: UniSet) -> bool:
        if isinstance(other, IdentitySet) or not isinstance(other, Kind):
            return False
        named = self._named(other)
        inside = other.has(named)
        return kinds.is_part(self.formula, other.formula) and all(key in inside for key in self.has(named))

    def __contains__(self, obj: object) -> bool:
        return bool(self.has({id(obj): obj}))

    def __bool__(self) -> bool:
        return True

    def __iter__(self) -> Iterator[Any]:
        raise TypeError("a kind is a set that cannot be listed; & it with a set of objects")

    def __len__(self) -> int:
        raise TypeError("a kind is a set that cannot be counted; & it with a set of objects")

    @property
    def kind(self) -> Kind:
        """Itself."""
        return self

    @property
    def brief(self) -> str:
        """In few words."""
        return str(self)

    @property
    def dictof(self) -> UniSet:
        """The kind of the namespaces of these objects."""
        arguments = self._arguments()
        if arguments and all(isinstance(one, TypeName) for _, one in arguments):
            return self.hp.either([self.hp.atom(relations.CLODO, relations.Owned(one)) for _, one in arguments])
        return self.hp.either(
            [self.hp.atom(relations.Dictof(relation), None if one is None else (one,)) for relation, one in arguments]
        )

    @property
    def refdby(self) -> UniSet:
        """The kind of what is referred to by objects of these kinds, and of no other."""
        arguments = self._arguments()
        of = {relation for relation, _ in arguments}
        if of <= {relations.TYPE, relations.CLODO}:
            return self.hp.atom(relations.RCS, frozenset(one for _, one in arguments))
        return self.hp.atom(relations.Refdby(of.pop()), frozenset(one for _, one in arguments))

    def _arguments(self) -> list[kinds.Atom]:
        return sorted(self.formula.atoms(), key=lambda atom: str(atom[1]))

    @property
    def arg(self) -> Any:
        """What it is the kind of: a type, a size; None for everything."""
        atoms = self._arguments()
        if self.formula.operation != "atom":
            return None
        argument = atoms[0][1]
        return self.hp.live_type(argument) if isinstance(argument, TypeName) else argument

    def __call__(self, *objects: object) -> UniSet:
        return self.hp.of_objects(objects)._and(self)

    def _text(self, base: str) -> str:
        text = base
        if self.plus:
            text = f"({text} | {self.hp.of_objects(self.plus.values()).brief})"
        return f"({text} - {self.hp.of_objects(self.minus.values()).brief})" if self.minus else text

    def __str__(self) -> str:
        return self._text(self.formula.text(lambda atom: atom[0].said(atom[1])))

    def __repr__(self) -> str:
        if self.formula is kinds.ALL:
            return self._text(f"{self.hp.reprefix}Anything")
        return self._text(self.formula.text(lambda atom: self.hp.code(*atom)))


class IdentitySet(UniSet):
    """A set of objects that can be listed: of a view, or of real objects. Prints as its partition by ``er``."""

    __slots__ = ("_bits", "_objects", "_partition", "_view", "er")

    def __init__(
        self, hp: Heapy, er: Relation, objects: dict[int, Any] | None, view: View | None = None, bits: bytes = b""
    ) -> None:
        self.hp = hp
        self.er = er
        self._objects = objects
        self._view = view
        self._bits = bits
        self._partition: Partition | None = None

    # ---- where the objects are ----

    def _own(self, bits: bytes) -> IdentitySet:
        assert self._view is not None
        return IdentitySet(self.hp, self.er, None, self._view, bits)

    def seen(self) -> tuple[View, bytes]:
        """A view that has the objects, and where in it they are."""
        if self._view is not None:
            return self._view, self._bits
        view = self.hp.view()
        return view, view.of_objects((self._objects or {}).values())

    def held(self) -> dict[int, Any]:
        """The objects for real, by id: those of a view as far as they live."""
        if self._objects is not None:
            return self._objects
        assert self._view is not None
        found = self._view.objects(self._view.numbers(self._bits))
        return {id(obj): obj for obj in found.values()}

    def _related(self, relation: str) -> IdentitySet:
        view, bits = self.seen()
        return IdentitySet(self.hp, relations.CLODO, None, view, view.what.related(bits, relation))

    # ---- the algebra ----

    def _to(self, other: IdentitySet) -> tuple[View, bytes]:
        """Where this set's objects are in the view of the other one."""
        view, _ = other.seen()
        if self._view is None:
            return view, view.of_objects((self._objects or {}).values())
        return view, self._bits if view is self._view else self._view.what.again(self._bits, view.what)

    def _and(self, other: UniSet) -> UniSet:
        if isinstance(other, Kind):
            return self._answering(other)
        assert isinstance(other, IdentitySet)
        if self._objects is not None:
            return IdentitySet(self.hp, self.er, other._among(self._objects))
        if other._objects is not None:
            return IdentitySet(self.hp, self.er, self._among(other._objects))
        view, bits = self._to(other)
        return IdentitySet(self.hp, self.er, None, view, relations.common(bits, other._bits))

    def _answering(self, kind: Kind) -> UniSet:
        if self._objects is not None:
            return IdentitySet(self.hp, self.er, kind.has(self._objects))
        view, bits = self.seen()
        found = self.hp.bits_answering(kind.formula, view, bits)
        found = relations.union(found, relations.common(bits, view.of_objects(kind.plus.values())))
        return self._own(relations.minus(found, view.of_objects(kind.minus.values())))

    def _among(self, objects: dict[int, Any]) -> dict[int, Any]:
        """Those of these objects that are in this set."""
        if self._objects is not None:
            return {key: obj for key, obj in objects.items() if key in self._objects}
        return {key: obj for key, obj in objects.items() if obj in self}

    def _or(self, other: UniSet) -> UniSet:
        if isinstance(other, Kind):
            return other._or(self)
        assert isinstance(other, IdentitySet)
        if self._objects is not None and other._objects is not None:
            return IdentitySet(self.hp, self.er, {**self._objects, **other._objects})
        if not other or not self:
            return self if self else other
        view = other if self._objects is not None else self
        if self._objects is not None or other._objects is not None:  # real objects may be younger than the view
            real = self if self._objects is not None else other
            if len(real._objects or {}) != len(view._among(real._objects or {})):
                now = self.hp.view()
                view = IdentitySet(self.hp, self.er, None, now, view._to_view(now))
            other = real
        mine, bits = other._to(view)
        return IdentitySet(self.hp, self.er, None, mine, relations.union(bits, view._to_view(mine)))

    def _to_view(self, view: View) -> bytes:
        assert self._view is not None
        return self._bits if view is self._view else self._view.what.again(self._bits, view.what)

    def _minus(self, other: UniSet) -> UniSet:
        if self._objects is not None:
            gone = other.has(self._objects) if isinstance(other, Kind) else {}
            gone = other._among(self._objects) if isinstance(other, IdentitySet) else gone
            return IdentitySet(self.hp, self.er, {k: obj for k, obj in self._objects.items() if k not in gone})
        if isinstance(other, Kind):
            inside = self._answering(other)
            assert isinstance(inside, IdentitySet)
            return self._own(relations.minus(self._bits, inside._bits))
        assert isinstance(other, IdentitySet)
        return self._own(relations.minus(self._bits, other._to(self)[1]))

    def _part_of(self, other: UniSet) -> bool:
        return not self._minus(other)

    def __contains__(self, obj: object) -> bool:
        if self._objects is not None:
            return id(obj) in self._objects
        assert self._view is not None
        number = self._view.analysis.node_at(id(obj))
        there = number is not None and bool(self._bits[number >> 3] >> (number & 7) & 1)
        return there and number is not None and self._view.type_of(number).address == id(type(obj))

    test_contains = __contains__

    def __bool__(self) -> bool:
        return bool(self._objects) if self._objects is not None else any(self._bits)

    # ---- what it is ----

    @property
    def count(self) -> int:
        """How many objects there are."""
        return len(self._objects) if self._objects is not None else self.seen()[0].what.amount(self._bits)[0]

    @property
    def size(self) -> int:
        """Their bytes."""
        if self._objects is not None:
            return live_amount(self._objects.values())
        return self.seen()[0].what.amount(self._bits)[1]

    indisize = size

    @property
    def domisize(self) -> int:
        """Bytes that would go if all of these went."""
        view, bits = self.seen()
        return view.what.amount(view.what.related(bits, "within"))[1]

    @property
    def partition(self) -> Partition:
        """The table that it prints as, with its rows."""
        if self._partition is None or self._objects is not None:
            made = Listing if isinstance(self.er, relations.Id) and self.er.name == "Id" else Partition
            self._partition = made(self)
        return self._partition

    @property
    def kind(self) -> UniSet:
        """The union of the kinds of its rows."""
        arguments = self.partition.arguments()
        if len(arguments) > _KINDS_NAMED:
            return self
        return self.hp.either([self.hp.atom(self.er, one) for one in arguments])

    @property
    def brief(self) -> str:
        """In few words."""
        return briefly(self)

    @property
    def nodes(self) -> Nodes:
        """The objects themselves; those of a view as far as they live."""
        return Nodes(self.held())

    @property
    def theone(self) -> Any:
        """The only object of the set. ValueError where it has more, or none; ReferenceError where it has died."""
        if self.count != 1:
            raise ValueError("theone is for sets of one object")
        held = self.held()
        if not held:
            raise ReferenceError("the object that was here lives no more, or nothing that is tracked refers to it")
        return next(iter(held.values()))

    @property
    def prod(self) -> list[tuple[str, str, int]]:
        """The only object's birthplace, (function, file, line) of each frame; empty where it was not traced."""
        if self.count != 1:
            raise ValueError("prod is for sets of one object")
        view, bits = self.seen()
        return view.analysis.site(view.analysis.node(view.numbers(bits)[0])[7])

    @property
    def maprox(self) -> Mapped:
        """Asks every object for an attribute: ``x.maprox.name`` is the set of all ``obj.name``."""
        return Mapped(self)

    # ---- rows ----

    def by(self, er: Any) -> IdentitySet:
        """The same objects, put together by another relation: one of ``hp``'s, or its name."""
        given = self.hp.relation(er)
        return IdentitySet(self.hp, given, self._objects, self._view, self._bits)

    def rows_of(self, chosen: list[Any]) -> IdentitySet:
        """The objects of some rows of the partition."""
        if self._objects is not None:
            members = {id(obj): obj for row in chosen for obj in self.partition.live(row)}
            return IdentitySet(self.hp, self.er, members)
        assert self._view is not None
        bits = self._view.none()
        for row in chosen:
            bits = relations.union(bits, self.er.select(self._view, self._bits, row[3]))
        return self._own(bits)

    def __getitem__(self, index: int | slice | Iterable[int]) -> IdentitySet:
        return self.rows_of(self.partition.chosen(index))

    def __len__(self) -> int:
        return self.partition.numrows

    def __iter__(self) -> Iterator[IdentitySet]:
        return (self[index] for index in range(len(self)))

    @property
    def parts(self) -> list[IdentitySet]:
        """The rows as sets."""
        return list(self)

    def __str__(self) -> str:
        return str(self.partition)

    __repr__ = __str__

    @property
    def more(self) -> Any:
        """The next rows of the table."""
        return self.partition.more

    @property
    def all(self) -> Any:
        """All rows of the table."""
        return self.partition.all

    @property
    def stat(self) -> Stat:
        """The table without the objects."""
        return self.partition.stat

    def dump(self, fn: str | IO[str], mode: str = "a") -> None:
        """Writes the table to a file that ``hp.load()`` reads."""
        self.partition.stat.dump(fn, mode)

    def diff(self, other: IdentitySet | Stat) -> Stat:
        """What there is more of here than in another set, by row."""
        return self.stat - (other if isinstance(other, Stat) else other.by(self.er).stat)

    # ---- neighbours ----

    @property
    def referrers(self) -> IdentitySet:
        """The objects that refer to any of these."""
        return self._related("holders")

    @property
    def referents(self) -> IdentitySet:
        """The objects that any of these refers to."""
        return self._related("held")

    @property
    def dominos(self) -> IdentitySet:
        """All that would go if these went, themselves included."""
        return self._related("within")

    @property
    def owners(self) -> IdentitySet:
        """The objects that have these dicts as their namespaces."""
        return self._related("owners")

    @property
    def dictof(self) -> UniSet:
        """The kind of the namespaces of such objects."""
        kind = self.kind
        return kind.dictof if isinstance(kind, Kind) else self._related("spaces")

    @property
    def imdom(self) -> IdentitySet:
        """Of each the nearest object without which it would not live."""
        view, bits = self.seen()
        found = {view.what.dominator(number) for number in view.numbers(bits)}
        objects = relations.common(view.set_of(number for number in found if number is not None), view.alive())
        return IdentitySet(self.hp, relations.CLODO, None, view, objects)

    def get_shpaths(self, src: IdentitySet | None = None, **limits: Any) -> Any:
        """The shortest chains of references to the object, from the root or from those given."""
        from kucha._guppy_paths import ShortestPaths

        return ShortestPaths(self, src, **limits)

    @property
    def shpaths(self) -> Any:
        """The shortest chains of references from the root to the object."""
        return self.get_shpaths()

    sp = shpaths

    @property
    def pathsin(self) -> Any:
        """The references that lead to the object."""
        from kucha._guppy_paths import Around

        return Around(self, "in")

    @property
    def pathsout(self) -> Any:
        """The references out of the object."""
        from kucha._guppy_paths import Around

        return Around(self, "out")

    def get_rp(self, depth: int = 7, er: Any = None, src: IdentitySet | None = None) -> Any:
        """The pattern of who refers to these, and to those, and so on."""
        from kucha._guppy_paths import ReferencePattern

        return ReferencePattern(self, depth, self.hp.relation(er) if er is not None else relations.CLODO, src)

    @property
    def rp(self) -> Any:
        """The pattern of who refers to these, seven steps far."""
        return self.get_rp()

    @property
    def biper(self) -> Any:
        """The relation that puts together what is in this set, and what is not."""
        return self.hp.findex(self)

    def __getattr__(self, name: str) -> IdentitySet:
        """byclodo, byid, byidset, bymodule, byprod, byrcs, bysize, bytype, byunity, byvia; byclass and bydict."""
        er = _BY.get(name)
        if er is None:
            raise AttributeError(f"{type(self).__name__} has no attribute {name!r}")
        return self.by(er)

    def __dir__(self) -> list[str]:
        return [*object.__dir__(self), *_BY]


_BY: dict[str, Relation] = {f"by{one.name.lower()}": one for one in relations.ALL.values()}
_BY["byclass"], _BY["bydict"] = relations.TYPE, relations.Dictof(relations.CLODO)


class Nodes:
    """Real objects, told apart by who they are."""

    __slots__ = ("_held",)

    def __init__(self, held: dict[int, Any]) -> None:
        self._held = held

    def __contains__(self, obj: object) -> bool:
        return id(obj) in self._held

    def __iter__(self) -> Iterator[Any]:
        return iter(self._held.values())

    def __len__(self) -> int:
        return len(self._held)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Nodes) and self._held.keys() == other._held.keys()

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"<{len(self)} objects>"


class Mapped:
    """Every object of a set asked for one thing."""

    __slots__ = ("_of",)

    def __init__(self, of: IdentitySet) -> None:
        self._of = of

    def __getattr__(self, name: str) -> IdentitySet:
        found = [getattr(obj, name) for obj in self._of.nodes if hasattr(obj, name)]
        return self._of.hp.of_objects(found)

    def __getitem__(self, key: Any) -> IdentitySet:
        return self._of.hp.of_objects([obj[key] for obj in self._of.nodes])
