"""Recording lines: kucha._core.LineRecorder, and what sys.monitoring needs to call it.

On 3.11 the recorder's own trace function does everything. From 3.12 on its callbacks are registered under the tool id
for profilers while any recorder has been used and lives, and events are asked for only of the code objects that
recorders look at, so that nothing else pays. Ends of calls by an exception, and exceptions thrown into generators, can
only be had of all code; they cost at an exception alone. A recorder with a chooser gets the first start of all code,
too: code that it does not want is asked about once.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import CodeType
from typing import Any, Literal

from kucha import _core

Row = tuple[int, int, int, int, int, int, int]  # line, increment, memory, count, allocated, freed, peak
Resident = Literal["off", "every", "moved"]

TOOL_NAME = "kucha.memory_profiler"


class ToolTaken(RuntimeError):
    """Another tool has the id of sys.monitoring that profilers use."""


class _Monitor:
    """The events that code objects are watched for; one for the process, only from 3.12 on."""

    def __init__(self) -> None:
        self.by_identity: dict[int, tuple[CodeType, int]] = {}
        self.users = 0
        self.choosers = 0
        monitoring: Any = sys.monitoring  # type: ignore[attr-defined, unused-ignore]
        self.monitoring = monitoring
        self.tool: int = monitoring.PROFILER_ID
        events = monitoring.events
        self.local = events.PY_START | events.PY_RESUME | events.PY_RETURN | events.PY_YIELD | events.LINE | events.JUMP
        self.everywhere = events.PY_UNWIND | events.PY_THROW

    def start(self, chooses: bool = False) -> None:
        """One more who watches; the first takes the tool id."""
        if self.users == 0:
            monitoring, events = self.monitoring, self.monitoring.events
            try:
                monitoring.use_tool_id(self.tool, TOOL_NAME)
            except ValueError:
                holder = monitoring.get_tool(self.tool)
                raise ToolTaken(
                    f"lines cannot be profiled: '{holder}' has the id {self.tool} of sys.monitoring, which only one "
                    "profiler can have at a time; stop that one first"
                ) from None
            callbacks = _core.line_callbacks(monitoring.DISABLE)
            for names, callback in (
                (("PY_START",), "start"),
                (("PY_RESUME", "PY_THROW"), "call"),
                (("PY_RETURN", "PY_YIELD", "PY_UNWIND"), "return"),
                (("LINE",), "line"),
                (("JUMP",), "jump"),
            ):
                for name in names:
                    monitoring.register_callback(self.tool, getattr(events, name), callbacks[callback])
            monitoring.set_events(self.tool, self.everywhere)
        self.users += 1
        if chooses:
            self.choosers += 1
            self._listen()

    def _listen(self) -> None:
        starts = self.monitoring.events.PY_START if self.choosers else 0
        self.monitoring.set_events(self.tool, self.everywhere | starts)

    def stop(self, chose: bool = False) -> None:
        """One less; the last gives the tool id back."""
        self.users -= 1
        if chose:
            self.choosers -= 1
            self._listen()
        if self.users == 0:
            monitoring = self.monitoring
            monitoring.set_events(self.tool, 0)
            for bit in range(32):
                if (self.local | self.everywhere) >> bit & 1:
                    monitoring.register_callback(self.tool, 1 << bit, None)
            monitoring.free_tool_id(self.tool)

    def watch(self, codes: list[CodeType], just_started: bool) -> None:
        """Asks for the events of code objects; code objects that are equal are still two."""
        for code in codes:
            count = self.by_identity.get(id(code), (code, 0))[1]
            self.by_identity[id(code)] = (code, count + 1)
            if count == 0:
                self.monitoring.set_local_events(self.tool, code, self.local)
        if self.choosers and codes and not just_started:
            self.monitoring.restart_events()  # a chooser may have passed one of them by

    def unwatch(self, codes: list[CodeType]) -> None:
        """Takes one watch() back."""
        for code in codes:
            count = self.by_identity[id(code)][1]
            if count > 1:
                self.by_identity[id(code)] = (code, count - 1)
            else:
                del self.by_identity[id(code)]
                self.monitoring.set_local_events(self.tool, code, 0)


_monitor: _Monitor | None = None


def _the_monitor() -> _Monitor | None:
    global _monitor
    if _monitor is None and sys.version_info >= (3, 12):
        _monitor = _Monitor()
    return _monitor


class Recorder:
    """A LineRecorder whose code objects are watched from its first use until it is closed, or thrown away."""

    def __init__(
        self,
        resident: Resident = "every",
        reader: Callable[[CodeType], float] | None = None,
        chooser: Callable[[CodeType], bool] | None = None,
    ) -> None:
        self._lines = _core.LineRecorder(resident=resident, reader=reader, chooser=chooser)
        self._chooses = chooser is not None
        self._monitor: _Monitor | None = None
        self._watched: list[CodeType] = []

    def add(self, code: CodeType, first: int, lines: int, whole: bool = True) -> int:
        """Looks at a code object and those inside it; without ``whole``, of those at comprehensions and lambdas alone.

        The number of its table, -1 where it is looked at already.
        """
        table = self._lines.add(code, first, lines, whole)
        if self._monitor is not None:
            self._watch(self._monitor)
        return table

    def pass_by(self, code: CodeType) -> bool:
        """A chooser does not want a code object. False where nobody else does, which the chooser returns."""
        if self._monitor is None:
            self._lines.pass_by(code)
            return False
        return id(code) in self._monitor.by_identity

    def _watch(self, monitor: _Monitor) -> None:
        new = self._lines.codes()[len(self._watched) :]
        monitor.watch(new, self._chooses)
        self._watched += new

    def on(self) -> int:
        """Records what this thread does from now on. How often it is on in this thread."""
        if self._monitor is None:
            monitor = _the_monitor()
            if monitor is not None:
                monitor.start(self._chooses)
                self._monitor = monitor
                self._watch(monitor)
        return self._lines.on()

    def off(self) -> int:
        """Takes one on() of this thread back. How often it is on still."""
        return self._lines.off()

    def rows(self, table: int) -> list[Row]:
        """The lines that have run."""
        return self._lines.rows(table)

    @property
    def counted(self) -> bool:
        """Whether kucha's allocator counted all the time."""
        return self._lines.counted

    def close(self) -> None:
        """Lets the program run as if there had been no recorder; what was found can still be read."""
        monitor, self._monitor = self._monitor, None
        if monitor is not None:
            watched, self._watched = self._watched, []
            monitor.unwatch(watched)
            monitor.stop(self._chooses)

    def __del__(self) -> None:
        if sys is not None and not sys.is_finalizing():
            self.close()
