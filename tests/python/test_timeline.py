"""--timeline: memory and collections over time, in the capture and as a picture."""

from __future__ import annotations

import json
import os
import xml.etree.ElementTree as ElementTree
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from conftest import WATCHED, Runner
from kucha.timeline import Collections, Timeline, thinned, ticks

# Rises while ten points or more are taken, makes garbage in cycles, collects four times by hand.
PROGRAM = (
    WATCHED
    + """\
import gc
gc.disable()
before = list(gc.callbacks)
gc.collect(); gc.collect(1); gc.collect(0)
kept = []
for step in range(10):
    kept.append(bytes(1_000_000))
    wait(2)
for _ in range(500):
    a = []; a.append(a)
gc.collect()
"""
)


def document(kucha: Runner, capture: str) -> dict[str, Any]:
    done = kucha("report", "--json", capture)
    assert done.returncode == 0, done.stderr
    read: dict[str, Any] = json.loads(done.stdout)
    return read


def test_points_are_dense_and_collections_are_counted(kucha: Runner, tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(PROGRAM)
    done = kucha("run", "--timeline", "--output", "app.kucha", "app.py")
    assert done.returncode == 0
    assert "kucha: memory and collections over time are drawn in app.svg\n" in done.stderr
    assert "collections    " in done.stderr
    told = document(kucha, "app.kucha")
    points = told["timeline"]
    assert len(points) >= 8  # twenty milliseconds apart where the machine has time for it; the program waits for them
    live = [point["live_bytes"] for point in points]
    assert sum(1 for a, b in pairwise(live) if 1_000_000 <= b - a < 9_000_000) >= 3
    assert all(point["resident_bytes"] > 1 << 20 for point in points)
    last = told["collections"][-1]
    assert last["collections"] == [1, 1, 2]
    assert all(nanoseconds > 0 for nanoseconds in last["nanoseconds"])
    assert last["collected"] >= 500
    assert 0 < max(entry["longest_nanoseconds"] for entry in told["collections"]) <= sum(last["nanoseconds"])
    shown = kucha("report", "app.kucha").stdout
    assert "4 collections (1 young, 1 middle, 2 old)" in shown


def test_the_picture_is_whole_and_the_report_draws_the_same(kucha: Runner, tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(PROGRAM)
    assert kucha("run", "--quiet", "--timeline=own.svg", "-o", "app.kucha", "app.py").stderr == ""
    assert kucha("report", "--timeline", "again.svg", "app.kucha").returncode == 0
    text = (tmp_path / "own.svg").read_text()
    assert text == (tmp_path / "again.svg").read_text()
    assert os.stat(tmp_path / "own.svg").st_mode & 0o777 == 0o600
    root = ElementTree.fromstring(text)
    words = [element.text for element in root.iter("{http://www.w3.org/2000/svg}text")]
    assert {"resident", "traced", "arenas and large blocks", "young", "middle", "old"} <= set(words)
    lines = [element for element in root.iter("{http://www.w3.org/2000/svg}path") if element.get("class") == "l"]
    assert len(lines) == 3
    assert all(element.get("d", "").count("L") >= 7 for element in lines)


def test_without_it_nothing_is_watched(kucha: Runner) -> None:
    program = "import gc; gc.collect(); print(gc.callbacks)"
    assert kucha("run", "-q", "-o", "app.kucha", "-c", program).stdout == "[]\n"
    assert document(kucha, "app.kucha")["collections"] == []
    assert kucha("report", "--timeline", "app.svg", "app.kucha").returncode == 0


def test_the_functions_go_when_tracing_stops(python: Runner) -> None:
    done = python(
        "-c",
        "import gc\nfrom kucha import _core\n_core.install()\n"
        "for number in range(2):\n"
        "    _core.trace_start(capture=f'{number}.kucha', timeline=True)\n"
        "    gc.callbacks[0]('start', {}), gc.callbacks[0]('odd'), gc.callbacks[-1]('stop', None)\n"
        "    print(len(gc.callbacks))\n"
        "    if number: gc.callbacks.clear()\n"
        "    gc.collect()\n"
        "    _core.trace_stop()\n"
        "    print(len(gc.callbacks))\n",
    )
    assert (done.stdout, done.stderr) == ("2\n0\n2\n0\n", "")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--timeline=out.gif", "-o", "a.kucha"), "ends in .svg or .png, not"),
        (("--timeline", "--no-trace"), "drop one of them"),
        (("--timeline=gone/out.svg", "-o", "a.kucha"), "there is no directory"),
    ],
)
def test_what_cannot_be_drawn_is_said_before_the_program_runs(kucha: Runner, words: tuple[str, ...], said: str) -> None:
    done = kucha("run", *words, "-c", "print('ran')")
    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr


def test_a_png_is_drawn_where_matplotlib_is_and_refused_where_not(kucha: Runner, tmp_path: Path) -> None:
    assert kucha("run", "-q", "--timeline", "-o", "a$b.kucha", "-c", "pass").returncode == 0
    done = kucha("report", "--timeline", "out.png", "a$b.kucha")
    try:
        import matplotlib  # type: ignore[import-not-found]  # noqa: F401
    except ImportError:
        assert done.returncode == 2
        assert "pip install kucha[plot]" in done.stderr
        return
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "out.png").read_bytes().startswith(b"\x89PNG")


def profile(points: list[tuple[float, int, int, int, int]], collections: list[Any]) -> Any:
    header = {"command": "x", "python": "3", "pid": 1}
    return SimpleNamespace(timeline=points, collections=collections, header=header, totals={"peak_bytes": 0})


def test_collections_are_shared_out_over_the_time_before_their_point() -> None:
    points = [(float(second), 0, 0, 0, 0) for second in range(1, 13)]
    made = Collections(profile(points, [(6.0, (2, 0, 0), (500_000_000, 0, 0), 400_000_000, 7, 0)]), 0.0, 12.0)
    shares = [share[0] for share in made.shares]  # slices of a tenth of a second
    assert shares[:50] == [0.0] * 50
    assert shares[50:60] == pytest.approx([0.5] * 10)
    assert shares[61:] == [0.0] * 59
    assert made.text() == (
        "2 collections (2 young, 0 middle, 0 old), 500 ms, 4.2% of the time; longest 400 ms; 7 objects freed"
    )


def test_an_empty_capture_has_a_picture() -> None:
    from kucha.export.timeline import svg

    ElementTree.fromstring(svg(profile([], []), ""))
    assert Timeline(profile([(0.0, 1, 2, 3, 4)], [])).collections.text() == "no collections"


@pytest.mark.parametrize(("most", "unit", "marks"), [(10, 1, [0, 2, 4, 6, 8, 10]), (0.17, 0.01, [0, 0.05, 0.1, 0.15])])
def test_axes_have_round_numbers(most: float, unit: float, marks: list[float]) -> None:
    assert ticks(most, unit) == pytest.approx(marks)


def test_a_long_line_keeps_its_peaks() -> None:
    line = [(float(index), 9.0 if index == 7777 else 1.0) for index in range(10_000)]
    assert len(thinned(line)) <= 1500
    assert (7777.0, 9.0) in thinned(line)
