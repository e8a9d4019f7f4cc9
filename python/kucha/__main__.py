"""``python -m kucha`` is the command ``kucha``."""

from __future__ import annotations

import sys

from kucha.cli import main

__all__ = ["main"]

if __name__ == "__main__":
    sys.exit(main())
