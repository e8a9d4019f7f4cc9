"""Numbers and places as people read them. Imports nothing that is not there already: it is used when a program ends."""

from __future__ import annotations

import os

_UNITS = ("B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB")


def size(count: float) -> str:
    """Bytes with a binary unit and four digits at most: 987 B, 12.3 MiB, 1023 MiB."""
    value = float(count)
    for unit in _UNITS:
        if abs(value) < 1023.5 or unit == _UNITS[-1]:
            break
        value /= 1024
    if unit == "B":
        return f"{value:.0f} B"
    return f"{value:.0f} {unit}" if abs(value) >= 99.95 else f"{value:.1f} {unit}"


def number(count: int) -> str:
    """A whole number with thousands apart."""
    return f"{count:,}"


def seconds(duration: float) -> str:
    """A duration: 4 ms, 1.23 s, 4 min 5 s, 2 h 3 min."""
    if duration < 0.9995:
        return f"{duration * 1e3:.0f} ms"
    if duration < 59.95:
        return f"{duration:.1f} s"
    minutes, rest = divmod(round(duration), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60} h {minutes % 60} min"


def percent(part: float, whole: float) -> str:
    """A share of a whole, or nothing where there is no whole."""
    return f"{100 * part / whole:.1f}%" if whole else ""


def one_line(text: str) -> str:
    """A text from a file or a program, safe to print: control characters are shown as escapes."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape", "backslashreplace").decode() for c in text)


def plural(count: int, noun: str, many: str = "") -> str:
    """A count and its noun."""
    return f"{number(count)} {noun if count == 1 else many or noun + 's'}"


def is_own(filename: str) -> bool:
    """Whether a file is a program's own code: not the standard library, not an installed package, not generated.

    Judged by the path alone, so that a capture reads the same on another machine.
    """
    if filename.startswith("<"):
        return filename in ("<string>", "<stdin>")
    return "/site-packages/" not in filename and "/dist-packages/" not in filename and _library(filename) < 0


def _library(filename: str) -> int:
    """Where the part after ``lib/python3.x/`` begins, or -1."""
    start = filename.find("/lib/python")
    while start >= 0:
        end = filename.find("/", start + len("/lib/python"))
        version = filename[start + len("/lib/python") : end]
        if end >= 0 and version[:1].isdigit() and version.replace(".", "").rstrip("t").isdigit():
            return end + 1
        start = filename.find("/lib/python", start + 1)
    return -1


def current_folder() -> str:
    """The current directory, or nothing where it has been removed."""
    try:
        return os.getcwd()
    except OSError:
        return ""


def short_path(filename: str, folder: str = "") -> str:
    """A path without what says nothing: the folder the program ran in, the place of installed packages and library."""
    if folder and filename.startswith(folder + "/"):
        return filename[len(folder) + 1 :]
    for part in ("/site-packages/", "/dist-packages/"):
        place = filename.rfind(part)
        if place >= 0:
            return filename[place + len(part) :]
    library = _library(filename)
    return filename[library:] if library > 0 else filename
