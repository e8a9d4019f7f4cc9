"""`kucha report` on the terminal, as data, and on files that are no captures."""

from __future__ import annotations

import csv
import io
import json
import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import Done, Runner, captures, clean_environment, eventually, written

PROGRAM = """
def keep():
    return [bytes(1000) for _ in range(1000)]
def passing():
    return [bytes(5000) for _ in range(500)]
def outer():
    kept = keep()
    passing()
    return kept
kept = outer()
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with program.py and its capture, out.kucha."""
    place = tmp_path_factory.mktemp("report")
    (place / "program.py").write_text(PROGRAM)
    command = [sys.executable, "-m", "kucha", "run", "-q", "-o", "out.kucha", "program.py", "an argument"]
    subprocess.run(command, cwd=place, env=clean_environment(), check=True, timeout=120)
    return place


@pytest.fixture
def capture(folder: Path) -> Path:
    return folder / "out.kucha"


def refused(done: Done) -> str:
    """One sentence of ours and exit code 2; the sentence."""
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("kucha: ")
    assert done.stderr.count("\n") == 1
    return done.stderr[len("kucha: ") : -1]


def test_terminal_report_shows_all_parts(kucha: Runner, capture: Path) -> None:
    done = kucha("report", capture)
    assert (done.returncode, done.stderr) == (0, "")
    for part in (
        "command",
        "an argument",
        "peak",
        "live at the end",
        "Top your own lines, by peak",
        "Call tree",
        "heap",
    ):
        assert part in done.stdout, part
    table = done.stdout.split("Top your own lines")[1].split("Call tree")[0]
    assert table.index("program.py:5 in passing") < table.index("program.py:3 in keep")
    assert "return [bytes(5000) for _ in range(500)]" in table
    tree = done.stdout.split("Call tree")[1]
    assert tree.index("program.py:10") < tree.index("program.py:8 in outer") < tree.index("program.py:5 in passing")


@pytest.mark.parametrize(("measure", "first"), [("peak", 5), ("live", 3), ("total", 5)])
def test_sorting(kucha: Runner, capture: Path, measure: str, first: int) -> None:
    done = kucha("report", "--csv", "--sort", measure, capture)
    rows = list(csv.DictReader(io.StringIO(done.stdout)))
    assert rows[0]["file"].endswith("program.py")
    assert rows[0]["line"] == str(first)
    column = {"peak": "peak_bytes", "live": "live_bytes", "total": "total_bytes"}[measure]
    values = [int(row[column]) for row in rows]
    assert values == sorted(values, reverse=True)


@pytest.mark.parametrize("measure", ["blocks", "temporary"])
def test_sorting_by_blocks(kucha: Runner, capture: Path, measure: str) -> None:
    rows = list(csv.DictReader(io.StringIO(kucha("report", "--csv", "-s", measure, capture).stdout)))
    values = [int(row["total_blocks" if measure == "blocks" else "temporary_blocks"]) for row in rows]
    assert values == sorted(values, reverse=True)


def test_grouping(kucha: Runner, capture: Path) -> None:
    def rows(by: str) -> list[dict[str, str]]:
        return list(csv.DictReader(io.StringIO(kucha("report", "--csv", "--by", by, capture).stdout)))

    own, line, function, file = map(rows, ("own", "line", "function", "file"))
    assert {row["function"].split(".")[0] for row in function if row["file"].endswith("program.py")} >= {
        "keep",
        "passing",
    }
    assert all(row["line"] == "" for row in function + file)
    assert len({row["file"] for row in file}) == len(file) <= len(function) <= len(line)
    totals = {sum(int(row["live_bytes"]) for row in group) for group in (own, line, function, file)}
    assert len(totals) == 1


def test_top_and_depth(kucha: Runner, capture: Path) -> None:
    assert len(kucha("report", "--csv", "--top", "1", capture).stdout.splitlines()) == 2
    shown = kucha("report", "--top", "1", capture).stdout
    assert "more; see --top" in shown
    assert "Call tree" not in kucha("report", "--depth", "0", capture).stdout
    assert "in passing" not in kucha("report", "--depth", "1", "--top", "0", capture).stdout


def test_json_holds_everything(kucha: Runner, capture: Path) -> None:
    read = json.loads(kucha("report", "--json", capture).stdout)
    assert read["header"]["finished"] is True
    assert read["header"]["command"].endswith("program.py an argument")
    assert read["header"]["frames"] == 10
    for name in ("live_bytes", "peak_bytes", "total_blocks"):
        assert sum(site[name] for site in read["sites"]) == read["totals"][name]
        assert sum(place[name] for place in read["places"]) == read["totals"][name]
    assert read["totals"]["peak_bytes"] >= 500 * 5000
    numbers = {number for site in read["sites"] for number in site["stack"]}
    assert numbers <= set(range(len(read["frames"])))
    assert read["timeline"]
    assert read["timeline"][-1]["resident_bytes"] > 1 << 20
    assert {heap["name"] for heap in read["heaps"]}


def test_only_one_thing_goes_to_standard_output(kucha: Runner, capture: Path) -> None:
    assert "choose one" in refused(kucha("report", "--json", "--csv", capture))
    assert "choose one" in refused(kucha("report", "--json", "--collapsed", "-", capture))


def test_report_needs_no_colours_in_a_pipe(kucha: Runner, capture: Path) -> None:
    assert "\x1b" not in kucha("report", capture).stdout


def test_reader_that_goes_away_is_no_error(capture: Path) -> None:
    command = f"{sys.executable} -m kucha report --json {capture} | head -c 10 >/dev/null"
    done = subprocess.run(["sh", "-c", command], env=clean_environment(), capture_output=True, text=True, check=False)
    assert "Traceback" not in done.stderr


# ---- files that are not what they should be ----


def test_file_that_is_missing(kucha: Runner) -> None:
    assert refused(kucha("report", "absent.kucha")) == "can't open 'absent.kucha': No such file or directory"


@pytest.mark.parametrize("content", [b"", b"\0", b"not a capture\n", b"\x7fELF" + bytes(4096), bytes(1 << 16)])
def test_file_that_is_no_capture(kucha: Runner, tmp_path: Path, content: bytes) -> None:
    (tmp_path / "bad.kucha").write_bytes(content)
    assert refused(kucha("report", "bad.kucha")).startswith("'bad.kucha' can't be read as a capture: ")


def test_directory_is_no_capture(kucha: Runner) -> None:
    assert "'.'" in refused(kucha("report", "."))


def test_capture_cut_anywhere_is_refused_or_read(kucha: Runner, capture: Path, tmp_path: Path) -> None:
    """A cut file is either told to be cut, or (cut behind a whole state) read as one that was not finished."""
    whole = capture.read_bytes()
    for share in (0.001, 0.1, 0.5, 0.9, 0.999):
        (tmp_path / "cut.kucha").write_bytes(whole[: int(len(whole) * share)])
        done = kucha("report", "--csv", "cut.kucha")
        if done.returncode:
            refused(done)
        else:
            assert done.stdout.startswith("file,line,function")


def test_damaged_capture_never_brings_a_traceback(capture: Path, tmp_path: Path) -> None:
    """Bytes changed at random: an answer or one sentence, for all of a hundred files, in one process."""
    whole = bytearray(capture.read_bytes())
    random.seed(1)
    names = []
    for number in range(100):
        copy = bytearray(whole)
        for _ in range(1 + number % 5):
            copy[random.randrange(len(copy))] ^= 1 << random.randrange(8)
        names.append(tmp_path / f"{number}.kucha")
        names[-1].write_bytes(copy)
    (tmp_path / "all.py").write_text(
        "import sys\nfrom kucha.cli import main\n"
        'for name in sys.argv[1:]:\n    sys.stderr.write(f\'{main(["report", "--json", name])}\\n\')\n'
    )
    done = subprocess.run(
        [sys.executable, "all.py", *map(str, names)],
        cwd=tmp_path,
        env=clean_environment(),
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0
    assert "Traceback" not in done.stderr
    codes = [line for line in done.stderr.splitlines() if not line.startswith("kucha: ")]
    assert len(codes) == 100
    assert set(codes) <= {"0", "2"}
    assert codes.count("2") == sum(line.startswith("kucha: ") for line in done.stderr.splitlines())


def test_capture_of_a_killed_program_is_read(kucha: Runner, tmp_path: Path) -> None:
    """kill -9 loses at most the last second."""
    (tmp_path / "program.py").write_text(
        "kept = [bytes(1000) for _ in range(5000)]\nprint('ready', flush=True)\nimport time\ntime.sleep(600)\n"
    )
    command = [sys.executable, "-m", "kucha", "run", "-o", "out.kucha", "program.py"]
    process = subprocess.Popen(command, cwd=tmp_path, env=clean_environment(), stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    assert eventually(lambda: written(tmp_path / "out.kucha")["live_bytes"] > 5000 * 1000)
    os.kill(process.pid, signal.SIGKILL)
    process.wait(timeout=60)
    process.stdout.close()
    read = json.loads(kucha("report", "--json", "out.kucha").stdout)
    assert read["header"]["finished"] is False
    assert read["totals"]["live_bytes"] > 5000 * 1000
    assert "not finished: it still runs, or was killed" in kucha("report", "out.kucha").stdout
    assert len(captures(tmp_path)) == 1
