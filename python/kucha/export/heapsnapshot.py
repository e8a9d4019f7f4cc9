"""A heap as Chrome's .heapsnapshot, which DevTools and its relatives open, birthplaces included.

The format is that of V8 (src/profiler/heap-snapshot-generator.cc): one JSON document with flat arrays of numbers, whose
fields ``meta`` names. The first node is the root, edges stand in the order of their nodes and name their target by the
index of its first field. Birthplaces are the allocation stacks of the format: a tree of calls, each a function, a file
and a line.
"""

from __future__ import annotations

import json
from typing import Any

from kucha.heap import FLAGS, KINDS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from kucha.heap import Heap

NODE_FIELDS = ["type", "name", "id", "self_size", "edge_count", "trace_node_id"]
NODE_TYPES = ["hidden", "array", "string", "object", "code", "closure", "regexp", "number", "native", "synthetic"]
EDGE_FIELDS = ["type", "name_or_index", "to_node"]
EDGE_TYPES = ["context", "element", "property", "internal", "hidden", "shortcut", "weak"]
TRACE_FUNCTION_FIELDS = ["function_id", "name", "script_name", "script_id", "line", "column"]
TRACE_NODE_FIELDS = ["id", "function_info_index", "count", "size", "children"]

_TYPES = {"str": "string", "list": "array", "tuple": "array", "int": "number", "float": "number", "function": "closure"}
_CODE = ("code", "module", "type", "builtin_function_or_method")
_EVERYTHING = (1 << 31) - 1


class _Strings:
    """Texts, each once, by number."""

    def __init__(self) -> None:
        self.numbers: dict[str, int] = {}

    def __call__(self, text: str) -> int:
        return self.numbers.setdefault(text, len(self.numbers))


class _Stacks:
    """The tree of calls, outermost first. A node is [id, function, count, size, children by function]."""

    def __init__(self, heap: Heap, strings: _Strings) -> None:
        self.heap = heap
        self.strings = strings
        self.functions: list[int] = []
        self.known: dict[tuple[str, str, int], int] = {}
        self.scripts: dict[str, int] = {}
        self.made = 1
        self.root: list[Any] = [1, self._function(("(root)", "", 0)), 0, 0, {}]
        self.by_site: dict[int, list[Any]] = {0: self.root}

    def _function(self, frame: tuple[str, str, int]) -> int:
        if frame not in self.known:
            number = self.known[frame] = len(self.known)
            name, file, line = frame
            script = self.scripts.setdefault(file, len(self.scripts))
            self.functions += [number, self.strings(name), self.strings(file), script, line, 1]
        return self.known[frame]

    def _at(self, site: int) -> list[Any]:
        if site not in self.by_site:
            node = self.root
            for frame in reversed(self.heap.analysis.site(site)):
                function = self._function(frame)
                if function not in node[4]:
                    self.made += 1
                    node[4][function] = [self.made, function, 0, 0, {}]
                node = node[4][function]
            self.by_site[site] = node
        return self.by_site[site]

    def add(self, site: int, size: int) -> int:
        """Counts an object. Returns the id of its stack; 0 where none is known."""
        node = self._at(site)
        node[2] += 1
        node[3] += size
        return int(node[0]) if site else 0

    def tree(self) -> list[Any]:
        """The tree as nested lists. Stacks have 255 frames at most, so recursion is bounded."""

        def flat(node: list[Any]) -> list[Any]:
            children: list[Any] = []
            for child in node[4].values():
                children += flat(child)
            return [*node[:4], children]

        return flat(self.root)


def _node_type(type_name: str, flags: int) -> int:
    if flags >> FLAGS.index("place") & 1:
        name = "synthetic"
    elif flags >> FLAGS.index("buffer") & 1 or flags >> FLAGS.index("unknown") & 1:
        name = "native"
    else:
        name = "code" if type_name in _CODE else _TYPES.get(type_name, "object")
    return NODE_TYPES.index(name)


def _edge(name: str, strings: _Strings) -> tuple[int, int]:
    """Type, and name or index, of an edge: "item 3" is element 3, "attribute x" property x."""
    kind, _, rest = name.partition(" ")
    if kind == "item" and rest.isdecimal():
        return EDGE_TYPES.index("element"), int(rest)
    if kind in ("attribute", "value") and rest:
        return EDGE_TYPES.index("property"), strings(rest.removeprefix("of ") if kind == "value" else rest)
    if kind in ("local", "cell") and rest:
        return EDGE_TYPES.index("context"), strings(rest)
    return EDGE_TYPES.index("internal"), strings(name or KINDS[0])


def heapsnapshot(heap: Heap) -> bytes:
    """The whole heap as a .heapsnapshot."""
    strings = _Strings()
    stacks = _Stacks(heap, strings)
    nodes: list[int] = []
    edges: list[int] = []
    for number in range(len(heap)):
        _, type_name, size, _, _, flags, _, site, label, text = heap.analysis.node(number)
        references = heap.analysis.references(number, _EVERYTHING)
        shown = text if label else type_name
        # Ids of objects are odd in V8, and never 0.
        nodes += [_node_type(type_name, flags), strings(shown), 2 * number + 1, size, len(references)]
        nodes.append(stacks.add(site, size))
        for name, target in references:
            edges += [*_edge(name, strings), target * len(NODE_FIELDS)]
    document = {
        "snapshot": {"meta": _meta(), "node_count": len(heap), "edge_count": len(edges) // len(EDGE_FIELDS)}
        | {"trace_function_count": len(stacks.known)},
        "nodes": nodes,
        "edges": edges,
        "trace_function_infos": stacks.functions,
        "trace_tree": stacks.tree(),
        "samples": [],
        "locations": [],
        "strings": list(strings.numbers),
    }
    return json.dumps(document, separators=(",", ":")).encode()


def _meta() -> dict[str, Any]:
    return {
        "node_fields": NODE_FIELDS,
        "node_types": [NODE_TYPES, "string", "number", "number", "number", "number"],
        "edge_fields": EDGE_FIELDS,
        "edge_types": [EDGE_TYPES, "string_or_number", "node"],
        "trace_function_info_fields": TRACE_FUNCTION_FIELDS,
        "trace_node_fields": TRACE_NODE_FIELDS,
        "sample_fields": ["timestamp_us", "last_assigned_id"],
        "location_fields": ["object_index", "script_id", "line", "column"],
    }
