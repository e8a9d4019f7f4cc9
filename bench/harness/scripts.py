"""Starting the scripts of bench/python where an interpreter lies, a chroot perhaps, with kucha's build for it."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from tools.interpreters import Interpreter

# What a user may have set that would change what is measured.
CLEARED = ("PYTHONMALLOC", "PYTHONDONTWRITEBYTECODE", "PYTHONTRACEMALLOC", "KUCHA")


def environment(top: Path, interpreter: Interpreter, packages: Iterable[object] = ()) -> dict[str, str]:
    """Variables of what is measured; `packages` are folders for its path, behind kucha."""
    site = interpreter.build_folder("release") / "site"
    path = ":".join(map(str, (site, top / ".venv" / "pure", *packages)))
    return {"PYTHONPATH": path, "PYTHONHASHSEED": "0", **dict.fromkeys(CLEARED, "")}


def answer_of(top: Path, interpreter: Interpreter, command: list[str], check: bool = True) -> Any:
    """What a command that runs where the interpreter lies printed last, as JSON."""
    words = interpreter.command(command)
    answer = subprocess.run(words, stdout=subprocess.PIPE, text=True, check=check, cwd=top)
    return json.loads(answer.stdout.splitlines()[-1])


def run_script(
    top: Path,
    interpreter: Interpreter,
    name: str,
    arguments: Sequence[str],
    packages: Iterable[object] = (),
    check: bool = True,
) -> Any:
    """One process of a script; what it printed last."""
    variables = [f"{variable}={value}" for variable, value in environment(top, interpreter, packages).items()]
    script = str(top / "bench" / "python" / name)
    return answer_of(top, interpreter, ["env", *variables, interpreter.python, script, *arguments], check)


def run_plan(
    top: Path, interpreter: Interpreter, name: str, plan: dict[str, Any], packages: Iterable[object] = ()
) -> Any:
    """A script that starts the processes that a plan lists, in an environment that it is told."""
    folder = top / "build" / "bench"
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{Path(name).stem}-{interpreter.name}.json"
    whole = plan | {"environment": environment(top, interpreter, packages)}
    file.write_text(json.dumps(whole), encoding="utf-8")
    return answer_of(top, interpreter, [interpreter.python, str(top / "bench" / "python" / name), str(file)])
