"""The standard library's ``tracemalloc``, over kucha's tracing: change the import, and nothing else.

The interface is that of CPython 3.14, its text included; statistics are made in C over columns, and Python objects of
what is looked at only. What differs, because the allocator is kucha's, and not a table beside somebody else's:

- ``start()`` puts kucha's allocator under the interpreter (``kucha.install()``) when it is not there already. Blocks
  that are older are never traced, as with the original; raises ``RuntimeError`` where it cannot be done.
- A stack keeps 255 frames at most; a larger limit is taken for 255.
- From 3.13 on, objects that the interpreter takes from its free lists show where they were made (as the original does);
  on 3.11 and 3.12 they show where their block was.
- ``Traceback.total_nframe`` is how deep the stack was when its innermost frames were first seen together.
- While ``kucha run`` traces the program into a capture, the capture's tracing is what is read; ``stop()`` and
  ``clear_traces()`` leave it alone.

``install()`` makes ``import tracemalloc`` give this module, in the whole process. ``take_over()`` also ends the
original's tracing where ``PYTHONTRACEMALLOC`` or ``-X tracemalloc`` has started it before anything else could run.

Importing it and starting is all that most programs do, so other modules are imported where they are needed: those that
the interpreter does not load by itself took longer than everything else at the start together.
"""

from __future__ import annotations

import os
import sys
from _collections_abc import Callable, Iterable, Iterator, Sequence
from itertools import accumulate, repeat

from kucha import _core

TYPE_CHECKING = False
if TYPE_CHECKING:
    from functools import cached_property
    from typing import Any, Literal, TypeAlias, overload

    RawFrame: TypeAlias = tuple[str, int]
    # domain, size, frames (innermost first) and, from 3.9 on, how deep the stack was
    RawTrace: TypeAlias = tuple[Any, ...]
else:

    class cached_property:  # noqa: N801 (its name in functools)
        """A value that is made at its first use, and then lies in the object's dictionary."""

        def __init__(self, make):
            self.make = make

        def __get__(self, owner, _):
            value = vars(owner)[self.make.__name__] = self.make(owner)
            return value


__all__ = [
    "BaseFilter",
    "DomainFilter",
    "Filter",
    "Frame",
    "Snapshot",
    "Statistic",
    "StatisticDiff",
    "Trace",
    "Traceback",
    "clear_traces",
    "get_object_traceback",
    "get_traceback_limit",
    "get_traced_memory",
    "get_tracemalloc_memory",
    "install",
    "is_tracing",
    "reset_peak",
    "start",
    "stop",
    "take_over",
    "take_snapshot",
]

FRAMES_MAX = 255  # of kucha's tracing
LIMIT_MAX = 65535  # of the original's


# What the module itself started; kucha may have been tracing before.
class _State:
    def __init__(self) -> None:
        self.on = False
        self.foreign = False  # what traces was there before
        self.limit = 1


_state = _State()


# ---- starting and stopping ----


def _mode() -> Literal["blocks", "objects"]:
    """Objects from free lists can be seen from 3.13 on, where nobody else has the interpreter's one tracer."""
    return "objects" if _core.facts()["refcnt tracer"] else "blocks"


def _trace(limit: int) -> None:
    """Starts kucha's tracing; the reference tracer's one slot may be taken, and blocks are traced then."""
    frames = min(limit, FRAMES_MAX)
    try:
        _core.trace_start(frames=frames, mode=_mode())
    except _core.Refused:
        if _mode() == "blocks":
            raise
        _core.trace_start(frames=frames)


def start(nframe: int = 1) -> None:
    """Starts tracing, with up to `nframe` frames for each block. Nothing when it is on already.

    Raises ValueError for a number of frames outside of 1 to 65535, and RuntimeError where kucha cannot be installed
    under this interpreter (the message says why).
    """
    if not 1 <= nframe <= LIMIT_MAX:
        raise ValueError(f"the number of frames must be in range [1; {LIMIT_MAX}]")
    if _state.on:
        return
    _core.install()
    foreign = _core.tracing()
    if not foreign:
        _trace(nframe)
    _state.on, _state.foreign = True, foreign
    _state.limit = _core.status()["tracing"]["frames"] if foreign else nframe


def stop() -> None:
    """Stops tracing and forgets all traces."""
    if _state.on and not _state.foreign:
        _core.trace_stop()
    _state.on = False


def is_tracing() -> bool:
    """Whether start() was called, and stop() not since."""
    return _state.on


def clear_traces() -> None:
    """Forgets all traces; tracing goes on."""
    if _state.on and not _state.foreign:
        _core.trace_stop()
        _trace(_state.limit)


def get_traceback_limit() -> int:
    """The number of frames that a traceback keeps, as given to start()."""
    return min(_state.limit, FRAMES_MAX)


def get_traced_memory() -> tuple[int, int]:
    """Bytes that are traced now, and at most since the start (or reset_peak()); zeros while nothing is traced."""
    return _core.traced_memory() if _state.on else (0, 0)


def reset_peak() -> None:
    """Makes what is traced now the peak."""
    if _state.on:
        _core.trace_reset_peak()


def get_tracemalloc_memory() -> int:
    """Bytes that tracing itself uses."""
    return int(_core.trace_cost()["metadata_bytes"]) if _state.on else 0


def _get_object_traceback(obj: object) -> tuple[RawFrame, ...] | None:
    """The frames of an object's birthplace, innermost first."""
    site = _core.object_site(obj) if _state.on else None
    return None if site is None else tuple((filename, line) for filename, line, _ in site)


def get_object_traceback(obj: object) -> Traceback | None:
    """Where the object was made; None when that was not traced."""
    frames = _get_object_traceback(obj)
    return None if frames is None else Traceback(frames)


# ---- places ----


class _Ordered:
    """The other comparisons, by __eq__ and __lt__, as functools.total_ordering makes them."""

    __slots__ = ()

    def __lt__(self, other: Any) -> bool:
        return NotImplemented

    def __gt__(self, other: Any) -> bool:
        less = self.__lt__(other)
        return less if less is NotImplemented else not less and self != other

    def __le__(self, other: Any) -> bool:
        less = self.__lt__(other)
        return less if less is NotImplemented else less or self == other

    def __ge__(self, other: Any) -> bool:
        less = self.__lt__(other)
        return less if less is NotImplemented else not less


class Frame(_Ordered):
    """A place: file and line."""

    __slots__ = ("_frame",)

    def __init__(self, frame: RawFrame) -> None:
        self._frame = frame

    @property
    def filename(self) -> str:
        """The file's name."""
        return self._frame[0]

    @property
    def lineno(self) -> int:
        """The number of the line, from 1; 0 when unknown."""
        return self._frame[1]

    def __eq__(self, other: object) -> bool:
        return self._frame == other._frame if isinstance(other, Frame) else NotImplemented

    def __lt__(self, other: Frame) -> bool:
        return self._frame < other._frame if isinstance(other, Frame) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._frame)

    def __str__(self) -> str:
        return f"{self.filename}:{self.lineno}"

    def __repr__(self) -> str:
        return f"<Frame filename={self.filename!r} lineno={self.lineno!r}>"


_Frame = Frame  # its name in the original, where Frame is the public one of the documentation


class Traceback(_Ordered, Sequence[Frame]):
    """Places from the outermost kept to the innermost."""

    __slots__ = ("_frames", "_total_nframe")

    def __init__(self, frames: Iterable[RawFrame], total_nframe: int | None = None) -> None:
        self._frames = tuple(frames)[::-1]
        self._total_nframe = total_nframe

    @property
    def total_nframe(self) -> int | None:
        """How deep the stack was, of which the innermost frames are kept; None when that is not known."""
        return self._total_nframe

    def __len__(self) -> int:
        return len(self._frames)

    if TYPE_CHECKING:

        @overload
        def __getitem__(self, index: int) -> Frame: ...
        @overload
        def __getitem__(self, index: slice) -> tuple[Frame, ...]: ...

    def __getitem__(self, index: int | slice) -> Frame | tuple[Frame, ...]:
        if isinstance(index, slice):
            return tuple(Frame(frame) for frame in self._frames[index])
        return Frame(self._frames[index])

    def __contains__(self, frame: object) -> bool:
        return isinstance(frame, Frame) and frame._frame in self._frames

    def __eq__(self, other: object) -> bool:
        return self._frames == other._frames if isinstance(other, Traceback) else NotImplemented

    def __lt__(self, other: Traceback) -> bool:
        return self._frames < other._frames if isinstance(other, Traceback) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._frames)

    def __str__(self) -> str:
        return str(self[0])

    def __repr__(self) -> str:
        depth = "" if self._total_nframe is None else f" total_nframe={self._total_nframe}"
        return f"<Traceback {tuple(self)}{depth}>"

    def format(self, limit: int | None = None, most_recent_first: bool = False) -> list[str]:
        """Lines such as the interpreter prints of a traceback, the source with them where it can be read.

        `limit` keeps so many of the innermost frames, a negative one of the outermost.
        """
        frames = self._frames
        if limit is not None:
            frames = frames[-limit:] if limit > 0 else frames[: abs(limit)]
        import linecache

        lines = []
        for filename, lineno in reversed(frames) if most_recent_first else frames:
            lines.append(f'  File "{filename}", line {lineno}')
            source = linecache.getline(filename, lineno).strip()
            if source:
                lines.append(f"    {source}")
        return lines


class Trace:
    """A block: its size, its domain and where it was made."""

    __slots__ = ("_trace",)

    def __init__(self, trace: RawTrace) -> None:
        self._trace = trace

    @property
    def domain(self) -> int:
        """The address space; 0 is the interpreter's."""
        return int(self._trace[0])

    @property
    def size(self) -> int:
        """Bytes, as asked for."""
        return int(self._trace[1])

    @property
    def traceback(self) -> Traceback:
        """Where it was made."""
        return Traceback(*self._trace[2:])

    def __eq__(self, other: object) -> bool:
        return self._trace == other._trace if isinstance(other, Trace) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._trace)

    def __str__(self) -> str:
        return f"{self.traceback}: {_format_size(self.size, False)}"

    def __repr__(self) -> str:
        return f"<Trace domain={self.domain} size={_format_size(self.size, False)}, traceback={self.traceback!r}>"


# ---- statistics ----


def _format_size(size: float, sign: bool) -> str:
    """A size for people, in the original's words: whole to 100 of a unit, then with a decimal."""
    for unit in ("B", "KiB", "MiB", "GiB", "TiB"):
        if abs(size) < 100 and unit != "B":
            return f"{size:+.1f} {unit}" if sign else f"{size:.1f} {unit}"
        if abs(size) < 10 * 1024 or unit == "TiB":
            return f"{size:+.0f} {unit}" if sign else f"{size:.0f} {unit}"
        size /= 1024
    raise AssertionError("the last unit takes any size")


class Statistic:
    """Blocks with something in common: how many, and their bytes."""

    __slots__ = ("count", "size", "traceback")

    def __init__(self, traceback: Traceback, size: int, count: int) -> None:
        self.traceback = traceback
        self.size = size
        self.count = count

    def _sort_key(self) -> tuple[Any, ...]:
        return self.size, self.count, self.traceback

    def _key(self) -> tuple[Any, ...]:
        return self.traceback, self.size, self.count

    def __eq__(self, other: object) -> bool:
        return self._key() == other._key() if isinstance(other, Statistic) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._key())

    def __str__(self) -> str:
        text = f"{self.traceback}: size={_format_size(self.size, False)}, count={self.count}"
        return f"{text}, average={_format_size(self.size / self.count, False)}" if self.count else text

    def __repr__(self) -> str:
        return f"<Statistic traceback={self.traceback!r} size={self.size} count={self.count}>"


class StatisticDiff:
    """The same in two snapshots: what the newer one has, and how much more that is."""

    __slots__ = ("count", "count_diff", "size", "size_diff", "traceback")

    def __init__(self, traceback: Traceback, size: int, size_diff: int, count: int, count_diff: int) -> None:
        self.traceback = traceback
        self.size = size
        self.size_diff = size_diff
        self.count = count
        self.count_diff = count_diff

    def _sort_key(self) -> tuple[Any, ...]:
        return abs(self.size_diff), self.size, abs(self.count_diff), self.count, self.traceback

    def _key(self) -> tuple[Any, ...]:
        return self.traceback, self.size, self.size_diff, self.count, self.count_diff

    def __eq__(self, other: object) -> bool:
        return self._key() == other._key() if isinstance(other, StatisticDiff) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._key())

    def __str__(self) -> str:
        text = (
            f"{self.traceback}: size={_format_size(self.size, False)} ({_format_size(self.size_diff, True)}), "
            f"count={self.count} ({self.count_diff:+})"
        )
        return f"{text}, average={_format_size(self.size / self.count, False)}" if self.count else text

    def __repr__(self) -> str:
        return (
            f"<StatisticDiff traceback={self.traceback!r} size={self.size} ({self.size_diff:+}) "
            f"count={self.count} ({self.count_diff:+})>"
        )


# ---- filters ----


class BaseFilter:
    """What keeps blocks (`inclusive`) or leaves them out."""

    def __init__(self, inclusive: bool) -> None:
        self.inclusive = inclusive

    def _match(self, trace: RawTrace) -> bool:
        raise NotImplementedError


def _normal(filename: str) -> str:
    """A file's name as patterns are compared with it: the source's, for compiled files."""
    filename = os.path.normcase(filename)
    return filename[:-1] if filename.endswith(".pyc") else filename


class Filter(BaseFilter):
    """By file and line: the innermost frame, or any frame of the stack; and by domain."""

    def __init__(
        self,
        inclusive: bool,
        filename_pattern: str,
        lineno: int | None = None,
        all_frames: bool = False,
        domain: int | None = None,
    ) -> None:
        super().__init__(inclusive)
        self._filename_pattern = _normal(filename_pattern)
        self.lineno = lineno
        self.all_frames = all_frames
        self.domain = domain

    @property
    def filename_pattern(self) -> str:
        """The pattern, as the shell's, that the file's name is compared with."""
        return self._filename_pattern

    def _covers(self, filename: str, lineno: int) -> bool:
        """Whether the frame is what the filter is about, kept or left out."""
        from fnmatch import fnmatch

        return fnmatch(_normal(filename), self._filename_pattern) and self.lineno in (None, lineno)

    def _match_frame(self, filename: str, lineno: int) -> bool:
        return self._covers(filename, lineno) == self.inclusive

    def _match_traceback(self, traceback: Sequence[RawFrame]) -> bool:
        frames = traceback if self.all_frames else traceback[:1]
        return any(self._covers(*frame) for frame in frames) == self.inclusive

    def _match(self, trace: RawTrace) -> bool:
        domain, _, traceback, *_ = trace
        matches = self._match_traceback(traceback)
        if self.domain is None:
            return matches
        return matches and domain == self.domain if self.inclusive else matches or domain != self.domain


class DomainFilter(BaseFilter):
    """By the address space of the blocks."""

    def __init__(self, inclusive: bool, domain: int) -> None:
        super().__init__(inclusive)
        self._domain = domain

    @property
    def domain(self) -> int:
        """The domain."""
        return self._domain

    def _match(self, trace: RawTrace) -> bool:
        return bool(trace[0] == self._domain) == self.inclusive


# ---- snapshots ----


def _columns(traces: Iterable[RawTrace]) -> _core.Snapshot:
    """Columns of traces as the original has them: (domain, size, frames, depth)."""
    files: dict[str, int] = {}
    frames: dict[RawFrame, int] = {}
    stacks: dict[tuple[tuple[RawFrame, ...], int], int] = {}
    rows: dict[tuple[int, int, int], int] = {}
    for domain, size, traceback, *depth in traces:
        stack = tuple(traceback), depth[0] if depth else 0
        for frame in stack[0]:
            frames.setdefault(frame, len(frames))
            files.setdefault(frame[0], len(files))
        row = (domain, size, stacks.setdefault(stack, len(stacks)))
        rows[row] = rows.get(row, 0) + 1
    return _core.Snapshot(
        list(files),
        [(files[filename], line) for filename, line in frames],
        [(tuple(frames[frame] for frame in stack), depth) for stack, depth in stacks],
        [(domain, size, count, stack) for (domain, size, stack), count in rows.items()],
    )


class _Alike(Sequence["RawTrace"]):
    """All blocks of columns, as the original keeps them; blocks that are alike lie side by side and are one tuple."""

    def __init__(self, columns: _core.Snapshot) -> None:
        self.columns = columns
        self._stacks: dict[int, tuple[tuple[RawFrame, ...], int]] = {}
        self._same: dict[tuple[RawFrame, ...], tuple[RawFrame, ...]] = {}

    @cached_property
    def _rows(self) -> list[tuple[int, int, int, int]]:
        return self.columns.rows()

    @cached_property
    def _ends(self) -> list[int]:
        return list(accumulate(count for _, _, count, _ in self._rows))

    def _row(self, number: int) -> RawTrace:
        domain, size, _, stack = self._rows[number]
        if stack not in self._stacks:
            frames, depth = self.columns.stack(stack)
            self._stacks[stack] = self._same.setdefault(frames, frames), depth
        return domain, size, *self._stacks[stack]

    def subset(self, keeps: Callable[[RawTrace], bool]) -> _Alike:
        """The blocks that a condition keeps, which is asked once for blocks that are alike."""
        return _Alike(self.columns.subset(bytes(keeps(self._row(row)) for row in range(len(self._rows)))))

    def __len__(self) -> int:
        return self._ends[-1] if self._ends else 0

    if TYPE_CHECKING:

        @overload
        def __getitem__(self, index: int) -> RawTrace: ...
        @overload
        def __getitem__(self, index: slice) -> list[RawTrace]: ...

    def __getitem__(self, index: int | slice) -> RawTrace | list[RawTrace]:
        if isinstance(index, slice):
            return [self[at] for at in range(len(self))[index]]
        from bisect import bisect_right

        return self._row(bisect_right(self._ends, range(len(self))[index]))

    def __iter__(self) -> Iterator[RawTrace]:
        for number, (_, _, count, _) in enumerate(self._rows):
            yield from repeat(self._row(number), count)

    def __eq__(self, other: object) -> bool:
        return list(self) == list(other) if isinstance(other, _Alike | list) else NotImplemented

    __hash__ = None  # type: ignore[assignment]


class _Traces(Sequence[Trace]):
    """The blocks of a snapshot; a Trace is made of each that is looked at."""

    def __init__(self, traces: Sequence[RawTrace]) -> None:
        self._traces = traces

    def __len__(self) -> int:
        return len(self._traces)

    if TYPE_CHECKING:

        @overload
        def __getitem__(self, index: int) -> Trace: ...
        @overload
        def __getitem__(self, index: slice) -> tuple[Trace, ...]: ...

    def __getitem__(self, index: int | slice) -> Trace | tuple[Trace, ...]:
        if isinstance(index, slice):
            return tuple(Trace(trace) for trace in self._traces[index])
        return Trace(self._traces[index])

    def __contains__(self, trace: object) -> bool:
        return isinstance(trace, Trace) and trace._trace in self._traces

    def __eq__(self, other: object) -> bool:
        return list(self._traces) == list(other._traces) if isinstance(other, _Traces) else NotImplemented

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"<Traces len={len(self)}>"


class Snapshot:
    """All blocks that were traced and live at a moment."""

    def __init__(self, traces: Sequence[RawTrace], traceback_limit: int) -> None:
        self.traces = _Traces(traces)
        self.traceback_limit = traceback_limit

    @cached_property
    def _columns(self) -> _core.Snapshot:
        traces = self.traces._traces
        return traces.columns if isinstance(traces, _Alike) else _columns(traces)

    def statistics(self, key_type: str, cumulative: bool = False) -> list[Statistic]:
        """Blocks by 'traceback', 'filename' or 'lineno', largest first.

        Cumulative: a block belongs to every frame of its stack, rather than to the innermost; not by 'traceback'.
        """
        grouped = self._group_by(key_type, cumulative)
        return sorted(grouped.values(), key=Statistic._sort_key, reverse=True)

    def _group_by(self, key_type: str, cumulative: bool) -> dict[Traceback, Statistic]:
        if key_type not in ("traceback", "filename", "lineno"):
            raise ValueError(f"unknown key_type: {key_type!r}")
        if cumulative and key_type not in ("lineno", "filename"):
            raise ValueError(f"cumulative mode cannot by used with key type {key_type!r}")
        rows = self._columns.statistics(key_type, cumulative)
        return {
            key: Statistic(key, size, count) for key, size, count in ((Traceback(row[0]), *row[1:]) for row in rows)
        }

    def compare_to(self, old_snapshot: Snapshot, key_type: str, cumulative: bool = False) -> list[StatisticDiff]:
        """What changed since an older snapshot: the largest changes of size first."""
        new = self._group_by(key_type, cumulative)
        old = old_snapshot._group_by(key_type, cumulative)
        changes = []
        for key, now in new.items():
            was = old.pop(key, None)
            size, count = (was.size, was.count) if was is not None else (0, 0)
            changes.append(StatisticDiff(key, now.size, now.size - size, now.count, now.count - count))
        changes += [StatisticDiff(key, 0, -was.size, 0, -was.count) for key, was in old.items()]
        return sorted(changes, key=StatisticDiff._sort_key, reverse=True)

    def filter_traces(self, filters: Iterable[BaseFilter]) -> Snapshot:
        """A snapshot of the blocks that an inclusive filter matches, if there is one, and no other leaves out."""
        if not isinstance(filters, Iterable):
            raise TypeError(f"filters must be a list of filters, not {type(filters).__name__}")
        wanted = list(filters)
        include = [item for item in wanted if item.inclusive]
        exclude = [item for item in wanted if not item.inclusive]

        def keeps(trace: RawTrace) -> bool:
            return (not include or any(item._match(trace) for item in include)) and all(
                item._match(trace) for item in exclude
            )

        traces = self.traces._traces
        if isinstance(traces, _Alike):
            return Snapshot(traces.subset(keeps), self.traceback_limit)
        return Snapshot([trace for trace in traces if keeps(trace)], self.traceback_limit)

    def dump(self, filename: str | os.PathLike[str]) -> None:
        """Writes the snapshot into a file that the standard library's Snapshot.load() reads as well."""
        from kucha import _tracemalloc_files

        with open(filename, "wb") as file:
            _tracemalloc_files.dump(self, _added(vars(self)), file)

    @staticmethod
    def load(filename: str | os.PathLike[str]) -> Snapshot:
        """Reads what dump() wrote, here or in the standard library. Nothing but a snapshot is taken from the file."""
        from kucha import _tracemalloc_files

        with open(filename, "rb") as file:
            traces, limit, added = _tracemalloc_files.load(file, os.fspath(filename))
        snapshot = Snapshot(traces, limit)
        vars(snapshot).update(_added(added))
        return snapshot


def _added(attributes: dict[str, Any]) -> dict[str, Any]:
    """What a program keeps in a snapshot of its own."""
    return {name: value for name, value in attributes.items() if name not in ("traces", "traceback_limit", "_columns")}


def _foreign_traces() -> list[RawTrace]:
    """What extension modules told the interpreter's own table of other domains (NumPy does), while that traces."""
    table = sys.modules.get("_tracemalloc")
    if table is None or not table.is_tracing():
        return []
    return [trace for trace in table._get_traces() if trace[0] != 0]


def _get_traces() -> Sequence[RawTrace]:
    """All blocks as (domain, size, frames, depth)."""
    if not is_tracing():
        return []
    traces = _Alike(_core.snapshot())
    others = _foreign_traces()
    return _Alike(_columns([*traces, *others])) if others else traces


def take_snapshot() -> Snapshot:
    """All blocks that are traced and live. RuntimeError while nothing is traced."""
    if not is_tracing():
        raise RuntimeError("the tracemalloc module must be tracing memory allocations to take a snapshot")
    return Snapshot(_get_traces(), get_traceback_limit())


def __getattr__(name: str) -> Any:
    """What the original has among its names because it imports it, for those who replace it there, as its tests do."""
    if name in ("fnmatch", "linecache", "pickle"):
        return __import__(name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def install() -> None:
    """Makes ``import tracemalloc`` give this module, in the whole process; what was imported before stays."""
    sys.modules["tracemalloc"] = sys.modules[__name__]


def end_original() -> int:
    """Stops the original's tracing, beside which kucha's cannot begin: each would take the other's memory for its own.

    Returns how many frames it kept; 0 where it was not tracing.
    """
    import _tracemalloc

    frames = int(_tracemalloc.get_traceback_limit()) if _tracemalloc.is_tracing() else 0
    _tracemalloc.stop()
    return frames


def begin_original(nframe: int) -> None:
    """Starts the original's tracing again, where end_original() had ended it and kucha's could not follow."""
    import _tracemalloc

    if nframe > 0:
        _tracemalloc.start(nframe)


def take_over(nframe: int = 1) -> None:
    """start() and install() in one, in the place of the original's tracing where that is on.

    PYTHONTRACEMALLOC and -X tracemalloc start the original before anything else runs; what it has traced is forgotten,
    and kucha's goes on with the larger of the two numbers of frames. Raises what start() raises; the original is then
    tracing as before.
    """
    older = end_original()
    try:
        start(max(nframe, older))
    except Exception:
        begin_original(older)
        raise
    install()
