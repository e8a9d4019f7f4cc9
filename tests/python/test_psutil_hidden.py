"""Processes of other users, a /proc that hides them, and none at all: the errors that psutil raises, in better words.

What needs another user or a mount runs in a child, which gives back what each of the two modules did.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("psutil")

NOBODY = 65534
SCRIPT = """
import json, os, subprocess, sys
import psutil as theirs
import kucha.psutil as ours
import pwd

stranger, folder = int(sys.argv[1]), sys.argv[2]

def outcome(call):
    try:
        return ["value", repr(call())]
    except Exception as error:
        return ["raises", type(error).__name__, str(error)]

def names(module):
    process = module.Process(stranger)
    calls = {name: getattr(process, name) for name in (
        "memory_info", "memory_full_info", "memory_maps", "name", "exe", "cwd", "cmdline", "status", "ppid", "username",
        "num_threads", "cpu_times", "is_running", "num_ctx_switches")}
    calls["rlimit"] = lambda: process.rlimit(module.RLIMIT_CORE)
    calls["rlimit set"] = lambda: process.rlimit(module.RLIMIT_CORE, (0, 0))
    calls["kill"] = lambda: process.send_signal(0)
    calls["nice"] = lambda: process.nice(5)
    return {name: outcome(call) for name, call in calls.items()}
"""
AS_NOBODY = "os.setgroups([]); os.setresgid(65534, 65534, 65534); os.setresuid(65534, 65534, 65534)\n"


def ask(script: str, *arguments: str | int, prefix: tuple[str, ...] = ()) -> Any:
    """Runs the script after SCRIPT; what it printed."""
    command = [*prefix, sys.executable, "-c", SCRIPT + textwrap.dedent(script), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")


@needs_root
def test_a_process_of_another_user() -> None:
    told = ask(AS_NOBODY + "print(json.dumps([names(ours), names(theirs)]))", os.getpid(), "")
    mine, other = told
    assert {name: given[:2] for name, given in mine.items() if given[0] == "raises"} == {
        name: given[:2] for name, given in other.items() if given[0] == "raises"
    }
    assert mine["memory_info"][0] == "value" and mine["kill"][:2] == ["raises", "AccessDenied"]
    assert mine["memory_maps"][:2] == ["raises", "AccessDenied"]
    assert f"this user may not read memory maps of process {os.getpid()}" in mine["memory_maps"][2]


@needs_root
def test_commands_leave_blank_what_this_user_may_not_know(tmp_path: Path) -> None:
    script = f"""
from kucha.cli import main
main(["ps", "1", "--maps"]), main(["limits"])  # imports what the other user may not be able to read
print("as nobody", flush=True)
{AS_NOBODY}
sys.exit(main(["ps", sys.argv[1], "--maps"]) or main(["limits", sys.argv[1]]))
"""
    command = [sys.executable, "-c", SCRIPT + script, str(os.getpid()), ""]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, cwd="/")
    assert "is not for this user to know" in done.stdout.partition("as nobody")[2] and done.returncode == 2
    assert done.stderr.startswith("kucha: ") and done.stderr.count("\n") == 1


def can_mount(folder: Path, options: str) -> bool:
    """Whether a /proc of its own can be mounted here, in a mount namespace that ends with the command."""
    command = ["unshare", "-m", "mount", "-t", "proc", "-o", options, "proc", str(folder)]
    try:
        return subprocess.run(command, capture_output=True, check=False).returncode == 0
    except OSError:
        return False


@needs_root
@pytest.mark.parametrize(("options", "error"), [("hidepid=2", "NoSuchProcess"), ("hidepid=1", "AccessDenied")])
def test_a_proc_that_hides_other_users_processes(options: str, error: str, tmp_path: Path) -> None:
    if not can_mount(tmp_path, options):
        pytest.skip("this container lets nobody mount /proc")
    tmp_path.chmod(0o755)
    for folder in tmp_path.parents:
        folder.chmod(folder.stat().st_mode | 0o011)
    script = f"""
        subprocess.run(["mount", "-t", "proc", "-o", "{options}", "proc", folder], check=True)
        {AS_NOBODY}
        ours.PROCFS_PATH = theirs.PROCFS_PATH = folder
        print(json.dumps([outcome(lambda: module.Process(stranger).memory_info()) for module in (ours, theirs)]))
    """
    mine, other = ask(script, os.getpid(), str(tmp_path), prefix=("unshare", "-m"))
    assert mine[:2] == other[:2] == ["raises", error]
    if error == "NoSuchProcess":
        assert "does not show it" in mine[2] and "hidepid" in mine[2]


def test_no_proc_at_all(tmp_path: Path) -> None:
    script = """
        ours.PROCFS_PATH = theirs.PROCFS_PATH = folder
        calls = ("Process", "virtual_memory", "swap_memory", "cpu_times", "boot_time")
        print(json.dumps([[outcome(getattr(module, name)) for name in calls] for module in (ours, theirs)]))
    """
    mine, other = ask(script, os.getpid(), str(tmp_path))
    assert [given[:2] for given in mine] == [given[:2] for given in other]
    assert "does not show it" in mine[0][2] and f"{tmp_path}/meminfo cannot be read" in mine[1][2]
