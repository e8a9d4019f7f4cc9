"""``kucha heap export``: a heap for another tool. The ending of the name says which."""

from __future__ import annotations

import csv
import io
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
    from collections.abc import Callable, Iterator
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
        file.write(content)


def _nodes(heap: Heap, values: dict[str, Any], by: str = "address", most: int = 0) -> Iterator[Node]:
    where = values["where"] or "not place"
    for number in heap.analysis.nodes(heap.analysis.select(where), by, most or len(heap))[2]:
        yield heap[number]


def _row(node: Node) -> tuple[Any, ...]:
    birthplace = ";".join(f"{function} ({file}:{line})" for function, file, line in node.birthplace)
    flags = " ".join(node.flag_names)
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
        birthplace,
        node.retained,
    )


def _csv(heap: Heap, values: dict[str, Any]) -> bytes:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(_COLUMNS)
    writer.writerows(_row(node) for node in _nodes(heap, values))
    return out.getvalue().encode("utf-8", "surrogateescape")


def _json(heap: Heap, values: dict[str, Any]) -> bytes:
    """Every node with what it holds, by name and number."""
    nodes = []
    for node in _nodes(heap, values):
        edges = heap.analysis.references(node.number, _EVERYTHING)
        nodes.append(dict(zip(_COLUMNS, _row(node), strict=True)) | {"references": edges})
    return json.dumps({"info": heap.info, "nodes": nodes}, indent=1).encode()


def _parquet(heap: Heap, values: dict[str, Any]) -> bytes:
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError:
        raise UsageError("Parquet needs pyarrow: pip install 'kucha[parquet]'") from None
    rows = [_row(node) for node in _nodes(heap, values)]
    columns = {name: [row[index] for row in rows] for index, name in enumerate(_COLUMNS)}
    sink = pyarrow.BufferOutputStream()
    parquet.write_table(pyarrow.table(columns), sink)
    return bytes(sink.getvalue())


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


def _drawn(kind: str) -> Callable[[Heap, dict[str, Any]], bytes]:
    def draw(heap: Heap, values: dict[str, Any]) -> bytes:
        if shutil.which("dot") is None:
            raise UsageError("pictures need Graphviz: install it, or write a .dot file")
        return subprocess.run(["dot", f"-T{kind}"], input=dot(heap, values), stdout=subprocess.PIPE, check=True).stdout

    return draw


def _snapshot(heap: Heap, values: dict[str, Any]) -> bytes:
    if values["where"] is not None:
        raise UsageError("a .heapsnapshot has the whole heap: --where does not fit")
    return heapsnapshot.heapsnapshot(heap)


_WRITERS: dict[str, Callable[[Heap, dict[str, Any]], bytes]] = {
    ".heapsnapshot": _snapshot,
    ".json": _json,
    ".csv": _csv,
    ".parquet": _parquet,
    ".dot": dot,
    ".svg": _drawn("svg"),
    ".png": _drawn("png"),
}
