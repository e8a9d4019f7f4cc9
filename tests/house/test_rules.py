"""Rules of the house that a compiler does not know, each checked over every file that git knows."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

TOP = Path(__file__).resolve().parents[2]

# A room, and the rooms that it may name (docs/architecture.md).
ROOMS = {
    "os": {"os"},
    "alloc": {"os", "alloc"},
    "trace": {"os", "alloc", "trace"},
    "gc": {"os", "alloc", "gc"},
    "object": {"os", "alloc", "trace", "gc", "object"},
    "isolate": {"os", "alloc", "trace", "gc", "object", "inspect", "isolate"},
    "inspect": {"os", "alloc", "trace", "inspect"},
    "process": {"os", "process"},
    "corefile": {"os", "alloc", "trace", "inspect", "isolate", "corefile"},
    "cpython": {"os", "alloc", "trace", "gc", "inspect", "process", "corefile", "cpython"},
}
FUNCTION_LINES = 100
FILE_LINES = 800
LINE_COLUMNS = 120


def tracked(*patterns: str) -> list[Path]:
    """Files that git knows, or, in an unpacked sdist, all of that pattern."""
    if (TOP / ".git").exists():
        command = ["git", "-c", "safe.directory=*", "ls-files", "--", *patterns]
        names = subprocess.run(command, cwd=TOP, capture_output=True, text=True, check=True).stdout.splitlines()
        return [TOP / name for name in names if (TOP / name).is_file()]
    return [path for pattern in patterns for path in sorted(TOP.glob(f"**/{Path(pattern).name}")) if path.is_file()]


def c_files() -> list[Path]:
    """C files and headers."""
    return tracked("*.c", "*.h")


def shown(path: Path) -> str:
    """The path as it is told."""
    return str(path.relative_to(TOP))


def functions(text: str) -> list[tuple[str, int, int]]:
    """Functions of a file laid out by clang-format: name, first line, number of lines."""
    found = []
    lines = text.splitlines()
    start = None
    for number, line in enumerate(lines, 1):
        if line == "}" and start is not None:
            found.append((*start, number - start[1] + 1))
            start = None
        elif line.endswith(") {") and start is None:
            head = number
            while lines[head - 1].startswith((" ", "\t")):
                head -= 1
            name = re.search(r"(\w+)\(", lines[head - 1])
            start = (name.group(1) if name else "?", head)
    return found


def includes(path: Path) -> list[str]:
    """What a C file includes, with the quotes."""
    return re.findall(r'^\s*#\s*include\s+([<"][^>"]+[>"])', path.read_text(), re.MULTILINE)


def test_the_function_finder_finds() -> None:
    """The rule on lengths rests on it."""
    text = (
        "static int one(int a,\n               int b) {\n    return a;\n}\n\nvoid two(void) {\n    if (x) {\n    }\n}\n"
    )
    assert functions(text) == [("one", 1, 4), ("two", 6, 4)]


def test_references_between_rooms_point_one_way() -> None:
    """os <- alloc <- trace <- cpython, alloc <- gc <- object <- isolate; a file of a room names no room above it."""
    wrong = []
    for path in tracked("src/**.c", "src/**.h"):
        room = path.relative_to(TOP / "src").parts[0]
        for include in includes(path):
            named = include.strip('<>"').removeprefix("../").removeprefix("src/").split("/")[0]
            if named in ROOMS and named not in ROOMS[room]:
                wrong.append(f"{shown(path)} includes {include}")
    assert wrong == []


def test_only_one_room_knows_python() -> None:
    """Python.h is included under src/cpython alone."""
    wrong = [
        shown(path)
        for path in tracked("src/**.c", "src/**.h", "include/**.h")
        if "cpython" not in path.parts and "<Python.h>" in includes(path)
    ]
    assert wrong == []


def test_public_headers_name_public_headers_only() -> None:
    """A user has <kucha/*.h> and the system's headers."""
    wrong = [
        f"{shown(path)} includes {include}"
        for path in tracked("include/**.h")
        for include in includes(path)
        if include.startswith('"')
    ]
    assert wrong == []


def test_the_system_is_asked_in_one_room() -> None:
    """No #ifdef of a system outside src/os."""
    pattern = re.compile(
        r"^\s*#\s*(?:if|ifdef|ifndef|elif).*\b(__linux__|__APPLE__|_WIN32|__FreeBSD__)\b", re.MULTILINE
    )
    rooms = [path for path in tracked("src/**.c", "src/**.h") if path.relative_to(TOP / "src").parts[0] != "os"]
    assert [shown(path) for path in rooms if pattern.search(path.read_text())] == []


def test_functions_are_short() -> None:
    """None over a hundred lines."""
    wrong = [
        f"{shown(path)}:{line}: {name} has {length} lines"
        for path in c_files()
        for name, line, length in functions(path.read_text())
        if length > FUNCTION_LINES
    ]
    assert wrong == []


def test_files_are_one_concept() -> None:
    """A file over 800 lines is two concepts."""
    files = c_files() + tracked("*.py")
    assert [shown(path) for path in files if len(path.read_text().splitlines()) > FILE_LINES] == []


def test_lines_fit() -> None:
    """120 columns; of Python files, ruff says it."""
    wrong = [
        f"{shown(path)}:{number}"
        for path in c_files()
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if len(line) > LINE_COLUMNS
    ]
    assert wrong == []


def test_files_open_with_what_they_are() -> None:
    """A C file begins with a comment that names it; a Python file has a docstring."""
    wrong = [
        shown(path) for path in c_files() if not path.read_text().startswith((f"/* {path.name}: ", f"/* {path.name} ("))
    ]
    wrong += [
        shown(path)
        for path in tracked("*.py")
        if not path.read_text().startswith(('"""', '#!/usr/bin/env python3\n"""'))
    ]
    assert wrong == []


# Written so that this file does not contain what it looks for.
UNFINISHED = re.compile(r"\b(TO" + r"DO|FIX" + r"ME|XX" + r"X|not imple" + r"mented)\b")
MACHINE = re.compile(r"(?<![\w.])/(wo" + r"rk|ro" + r"ot|fa" + r"rm|ho" + r"me/[a-z]+)/")


@pytest.mark.parametrize(("what", "pattern"), [("unfinished", UNFINISHED), ("machine path", MACHINE)])
def test_sources_have_no(what: str, pattern: re.Pattern[str]) -> None:
    """Nothing unfinished, and no path of somebody's machine."""
    files = tracked("*.c", "*.h", "*.py", "*.build", "*.md", "*.toml", "Makefile", "scripts/*", ".ci/*")
    wrong = [
        f"{shown(path)}:{number}: {line.strip()}"
        for path in files
        if path != Path(__file__)
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if pattern.search(line)
    ]
    assert wrong == [], what


def test_no_script_hides_a_module_of_the_standard_library() -> None:
    """A script's own folder comes first where modules are looked for: with a concurrent.py there, asyncio is lost."""
    folders = [TOP / "bench" / "python", TOP / "examples", TOP / "tests" / "python"]
    scripts = [path for folder in folders for path in sorted(folder.glob("*.py"))]
    assert scripts
    assert [shown(path) for path in scripts if path.stem in sys.stdlib_module_names] == []
