"""The walk along references, breadth first, that kucha.objgraph's chains and pictures have in common.

What is asked about is the program's heap, so nothing of the walk may turn up in it. All objects found stand in one
list, ``found``, and nowhere else; what is remembered of them beside it are numbers. That list, and the caller's lists,
are left out by their ids, and no iterator that keeps what it gave last (enumerate, zip) goes over them. Frames of
running functions are no objects to the collector on 3.11 and later.

Who refers to an object takes a look at every tracked object. ``gc.get_referrers`` takes one for each that is asked
about; where a whole layer of the walk is asked about, one look serves them all (``_referrers_of_many``), in the order
that the single looks would have given.
"""

from __future__ import annotations

import gc

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    Edges = Callable[[object], Iterable[object]]
    Predicate = Callable[[object], object]

# From so many on, one look in Python is quicker than a look in C for each: it takes as long as 24 of those, over heaps
# of 0.1 and of 1.0 million objects (3.11).
MANY = 32
# Objects whose references are asked for in one call.
CHUNK = 256


def neighbours(edges: Edges, targets: list[object]) -> Iterator[Iterable[object]]:
    """The neighbours of each target, in turn, along the edges."""
    if edges is gc.get_referrers and len(targets) >= MANY:
        return iter(_referrers_of_many(targets))
    return map(edges, targets)


def _referrers_of_many(targets: list[object]) -> list[list[object]]:
    places: dict[int, list[int]] = {}
    for place, target in enumerate(targets):
        places.setdefault(id(target), []).append(place)
    objects = gc.get_objects()
    hits: list[list[object]] = [[] for _ in targets]
    for start in range(0, len(objects), CHUNK):
        chunk = objects[start : start + CHUNK]
        if places.keys().isdisjoint(map(id, gc.get_referents(*chunk))):
            continue
        for source in chunk:
            if source is targets:
                continue
            for number in set(map(id, gc.get_referents(source))) & places.keys():
                for place in places[number]:
                    hits[place].append(source)
    return hits


class Walk:
    """What was found so far, in the order found, and what is not to be found.

    ``found[start:end]`` is the layer that is looked at; ``came_from`` has for each the place of the one that led to it.
    """

    __slots__ = ("came_from", "end", "found", "ignored", "seen", "start")

    def __init__(self, roots: list[object], ignored: Iterable[int]) -> None:
        """The list of roots is the walk's from now on, so that no second list holds them."""
        self.found = roots
        self.came_from = [-1] * len(self.found)
        self.seen = set(map(id, self.found))
        self.ignored = {*ignored, id(ignored), id(self.found)}
        self.start, self.end = 0, len(self.found)

    def layer(self) -> list[object]:
        """The layer that is looked at."""
        return self.found[self.start : self.end]

    def add(self, obj: object, place: int) -> None:
        """The object was come to from the one at this place."""
        if id(obj) not in self.seen:
            self.seen.add(id(obj))
            self.found.append(obj)
            self.came_from.append(place)

    def advance(self) -> None:
        """What was added since the last time is the layer now."""
        self.start, self.end = self.end, len(self.found)

    def chain(self, place: int) -> list[object]:
        """From the object at this place back to the root that it was reached from."""
        objects = []
        while place >= 0:
            objects.append(self.found[place])
            place = self.came_from[place]
        return objects


def find_chain(
    obj: object, predicate: Predicate, edges: Edges, max_depth: int = 20, extra_ignore: Iterable[int] = ()
) -> list[object]:
    """A shortest chain along the edges, from an object that matches back to ``obj``; ``[obj]`` when there is none."""
    walk = Walk([obj], extra_ignore)
    gc.collect()
    depth = 0
    while walk.start < walk.end:
        for place in range(walk.start, walk.end):
            if predicate(walk.found[place]):
                return walk.chain(place)
        if depth >= max_depth:
            break
        _expand(walk, edges)
        depth += 1
    return [obj]


def _expand(walk: Walk, edges: Edges) -> None:
    layer = walk.layer()
    walk.ignored.add(id(layer))
    places = iter(range(walk.start, walk.end))
    for sources in neighbours(edges, layer):
        place = next(places)
        for source in sources:
            if id(source) not in walk.ignored:
                walk.add(source, place)
        del sources  # or the next look would find this list
    walk.ignored.discard(id(layer))
    walk.advance()
