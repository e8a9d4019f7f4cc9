"""Heap files of programs in C, and their cores, through the commands that people use."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from conftest import TOP, clean_environment
from test_docs import BLOCK, commands, run_block

__all__ = ["commands"]  # a fixture

BUILD = Path(os.environ.get("KUCHA_BUILD", TOP / "build" / "release"))
EXAMPLES, UNIT = BUILD / "examples" / "native", BUILD / "tests" / "unit"


@pytest.fixture
def environment(commands: Path) -> dict[str, str]:
    """Commands and examples first in PATH."""
    return clean_environment(PATH=os.pathsep.join([str(commands), str(EXAMPLES), os.environ["PATH"]]))


def run(words: list[str], folder: Path, environment: dict[str, str]) -> str:
    """What a command that must end with 0 prints."""
    done = subprocess.run(words, cwd=folder, env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, f"{words}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.mark.skipif(not (EXAMPLES / "r16_heap").exists(), reason="the examples were not built")
def test_the_document_shows_what_the_commands_say_of_a_file(tmp_path: Path, environment: dict[str, str]) -> None:
    text = (TOP / "docs" / "native" / "heap.md").read_text()
    blocks = [match for match in BLOCK.finditer(text) if match[2] == "console"]
    assert blocks
    for match in blocks:
        run_block(match[3], int(match[1] or 0), tmp_path, environment)


@pytest.mark.skipif(not (EXAMPLES / "r16_heap").exists(), reason="the examples were not built")
def test_verbs_read_a_file_of_a_program_in_c(tmp_path: Path, environment: dict[str, str]) -> None:
    run(["r16_heap", "app.heap"], tmp_path, environment)
    run(["r16_heap", "later.heap"], tmp_path, environment)
    assert "list" in run(["kucha", "heap", "tree", "app.heap"], tmp_path, environment)
    assert "list" in run(["kucha", "heap", "suspects", "app.heap"], tmp_path, environment)
    run(["kucha", "heap", "pins", "app.heap"], tmp_path, environment)
    run(["kucha", "heap", "diff", "app.heap", "later.heap"], tmp_path, environment)


@pytest.mark.skipif(not (UNIT / "test_native_core").exists(), reason="the unit tests were not built with libelf")
def test_the_command_reads_a_core_of_a_program_in_c(tmp_path: Path, environment: dict[str, str]) -> None:
    pytest.importorskip("kucha._corefile", reason="this build has no libelf")
    run([str(UNIT / "test_native_core"), "app.core"], tmp_path, environment)
    said = run(["kucha", "heap", "core", "app.core", "-o", "app.heap"], tmp_path, environment)
    assert "kucha's C library" in said and "under kucha" not in said
    shown = run(["kucha", "heap", "path", "--where", 'type = "node"', "app.heap"], tmp_path, environment)
    assert "100.0% 300" in shown and "list" in shown
