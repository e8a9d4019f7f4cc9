"""Binary trees: the allocation test of the Computer Language Benchmarks Game, with a class for the node.

A long-lived tree stays while many short-lived ones are built and walked; the collector runs as it does by default.
"""

from __future__ import annotations

LONG_LIVED_DEPTH = 15
SHORT_DEPTHS = (4, 6, 8, 10, 12)
NODES_PER_DEPTH = 320_000


class Node:
    """An inner node; a leaf has two Nones."""

    __slots__ = ("left", "right")

    def __init__(self, left: Node | None, right: Node | None) -> None:
        self.left = left
        self.right = right


def build(depth: int) -> Node:
    """Make a full tree."""
    if depth == 0:
        return Node(None, None)
    return Node(build(depth - 1), build(depth - 1))


def count(node: Node) -> int:
    """Walk a tree."""
    if node.left is None or node.right is None:
        return 1
    return 1 + count(node.left) + count(node.right)


def run(scale: float) -> int:
    """Do the work and return the number of nodes that were walked."""
    long_lived = build(LONG_LIVED_DEPTH)
    nodes = 0
    for depth in SHORT_DEPTHS:
        size = (2 << depth) - 1
        for _ in range(max(1, int(NODES_PER_DEPTH * scale) // size)):
            nodes += count(build(depth))
    return nodes + count(long_lived)
