"""What the graphs of bench/c/collect.c cost under the interpreter's own collector; prints one line of JSON.

    python graphs.py trees [DEPTH = 20] [TIMES = 10]
    python graphs.py list [NODES = 10000000]
    python graphs.py random [NODES = 4000000] [shuffle]
    python graphs.py grow [NODES = 10000000]

The same graphs, step by step, of instances with three slots; CPU time in milliseconds. Pauses are those that the
collector tells its callbacks of, on the wall clock.
"""

from __future__ import annotations

import gc
import json
import os
import random
import sys
import time
from collections.abc import Callable
from typing import Any

TRIES = 3


class Node:
    """A node of every graph."""

    __slots__ = ("left", "parent", "right")

    left: Node | None
    right: Node | None
    parent: Node | None

    def __init__(self, parent: Node | None = None, left: Node | None = None) -> None:
        self.left = left
        self.right = None
        self.parent = parent


class Pauses:
    """How long collections took."""

    def __init__(self) -> None:
        self.began = 0.0
        self.longest = 0.0
        self.count = 0
        gc.callbacks.append(self.note)

    def note(self, phase: str, _info: dict[str, int]) -> None:
        """Hear of a collection's begin or end."""
        if phase == "start":
            self.began = time.perf_counter()
            return
        self.count += 1
        self.longest = max(self.longest, time.perf_counter() - self.began)


def milliseconds() -> float:
    """CPU time of the process."""
    return time.process_time() * 1e3


def collection() -> float:
    """What a full collection takes."""
    began = milliseconds()
    gc.collect()
    return milliseconds() - began


def grow_tree(made: Node, depth: int) -> None:
    """Give a node two subtrees of this depth."""
    if depth == 0:
        return
    made.left = Node(made)
    made.right = Node(made)
    grow_tree(made.left, depth - 1)
    grow_tree(made.right, depth - 1)


def trees(depth: int = 20, times: int = 10) -> dict[str, float]:
    """Binary trees with links to the parent, each dropped before the next."""
    began = milliseconds()
    root = None
    for _ in range(times):
        root = None
        root = Node()
        grow_tree(root, depth)
    built = milliseconds() - began
    live = min(collection() for _ in range(TRIES))
    del root
    return {"build_ms": built, "live_ms": live, "dead_ms": collection()}


def make_list(nodes: int) -> Node:
    """A doubly linked list."""
    first = last = Node()
    for _ in range(nodes - 1):
        made = Node(None, last)
        last.right = made
        last = made
    return first


def linked_list(nodes: int = 10_000_000) -> dict[str, float]:
    """Build it, collect with it alive, and dead."""
    began = milliseconds()
    root = make_list(nodes)
    built = milliseconds() - began
    live = min(collection() for _ in range(TRIES))
    del root
    return {"build_ms": built, "live_ms": live, "dead_ms": collection()}


def random_links(nodes: int = 4_000_000, shuffle: str = "") -> dict[str, float]:
    """Objects with two references to others at random, and one to the next, in creation order or in any."""
    began = milliseconds()
    dice = random.Random(1)
    everything = [Node() for _ in range(nodes)]
    if shuffle:
        dice.shuffle(everything)
    for i, node in enumerate(everything):
        node.left = everything[int(dice.random() * nodes)]
        node.right = everything[int(dice.random() * nodes)]
        if i > 0:
            everything[i - 1].parent = node
    root = everything[0]
    del everything, node
    built = milliseconds() - began
    live = min(collection() for _ in range(TRIES))
    del root
    return {"build_ms": built, "live_ms": live, "dead_ms": collection()}


def grow(nodes: int = 10_000_000) -> dict[str, float]:
    """A heap that grows."""
    began = milliseconds()
    root = make_list(nodes)
    built = milliseconds() - began
    del root
    return {"build_ms": built}


def main() -> None:
    graph, *rest = sys.argv[1:]
    arguments: list[Any] = [int(text) if text.isdigit() else text for text in rest]
    pauses = Pauses()
    graphs: dict[str, Callable[..., dict[str, float]]] = {
        "trees": trees,
        "list": linked_list,
        "random": random_links,
        "grow": grow,
    }
    made = graphs[graph](*arguments)
    answer = {"graph": graph, **made, "collections": pauses.count, "longest_ms": pauses.longest * 1e3}
    print(json.dumps(answer), flush=True)
    os._exit(0)


if __name__ == "__main__":
    main()
