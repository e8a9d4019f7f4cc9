"""What kucha itself keeps resident in a program that only wants its allocator and its collector."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator

import pytest
from core_child import passes

# Functions that a program of that kind runs: as it starts, as it allocates, as it collects.
USED = (
    *("PyInit__core", "ku__bridge_install", "ku__selfcheck", "ku__collector_selfcheck", "ku__collector_install"),
    *("ku__slow_malloc", "ku__plain_free", "ku__large_malloc", "ku__pool_gather", "ku__arena_take", "ku__pages_map"),
    *("ku__collector_take", "ku__collector_mark", "ku__collector_enter", "ku__marks_open", "ku__probe_young"),
    *("ku__concurrent_turn", "ku__policy_choose", "ku__roll_cover", "ku__everywhere_find", "ku__producers_begin"),
)


def symbols() -> Iterator[tuple[int, str]]:
    """Address and name of each function of the extension module."""
    path = subprocess.run(["nm", "--defined-only", core_path()], capture_output=True, text=True, check=False).stdout
    for line in path.splitlines():
        address, kind, name = line.split()
        if kind in "tT":
            yield int(address, 16), name


def core_path() -> str:
    """The file of kucha._core."""
    from kucha import _core

    return str(_core.__file__)


@pytest.mark.skipif(shutil.which("nm") is None, reason="nm (binutils) is missing")
def test_code_that_every_program_runs_lies_together() -> None:
    """The kernel maps code by the sixteen pages: what lies scattered brings the whole module into memory."""
    found = list(symbols())
    places = [address for address, name in found if name in USED]
    if len(places) < len(USED):
        pytest.skip("the module has no symbols")
    whole = max(found)[0] - min(found)[0]
    assert max(places) - min(places) < whole * 0.4


def test_tables_of_a_collection_go_back_where_collections_are_rare() -> None:
    """They are as long as the heap, and a program that collects once a minute has no use for them in between."""
    passes("""
import gc, time
install()
_core.gc_install()
for _ in range(20):
    time.sleep(0.5)
    gc.collect()
    if _core.gc_status()["tables"] == 0: break
else:
    raise AssertionError(_core.gc_status())
kept = [[i] for i in range(1000)]
cycle = []; cycle.append(cycle); del cycle
assert gc.collect() == 1 and len(kept) == 1000
""")


def test_tables_stay_where_collections_follow_each_other() -> None:
    passes("""
import gc
install()
_core.gc_install()
for _ in range(20):
    gc.collect()
    if _core.gc_status()["tables"] != 0: break
else:
    raise AssertionError(_core.gc_status())
""")
