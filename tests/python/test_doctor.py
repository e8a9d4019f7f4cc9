"""`kucha doctor`, and what it makes of the files that the kernel shows."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import Runner
from kucha.doctor import cgroup_limit

Write = Callable[[str, str], Path]


def test_doctor_says_that_kucha_runs(kucha: Runner) -> None:
    done = kucha("doctor")
    assert (done.returncode, done.stderr) == (0, "")
    assert "kucha run works here." in done.stdout
    for word in ("interpreter", "kernel", "Python", "allocator", "page size", "huge pages", "memory limit", "JIT"):
        assert word in done.stdout, word
    assert ".".join(map(str, sys.version_info[:3])) in done.stdout


def test_doctor_as_json(kucha: Runner) -> None:
    read = json.loads(kucha("doctor", "--json").stdout)
    assert read["healthy"] is True
    names = [finding["name"] for finding in read["findings"]]
    assert len(set(names)) == len(names)
    assert {finding["level"] for finding in read["findings"]} <= {"ok", "note"}
    for finding in read["findings"]:
        assert finding["value"]
        assert finding["follows"] or finding["level"] == "ok"


@pytest.mark.parametrize(
    ("environment", "name"),
    [
        ({"PYTHONMALLOC": "debug"}, "PYTHONMALLOC"),
        ({"PYTHONTRACEMALLOC": "1"}, "tracemalloc"),
        ({"PYTHONDEVMODE": "1"}, "-X dev"),
        ({"KUCHA": "off"}, "KUCHA"),
    ],
)
def test_doctor_says_what_stands_in_the_way(kucha: Runner, environment: dict[str, str], name: str) -> None:
    done = kucha("doctor", "--json", **environment)
    assert done.returncode == 1
    read = json.loads(done.stdout)
    assert read["healthy"] is False
    assert name in [finding["name"] for finding in read["findings"] if finding["level"] == "fails"]
    assert "see the lines that say 'fails'" in kucha("doctor", **environment).stdout


def test_doctor_tells_of_limits(python: Runner) -> None:
    starter = (
        "import resource, sys; resource.setrlimit(resource.RLIMIT_AS, (1 << 28, 1 << 28));"
        "from kucha.cli import main; sys.exit(main(['doctor', '--json']))"
    )
    read = json.loads(python("-c", starter).stdout)
    (finding,) = [finding for finding in read["findings"] if finding["name"] == "address space"]
    assert (finding["value"], finding["level"]) == ("limit 256 MiB", "fails")


def test_doctor_agrees_with_run(kucha: Runner) -> None:
    """What the doctor calls healthy, runs."""
    assert (kucha("doctor").returncode == 0) == (kucha("run", "-q", "--swap", "-c", "pass").returncode == 0)


@pytest.fixture
def group(write: Write, tmp_path: Path) -> Callable[..., tuple[str, int | None]]:
    """Lays out files as the kernel would, and asks for the limit."""

    def ask(membership: str, **files: str) -> tuple[str, int | None]:
        for name, text in files.items():
            write("cgroup/" + name.replace("__", "/").replace("_DOT_", "."), text)
        write("membership", membership)
        return cgroup_limit(str(tmp_path / "membership"), str(tmp_path / "cgroup"))

    return ask


Group = Callable[..., tuple[str, "int | None"]]


def test_groups_of_version_2(group: Group) -> None:
    """The tightest limit between the group and the root holds."""
    files = {"cgroup_DOT_controllers": "memory", "a__memory_DOT_max": "1000000\n", "a__b__memory_DOT_max": "max\n"}
    assert group("0::/a/b\n", **files) == ("v2", 1_000_000)


def test_groups_of_version_2_inside_a_container(group: Group) -> None:
    """The group's path leads nowhere there; the root is the container's own group."""
    files = {"cgroup_DOT_controllers": "memory", "memory_DOT_max": "4096"}
    assert group("0::/../../system.slice/docker-1.scope\n", **files) == ("v2", 4096)


def test_groups_of_version_2_without_a_limit(group: Group) -> None:
    files = {"cgroup_DOT_controllers": "memory", "a__memory_DOT_max": "max\n"}
    assert group("0::/a\n", **files) == ("v2", None)


def test_groups_of_version_1(group: Group) -> None:
    files = {
        "memory__memory_DOT_limit_in_bytes": str((1 << 63) - 4096),
        "memory__a__memory_DOT_limit_in_bytes": "65536",
    }
    assert group("12:cpu,cpuacct:/x\n5:memory:/a\n0::/y\n", **files) == ("v1", 65536)


def test_no_groups(tmp_path: Path) -> None:
    assert cgroup_limit(str(tmp_path / "none"), str(tmp_path / "nothing")) == ("none", None)


def test_nonsense_in_the_files_is_no_limit(group: Group) -> None:
    files = {"cgroup_DOT_controllers": "memory", "a__memory_DOT_max": "lots\n"}
    assert group("nonsense\n0::/a\n::\n", **files) == ("v2", None)


@pytest.mark.skipif(not os.path.exists("/proc/self/cgroup"), reason="no control groups in this kernel")
def test_own_groups_can_be_read() -> None:
    version, limit = cgroup_limit()
    assert version in ("v1", "v2", "none")
    assert limit is None or limit > 1 << 20
