"""Heap files from Python: relations, retained sizes, queries, differences, and exports that others can read."""

from __future__ import annotations

import json
import random
import shutil
from pathlib import Path

import pytest
from conftest import Runner
from kucha import heap, heap_words
from kucha.export import heapsnapshot
from kucha.heap import FLAGS, KINDS, Heap

SITE = "parse (feeds.py:12)"
TYPES = [("builtins", "dict"), ("builtins", "str"), ("app", "Feed")]
SITES = [[("parse", "feeds.py", 12), ("<module>", "app.py", 3)], [("<module>", "app.py", 9)]]


def build(path: Path, strings: int = 5) -> Heap:
    """root -> cache (a dict) -> strings and a Feed that holds the last of them; two dicts that hold each other."""
    nodes: list[tuple[int, int, int, int, int, int, int, str | None]] = [(4096, 0, 2048, 0, 1, 1, 0, "cache")]
    edges: list[tuple[int, int, int, str | None, int]] = [(0, 1, KINDS.index("root"), "module app", 0)]
    for index in range(strings):
        nodes.append((8192 + 128 * index, 1, 100 + index, 1, 1, 0, 0, None))
        edges.append((1, len(nodes), KINDS.index("item"), None, index))
    nodes.append((1 << 40, 2, 64, 2, 1, 1, 0, None))
    feed = len(nodes)
    edges += [(1, feed, KINDS.index("value"), "feed", 0), (feed, feed - 1, KINDS.index("attribute"), "text", 0)]
    nodes += [(1 << 41, 0, 64, 0, 1, 1, 0, None), (1 << 42, 0, 64, 0, 1, 1, 0, None)]
    edges += [(feed + 1, feed + 2, 0, None, 0), (feed + 2, feed + 1, 0, None, 0)]
    heap.write(path, TYPES, nodes, edges, SITES, "python app.py", "CPython 3.11.7", 1.5)
    return Heap(path)


@pytest.fixture
def small(tmp_path: Path) -> Heap:
    return build(tmp_path / "small.heap")


def test_a_heap_says_what_it_is(small: Heap) -> None:
    info = small.info
    assert (info["nodes"], info["edges"], info["program"]) == (10, 10, "python app.py")
    assert (info["runtime"], info["taken"], info["has_values"]) == ("CPython 3.11.7", 1.5, False)
    assert len(small) == 10


def test_nodes_have_their_relations_and_names(small: Heap) -> None:
    cache = small.at(4096)
    assert cache is not None
    assert str(cache) == "dict cache"
    assert [(name, target.type) for name, target in cache.references(2)] == [("item 0", "str"), ("item 1", "str")]
    feed = small.at(1 << 40)
    assert feed is not None
    assert [(str(holder), name) for holder, name in feed.holders()] == [("dict cache", "value of feed")]
    assert feed.birthplace == [("<module>", "app.py", 9)]
    last = small.at(8192 + 128 * 4)
    assert last is not None
    assert [name for _, name in last.holders()] == ["item 4", "attribute text"]
    assert small.at(4097) is None
    with pytest.raises(IndexError):
        small[10]


def test_retained_sizes_and_the_tree(small: Heap) -> None:
    cache = small[1]
    assert cache.retained == 2048 + sum(range(100, 105)) + 64
    assert cache.held == 7
    assert [str(node) for node in cache.dominated(1)] == ["str at 0x2200"]  # the largest of its children
    shared = small.at(8192 + 128 * 4)
    assert shared is not None
    dominator = shared.dominator
    assert dominator is not None
    assert dominator.number == 1  # held twice: by the cache and by the Feed
    assert small.retained_by('type = "dict" and label = "cache"') == (cache.retained, 7)


def test_paths_and_merged_paths(small: Heap) -> None:
    last = small.find("site ~ 'feeds.py:12'", by="size", most=1)[0]
    assert [[node.type for node in path] for path in last.paths(5)] == [
        ["<root>", "dict", "str"],
        ["<root>", "dict", "app.Feed", "str"],
    ]
    rows = small.merged("type = 'str'")
    assert [(row.name, row.nodes) for row in rows] == [("<root>", 5), ("dict", 5), ("str", 5)]
    way = small.between(1, last.number)
    assert way is not None
    assert len(way) == 2
    assert small.between(last.number, 1) is None
    garbage = small.find("dead")
    assert [node.flag_names for node in garbage] == [["tracked", "dead"], ["tracked", "dead"]]
    assert garbage[0].paths() == []


def test_histograms_and_queries(small: Heap) -> None:
    assert [(row.name, row.objects, row.bytes) for row in small.top("type")] == [
        ("dict", 3, 2176),
        ("str", 5, 510),
        ("app.Feed", 1, 64),
    ]
    assert [row.name for row in small.top("site", "type = 'str'")] == ["parse (feeds.py:12)"]
    assert small.amount("size > 2k or dead") == (2, 128)
    assert small.amount("size >= 2k") == (1, 2048)
    with pytest.raises(ValueError, match="query, character 8: expected a number"):
        small.find("size > many")
    with pytest.raises(ValueError, match="no key 'colour'"):
        small.top("colour")


def test_a_selection_fits_only_its_heap(small: Heap, tmp_path: Path) -> None:
    other = build(tmp_path / "other.heap", strings=40)
    with pytest.raises(ValueError, match="selection"):
        small.analysis.nodes(other.analysis.select("dead"), "size", 1)


def test_differences_tell_born_from_gone(small: Heap, tmp_path: Path) -> None:
    later = build(tmp_path / "later.heap", strings=9)
    changes = {change.name: change for change in small.diff(later)}
    assert changes["str"].counts == (5, 9)
    assert (changes["str"].born, changes["str"].gone, changes["str"].kept) == (4, 0, 5)
    assert changes["str"].grew
    assert not changes["dict"].grew
    assert small.diff(later, by="site")[0].name == "parse (feeds.py:12)"


def test_a_damaged_file_is_refused(tmp_path: Path) -> None:
    build(tmp_path / "good.heap")
    whole = (tmp_path / "good.heap").read_bytes()
    (tmp_path / "bad.heap").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ValueError):
        Heap(tmp_path / "bad.heap")
    with pytest.raises(FileNotFoundError):
        Heap(tmp_path / "none.heap")


def test_edges_that_lead_nowhere_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="an edge"):
        heap.write(tmp_path / "x.heap", TYPES, [], [(0, 1, 0, None, 0)])
    with pytest.raises(ValueError, match="type"):
        heap.write(tmp_path / "x.heap", [], [(4096, 0, 1, 0, 0, 0, 0, None)], [])


def test_progress_is_told_and_can_stop_the_work(tmp_path: Path) -> None:
    build(tmp_path / "a.heap")
    stages: list[str] = []
    Heap(tmp_path / "a.heap", lambda stage, _: stages.append(stage))[1].retained  # noqa: B018
    assert "dominators" in stages

    def stop(stage: str, done: float) -> None:
        raise RuntimeError(f"stopped in {stage} at {done}")

    with pytest.raises(RuntimeError, match="stopped"):
        Heap(tmp_path / "a.heap", stop)[1].retained  # noqa: B018


def test_suspects_are_told_in_words(kucha: Runner, tmp_path: Path) -> None:
    whole, suspects = build(tmp_path / "a.heap", strings=50).suspects(0.3)
    assert (suspects[0].kind, suspects[0].name, suspects[0].nodes) == ("point", "dict cache", 52)
    assert [(one.kind, one.name) for one in suspects[1:]] == [("type", "str"), ("site", SITE)]
    assert whole == suspects[0].retained
    done = kucha("heap", "suspects", "a.heap")
    first, *others = done.stdout.splitlines()
    assert first == (
        "1. dict cache keeps 8.1 KiB, 100.0% of what lives: 52 nodes, mostly of str. It is reached by dict cache."
    )
    assert others[0].startswith(f"2. 50 objects made in {SITE} keep")
    assert others[-1] == "... and 1 more; see --top"  # str, of which every heap is full
    assert "3. 50 str objects" in kucha("heap", "suspects", "--top", "9", "a.heap").stdout
    told = json.loads(kucha("heap", "suspects", "--json", "a.heap").stdout)
    assert [one["kind"] for one in told] == ["point", "site", "type"]


def build_namespaces(path: Path) -> Heap:
    """Module -> its dict -> cache -> Feed -> its dict -> text; a frame's local holds the cache too."""
    types = [("builtins", "module"), ("builtins", "dict"), ("app", "Feed"), ("builtins", "str"), (None, "<frame>")]
    nodes = [
        (4096, 0, 72, 0, 1, 1, 0, "app"),
        (8192, 1, 64, 0, 1, 1, 0, None),
        (12288, 1, 64, 0, 1, 1, 0, None),
        (16384, 2, 48, 0, 1, 1, 0, None),
        (20480, 1, 64, 0, 1, 1, 0, None),
        (24576, 3, 100_000, 0, 1, 0, 0, None),
        (28672, 4, 0, 0, 0, 32, 0, "work at app.py:3"),
    ]
    kinds = heap.KINDS.index
    edges = [
        (0, 1, kinds("root"), "module app", 0),
        (1, 2, kinds("slot"), "__dict__", 0),
        (2, 3, kinds("value"), "cache", 0),
        (3, 4, kinds("value"), None, 7),
        (4, 5, kinds("slot"), "__dict__", 0),
        (5, 6, kinds("value"), "text", 0),
        (0, 7, kinds("root"), "work at app.py:3", 0),
        (7, 3, kinds("local"), "mine", 0),
    ]
    heap.write(path, types, nodes, edges)
    return Heap(path)


def test_namespaces_are_no_steps_of_their_own(kucha: Runner, tmp_path: Path) -> None:
    last = build_namespaces(tmp_path / "n.heap")[6]
    assert [heap_words.way(path) for path in last.paths(2)] == [
        "local mine in work at app.py:3 -> dict [entry 7] -> app.Feed .text -> str",
        "module app .cache -> dict [entry 7] -> app.Feed .text -> str",
    ]
    holders = kucha("heap", "holders", "n.heap", "0x6000").stdout
    assert "app.Feed .text" in holders
    shown = kucha("heap", "path", "n.heap", "0x6000", "--top", "2").stdout.split("\n\n")[1].splitlines()
    steps = [line.split("  0x")[0].strip() for line in shown]
    assert steps == ["module app .cache", "dict [entry 7]", "app.Feed .text", "str"]
    assert len(json.loads(kucha("heap", "path", "--json", "n.heap", "0x6000").stdout)[1]) == 7
    merged = kucha("heap", "path", "n.heap", "--where", "type = 'str' or type = 'app.Feed'").stdout.splitlines()
    assert [line.split("  ")[-1] for line in merged] == [
        "roots",
        "work at app.py:3",
        "(local mine) dict",
        "[entry 7] app.Feed",
        ".text str",
    ]
    dicts = kucha("heap", "path", "n.heap", "--where", "address = 0x3000 or address = 0x2000").stdout.splitlines()
    steps = [line.split("  ")[-1] for line in dicts]  # of equal branches any may come first
    assert sorted(steps) == ["(local mine) dict", ".__dict__ dict", "module app", "roots", "work at app.py:3"]
    tree = kucha("heap", "tree", "n.heap").stdout
    assert "[entry 7] app.Feed at 0x4000" in tree
    assert ".text str at 0x6000" in tree


# ---- exports ----


def read_snapshot(document: dict[str, object]) -> dict[int, dict[str, object]]:
    """The nodes of a .heapsnapshot by id, read by its own description of its fields, as DevTools does."""
    snapshot, strings = document["snapshot"], document["strings"]
    nodes, edges = document["nodes"], document["edges"]
    assert isinstance(snapshot, dict)
    assert isinstance(strings, list)
    assert isinstance(nodes, list)
    assert isinstance(edges, list)
    meta = snapshot["meta"]
    width, edge_width = len(meta["node_fields"]), len(meta["edge_fields"])
    assert len(nodes) == snapshot["node_count"] * width
    assert len(edges) == snapshot["edge_count"] * edge_width
    read: dict[int, dict[str, object]] = {}
    position = 0
    for start in range(0, len(nodes), width):
        node = dict(zip(meta["node_fields"], nodes[start : start + width], strict=True))
        out = []
        for _ in range(node["edge_count"]):
            kind, name, target = edges[position : position + edge_width]
            assert target % width == 0
            named = name if meta["edge_types"][0][kind] in ("element", "hidden") else strings[name]
            out.append((named, nodes[target + meta["node_fields"].index("id")]))
            position += edge_width
        kind = meta["node_types"][0][node["type"]]
        read[node["id"]] = node | {"name": strings[node["name"]], "edges": out, "type": kind}
    assert position == len(edges)
    assert len(read) == snapshot["node_count"]  # ids are unique
    return read


def test_a_heapsnapshot_is_what_devtools_reads(small: Heap) -> None:
    document = json.loads(heapsnapshot.heapsnapshot(small))
    nodes = read_snapshot(document)
    root, cache = nodes[1], nodes[3]
    assert (root["type"], root["edges"]) == ("synthetic", [("module app", 3)])
    assert (cache["name"], cache["self_size"]) == ("cache", 2048) or cache["name"] == "dict cache"
    edges = cache["edges"]
    assert isinstance(edges, list)
    assert edges[:2] == [(0, 5), (1, 7)]
    assert edges[5] == ("feed", 15)
    assert sum(int(str(node["self_size"])) for node in nodes.values()) == 2048 + 510 + 64 * 3
    functions, fields = document["trace_function_infos"], document["snapshot"]["meta"]["trace_function_info_fields"]
    assert len(functions) == document["snapshot"]["trace_function_count"] * len(fields)
    stack = find_stack(document["trace_tree"], nodes[5]["trace_node_id"])
    names = [document["strings"][functions[index * len(fields) + 1]] for index in stack]
    assert names == ["(root)", "<module>", "parse"]


def find_stack(tree: list[object], wanted: object) -> list[int]:
    """The functions on the way to a node of the tree of calls."""
    number, function, _, _, children = tree
    assert isinstance(function, int)
    assert isinstance(children, list)
    if number == wanted:
        return [function]
    for start in range(0, len(children), 5):
        below = find_stack(children[start : start + 5], wanted)
        if below:
            return [function, *below]
    return []


def test_tables_and_pictures_are_written(kucha: Runner, tmp_path: Path) -> None:
    build(tmp_path / "a.heap")
    assert kucha("heap", "export", "a.heap", "-o", "a.csv").returncode == 0
    lines = (tmp_path / "a.csv").read_text().splitlines()
    assert lines[0].startswith("number,address,type")
    assert len(lines) == 1 + 9
    assert kucha("heap", "export", "a.heap", "-o", "a.json", "--where", "type = 'app.Feed'").returncode == 0
    (feed,) = json.loads((tmp_path / "a.json").read_text())["nodes"]
    assert (feed["size"], feed["references"]) == (64, [["attribute text", 6]])
    assert kucha("heap", "export", "a.heap", "-o", "a.dot").returncode == 0
    assert 'label="attribute text"' in (tmp_path / "a.dot").read_text()
    again = kucha("heap", "export", "a.heap", "-o", "a.dot")
    assert (again.returncode, "exists already" in again.stderr) == (2, True)
    if shutil.which("dot"):
        assert kucha("heap", "export", "a.heap", "-o", "a.svg").returncode == 0
        assert "<svg" in (tmp_path / "a.svg").read_text()


def test_parquet_has_a_row_for_each_node(kucha: Runner, tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    build(tmp_path / "a.heap")
    done = kucha("heap", "export", "a.heap", "-o", "a.parquet")
    assert done.returncode == 0, done.stderr
    table = parquet.read_table(tmp_path / "a.parquet")
    assert table.num_rows == 9
    assert sorted(table.column("size").to_pylist())[-1] == 2048


def test_the_command_prints_what_it_is_asked_as_json(kucha: Runner, tmp_path: Path) -> None:
    build(tmp_path / "a.heap")
    top = json.loads(kucha("heap", "top", "--json", "a.heap").stdout)
    assert [row["name"] for row in top] == ["dict", "str", "app.Feed"]
    tree = json.loads(kucha("heap", "tree", "--json", "a.heap").stdout)
    assert tree["children"][0]["label"] == "cache"
    paths = json.loads(kucha("heap", "path", "--json", "a.heap", "#6").stdout)
    assert [step["by"] for step in paths[1]] == ["", "module app", "value of feed", "attribute text"]
    found = json.loads(kucha("heap", "query", "--json", "a.heap", "dead").stdout)
    assert (found["count"], found["bytes"]) == (2, 128)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["heap"], "heap takes one of"),
        (["heap", "fly"], "heap takes one of"),
        (["heap", "top"], "expected kucha heap top FILE"),
        (["heap", "top", "none.heap"], "can't read 'none.heap'"),
        (["heap", "holders", "a.heap", "0x77"], "no node '0x77' in this heap"),
        (["heap", "holders", "a.heap", "#999"], "no node '#999' in this heap"),
        (["heap", "query", "a.heap", "colour = 3"], "query, character 1"),
        (["heap", "path", "a.heap"], "path takes a node, or --where"),
        (["heap", "export", "a.heap", "-o", "x.xyz"], "can't tell what to write"),
    ],
)
def test_wrong_requests_are_told_in_a_sentence(kucha: Runner, tmp_path: Path, words: list[str], sentence: str) -> None:
    build(tmp_path / "a.heap")
    done = kucha(*words)
    assert done.returncode == 2
    assert done.stderr.startswith("kucha: ")
    assert sentence in done.stderr


def test_retained_sizes_of_random_heaps_are_those_of_the_definition(tmp_path: Path) -> None:
    rolled = random.Random(7)
    for _ in range(10):
        count = rolled.randrange(2, 30)
        nodes = [(4096 + 64 * i, 0, 16 + i, 0, 1, 0, 0, None) for i in range(count)]
        edges = [(rolled.randrange(count + 1), rolled.randrange(count + 1), 0, None, 0) for _ in range(2 * count)]
        heap.write(tmp_path / "r.heap", TYPES, nodes, edges)
        made = Heap(tmp_path / "r.heap")

        def reach(without: int, ends: list[tuple[int, int, int, None, int]] = edges) -> set[int]:
            met = {0}
            while True:
                more = {b for a, b, *_ in ends if a in met and b != without} - met
                if not more:
                    return met
                met |= more

        alive = reach(-1)
        for number in alive - {0}:
            assert made[number].retained == sum(made[other].size for other in alive - reach(number))
        (tmp_path / "r.heap").unlink()


def test_names_of_flags_and_kinds_are_the_library_s(small: Heap) -> None:
    header = (Path(__file__).parents[2] / "include" / "kucha" / "graph.h").read_text()
    for bit, name in enumerate(FLAGS):
        constant = {"free": "FREE_LISTED"}.get(name, name.upper())
        assert f"KU_NODE_{constant} = 1 << {bit}" in header
    at = -1
    for name in KINDS:
        found = header.index(f"    KU_EDGE_{name.upper()},")
        assert found > at
        at = found
