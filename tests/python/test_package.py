"""The package as a library: light to import, lazy, typed, and off when told so."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import kucha as package
import pytest
from conftest import Done, Runner


def ask(python: Runner, code: str, **environment: str) -> Done:
    done = python("-c", code, **environment)
    assert done.returncode == 0, done.stderr
    return done


def test_import_loads_nothing_heavy(python: Runner) -> None:
    """Not even the extension module."""
    done = ask(python, "import sys; old = set(sys.modules); import kucha; print(sorted(set(sys.modules) - old))")
    assert done.stdout == "['__future__', 'kucha']\n"


def test_run_loads_nothing_heavy(kucha: Runner, python: Runner) -> None:
    """What `kucha run` imports before the program begins: start-up may cost 15 ms at most."""
    heavy = {"re", "typing", "argparse", "rich", "json", "subprocess", "threading", "inspect", "dataclasses", "enum"}
    heavy |= {"shutil", "tempfile", "pathlib", "logging", "ctypes", "traceback", "random", "datetime", "decimal"}
    code = "import sys; print(' '.join(sys.modules))"
    starter = f"import sys; from kucha.cli import main; main(['run', '-q', '-c', {code!r}])"
    stock = set(python("-c", code).stdout.split())
    ours = set(python("-c", starter).stdout.split())
    assert (ours - stock) & heavy == set()


def test_every_public_name_is_there() -> None:
    for name in package.__all__:
        assert getattr(package, name) is not None
        assert name in dir(package)
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        package.nonsense  # type: ignore[attr-defined]  # noqa: B018


def test_version_is_the_same_everywhere(python: Runner, kucha: Runner) -> None:
    done = ask(python, "import kucha; print(kucha.version, kucha.__version__, kucha.status()['version'])")
    assert done.stdout.split() == [package.version] * 3
    assert kucha("--version").stdout == f"kucha {package.version}\n"


def test_install_swaps_the_allocator_and_nothing_else(python: Runner) -> None:
    done = ask(
        python,
        "import kucha; print(kucha.installed(), kucha.install(), kucha.installed(), kucha.install(), kucha.tracing())",
    )
    assert done.stdout == "False True True True False\n"


def test_install_is_a_no_op_when_off(python: Runner) -> None:
    assert ask(python, "import kucha; print(kucha.install(), kucha.installed())", KUCHA="off").stdout == "False False\n"


def test_statistics_are_data_and_text(python: Runner) -> None:
    code = """
import json, kucha
kucha.install()
kept = [bytes(100) for _ in range(10_000)]
print(json.dumps([heap["blocks_used"] for heap in kucha.stats()]))
print(json.dumps(kucha.stats_text()))
"""
    lines = ask(python, code).stdout.splitlines()
    assert sum(json.loads(lines[0])) >= 10_000
    assert "144" in json.loads(lines[1])  # 100 bytes and 33 of a bytes object are a block of 144


def test_map_is_one_picture(python: Runner) -> None:
    done = ask(python, "import kucha; kucha.install(); print(kucha.map_svg())")
    root = ElementTree.fromstring(done.stdout)
    inner = root.findall("{http://www.w3.org/2000/svg}svg")
    assert len(inner) == 2
    assert int(root.attrib["height"]) == sum(int(heap.attrib["height"]) for heap in inner)
    assert inner[1].attrib["y"] == inner[0].attrib["height"]


@pytest.mark.skipif(shutil.which("mypy") is None, reason="mypy is not installed")
def test_types_reach_users(tmp_path: Path) -> None:
    (tmp_path / "user.py").write_text(
        "import kucha\nreveal_type(kucha.install())\nreveal_type(kucha.traced_memory())\nreveal_type(kucha.version)\n"
    )
    done = subprocess.run(
        ["mypy", "--strict", "--python-executable", sys.executable, "user.py"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    revealed = [text.replace("builtins.", "") for text in re.findall(r'Revealed type is "(.*)"', done.stdout)]
    assert revealed == ["bool", "tuple[int, int]", "str"], done.stdout


def test_package_is_typed() -> None:
    assert (Path(str(package.__file__)).parent / "py.typed").exists()
