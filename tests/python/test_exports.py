"""What `kucha report` writes for other tools, read by readers that are not ours."""

from __future__ import annotations

import gzip
import html.parser
import importlib.util
import json
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path
from xml.etree import ElementTree

import pytest
from conftest import Runner, clean_environment

PROGRAM = """
class Keeper:
    def keep(self):
        self.kept = [bytes(1000) for _ in range(1000)]
def outer():
    keeper = Keeper()
    keeper.keep()
    return keeper
kept = outer()
"""
SVG = "{http://www.w3.org/2000/svg}"

has_reader = pytest.mark.skipif(
    importlib.util.find_spec("flamegraph_textual") is None, reason="flamegraph-textual is not installed"
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a capture in every format."""
    place = tmp_path_factory.mktemp("exports")
    (place / "program.py").write_text(PROGRAM)
    run = [sys.executable, "-m", "kucha"]
    outputs = ["--flamegraph", "graph.svg", "--collapsed", "stacks.txt", "--speedscope", "scope.json"]
    for command in (
        [*run, "run", "-q", "-o", "out.kucha", "program.py"],
        [*run, "report", *outputs, "--pprof", "profile.pb.gz", "--sort", "live", "out.kucha"],
        [*run, "report", "--flamegraph", "graph.html", "out.kucha"],
    ):
        done = subprocess.run(
            command, cwd=place, env=clean_environment(), capture_output=True, text=True, timeout=120, check=False
        )
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    return place


@pytest.fixture(scope="module")
def totals(folder: Path) -> dict[str, int]:
    """The sums that every format must agree on."""
    command = [sys.executable, "-m", "kucha", "report", "--json", "out.kucha"]
    done = subprocess.run(command, cwd=folder, env=clean_environment(), capture_output=True, check=True, timeout=120)
    read: dict[str, int] = json.loads(done.stdout)["totals"]
    return read


def read_by_tool(content: bytes, name: str) -> dict[str, object]:
    """What flamegraph-textual, a viewer for terminals, makes of a file: its sample types and its root.

    In a process of its own, with protobuf's implementation in Python: the other one does not load from 3.14 on.
    """
    script = (
        "import sys, json\n"
        "sys.modules['google._upb._message'] = None\n"
        "from flamegraph_textual.parsers import parse\n"
        "profile = parse(sys.stdin.buffer.read(), sys.argv[1])\n"
        "def flat(frame):\n"
        "    return {'name': frame.name, 'values': list(frame.values), 'children': [flat(c) for c in frame.children]}\n"
        "print(json.dumps({'types': [[t.sample_type, t.sample_unit] for t in profile.sample_types],\n"
        "                  'count': profile.total_sample, 'root': flat(profile.root_stack)}))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, name],
        input=content,
        env=clean_environment(PROTOCOL_BUFFERS_PYTHON_IMPLEMENTATION="python"),
        capture_output=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()
    read: dict[str, object] = json.loads(done.stdout)
    return read


def frames_along(root: dict[str, object], words: list[str]) -> bool:
    """Whether a path leads down from the root along frames whose names contain the words, in order."""
    if not words:
        return True
    children: list[dict[str, object]] = root["children"]  # type: ignore[assignment]
    return any(frames_along(child, words[1:] if words[0] in str(child["name"]) else words) for child in children)


@has_reader
def test_collapsed_stacks_are_read_by_a_flame_graph_tool(folder: Path, totals: dict[str, int]) -> None:
    text = (folder / "stacks.txt").read_bytes()
    read = read_by_tool(text, "stacks.txt")
    assert read["root"]["values"] == [totals["live_bytes"]]  # type: ignore[index]
    assert frames_along(read["root"], ["<module> (", "outer (", "Keeper.keep ("])  # type: ignore[arg-type]


def test_collapsed_stacks_add_up(folder: Path, totals: dict[str, int]) -> None:
    lines = (folder / "stacks.txt").read_text().splitlines()
    assert lines == sorted(lines)
    assert sum(int(line.rpartition(" ")[2]) for line in lines) == totals["live_bytes"]


@has_reader
def test_pprof_is_read_by_a_tool(folder: Path, totals: dict[str, int]) -> None:
    read = read_by_tool((folder / "profile.pb.gz").read_bytes(), "profile.pb.gz")
    assert read["types"] == [
        ["alloc_objects", "count"],
        ["alloc_space", "bytes"],
        ["inuse_objects", "count"],
        ["inuse_space", "bytes"],
        ["peak_objects", "count"],
        ["peak_space", "bytes"],
    ]
    names = ("total_blocks", "total_bytes", "live_blocks", "live_bytes", "peak_blocks", "peak_bytes")
    assert read["root"]["values"] == [totals[name] for name in names]  # type: ignore[index]
    assert frames_along(read["root"], ["<module>", "outer", "Keeper.keep"])  # type: ignore[arg-type]


# proto/profile.proto of google/pprof, as numbers of fields: name, number, type ("*" repeated, "[]" message).
PROFILE = {
    "ValueType": [("type", 1, "int64"), ("unit", 2, "int64")],
    "Sample": [("location_id", 1, "*uint64"), ("value", 2, "*int64")],
    "Line": [("function_id", 1, "uint64"), ("line", 2, "int64")],
    "Mapping": [
        ("id", 1, "uint64"),
        ("filename", 5, "int64"),
        ("has_functions", 7, "bool"),
        ("has_filenames", 8, "bool"),
        ("has_line_numbers", 9, "bool"),
    ],
    "Location": [("id", 1, "uint64"), ("mapping_id", 2, "uint64"), ("address", 3, "uint64"), ("line", 4, "*Line")],
    "Function": [
        ("id", 1, "uint64"),
        ("name", 2, "int64"),
        ("system_name", 3, "int64"),
        ("filename", 4, "int64"),
        ("start_line", 5, "int64"),
    ],
    "Profile": [
        ("sample_type", 1, "*ValueType"),
        ("sample", 2, "*Sample"),
        ("mapping", 3, "*Mapping"),
        ("location", 4, "*Location"),
        ("function", 5, "*Function"),
        ("string_table", 6, "*string"),
        ("time_nanos", 9, "int64"),
        ("duration_nanos", 10, "int64"),
        ("period_type", 11, "ValueType"),
        ("period", 12, "int64"),
        ("comment", 13, "*int64"),
        ("default_sample_type", 14, "int64"),
    ],
}


def profile_class(monkeypatch: pytest.MonkeyPatch) -> type:
    """The message class that PyPI's protobuf makes from the table above."""
    monkeypatch.setitem(sys.modules, "google._upb._message", None)  # as in read_by_tool()
    monkeypatch.setenv("PROTOCOL_BUFFERS_PYTHON_IMPLEMENTATION", "python")
    from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

    file = descriptor_pb2.FileDescriptorProto(name="profile.proto", package="perftools.profiles", syntax="proto3")
    field = descriptor_pb2.FieldDescriptorProto
    for name, fields in PROFILE.items():
        message = file.message_type.add(name=name)
        for field_name, number, kind in fields:
            bare = kind.lstrip("*")
            added = message.field.add(name=field_name, number=number)
            added.label = field.LABEL_REPEATED if kind.startswith("*") else field.LABEL_OPTIONAL
            if bare in PROFILE:
                added.type, added.type_name = field.TYPE_MESSAGE, f".perftools.profiles.{bare}"
            else:
                added.type = getattr(field, f"TYPE_{bare.upper()}")
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    made: type = message_factory.GetMessageClass(pool.FindMessageTypeByName("perftools.profiles.Profile"))
    return made


@pytest.mark.skipif(importlib.util.find_spec("google") is None, reason="protobuf is not installed")
def test_pprof_is_whole(folder: Path, totals: dict[str, int], monkeypatch: pytest.MonkeyPatch) -> None:
    """Every number of the message leads to something, and nothing unknown is in it (protobuf's own parser)."""
    content = gzip.decompress((folder / "profile.pb.gz").read_bytes())
    profile = profile_class(monkeypatch)()
    assert profile.ParseFromString(content) == len(content)
    again = profile.SerializeToString()
    profile.DiscardUnknownFields()
    assert profile.SerializeToString() == again
    texts = list(profile.string_table)
    assert texts[0] == ""
    assert len(set(texts)) == len(texts)
    functions = {function.id: function for function in profile.function}
    locations = {location.id: location for location in profile.location}
    assert 0 not in functions
    assert 0 not in locations
    for sample in profile.sample:
        assert len(sample.value) == 6
        assert sample.location_id
        assert set(sample.location_id) <= set(locations)
    (mapping,) = profile.mapping
    assert mapping.has_functions
    assert mapping.has_filenames
    assert mapping.has_line_numbers
    for location in locations.values():
        assert location.mapping_id == mapping.id
        assert [functions[line.function_id].id for line in location.line]
    assert sum(sample.value[3] for sample in profile.sample) == totals["live_bytes"]
    assert texts[profile.default_sample_type] == "inuse_space"
    assert profile.period == 1
    assert texts[profile.period_type.type] == "space"
    assert profile.time_nanos > 1.5e18
    assert texts[profile.comment[0]].endswith("program.py")
    heaviest = max(profile.sample, key=lambda sample: sample.value[3])
    innermost = functions[locations[heaviest.location_id[0]].line[0].function_id]
    assert texts[innermost.name].startswith("Keeper.keep")
    assert texts[innermost.filename].endswith("program.py")


@has_reader
def test_speedscope_is_read_by_a_tool(folder: Path) -> None:
    read = read_by_tool((folder / "scope.json").read_bytes(), "scope.json")
    assert frames_along(read["root"], ["<module>", "outer", "Keeper.keep"])  # type: ignore[arg-type]


def test_speedscope_adds_up(folder: Path, totals: dict[str, int]) -> None:
    document = json.loads((folder / "scope.json").read_text())
    profiles = document["profiles"]
    assert profiles[document["activeProfileIndex"]]["name"] == "live at the end"
    wanted = ["peak_bytes", "live_bytes", "total_bytes", "total_blocks", "temporary_blocks"]
    names = ["live at the peak", "live at the end", "allocated bytes", "allocated blocks", "temporary blocks"]
    by_name = {profile["name"]: profile for profile in profiles}
    assert [by_name[name]["endValue"] for name in names] == [totals[name] for name in wanted]
    frames = document["shared"]["frames"]
    for profile in profiles:
        assert len(profile["samples"]) == len(profile["weights"])
        assert all(0 <= frame < len(frames) for sample in profile["samples"] for frame in sample)


@pytest.mark.skipif(
    shutil.which("npm") is None or importlib.util.find_spec("fastjsonschema") is None,
    reason="needs npm, which has the schema, and fastjsonschema",
)
def test_speedscope_fits_the_published_schema(folder: Path, tmp_path: Path) -> None:
    """The schema comes with the npm package speedscope."""
    import fastjsonschema

    done = subprocess.run(["npm", "pack", "speedscope"], cwd=tmp_path, capture_output=True, timeout=120, check=False)
    if done.returncode:
        pytest.skip("npm can't fetch the package speedscope here")
    (package,) = tmp_path.glob("speedscope-*.tgz")
    with tarfile.open(package) as archive:
        member = archive.extractfile("package/dist/release/file-format-schema.json")
        assert member is not None
        schema = json.load(member)
    validate = fastjsonschema.compile(schema)
    document = json.loads((folder / "scope.json").read_text())
    validate(document)
    document["profiles"][0]["unit"] = "furlongs"
    with pytest.raises(fastjsonschema.JsonSchemaException):
        validate(document)


def test_flame_graph_is_a_picture(folder: Path, totals: dict[str, int]) -> None:
    """Boxes lie inside their parents, and widths are shares of the whole."""
    root = ElementTree.parse(folder / "graph.svg").getroot()
    assert root.tag == f"{SVG}svg"
    width, height = float(root.attrib["width"]), float(root.attrib["height"])
    boxes = []
    for group in root.iter(f"{SVG}g"):
        (box,) = group.findall(f"{SVG}rect")
        (title,) = group.findall(f"{SVG}title")
        place = {name: float(box.attrib[name]) for name in ("x", "y", "width", "height")}
        boxes.append((str(title.text), place))
        assert place["x"] >= -0.01
        assert place["x"] + place["width"] <= width + 0.02
        assert 0 <= place["y"] <= height - place["height"]
    whole = boxes[0]
    assert whole[0].startswith("all: ")
    assert whole[1]["width"] == width
    for title, place in boxes[1:]:
        below = [
            other
            for _, other in boxes
            if abs(other["y"] - place["y"] - place["height"]) < 0.01
            and other["x"] - 0.02 <= place["x"]
            and other["x"] + other["width"] + 0.02 >= place["x"] + place["width"]
        ]
        assert below, f"{title} stands on nothing"
    assert any("Keeper.keep" in title for title, _ in boxes)


def test_flame_graph_page_is_html_that_loads_nothing(folder: Path) -> None:
    found: list[tuple[str, dict[str, str | None]]] = []

    class Reader(html.parser.HTMLParser):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            found.append((tag, dict(attrs)))

    text = (folder / "graph.html").read_text()
    Reader().feed(text)
    tags = [tag for tag, _ in found]
    assert tags.count("svg") == tags.count("script") == 1
    assert not [tag for tag, names in found if "src" in names or "href" in names]
    assert text.replace("http://www.w3.org/2000/svg", "").count("http") == 0


@pytest.mark.skipif(shutil.which("node") is None, reason="needs node")
def test_script_of_the_flame_graph_page_parses(folder: Path, tmp_path: Path) -> None:
    script = (folder / "graph.html").read_text().split("<script>")[1].split("</script>")[0]
    (tmp_path / "script.js").write_text(script)
    done = subprocess.run(["node", "--check", "script.js"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_names_are_escaped(kucha: Runner, tmp_path: Path) -> None:
    """Names with the characters that each format gives a meaning: all files stay whole."""
    odd = tmp_path / "a;b <c> & 'd' \"e\".py"
    odd.write_text("kept = [bytes(1000) for _ in range(500)]\n")
    assert kucha("run", "-q", "-o", "out.kucha", odd).returncode == 0
    outputs = ["--flamegraph", "g.svg", "--collapsed", "s.txt", "--speedscope", "s.json", "--pprof", "p.gz"]
    assert kucha("report", *outputs, "out.kucha").returncode == 0
    ElementTree.parse(tmp_path / "g.svg")
    json.loads((tmp_path / "s.json").read_text())
    lines = (tmp_path / "s.txt").read_text().splitlines()
    assert any("a:b <c>" in line for line in lines)
    assert all(line.rpartition(" ")[2].isdigit() for line in lines)


def test_existing_outputs_are_left_alone(kucha: Runner, folder: Path, tmp_path: Path) -> None:
    """All are checked before any is written."""
    (tmp_path / "s.json").write_text("precious")
    words = ["report", "--collapsed", "s.txt", "--speedscope", "s.json", folder / "out.kucha"]
    done = kucha(*words)
    assert done.returncode == 2
    assert done.stderr == "kucha: 's.json' exists already; choose another name, or replace it with --force\n"
    assert [path.name for path in tmp_path.iterdir()] == ["s.json"]
    assert (tmp_path / "s.json").read_text() == "precious"
    assert kucha(*words, "--force").returncode == 0
    json.loads((tmp_path / "s.json").read_text())
    assert (tmp_path / "s.txt").stat().st_mode & 0o777 == 0o600


def test_flame_graph_needs_a_known_ending(kucha: Runner, folder: Path) -> None:
    done = kucha("report", "--flamegraph", "graph.png", folder / "out.kucha")
    assert done.returncode == 2
    assert done.stderr == "kucha: a flame graph is written to a name that ends in .svg or .html, not 'graph.png'\n"


def test_exports_are_the_same_each_time(kucha: Runner, folder: Path, tmp_path: Path) -> None:
    outputs = ["--flamegraph", "graph.svg", "--collapsed", "stacks.txt", "--speedscope", "scope.json"]
    done = kucha("report", *outputs, "--pprof", "profile.pb.gz", "--sort", "live", folder / "out.kucha")
    assert done.returncode == 0
    for name in ("graph.svg", "stacks.txt", "scope.json", "profile.pb.gz"):
        assert (tmp_path / name).read_bytes() == (folder / name).read_bytes()
