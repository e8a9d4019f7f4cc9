"""``kucha heap core``: the heap file of a process that is over."""

from __future__ import annotations

import os
import sys

from kucha import corefile
from kucha.heap_tables import console, print_json, say
from kucha.options import UsageError
from kucha.text import one_line, plural

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def core(words: list[str], values: dict[str, Any]) -> int:
    """Reads the core file ``words[0]`` (of the program ``words[1]``). Returns the exit code."""
    out = values["output"] or f"{os.path.basename(words[0])}.heap"
    if os.path.exists(out) and not values["force"]:
        raise UsageError(f"'{out}' exists; use --force, or --output for another name")
    found = _write(words[0], out, words[1] if len(words) > 1 else None, values["root"])
    if values["json"]:
        print_json({"file": out, **found})
        return 0
    under = " under kucha" if found["hosted"] else ""
    what = f"{plural(found['nodes'], 'node')} and {plural(found['edges'], 'reference')}"
    to = console()
    to.print(f"{say(out)}: {what} of {found['runtime']}{under}", soft_wrap=not to.is_terminal)
    if found["missing"] and not values["quiet"]:
        files = f"{plural(found['missing'], 'file')} that could not be had ({one_line(found['first_missing'])})"
        sys.stderr.write(f"kucha: the core leaves pages to {files}: names in them are missing; see --root\n")
    return 0


def _write(path: str, out: str, program: str | None, root: str | None) -> dict[str, Any]:
    try:
        return corefile.write(path, out, program, root)
    except OSError as error:
        named = os.fsdecode(error.filename or path)
        raise UsageError(f"can't read or write '{named}': {error.strerror or error}") from None
    except ValueError as error:
        raise UsageError(f"'{path}': {one_line(str(error))}") from None
