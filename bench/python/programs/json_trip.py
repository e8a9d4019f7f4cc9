"""JSON there and back: a document of a thousand records is written as text and read again, over and over.

The decoder makes dicts, lists, floats and strings in C; the encoder makes many short strings and joins them.
"""

from __future__ import annotations

import json

RECORDS = 1000
TRIPS = 80


def document() -> dict[str, object]:
    """Build the document: nested records with the types that JSON has."""
    records = [
        {
            "id": number,
            "name": f"record {number}",
            "tags": [f"tag{number % 7}", f"tag{number % 11}", "common"],
            "position": {"x": number * 0.5, "y": number / 3, "z": None},
            "active": number % 2 == 0,
            "note": "ключ и значение" if number % 10 == 0 else "plain text",
        }
        for number in range(RECORDS)
    ]
    return {"version": 3, "records": records}


def run(scale: float) -> int:
    """Do the work and return a checksum that depends on every trip."""
    value: object = document()
    checksum = 0
    for trip in range(max(1, int(TRIPS * scale))):
        text = json.dumps(value, indent=1 if trip % 8 == 0 else None)
        value = json.loads(text)
        checksum += len(text)
    return checksum
