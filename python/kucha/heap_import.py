"""``kucha heap import``: heap files out of another tool's; and opening those as if they were ours."""

from __future__ import annotations

import os
import tempfile

from kucha import file_kinds, heap_pyheap
from kucha.heap import Heap
from kucha.heap_tables import console, print_json, say
from kucha.options import UsageError
from kucha.session import check_output
from kucha.text import one_line, plural

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any


def import_file(words: list[str], values: dict[str, Any]) -> int:
    """Writes the heap file of the .pyheap file ``words[0]``. Returns the exit code."""
    out = values["output"] or f"{os.path.basename(words[0])}.heap"
    check_output(out, values["force"])
    try:
        objects, references = heap_pyheap.convert(words[0], out)
    except OSError as error:
        named = os.fsdecode(error.filename or words[0])
        raise UsageError(f"can't read or write '{named}': {error.strerror or error}") from None
    except ValueError as error:
        raise UsageError(f"'{words[0]}': {one_line(str(error))}") from None
    if values["json"]:
        print_json({"file": out, "objects": objects, "references": references})
        return 0
    to = console()
    what = f"{plural(objects, 'object')} and {plural(references, 'reference')}, from pyheap"
    to.print(f"{say(out)}: {what}", soft_wrap=not to.is_terminal)
    return 0


def open_any(path: str, tell: Callable[[str, float], object] | None) -> Heap:
    """A heap file, or a .pyheap file by way of a heap file without a name. Raises OSError and ValueError."""
    if not heap_pyheap.is_pyheap(path):
        try:
            return Heap(path, tell)
        except ValueError as error:
            raise ValueError(f"'{path}' can't be read as a heap file: {error}{file_kinds.hint(path)}") from None
    with tempfile.TemporaryDirectory(prefix="kucha-") as folder:
        between = os.path.join(folder, "imported.heap")
        heap_pyheap.convert(path, between)
        return Heap(between, tell)  # it stays mapped
