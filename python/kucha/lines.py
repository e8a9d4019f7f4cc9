"""Lines of a whole program and their memory: ``kucha run --lines``. The program is not edited, and imports nothing.

A recorder (kucha/_lines.py) asks about each code object that it meets first. What is wanted has a table: a function
with the functions inside it, a module or a class body by itself. Every thread that ``threading`` starts takes part.

Tables are those of kucha.memory_profiler, with one difference. There, *Increment* is what was resident after a line
less what was after the line before it in the same function, which is of use where a function or two are looked at. Here
it is what the line itself added, from its own beginning to its end, with all that it called.
"""

from __future__ import annotations

import functools
import os
import threading
from fnmatch import fnmatchcase
from types import CodeType
from typing import Any, NamedTuple, TextIO

from kucha._lines import Recorder, Resident, Row
from kucha._memory_lines import write_table
from kucha.text import is_own, number, plural, short_path, size

OWN, ALL = "own", "all"
_NEW_LOCALS = 2  # CO_NEWLOCALS of inspect: the code of a function, not of a module or a class
_HERE = os.path.dirname(os.path.abspath(__file__)) + os.sep
_COUNT, _ALLOCATED, _FREED, _PEAK, _INCREMENT = 3, 4, 5, 6, 1  # places in a row


class Wanted:
    """Which code is looked at: a list of words apart by commas.

    ``own`` is the program's own code (no standard library, no installed package), ``all`` everything that has a source
    file. Else a word is a module (``shop.orders``, with what is below it), or a file (``orders.py``, ``*/shop/*.py``),
    and may go on with a colon and a function (``orders.py:Order.*``). ``*`` and ``?`` are as in a shell.
    """

    def __init__(self, words: str = OWN) -> None:
        self.words = [word.strip() for word in words.split(",") if word.strip()]
        if not self.words:
            raise ValueError("no code is named; say own, all, a module, or a file")
        self._files: dict[str, list[str]] = {}  # by file name, the patterns of functions that are wanted in it

    def __contains__(self, code: CodeType) -> bool:
        filename = code.co_filename
        functions = self._files.get(filename)
        if functions is None:
            functions = self._files[filename] = self._functions_in(filename)
        return any(fnmatchcase(code.co_qualname, pattern) for pattern in functions)

    def _functions_in(self, filename: str) -> list[str]:
        path = os.path.abspath(filename)
        if path.startswith(_HERE) or not os.path.isfile(path):
            return []
        found = []
        for word in self.words:
            place, _, function = word.partition(":")
            if _is_place(place, path):
                found.append(function or "*")
        return found


def _is_place(word: str, path: str) -> bool:
    if word == ALL:
        return True
    if word == OWN:
        return is_own(path)
    if fnmatchcase(path, word) or fnmatchcase(os.path.basename(path), word) or fnmatchcase(path, "*/" + word):
        return True
    module = os.path.splitext(path)[0].removesuffix("/__init__")
    inside = f"*/{word.replace('.', '/')}"
    return fnmatchcase(module, inside) or fnmatchcase(module, inside + "/*")


class Function(NamedTuple):
    """A function that has run, and its lines."""

    filename: str
    name: str
    lines: range
    rows: list[Row]

    @property
    def allocated(self) -> int:
        """Bytes that its lines took from kucha's allocator, with what they called."""
        return sum(row[_ALLOCATED] for row in self.rows)

    @property
    def grown(self) -> int:
        """By how much resident memory grew while its lines ran."""
        return sum(row[_INCREMENT] for row in self.rows)


class Lines:
    """Records what lines of a program do to memory, from ``start()`` to ``stop()``.

    ``wanted`` is a text for Wanted. ``resident``: read resident memory where it may have 'moved', at 'every' line, or
    keep it 'off' (docs/memory_profiler.md).
    """

    def __init__(self, wanted: str = OWN, resident: Resident = "moved") -> None:
        self.wanted = Wanted(wanted)
        self.resident = resident
        self._tables: list[tuple[CodeType, range]] = []  # by number of table
        self._recorder = Recorder(resident, chooser=self._choose)
        self._former: Any = None

    def _choose(self, code: CodeType) -> bool:
        if code not in self.wanted:
            return self._recorder.pass_by(code)
        is_function = bool(code.co_flags & _NEW_LOCALS)
        lines = lines_of(code, is_function)
        if self._recorder.add(code, lines.start, len(lines), is_function) >= 0:
            self._tables.append((code, lines))
        return True

    def start(self) -> None:
        """Begins in this thread, and in each that ``threading`` starts from now on. ToolTaken; RuntimeError."""
        self._follow_threads()
        try:
            self._recorder.on()
        except BaseException:
            self._leave_threads()
            raise

    def stop(self) -> None:
        """Ends in this thread, and in those that will be started."""
        self._leave_threads()
        self._recorder.off()
        self._recorder.close()

    def _follow_threads(self) -> None:
        former = self._former = threading.Thread._bootstrap_inner  # type: ignore[attr-defined]
        recorder = self._recorder

        @functools.wraps(former)
        def bootstrap(thread: threading.Thread) -> None:
            recorder.on()
            try:
                former(thread)
            finally:
                recorder.off()

        self._ours = bootstrap
        threading.Thread._bootstrap_inner = bootstrap  # type: ignore[attr-defined]

    def _leave_threads(self) -> None:
        if threading.Thread._bootstrap_inner is self._ours:  # type: ignore[attr-defined]
            threading.Thread._bootstrap_inner = self._former  # type: ignore[attr-defined]

    @property
    def counted(self) -> bool:
        """Whether kucha's allocator counted all the time."""
        return self._recorder.counted

    def functions(self) -> list[Function]:
        """What has run: first what allocated most, or where nothing was counted, what grew most."""
        found = []
        for table, (code, lines) in enumerate(self._tables):
            rows = self._recorder.rows(table)
            if rows:
                found.append(Function(code.co_filename, code.co_qualname, lines, rows))
        weights = {id(item): item.allocated if self.counted else item.grown for item in found}
        return sorted(found, key=lambda item: (-weights[id(item)], item.filename, item.lines.start))

    def write(self, stream: TextIO, most: int | None = None, precision: int = 1) -> None:
        """Writes the tables of ``most`` functions, all of them by default."""
        for function in self.functions()[:most]:
            write_table(
                stream, function.filename, function.lines, function.rows, precision, self.counted, self.resident
            )

    def summary(self, most: int, folder: str = "") -> str:
        """The lines that did most, one each: for the end of a run."""
        functions = self.functions()
        places = [(row, function) for function in functions for row in function.rows]
        column = _ALLOCATED if self.counted else _INCREMENT
        places.sort(key=lambda place: (-place[0][column], place[1].filename, place[0][0]))
        head = f"{'lines':<12}{'allocated':>12} {'freed':>10} {'peak':>10} {'increment':>10} {'runs':>11}  where"
        texts = ["", head]
        for row, function in places[:most]:
            figures = [size(row[place]) if self.counted else "" for place in (_ALLOCATED, _FREED, _PEAK)]
            figures.append("" if self.resident == "off" else size(row[_INCREMENT]))
            where = f"{short_path(function.filename, folder)}:{row[0]}"
            if function.name != "<module>":
                where += f" in {function.name}"
            shown = " ".join(f"{figure:>10}" for figure in figures)
            texts.append(f"{'':<14}{shown} {number(row[_COUNT]):>11}  {where}")
        lines = plural(len(places), "line")
        texts.append(f"{'':<14}of {lines} in {plural(len(functions), 'function')}; each with all that it called")
        return "\n".join(texts) + "\n"


def lines_of(code: CodeType, whole: bool) -> range:
    """The lines of a code object's source, from its first to its last; ``whole``, with those of functions inside it."""
    last = code.co_firstlineno
    waiting = [code]
    while waiting:
        item = waiting.pop()
        last = max([last, *(line for _, _, line in item.co_lines() if line is not None)])
        waiting += [
            inner for inner in item.co_consts if isinstance(inner, CodeType) and (whole or inner.co_name[:1] == "<")
        ]
    return range(code.co_firstlineno or 1, last + 1)
