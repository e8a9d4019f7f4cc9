"""The map of arenas as a picture (SVG): which types, birthplaces, ages or sizes of blocks the pools hold.

A row for each arena, a cell for each of its pools. A cell is filled from below by what lives in it, each kind in its
colour, most of it at the bottom; the pale rest is free. The bar at the right says how much of the arena is in use: a
row with a short bar is an arena that a few blocks keep. Below stand the colours, with bytes and blocks.

Rows shrink as arenas become many, so that a thousand of them are still a picture. Cells say their contents in a
tooltip as long as they are few. The picture has no script, no font of its own and no ids, so that it can be put into
a page as it is.
"""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple
from xml.sax.saxutils import escape

from kucha.text import number, one_line, percent, plural, size

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from kucha.heap import Heap

KEYS = ("class", "type", "age", "site")
# Colours that can be told apart, by people who see no red or no green, too (after Paul Tol's "muted" and "bright").
COLOURS = ("#4477aa", "#ee6677", "#228833", "#ccbb44", "#66ccee", "#aa3377", "#ee9944", "#332288", "#44aa99", "#882255")
OTHERS, GROUND, INK, FAINT = "#8c8c8c", "#eeeeee", "#222222", "#777777"
AGES = {0: "young", 1: "generation 1", 2: "old", 3: "frozen", 255: "not tracked by the collector"}
AGE_COLOURS = {0: "#7fc97f", 1: "#f2b134", 2: "#c0392b", 3: "#3c78b4", 255: "#b9b9b9"}
TITLES = {"class": "size of block", "type": "type", "age": "age", "site": "birthplace"}
PATH_PARTS = (2, 1)  # of a birthplace's file, in the legend, as far as there is room: the whole is in the tooltip
LABEL_MOST = 46  # letters of a legend's line
KINDS_IN_TITLE = 4
TITLES_MOST = 100  # arenas: 6,400 cells with tooltips are a file of 1 MB

MARGIN, LEFT, TOP = 16, 132, 88
CELLS_WIDTH = 768  # for 64 pools of 12, or 16 of 48
BAR = 110
ROWS_HEIGHT, ROW_MOST, ROW_LEAST, ROW_WITH_TEXT = 1600, 22, 3, 11
HEAP_HEAD = 26  # above the rows of each heap
LEGEND_ROW, LEGEND_COLUMN = 20, 500
RIGHT = LEFT + CELLS_WIDTH
WIDTH = RIGHT + MARGIN + BAR + MARGIN


class _Kind(NamedTuple):
    """What has one colour."""

    label: str
    colour: str


class _Arena(NamedTuple):
    address: int
    bytes: int
    pool_bytes: int
    heap: str
    used: int
    pools: dict[int, list[tuple[str, int, int]]]  # by place: label, blocks and bytes of each kind, most first


class _Map:
    """The numbers behind the picture."""

    def __init__(self, heap: Heap, by: str) -> None:
        self.heap = heap
        self.by = by
        self.bytes: Counter[str] = Counter()
        self.nodes: Counter[str] = Counter()
        self.order: dict[str, int] = {}  # the key that a label came from first
        self.names: dict[int, str] = {}
        self.types = heap.analysis.type_names() if by == "type" else []
        facts = heap.analysis.arenas()
        if not facts:
            raise ValueError("this heap file knows no arenas: it was not written by a program under kucha")
        pools: list[dict[int, list[tuple[str, int, int]]]] = [{} for _ in facts]
        for arena, pool, key, nodes, used in heap.analysis.arena_map(by):
            label = self._label(key)
            self.bytes[label] += used
            self.nodes[label] += nodes
            pools[arena].setdefault(pool, []).append((label, nodes, used))
        self.arenas = [
            _Arena(address, whole, pool, name, sum(row[2] for rows in inside.values() for row in rows), inside)
            for (address, whole, pool, _, name), inside in zip(facts, pools, strict=True)
        ]
        self.colours = self._colours()

    def _label(self, key: int) -> str:
        if key not in self.names:
            label = self.names[key] = self._name(key)
            self.order.setdefault(label, key)
        return self.names[key]

    def _name(self, key: int) -> str:
        if self.by == "age":
            return AGES.get(key, f"age {key}")
        if self.by == "class":
            return f"{key} bytes"
        if self.by == "type":
            module, name = self.types[key]
            return name if module in (None, "", "builtins") else f"{module}.{name}"
        frames = self.heap.analysis.site(key)
        return f"{frames[0][0]} ({frames[0][1]}:{frames[0][2]})" if frames else "not traced"

    def _colours(self) -> dict[str, str]:
        if self.by == "age":
            return {AGES[key]: colour for key, colour in AGE_COLOURS.items()}
        if self.by == "class":
            return {label: _class_colour(key) for label, key in self.order.items()}
        kinds = [label for label, _ in self.bytes.most_common() if label != "not traced"]
        return dict(zip(kinds, COLOURS, strict=False))

    def colour(self, label: str) -> str:
        """That of a kind, or of those that have none of their own."""
        return self.colours.get(label, OTHERS)

    def legend(self) -> list[tuple[str, str, str, int, int]]:
        """Label, whole label, colour, bytes and blocks of what has a colour, then all others together."""
        shown = [label for label in self.bytes if label in self.colours]
        if self.by in ("age", "class"):
            shown.sort(key=self.order.__getitem__)
        else:
            shown.sort(key=lambda label: -self.bytes[label])
        rows = [(_short(label), label, self.colour(label), self.bytes[label], self.nodes[label]) for label in shown]
        rest = [label for label in self.bytes if label not in self.colours]
        if rest:
            what = rest[0] if len(rest) == 1 else f"{number(len(rest))} others"
            used, nodes = (sum(counts[label] for label in rest) for counts in (self.bytes, self.nodes))
            rows.append((_short(what), what, OTHERS, used, nodes))
        return rows


def _class_colour(block: int) -> str:
    """Blue for small blocks over green and yellow to red for those of 512 bytes."""
    share = min(max(block - 16, 0), 496) / 496
    hue = 225 - 225 * share
    return f"hsl({hue:.0f},62%,{42 if 40 < hue < 190 else 52}%)"


def _short(label: str) -> str:
    """A label without the folders of a birthplace's file, and without the beginning of a function's name."""
    head, bracket, path = label.rpartition("(")
    for parts in PATH_PARTS:
        if len(label) > LABEL_MOST and bracket:
            label = f"{head}({'/'.join(path.split('/')[-parts:])}"
    return label if len(label) <= LABEL_MOST else f"...{label[3 - LABEL_MOST :]}"


def _text(x: float, y: float, words: str, more: str = "") -> str:
    return f'<text x="{x:g}" y="{y:g}"{more}>{escape(_plain(words))}</text>'


def _plain(words: str) -> str:
    """Without what XML does not allow: control characters, and what stands for bytes that are no text."""
    return "".join(letter if letter.isprintable() else "?" for letter in one_line(words))


def _rect(x: float, y: float, width: float, height: float, fill: str) -> str:
    return f'<rect x="{x:.5g}" y="{y:.6g}" width="{width:.5g}" height="{height:.5g}" fill="{fill}"/>'


class _Picture:
    """The drawing, from above to below."""

    def __init__(self, content: _Map) -> None:
        self.content = content
        self.parts: list[str] = []
        rows = len(content.arenas)
        self.row = max(ROW_LEAST, min(ROW_MOST, ROWS_HEIGHT // max(rows, 1)))
        self.titles = rows <= TITLES_MOST
        self.y = float(TOP)

    def draw(self) -> str:
        """All of it."""
        by_heap: dict[str, list[_Arena]] = {}
        for arena in self.content.arenas:
            by_heap.setdefault(arena.heap, []).append(arena)
        for name, arenas in by_heap.items():
            self._heap(name, arenas)
        self._legend()
        head = "".join(self._head())
        height = int(self.y + MARGIN)
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" '
            f'viewBox="0 0 {WIDTH} {height}" font-family="DejaVu Sans, Verdana, sans-serif" font-size="11" '
            f'fill="{INK}">\n<rect width="{WIDTH}" height="{height}" fill="#fff"/>\n{head}\n'
            + "\n".join(self.parts)
            + "\n</svg>\n"
        )

    def _head(self) -> Iterator[str]:
        arenas, info = self.content.arenas, self.content.heap.info
        whole, used = sum(arena.bytes for arena in arenas), sum(arena.used for arena in arenas)
        yield _text(MARGIN, 30, f"Arenas by {TITLES[self.content.by]}", ' font-size="18" font-weight="bold"')
        facts = f"{plural(len(arenas), 'arena')}, {size(whole)}, of which {size(used)} ({percent(used, whole)}) in use"
        yield _text(MARGIN, 52, facts, ' font-size="13"')
        said = " · ".join(str(info[name]) for name in ("program", "runtime") if info.get(name))
        yield _text(MARGIN, 70, said if len(said) < 150 else f"{said[:147]}...", f' fill="{FAINT}"')

    def _heap(self, name: str, arenas: list[_Arena]) -> None:
        base = self.y + HEAP_HEAD - 8
        words = f"{number(arenas[0].bytes // arenas[0].pool_bytes)} pools of {size(arenas[0].pool_bytes)}"
        self.parts.append(_text(LEFT, base, f"heap {name}: {plural(len(arenas), 'arena')}", ' font-weight="bold"'))
        self.parts.append(_text(RIGHT, base, f"each {words}", f' text-anchor="end" fill="{FAINT}"'))
        self.parts.append(_text(RIGHT + MARGIN, base, "in use", f' fill="{FAINT}"'))
        self.y += HEAP_HEAD
        every = max(1, -(-ROW_WITH_TEXT // self.row))
        for place, arena in enumerate(arenas):
            self._row(arena, place % every == 0)
            self.y += self.row
        self.y += 6

    def _row(self, arena: _Arena, named: bool) -> None:
        inner, share = self.row - 1, arena.used / arena.bytes
        middle = self.y + (self.row / 2 + 4 if self.row >= ROW_WITH_TEXT else 9)
        if named:
            style = f' text-anchor="end" font-family="monospace" fill="{FAINT}"'
            self.parts.append(_text(LEFT - 8, middle, f"{arena.address:#x}", style))
        self.parts.append(_rect(LEFT, self.y, CELLS_WIDTH - 1, inner, GROUND))
        for pool in sorted(arena.pools):
            self._cell(arena, pool, inner)
        self.parts.append(_rect(RIGHT + MARGIN, self.y, BAR, inner, GROUND))
        self.parts.append(_rect(RIGHT + MARGIN, self.y, BAR * share, inner, "#5a6570"))
        if self.row >= ROW_WITH_TEXT:
            at, colour = (RIGHT + MARGIN + 5, "#fff") if share > 0.5 else (RIGHT + MARGIN + BAR * share + 5, INK)
            self.parts.append(_text(at, middle, percent(arena.used, arena.bytes), f' fill="{colour}"'))

    def _cell(self, arena: _Arena, pool: int, inner: int) -> None:
        width = CELLS_WIDTH * arena.pool_bytes / arena.bytes
        x, y = LEFT + pool * width, self.y + inner
        shown: dict[str, int] = {}  # kinds of one colour are one piece
        for label, _, used in arena.pools[pool]:
            colour = self.content.colour(label)
            shown[colour] = shown.get(colour, 0) + used
        cell = []
        for colour, used in shown.items():
            height = inner * used / arena.pool_bytes
            y -= height
            cell.append(_rect(x, y, width - 1, height, colour))
        if self.titles:
            # What is empty answers to the pointer, too.
            cell.insert(0, _rect(x, self.y, width - 1, inner, GROUND))
            cell.append(f"<title>{escape(_plain_lines(self._title(arena, pool)))}</title>")
        self.parts.append(f"<g>{''.join(cell)}</g>")

    def _title(self, arena: _Arena, pool: int) -> list[str]:
        kinds = arena.pools[pool]
        used = sum(row[2] for row in kinds)
        lines = [f"pool {arena.address + pool * arena.pool_bytes:#x}: {percent(used, arena.pool_bytes)} in use"]
        for label, nodes, part in kinds[:KINDS_IN_TITLE]:
            lines.append(f"{size(part)} in {plural(nodes, 'block')}: {label}")
        if len(kinds) > KINDS_IN_TITLE:
            lines.append(f"and {plural(len(kinds) - KINDS_IN_TITLE, 'kind')} more")
        return lines

    def _legend(self) -> None:
        rows = self.content.legend()
        whole = sum(self.content.bytes.values())
        self.y += 10
        columns = 2
        per_column = -(-len(rows) // columns)
        for place, (label, full, colour, used, nodes) in enumerate(rows):
            x = MARGIN + place // per_column * LEGEND_COLUMN
            y = self.y + place % per_column * LEGEND_ROW
            line = [
                _rect(x, y, 14, 14, colour),
                _text(x + 22, y + 11, label),
                _text(x + 400, y + 11, size(used), ' text-anchor="end"'),
                _text(x + 450, y + 11, percent(used, whole), f' text-anchor="end" fill="{FAINT}"'),
            ]
            title = escape(_plain(f"{full}: {size(used)} in {plural(nodes, 'block')}"))
            self.parts.append(f"<g>{''.join(line)}<title>{title}</title></g>")
        self.y += per_column * LEGEND_ROW


def _plain_lines(lines: list[str]) -> str:
    return "\n".join(map(_plain, lines))


def draw(heap: Heap, by: str) -> str:
    """The picture. Raises ValueError where a heap file knows no arenas."""
    return _Picture(_Map(heap, by)).draw()
