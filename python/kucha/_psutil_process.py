"""The class of kucha.psutil: Process, and Popen; and psutil itself, for what is not ours.

The readings are methods of the C type that Process derives from (src/cpython/process_object.c); here is what needs no
haste, and what psutil makes of the readings.
"""

from __future__ import annotations

import contextlib
import functools
import os
import signal
import sys
import threading
import time
import types
from errno import ESTALE

from kucha import _process
from kucha._process import cgroup_limits, pcputimes, pfullmem, pmem
from kucha._psutil_errors import AccessDenied, NoSuchProcess, TimeoutExpired, ZombieProcess
from kucha._psutil_system import boot_time, root, virtual_memory
from kucha.resource import prlimit

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator
    from typing import Any

STATUS_RUNNING = "running"
STATUS_SLEEPING = "sleeping"
STATUS_DISK_SLEEP = "disk-sleep"
STATUS_STOPPED = "stopped"
STATUS_TRACING_STOP = "tracing-stop"
STATUS_ZOMBIE = "zombie"
STATUS_DEAD = "dead"
STATUS_WAKE_KILL = "wake-kill"
STATUS_WAKING = "waking"
STATUS_IDLE = "idle"
STATUS_PARKED = "parked"

# Letters of proc_pid_stat(5); x, K and W are those of old kernels.
_STATUSES = {
    "R": STATUS_RUNNING,
    "S": STATUS_SLEEPING,
    "D": STATUS_DISK_SLEEP,
    "T": STATUS_STOPPED,
    "t": STATUS_TRACING_STOP,
    "Z": STATUS_ZOMBIE,
    "X": STATUS_DEAD,
    "x": STATUS_DEAD,
    "K": STATUS_WAKE_KILL,
    "W": STATUS_WAKING,
    "I": STATUS_IDLE,
    "P": STATUS_PARKED,
}

NOT_FOUND = "process PID not found: "  # psutil's words; the core's follow
SHORT_NAME = 15  # bytes of a name that the system keeps: a longer one is cut there
POLL_FIRST, POLL_MOST = 0.0001, 0.04  # seconds between two looks at a process that nobody can wait for

_UNSET: Any = object()
_total_memory = 0  # bytes, once somebody asked
reused: set[int] = set()  # pids that process_iter() has to look at anew


# ---- the original, for what is not ours ----


@functools.lru_cache(maxsize=1)
def original() -> Any:
    """The psutil package, also where this module stands in its place in sys.modules; None when it is not installed."""
    here = sys.modules["kucha.psutil"]
    found = sys.modules.get("psutil", here)
    if found is not here:
        return found  # None, too: that is how imports are forbidden
    import importlib

    from kucha.dropin import originals

    dropped_in = sys.modules.pop("psutil", None)
    try:
        with originals("psutil"):
            return importlib.import_module("psutil")
    except ImportError:
        return None
    finally:
        if dropped_in is not None:
            sys.modules["psutil"] = dropped_in


def pass_through(owner: str, name: str, place: Callable[[Any], Any]) -> Any:
    """What psutil has under that name; AttributeError, saying why, where there is no psutil, or it has none.

    ``place`` finds the module or class that may have it. Functions raise the exceptions of this package.
    """
    if name.startswith("_"):
        raise AttributeError(f"{owner} has no attribute {name!r}")
    found = original()
    if found is None:
        raise AttributeError(
            f"{owner} has no attribute {name!r}: kucha has psutil's memory side only, and psutil, which may have the "
            "rest, is not installed"
        )
    value = getattr(place(found), name)
    return _with_our_errors(value) if isinstance(value, types.FunctionType) else value


def _with_our_errors(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        found = original()
        try:
            return function(*args, **kwargs)
        except found.ZombieProcess as error:
            raise ZombieProcess(error.pid, error.name, error.ppid, error.msg) from error
        except found.NoSuchProcess as error:
            raise NoSuchProcess(error.pid, error.name, error.msg) from error
        except found.AccessDenied as error:
            raise AccessDenied(error.pid, error.name, error.msg) from error

    return call


# ---- a process ----


class _Passing(type):
    """What psutil's class has and ours has not."""

    def __getattr__(cls, name: str) -> Any:
        value = pass_through(f"type object {cls.__name__!r}", name, lambda found: found.Process)
        if not callable(value):
            return value

        def call(process: Process, *args: Any, **kwargs: Any) -> Any:
            process._check()
            try:
                return value(original().Process(process.pid), *args, **kwargs)
            except (NoSuchProcess, AccessDenied) as error:
                error.name = error.name or process._name
                raise

        return functools.wraps(value)(call)


class Process(_process.Process, metaclass=_Passing):
    """A process, by its pid; without one, this process. NoSuchProcess where there is none.

    It stays the process that it was made for: once that has ended, methods raise NoSuchProcess, whoever has the number.
    """

    __module__ = "kucha.psutil"

    def __init__(self, pid: int | None = None) -> None:
        self._init(pid)

    def _init(self, pid: int | None, _ignore_nsp: bool = False) -> None:
        if pid is None:
            pid = os.getpid()
        elif pid < 0:
            raise ValueError(f"pid must be a positive integer (got {pid})")
        self._pid = pid
        self._name: str | None = None
        self._ppid: int | None = None  # once it was a zombie: whom it waits for
        self._exe: str | None = None
        self._create_time: float | None = None
        self._gone = self._pid_reused = False
        self._lock = threading.RLock()
        self._depth = 0
        self._last: tuple[float, pcputimes] | None = None
        self._exitcode: Any = _UNSET
        self._root = root()
        self.info: dict[str, Any]
        self.returncode: int | None
        try:
            self._open(pid, self._root)
        except OverflowError:
            raise NoSuchProcess(pid, msg="process PID out of range") from None
        except AccessDenied:
            pass  # hidden but for its existence: whatever is asked for will say so
        except NoSuchProcess as error:
            if not _ignore_nsp:
                raise NoSuchProcess(pid, msg=NOT_FOUND + error.msg) from None
            self._gone = True

    def _failed(self, code: str, number: int, message: str) -> None:
        """Raises what psutil does for an error of the core, with the core's words."""
        if code == "KU_GONE":
            if number == ESTALE:
                self._pid_reused = True
                reused.add(self._pid)
            raise NoSuchProcess(self._pid, self._name, message)
        if code == "KU_ZOMBIE":
            with contextlib.suppress(NoSuchProcess):
                self._ppid = self._parent_pid()
            raise ZombieProcess(self._pid, self._name, self._ppid, message)
        if code == "KU_DENIED":
            raise AccessDenied(self._pid, self._name, message)
        raise OSError(number, message)

    # ---- which one ----

    @property
    def pid(self) -> int:
        """Its number."""
        return self._pid

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Process):
            return NotImplemented
        return (self._pid, self._started) == (other._pid, other._started)

    def __hash__(self) -> int:
        return hash((self._pid, self._started))

    def __str__(self) -> str:
        told: dict[str, object] = {"pid": self._pid}
        if self._name:
            told["name"] = self._name
        with self.oneshot():
            try:
                told["name"] = self.name()
                told["status"] = self.status()
            except NoSuchProcess:
                told["status"] = "terminated + PID reused" if self._pid_reused else "terminated"
            except AccessDenied:
                pass
        if self._exitcode not in (_UNSET, None):
            told["exitcode"] = self._exitcode
        if self._create_time is not None:
            form = "%H:%M:%S" if time.time() - self._create_time < 24 * 3600 else "%Y-%m-%d %H:%M:%S"
            told["started"] = time.strftime(form, time.localtime(self._create_time))
        inside = ", ".join(f"{name}={value!r}" for name, value in told.items())
        return f"{type(self).__module__}.{type(self).__name__}({inside})"

    __repr__ = __str__

    def __getattr__(self, name: str) -> Any:
        value = getattr(type(self), name)
        return types.MethodType(value, self) if isinstance(value, types.FunctionType) else value

    def is_running(self) -> bool:
        """Whether it is still there, a zombie included, and its number has not gone to another."""
        if self._gone or self._pid_reused:
            return False
        try:
            self._check()
        except AccessDenied:
            pass
        except NoSuchProcess:
            self._gone = True
            return False
        return True

    def _must_be_it(self) -> None:
        """Before something is done to it: not to another one."""
        if self._pid_reused or (not self.is_running() and self._pid_reused):
            raise NoSuchProcess(self._pid, self._name, "process no longer exists and its PID has been reused")

    # ---- several answers from one reading ----

    @contextlib.contextmanager
    def oneshot(self) -> Iterator[None]:
        """Inside, the small files of the process are read once, and all methods answer from that reading."""
        with self._lock:
            self._depth += 1
            if self._depth == 1:
                self._cache(True)
            try:
                yield
            finally:
                self._depth -= 1
                if self._depth == 0:
                    self._cache(False)

    def as_dict(self, attrs: Collection[str] | None = None, ad_value: Any = None) -> dict[str, Any]:
        """Several attributes at once, by name; all that are this module's without names.

        One that this user may not know, or that a zombie has not, is ``ad_value``.
        """
        if attrs is not None and not isinstance(attrs, (list, tuple, set, frozenset)):
            raise TypeError(f"invalid attrs type {type(attrs)}")
        names = set(attrs) if attrs else _ATTRIBUTES
        wrong = {name for name in names - _ATTRIBUTES if not _original_has(name)}
        if wrong:
            plural = "s" if len(wrong) > 1 else ""
            raise ValueError(f"invalid attr name{plural} {', '.join(map(repr, sorted(wrong)))}")
        found = {}
        with self.oneshot():
            for name in names:
                try:
                    found[name] = self._pid if name == "pid" else getattr(self, name)()
                except (AccessDenied, ZombieProcess):
                    found[name] = ad_value
                except NotImplementedError:  # by this system: an error for whoever asked for it
                    if attrs:
                        raise
        return found

    # ---- who it is ----

    def ppid(self) -> int:
        """The pid of its parent."""
        return self._parent_pid()

    def name(self) -> str:
        """Its name: the system keeps 15 bytes of it, the rest is taken from the command line where that fits."""
        name = self._short_name()
        if len(name) >= SHORT_NAME:
            with contextlib.suppress(AccessDenied, ZombieProcess):
                words = self.cmdline()
                whole = os.path.basename(words[0]) if words else ""
                name = whole if whole.startswith(name) else name
        self._name = name
        return name

    def exe(self) -> str:
        """The path of the program; "" for a thread of the kernel. It may be guessed from the command line."""
        if self._exe is None:
            try:
                path = self._link("exe").partition("\0")[0]
            except AccessDenied as error:
                return self._guess_exe(error)
            if path.endswith(" (deleted)") and not os.path.exists(path):
                path = path.removesuffix(" (deleted)")
            if not path:
                with contextlib.suppress(AccessDenied):
                    path = self._guess_exe(None)
            self._exe = path
        return self._exe

    def _guess_exe(self, error: AccessDenied | None) -> str:
        words = self.cmdline()
        path = words[0] if words else ""
        if os.path.isabs(path) and os.path.isfile(path) and os.access(path, os.X_OK):
            return path
        if error is not None:
            raise error
        return ""

    def cmdline(self) -> list[str]:
        """The command line, word by word; [] for a thread of the kernel."""
        text = self._command_line()
        if not text:
            return []
        # A program that has changed its title need not end it with a 0, nor put one between the words.
        between = "\0" if text.endswith("\0") else " "
        words = text.removesuffix(between).split(between)
        return words[0].split(" ") if between == "\0" and len(words) == 1 and " " in words[0] else words

    def status(self) -> str:
        """What it does now: one of the STATUS constants."""
        return _STATUSES.get(self._letter(), "?")

    def username(self) -> str:
        """The name of the real user, or the number of one without a name."""
        import pwd

        uid = self.uids().real
        try:
            return pwd.getpwuid(uid).pw_name
        except KeyError:
            return str(uid)

    def create_time(self) -> float:
        """When it was started, in seconds since 1970, to a hundredth; the same at every call."""
        if self._create_time is None:
            self._create_time = self._started_after_boot() + boot_time()
        return self._create_time

    def cwd(self) -> str:
        """Its current directory; "" for a thread of the kernel."""
        return self._link("cwd").removesuffix(" (deleted)")

    def nice(self, value: int | None = None) -> int | None:
        """Reads its priority, or sets it: 19 yields to all, -20 to none."""
        if value is not None:
            self._must_be_it()
        with self._errors():
            if value is None:
                return os.getpriority(os.PRIO_PROCESS, self._pid)
            os.setpriority(os.PRIO_PROCESS, self._pid, value)
        return None

    @contextlib.contextmanager
    def _errors(self) -> Iterator[None]:
        """Makes psutil's exceptions out of those of a system call about this process."""
        try:
            yield
        except ProcessLookupError as error:
            raise NoSuchProcess(self._pid, self._name) from error
        except PermissionError as error:
            raise AccessDenied(self._pid, self._name, error.strerror) from error

    # ---- what it uses, and may use ----

    def memory_percent(self, memtype: str = "rss") -> float:
        """A field of ``memory_full_info()`` as a share of the machine's memory, in per cent."""
        global _total_memory
        if memtype not in pfullmem._fields:
            raise ValueError(f"invalid memtype {memtype!r}; valid types are {pfullmem._fields!r}")
        read = self.memory_info if memtype in pmem._fields else self.memory_full_info
        value: int = getattr(read(), memtype)
        _total_memory = _total_memory or virtual_memory().total
        return value / _total_memory * 100

    def cpu_percent(self, interval: float | None = None) -> float:
        """How busy it kept one processor, in per cent: more than 100 when several threads ran at once.

        During the interval in seconds, which is waited for; without one, since the last such call, 0.0 at the first.
        """
        if interval is not None and interval < 0:
            raise ValueError(f"interval is not positive (got {interval!r})")
        if interval:
            self._last = (time.monotonic(), self.cpu_times())
            time.sleep(interval)
        before, self._last = self._last, (time.monotonic(), self.cpu_times())
        if before is None:
            return 0.0
        (early, old), (late, new) = before, self._last
        spent = new.user - old.user + new.system - old.system
        return round(spent / (late - early) * 100, 1) if late > early else 0.0

    def rlimit(self, resource: int, limits: Iterable[int] | None = None) -> tuple[int, int] | None:
        """(soft, hard) of a limit, one of the RLIMIT constants; or sets both."""
        if self._pid == 0:
            raise ValueError("can't use prlimit() against PID 0 process")
        if limits is None:
            self._check()
            with self._errors():
                return prlimit(self._pid, resource)
        self._must_be_it()
        pair = tuple(limits)
        if len(pair) != 2:
            raise ValueError(f"second argument must be a (soft, hard) tuple, got {limits!r}")
        with self._errors():
            prlimit(self._pid, resource, pair)
        return None

    def cgroup_limits(self) -> cgroup_limits:
        """What its control group may use, and uses: see ``kucha.resource.cgroup``."""
        with self._errors():
            return _process.cgroup(self._root, self._pid)

    # ---- its family ----

    def parent(self) -> Process | None:
        """Its parent; None where there is none to be seen."""
        try:
            parent = Process(self.ppid())
        except NoSuchProcess:
            self._check()
            return None
        return parent if parent._started <= self._started else None

    def parents(self) -> list[Process]:
        """Its parent, that one's parent, and so on."""
        found = []
        parent = self.parent()
        while parent is not None:
            found.append(parent)
            parent = parent.parent()
        return found

    def children(self, recursive: bool = False) -> list[Process]:
        """Its children, or all that descend from it by processes that still run."""
        self._must_be_it()
        self._check()
        by_parent: dict[int, list[tuple[int, int]]] = {}
        for pid, parent, started in _process.processes(self._root):
            by_parent.setdefault(parent, []).append((pid, started))
        found, seen, waiting = [], {self._pid}, [self._pid]
        while waiting:
            for pid, started in by_parent.get(waiting.pop(), ()):
                # one that is older than we are is no child: the number of its parent was given to us
                if started < self._started or pid in seen:
                    continue
                seen.add(pid)
                with contextlib.suppress(NoSuchProcess):
                    found.append(Process(pid))
                    if recursive:
                        waiting.append(pid)
        return found

    # ---- signals, and its end ----

    def send_signal(self, sig: int) -> None:
        """Sends a signal to it, and to no other process that has its number now."""
        self._must_be_it()
        if self._pid == 0:
            raise ValueError("PID 0 stands for every process of this one's group: no signal is sent")
        try:
            os.kill(self._pid, sig)
        except ProcessLookupError as error:
            self._gone = True
            raise NoSuchProcess(self._pid, self._name) from error
        except PermissionError as error:
            raise AccessDenied(self._pid, self._name) from error

    def suspend(self) -> None:
        """Stops it (SIGSTOP)."""
        self.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Lets it go on (SIGCONT)."""
        self.send_signal(signal.SIGCONT)

    def terminate(self) -> None:
        """Asks it to end (SIGTERM)."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """Ends it (SIGKILL)."""
        self.send_signal(signal.SIGKILL)

    def wait(self, timeout: float | None = None) -> int | None:
        """Waits until it has ended. Returns its exit code, or minus the signal, of a child; None of others.

        TimeoutExpired when that takes longer than the timeout in seconds.
        """
        if self._pid == 0:
            raise ValueError("can't wait for PID 0")
        if timeout is not None and not isinstance(timeout, (int, float)):
            raise TypeError(f"timeout must be an int or float (got {type(timeout)})")
        if timeout is not None and timeout < 0:
            raise ValueError(f"timeout must be positive or zero (got {timeout})")
        if self._exitcode is _UNSET:
            self._exitcode = _wait(self, timeout)
        code: int | None = self._exitcode
        return code


def _wait(process: Process, timeout: float | None) -> int | None:
    import select

    deadline = None if timeout is None else time.monotonic() + timeout
    try:
        descriptor = os.pidfd_open(process.pid)
    except OSError:  # gone, or no more descriptors: what follows finds out
        return _poll(process, deadline, timeout)
    try:
        poller = select.poll()
        poller.register(descriptor, select.POLLIN)
        if not poller.poll(None if timeout is None else int(timeout * 1000)):
            raise TimeoutExpired(timeout, process.pid, process._name)
    finally:
        os.close(descriptor)
    return _poll(process, deadline, timeout)


def _poll(process: Process, deadline: float | None, timeout: float | None) -> int | None:
    """Takes a child's exit code; of others, looks until they are gone."""
    pause = POLL_FIRST
    while True:
        try:
            pid, status = os.waitpid(process.pid, os.WNOHANG)
        except ChildProcessError:
            if not process.is_running():
                return None
        else:
            if pid != 0:
                return _exit_code(status)
        if deadline is not None and time.monotonic() >= deadline:
            raise TimeoutExpired(timeout, process.pid, process._name)
        time.sleep(pause)
        pause = min(pause * 2, POLL_MOST)


def _exit_code(status: int) -> int:
    code = os.waitstatus_to_exitcode(status)
    if code < 0:
        with contextlib.suppress(ValueError):
            return _negative_signal(-code)
    return code


@functools.lru_cache
def _negative_signal(number: int) -> int:
    """Minus the signal, as a number that knows its name."""
    import enum

    names = {item.name: -item.value for item in signal.Signals}
    kind: Any = enum.IntEnum("Negsignal", names)  # type: ignore[misc] # not literal, because signals differ
    code: int = kind(-number)
    return code


# What as_dict() gives: what is asked without arguments and changes nothing.
_ATTRIBUTES = frozenset(
    (
        "cmdline",
        "cpu_num",
        "cpu_percent",
        "cpu_times",
        "create_time",
        "cwd",
        "exe",
        "gids",
        "memory_footprint",
        "memory_full_info",
        "memory_info",
        "memory_maps",
        "memory_percent",
        "name",
        "nice",
        "num_ctx_switches",
        "num_threads",
        "pid",
        "ppid",
        "status",
        "uids",
        "username",
    )
)


def _original_has(name: str) -> bool:
    found = None if name.startswith("_") else original()
    return found is not None and hasattr(found.Process, name)


class Popen(Process):
    """``subprocess.Popen`` and ``Process`` in one; where both have a method, it is the process's."""

    __module__ = "kucha.psutil"

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        import subprocess

        self._popen = subprocess.Popen(*args, **kwargs)
        self._init(self._popen.pid, _ignore_nsp=True)

    def __enter__(self) -> Popen:
        self._popen.__enter__()
        return self

    def __exit__(self, *about: Any) -> None:
        self._popen.__exit__(*about)

    def __getattr__(self, name: str) -> Any:
        popen = self.__dict__.get("_popen")
        if popen is not None and hasattr(popen, name):
            return getattr(popen, name)
        return super().__getattr__(name)

    def wait(self, timeout: float | None = None) -> int | None:
        """Waits until it has ended, and returns its exit code."""
        if self._popen.returncode is None:
            self._popen.returncode = super().wait(timeout)
        return self._popen.returncode
