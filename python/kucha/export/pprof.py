"""pprof's profile: a protobuf message (perftools.profiles.Profile), compressed with gzip.

The message needs a dozen fields of four shapes, so it is written here, by the wire format of protobuf
(protobuf.dev/programming-guides/encoding); the numbers of the fields are those of proto/profile.proto in
google/pprof. A protobuf library would be a larger dependency than this module.
"""

from __future__ import annotations

import gzip

from kucha.capture import LIVE_BLOCKS, LIVE_BYTES, PEAK_BLOCKS, PEAK_BYTES, TOTAL_BLOCKS, TOTAL_BYTES, UNKNOWN

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from kucha.capture import Key, Profile

# The first four carry the names that Go's heap profiles use, so that pprof's own switches (-inuse_space, ...) work.
_SAMPLE_TYPES = (
    ("alloc_objects", "count", TOTAL_BLOCKS),
    ("alloc_space", "bytes", TOTAL_BYTES),
    ("inuse_objects", "count", LIVE_BLOCKS),
    ("inuse_space", "bytes", LIVE_BYTES),
    ("peak_objects", "count", PEAK_BLOCKS),
    ("peak_space", "bytes", PEAK_BYTES),
)
_DEFAULT = {
    "live": "inuse_space",
    "peak": "peak_space",
    "total": "alloc_space",
    "blocks": "alloc_objects",
    "temporary": "alloc_objects",
}

# Some readers expect every location to lie in a mapped binary; there is one, and its symbols are known.
_MAPPING = 1


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _number(field: int, value: int) -> bytes:
    """A field of wire type 0; zero is the default and is left out."""
    return _varint(field << 3) + _varint(value) if value else b""


def _bytes(field: int, data: bytes) -> bytes:
    """A field of wire type 2: a message, a text, or packed numbers."""
    return _varint(field << 3 | 2) + _varint(len(data)) + data


def _packed(field: int, values: Iterable[int]) -> bytes:
    return _bytes(field, b"".join(map(_varint, values)))


class _Writer:
    """The tables of the message: texts, functions and locations, each numbered by first use."""

    def __init__(self) -> None:
        self.texts: dict[str, int] = {"": 0}  # the format wants the empty text at 0
        self.functions: dict[tuple[str, str], int] = {}
        self.locations: dict[Key, int] = {}

    def text(self, text: str) -> int:
        return self.texts.setdefault(text, len(self.texts))

    def location(self, key: Key) -> int:
        filename, _, function = key
        self.functions.setdefault((filename, function or filename), len(self.functions) + 1)
        return self.locations.setdefault(key, len(self.locations) + 1)

    def tables(self) -> bytes:
        parts = []
        for (filename, line, function), number in self.locations.items():
            owner = self.functions[filename, function or filename]
            parts.append(
                _bytes(4, _number(1, number) + _number(2, _MAPPING) + _bytes(4, _number(1, owner) + _number(2, line)))
            )
        for (filename, function), number in self.functions.items():
            name = self.text(function)
            parts.append(
                _bytes(5, _number(1, number) + _number(2, name) + _number(3, name) + _number(4, self.text(filename)))
            )
        named = b"".join(_number(field, 1) for field in (7, 8, 9))  # functions, files and lines are all there
        parts.append(_bytes(3, _number(1, _MAPPING) + _number(5, self.text("python")) + named))
        return b"".join(parts)

    def text_table(self) -> bytes:
        return b"".join(_bytes(6, text.encode("utf-8", "replace")) for text in self.texts)


def pprof(profile: Profile, measure: str) -> bytes:
    """The whole capture, gzip-compressed. The bytes depend on the capture alone."""
    writer = _Writer()
    parts = [
        _bytes(1, _number(1, writer.text(name)) + _number(2, writer.text(unit))) for name, unit, _ in _SAMPLE_TYPES
    ]
    for stack, counts in zip(profile.stacks, profile.counts, strict=True):
        values = [counts[column] for _, _, column in _SAMPLE_TYPES]
        if any(values):
            locations = [writer.location(profile.key(frame)) for frame in stack] or [writer.location(UNKNOWN)]
            parts.append(_bytes(2, _packed(1, locations) + _packed(2, values)))
    parts.append(writer.tables())
    header = profile.header
    start = header["start_time"]
    parts.append(_number(9, int(start * 1e9)))
    if header["end_time"] is not None:
        parts.append(_number(10, max(0, int((header["end_time"] - start) * 1e9))))
    parts.append(_bytes(11, _number(1, writer.text("space")) + _number(2, writer.text("bytes"))))
    parts.append(_number(12, header["sample"] or 1))
    parts.append(_varint(13 << 3) + _varint(writer.text(header["command"])))
    parts.append(_number(14, writer.text(_DEFAULT[measure])))
    parts.append(writer.text_table())
    return gzip.compress(b"".join(parts), mtime=0)
