"""What a capture says, grouped the ways that people ask for: by line, by function, by file, as a tree.

``_core.capture_read`` validates the file and gives columns; this module only adds numbers up. Counts come in sevens,
in the order of COUNTS. Stacks are innermost frame first, as they were taken; trees are built from the outermost.
"""

from __future__ import annotations

from kucha import _core
from kucha.options import UsageError
from kucha.text import is_own

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Key = tuple[str, int, str]  # file, line (0: not told apart), qualified name ("": not told apart)

COUNTS = (
    "live_bytes",
    "live_blocks",
    "peak_bytes",
    "peak_blocks",
    "total_bytes",
    "total_blocks",
    "temporary_blocks",
)
LIVE_BYTES, LIVE_BLOCKS, PEAK_BYTES, PEAK_BLOCKS, TOTAL_BYTES, TOTAL_BLOCKS, TEMPORARY = range(7)

# The column that each measure of ``kucha report --sort`` is about, and the unit that graphs show.
MEASURE = {"live": LIVE_BYTES, "peak": PEAK_BYTES, "total": TOTAL_BYTES, "blocks": TOTAL_BLOCKS, "temporary": TEMPORARY}
UNIT = {"live": "bytes", "peak": "bytes", "total": "bytes", "blocks": "blocks", "temporary": "blocks"}

UNKNOWN: Key = ("<unknown>", 0, "")  # a block without a Python frame: made while no Python code ran


_NESTED = ("<listcomp>", "<setcomp>", "<dictcomp>", "<genexpr>", "<lambda>")


def _enclosing(key: Key) -> Key:
    """The same line in the function around it. From 3.12 on the interpreter itself makes comprehensions part of it."""
    filename, line, function = key
    while function.endswith(_NESTED):
        function = function.rpartition(".<locals>.")[0] or "<module>"
    return filename, line, function


class Group:
    """The sums of all sites that share a key. ``inner`` splits one measure by innermost frame."""

    __slots__ = ("counts", "inner", "key")

    def __init__(self, key: Key) -> None:
        self.key = key
        self.counts = [0] * len(COUNTS)
        self.inner: dict[Key, int] = {}

    def main_inner(self) -> Key:
        """The innermost frame that most of the measure comes from."""
        return max(self.inner, key=lambda key: (self.inner[key], key))


class Node:
    """A frame of the call tree, with the sums of everything beneath it."""

    __slots__ = ("children", "key", "self_value", "value")

    def __init__(self, key: Key) -> None:
        self.key = key
        self.value = 0
        self.self_value = 0
        self.children: dict[Key, Node] = {}

    def ordered(self) -> list[Node]:
        """Children, largest first; ties by name, so that output never depends on chance."""
        return sorted(self.children.values(), key=lambda node: (-node.value, node.key))


class Profile:
    """A capture that has been read."""

    def __init__(self, path: str) -> None:
        try:
            capture = _core.capture_read(path)
        except ValueError as error:  # CaptureError is one; so is what open() says of a name with a null byte
            from kucha.file_kinds import hint

            raise UsageError(f"'{path}' can't be read as a capture: {error}{hint(path)}") from None
        except OSError as error:
            raise UsageError(f"can't open '{path}': {error.strerror or error}") from None
        self.path = path
        self.header = capture.header
        self.totals = capture.totals
        self.timeline = capture.timeline
        self.collections = capture.collections
        self.arenas = capture.arenas
        self.stacks = capture.stacks
        self.counts = capture.counts
        self._codes = capture.codes
        self._frames = capture.frames
        own_codes = [is_own(filename) for filename, _, _ in self._codes]
        self._own = [own_codes[code] for code, _, _ in self._frames]
        self._keys: list[Key] = []
        for code, line, _ in self._frames:
            filename, function, _ = self._codes[code]
            self._keys.append((filename, line, function))
        self._lines = [_enclosing(key) for key in self._keys]

    def key(self, frame: int) -> Key:
        """File, line and function of a frame."""
        return self._keys[frame]

    def sums(self) -> list[int]:
        """The seven counts over all sites."""
        return [sum(column) for column in zip(*self.counts, strict=True)] if self.counts else [0] * len(COUNTS)

    def innermost(self, stack: tuple[int, ...]) -> Key:
        """The place that asked for the block."""
        return self._keys[stack[0]] if stack else UNKNOWN

    def line(self, stack: tuple[int, ...]) -> Key:
        """The innermost line, told by the function that it stands in, to which comprehensions belong."""
        return self._lines[stack[0]] if stack else UNKNOWN

    def own(self, stack: tuple[int, ...]) -> Key:
        """The innermost frame of the program's own code; where there is none, the innermost of all."""
        for frame in stack:
            if self._own[frame]:
                return self._lines[frame]
        return self.line(stack)

    def _classifier(self, by: str) -> Callable[[tuple[int, ...]], Key]:
        if by == "own":
            return self.own
        if by == "line":
            return self.line
        if by == "function":
            return lambda stack: (lambda key: (key[0], 0, key[2]))(self.innermost(stack))
        return lambda stack: (self.innermost(stack)[0], 0, "")

    def groups(self, by: str, measure: str) -> list[Group]:
        """All sites, grouped, largest first."""
        classify = self._classifier(by)
        column = MEASURE[measure]
        found: dict[Key, Group] = {}
        for stack, counts in zip(self.stacks, self.counts, strict=True):
            key = classify(stack)
            group = found.get(key)
            if group is None:
                group = found[key] = Group(key)
            sums = group.counts
            for index, value in enumerate(counts):
                sums[index] += value
            inner = self.line(stack)
            group.inner[inner] = group.inner.get(inner, 0) + counts[column]
        return sorted(found.values(), key=lambda group: (-group.counts[column], group.key))

    def paths(self, measure: str) -> Iterator[tuple[list[Key], int]]:
        """Every site with something of the measure: its frames from the outermost in, and the value."""
        column = MEASURE[measure]
        for stack, counts in zip(self.stacks, self.counts, strict=True):
            if counts[column]:
                yield [self._keys[frame] for frame in reversed(stack)] or [UNKNOWN], counts[column]

    def tree(self, measure: str) -> Node:
        """The call tree; its root stands for the program."""
        root = Node(("", 0, ""))
        for path, value in self.paths(measure):
            root.value += value
            node = root
            for key in path:
                child = node.children.get(key)
                if child is None:
                    child = node.children[key] = Node(key)
                child.value += value
                node = child
            node.self_value += value
        return root
