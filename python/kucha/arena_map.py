"""``kucha map``: the picture of arenas of a heap file, of a process that runs, or of a program that is to be run."""

from __future__ import annotations

import os
import sys
import tempfile

from kucha.options import UsageError
from kucha.text import one_line

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_MAGIC = b"KUCHAHPF"


def is_heap_file(path: str) -> bool:
    """Whether a word on the command line is a heap file's name."""
    try:
        with open(path, "rb") as file:
            return file.read(len(_MAGIC)) == _MAGIC
    except (OSError, ValueError):
        return False


def of_file(path: str, values: dict[str, Any]) -> int:
    """Draws what a heap file has. Returns the exit code."""
    from kucha.session import check_output

    check_output(values["output"], values["force"])
    return _write(picture(path, values["by"]), values)


def of_process(process: str, values: dict[str, Any]) -> int:
    """Asks a process under kucha for a heap file, and draws that. Returns the exit code."""
    from kucha import heap_remote
    from kucha.session import check_output

    check_output(values["output"], values["force"])
    with tempfile.TemporaryDirectory(prefix="kucha-") as folder:
        path = os.path.join(folder, "asked.heap")
        heap_remote.ask(process, path)
        return _write(picture(path, values["by"]), values)


def picture(path: str, by: str) -> bytes:
    """The SVG of a heap file. Raises UsageError."""
    from kucha.heap import Heap

    try:
        return Heap(path).map_svg(by).encode("utf-8", "replace")
    except OSError as error:
        raise UsageError(f"can't read '{path}': {error.strerror or error}") from None
    except ValueError as error:
        raise UsageError(one_line(str(error))) from None


def _write(content: bytes, values: dict[str, Any]) -> int:
    flags = os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | (os.O_TRUNC if values["force"] else os.O_EXCL)
    with os.fdopen(os.open(values["output"], flags, 0o600), "wb") as file:
        file.write(content)
    sys.stderr.write(f"kucha: the arenas are drawn in {values['output']}\n")
    return 0
