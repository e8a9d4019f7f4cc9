"""``kucha heap export``: a heap for another tool. The ending of the name says which."""

from __future__ import annotations

import csv
import json
import os
import shutil
import subprocess

from kucha.export import heapsnapshot
from kucha.heap import FLAGS, ROOT
from kucha.options import UsageError
from kucha.session import check_output

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import Any

    from kucha.heap import Heap, Node

_EVERYTHING = (1 << 31) - 1  # references of one node
PICTURE_NODES = 60  # what a picture of boxes and arrows can show
_COLUMNS = ("number", "address", "type", "size", "slack", "count", "age", "flags", "label", "birthplace", "retained")


def export(heap: Heap, values: dict[str, Any]) -> None:
    """Writes what ``--output`` names, of the nodes of ``--where``."""
    target: str = values["output"]
    ending = os.path.splitext(target)[1]
    if ending not in _WRITERS:
        raise UsageError(f"can't tell what to write to '{target}': expected a name that ends in {', '.join(_WRITERS)}")
    check_output(target, values["force"])
    content = _WRITERS[ending](heap, values)
    flags = os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | (os.O_TRUNC if values["force"] else os.O_EXCL)
    with os.fdopen(os.open(target, flags, 0o600), "wb") as file:
        file.writelines(content)


def _nodes(heap: Heap, values: dict[str, Any], by: str = "address", most: int = 0) -> Iterator[Node]:
    where = values["where"] or "not place"
    numbers = heap.analysis.nodes(heap.analysis.select(where), by, most or len(heap))[2]
    return (heap[number] for number in numbers)


class _Rows:
    """Nodes as rows of _COLUMNS. Birthplaces and flags, which many share, are put into words once."""

    def __init__(self) -> None:
        self.places: dict[int, str] = {}
        self.flags: dict[int, str] = {}

    def __call__(self, node: Node) -> tuple[Any, ...]:
        place, flags = self.places.get(node.site), self.flags.get(node.flags)
        if place is None:
            place = ";".join(f"{function} ({file}:{line})" for function, file, line in node.birthplace)
            self.places[node.site] = place
        if flags is None:
            flags = self.flags[node.flags] = " ".join(node.flag_names)
        return (
            node.number,
            node.address,
            node.type,
            node.size,
            node.slack,
            node.count,
            node.age,
            flags,
            node.label,
            place,
            node.retained,
        )


class _Lines:
    """A text file for csv.writer whose lines are taken away as they come."""

    def __init__(self) -> None:
        self.line = ""

    def write(self, line: str) -> int:
        """Keeps a line, which csv.writer writes whole."""
        self.line = line
        return len(line)


def _csv(heap: Heap, values: dict[str, Any]) -> Iterable[bytes]:
    nodes, row, lines = _nodes(heap, values), _Rows(), _Lines()
    writer = csv.writer(lines, lineterminator="\n")

    def each() -> Iterator[bytes]:
        writer.writerow(_COLUMNS)
        yield lines.line.encode()
        for node in nodes:
            writer.writerow(row(node))
            yield lines.line.encode("utf-8", "surrogateescape")

    return each()


def _json(heap: Heap, values: dict[str, Any]) -> Iterable[bytes]:
    """Every node with what it holds, by name and number; a line for each."""
    nodes, row = _nodes(heap, values), _Rows()

    def each() -> Iterator[bytes]:
        yield b'{"info": %s,\n"nodes": [' % json.dumps(heap.info).encode()
        between = b"\n"
        for node in nodes:
            edges = heap.analysis.references(node.number, _EVERYTHING)
            fields = dict(zip(_COLUMNS, row(node), strict=True)) | {"references": edges}
            yield between + json.dumps(fields).encode()
            between = b",\n"
        yield b"\n]}\n"

    return each()


def _parquet(heap: Heap, values: dict[str, Any]) -> Iterable[bytes]:
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError:
        raise UsageError("Parquet needs pyarrow: pip install 'kucha[parquet]'") from None
    row = _Rows()
    rows = [row(node) for node in _nodes(heap, values)]
    columns = {name: [row[index] for row in rows] for index, name in enumerate(_COLUMNS)}
    sink = pyarrow.BufferOutputStream()
    parquet.write_table(pyarrow.table(columns), sink)
    return [bytes(sink.getvalue())]


# ---- pictures ----


def _quote(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'


def dot(heap: Heap, values: dict[str, Any]) -> bytes:
    """Boxes and arrows for Graphviz: what retains most of what was asked for, and the references between them."""
    most = values["top"] or PICTURE_NODES
    shown = list(_nodes(heap, values, "retained", most))
    numbers = {node.number for node in shown}
    lines = ["digraph heap {", "  rankdir=LR;", '  node [shape=box, fontname="sans-serif", fontsize=10];']
    for node in shown:
        text = f"{node.text}\n{node.size:,} bytes, retains {node.retained:,}"
        lines.append(f"  n{node.number} [label={_quote(text)}{_style(node)}];")
    for node in shown:
        for name, target in heap.analysis.references(node.number, 100_000):
            if target in numbers:
                lines.append(f"  n{node.number} -> n{target} [label={_quote(name)}, fontsize=8];")
    return "\n".join([*lines, "}", ""]).encode("utf-8", "surrogateescape")


def _style(node: Node) -> str:
    if node.number == ROOT:
        return ", shape=doublecircle"
    return ", style=dashed" if node.flags >> FLAGS.index("dead") & 1 else ""


def _drawn(kind: str) -> Callable[[Heap, dict[str, Any]], Iterable[bytes]]:
    def draw(heap: Heap, values: dict[str, Any]) -> Iterable[bytes]:
        if shutil.which("dot") is None:
            raise UsageError("pictures need Graphviz: install it, or write a .dot file")
        drawing = dot(heap, values)
        return [subprocess.run(["dot", f"-T{kind}"], input=drawing, stdout=subprocess.PIPE, check=True).stdout]

    return draw


def _dot(heap: Heap, values: dict[str, Any]) -> Iterable[bytes]:
    return [dot(heap, values)]


def _snapshot(heap: Heap, values: dict[str, Any]) -> Iterable[bytes]:
    if values["where"] is not None:
        raise UsageError("a .heapsnapshot has the whole heap: --where does not fit")
    return [heapsnapshot.heapsnapshot(heap)]


_WRITERS: dict[str, Callable[[Heap, dict[str, Any]], Iterable[bytes]]] = {
    ".heapsnapshot": _snapshot,
    ".json": _json,
    ".csv": _csv,
    ".parquet": _parquet,
    ".dot": _dot,
    ".svg": _drawn("svg"),
    ".png": _drawn("png"),
}
