"""Writes a core file of the process that calls it, as the kernel would, with no right that a test may lack.

The kernel's own cores depend on the machine (core_pattern, limits), gdb's on ptrace. This one is written by one
writev(2) out of the process's own memory: nothing of it changes meanwhile but the registers of the thread that waits.
As in the kernel's, pages that were only read out of files are left to the files, but for the first of each, which has
the file's build id (Documentation/filesystems/proc.rst, coredump_filter 0x33).

Run as a program under test, by name: it must import nothing that the program would not have.
"""

from __future__ import annotations

import ctypes
import os
import struct

PAGE = 4096
PT_LOAD, PT_NOTE = 1, 4
NT_PRPSINFO, NT_AUXV, NT_FILE = 3, 6, 0x46494C45
MACHINES = {"x86_64": 62, "aarch64": 183}
LOOKS_MOST = 20
LEFT_OUT = ("[vvar", "[vsyscall", "[vdso")


class _Iovec(ctypes.Structure):
    _fields_ = (("base", ctypes.c_void_p), ("length", ctypes.c_size_t))


def _read(name: str) -> bytes:
    with open(f"/proc/self/{name}", "rb") as file:
        return file.read()


def _note(kind: int, content: bytes) -> bytes:
    padding = b"\0" * (-len(content) % 4)
    return struct.pack("<III", 5, len(content), kind) + b"CORE\0\0\0\0" + content + padding


def _mappings() -> list[tuple[int, int, str, int, str, bool]]:
    """(start, end, permissions, offset, name, was written to) of everything that is mapped."""
    found: list[tuple[int, int, str, int, str, bool]] = []
    # Line by line: the whole of it would be a block that comes and goes with a mapping of its own.
    with open("/proc/self/smaps") as smaps:
        rows = [line.split(None, 5) for line in smaps if line[0] in "0123456789abcdef" or line.startswith("Anonymous")]
    for words in rows:
        if words[0] != "Anonymous:":
            start, end = (int(part, 16) for part in words[0].split("-"))
            name = words[5].rstrip() if len(words) > 5 else ""
            found.append((start, end, words[1], int(words[2], 16), name, False))
        elif int(words[1]) > 0:
            found[-1] = (*found[-1][:5], True)
    return found


def _without_guards(
    mappings: list[tuple[int, int, str, int, str, bool]],
) -> list[tuple[int, int, str, int, str, bool]]:
    """Without the pages beside threads' stacks that nobody may touch, though they look like any others.

    New C libraries make them so (madvise(2), MADV_GUARD_INSTALL), anywhere in a mapping, because stacks may lie beside
    each other in one; a core of the kernel's has nothing there, either.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    reader, writer = os.pipe()
    found = []
    for start, end, permissions, offset, name, written in mappings:
        if permissions[0] != "r" or name:
            found.append((start, end, permissions, offset, name, written))
            continue
        first = start
        for at in range(start, end, PAGE):
            if libc.write(writer, ctypes.c_void_p(at), 1) == 1:
                os.read(reader, 1)
                continue
            found.append((first, at, permissions, offset, name, written))
            first = at + PAGE
        found.append((first, end, permissions, offset, name, written))
    os.close(reader)
    os.close(writer)
    return [row for row in found if row[0] < row[1]]


def _segments(mappings: list[tuple[int, int, str, int, str, bool]]) -> list[tuple[int, int, int]]:
    """(start, bytes in memory, bytes in the core) of each segment."""
    chosen = []
    for start, end, permissions, offset, name, written in mappings:
        if permissions[0] != "r" or name.startswith(LEFT_OUT):
            continue
        is_file = name.startswith("/")
        head = PAGE if is_file and offset == 0 else 0
        chosen.append((start, end - start, end - start if written or not is_file else head))
    return chosen


def _file_note(mappings: list[tuple[int, int, str, int, str, bool]]) -> bytes:
    files = [row for row in mappings if row[4].startswith("/")]
    numbers = b"".join(struct.pack("<QQQ", start, end, offset // PAGE) for start, end, _, offset, _, _ in files)
    names = b"".join(name.encode() + b"\0" for _, _, _, _, name, _ in files)
    return struct.pack("<QQ", len(files), PAGE) + numbers + names


def _process_note() -> bytes:
    command = _read("cmdline").replace(b"\0", b" ")[:79]
    head = struct.pack("<BBBb4xQIIiiii", 0, 0, 0, 0, 0, os.getuid(), os.getgid(), os.getpid(), 0, 0, 0)
    return head + b"python".ljust(16, b"\0") + command.ljust(80, b"\0")


class CoreFile:
    """Everything but the memory, prepared, so that write() itself changes as little as can be."""

    def __init__(self, path: str) -> None:
        # Preparing asks for memory and frees it, so it is done again until no mapping comes or goes by it any more.
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        mappings = _without_guards(_mappings())
        for _ in range(LOOKS_MOST):
            self._prepare(mappings)
            before, mappings = mappings, _without_guards(_mappings())
            if before == mappings:
                break
        os.write(self._file, self._head)
        self._writev = ctypes.CDLL(None, use_errno=True).writev
        self._writev.restype = ctypes.c_ssize_t

    def _prepare(self, mappings: list[tuple[int, int, str, int, str, bool]]) -> None:
        segments = _segments(mappings)
        notes = _note(NT_PRPSINFO, _process_note())
        notes += _note(NT_AUXV, _read("auxv"))
        notes += _note(NT_FILE, _file_note(mappings))
        machine = MACHINES[os.uname().machine]
        head = struct.pack(
            "<16sHHIQQQIHHHHHH", b"\x7fELF\2\1\1", 4, machine, 1, 0, 64, 0, 0, 64, 56, len(segments) + 1, 0, 0, 0
        )
        at = 64 + 56 * (len(segments) + 1)
        head += struct.pack("<IIQQQQQQ", PT_NOTE, 0, at, 0, 0, len(notes), 0, 4)
        at += len(notes)
        padding = -at % PAGE
        at += padding
        for start, in_memory, in_core in segments:
            head += struct.pack("<IIQQQQQQ", PT_LOAD, 6, at, start, 0, in_core, in_memory, PAGE)
            at += in_core
        self._size = at
        self._head = head + notes + b"\0" * padding
        kept = [(start, in_core) for start, _, in_core in segments if in_core]
        self._vectors = (_Iovec * len(kept))(*kept)
        self._count = len(kept)

    def write(self) -> None:
        """Writes the memory: one call for up to 1024 pieces (IOV_MAX)."""
        self._writev(self._file, self._vectors, min(self._count, 1024))
        done = 1024
        while done < self._count:
            rest = ctypes.byref(self._vectors, done * ctypes.sizeof(_Iovec))
            self._writev(self._file, rest, min(self._count - done, 1024))
            done += 1024
        written = os.fstat(self._file).st_size
        os.close(self._file)
        assert written == self._size, (written, self._size)
