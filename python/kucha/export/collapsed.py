"""Collapsed stacks: one line for each stack, frames from the outermost in, separated by semicolons, then a value.

The format is that of Brendan Gregg's stackcollapse scripts; flamegraph.pl, inferno, speedscope and others read it.
"""

from __future__ import annotations

from kucha.summary import place

TYPE_CHECKING = False
if TYPE_CHECKING:
    from kucha.capture import Key, Profile


def frame_name(key: Key) -> str:
    """A frame's name without the characters that the format gives a meaning."""
    filename, line, function = key
    name = f"{function} ({place((filename, line, ''))})" if function else place(key)
    return name.replace(";", ":")


def collapsed(profile: Profile, measure: str) -> bytes:
    """The whole capture; stacks that look the same are one line, sorted."""
    values: dict[str, int] = {}
    for path, value in profile.paths(measure):
        stack = ";".join(map(frame_name, path))
        values[stack] = values.get(stack, 0) + value
    return "".join(f"{stack} {value}\n" for stack, value in sorted(values.items())).encode()
