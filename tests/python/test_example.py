"""The example that `make run` runs: it works, and kucha finds its mistake."""

from __future__ import annotations

import json

import pytest
from conftest import TOP, Runner

EXAMPLE = TOP / "examples" / "index_stdlib.py"


def line_of(words: str) -> int:
    """The number of the line with these words."""
    (number,) = (number for number, line in enumerate(EXAMPLE.read_text().splitlines(), 1) if words in line)
    return number


def test_example_is_deterministic(python: Runner, kucha: Runner) -> None:
    stock = python(EXAMPLE, "--modules", "30")
    assert stock.returncode == 0
    assert stock.stdout.startswith("30 modules, ")
    assert kucha("run", "-q", EXAMPLE, "--modules", "30").stdout == stock.stdout


@pytest.mark.parametrize("measure", ["peak", "live"])
def test_report_points_at_the_cache(kucha: Runner, measure: str) -> None:
    done = kucha("run", "-o", "out.kucha", EXAMPLE, "--modules", "30")
    assert done.returncode == 0, done.stderr
    where = f"index_stdlib.py:{line_of('ast.parse(text, module)')} in Sources.tree, via ast.py:"
    assert where in done.stderr.split("at the peak")[1].splitlines()[1]
    assert where in done.stderr.split("live at exit    ")[1].splitlines()[1]
    read = json.loads(kucha("report", "--json", "--sort", measure, "out.kucha").stdout)
    first = read["places"][0]
    assert (first["file"], first["line"]) == (str(EXAMPLE), line_of("ast.parse(text, module)"))
    assert first[f"{measure}_bytes"] > 0.5 * read["totals"][f"{measure}_bytes"]
