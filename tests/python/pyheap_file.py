"""Writes files in pyheap's format, from a description of what is alive: for tests of the importer."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

MAGIC = 123_000_321
TYPES = {name: 0x1000 + 0x100 * number for number, name in enumerate(("list", "tuple", "dict", "set", "str", "type"))}


@dataclass
class Thing:
    """An object: contents are addresses, those of a dict keys and values in turn."""

    address: int
    type: int
    size: int = 64
    content: Iterable[int] = ()
    others: Iterable[int] = ()
    attributes: Mapping[str, int] = field(default_factory=dict)
    text: str = ""


@dataclass
class Frame:
    """A frame of a thread."""

    function: str
    file: str
    line: int
    locals: Mapping[str, int]


def _text(value: str) -> bytes:
    return struct.pack("!H", len(value.encode())) + value.encode()


def _numbers(values: Iterable[int]) -> bytes:
    found = list(values)
    return b"".join(struct.pack("!Q", number) for number in found)


def _attributes(names: list[str], values: Mapping[str, int]) -> bytes:
    found = struct.pack("!I", len(values))
    for name, value in values.items():
        head = struct.pack("!h", -1 - names.index(name)) if name in names else struct.pack("!h", len(name))
        found += head + (b"" if name in names else name.encode()) + struct.pack("!Q", value)
    return found


def _frame(frame: Frame) -> bytes:
    found = _text(frame.file) + struct.pack("!I", frame.line) + _text(frame.function)
    found += struct.pack("!I", len(frame.locals))
    return found + b"".join(_text(name) + struct.pack("!Q", value) for name, value in frame.locals.items())


def _thing(thing: Thing, names: list[str], with_texts: bool) -> bytes:
    kind = next((name for name, address in TYPES.items() if address == thing.type), "")
    content = list(thing.content)
    found = struct.pack("!QQI", thing.address, thing.type, thing.size)
    if kind in ("dict", "list", "set", "tuple"):
        found += struct.pack("!I", len(content) // 2 if kind == "dict" else len(content)) + _numbers(content)
    found += struct.pack("!I", len(list(thing.others))) + _numbers(thing.others)
    if kind not in ("dict", "list", "set", "str"):
        found += _attributes(names, thing.attributes)
    if with_texts and kind not in ("dict", "list", "set", "tuple"):
        found += _text(thing.text)
    return found


def pyheap_file(
    things: list[Thing], types: Mapping[int, str], threads: Mapping[str, list[Frame]], with_texts: bool = True
) -> bytes:
    """The bytes of a file. Names of attributes that begin with _ are written as those that are met often are."""
    often = ["__class__", "_private"]
    found = struct.pack("!QI", MAGIC, 1) + _text("2024-05-06T07:08:09+00:00") + struct.pack("!Q", with_texts)
    found += struct.pack("!I", len(TYPES))
    found += b"".join(_text(name) + struct.pack("!Q", address) for name, address in TYPES.items())
    found += struct.pack("!I", len(threads))
    for name, frames in threads.items():
        found += _text(name) + b"\1\0" + struct.pack("!I", len(frames)) + b"".join(map(_frame, frames))
    found += struct.pack("!I", len(often))
    found += b"".join(struct.pack("!h", len(name)) + name.encode() for name in often)
    common = ("str", "list", "set", "dict")
    found += struct.pack("!I", len(common))
    found += b"".join(struct.pack("!Q", TYPES[name]) + _attributes(often, {"__class__": 0x1000}) for name in common)
    found += struct.pack("!I", len(things)) + b"".join(_thing(thing, often, with_texts) for thing in things)
    all_types = {address: name for name, address in TYPES.items()} | dict(types)
    found += struct.pack("!I", len(all_types))
    found += b"".join(struct.pack("!Q", address) + _text(name) for address, name in all_types.items())
    return found + struct.pack("!Q", MAGIC)
