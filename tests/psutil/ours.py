"""A pytest plugin that puts kucha.psutil in psutil's place before psutil's own tests import it.

psutil itself must be installed: what is not kucha's passes through to it. The parts of psutil that its tests reach into
(_common, _pslinux, ...) are left in reach under their names, so that a test that only reads something there still runs;
what a test changes there changes psutil, and not kucha.
"""

from __future__ import annotations

import importlib
import sys

import psutil
from kucha import _psutil_process
from kucha import psutil as ours

INSIDE = ("_common", "_ntuples", "_pslinux", "_psposix", "_psutil_linux")

assert _psutil_process.original() is psutil
for name in INSIDE:
    setattr(ours, name, importlib.import_module(f"psutil.{name}"))
for name in ("_psplatform", "_set_debug"):
    setattr(ours, name, getattr(psutil, name))
sys.modules["psutil"] = ours
