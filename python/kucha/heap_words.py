"""How the nodes of a heap and the chains of references between them read.

    modules -> module app .cache -> dict [entry 12] -> app.Session .data -> list [7] -> str

Each step is a node and the reference that leads on from it. An object's ``__dict__`` is no step of its own where it
only passes on an attribute: ``module app .cache`` stands for the module, its dict and the value of ``cache`` there.
Values are never shown, for a heap file has none: an entry of a dict is told by its place, or by its key where that is
a name.
"""

from __future__ import annotations

from itertools import pairwise

from kucha.heap import ROOT, Node

NAMESPACE = "slot __dict__"
_ENTRY = "value of "
_OWNERS_LOOKED_AT = 10_000  # of a dict: every function of a module refers to the module's


def name(node: Node) -> str:
    """A node by its type and what it is called, without its address."""
    return f"{node.type} {node.label}" if node.is_object and node.label else node.type if node.is_object else str(node)


def described(node: Node) -> str:
    """The same for a node that stands alone: a namespace is told by whose it is, others have their address."""
    holder = owner(node)
    return f"dict of {name(holder)}" if holder else str(node)


def owner(node: Node) -> Node | None:
    """The object that has this dict as its namespace."""
    if node.type != "dict" or node.label:
        return None
    for number, by in node.heap.analysis.referrers(node.number, _OWNERS_LOOKED_AT)[1]:
        if by == NAMESPACE:
            return Node(node.heap, number)
    return None


def reference(by: str) -> str:
    """A reference as it stands behind its holder: ``.x``, ``[3]``, ``(key of entry 3)``."""
    kind, _, what = by.partition(" ")
    if by.startswith(_ENTRY):
        return f"[{by.removeprefix(_ENTRY)!r}]"
    if kind == "slot":
        return f".{what}" if what.isidentifier() else f"({what})"
    forms = {
        "attribute": f".{what}",
        "item": f"[{what}]",
        "value": f"[entry {what}]",
        "key": f"(key {what})",
        "local": f"(local {what})",
        "cell": ".cell_contents",
        "stack": "(working stack)",
        "type": "(its type)",
        "buffer": "(its memory)",
        "unknown": f"(reference {what})",
    }
    return forms.get(kind, by)


def step(node: Node, by: str) -> str:
    """A node, and the reference that leads on from it; none where the node is a place that only lists what it holds."""
    kind, _, what = by.partition(" ")
    if kind == "local":
        return f"local {what} in {name(node)}"
    if not by or _only_lists(node, by):
        return name(node)
    return f"{name(node)} {reference(by)}"


def _only_lists(node: Node, by: str) -> bool:
    """Whether the reference says no more than that a place has the node in its list."""
    return not node.is_object and by.partition(" ")[0] not in ("local", "slot", "stack")


def steps(path: list[Node]) -> list[tuple[Node, str]]:
    """The nodes of a path with the references that lead on; the last has none. Namespaces are folded into owners."""
    names = [holder.heap.analysis.edge(holder.number, node.number) for holder, node in pairwise(path)]
    names.append("")
    found = []
    at = 1 if len(path) > 1 and path[0].number == ROOT else 0
    while at < len(path):
        folds = names[at] == NAMESPACE and names[at + 1].startswith(_ENTRY)
        found.append((path[at], attribute(names[at + 1]) if folds else names[at]))
        at += 2 if folds else 1
    return found


def way(path: list[Node]) -> str:
    """A path in one line."""
    return " -> ".join(step(node, by) for node, by in steps(path))


def holder_text(holder: Node, by: str) -> str:
    """Who holds something, and by what: an attribute is held by the object, not by its namespace."""
    has = owner(holder) if by.startswith(_ENTRY) else None
    return step(has, attribute(by)) if has else step(holder, by)


def attribute(by: str) -> str:
    """A reference out of a namespace as one of its owner."""
    return f"attribute {by.removeprefix(_ENTRY)}" if by.startswith(_ENTRY) else by


def reference_to(holder: Node, held: Node) -> str:
    """The reference from one node to another; none where the holder is a place that only lists what it holds."""
    by: str = holder.heap.analysis.edge(holder.number, held.number)
    return "" if _only_lists(holder, by) else by


def children(node: Node, inside: list[Node]) -> list[tuple[Node, str]]:
    """What a node keeps alive, each with the reference to it; a namespace's own children stand for the namespace."""
    found = []
    namespace = owner(node) is not None
    for child in inside:
        by = reference_to(node, child)
        if by == NAMESPACE:
            found += [(one, attribute(reference_to(child, one))) for one in child.dominated(len(inside))]
        else:
            found.append((child, attribute(by) if namespace else by))
    return sorted(found, key=lambda pair: -pair[0].retained)
