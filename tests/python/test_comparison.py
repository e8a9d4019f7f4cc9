"""`kucha report --diff`: two captures of a program, which kept more of one thing and less of another."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import Runner, clean_environment

PROGRAM = """
import sys
def grows(n):
    return [bytes(1000) for _ in range(n)]
def shrinks(n):
    return [bytes(100) for _ in range(2000 - n)]
def stays():
    return [bytes(300) for _ in range(100)]
n = int(sys.argv[1])
kept = grows(n), shrinks(n), stays()
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the captures `before` and `after`, and one made with other settings, `deep`."""
    place = tmp_path_factory.mktemp("comparison")
    (place / "program.py").write_text(PROGRAM)
    for name, *words in (("before", "program.py", "100"), ("after", "program.py", "500")):
        run(place, "-o", name, *words)
    run(place, "-o", "deep", "--frames", "20", "program.py", "100")
    return place


def run(place: Path, *words: str) -> None:
    command = [sys.executable, "-m", "kucha", "run", "-q", *words]
    subprocess.run(command, cwd=place, env=clean_environment(), check=True, timeout=120)


def test_what_grew_and_what_shrank_is_told_largest_change_first(kucha: Runner, folder: Path) -> None:
    done = kucha("report", "--diff", folder / "before", folder / "after")
    assert (done.returncode, done.stderr) == (0, "")
    table = done.stdout.split("Top changes, by live")[1]
    grown, shrunk = table.index("program.py:4 in grows"), table.index("program.py:6 in shrinks")
    assert grown < shrunk
    assert "in stays" not in table
    assert "return [bytes(1000) for _ in range(n)]" in table
    line = next(line for line in table.splitlines() if "in grows" in line).split()
    assert (line[0][0], line[2]) == ("+", "+400")
    line = next(line for line in table.splitlines() if "in shrinks" in line).split()
    assert (line[0][0], line[2]) == ("-", "-400")


def test_the_other_way_round_changes_the_signs(kucha: Runner, folder: Path) -> None:
    there = json.loads(kucha("report", "--diff", folder / "before", "--json", folder / "after").stdout)
    back = json.loads(kucha("report", "--diff", folder / "after", "--json", folder / "before").stdout)
    assert there["totals"]["change"] == {name: -value for name, value in back["totals"]["change"].items()}
    assert there["before"] == back["after"]
    assert there["sorted_by"] == "live"


def test_numbers_are_those_of_the_two_reports(kucha: Runner, folder: Path) -> None:
    by = ("--by", "function", "--sort", "peak")
    rows = [json.loads(kucha("report", "--json", *by, folder / name).stdout)["places"] for name in ("before", "after")]
    old, new = ({(row["file"], row["function"]): row for row in places} for places in rows)
    document = json.loads(kucha("report", "--json", *by, "--diff", folder / "before", folder / "after").stdout)
    assert document["sorted_by"] == "peak"
    seen = set()
    for place in document["places"]:
        key = (place["file"], place["function"])
        seen.add(key)
        for name, value in place["change"].items():
            assert value == new.get(key, {}).get(name, 0) - old.get(key, {}).get(name, 0)
            assert value == place["after"][name] - place["before"][name]
    assert all(old.get(key) == new.get(key) for key in (old.keys() | new.keys()) - seen)


def test_csv_has_changes_and_what_was_before(kucha: Runner, folder: Path) -> None:
    done = kucha("report", "--diff", folder / "before", "--csv", "--top", "1", folder / "after")
    (row,) = csv.DictReader(io.StringIO(done.stdout))
    assert (row["function"], row["live_blocks_change"]) == ("grows", "400")
    assert int(row["live_blocks_before"]) in (100, 101)


def test_equal_captures_say_so(kucha: Runner, folder: Path) -> None:
    done = kucha("report", "--diff", folder / "before", folder / "before")
    assert done.returncode == 0
    assert done.stdout.endswith("No place differs in live.\n")


def test_other_settings_are_pointed_out(kucha: Runner, folder: Path) -> None:
    assert "traced with different frames" in kucha("report", "--diff", folder / "before", folder / "deep").stdout
    assert "note" not in kucha("report", "--diff", folder / "before", folder / "after").stdout


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--diff", "before"), "report takes one capture, or two with --diff BEFORE AFTER; see kucha report --help"),
        (("before", "after"), "report takes one capture, or two with --diff BEFORE AFTER; see kucha report --help"),
        (("--diff", "nothing", "after"), "can't open 'nothing': No such file or directory"),
        (("--diff", "program.py", "after"), "'program.py' can't be read as a capture: this is not a capture of kucha"),
        (
            ("--diff", "before", "--pprof", "new", "after"),
            "--diff compares in a table, or with --json or --csv; graphs show one capture",
        ),
    ],
)
def test_what_cannot_be_compared_is_refused(kucha: Runner, folder: Path, words: tuple[str, ...], sentence: str) -> None:
    paths = [str(folder / word) if (folder / word).exists() else word for word in words]
    done = kucha("report", *paths)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.replace(f"{folder}/", "") == f"kucha: {sentence}\n"
