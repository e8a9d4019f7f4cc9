"""kucha ps and kucha limits: what they show is what the system says, and what they set holds."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
from collections.abc import Iterator

import pytest
from conftest import Runner
from kucha.commands import LIMITS
from kucha.resource import limit_table

PROGRAM = "import time; kept = bytearray(40 << 20); print('ready', flush=True); time.sleep(600)"


@pytest.fixture
def child() -> Iterator[int]:
    """A process that holds 40 MiB."""
    with subprocess.Popen([sys.executable, "-c", PROGRAM], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        yield process.pid
        process.kill()


def test_options_name_every_limit_in_its_order() -> None:
    assert [option.key for option in LIMITS.options][:-2] == [name for name, *_ in limit_table]


# ---- ps ----


def test_ps_of_one_process(child: int, kucha: Runner) -> None:
    done = kucha("ps", child, "--json")
    assert (done.returncode, done.stderr) == (0, "")
    told = json.loads(done.stdout)
    (row,) = told["processes"]
    assert row["pid"] == child and 40 << 20 < row["uss"] <= row["pss"] <= row["rss"] <= row["peak"] < row["vms"]
    assert row["command"][1:] == ["-c", PROGRAM]
    assert told["machine"]["memory"]["total"] > row["rss"] and "memory_limit" in told["cgroup"]


def test_ps_as_a_table(child: int, kucha: Runner) -> None:
    done = kucha("ps", child, "--maps")
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert lines[0].split()[:4] == ["pid", "user", "name", "rss"]
    assert lines[1].split()[0] == str(child) and " MiB" in lines[1]
    assert f"mapped by {child}" in done.stdout and "[stack]" in done.stdout
    assert "machine  " in done.stdout and "control group" in done.stdout


def test_ps_sorts_and_cuts(child: int, kucha: Runner) -> None:
    rows = json.loads(kucha("ps", "--sort", "rss", "--top", 3, "--json").stdout)["processes"]
    assert len(rows) == 3 and rows == sorted(rows, key=lambda row: -row["rss"])
    rows = json.loads(kucha("ps", "--sort", "pid", os.getpid(), child, "--json").stdout)["processes"]
    assert [row["pid"] for row in rows] == sorted((os.getpid(), child))
    done = kucha("ps", "--top", 1)
    assert "processes more; see --top" in done.stdout and len(done.stdout.splitlines()[1]) <= 200


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["-1"], "unknown option -1"),
        (["0"], "a PID is a number"),
        (["x"], "a PID is a number"),
        ([str(0x7FFFFFFF)], "does not exist"),
        (["--maps"], "--maps needs a PID"),
        (["--sort", "size"], "--sort must be one of"),
    ],
)
def test_ps_says_what_is_wrong(words: list[str], sentence: str, kucha: Runner) -> None:
    done = kucha("ps", *words)
    assert (done.returncode, done.stdout) == (2, "") and sentence in done.stderr and done.stderr.count("\n") == 1


# ---- limits ----


def test_limits_of_a_process(child: int, kucha: Runner) -> None:
    resource.prlimit(child, resource.RLIMIT_CORE, (4096, 8192))
    told = json.loads(kucha("limits", child, "--json").stdout)
    core, space = told["limits"]["core"], told["limits"]["as"]
    assert (core["soft"], core["hard"], core["unit"], core["used"]) == (4096, 8192, "bytes", None)
    assert space["used"] > 40 << 20 and told["limits"]["nofile"]["used"] >= 3
    assert told["page_size"] == resource.getpagesize() and told["pid"] == child
    done = kucha("limits", child)
    assert (done.returncode, done.stderr) == (0, "")
    assert f"process {child}, " in done.stdout and "control group" in done.stdout
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("core ")]
    assert line.split()[:6] == ["core", "4.0", "KiB", "8.0", "KiB", "bytes"]


def test_limits_of_a_process_are_set(child: int, kucha: Runner) -> None:
    done = kucha("limits", "--core", "1M:2MiB", "--cpu", "100:", "--nofile", "64", child)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert resource.prlimit(child, resource.RLIMIT_CORE) == (1 << 20, 2 << 20)
    assert resource.prlimit(child, resource.RLIMIT_CPU)[0] == 100
    assert resource.prlimit(child, resource.RLIMIT_NOFILE) == (64, 64)
    kucha("limits", "--core", ":1m", child)
    assert resource.prlimit(child, resource.RLIMIT_CORE) == (1 << 20, 1 << 20)


def test_a_program_is_run_with_limits(kucha: Runner) -> None:
    program = "import resource, sys; print(resource.getrlimit(resource.RLIMIT_CORE), sys.argv[1:]); sys.exit(7)"
    done = kucha("limits", "--core", "0:4096", "--", sys.executable, "-c", program, "--", "--core", "5")
    assert (done.returncode, done.stdout, done.stderr) == (7, "(0, 4096) ['--', '--core', '5']\n", "")


def test_a_limit_on_memory_holds(kucha: Runner) -> None:
    done = kucha("limits", "--as", "400M", "--", sys.executable, "-S", "-c", "kept = bytearray(500 << 20)")
    assert done.returncode == 1 and "MemoryError" in done.stderr


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--core", "5"], "name the process"),
        (["--core", "5x", "--", "true"], "--core must be a number of bytes"),
        (["--cpu", "5k", "--", "true"], "--cpu must be a whole number"),
        (["--core", ":", "--", "true"], "no number before the colon"),
        (["--core", "2:1", "--", "true"], "soft limit of core may not be above"),
        (["--core", str(1 << 64), "--", "true"], "--core must be a number of bytes"),
        (["1", "2"], "takes one PID"),
        (["1", "--", "true"], "takes one PID"),
        (["--"], "no program behind --"),
        (["--", "/no/such/program"], "cannot be run: No such file"),
        ([str(0x7FFFFFFF)], "does not exist"),
        (["me"], "a PID is a number"),
        (["--warmth", "5"], "unknown option --warmth"),
    ],
)
def test_limits_says_what_is_wrong(words: list[str], sentence: str, kucha: Runner) -> None:
    done = kucha("limits", *words)
    assert (done.returncode, done.stdout) == (2, "") and sentence in done.stderr and done.stderr.count("\n") == 1
