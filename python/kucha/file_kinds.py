"""Which of kucha's files a file is, told by its first bytes: for whoever was given another one than it reads."""

from __future__ import annotations

_CAPTURE, _HEAP = b"KUCHACAP", b"KUCHAHPF"  # KU__FILE_MAGIC, KU__HEAP_MAGIC
_SHOWN_BY = {_CAPTURE: ("capture", "report"), _HEAP: ("heap file", "heap top")}


def kind_of(path: str) -> tuple[str, str] | None:
    """What the file is, and the command that shows it; None of any other file."""
    try:
        with open(path, "rb") as file:
            return _SHOWN_BY.get(file.read(len(_CAPTURE)))
    except (OSError, ValueError):
        return None


def hint(path: str) -> str:
    """What to add to a sentence that refuses the file; nothing where it is none of kucha's."""
    kind = kind_of(path)
    return f"; it is a {kind[0]}: kucha {kind[1]} {path}" if kind else ""
