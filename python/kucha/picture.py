"""The map of arenas as one picture: the core draws each heap by itself, and here they are put below one another."""

from __future__ import annotations

from kucha import _core

_END = "</svg>"


def _number(head: str, name: str) -> int:
    """A numeric attribute of the element that ``head`` begins with."""
    return int(head.partition(f'{name}="')[2].partition('"')[0])


def map_svg() -> str:
    """An SVG picture of the arenas of every heap: a row of pools for each arena, coloured by size class.

    Raises ``Refused`` where the allocator is not in place.
    """
    heaps = [drawing.strip() + _END for drawing in _core.map_svg().split(_END) if drawing.strip()]
    width = height = 0
    parts = []
    for drawing in heaps:
        head = drawing.partition(">")[0]
        parts.append(drawing.replace("<svg ", f'<svg y="{height}" ', 1))
        width = max(width, _number(head, "width"))
        height += _number(head, "height")
    size = f'width="{width}" height="{height}" viewBox="0 0 {width} {height}"'
    return f'<svg xmlns="http://www.w3.org/2000/svg" {size}>\n' + "\n".join(parts) + f"\n{_END}\n"
