"""The Python package as pip installs it, into an empty virtual environment and from an sdist."""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
import venv
from dataclasses import dataclass
from pathlib import Path

import pytest
from conftest import TOP, run


@dataclass(frozen=True)
class Installed:
    """A virtual environment with kucha in it."""

    folder: Path

    def run(self, *command: str, environment: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
        """Runs a command of the environment, with no PYTHONPATH that could hide what is missing."""
        clean = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "KUCHA"))}
        program = str(self.folder / "bin" / command[0])
        return subprocess.run(
            [program, *command[1:]],
            cwd=self.folder,
            env=clean | (environment or {}),
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """An empty environment, and `pip install .` from a copy of the tree (pip must not write into the tree itself)."""
    folder = tmp_path_factory.mktemp("venv")
    venv.create(folder, with_pip=True)
    run(
        [str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", str(TOP)],
        environment={"PYTHONPATH": ""},
    )
    return Installed(folder)


def test_command_tells_the_version_of_the_tree(installed: Installed) -> None:
    """`kucha --version` says what scripts/version says."""
    done = installed.run("kucha", "--version")
    assert done.returncode == 0, done.stderr
    assert run(["scripts/version"]).stdout.strip() in done.stdout


def test_module_is_the_same_as_the_command(installed: Installed) -> None:
    """`python -m kucha`."""
    assert installed.run("python", "-m", "kucha", "--version").stdout == installed.run("kucha", "--version").stdout


def test_installed_files_are_those_of_the_tree(installed: Installed) -> None:
    """Every file of the package is installed, the marker of type hints too, and one extension module."""
    place = Path(installed.run("python", "-c", "import kucha; print(kucha.__path__[0])").stdout.strip())
    listed = run([sys.executable, "scripts/stage", "--list", "python/kucha"]).stdout.split()
    assert "py.typed" in listed
    assert [name for name in listed if not (place / name).is_file()] == []
    assert len(list(place.glob("_core.*.so"))) == 1


def test_environment_variable_starts_kucha_in_any_program(installed: Installed) -> None:
    """KUCHA=run works through the installed start-up file; KUCHA=off and nothing leave the interpreter alone."""
    program = "import sys; c = sys.modules.get('kucha._core'); print(bool(c and c.installed()))"
    assert installed.run("python", "-c", program).stdout.strip() == "False"
    assert installed.run("python", "-c", program, environment={"KUCHA": "off"}).stdout.strip() == "False"
    assert installed.run("python", "-c", program, environment={"KUCHA": "run"}).stdout.strip().startswith("True")


def test_sdist_knows_its_version_without_git(tmp_path: Path) -> None:
    """An sdist has a VERSION file, so that it builds where there is no repository; and it has what a build needs."""
    build = tmp_path / "build"
    tools = {"PATH": os.environ["PATH"] + os.pathsep + str(TOP / ".venv" / "bin")}
    run(["meson", "setup", str(build), "-Dmodule=disabled", "-Dtests=disabled", "-Dbench=disabled"], environment=tools)
    run(["meson", "dist", "-C", str(build), "--no-tests", "--formats=gztar", "--allow-dirty"], environment=tools)
    (archive,) = (build / "meson-dist").glob("*.tar.gz")
    with tarfile.open(archive) as members:
        members.extractall(tmp_path / "tree", filter="data")
    (tree,) = (tmp_path / "tree").iterdir()
    assert run([str(tree / "scripts" / "version")]).stdout == run(["scripts/version"]).stdout
    assert (tree / "pyproject.toml").is_file()
    assert not (tree / ".git").exists()
