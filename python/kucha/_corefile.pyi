"""The extension module behind kucha.corefile (src/cpython/core_module.c); there where libelf was at build time."""

import os
from typing import Any

_Path = str | bytes | os.PathLike[str] | os.PathLike[bytes]

def write(core: _Path, out: _Path, program: _Path | None = None, root: _Path | None = None) -> dict[str, Any]: ...
def copy(process: int, out: _Path, folder: _Path, hold: float = 0.1, patience: float = 10.0) -> dict[str, Any]: ...
def layout_differences() -> list[tuple[str, int, int]]: ...
