"""guppy's interface, over kucha: what is in the heap, by type, size, holder or line, and who keeps it there.

    from kucha.guppy import hpy
    hp = hpy()
    hp.setref()
    ...
    h = hp.heap()
    print(h); print(h[0].byrcs); print(h[0].byid[0].sp)

The names, the tables and the files are those of guppy3: change the import, and nothing else. heap() does not walk the
heap object by object under your feet: a copy of the process writes it to a file, which is mapped and asked in C. So a
set keeps nothing alive, nothing gets a ``__dict__`` by being looked at, and kucha's own objects are left out.
docs/guppy.md shows it at work, and says what differs. ``hpy()`` installs kucha's allocator where that is not in place.
"""

from __future__ import annotations

from kucha import _core
from kucha import _guppy_kinds as kinds
from kucha import _guppy_relations as relations
from kucha._guppy_sets import IdentitySet, Kind, UniSet
from kucha._guppy_tables import Stat, read_all
from kucha._guppy_view import TypeName, View, type_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import IO, Any

    from kucha._guppy_kinds import Formula
    from kucha._guppy_relations import Relation

__all__ = ["Heapy", "IdentitySet", "Kind", "Stat", "UniSet", "hpy"]

# `import guppy.heapy` under the name that kucha.dropin gives this module: it is a module of nothing but itself.
__path__: list[str] = []


class Heapy:
    """What ``hpy()`` gives: sets of objects, kinds to cut them by, and relations to put them together by."""

    def __init__(self) -> None:
        self.reprefix = "hp."
        self._reference: tuple[View, bytes] | None = None
        self._reference_of_stray: Stat | None = None
        self.Anything = Kind(self, kinds.ALL)
        for relation in relations.ALL.values():
            setattr(self, relation.name, Classifier(self, relation))
        self.Nothing = self.of_objects(())
        self.Root = Root()
        if not _core.installed():
            import kucha

            kucha.install()

    Clodo: Classifier
    Id: Classifier
    Idset: Classifier
    Module: Classifier
    Prod: Classifier
    Rcs: Classifier
    Size: Classifier
    Type: Classifier
    Unity: Classifier
    Via: Classifier

    def __repr__(self) -> str:
        return "Top level interface to kucha.guppy.\nUse eg: hp.doc for more info on hp."

    # ---- sets ----

    def view(self) -> View:
        """A new picture of the heap."""
        return View()

    def heap(self) -> IdentitySet:
        """All objects that live, in a table by type; since ``setref()``, those that were not there then."""
        view = self.view()
        bits = view.alive()
        if self._reference is not None:
            before, members = self._reference
            bits = relations.minus(bits, before.what.again(members, view.what))
        return IdentitySet(self, relations.CLODO, None, view, bits)

    def heapu(self, rma: int = 1, abs: int = 0, stat: int = 1) -> IdentitySet | Stat | Any:  # noqa: A002, ARG002
        """What no reference leads to that was seen: held from C code alone, or garbage that no collection found.

        Gives a statistic, less what ``setref()`` saw unless ``abs``; with ``stat=0`` the set.
        """
        view = self.view()
        found = IdentitySet(self, relations.TYPE, None, view, view.what.stray())
        if not stat:
            return found
        return found.stat if abs or self._reference_of_stray is None else found.stat - self._reference_of_stray

    def setref(self) -> None:
        """From now on heap() has what was born later, and heapu() what is different."""
        self.setrelheap()
        self.setrelheapu()

    def setrelheap(self, reference: IdentitySet | None = None) -> None:
        """From now on heap() has what is not in this set; without one, what was born later."""
        if reference is None:
            view = self.view()
            self._reference = view, view.alive()
        else:
            self._reference = reference.seen()

    def setrelheapu(self, reference: Stat | None = None) -> None:
        """From now on heapu() tells the difference from this statistic; without one, from now."""
        found = self.heapu(abs=1) if reference is None else reference
        self._reference_of_stray = found if isinstance(found, Stat) else found.stat

    def iso(self, *objects: Any) -> IdentitySet:
        """The set of these objects."""
        return self.of_objects(objects)

    def idset(self, objects: Iterable[Any]) -> IdentitySet:
        """The set of the objects that something iterates over."""
        return self.of_objects(objects)

    def of_objects(self, objects: Iterable[Any]) -> IdentitySet:
        """The set of real objects."""
        return IdentitySet(self, relations.CLODO, {id(obj): obj for obj in objects})

    def findex(self, *sets: UniSet) -> Classifier:
        """The relation that puts together objects by the first of these sets that they are in."""
        return Classifier(self, Findex(self, sets))

    # ---- files ----

    def load(self, fn: str | IO[str], use_readline: int = 0) -> Stat:  # noqa: ARG002
        """The last table that ``dump()`` wrote to a file."""
        return self.loadall(fn)[-1]

    def loadall(self, fn: str | IO[str]) -> list[Stat]:
        """Every table of a file. ValueError where it is none, or has none."""
        if isinstance(fn, str):
            with open(fn, encoding="utf-8") as file:
                found = read_all(file)
        else:
            found = read_all(fn)
        if not found:
            raise ValueError("the file has no table in it")
        return found

    # ---- what is not here ----

    @property
    def pb(self) -> Any:
        """Not here: the window of guppy's profile browser."""
        raise AttributeError(
            "kucha.guppy has no profile browser: the files that dump() writes can be opened with guppy3's, and "
            "`kucha report` and `kucha live` show the memory of a program over time"
        )

    @property
    def monitor(self) -> Any:
        """Not here: guppy's console for other processes."""
        raise AttributeError("kucha.guppy has no monitor: `kucha heap` asks heap files, `kucha live` other processes")

    @property
    def doc(self) -> Any:
        """What can be asked; ``hp.doc.heap`` tells of ``heap``."""
        from kucha._guppy_help import Help

        return Help(type(self), self)

    # ---- for sets and kinds ----

    def adapt(self, given: object) -> UniSet | None:
        """What stands in an expression, as a set: a type is its kind. None for what is none."""
        if isinstance(given, UniSet):
            return given
        return self.atom(relations.TYPE, type_name(given)) if isinstance(given, type) else None

    def relation(self, given: Any) -> Relation:
        """A relation, by itself or by its name ('Type&Size')."""
        if isinstance(given, Classifier):
            return given.relation
        if isinstance(given, relations.Relation):
            return given
        names = [name.strip() for name in str(given).split("&")]
        if any(name not in relations.ALL for name in names):
            raise ValueError(f"no relation {given!r}; there are {', '.join(sorted(relations.ALL))}")
        parts = [relations.ALL[name] for name in names]
        return parts[0] if len(parts) == 1 else relations.Both(*parts)

    def atom(self, relation: Relation, argument: Any) -> Kind:
        """The kind of one row."""
        if relation == relations.UNITY:
            return self.Anything
        if relation == relations.CLODO and isinstance(argument, TypeName):
            relation = relations.TYPE
        return Kind(self, kinds.Formula("atom", atom=(relation, argument)))

    def either(self, given: list[Kind]) -> UniSet:
        """The union of kinds of one relation."""
        if len(given) == 1:
            return given[0]
        return Kind(self, kinds.Formula("or", tuple(kind.formula for kind in given))) if given else self.Nothing

    def code(self, relation: Relation, argument: Any) -> str:
        """A kind as Python text."""
        return f"{self.reprefix}{relation.name}({relation.code(argument, self.reprefix)})"

    def bits_answering(self, formula: Formula, view: View, bits: bytes) -> bytes:
        """Those objects of a view that answer."""
        if formula.operation in ("all", "none"):
            return bits if formula.operation == "all" else view.none()
        if formula.operation == "atom":
            assert formula.atom is not None
            return formula.atom[0].matching(view, bits, formula.atom[1])
        parts = [self.bits_answering(part, view, bits) for part in formula.parts]
        if formula.operation == "not":
            return relations.minus(bits, parts[0])
        found = parts[0]
        for part in parts[1:]:
            found = (relations.common if formula.operation == "and" else relations.union)(found, part)
        return found

    def answering(self, formula: Formula, objects: dict[int, Any]) -> dict[int, Any]:
        """Those real objects that answer."""
        if not objects or formula.operation == "all":
            return objects
        members: dict[Any, set[int]] = {}
        for relation, argument in formula.atoms():
            members[relation, argument] = self._with(relation, argument, objects)
        return {key: obj for key, obj in objects.items() if formula.holds(_Member(members, key))}

    def _with(self, relation: Relation, argument: Any, objects: dict[int, Any]) -> set[int]:
        if not relation.asks_heap:
            return {key for key, obj in objects.items() if relation.of_object(obj) == argument}
        view = self.view()
        found = relation.matching(view, view.of_objects(objects.values()), argument)
        return {view.address(number) for number in view.numbers(found)}

    def live_type(self, name: TypeName) -> Any:
        """A type for real, as long as it lives; else its name."""
        from kucha._guppy_view import all_types

        return next((of for of in all_types() if id(of) == name.address), name)


class _Member:
    """Whether an object, told by its id, has an atom."""

    __slots__ = ("key", "members")

    def __init__(self, members: dict[Any, set[int]], key: int) -> None:
        self.members = members
        self.key = key

    def __call__(self, atom: Any) -> bool:
        return self.key in self.members[atom]


class Classifier:
    """A relation of one ``hp``: called, it gives the kind of a row; ``hp.Type & hp.Size`` puts together by both."""

    def __init__(self, hp: Heapy, relation: Relation) -> None:
        self.hp = hp
        self.relation = relation

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        return self.hp.atom(self.relation, self._argument(arguments, named))

    def _argument(self, arguments: tuple[Any, ...], named: dict[str, Any]) -> Any:
        if "dictof" in named:
            owner = named["dictof"]
            return relations.Owned(None if owner == () else self._type(owner))
        if self.relation in (relations.TYPE, relations.CLODO):
            return self._type(*arguments)
        if self.relation == relations.RCS:
            return frozenset(argument for kind in arguments for _, argument in kind.formula.atoms())
        if self.relation == relations.VIA:
            return frozenset(one.removeprefix("_") for one in arguments)
        if self.relation == relations.PROD:
            return tuple(arguments) if arguments else None
        if self.relation == relations.MODULE:
            return getattr(arguments[0], "__name__", arguments[0])
        return arguments[0] if arguments else None

    def _type(self, given: Any) -> TypeName:
        if isinstance(given, type):
            return type_name(given)
        words = str(given).split()
        if not isinstance(given, str) or len(words) != 4 or words[0] != "<type":
            raise TypeError(f"a type is wanted, not {given!r}")
        return TypeName(int(words[3].rstrip(">"), 16), words[1].removeprefix("builtins."))

    def __getattr__(self, name: str) -> Any:
        if self.relation in (relations.TYPE, relations.CLODO):
            import builtins
            import types

            for module in (builtins, types):
                if isinstance(getattr(module, name, None), type):
                    return self(getattr(module, name))
        raise AttributeError(f"{self!r} has no attribute {name!r}")

    @property
    def refdby(self) -> Classifier:
        """By the rows that those are in who refer to an object."""
        of_kinds = self.relation == relations.CLODO
        return Classifier(self.hp, relations.RCS if of_kinds else relations.Refdby(self.relation))

    @property
    def dictof(self) -> Classifier:
        """Namespaces by the row that their owner is in."""
        return Classifier(self.hp, relations.Dictof(self.relation))

    def __and__(self, other: Classifier) -> Classifier:
        return Classifier(self.hp, relations.Both(self.relation, other.relation))

    def __getitem__(self, of: IdentitySet) -> Any:
        return of.by(self).kind

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Classifier) and self.relation == other.relation

    def __hash__(self) -> int:
        return hash(self.relation)

    def __repr__(self) -> str:
        return f"{self.hp.reprefix}{self.relation.name}"


class Findex(relations.Made):
    """Together by the first of some sets that they are in."""

    header = "Index of the first set"

    def __init__(self, hp: Heapy, sets: tuple[UniSet, ...]) -> None:
        self.hp = hp
        self.sets = sets
        self.name = f"findex({', '.join(repr(one) for one in sets)})"

    def text(self, argument: Any) -> str:
        return f"in {self.sets[argument]}" if argument < len(self.sets) else "in none"

    def rows(self, view: View, bits: bytes) -> list[Any]:
        rows, rest = [], bits
        for index, one in enumerate(self.sets):
            found = IdentitySet(self.hp, relations.CLODO, None, view, rest) & one
            assert isinstance(found, IdentitySet)
            members = found.seen()[1] if found else view.none()
            rest = relations.minus(rest, members)
            rows.append(self.row(view, index, members))
        rows.append(self.row(view, len(self.sets), rest))
        return [row for row in rows if row[1]]


class Root:
    """What every chain of references begins with."""

    def __repr__(self) -> str:
        return "<the interpreter and its threads>"


def hpy(ht: Any = None) -> Heapy:  # noqa: ARG001
    """The interface to the heap. Installs kucha's allocator where it is not in place."""
    return Heapy()
