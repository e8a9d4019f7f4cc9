"""The exceptions of kucha.psutil: those of psutil, with its attributes, texts and pickles."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class Error(Exception):
    """What all others derive from."""

    __module__ = "kucha.psutil"
    _told = ("pid", "ppid", "name")

    def _known(self, names: tuple[str, ...]) -> str:
        """The attributes that have a value, as text."""
        pairs = [(name, getattr(self, name, None)) for name in names]
        return ", ".join(f"{name}={value!r}" for name, value in pairs if value or (name == "pid" and value == 0))

    def __str__(self) -> str:
        known = self._known(self._told)
        return " ".join(part for part in (getattr(self, "msg", ""), f"({known})" if known else "") if part)

    def __repr__(self) -> str:
        return f"psutil.{type(self).__name__}({self._known((*self._told, 'seconds', 'msg'))})"


class NoSuchProcess(Error):
    """There is no such process, or no longer, or another one has its number now."""

    __module__ = "kucha.psutil"

    def __init__(self, pid: int, name: str | None = None, msg: str | None = None) -> None:
        super().__init__()
        self.pid = pid
        self.name = name
        self.msg = msg or "process no longer exists"

    def __reduce__(self) -> tuple[Any, ...]:
        return (type(self), (self.pid, self.name, self.msg))


class ZombieProcess(NoSuchProcess):
    """The process has ended, its parent has not yet asked how, and what was wanted went with it."""

    __module__ = "kucha.psutil"

    def __init__(self, pid: int, name: str | None = None, ppid: int | None = None, msg: str | None = None) -> None:
        super().__init__(pid, name, msg or "PID still exists but it's a zombie")
        self.ppid = ppid

    def __reduce__(self) -> tuple[Any, ...]:
        return (type(self), (self.pid, self.name, self.ppid, self.msg))


class AccessDenied(Error):
    """The system does not let this user do it."""

    __module__ = "kucha.psutil"

    def __init__(self, pid: int | None = None, name: str | None = None, msg: str | None = None) -> None:
        super().__init__()
        self.pid = pid
        self.name = name
        self.msg = msg or ""

    def __reduce__(self) -> tuple[Any, ...]:
        return (type(self), (self.pid, self.name, self.msg))


class TimeoutExpired(Error):
    """The process has not ended in that time."""

    __module__ = "kucha.psutil"

    def __init__(self, seconds: float | None, pid: int | None = None, name: str | None = None) -> None:
        super().__init__()
        self.seconds = seconds
        self.pid = pid
        self.name = name
        self.msg = f"timeout after {seconds} seconds"

    def __reduce__(self) -> tuple[Any, ...]:
        return (type(self), (self.seconds, self.pid, self.name))
