"""Chroots that an older version of scripts/interpreters made get what they lack."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "scripts"))
from tools import interpreters

MINORS = ("3.13",)


def chroot(folder: Path, without: tuple[str, ...]) -> Path:
    """A folder in which dpkg has all packages but some."""
    known = folder / "trixie" / "var" / "lib" / "dpkg" / "info"
    known.mkdir(parents=True)
    for number, name in enumerate(interpreters.packages_for(MINORS)):
        if name not in without:
            (known / f"{name}{':amd64' if number % 2 else ''}.list").touch()
    return folder / "trixie"


def test_missing_packages_are_those_that_dpkg_does_not_know(tmp_path: Path) -> None:
    root = chroot(tmp_path, ("libelf-dev", "pkgconf"))
    assert interpreters.missing_packages(root, MINORS) == ["libelf-dev", "pkgconf"]
    assert interpreters.missing_packages(chroot(tmp_path / "whole", ()), MINORS) == []


@pytest.mark.parametrize("works", [(0,), (1, 0, 0)])
def test_a_chroot_is_completed_if_need_be_with_new_lists(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, works: tuple[int, ...]
) -> None:
    chroot(tmp_path, ("libelf-dev",))
    monkeypatch.setenv("KUCHA_INTERPRETERS", str(tmp_path))
    asked: list[list[str]] = []

    def run(command: list[str], **_: object) -> subprocess.CompletedProcess[bytes]:
        asked.append(command[4:])
        return subprocess.CompletedProcess(command, works[len(asked) - 1])

    monkeypatch.setattr(interpreters.subprocess, "run", run)
    interpreters.make_chroot("trixie", MINORS)
    install = ["apt-get", "install", "-qq", "-y", "--no-install-recommends", "libelf-dev"]
    assert asked == ([install] if len(works) == 1 else [install, ["apt-get", "update", "-qq"], install])


def test_what_cannot_be_added_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    chroot(tmp_path, ("libelf-dev",))
    monkeypatch.setenv("KUCHA_INTERPRETERS", str(tmp_path))
    refusal = subprocess.CompletedProcess([], 100)
    monkeypatch.setattr(interpreters.subprocess, "run", lambda *_, **__: refusal)
    assert not interpreters.make_or_complain("trixie", MINORS)
    assert "trixie goes without libelf-dev" in capsys.readouterr().err
