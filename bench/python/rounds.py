"""Run programs in several modes, in rounds, under the interpreter that runs this file; print what each run cost.

    python rounds.py PLAN.json

The plan (see harness/hosted.py) names the tasks (arguments of launch.py), the modes, the number of rounds and the
environment. In each round every task runs once in every mode, one process after the other, in an order that is
rotated from round to round, so that a drift of the machine falls on all modes alike. The cost of a run is the CPU time
of the child, user and system, from wait4(2): start, imports and the end of the process are in it. Only the standard
library is used, so that this file runs inside a chroot that has nothing but an interpreter.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
from typing import Any

LAUNCH = os.path.join(os.path.dirname(os.path.abspath(__file__)), "launch.py")


class Failed(Exception):
    """A run did not do its work."""


def run_once(mode: str, arguments: list[str], environment: dict[str, str], limit: float = 0) -> dict[str, Any]:
    """One child: its CPU seconds, its largest resident size in bytes, and the last line it printed.

    One that takes longer than the limit, in seconds, is ended.
    """
    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors:
        command = [sys.executable, LAUNCH, mode, *arguments]
        child = subprocess.Popen(command, stdout=output, stderr=errors, stdin=subprocess.DEVNULL, env=environment)
        watch = threading.Timer(limit, os.kill, (child.pid, signal.SIGKILL))
        if limit:
            watch.start()
        _, status, usage = os.wait4(child.pid, 0)
        watch.cancel()
        child.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0)
        errors.seek(0)
        lines = output.read().decode(errors="replace").split("\n")
        said = errors.read().decode(errors="replace").strip()
    if child.returncode != 0:
        raise Failed(f"{mode} {' '.join(arguments)}: exit code {child.returncode}: {said[-400:]}")
    return {
        "cpu": usage.ru_utime + usage.ru_stime,
        "user": usage.ru_utime,
        "system": usage.ru_stime,
        "resident": usage.ru_maxrss * 1024,
        "checksum": [line for line in lines if line][-1],
    }


def measure(plan: dict[str, Any]) -> dict[str, Any]:
    """Do the whole plan. A mode that fails for a task is left out from then on, with the reason."""
    environment = {**os.environ, **plan["environment"]}
    results: dict[str, dict[str, list[dict[str, Any]]]] = {name: {} for name in plan["tasks"]}
    failures: dict[str, str] = {}
    for arguments in plan["tasks"].values():  # writes the byte code, and brings the files into memory
        run_once("stock", arguments, environment)
    for number in range(plan["rounds"]):
        for name, arguments in plan["tasks"].items():
            shift = number % len(plan["modes"])
            for mode in plan["modes"][shift:] + plan["modes"][:shift]:
                if f"{name}/{mode}" in failures:
                    continue
                try:
                    cost = run_once(mode, arguments, environment)
                except Failed as failure:
                    failures[f"{name}/{mode}"] = str(failure)
                    print(f"rounds: {failure}", file=sys.stderr, flush=True)
                    continue
                results[name].setdefault(mode, []).append(cost)
        print(f"rounds: {sys.version.split()[0]}: round {number + 1} of {plan['rounds']}", file=sys.stderr, flush=True)
    return {"python": sys.version, "results": results, "failures": failures}


def main() -> None:
    with open(sys.argv[1], encoding="utf-8") as stream:
        plan = json.load(stream)
    json.dump(measure(plan), sys.stdout)
    print()


if __name__ == "__main__":
    main()
