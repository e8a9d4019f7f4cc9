"""speedscope's JSON: one sampled profile for each measure, the wanted one shown first.

The format is described by the JSON schema that the npm package speedscope publishes (file-format-schema.json).
"""

from __future__ import annotations

import json

from kucha import _core
from kucha.capture import MEASURE, UNIT
from kucha.text import one_line

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from kucha.capture import Key, Profile

_SCHEMA = "https://www.speedscope.app/file-format-schema.json"
_TITLES = {
    "peak": "live at the peak",
    "live": "live at the end",
    "total": "allocated bytes",
    "blocks": "allocated blocks",
    "temporary": "temporary blocks",
}


def speedscope(profile: Profile, measure: str) -> bytes:
    """The whole capture."""
    numbers: dict[Key, int] = {}
    profiles = [_profile(profile, name, numbers) for name in MEASURE]
    frames = [_frame(key) for key in numbers]
    document = {
        "$schema": _SCHEMA,
        "name": one_line(profile.header["command"]) or "kucha",
        "exporter": f"kucha {_core.version}",
        "activeProfileIndex": list(MEASURE).index(measure),
        "shared": {"frames": frames},
        "profiles": profiles,
    }
    return json.dumps(document, separators=(",", ":")).encode()


def _frame(key: Key) -> dict[str, Any]:
    filename, line, function = key
    frame: dict[str, Any] = {"name": one_line(function or filename), "file": one_line(filename)}
    if line:
        frame["line"] = line
    return frame


def _profile(profile: Profile, measure: str, numbers: dict[Key, int]) -> dict[str, Any]:
    samples: list[list[int]] = []
    weights: list[int] = []
    for path, value in profile.paths(measure):
        samples.append([numbers.setdefault(key, len(numbers)) for key in path])
        weights.append(value)
    return {
        "type": "sampled",
        "name": _TITLES[measure],
        "unit": "bytes" if UNIT[measure] == "bytes" else "none",
        "startValue": 0,
        "endValue": sum(weights),
        "samples": samples,
        "weights": weights,
    }
