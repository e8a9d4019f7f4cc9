"""Benchmarks of pyperformance in several modes, in rounds, under the interpreter that runs this file; prints JSON.

    python suite_rounds.py PLAN.json

The plan (harness/suite.py) names for each benchmark its script, arguments and folders of packages, the modes, the
number of rounds, and how long a run shall take. Loops are fixed once, by the stock interpreter, and are the same in all
modes: one loop first, and enough of them to tell, if that was short; these runs also write the byte code. A benchmark
that fails, or of which one loop takes too long, is left out with the reason. In each round all modes follow each other,
in an order that moves on. Only the standard library is used, so that this file runs inside a chroot.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any

from rounds import Failed, run_once

ENOUGH = 0.05  # seconds of loops from which their number can be told


def reason_of(failure: Failed, limit: float) -> str:
    """Why a process failed, in one line."""
    what, _, code = str(failure).partition(": exit code ")
    if code.startswith("-9:"):
        return f"takes more than {limit:.0f} s"
    return code.strip().splitlines()[-1] if code else what


def run_task(plan: dict[str, Any], task: dict[str, Any], mode: str, loops: int) -> dict[str, Any]:
    """One process: what it cost, and the seconds that pyperf measured for all loops together."""
    path = os.pathsep.join([*task["packages"], plan["environment"]["PYTHONPATH"]])
    environment = {**os.environ, **plan["environment"], "PYTHONPATH": path}
    arguments = ["measured", task["script"], str(loops), *task["arguments"]]
    cost = run_once(mode, arguments, environment, plan["limit"])
    try:
        cost["seconds"] = json.loads(cost.pop("checksum"))["seconds"]
    except ValueError as error:
        raise Failed(f"{mode} {task['script']}: no result") from error
    return cost


def loops_of(plan: dict[str, Any], task: dict[str, Any]) -> int:
    """How many loops take the time that the plan asks for."""
    loops = 1
    cost = run_task(plan, task, "stock", loops)
    if cost["cpu"] > plan["longest"]:
        raise Failed(f"one loop takes {cost['cpu']:.1f} s of CPU time")
    took = cost["seconds"]
    while took < ENOUGH:
        loops = max(2 * loops, int(loops * min(2 * ENOUGH / max(took, 1e-9), 1000)))
        took = run_task(plan, task, "stock", loops)["seconds"]
    return max(1, round(loops * plan["seconds"] / took))


def measure(plan: dict[str, Any], name: str) -> dict[str, list[dict[str, Any]]]:
    """All rounds of one benchmark, by mode."""
    task, modes = plan["tasks"][name], plan["modes"]
    loops = loops_of(plan, task)
    found: dict[str, list[dict[str, Any]]] = {mode: [] for mode in modes}
    for number in range(plan["rounds"]):
        shift = number % len(modes)
        for mode in modes[shift:] + modes[:shift]:
            found[mode].append(run_task(plan, task, mode, loops))
    return found


def main() -> None:
    with open(sys.argv[1], encoding="utf-8") as stream:
        plan = json.load(stream)
    results, failures = {}, {}
    for number, name in enumerate(plan["tasks"], 1):
        try:
            results[name] = measure(plan, name)
            said = "done"
        except Failed as failure:
            failures[name] = said = reason_of(failure, plan["limit"])
        print(f"suite: {number} of {len(plan['tasks'])}: {name}: {said}", file=sys.stderr, flush=True)
    print(json.dumps({"results": results, "failures": failures}))


if __name__ == "__main__":
    main()
