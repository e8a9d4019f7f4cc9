"""Pictures of who refers to whom: the walk of kucha.objgraph written as Graphviz's dot, and handed to Graphviz.

The text is the one that objgraph writes, line for line, so that what reads or compares its pictures goes on doing so.
Reference counts (``refcounts``) are those of the program: what this walk itself holds is taken off, by counting what it
holds of an object that nobody else has, so they are right on every version of the interpreter.
"""

from __future__ import annotations

import builtins
import gc
import io
import os
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from itertools import islice
from types import ModuleType
from typing import Any

from kucha._objgraph_names import edge_label, is_a, naming, quoted, safe_repr
from kucha._objgraph_search import Walk, neighbours

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from typing import Protocol

    from kucha._objgraph_search import Edges, Predicate

    class SupportsWrite(Protocol):
        """What a picture can be written to."""

        def write(self, text: str, /) -> object:
            """Takes a piece of it."""


Colour = tuple[float, float, float]  # hue, saturation, value, each from 0 to 1

# Nodes go from white to dark grey with their distance, what was left out from bright to dark red: objgraph's colours.
NEAR, FAR = (0.0, 0.0, 1.0), (0.0, 0.0, 0.3)
LEFT_OUT_NEAR, LEFT_OUT_FAR = (0.0, 1.0, 1.0), (0.0, 1.0, 0.3)


def in_notebook() -> bool:
    """Whether this interpreter shows pictures between its lines, as Jupyter does, and has graphviz for it."""
    shell = getattr(builtins, "get_ipython", None)
    if shell is None or "TerminalInteractiveShell" in type(shell()).__name__:
        return False
    return find_spec("graphviz") is not None


@dataclass(slots=True)
class Bounds:
    """How far a picture goes."""

    max_depth: int = 3
    too_many: int = 10
    filter: Predicate | None = None
    cull: Predicate | None = None


@dataclass(slots=True)
class Look:
    """What a node shows."""

    highlight: Predicate | None = None
    extra_info: Callable[[Any], object] | None = None
    refcounts: bool = False
    shortnames: bool = True
    extra_node_attrs: Callable[[Any], Mapping[str, str | None]] | None = None


@dataclass(slots=True)
class Direction:
    """Along which references, and whether an arrow points at the neighbour."""

    edges: Edges
    forward: bool


# ---- one picture ----


def node_id(obj: object) -> str:
    """The name of the object's node."""
    return f"o{id(obj)}"


def gradient(start: Colour, end: Colour, depth: int, max_depth: int) -> Colour:
    """The colour at a depth, between that of the roots and that of the greatest depth."""
    if max_depth == 0:
        return start
    part = depth / max_depth
    return (
        start[0] * (1 - part) + end[0] * part,
        start[1] * (1 - part) + end[1] * part,
        start[2] * (1 - part) + end[2] * part,
    )


def counts_of(objects: list[object], start: int, end: int) -> list[int]:
    """How many references there are to each of ``objects[start:end]`` beside the one in the list."""

    def seen(where: list[object], first: int, last: int) -> list[int]:
        return list(map(sys.getrefcount, islice(where, first, last)))

    (ours,) = seen([object()], 0, 1)
    ids = list(map(id, islice(objects, start, end)))
    often = Counter(ids) if len(set(ids)) < len(ids) else {}  # roots may be given twice
    return [
        count - ours - often.get(number, 1) + 1 for count, number in zip(seen(objects, start, end), ids, strict=True)
    ]


def node_label(obj: object, look: Look, count: int | None = None) -> str:
    """The text in the object's node: its type, how it looks, and what the caller adds."""
    title = naming(look.shortnames)(type(obj))
    lines = [title if count is None else f"{title} [{count}]", safe_repr(obj)]
    if look.extra_info:
        lines.append(str(look.extra_info(obj)))
    return quoted("\n".join(lines))


def node_attributes(obj: object, extra: Callable[[Any], Mapping[str, str | None]] | None) -> str:
    """What the caller wants to be said of the node, as it follows other attributes."""
    if extra is None:
        return ""
    return "".join(f', {name}="{quoted(value)}"' for name, value in sorted(extra(obj).items()) if value is not None)


class Picture:
    """Writes a graph to a file; ``nodes`` counts."""

    __slots__ = ("bounds", "direction", "look", "nodes", "walk", "write")

    def __init__(self, write: Callable[[str], object], direction: Direction, bounds: Bounds, look: Look) -> None:
        self.write = write
        self.direction = direction
        self.bounds = bounds
        self.look = look
        self.nodes = 0
        self.walk = Walk([], ())

    def draw(self, roots: list[object], ignored: Iterable[int]) -> None:
        """The whole graph; the list of roots is taken over."""
        self.walk = walk = Walk(roots, ignored)
        # what the caller gave is held by these alone, not by the program
        walk.ignored.update(map(id, (self, self.write, self.direction, self.bounds, self.look)))
        self.write("digraph ObjectGraph {\n  node[shape=box, style=filled, fillcolor=white];\n")
        for place in range(walk.end):
            self.write(f"  {node_id(walk.found[place])}[fontcolor=red];\n")
        gc.collect()
        depth = 0
        while walk.start < walk.end:
            self._layer(depth)
            walk.advance()
            depth += 1
        self.write("}\n")

    def _layer(self, depth: int) -> None:
        walk = self.walk
        counts: list[int] | None = None
        if self.look.refcounts:
            counts = counts_of(walk.found, walk.start, walk.end)
        layer = walk.layer()
        walk.ignored.add(id(layer))
        if depth >= self.bounds.max_depth:
            for place in range(len(layer)):
                self._node(layer[place], depth, None if counts is None else counts[place])
        else:
            self._layer_and_edges(layer, depth, counts)
        walk.ignored.discard(id(layer))

    def _layer_and_edges(self, layer: list[object], depth: int, counts: list[int] | None) -> None:
        cull = self.bounds.cull
        open_ones = [target for target in layer if cull is None or not cull(target)]
        self.walk.ignored.add(id(open_ones))
        found = neighbours(self.direction.edges, open_ones)
        going = 0
        for place in range(len(layer)):  # enumerate() and zip() keep what they gave last, which would be found
            target = layer[place]
            self._node(target, depth, None if counts is None else counts[place])
            if going < len(open_ones) and open_ones[going] is target:
                going += 1
                self._edges(target, self.walk.start + place, next(found), depth)
        self.walk.ignored.discard(id(open_ones))

    def _node(self, target: object, depth: int, count: int | None) -> None:
        name, look = node_id(target), self.look
        attributes = node_attributes(target, look.extra_node_attrs)
        self.write(f'  {name}[label="{node_label(target, look, count)}"{attributes}];\n')
        h, s, v = gradient(NEAR, FAR, depth, self.bounds.max_depth)
        if is_a(target, ModuleType):
            h, s = 0.3, 1.0
        if look.highlight and look.highlight(target):
            h, s, v = 0.6, 0.6, 0.5 + v * 0.5
        self.write(f'  {name}[fillcolor="{h:g},{s:g},{v:g}"];\n')
        if v < 0.5:
            self.write(f"  {name}[fontcolor=white];\n")
        if hasattr(type(target), "__del__"):
            self.write(f"  {name}->{name}_has_a_del[color=red,style=dotted,len=0.25,weight=10];\n")
            self.write(
                f'  {name}_has_a_del[label="__del__",shape=doublecircle,height=0.25,color=red,'
                'fillcolor="0,.5,1",fontsize=6];\n'
            )
        self.nodes += 1

    def _edges(self, target: object, place: int, sources: Iterable[object], depth: int) -> None:
        shown = left_out = 0
        for source in sources:
            if id(source) in self.walk.ignored or source is sources:
                continue
            if self.bounds.filter and not self.bounds.filter(source):
                continue
            if shown >= self.bounds.too_many:
                left_out += 1
                continue
            first, second = (target, source) if self.direction.forward else (source, target)
            label = edge_label(first, second, self.look.shortnames)
            self.write(f"  {node_id(first)} -> {node_id(second)}{label};\n")
            self.walk.add(source, place)
            shown += 1
        if left_out:
            self._left_out(node_id(target), left_out, depth + 1)

    def _left_out(self, name: str, count: int, depth: int) -> None:
        h, s, v = gradient(LEFT_OUT_NEAR, LEFT_OUT_FAR, depth, self.bounds.max_depth)
        forward = self.direction.forward
        edge = f"{name}->too_many_{name}" if forward else f"too_many_{name}->{name}"
        label = f"{count} more {'references' if forward else 'backreferences'}"
        self.write(f"  {edge}[color=red,style=dotted,len=0.25,weight=10];\n")
        self.write(
            f'  too_many_{name}[label="{label}",shape=box,height=0.25,color=red,'
            f'fillcolor="{h:g},{s:g},{v:g}",fontsize=6];\n'
        )
        self.write(f"  too_many_{name}[fontcolor=white];\n")


# ---- where it goes ----


def show(
    roots: list[object],
    ignored: Iterable[int],
    direction: Direction,
    bounds: Bounds,
    look: Look,
    filename: str | None = None,
    output: SupportsWrite | None = None,
    inline: bool = False,
) -> Any:
    """Draws, and puts the picture where it was asked for; a graphviz.Source when it is to stand inline, else None.

    ``roots`` is taken over; ``ignored`` are ids of objects that are left out. ValueError when both a file name and an
    output are given.
    """
    if filename and output:
        raise ValueError("Cannot specify both output and filename.")
    if output:
        Picture(output.write, direction, bounds, look).draw(roots, ignored)
        return None
    if inline and not filename:
        text = io.StringIO()
        Picture(text.write, direction, bounds, look).draw(roots, ignored)
        return import_module("graphviz").Source(text.getvalue())
    dot_file = _dot_file(filename)
    with open(dot_file, "w", encoding="utf-8", errors="backslashreplace") as file:
        picture = Picture(file.write, direction, bounds, look)
        picture.draw(roots, ignored)
    print(f"Graph written to {dot_file} ({picture.nodes} nodes)")
    present(dot_file, filename)
    return None


def _dot_file(filename: str | None) -> str:
    if filename and filename.endswith(".dot"):
        return filename
    number, name = tempfile.mkstemp(prefix="objgraph-", suffix=".dot", text=True)
    os.close(number)
    return name


def in_path(program: str) -> bool:
    """Whether a program of that name can be started."""
    return shutil.which(program) is not None


def present(dot_file: str, filename: str | None = None) -> None:
    """Makes the picture that was asked for out of a dot file; without a name, opens a viewer or makes a PNG."""
    if filename == dot_file:
        return
    if not filename and in_path("xdot"):
        print("Spawning graph viewer (xdot)")
        subprocess.Popen(["xdot", dot_file], close_fds=True)
    elif in_path("dot"):
        if not filename:
            print("Graph viewer (xdot) not found, generating a png instead")
            filename = dot_file[:-4] + ".png"
        _render(dot_file, filename)
    elif filename:
        print("Image renderer (dot) not found, not doing anything else")
    else:
        print("Graph viewer (xdot) and image renderer (dot) not found, not doing anything else")


def _render(dot_file: str, filename: str) -> None:
    kind = os.path.splitext(filename)[1][1:]
    command = ["dot", f"-T{kind}", f"-o{filename}", dot_file]
    dot = subprocess.Popen(command, close_fds=False)
    dot.wait()
    if dot.returncode != 0:
        print(f'dot failed (exit code {dot.returncode}) while executing "{" ".join(command)}"')
    else:
        print(f"Image generated as {filename}")
