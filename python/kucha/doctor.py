"""``kucha doctor``: what this interpreter, kernel and container allow, what will not work, and why.

Looks and never changes anything. Each finding is a fact, with what follows from it where something does. A finding that
keeps ``kucha run`` from swapping the allocator or tracing is a *failure*; one that only narrows what kucha can do, or
that explains a number that it shows, is a *note*.
"""

from __future__ import annotations

import json
import os
import platform
import sys

from kucha import _environment
from kucha.text import one_line, size

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

GOOD, NOTE, FAILURE = "ok", "note", "fails"

# An arena of the default geometry is 4 MiB, and with its tables and the program itself a start needs some tens of
# megabytes of addresses; under 512 MiB real programs stop being able to start threads.
SMALL_ADDRESS_SPACE = 512 << 20
SMALL_MAP_COUNT = 65530  # the kernel's default: each arena is a mapping, 4 MiB each make 256 GiB


class Finding:
    """One fact."""

    __slots__ = ("follows", "level", "name", "room", "value")

    def __init__(self, name: str, value: str, level: str = GOOD, follows: str = "") -> None:
        self.room = ""
        self.name = name
        self.value = one_line(value)
        self.level = level
        self.follows = one_line(follows)


def read(path: str) -> str | None:
    """The text of a small file of the system, stripped; None where it is not there or may not be read."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read(1 << 16).strip()
    except (OSError, ValueError):
        return None


def _interpreter() -> Iterator[Finding]:
    from kucha import _core

    facts = _core.facts()
    supported = bool(facts["supported"])
    yield Finding("Python", f"{platform.python_implementation()} {platform.python_version()}, {sys.executable}")
    yield Finding("kucha", f"{_core.version}, {os.path.dirname(os.path.abspath(__file__))}")
    yield Finding(
        "allocator",
        "can be put in place" if supported else "cannot be put in place",
        GOOD if supported else FAILURE,
        "" if supported else str(facts["reason"]),
    )
    yield Finding("geometry", str(facts["geometry"]))
    if facts["free_threaded"]:
        yield Finding("threads", "free-threaded build", FAILURE, "such builds need their own allocator for objects")
    yield _objects_mode(bool(facts["refcnt tracer"]))
    yield Finding("JIT", "on" if facts["jit"] else "off")


def _objects_mode(has_tracer: bool) -> Finding:
    if has_tracer:
        return Finding("--mode objects", "available; it costs time, see docs/benchmarks.md")
    return Finding(
        "--mode objects",
        "not available",
        NOTE,
        "Python reports objects from its free lists from 3.13 on; --mode blocks works",
    )


def _surroundings() -> Iterator[Finding]:
    """Things around the interpreter that change what kucha does."""
    choice = os.environ.get("PYTHONMALLOC")
    if choice and choice not in ("default", "pymalloc"):
        yield Finding(
            "PYTHONMALLOC", choice, FAILURE, "kucha goes under the interpreter's default allocator only; unset it"
        )
    if os.environ.get("PYTHONTRACEMALLOC", "0") not in ("", "0") or "tracemalloc" in sys._xoptions:
        yield Finding(
            "tracemalloc", "starts with Python", FAILURE, "it wraps the allocator first; unset PYTHONTRACEMALLOC"
        )
    if sys.flags.dev_mode:
        yield Finding("-X dev", "on", FAILURE, "it puts debug hooks around the allocator; start without it")
    if _environment.is_off():
        yield Finding("KUCHA", "off", FAILURE, "the environment variable disables kucha; unset it")
    boot = _environment.boot_file()
    if boot:
        yield Finding("start-up file", boot)
    else:
        yield Finding(
            "start-up file",
            "no kucha.pth in a site folder",
            NOTE,
            'KUCHA="run ..." has no effect on this interpreter; pip install kucha puts the file there',
        )
    preload = os.environ.get("LD_PRELOAD")
    if preload:
        yield Finding("LD_PRELOAD", preload, NOTE, "blocks over 512 bytes come from whatever malloc this puts in place")


def _kernel() -> Iterator[Finding]:
    system = os.uname()
    known = system.sysname == "Linux" and system.machine in ("x86_64", "aarch64")
    yield Finding(
        "system",
        f"{system.sysname} {system.release}, {system.machine}",
        GOOD if known else NOTE,
        "" if known else "kucha is tested on Linux on x86-64 and aarch64",
    )
    yield Finding("page size", size(os.sysconf("SC_PAGE_SIZE")))
    yield from _huge_pages()
    yield from _permissions()
    maps = read("/proc/sys/vm/max_map_count")
    if maps and maps.isdecimal() and int(maps) < SMALL_MAP_COUNT:
        yield Finding(
            "vm.max_map_count", maps, NOTE, "each arena is a mapping of 4 MiB: large heaps run out of mappings"
        )
    overcommit = read("/proc/sys/vm/overcommit_memory")
    if overcommit == "2":
        yield Finding(
            "vm.overcommit_memory", "2", NOTE, "memory is refused by address space: tracing tables count in full"
        )


def _huge_pages() -> Iterator[Finding]:
    text = read("/sys/kernel/mm/transparent_hugepage/enabled")
    if text is None:
        yield Finding("huge pages", "not in this kernel", NOTE, "arenas are backed by ordinary pages")
        return
    chosen = text.partition("[")[2].partition("]")[0]
    if chosen == "never":
        yield Finding(
            "huge pages", "never", NOTE, "arenas are backed by ordinary pages; large heaps run a little slower"
        )
    else:
        yield Finding("huge pages", chosen)


def _permissions() -> Iterator[Finding]:
    """Whether other tools may look into running processes: kucha itself needs neither."""
    scope = read("/proc/sys/kernel/yama/ptrace_scope")
    meanings = {
        "0": "a process may attach to others of its user",
        "1": "a process may attach to its children only",
        "2": "only root may attach",
        "3": "nobody may attach",
    }
    if scope is not None:
        level = GOOD if scope == "0" else NOTE
        follows = "" if scope == "0" else "debuggers and py-spy need more rights; kucha traces from inside"
        yield Finding("ptrace scope", f"{scope}: {meanings.get(scope, 'unknown')}", level, follows)
    paranoid = read("/proc/sys/kernel/perf_event_paranoid")
    if paranoid is not None:
        strict = paranoid.lstrip("-").isdecimal() and int(paranoid) > 2
        follows = "perf can't be used beside kucha without more rights; kucha does not need it" if strict else ""
        yield Finding("perf_event_paranoid", paranoid, NOTE if strict else GOOD, follows)


def cgroup_limit(proc: str = "/proc/self/cgroup", root: str = "/sys/fs/cgroup") -> tuple[str, int | None]:
    """The version of control groups ("v1", "v2", "none") and the memory limit in bytes, None where there is none.

    The tightest limit between this process's group and the root holds. Inside a container the root that can be seen
    is often the container's own group, so the root itself is asked too.
    """
    memberships = dict(_memberships(read(proc) or ""))
    if os.path.exists(os.path.join(root, "cgroup.controllers")):
        return "v2", _tightest(root, memberships.get("", "/"), "memory.max")
    if os.path.isdir(os.path.join(root, "memory")):
        place = memberships.get("memory", "/")
        return "v1", _tightest(os.path.join(root, "memory"), place, "memory.limit_in_bytes")
    return "none", None


def _memberships(text: str) -> Iterator[tuple[str, str]]:
    """(controller, path) of each line ``id:controllers:path`` of cgroups(7); v2 has the empty controller."""
    for line in text.splitlines():
        _, controllers, path = [*line.split(":", 2), "", ""][:3]
        for controller in controllers.split(","):
            yield controller, path


def _tightest(root: str, place: str, name: str) -> int | None:
    limits = []
    parts = [part for part in place.split("/") if part and part != ".."]
    for depth in range(len(parts) + 1):
        text = read(os.path.join(root, *parts[:depth], name))
        # v1 says "no limit" by the largest multiple of a page below 2^63.
        if text and text.isdecimal() and int(text) < 1 << 62:
            limits.append(int(text))
    return min(limits, default=None)


def _container() -> Iterator[Finding]:
    signs = ("/.dockerenv", "/run/.containerenv")
    inside = next((sign for sign in signs if os.path.exists(sign)), None) or os.environ.get("container")  # noqa: SIM112 (systemd-nspawn and podman write it so)
    yield Finding("container", f"yes ({inside})" if inside else "no sign of one")
    version, limit = cgroup_limit()
    if limit is None:
        yield Finding("memory limit", f"none (control groups {version})" if version != "none" else "no control groups")
    else:
        yield Finding(
            "memory limit",
            f"{size(limit)} (control groups {version})",
            NOTE,
            "the kernel kills what goes over it; a capture then ends at most a second before",
        )


def _limits() -> Iterator[Finding]:
    import resource

    soft, _ = resource.getrlimit(resource.RLIMIT_AS)
    if soft == resource.RLIM_INFINITY:
        yield Finding("address space", "no limit")
    else:
        small = soft < SMALL_ADDRESS_SPACE
        follows = "tracing tables and arenas count against it; the program may run out sooner when traced"
        yield Finding("address space", f"limit {size(soft)}", FAILURE if small else NOTE, follows)
    soft, _ = resource.getrlimit(resource.RLIMIT_FSIZE)
    if soft != resource.RLIM_INFINITY:
        yield Finding("file size", f"limit {size(soft)}", NOTE, "a capture that reaches it stops growing, and says so")
    writable = os.access(".", os.W_OK | os.X_OK)
    yield Finding(
        "current directory",
        "can be written" if writable else "can't be written",
        GOOD if writable else NOTE,
        "" if writable else "name another place for captures: kucha run --output",
    )


_ROOMS: tuple[tuple[str, tuple[Callable[[], Iterator[Finding]], ...]], ...] = (
    ("interpreter", (_interpreter, _surroundings)),
    ("kernel", (_kernel,)),
    ("container and limits", (_container, _limits)),
)


def findings() -> list[Finding]:
    """Everything, in order."""
    found = []
    for room, lookers in _ROOMS:
        for look in lookers:
            for finding in look():
                finding.room = room
                found.append(finding)
    return found


def doctor(as_json: bool) -> int:
    """Prints the findings. Returns 0 when ``kucha run`` works here in full, else 1."""
    found = findings()
    healthy = all(finding.level != FAILURE for finding in found)
    if as_json:
        fields = ("room", "name", "value", "level", "follows")
        rows = [{field: getattr(finding, field) for field in fields} for finding in found]
        print(json.dumps({"healthy": healthy, "findings": rows}, indent=1))
        return 0 if healthy else 1
    room = ""
    for finding in found:
        if finding.room != room:
            room = finding.room
            print(f"\n{room}")
        print(f"  {finding.level:<6}{finding.name:<22}{finding.value}")
        if finding.follows:
            print(f"{'':<30}{finding.follows}")
    print("\nkucha run works here." if healthy else "\nkucha run can't trace here; see the lines that say 'fails'.")
    return 0 if healthy else 1
