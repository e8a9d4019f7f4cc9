"""psutil's own tests against kucha.psutil, from psutil's source release (scripts/setup test puts it into .venv/psutil).

Each file runs once with kucha.psutil in psutil's place (ours.py). What fails, and is not in cannot_pass.txt, runs again
alone, and then against psutil itself: a test that fails there, too, is about this machine and tells nothing about us. A
listed test that passes is told, too, so that the list stays true.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

TOP = Path(__file__).resolve().parents[2]
FILES = ("process", "system", "posix", "linux", "contracts", "process_all")
SECONDS = 60  # for one of their tests


def suite(tmp_path: Path) -> Path:
    """A folder with psutil's folder of tests, and nothing else: beside the original lies a psutil that is not built."""
    found = sorted((TOP / ".venv" / "psutil").glob("psutil-*/tests/test_process.py"))
    if not found:
        pytest.skip("psutil's source release is not here; scripts/setup test fetches it")
    shutil.copytree(found[-1].parent, tmp_path / "suite" / "tests")
    return tmp_path / "suite"


def cannot_pass() -> dict[str, str]:
    """Tests that cannot pass, with the reason."""
    lines = (Path(__file__).parent / "cannot_pass.txt").read_text().splitlines()
    pairs = (line.split("|", 1) for line in lines if line and not line.startswith("#"))
    return {name.strip(): reason.strip() for name, reason in pairs}


def run(folder: Path, tmp_path: Path, tests: list[str], against_ours: bool) -> tuple[set[str], set[str]]:
    """Runs tests of the suite; those that passed, and those that did not."""
    results = tmp_path / "results.xml"
    results.unlink(missing_ok=True)
    # their settings ask for plugins that we need not have
    options = [
        "-q",
        "-c",
        os.devnull,
        f"--rootdir={folder}",
        "-p",
        "no:cacheprovider",
        "-p",
        "pytest_timeout",
        f"--timeout={SECONDS}",
        f"--junit-xml={results}",
    ]
    plugin = ["-p", "ours"] if against_ours else []
    path = os.pathsep.join([str(folder), str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")])
    settings = {"PYTHONPATH": path, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *options, *plugin, *(f"tests/{name}" for name in tests)],
        cwd=folder,
        env=os.environ | settings,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=1200,
        check=False,
    )
    assert done.returncode in (0, 1), done.stdout + done.stderr
    passed, failed = set(), set()
    for case in ElementTree.parse(results).iter("testcase"):
        place = case.get("classname", "").removeprefix("tests.").replace(".", ".py::", 1)
        name = f"{place}::{case.get('name')}"
        if case.find("failure") is not None or case.find("error") is not None:
            failed.add(name)
        elif case.find("skipped") is None:
            passed.add(name)
    return passed - failed, failed


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("name", FILES)
def test_psutils_own_tests_pass(name: str, tmp_path: Path) -> None:
    folder, listed = suite(tmp_path), cannot_pass()
    passed, failed = run(folder, tmp_path, [f"test_{name}.py"], against_ours=True)
    wrong = sorted(failed - set(listed))
    if wrong:
        wrong = sorted(run(folder, tmp_path, wrong, against_ours=True)[1])
    if wrong:
        wrong = sorted(run(folder, tmp_path, wrong, against_ours=False)[0])
    assert wrong == []
    assert sorted(passed & set(listed)) == []
    assert passed
