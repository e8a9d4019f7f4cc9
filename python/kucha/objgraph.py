"""objgraph, over kucha: which objects there are, how their numbers grow, and who holds one, as text and as pictures.

The interface, the tables and the pictures are those of objgraph 3.6: change the import, and nothing else. What differs:

- objects are counted in C, and who refers to a whole layer of objects is found with one look at the heap where the
  original takes one for each, so chains in large heaps are found in seconds;
- what these functions keep for themselves (the ids of ``get_new_ids``) is not among what they count;
- reference counts in pictures are exact;
- with ``everything=True`` counts are those of ``kucha.census()``: also strings, numbers and all else that the collector
  does not track, born since ``kucha.install()``, which it needs.

docs/objgraph.md shows it at work. Unless said otherwise, "all objects" are those that the collector tracks, and a type
is named by its own name (``OrderedDict``) or, where the name has a dot or ``shortnames`` is false, by its module's too.
"""

from __future__ import annotations

import gc
import sys
from array import array
from builtins import filter as chosen
from collections import _count_elements, defaultdict  # type: ignore[attr-defined]
from itertools import compress
from operator import indexOf, itemgetter
from types import ModuleType

from kucha import _objgraph_search as search
from kucha._objgraph_names import is_a, named_types, naming
from kucha._objgraph_picture import Bounds, Direction, Look, in_notebook, show

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping
    from typing import Any

    from kucha._objgraph_picture import SupportsWrite

    Predicate = Callable[[Any], object]
    Attributes = Callable[[Any], Mapping[str, str | None]]

__all__ = [
    "at",
    "at_addrs",
    "by_type",
    "count",
    "find_backref_chain",
    "find_ref_chain",
    "get_leaking_objects",
    "get_new_ids",
    "get_referrers",
    "growth",
    "is_proper_module",
    "most_common_types",
    "show_backrefs",
    "show_chain",
    "show_graph",
    "show_growth",
    "show_most_common_types",
    "show_refs",
    "typestats",
]

# The release of objgraph whose interface this is.
__version__ = "3.6.2"

# Whether a picture that is to go nowhere else is returned for the notebook to show.
IS_INTERACTIVE = in_notebook()

# Highest counts seen by growth(), of tracked objects and of everything.
_peaks: dict[str, int] = {}
_peaks_of_everything: dict[str, int] = {}

# Objects whose references get_leaking_objects() strikes out in one step, so that the list of these stays small.
_STEP = 1024


# ---- counting ----


def _tracked() -> list[object]:
    """All objects that the collector tracks, but those that get_new_ids() keeps."""
    objects = gc.get_objects()
    own = _ids.own()
    return _without(objects, own) if own else objects


def _without(objects: list[object], own: set[int]) -> list[object]:
    # a function by itself: on 3.11 a comprehension that uses a local makes that a cell, which would be counted
    return [obj for obj in objects if id(obj) not in own]


def _given(objects: Iterable[object] | None) -> list[object] | tuple[object, ...]:
    """The objects that are asked about, in a form that can be gone through more than once."""
    if objects is None:
        return _tracked()
    return objects if isinstance(objects, (list, tuple)) else list(objects)


def _types(objects: Iterable[object]) -> dict[int, type]:
    """Their types by id: a type may be unhashable."""
    of = list(map(type, objects))
    return dict(zip(map(id, of), of, strict=True))


def _times(numbers: Iterable[int]) -> dict[int, int]:
    """How often each is there. A Counter would ask what a mapping is, and the answer's cache would be counted."""
    times: dict[int, int] = {}
    _count_elements(times, numbers)
    return times


def _census(objects: object, filter: object, name: Callable[[type], str]) -> dict[str, int]:  # noqa: A002
    if objects is not None or filter is not None:
        raise ValueError("everything=True counts by type without a look at the objects: give no objects and no filter")
    from kucha import census

    stats: dict[str, int] = {}
    for row in sorted(census(), key=lambda row: -row.objects):
        if row.objects:
            stats[name(row.type)] = stats.get(name(row.type), 0) + row.objects
    return stats


def count(typename: str, objects: Iterable[object] | None = None, *, everything: bool = False) -> int:
    """How many objects have a type of this name: of all, or of those given."""
    if everything:
        return _census(objects, None, naming("." not in typename)).get(typename, 0)
    objects = _given(objects)
    wanted = named_types(_types(objects), typename)
    return sum(map(wanted.__contains__, map(id, map(type, objects))))


def typestats(
    objects: Iterable[object] | None = None,
    shortnames: bool = True,
    filter: Predicate | None = None,  # noqa: A002
    *,
    everything: bool = False,
) -> dict[str, int]:
    """How many objects there are of each type, of all or of those given; a filter says which of them count."""
    name = naming(shortnames)
    if everything:
        return _census(objects, filter, name)
    objects = _given(objects)
    try:
        if filter is not None:
            objects = list(chosen(filter, objects))  # no frame of ours holds them if the filter fails
        types = _types(objects)
        stats: dict[str, int] = {}
        for number, found in _times(map(id, map(type, objects))).items():
            called = name(types[number])
            stats[called] = stats.get(called, 0) + found
        return stats
    finally:
        del objects  # a filter's error would keep them all alive


def most_common_types(
    limit: int | None = 10,
    objects: Iterable[object] | None = None,
    shortnames: bool = True,
    filter: Predicate | None = None,  # noqa: A002
    *,
    everything: bool = False,
) -> list[tuple[str, int]]:
    """The types with most objects and their numbers, most first; all of them where limit is None."""
    stats = typestats(objects, shortnames, filter, everything=everything)
    return sorted(stats.items(), key=itemgetter(1), reverse=True)[: limit or None]


def show_most_common_types(
    limit: int | None = 10,
    objects: Iterable[object] | None = None,
    shortnames: bool = True,
    file: SupportsWrite | None = None,
    filter: Predicate | None = None,  # noqa: A002
    *,
    everything: bool = False,
) -> None:
    """Writes ``most_common_types()`` as a table, to standard output or the file given."""
    rows = most_common_types(limit, objects, shortnames, filter, everything=everything)
    write = (sys.stdout if file is None else file).write
    width = max((len(name) for name, _ in rows), default=0)
    for name, number in rows:
        write(f"{name:<{width}} {number}\n")


def growth(
    limit: int | None = 10,
    peak_stats: dict[str, int] | None = None,
    shortnames: bool = True,
    filter: Predicate | None = None,  # noqa: A002
    *,
    everything: bool = False,
) -> list[tuple[str, int, int]]:
    """Types that have more objects than ever before: (name, objects, how many more than the most seen so far).

    Greatest growth first. ``peak_stats`` has the highest counts seen so far and is brought up to date; without it these
    are remembered from call to call. Garbage is collected first.
    """
    if peak_stats is None:
        peak_stats = _peaks_of_everything if everything else _peaks
    gc.collect()
    grown = []
    for name, number in typestats(shortnames=shortnames, filter=filter, everything=everything).items():
        more = number - peak_stats.get(name, 0)
        if more > 0:
            peak_stats[name] = number
            grown.append((name, number, more))
    return sorted(grown, key=itemgetter(2), reverse=True)[: limit or None]


def show_growth(
    limit: int | None = 10,
    peak_stats: dict[str, int] | None = None,
    shortnames: bool = True,
    file: SupportsWrite | None = None,
    filter: Predicate | None = None,  # noqa: A002
    *,
    everything: bool = False,
) -> None:
    """Writes ``growth()`` as a table, to standard output or the file given; nothing where nothing grew."""
    rows = growth(limit, peak_stats, shortnames, filter, everything=everything)
    write = (sys.stdout if file is None else file).write
    width = max((len(name) for name, _, _ in rows), default=0)
    for name, number, more in rows:
        write(f"{name:<{width}}{number:9} {more:+9}\n")


# ---- new objects ----


class _Ids:
    """What get_new_ids() remembers: ids by type's name, as bytes so that they are no objects to the collector."""

    __slots__ = ("current", "new", "shortnames")

    def __init__(self) -> None:
        self.current: dict[str, bytes] = {}
        self.new: defaultdict[str, set[int]] = defaultdict(set)
        self.shortnames = True

    def own(self) -> set[int]:
        """The ids of what has come to be kept here: it is not the program's."""
        return set(map(id, self.new.values()))

    def update(self) -> list[tuple[str, int, int, int, int]]:
        """Looks at all objects; rows of name, ids then, ids now, new ids, and how many more."""
        gc.collect()
        now = _ids_by_name(_tracked(), naming(self.shortnames))
        return self._compare(now)

    def _compare(self, now: dict[str, bytes]) -> list[tuple[str, int, int, int, int]]:
        for ids in self.new.values():
            ids.clear()
        rows = []
        for called in dict.fromkeys([*self.current, *now]):
            old = set(memoryview(self.current.get(called, b"")).cast("Q"))
            ids = self.new[called]
            ids.update(memoryview(now.get(called, b"")).cast("Q"))
            number = len(ids)
            ids -= old
            rows.append((called, len(old), number, len(ids), number - len(old)))
        for called in [called for called in self.new if called not in now and called not in self.current]:
            del self.new[called]
        self.current.clear()
        self.current.update(now)
        return rows


def _ids_by_name(objects: list[object], name: Callable[[type], str]) -> dict[str, bytes]:
    types = _types(objects)
    ids: dict[str, array[int]] = {name(of): array("Q") for of in types.values()}
    lists = {number: ids[name(of)] for number, of in types.items()}
    for obj in objects:
        lists[id(type(obj))].append(id(obj))
    return {called: found.tobytes() for called, found in ids.items()}


_ids = _Ids()
_SORTS = {"old": 1, "current": 2, "new": 3, "deltas": 4}


def get_new_ids(
    skip_update: bool = False,
    limit: int | None = 10,
    sortby: str = "deltas",
    shortnames: bool | None = None,
    file: SupportsWrite | None = None,
    _state: dict[str, Any] | None = None,
) -> dict[str, set[int]]:
    """Ids of objects that are new since the last call, by the name of their type; and a table of how many there are.

    The same dict is returned each time. With ``skip_update`` it is as the last call left it. ``limit`` is the number of
    rows that are shown (0: no table, None: all), ``sortby`` the column they are sorted by: 'old', 'current', 'new' or
    'deltas'. ``shortnames`` is remembered from call to call. ``at_addrs()`` gives the objects to the ids. Garbage is
    collected first. ``_state`` is an empty dict where something else than the module is to remember.
    """
    ids = _ids if _state is None else _state.setdefault("ids", _Ids())
    if skip_update:
        return ids.new
    column = _SORTS[sortby]
    if shortnames is not None:
        ids.shortnames = shortnames
    rows = sorted(ids.update(), key=itemgetter(column, 0), reverse=True)[:limit]
    if rows:
        _write_new(rows, file)
    return ids.new


def _write_new(rows: list[tuple[str, int, int, int, int]], file: SupportsWrite | None) -> None:
    write = (sys.stdout if file is None else file).write
    width = max(len(row[0]) for row in rows)
    rule = "=" * (width + 4 * 13) + "\n"
    write(f"{rule}{'Type':<{width}}{'Old_ids':>13}{'Current_ids':>13}{'New_ids':>13}{'Count_Deltas':>13}\n{rule}")
    for name, old, current, new, more in rows:
        write(f"{name:<{width}}{old:13}{current:13}{new:+13}{more:+13}\n")
    write(rule)


# ---- finding ----


def get_leaking_objects(objects: Iterable[object] | None = None) -> list[object]:
    """Objects that none of the others refers to: held from C code, from running functions, or by a leaked reference."""
    if objects is None:
        gc.collect()
    objects = _given(objects)
    unheld = set(map(id, objects))  # in no comprehension, see _without()
    for start in range(0, len(objects), _STEP):
        unheld.difference_update(map(id, gc.get_referents(*objects[start : start + _STEP])))
    return list(compress(objects, map(unheld.__contains__, map(id, objects))))


def by_type(typename: str, objects: Iterable[object] | None = None) -> list[object]:
    """The objects whose type has this name: of all, or of those given."""
    objects = _given(objects)
    wanted = named_types(_types(objects), typename)
    return list(compress(objects, map(wanted.__contains__, map(id, map(type, objects)))))


def at(addr: int) -> object | None:
    """The object that has this id, if the collector tracks it; else None."""
    objects: list[object] = gc.get_objects()
    try:
        return objects[indexOf(map(id, objects), addr)]
    except ValueError:
        return None


def at_addrs(address_set: Collection[int]) -> list[object]:
    """The objects whose ids are among these, as far as the collector tracks them."""
    objects = gc.get_objects()
    return list(compress(objects, map(address_set.__contains__, map(id, objects))))


def get_referrers(*objs: object) -> list[object]:
    """The objects that refer to any of these directly, as ``gc.get_referrers``, without this call's own."""
    return [found for found in gc.get_referrers(*objs) if found is not objs]


def find_ref_chain(
    obj: object, predicate: Predicate, max_depth: int = 20, extra_ignore: Iterable[int] = ()
) -> list[object]:
    """A shortest chain of references from ``obj`` to an object that matches; ``[obj]`` when there is none.

    Objects whose ids are in ``extra_ignore`` are passed by; a chain has ``max_depth`` references at most.
    """
    return search.find_chain(obj, predicate, gc.get_referents, max_depth, extra_ignore)[::-1]


def find_backref_chain(
    obj: object, predicate: Predicate, max_depth: int = 20, extra_ignore: Iterable[int] = ()
) -> list[object]:
    """A shortest chain of references from an object that matches to ``obj``; ``[obj]`` when there is none.

    Objects whose ids are in ``extra_ignore`` are passed by; a chain has ``max_depth`` references at most.
    """
    return search.find_chain(obj, predicate, gc.get_referrers, max_depth, extra_ignore)


def is_proper_module(obj: object) -> bool:
    """Whether this is a module that can be imported, so that what it holds lives as long as the program."""
    return is_a(obj, ModuleType) and obj is sys.modules.get(getattr(obj, "__name__", None))  # type: ignore[arg-type]


# ---- pictures ----


def show_graph(
    objs: object,
    edge_func: Callable[[Any], Iterable[object]],
    swap_source_target: bool,
    max_depth: int = 3,
    extra_ignore: Iterable[int] = (),
    filter: Predicate | None = None,  # noqa: A002
    too_many: int = 10,
    highlight: Predicate | None = None,
    filename: str | None = None,
    extra_info: Callable[[Any], object] | None = None,
    refcounts: bool = False,
    shortnames: bool = True,
    output: SupportsWrite | None = None,
    cull_func: Predicate | None = None,
    extra_node_attrs: Attributes | None = None,
) -> Any:
    """Draws what is reached from an object, or from each of a list of them, along edges of any kind.

    ``edge_func`` gives the neighbours of an object; arrows point at them where ``swap_source_target`` is true. Objects
    for which ``cull_func`` is true are shown, and not gone on from. For all others see ``show_backrefs``.
    """
    roots, ignored = _roots(objs, extra_ignore)
    del objs  # or this reference would be counted
    bounds = Bounds(max_depth, too_many, filter, cull_func)
    look = Look(highlight, extra_info, refcounts, shortnames, extra_node_attrs)
    return show(
        roots, ignored, Direction(edge_func, swap_source_target), bounds, look, filename, output, IS_INTERACTIVE
    )


def _roots(objs: Any, extra_ignore: Iterable[int]) -> tuple[list[object], set[int]]:
    """Where a picture starts, and ids of what is not in it."""
    ignored = {*extra_ignore, id(extra_ignore)}
    if is_a(objs, (list, tuple)):
        return list(objs), ignored | {id(objs)}
    return [objs], ignored


def show_backrefs(
    objs: object,
    max_depth: int = 3,
    extra_ignore: Iterable[int] = (),
    filter: Predicate | None = None,  # noqa: A002
    too_many: int = 10,
    highlight: Predicate | None = None,
    filename: str | None = None,
    extra_info: Callable[[Any], object] | None = None,
    refcounts: bool = False,
    shortnames: bool = True,
    output: SupportsWrite | None = None,
    extra_node_attrs: Attributes | None = None,
) -> Any:
    """Draws who refers to an object, or to each of a list of them, directly and indirectly.

    A list is taken for a list of objects: wrap it to draw the list itself. What the arguments mean:

    - ``max_depth``, ``too_many``: how far to go, and how many neighbours of one object; a red node says how many more
    - ``filter``: whether an object is shown; ``extra_ignore``: ids of some that are not
    - ``highlight``: whether an object is blue; ``extra_info``: text to be added to it; ``extra_node_attrs``: Graphviz's
      attributes for its node, as a dict
    - ``refcounts``: show how many references the program has to each
    - ``filename``: a file for the text (``.dot``), or for a picture of the kind that its ending says, made by Graphviz
    - ``output``: an open file for the text. With neither, a notebook shows the picture, else a viewer (xdot) does; if
      there is none it becomes a PNG, whose name is printed

    It does not go on from modules, since all are held by one dict. Returns a ``graphviz.Source`` in a notebook, else
    None. ValueError when both ``filename`` and ``output`` are given.
    """
    roots, ignored = _roots(objs, extra_ignore)
    del objs  # or this reference would be counted
    bounds = Bounds(max_depth, too_many, filter, is_proper_module)
    look = Look(highlight, extra_info, refcounts, shortnames, extra_node_attrs)
    return show(roots, ignored, Direction(gc.get_referrers, False), bounds, look, filename, output, IS_INTERACTIVE)


def show_refs(
    objs: object,
    max_depth: int = 3,
    extra_ignore: Iterable[int] = (),
    filter: Predicate | None = None,  # noqa: A002
    too_many: int = 10,
    highlight: Predicate | None = None,
    filename: str | None = None,
    extra_info: Callable[[Any], object] | None = None,
    refcounts: bool = False,
    shortnames: bool = True,
    output: SupportsWrite | None = None,
    extra_node_attrs: Attributes | None = None,
) -> Any:
    """Draws what an object, or each of a list of them, refers to, directly and indirectly; see ``show_backrefs``."""
    roots, ignored = _roots(objs, extra_ignore)
    del objs  # or this reference would be counted
    bounds = Bounds(max_depth, too_many, filter)
    look = Look(highlight, extra_info, refcounts, shortnames, extra_node_attrs)
    return show(roots, ignored, Direction(gc.get_referents, True), bounds, look, filename, output, IS_INTERACTIVE)


def show_chain(*chains: list[object], backrefs: bool = True, **options: Any) -> Any:
    """Draws chains that ``find_ref_chain`` or ``find_backref_chain`` found, and nothing beside them.

    The references are followed backwards, or forwards where ``backrefs`` is false: the two differ for some objects.
    The other options are those of ``show_backrefs``. ValueError when all chains are empty.
    """
    given = [chain for chain in chains if chain]
    if not given:
        raise ValueError("no chain to show: all are empty")
    ids = {id(obj) for chain in given for obj in chain}
    options |= {"max_depth": max(map(len, given)) - 1, "filter": lambda obj: id(obj) in ids}
    if backrefs:
        return show_backrefs([chain[-1] for chain in given], **options)
    return show_refs([chain[0] for chain in given], **options)
