"""A flame graph: the call tree drawn as boxes, as wide as what was allocated beneath them.

The idea is Brendan Gregg's ("The Flame Graph", CACM 59(6), 2016). ``svg`` is a picture that stands alone: each box
has a title, which browsers show as a tooltip. ``html`` is the same picture in a page that zooms into a box at a
click, and finds. The program's own code is drawn in warm colours, the standard library and installed packages in cool
ones; the shade comes from the name, so that a function keeps its colour from one graph to the next.
"""

from __future__ import annotations

from html import escape
from zlib import crc32

from kucha.capture import UNIT
from kucha.summary import place
from kucha.text import is_own, number, one_line, percent, size

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from kucha.capture import Node, Profile

WIDTH = 1200
ROW = 17  # height of a box; the text is 12 pixels high
HEAD = 40  # room for the title
LETTER = 7.0  # mean width of a letter of the font below
LEAST = 0.3  # boxes narrower than this many pixels cannot be seen and are left out

_STYLE = "text{font:12px monospace;pointer-events:none}.t{font-size:15px}rect{stroke:#fff;stroke-width:.5}"

# Zooming: every box carries its place as fractions of the whole (data-x, data-w) and its depth.
_SCRIPT = """
const W = %(width)d, boxes = [...document.querySelectorAll('g.b')];
function show(x, w, d) {
  for (const g of boxes) {
    const gx = +g.dataset.x, gw = +g.dataset.w, above = +g.dataset.d <= d && gx <= x + 1e-9 && gx + gw >= x + w - 1e-9;
    const from = above ? 0 : (gx - x) / w * W, wide = above ? W : gw / w * W;
    const visible = wide >= %(least)s && from > -1e-6 && from < W - 1e-6;
    g.style.display = visible ? '' : 'none';
    g.style.opacity = above && gw > w + 1e-9 ? 0.5 : 1;
    if (!visible) continue;
    const r = g.querySelector('rect'), t = g.querySelector('text');
    r.setAttribute('x', from); r.setAttribute('width', wide); t.setAttribute('x', from + 3);
    t.textContent = g.dataset.n.length * %(letter)s < wide - 6 ? g.dataset.n
      : wide > 30 ? g.dataset.n.slice(0, Math.floor((wide - 6) / %(letter)s) - 1) + '\\u2026' : '';
  }
}
for (const g of boxes) g.onclick = () => show(+g.dataset.x, +g.dataset.w, +g.dataset.d);
document.getElementById('find').oninput = e => {
  const word = e.target.value.toLowerCase();
  for (const g of boxes)
    g.querySelector('rect').style.fill = word && g.dataset.n.toLowerCase().includes(word) ? '#c3f' : '';
};
document.getElementById('all').onclick = () => show(0, 1, 0);
"""


class _Box:
    __slots__ = ("depth", "node", "share", "start")

    def __init__(self, node: Node, depth: int, start: float, share: float) -> None:
        self.node = node
        self.depth = depth
        self.start = start
        self.share = share


def _boxes(root: Node) -> Iterator[_Box]:
    """Every box that can be seen, parents before children. Iterative: stacks may be deeper than recursion allows."""
    waiting = [_Box(root, 0, 0.0, 1.0)]
    while waiting:
        box = waiting.pop()
        yield box
        start = box.start
        for child in box.node.ordered():
            share = child.value / root.value
            if share * WIDTH >= LEAST:
                waiting.append(_Box(child, box.depth + 1, start, share))
            start += share


def _colour(box: _Box) -> str:
    filename, _, function = box.node.key
    if not box.depth:
        return "#ddd"
    shade = crc32(f"{filename}:{function}".encode("utf-8", "replace")) % 55
    return f"rgb(250,{130 + shade},{60 + shade})" if is_own(filename) else f"rgb({120 + shade},{170 + shade},235)"


def _box_svg(box: _Box, whole: int, unit: str, height: int) -> str:
    name = place(box.node.key) if box.depth else "all"
    amount = size(box.node.value) if unit == "bytes" else f"{number(box.node.value)} blocks"
    x, width = box.start * WIDTH, box.share * WIDTH
    y = height - (box.depth + 1) * ROW
    room = int((width - 6) / LETTER)
    label = name if len(name) <= room else name[: room - 1] + "\u2026" if room > 3 else ""
    title = escape(f"{name}: {amount}, {percent(box.node.value, whole)}")
    return (
        f'<g class="b" data-x="{box.start:.9g}" data-w="{box.share:.9g}" data-d="{box.depth}" data-n="{escape(name)}">'
        f'<title>{title}</title><rect x="{x:.2f}" y="{y}" width="{width:.2f}" height="{ROW}" fill="{_colour(box)}"/>'
        f'<text x="{x + 3:.2f}" y="{y + ROW - 5}">{escape(label)}</text></g>\n'
    )


def svg(profile: Profile, measure: str) -> bytes:
    """The flame graph as a picture."""
    return (f'<?xml version="1.0" encoding="UTF-8"?>\n{_picture(profile, measure)}').encode()


def _picture(profile: Profile, measure: str) -> str:
    root = profile.tree(measure)
    boxes = list(_boxes(root)) if root.value else []
    height = HEAD + (max((box.depth for box in boxes), default=0) + 1) * ROW + 4
    command = one_line(profile.header["command"])
    title = escape(f"{command[:100]}: {_title(measure)}" if boxes else f"{command[:100]}: nothing to draw")
    body = "".join(_box_svg(box, root.value, UNIT[measure], height) for box in boxes)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" viewBox="0 0 {WIDTH} {height}">\n'
        f'<style>{_STYLE}</style>\n<rect width="100%" height="100%" fill="#fff"/>\n'
        f'<text class="t" x="8" y="24">{title}</text>\n{body}</svg>\n'
    )


def _title(measure: str) -> str:
    return {
        "peak": "bytes live at the peak",
        "live": "bytes live at the end",
        "total": "bytes allocated",
        "blocks": "blocks allocated",
        "temporary": "temporary blocks",
    }[measure]


def html(profile: Profile, measure: str) -> bytes:
    """The flame graph in a page of its own; it loads nothing from elsewhere."""
    script = _SCRIPT % {"width": WIDTH, "least": LEAST, "letter": LETTER}
    title = escape(one_line(profile.header["command"])[:100])
    page = (
        f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>{title}</title></head><body>\n'
        '<p><button id="all">whole program</button> <input id="find" placeholder="find"></p>\n'
        f"{_picture(profile, measure)}<script>{script}</script></body></html>\n"
    )
    return page.encode()
