"""The version comes from the tags of git: `scripts/version` in repositories made for the test."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

TOP = Path(__file__).resolve().parents[2]
# PEP 440, as far as scripts/version uses it.
PEP_440 = re.compile(r"\d+(\.\d+)*((a|b|rc)\d+)?(\.dev\d+)?(\+[a-z0-9]+)?")

pytestmark = pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")


class Repository:
    """A repository with scripts/version and nothing else."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "scripts").mkdir()
        shutil.copy(TOP / "scripts" / "version", folder / "scripts")
        self.git("init", "--quiet")
        self.commit()

    def git(self, *words: str) -> None:
        who = ["-c", "user.name=test", "-c", "user.email=test@example.org", "-c", "commit.gpgsign=false"]
        subprocess.run(["git", *who, *words], cwd=self.folder, check=True, timeout=60)

    def commit(self) -> None:
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "--message", "a commit")

    def version(self) -> str:
        environment = {name: value for name, value in os.environ.items() if name != "KUCHA_VERSION"}
        script = self.folder / "scripts" / "version"
        done = subprocess.run(
            ["sh", script], cwd="/", env=environment, capture_output=True, text=True, check=True, timeout=60
        )
        assert done.stderr == ""
        return done.stdout.rstrip("\n")


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository(tmp_path)


def test_before_the_first_tag_commits_are_counted(repository: Repository) -> None:
    assert re.fullmatch(r"0\.0\.0\.dev1\+g[0-9a-f]{9}", repository.version())
    repository.commit()
    assert repository.version().startswith("0.0.0.dev2+g")


def test_a_tag_is_the_version(repository: Repository) -> None:
    repository.git("tag", "v0.1.0")
    assert repository.version() == "0.1.0"
    repository.commit()
    assert repository.version().startswith("0.1.1.dev1+g")
    repository.git("tag", "--annotate", "v0.2.0", "--message", "the second")
    assert repository.version() == "0.2.0"


def test_a_clone_has_the_version_of_its_origin(
    repository: Repository, tmp_path_factory: pytest.TempPathFactory
) -> None:
    repository.git("tag", "v0.1.0")
    repository.commit()
    clone = tmp_path_factory.mktemp("clone") / "kucha"
    repository.git("clone", "--quiet", str(repository.folder), str(clone))
    there = Repository.__new__(Repository)
    there.folder = clone
    assert there.version() == repository.version()


def test_before_a_release_candidates_count(repository: Repository) -> None:
    repository.git("tag", "v1.0.0rc1")
    assert repository.version() == "1.0.0rc1"
    repository.commit()
    assert repository.version().startswith("1.0.0rc2.dev1+g")


@pytest.mark.parametrize("tag", [None, "v0.1.0", "v2.0", "v1.0.0rc1", "v1.2.3a10"])
def test_every_version_is_one_that_pip_takes(repository: Repository, tag: str | None) -> None:
    if tag is not None:
        repository.git("tag", tag)
    assert PEP_440.fullmatch(repository.version())
    repository.commit()
    assert PEP_440.fullmatch(repository.version())


def test_other_tags_say_nothing(repository: Repository) -> None:
    repository.git("tag", "nightly")
    repository.git("tag", "vendored")
    assert repository.version().startswith("0.0.0.dev1+g")
