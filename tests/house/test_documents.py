"""What the documents show works: examples run, and commands, files and links that they name are there.

A fenced block marked ``python`` is run as it stands in an empty folder; one marked ``c`` is compiled against the
headers, and linked and run when it has a main. A line right above the block may say more: ``<!-- not run: reason -->``
exempts it, ``<!-- arguments: a b -->`` gives it arguments, which are paths in the tree.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

TOP = Path(__file__).resolve().parents[2]
DOCUMENTS = [TOP / "README.md", *sorted((TOP / "docs").glob("**/*.md"))]
BLOCK = re.compile(r"(?P<before>^[^\n]*\n)?^```(?P<kind>\w+)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Block:
    """A fenced block of a document."""

    document: str
    line: int
    kind: str
    text: str
    arguments: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.document}:{self.line}"


def blocks(kind: str) -> list[Block]:
    """The blocks of a kind in all documents, but those that are exempted."""
    found = []
    for path in DOCUMENTS:
        text = path.read_text()
        for match in BLOCK.finditer(text):
            before = match["before"] or ""
            if match["kind"] == kind and "<!-- not run:" not in before:
                line = text.count("\n", 0, match.start("text")) + 1
                told = re.search(r"<!-- arguments: (.*) -->", before)
                arguments = tuple(str(TOP / word) for word in told[1].split()) if told else ()
                found.append(Block(str(path.relative_to(TOP)), line, kind, match["text"], arguments))
    return found


def build_folder() -> Path:
    """The build that is tested."""
    return Path(os.environ.get("KUCHA_BUILD", TOP / "build" / "release"))


def succeed(command: list[str], folder: Path) -> None:
    """Runs a command that must end with 0."""
    environment = os.environ | {"LD_LIBRARY_PATH": str(build_folder())}
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"


@pytest.mark.parametrize("block", blocks("python"), ids=str)
def test_python_examples_run(block: Block, tmp_path: Path) -> None:
    program = tmp_path / "example.py"
    program.write_text(block.text)
    succeed([sys.executable, str(program), *block.arguments], tmp_path)


@pytest.mark.parametrize("block", blocks("c"), ids=str)
def test_c_examples_compile_and_run(block: Block, tmp_path: Path) -> None:
    source = tmp_path / "example.c"
    source.write_text(block.text)
    build = build_folder()
    compiler = ["cc", "-std=c17", "-Wall", "-Wextra", f"-I{TOP / 'include'}", f"-I{build / 'include'}", str(source)]
    if "int main(" in block.text:
        succeed([*compiler, f"-L{build}", "-lkucha", "-o", "example"], tmp_path)
        succeed(["./example"], tmp_path)
    else:
        succeed([*compiler, "-fsyntax-only"], tmp_path)


def taken(kind: str, label: str) -> list[tuple[str, Path, str]]:
    """Blocks that a comment above says were taken from a file: the document, the file, the text."""
    found = []
    for path in DOCUMENTS:
        for match in BLOCK.finditer(path.read_text()):
            told = re.search(rf"<!-- {label} (\S+) -->", match["before"] or "")
            if match["kind"] == kind and told:
                found.append((path.name, TOP / told[1], match["text"]))
    return found


def test_what_is_quoted_stands_in_the_program() -> None:
    """A block marked ``<!-- not run: from FILE -->`` is part of that file."""
    quoted = taken("c", "not run: from")
    assert quoted != []
    assert [f"{name}: {file.name}" for name, file, text in quoted if text not in file.read_text()] == []


def test_what_is_shown_as_printed_is_what_the_program_is_tested_to_print() -> None:
    """A block marked ``<!-- printed by FILE -->`` is what FILE.expected says (tests/unit/test_examples.c)."""
    shown = taken("text", "printed by")
    assert shown != []
    wrong = [f"{name}: {file.name}" for name, file, text in shown if text != Path(f"{file}.expected").read_text()]
    assert wrong == []


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_links_between_documents_lead_somewhere(path: Path) -> None:
    targets = re.findall(r"\]\((?!https?:|mailto:|#)([^)#\s]+)", path.read_text())
    assert [target for target in targets if not (path.parent / target).exists()] == []


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_make_verbs_and_scripts_that_are_named_exist(path: Path) -> None:
    text = path.read_text()
    verbs = set(re.findall(r"^([a-z][a-z-]*):.*## ", (TOP / "Makefile").read_text(), re.MULTILINE))
    named = set(re.findall(r"(?:`|^ {4})make ([a-z][a-z-]*)", text, re.MULTILINE))
    assert sorted(named - verbs) == []
    scripts = set(re.findall(r"scripts/[a-z]\w*", text))
    assert [name for name in sorted(scripts) if not (TOP / name).exists()] == []


def test_blocks_are_found() -> None:
    """The tests above rest on it."""
    text = "text\n```python\na = 1\n```\n<!-- not run: it never ends -->\n```python\nwhile 1: pass\n```\n"
    found = [(match["text"], match["before"]) for match in BLOCK.finditer(text)]
    assert found == [("a = 1\n", "text\n"), ("while 1: pass\n", "<!-- not run: it never ends -->\n")]
