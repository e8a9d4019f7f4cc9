"""``kucha heap``: what is in a heap file, as tables, trees, JSON, or a file for another tool."""

from __future__ import annotations

import sys
from collections import Counter
from itertools import pairwise

from rich.tree import Tree

from kucha import heap_memory, heap_words
from kucha.heap import ROOT, Heap, Node
from kucha.heap_tables import console, lines, print_json, say, table
from kucha.options import UsageError, nearest
from kucha.text import number, one_line, percent, plural, size

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    from kucha.heap import Merged, Suspect

LEAST_SHARE = 0.01  # branches with less than this share of the whole are counted, not shown
PATHS = 3
TREE_BRANCHES = 10  # of one node, at most
SUSPECTS = 5  # more are a list, and no answer
LOOKED_INTO = 100  # nodes of a suspect that are looked at to say what hangs from it

# What each verb takes beside options, as the usage says.
_VERBS = {
    "top": "top FILE",
    "tree": "tree FILE [NODE]",
    "path": "path FILE [NODE]",
    "holders": "holders FILE NODE",
    "query": "query FILE QUERY",
    "diff": "diff OLD [BETWEEN] NEW",
    "suspects": "suspects FILE",
    "pins": "pins FILE",
    "duplicates": "duplicates FILE",
    "slack": "slack FILE",
    "export": "export FILE",
    "core": "core CORE [EXE]",
    "import": "import FILE",
}


def heap(words: list[str], values: dict[str, Any]) -> int:
    """Does one verb. Returns the exit code."""
    if not words or words[0] not in _VERBS:
        meant = nearest(words[0], [*_VERBS, "dump"]) if words else None
        question = f" (did you mean {meant}?)" if meant else ""
        raise UsageError(f"heap takes one of {', '.join(_VERBS)}, dump{question}; see kucha heap --help")
    try:
        return _DOERS[words[0]](words[1:], values)
    except ValueError as error:  # a file that is no heap, or a wrong query
        raise UsageError(one_line(str(error))) from None


# ---- what verbs share ----


def _expect(words: Sequence[str], verb: str, least: int, most: int) -> None:
    if not least <= len(words) <= most:
        raise UsageError(f"expected kucha heap {_VERBS[verb]}; see kucha heap --help")


def _open(path: str, values: dict[str, Any]) -> Heap:
    from kucha import heap_import

    try:
        return heap_import.open_any(path, _teller(values))
    except OSError as error:
        raise UsageError(f"can't read '{path}': {error.strerror or error}") from None


def _teller(values: dict[str, Any]) -> Callable[[str, float], None] | None:
    """A line on standard error that says how far long work is, where that is a terminal."""
    if values["quiet"] or sys.stderr is None or not sys.stderr.isatty():
        return None

    def tell(stage: str, done: float) -> None:
        sys.stderr.write(f"\r{stage} {done:4.0%} \x1b[K" if done < 1 else "\r\x1b[K")
        sys.stderr.flush()

    return tell


def _node(file: Heap, text: str) -> Node:
    """A node by its address (0x7f..) or its number (#12)."""
    try:
        if text.startswith("#"):
            return file[int(text[1:])]
        found = file.at(int(text, 16)) if text.startswith("0x") else None
    except (ValueError, IndexError, OverflowError):
        found = None
    if found is None:
        raise UsageError(f"no node '{text}' in this heap: expected an address such as 0x7f00, or a number such as #12")
    return found


def _as_data(node: Node) -> dict[str, Any]:
    return {
        "number": node.number,
        "address": hex(node.address),
        "type": node.type,
        "label": node.label,
        "size": node.size,
        "slack": node.slack,
        "count": node.count,
        "flags": node.flag_names,
        "birthplace": [f"{function} ({file}:{line})" for function, file, line in node.birthplace],
    }


# ---- verbs ----


def _do_top(words: list[str], values: dict[str, Any]) -> int:
    _expect(words, "top", 1, 1)
    file = _open(words[0], values)
    rows = file.top(values["by"], values["where"])
    if values["json"]:
        print_json([row._asdict() for row in rows[: values["top"]]])
        return 0
    total = sum(row.bytes for row in rows)
    out = console()
    title = f"{plural(sum(row.objects for row in rows), 'object')}, {size(total)}, by {values['by']}"
    rows_shown = table(title, ("share", "bytes", "objects", "slack", "largest", "kept free"), values["by"])
    for row in rows[: lines(values)]:
        kept = number(row.free_listed) if row.free_listed else ""
        rows_shown.add_row(
            percent(row.bytes, total),
            size(row.bytes),
            number(row.objects),
            size(row.slack),
            size(row.largest),
            kept,
            say(row.name),
        )
    out.print(rows_shown)
    if len(rows) > lines(values):
        out.print(f"... and {number(len(rows) - lines(values))} more; see --top")
    return 0


def _do_tree(words: list[str], values: dict[str, Any]) -> int:
    _expect(words, "tree", 1, 2)
    file = _open(words[0], values)
    start = _node(file, words[1]) if len(words) > 1 else file[ROOT]
    whole = start.retained
    if values["json"]:
        print_json(_tree_data(start, values["depth"], whole))
        return 0
    tree = Tree(_branch_text(start, "", whole), guide_style="dim")
    waiting: list[tuple[Tree, Node, int]] = [(tree, start, 0)]
    while waiting:
        branch, node, depth = waiting.pop()
        shown = _branches(node, whole) if depth < values["depth"] else []
        waiting += [(branch.add(_branch_text(child, by, whole)), child, depth + 1) for child, by in shown]
        rest = node.held - 1 - sum(child.held for child, _ in shown)
        if rest and shown:
            branch.add(f"[dim]{plural(rest, 'smaller node')}[/]")
    console().print(tree)
    return 0


def _large_children(node: Node, whole: int) -> list[Node]:
    return [child for child in node.dominated(TREE_BRANCHES) if child.retained >= LEAST_SHARE * whole]


def _branches(node: Node, whole: int) -> list[tuple[Node, str]]:
    """What is shown below a node, with the reference to it where the node itself has it."""
    inside = heap_words.children(node, _large_children(node, whole))
    return [pair for pair in inside[:TREE_BRANCHES] if pair[0].retained >= LEAST_SHARE * whole]


def _branch_text(node: Node, by: str, whole: int) -> str:
    held = f"{say(heap_words.reference(by))} " if by else ""
    what = f"{held}[cyan]{say(heap_words.described(node))}[/]"
    return f"{percent(node.retained, whole):>6} {size(node.retained)} in {number(node.held)}  {what}"


def _tree_data(node: Node, depth: int, whole: int) -> dict[str, Any]:
    data = _as_data(node) | {"retained": node.retained, "held": node.held}
    if depth > 0:
        data["children"] = [_tree_data(child, depth - 1, whole) for child in _large_children(node, whole)]
    return data


def _do_path(words: list[str], values: dict[str, Any]) -> int:
    _expect(words, "path", 1, 2)
    if (len(words) == 2) == (values["where"] is not None):
        raise UsageError("path takes a node, or --where QUERY for the merged paths of many; see kucha heap --help")
    file = _open(words[0], values)
    if values["where"] is not None:
        return _show_merged(file, values)
    node = _node(file, words[1])
    paths = node.paths(PATHS if values["top"] is None else values["top"])
    if values["json"]:
        print_json([[_as_data(step) | {"by": by} for step, by in _steps(path)] for path in paths])
        return 0
    out = console()
    if not paths:
        out.print(f"nothing that is alive leads to {say(node)}")
    for path in paths:
        for depth, (step, by) in enumerate(heap_words.steps(path)):
            where = f"  [dim]{step.address:#x}, {size(step.size)}[/]" if step.is_object else ""
            line = f"{'  ' * depth}[cyan]{say(heap_words.step(step, by))}[/]{where}"
            out.print(line, soft_wrap=not out.is_terminal)
        out.print()
    return 0


def _steps(path: list[Node]) -> list[tuple[Node, str]]:
    """Each node with the name of the reference that leads to it."""
    names = [node.heap.analysis.edge(holder.number, node.number) for holder, node in pairwise(path)]
    return list(zip(path, ["", *names], strict=True))


def _show_merged(file: Heap, values: dict[str, Any]) -> int:
    rows = file.merged(values["where"])
    if values["json"]:
        print_json([row._asdict() for row in rows])
        return 0
    out = console()
    if not rows:
        out.print("nothing that is alive answers to the query")
        return 0
    children: dict[int, list[int]] = {}
    for index, row in enumerate(rows):
        if row.parent is not None:
            children.setdefault(row.parent, []).append(index)
    tree = Tree(_merged_text(file, rows[0], rows[0], ""), guide_style="dim")
    waiting = [(tree, 0, 0)]
    while waiting:
        branch, index, depth = waiting.pop()
        if depth == values["depth"]:
            continue
        inner = sorted(_merged_inside(file, rows, children, index), key=lambda pair: -rows[pair[0]].nodes)
        large = [pair for pair in inner[:TREE_BRANCHES] if rows[pair[0]].nodes >= LEAST_SHARE * rows[0].nodes]
        waiting += [(branch.add(_merged_text(file, rows[at], rows[0], by)), at, depth + 1) for at, by in large]
    out.print(tree)
    return 0


def _merged_inside(file: Heap, rows: list[Merged], children: dict[int, list[int]], index: int) -> list[tuple[int, str]]:
    """The rows below one, each with the reference that leads there, where it is but one; namespaces are folded."""

    def reference(above: int, below: int) -> str:
        single = rows[above].through == rows[below].through == 1
        return heap_words.reference_to(file[rows[above].example], file[rows[below].example]) if single else ""

    found = []
    for child in children.get(index, ()):
        by = reference(index, child)
        inside = children.get(child, ())
        if by == heap_words.NAMESPACE and sum(rows[one].nodes for one in inside) == rows[child].nodes:
            found += [(one, heap_words.attribute(reference(child, one))) for one in inside]
        else:
            found.append((child, by))
    return found


def _merged_text(file: Heap, row: Merged, whole: Merged, by: str) -> str:
    example = file[row.example]
    alone = row.through == 1 or not example.is_object
    name = heap_words.name(example) if alone else row.name
    many = f" through {number(row.through)}" if row.through > 1 else ""
    held = f"{say(heap_words.reference(by))} " if by else ""
    what = f"{held}[cyan]{say(name)}[/]"
    return f"{percent(row.nodes, whole.nodes):>6} {number(row.nodes)}, {size(row.bytes)}{many}  {what}"


def _do_holders(words: list[str], values: dict[str, Any]) -> int:
    _expect(words, "holders", 2, 2)
    file = _open(words[0], values)
    node = _node(file, words[1])
    count = file.analysis.referrers(node.number, 0)[0]
    holders = node.holders(lines(values))
    if values["json"]:
        print_json({"node": _as_data(node), "holders": [_as_data(by) | {"by": name} for by, name in holders]})
        return 0
    out = console()
    out.print(
        f"[cyan]{say(heap_words.described(node))}[/], {size(node.size)}, is held by {plural(count, 'reference')}",
        soft_wrap=not out.is_terminal,
    )
    rows_shown = table("", ("address", "bytes"), "holder")
    for holder, name in holders:
        rows_shown.add_row(
            hex(holder.address), size(holder.size), f"[cyan]{say(heap_words.holder_text(holder, name))}[/]"
        )
    out.print(rows_shown)
    return 0


def _do_query(words: list[str], values: dict[str, Any]) -> int:
    _expect(words, "query", 2, 2)
    file = _open(words[0], values)
    by = values["sort"]
    selection = file.analysis.select(words[1])
    count, total, numbers = file.analysis.nodes(selection, by, lines(values))
    nodes = [file[index] for index in numbers]
    if values["json"]:
        print_json({"count": count, "bytes": total, "nodes": [_as_data(node) for node in nodes]})
        return 0
    out = console()
    columns = ("address", "bytes", "retained") if by == "retained" else ("address", "bytes")
    rows_shown = table(f"{plural(count, 'node')}, {size(total)}", columns, "what")
    for node in nodes:
        retained = (size(node.retained),) if by == "retained" else ()
        where = node.birthplace[:1]
        born = f"  [dim]born in {say(where[0][0])} ({say(where[0][1])}:{where[0][2]})[/]" if where else ""
        rows_shown.add_row(hex(node.address), size(node.size), *retained, f"[cyan]{say(node)}[/]{born}")
    out.print(rows_shown)
    return 0


def _do_diff(words: list[str], values: dict[str, Any]) -> int:
    _expect(words, "diff", 2, 3)
    if values["by"] not in ("type", "module", "site"):
        raise UsageError("heaps are compared --by type, module or site")
    oldest, *newer = (_open(path, values) for path in words)
    changes = [change for change in oldest.diff(*newer, by=values["by"]) if change.born or change.gone]
    if values["json"]:
        print_json([change._asdict() for change in changes[: values["top"]]])
        return 0
    out = console()
    rows_shown = table("", ("bytes", "objects", "born", "gone", "kept", "grew"), values["by"])
    for change in changes[: lines(values)]:
        rows_shown.add_row(
            _signed(change.bytes[-1] - change.bytes[0], size),
            _signed(change.counts[-1] - change.counts[0], number),
            number(change.born),
            number(change.gone),
            number(change.kept),
            "each time" if change.grew and len(words) == 3 else "yes" if change.grew else "",
            say(change.name),
        )
    out.print(rows_shown)
    return 0


def _signed(value: int, show: Callable[[int], str]) -> str:
    return f"+{show(value)}" if value > 0 else f"-{show(-value)}" if value < 0 else "0"


def _do_suspects(words: list[str], values: dict[str, Any]) -> int:
    _expect(words, "suspects", 1, 1)
    file = _open(words[0], values)
    whole, suspects = file.suspects()
    suspects = _by_use(suspects)
    if values["json"]:
        kept = suspects[: lines(values)]
        print_json([suspect._asdict() | {"verdict": _verdict(file, suspect, whole)} for suspect in kept])
        return 0
    out = console()
    if not suspects:
        out.print(f"Nothing keeps a tenth of these {size(whole)} alive: they are spread out.")
    shown = suspects[: values["top"]] if values["top"] else _worth_a_look(suspects)
    for place, suspect in enumerate(shown, 1):
        out.print(f"{place}. {say(_verdict(file, suspect, whole))}", soft_wrap=not out.is_terminal)
    if len(suspects) > len(shown):
        out.print(f"... and {number(len(suspects) - len(shown))} more; see --top")
    return 0


def _is_everywhere(suspect: Suspect) -> bool:
    """Whether it is a builtin type, of which every heap is full; others have their module in front of their name."""
    return suspect.kind == "type" and "." not in suspect.name


def _worth_a_look(suspects: list[Suspect]) -> list[Suspect]:
    """The first few, without builtin types unless there is nothing else."""
    return [suspect for suspect in suspects if not _is_everywhere(suspect)][:SUSPECTS] or suspects[:SUSPECTS]


def _by_use(suspects: list[Suspect]) -> list[Suspect]:
    """The two largest points, birthplaces and types of the program's own, then the next two of each.

    Types that every heap is full of (dict, str, list) come last.
    """
    order = ("point", "site", "type")
    met: Counter[str] = Counter()
    keys = []
    for suspect in suspects:
        keys.append((_is_everywhere(suspect), met[suspect.kind] // 2))
        met[suspect.kind] += not keys[-1][0]
    ranked = sorted(range(len(suspects)), key=lambda at: (keys[at], order.index(suspects[at].kind), at))
    return [suspects[at] for at in ranked]


def _verdict(file: Heap, suspect: Suspect, whole: int) -> str:
    """What was found about a suspect, in words: what, how much, where it was made, how it is reached."""
    share = f"{size(suspect.retained)}, {percent(suspect.retained, whole)} of what lives"
    example = file[suspect.example]
    way = " -> ".join(heap_words.way(path) for path in example.paths(1))
    born = "".join(f", made in {function} ({path}:{line})," for function, path, line in example.birthplace[:1])
    if suspect.kind == "point":
        below = Counter(child.type for child in example.dominated(LOOKED_INTO))
        most = [f", mostly of {name}" for name, count in below.most_common(1) if 2 * count > below.total()]
        what = heap_words.described(example)
        return f"{what}{born} keeps {share}: {plural(suspect.nodes, 'node')}{''.join(most)}. It is reached by {way}."
    what = f"{suspect.name} objects" if suspect.kind == "type" else f"objects made in {suspect.name}"
    old = f" {number(suspect.old)} of them are old: they outlived collections." if suspect.old else ""
    made = born if suspect.kind == "type" else f", a {heap_words.name(example)},"
    return f"{number(suspect.nodes)} {what} keep {share}.{old} The largest{made} is reached by {way}."


def _do_export(words: list[str], values: dict[str, Any]) -> int:
    _expect(words, "export", 1, 1)
    if values["output"] is None:
        raise UsageError("export writes to --output OUT; its ending says what: .heapsnapshot, .csv, .parquet, .dot ...")
    from kucha.export import heap_files

    heap_files.export(_open(words[0], values), values)
    return 0


def _do_pins(words: list[str], values: dict[str, Any]) -> int:
    _expect(words, "pins", 1, 1)
    return heap_memory.pins(_open(words[0], values), values)


def _do_core(words: list[str], values: dict[str, Any]) -> int:
    from kucha import heap_core

    _expect(words, "core", 1, 2)
    return heap_core.core(words, values)


def _do_import(words: list[str], values: dict[str, Any]) -> int:
    from kucha import heap_import

    _expect(words, "import", 1, 1)
    return heap_import.import_file(words, values)


def _do_duplicates(words: list[str], values: dict[str, Any]) -> int:
    _expect(words, "duplicates", 1, 1)
    return heap_memory.duplicates(_open(words[0], values), values)


def _do_slack(words: list[str], values: dict[str, Any]) -> int:
    _expect(words, "slack", 1, 1)
    return heap_memory.slack(_open(words[0], values), values)


_DOERS: dict[str, Callable[[list[str], dict[str, Any]], int]] = {
    "top": _do_top,
    "tree": _do_tree,
    "path": _do_path,
    "holders": _do_holders,
    "query": _do_query,
    "diff": _do_diff,
    "suspects": _do_suspects,
    "pins": _do_pins,
    "duplicates": _do_duplicates,
    "slack": _do_slack,
    "export": _do_export,
    "core": _do_core,
    "import": _do_import,
}
