"""Memory and collections over time, as a picture.

``svg`` draws it with nothing but text, as the flame graph and the map of arenas are drawn, so that every machine that
has kucha can make one. ``png`` has matplotlib draw the same (``pip install kucha[plot]``). Above are the lines of
memory, below bars of the share of time that collections took, stacked by generation.
"""

from __future__ import annotations

import io
from html import escape
from typing import Any

from kucha.options import UsageError
from kucha.session import NO_MATPLOTLIB
from kucha.text import one_line, percent, seconds, size
from kucha.timeline import GENERATIONS, SLICES, Timeline, byte_unit, ticks

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from kucha.capture import Profile
    from kucha.timeline import Line

WIDTH, LEFT, RIGHT = 960, 84, 20
TOP, MEMORY, GAP, COLLECTIONS, BOTTOM = 96, 280, 56, 90, 44  # heights, from above: the second and fourth are panels
HEIGHT = TOP + MEMORY + GAP + COLLECTIONS + BOTTOM
LEAST_SHARE = 0.01  # the lower axis reaches at least this share, so that next to nothing looks like it
LETTERS = 120  # of the title that fit

# Told apart also by those who see few colours (Okabe and Ito, "Color Universal Design", 2008).
COLOURS = {"resident": "#0072b2", "arenas and large blocks": "#009e73", "traced": "#d55e00"}
BARS = ("#56b4e9", "#e69f00", "#cc79a7")

_STYLE = (
    "text{font:12px sans-serif;fill:#222}.t{font-size:16px;font-weight:bold}.a{fill:#666}"
    ".g{stroke:#ddd}.l{fill:none;stroke-width:1.8;stroke-linejoin:round}"
)


def svg(profile: Profile, measure: str) -> bytes:
    """The picture as SVG. It has no measure."""
    del measure
    timeline = Timeline(profile)
    parts = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{HEIGHT}" viewBox="0 0 {WIDTH} {HEIGHT}">',
        f'<style>{_STYLE}</style><rect width="100%" height="100%" fill="#fff"/>',
        _text(LEFT, 26, timeline.title[:LETTERS], "t"),
        _text(LEFT, 46, timeline.subtitle, "a"),
        *_legend(),
        *_memory(timeline),
        *_collections(timeline),
        *_time_axis(timeline),
        "</svg>",
    ]
    return ("\n".join(parts) + "\n").encode("utf-8", "backslashreplace")


def _text(x: float, y: float, text: str, style: str = "", anchor: str = "start") -> str:
    of_style = f' class="{style}"' if style else ""
    return f'<text x="{x:.1f}" y="{y:.1f}"{of_style} text-anchor="{anchor}">{escape(one_line(text))}</text>'


def _x(timeline: Timeline, moment: float) -> float:
    span = timeline.end - timeline.begin
    return LEFT + (moment - timeline.begin) / span * (WIDTH - LEFT - RIGHT) if span else LEFT


def _legend() -> Iterator[str]:
    x = LEFT
    for name, colour in COLOURS.items():
        yield f'<rect x="{x}" y="62" width="14" height="4" fill="{colour}"/>'
        yield _text(x + 20, 68, name)
        x += 40 + 7 * len(name)


def _axis(top: float, height: float, most: float, marks: list[tuple[float, str]]) -> Iterator[str]:
    """Lines across a panel, with their values at the left."""
    for value, label in marks:
        y = top + height - value / most * height
        yield f'<path class="g" d="M{LEFT} {y:.1f}H{WIDTH - RIGHT}"/>'
        yield _text(LEFT - 8, y + 4, label, "a", "end")


def _memory(timeline: Timeline) -> Iterator[str]:
    most = timeline.highest * 1.05 or 1.0
    yield from _axis(TOP, MEMORY, most, [(value, size(value)) for value in ticks(most, byte_unit(most))])
    for name, line in timeline.lines.items():
        highest = max((value for _, value in line), default=0.0)
        title = escape(f"{name}: at most {size(highest)}")
        yield (
            f'<path class="l" stroke="{COLOURS[name]}" d="{_path(timeline, line, most)}"><title>{title}</title></path>'
        )


def _path(timeline: Timeline, line: Line, most: float) -> str:
    return "M" + "L".join(
        f"{_x(timeline, moment):.1f} {TOP + MEMORY - value / most * MEMORY:.1f}" for moment, value in line
    )


def _collections(timeline: Timeline) -> Iterator[str]:
    """Bars, the youngest generation lowest."""
    top = TOP + MEMORY + GAP
    words = timeline.collections.text() if timeline.watched else "collections were not watched (kucha run --timeline)"
    yield _text(LEFT, top - 26, words)
    shares = timeline.collections.shares
    most = max(LEAST_SHARE, *(sum(share) for share in shares)) * 1.05
    x = LEFT
    for name, colour in zip(GENERATIONS, BARS, strict=True):
        yield f'<rect x="{x}" y="{top - 18}" width="10" height="10" fill="{colour}"/>'
        yield _text(x + 15, top - 9, name)
        x += 40 + 7 * len(name)
    yield from _axis(top, COLLECTIONS, most, [(value, percent(value, 1)) for value in ticks(most, 0.01)])
    for place, share in enumerate(shares):
        yield from _bar(place, share, top + COLLECTIONS, COLLECTIONS / most)


def _bar(place: int, shares: list[float], foot: float, scale: float) -> Iterator[str]:
    width = (WIDTH - LEFT - RIGHT) / SLICES
    for name, colour, share in zip(GENERATIONS, BARS, shares, strict=True):
        height = share * scale
        if height < 0.05:
            continue
        foot -= height
        yield (
            f'<rect x="{LEFT + place * width:.1f}" y="{foot:.1f}" width="{width:.1f}" height="{height:.1f}" '
            f'fill="{colour}"><title>{name}: {percent(share, 1)} of the time</title></rect>'
        )


def _time_axis(timeline: Timeline) -> Iterator[str]:
    foot = TOP + MEMORY + GAP + COLLECTIONS
    for panel, height in ((TOP, MEMORY), (TOP + MEMORY + GAP, COLLECTIONS)):
        yield f'<path d="M{LEFT} {panel}V{panel + height}H{WIDTH - RIGHT}" fill="none" stroke="#444"/>'
    for moment in ticks(timeline.end, 60.0 if timeline.end > 600 else 1.0):
        yield _text(_x(timeline, moment), foot + 18, seconds(moment) if moment else "0", "a", "middle")


def png(profile: Profile, measure: str) -> bytes:
    """The picture as PNG, drawn by matplotlib. It has no measure."""
    del measure
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError:
        raise UsageError(NO_MATPLOTLIB) from None
    timeline = Timeline(profile)
    figure = Figure(figsize=(WIDTH / 100, HEIGHT / 100), layout="constrained")
    FigureCanvasAgg(figure)
    memory, collections = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    figure.suptitle(_plain(f"{timeline.title[:LETTERS]}\n{timeline.subtitle}"), fontsize=10)
    for name, line in timeline.lines.items():
        memory.plot([moment for moment, _ in line], [value for _, value in line], color=COLOURS[name], label=name)
    memory.set_ylim(0, timeline.highest * 1.05 or 1.0)
    memory.set_yticks(ticks(timeline.highest * 1.05 or 1.0, byte_unit(timeline.highest)))
    memory.yaxis.set_major_formatter(lambda value, _: size(value))
    memory.grid(axis="y", alpha=0.4)
    memory.legend(loc="lower right", fontsize=8)
    _bars(timeline, collections)
    out = io.BytesIO()
    figure.savefig(out, format="png", dpi=150)
    return out.getvalue()


def _plain(text: str) -> str:
    """A text that matplotlib takes as it is: a dollar sign would begin a formula."""
    return text.replace("$", r"\$")


def _bars(timeline: Timeline, panel: Any) -> None:
    """The lower panel."""
    wide = timeline.collections.slice_seconds or 1.0
    places = [timeline.begin + place * wide for place in range(SLICES)]
    below = [0.0] * SLICES
    for generation, (name, colour) in enumerate(zip(GENERATIONS, BARS, strict=True)):
        heights = [share[generation] * 100 for share in timeline.collections.shares]
        panel.bar(places, heights, width=wide, bottom=below, align="edge", color=colour, label=name)
        below = [foot + height for foot, height in zip(below, heights, strict=True)]
    panel.set_ylim(0, max(LEAST_SHARE * 100, *below) * 1.05)
    panel.set_ylabel("% of the time")
    panel.set_xlabel("seconds")
    panel.set_title(timeline.collections.text() if timeline.watched else "collections were not watched", fontsize=8)
    panel.legend(loc="upper right", fontsize=7, ncols=3)
