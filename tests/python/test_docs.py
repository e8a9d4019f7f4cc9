"""The examples in the user's documents: each `console` block is run, and must print what the document shows.

Commands begin with `$ `; what follows is their output, standard output and standard error as they come to a terminal.
Figures, versions, times and file names differ from run to run, so both sides are compared with all numbers taken out;
a line of `...` stands for any lines. A comment `<!-- exit code: N -->` in front says that the last command ends with N.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import venv
from pathlib import Path

import pytest
from conftest import TOP, clean_environment

DOCUMENTS = (
    "run.md",
    "report.md",
    "processes.md",
    "doctor.md",
    "environment.md",
    "tracemalloc.md",
    "memory_profiler.md",
    "objgraph.md",
    "guppy.md",
    "dropin.md",
    "gc-hosted.md",
    "gc-concurrent.md",
    "gc-cycles.md",
    "gil.md",
    "heap.md",
)
BLOCK = re.compile(r"(?:<!-- exit code: (\d+) -->\n)?^```(console|app\.py)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def commands(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the commands `python` (whose site folder has kucha.pth) and `kucha`, to be first in PATH."""
    home = tmp_path_factory.mktemp("commands")
    venv.create(home, with_pip=False, system_site_packages=True)
    (packages,) = home.glob("lib/python3*/site-packages")
    (packages / "kucha.pth").write_text((TOP / "python" / "kucha.pth").read_text())
    script = home / "bin" / "kucha"
    script.write_text(f'#!/bin/sh\nexec {shlex.quote(str(home / "bin" / "python"))} -m kucha "$@"\n')
    script.chmod(0o755)
    return home / "bin"


def plain(line: str) -> str:
    """A line without its numbers, units, errors, paths and spaces.

    Which unit suits a number depends on the machine, and so does whether there are readings enough for an error.
    """
    line = re.sub(r"(/[\w.+-]+)+/?", "PATH", line)
    line = re.sub(r" ± \d[\d.]*", "", line)
    line = re.sub(r"\d[\w.,:+-]*%?( (B|KiB|MiB|GiB|TiB|ns|µs|us|ms|s|min|h))?\b%?", "N", line)
    return re.sub(r"[\s─]+", " ", line).strip()


def matches(shown: list[str], printed: list[str]) -> bool:
    """Whether the printed lines are those shown, where `...` stands for any number of lines."""
    if not shown:
        return not printed
    if shown[0] == "...":
        return any(matches(shown[1:], printed[skipped:]) for skipped in range(len(printed) + 1))
    return bool(printed) and shown[0] == printed[0] and matches(shown[1:], printed[1:])


def lines_of(text: str) -> list[str]:
    """The lines that say something."""
    return [line for line in map(plain, text.splitlines()) if line]


def run_block(text: str, expected: int, folder: Path, environment: dict[str, str]) -> None:
    """Runs the commands of a block, one after the other."""
    parts = re.split(r"^\$ (.*)\n", text, flags=re.MULTILINE)[1:]
    steps = list(zip(parts[::2], parts[1::2], strict=True))
    assert steps, f"no command in {text!r}"
    for number, (command, shown) in enumerate(steps, 1):
        done = subprocess.run(
            ["bash", "-o", "pipefail", "-c", command],
            cwd=folder,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == (expected if number == len(steps) else 0), f"{command}\n{done.stdout}"
        assert matches(lines_of(shown), lines_of(done.stdout)), f"{command}\n{done.stdout}"


@pytest.mark.parametrize("name", DOCUMENTS)
def test_examples_do_what_the_document_shows(name: str, commands: Path, tmp_path: Path) -> None:
    path = f"{commands}{os.pathsep}{os.environ['PATH']}"
    environment = clean_environment(PATH=path, PYTHONUNBUFFERED="1")
    # A document's own app.py, or that of run.md.
    pages = [(TOP / "docs" / page).read_text() for page in (name, "run.md")]
    program = next(match[3] for page in pages for match in BLOCK.finditer(page) if match[2] == "app.py")
    (tmp_path / "app.py").write_text(program)
    blocks = [match for match in BLOCK.finditer((TOP / "docs" / name).read_text()) if match[2] == "console"]
    assert blocks
    for match in blocks:
        run_block(match[3], int(match[1] or 0), tmp_path, environment)


def test_every_option_is_in_a_document() -> None:
    from kucha.commands import COMMANDS

    # What core-files.md shows is run by test_core_files.py, where core files can be had.
    text = "".join((TOP / "docs" / name).read_text() for name in (*DOCUMENTS, "core-files.md"))
    words = set(re.findall(r"(?<![\w-])--?[a-z][a-z-]*", text))
    every = {option.names for command in COMMANDS.values() for option in command.options}
    assert sorted(names for names in every if not words.intersection(names) and "--help" not in names) == []


def test_comparison_can_fail() -> None:
    assert matches(lines_of("held 99.1% ± 0.6 of 612 ms"), lines_of("held 100.0% of 900 µs"))
    assert not matches(lines_of("held 99.1% ± 0.6 of 612 ms"), lines_of("held ± 0.6 of 612 ms"))
    assert matches(lines_of("a 1.5 MiB\n...\nc"), lines_of("a 2 B\nb\nb\nc"))
    assert not matches(lines_of("a 1\nc"), lines_of("a 1\nb\nc"))
    assert not matches(lines_of("a"), lines_of("b"))
