"""Does the work of kucha.pth where kucha runs from a build folder, and no site folder has that file.

``kucha run --follow-subprocesses`` then puts this folder in front of PYTHONPATH. The interpreter imports the first
sitecustomize that it finds, so this one starts kucha and then lets the next one, if there is any, have its turn.
"""

import os
import sys


def _step_aside() -> None:
    here = os.path.dirname(os.path.abspath(__file__))
    sys.path[:] = [place for place in sys.path if place != here]
    this = sys.modules.pop("sitecustomize")
    if "KUCHA" in os.environ or "KUCHA_TRACEMALLOC" in os.environ:
        import kucha._boot  # noqa: F401  (does its work when imported)
    try:
        import sitecustomize  # type: ignore[import-not-found]  # noqa: F401  (the user's own)
    except ModuleNotFoundError as error:
        if error.name != "sitecustomize":
            raise
        sys.modules["sitecustomize"] = this  # the interpreter looks for what it imported


_step_aside()
