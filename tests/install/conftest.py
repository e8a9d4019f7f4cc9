"""An installed libkucha in a temporary prefix, and tools to build clients with."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

TOP = Path(__file__).resolve().parents[2]


def run(
    command: list[str], *, environment: dict[str, str] | None = None, folder: Path = TOP
) -> subprocess.CompletedProcess[str]:
    """Runs a command that must succeed; its output is shown when it does not."""
    done = subprocess.run(
        command,
        cwd=folder,
        env=os.environ | (environment or {}),
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, f"{command} ended with {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done


@dataclass(frozen=True)
class Prefix:
    """A prefix that libkucha was installed into."""

    path: Path

    @property
    def libraries(self) -> Path:
        """The folder of libkucha.so, whose name depends on the system."""
        return next(self.path.rglob("libkucha.so")).parent

    @property
    def environment(self) -> dict[str, str]:
        """What makes pkg-config and the loader look here."""
        return {"PKG_CONFIG_PATH": str(self.libraries / "pkgconfig"), "LD_LIBRARY_PATH": str(self.libraries)}

    def pkg_config(self, *words: str) -> list[str]:
        """What pkg-config answers."""
        return run(["pkg-config", *words, "kucha"], environment=self.environment).stdout.split()


@pytest.fixture(scope="session")
def prefix(tmp_path_factory: pytest.TempPathFactory) -> Prefix:
    """Does what `make install` does, with a prefix of its own."""
    path = tmp_path_factory.mktemp("prefix")
    run(["make", "--no-print-directory", "install", f"PREFIX={path}"])
    return Prefix(path)
