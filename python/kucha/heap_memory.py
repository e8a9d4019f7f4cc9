"""What the objects of a heap do to the memory under it: who keeps arenas, what is there twice, what is room.

Values are never shown, for a heap file has none: equal objects are told by their type, their size and who holds them.
"""

from __future__ import annotations

from kucha import heap_words
from kucha.heap import ROOT
from kucha.heap_tables import console, lines, print_json, say, table
from kucha.text import number, one_line, percent, plural, size

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from kucha.heap import Heap, Pinned

PINNED_SHARE = 0.25  # of an arena in use: below, moving what is left would free more than it costs
ALL = 1 << 32  # more nodes than a heap can have
KINDS_NAMED = 3  # of an arena, in its row


class Keeper:
    """Who keeps arenas: the nearest object without which nothing in them would live, or a kind of objects."""

    def __init__(self) -> None:
        self.arenas = 0
        self.bytes = 0  # of the arenas
        self.nodes = 0  # blocks that keep them, and their bytes
        self.used = 0

    def add(self, arena: Pinned, nodes: int, used: int) -> None:
        """One more arena, and what this keeper has in it."""
        self.arenas += 1
        self.bytes += arena.bytes
        self.nodes += nodes
        self.used += used

    @property
    def cells(self) -> tuple[str, ...]:
        """A row of a table."""
        return size(self.bytes), number(self.arenas), number(self.nodes), size(self.used)


def holders(arenas: list[Pinned]) -> list[tuple[int | None, Keeper]]:
    """Arenas by what would have to go: who would give most back comes first."""
    found: dict[int | None, Keeper] = {}
    for arena in arenas:
        found.setdefault(arena.holder, Keeper()).add(arena, arena.nodes, arena.used)
    return sorted(found.items(), key=lambda item: (-item[1].bytes, item[1].used))


def kinds(arenas: list[Pinned]) -> list[tuple[tuple[str, int], Keeper]]:
    """Arenas by what is in them, type and birthplace; each arena counts for all that is."""
    found: dict[tuple[str, int], Keeper] = {}
    for arena in arenas:
        for pin in arena.pins:
            found.setdefault((pin.type, pin.site), Keeper()).add(arena, pin.nodes, pin.bytes)
    return sorted(found.items(), key=lambda item: (-item[1].bytes, -item[1].used, item[0]))


def pins(file: Heap, values: dict[str, Any]) -> int:
    """``kucha heap pins``."""
    count, whole, used, all_pinned = file.pins(PINNED_SHARE)
    arenas = [arena for arena in all_pinned if arena.pins]
    empty = len(all_pinned) - len(arenas)
    if values["json"]:
        print_json({"arenas": count, "bytes": whole, "used": used, "empty": empty} | _data(file, arenas))
        return 0
    out = console()
    if count == 0:
        out.print("this file knows no arenas: it was not written by a program under kucha")
        return 0
    waiting = f"; {number(empty)} empty and kept for reuse" if empty else ""
    out.print(f"{plural(count, 'arena')}, {size(whole)}, {percent(used, whole)} of it in use{waiting}")
    if not arenas:
        out.print("none of the others is nearly empty")
        return 0
    inside = sum(arena.used for arena in arenas)
    blocks = plural(sum(arena.nodes for arena in arenas), "block")
    back = size(sum(arena.bytes for arena in arenas))
    out.print(f"{number(len(arenas))} nearly empty ones: {size(inside)} in {blocks} keep {back}")
    most = lines(values)
    _show(
        [(keeper, _holder(file, node)) for node, keeper in holders(arenas)], most, "would go back with what is held by"
    )
    _show([(keeper, f"{kind}{_born(file, site)}") for (kind, site), keeper in kinds(arenas)], most, "are kept, too, by")
    _show_arenas(arenas, most)
    return 0


def _show(rows: list[tuple[Keeper, str]], most: int, last: str) -> None:
    shown = table("", ("arenas' bytes", "arenas", "blocks", "bytes"), last)
    for keeper, text in rows[:most]:
        shown.add_row(*keeper.cells, say(text))
    console().print(shown)
    if len(rows) > most:
        console().print(f"... and {number(len(rows) - most)} more; see --top")


def _show_arenas(arenas: list[Pinned], most: int) -> None:
    shown = table("", ("arena", "in use", "blocks"), "mostly")
    for arena in arenas[:most]:
        shown.add_row(hex(arena.address), percent(arena.used, arena.bytes), number(arena.nodes), say(_mostly(arena)))
    console().print(shown)
    if len(arenas) > most:
        console().print(f"... and {plural(len(arenas) - most, 'arena')} more; see --top")


def _mostly(arena: Pinned) -> str:
    named = ", ".join(f"{number(pin.nodes)} {pin.type}" for pin in arena.pins[:KINDS_NAMED])
    more = len(arena.pins) - KINDS_NAMED
    return f"{named}, and {plural(more, 'kind')} more" if more > 0 else named


def _born(file: Heap, site: int) -> str:
    return "".join(f", made in {function} ({path}:{line})" for function, path, line in file.analysis.site(site)[:1])


def _holder(file: Heap, node: int | None) -> str:
    if node is None:
        return "nothing: these blocks are dead, or no objects"
    if node == ROOT:
        return "different roots"
    paths = file[node].paths(1)
    return one_line(heap_words.way(paths[0])) if paths else heap_words.described(file[node])


def _data(file: Heap, arenas: list[Pinned]) -> dict[str, Any]:
    return {
        "pinned": [
            arena._asdict() | {"address": hex(arena.address), "pins": [pin._asdict() for pin in arena.pins]}
            for arena in arenas
        ],
        "holders": [vars(keeper) | {"node": node, "text": _holder(file, node)} for node, keeper in holders(arenas)],
        "kinds": [
            vars(keeper) | {"type": kind, "birthplace": _born(file, site).removeprefix(", ")}
            for (kind, site), keeper in kinds(arenas)
        ],
    }


# ---- duplicates ----


def duplicates(file: Heap, values: dict[str, Any]) -> int:
    """``kucha heap duplicates``."""
    most = ALL if values["json"] and values["top"] is None else lines(values)
    groups, nodes, whole, wasted, rows = file.duplicates(most)
    if values["json"]:
        listed = [row._asdict() | {"type": file[row.example].type} for row in rows]
        print_json({"groups": groups, "nodes": nodes, "bytes": whole, "wasted": wasted, "list": listed})
        return 0
    out = console()
    if not groups:
        out.print("no equal objects are known of this heap")
        return 0
    out.print(
        f"{plural(groups, 'value')} {'is' if groups == 1 else 'are'} there more than once, in {number(nodes)} objects"
    )
    out.print(f"{size(wasted)} of their {size(whole)} would go if each were there once")
    shown = table("", ("wasted", "objects", "bytes each"), "what, and where the first one is held")
    for row in rows:
        example = file[row.example]
        paths = example.paths(1)
        held = heap_words.way(paths[0]) if paths else "dead, but not freed yet"
        text = f"{example.type}{_born(file, example.site)}; {held}"
        shown.add_row(size(row.wasted), number(row.objects), number(example.size), say(text))
    out.print(shown)
    if groups > len(rows):
        out.print(f"... and {number(groups - len(rows))} more; see --top")
    return 0


# ---- room ----


def slack(file: Heap, values: dict[str, Any]) -> int:
    """``kucha heap slack``: what was asked for and holds nothing, and what the allocator gave beyond."""
    nodes, whole, rooms = file.rooms()
    beyond = sorted(file.top("type"), key=lambda row: -row.slack)
    rounded = sum(row.slack for row in beyond)
    if values["json"]:
        room = [row._asdict() | {"birthplace": _born(file, row.site).removeprefix(", ")} for row in rooms]
        allocator = [{"type": row.name, "objects": row.objects, "bytes": row.slack} for row in beyond if row.slack]
        print_json({"containers": nodes, "bytes": whole, "room": room, "rounded": rounded, "allocator": allocator})
        return 0
    out = console()
    most = lines(values)
    out.print(f"{plural(nodes, 'container')} with room for more: {size(whole)} in which nothing is")
    shown = table("", ("room", "containers", "most"), "of type")
    for row in rooms[:most]:
        largest = size(file.analysis.room(row.example))
        shown.add_row(size(row.bytes), number(row.nodes), largest, say(f"{row.type}{_born(file, row.site)}"))
    out.print(shown)
    if len(rooms) > most:
        out.print(f"... and {number(len(rooms) - most)} more; see --top")
    out.print(f"{size(rounded)} that the allocator gave beyond what was asked for")
    shown = table("", ("beyond", "objects"), "of type")
    for by_type in beyond[:most]:
        if by_type.slack:
            shown.add_row(size(by_type.slack), number(by_type.objects), say(by_type.name))
    out.print(shown)
    return 0
