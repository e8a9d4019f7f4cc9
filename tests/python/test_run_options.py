"""Every option of `kucha run`, its summary, and what it says when something is wrong."""

from __future__ import annotations

import json
import os
import re
import signal
import stat
import sys
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import pytest
from conftest import Done, Runner, captures

Write = Callable[[str, str], Path]

# Known places: 1000 blocks of 1000 bytes stay (line 3), 2000 come and go at once (line 5), 500 are gone by the end.
PROGRAM = """
def keep():
    return [bytes(1000 - 33) for _ in range(1000)]
def churn():
    for _ in range(2000): bytes(3000)
def passing():
    return [bytes(5000) for _ in range(500)]
kept = keep()
passing()
churn()
"""


@pytest.fixture
def program(write: Write) -> Path:
    return write("program.py", PROGRAM)


def refused(done: Done, sentence: str) -> None:
    """Exit code 2, nothing on standard output, and one sentence of ours on standard error."""
    assert done.stdout == ""
    assert done.stderr == f"kucha: {sentence}\n"
    assert done.returncode == 2


def document(kucha: Runner, path: Path | str) -> dict[str, object]:
    """The whole capture."""
    done = kucha("report", "--json", path)
    assert done.returncode == 0, done.stderr
    read: dict[str, object] = json.loads(done.stdout)
    return read


def test_summary_tells_what_happened(kucha: Runner, program: Path, tmp_path: Path) -> None:
    done = kucha("run", "-o", "out.kucha", program)
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""
    text = done.stderr
    assert re.search(r"^kucha: program.py ran .* on CPython 3\.\d+\.\d+\S* and kucha \S+$", text, re.MULTILINE)
    for name in ("peak", "live at exit", "allocated", "resident", "arenas", "large blocks", "tracing", "capture"):
        assert re.search(rf"^ *{name}  ", text, re.MULTILINE), name
    at_peak, live, churn = text.split("at the peak")[1].split("capture ")[0].split("\n\n")[:3]
    assert "program.py:7 in passing" in at_peak.splitlines()[1]
    assert "return [bytes(5000)" in at_peak
    assert "program.py:3 in keep" in live.splitlines()[1]
    assert "program.py:5 in churn" in churn
    assert "kucha report out.kucha" in text


def test_capture_is_named_for_program_and_process(kucha: Runner, program: Path, tmp_path: Path) -> None:
    done = kucha("run", program)
    (capture,) = captures(tmp_path)
    assert re.fullmatch(r"kucha-program\.py\.\d+\.kucha", capture.name)
    assert capture.name in done.stderr
    assert stat.S_IMODE(capture.stat().st_mode) == 0o600


def test_quiet_says_nothing(kucha: Runner, program: Path, tmp_path: Path) -> None:
    done = kucha("run", "-q", program)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert len(captures(tmp_path)) == 1


def test_capture_counts_exactly(kucha: Runner, program: Path) -> None:
    """A bytes object of n bytes takes n + 33; the request is counted, not the block."""
    assert kucha("run", "-q", "-o", "out.kucha", program).returncode == 0
    places = {
        (Path(row["file"]).name, row["line"]): row  # type: ignore[attr-defined, index]
        for row in document(kucha, "out.kucha")["places"]  # type: ignore[attr-defined]
    }
    kept, churned, passed = (places["program.py", line] for line in (3, 5, 7))
    assert kept["live_bytes"] >= 1000 * 1000
    assert kept["live_bytes"] - 1000 * 1000 < 20_000  # the list of them
    assert 1000 <= kept["live_blocks"] <= 1005
    assert passed["live_blocks"] <= 2
    assert passed["peak_blocks"] >= 500
    assert 500 * 5033 <= passed["peak_bytes"] <= 500 * 5033 + 10_000
    assert churned["total_blocks"] >= 2000
    assert churned["temporary_blocks"] >= 1900
    assert 2000 * 3033 <= churned["total_bytes"] < 2000 * 3033 + 100_000


def test_frames_are_kept_as_many_as_asked(kucha: Runner, write: Write) -> None:
    path = write(
        "deep.py", "def f(n):\n    return f(n - 1) if n else [bytes(4000) for _ in range(100)]\nkept = f(20)\n"
    )
    for frames in (1, 5, 255):
        kucha("run", "-q", "-f", "-o", "out.kucha", "--frames", str(frames), path)
        read = document(kucha, "out.kucha")
        assert read["header"]["frames"] == frames  # type: ignore[index]
        longest = max(len(site["stack"]) for site in read["sites"])  # type: ignore[attr-defined]
        assert longest == frames if frames < 20 else longest >= 22


def test_sample_estimates(kucha: Runner, write: Write) -> None:
    path = write("program.py", "kept = [bytes(1000 - 33) for _ in range(50_000)]\n")
    done = kucha("run", "-o", "out.kucha", "--sample", "64k", path)
    assert "a sample every 64.0 KiB" in done.stderr
    read = document(kucha, "out.kucha")
    assert read["header"]["sample"] == 65536  # type: ignore[index]
    live = read["totals"]["live_bytes"]  # type: ignore[index]
    # 50 MB in samples of 64 KiB: about 760 of them, so a standard deviation of 3.6 %; eight of those either way.
    assert 0.7 * 50e6 < live < 1.3 * 50e6


def test_objects_mode(kucha: Runner, program: Path) -> None:
    done = kucha("run", "-q", "-o", "out.kucha", "--mode", "objects", program)
    if sys.version_info >= (3, 13):
        assert (done.returncode, done.stderr) == (0, "")
        assert document(kucha, "out.kucha")["header"]["mode"] == "objects"  # type: ignore[index]
    else:
        assert done.returncode == 2
        assert done.stderr.startswith("kucha: ")
        assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("option", ["--no-trace", "--allocator-only"])
def test_allocator_only_writes_no_capture(kucha: Runner, write: Write, tmp_path: Path, option: str) -> None:
    path = write("program.py", "import kucha\nprint(kucha.installed(), kucha.tracing())\n")
    done = kucha("run", option, path)
    assert done.stdout == "True False\n"
    assert "arenas" in done.stderr
    assert "at the peak" not in done.stderr
    assert captures(tmp_path) == []


def test_stats_prints_size_classes(kucha: Runner, program: Path) -> None:
    for words in (["run", "--allocator-only", "--stats"], ["stats"]):
        done = kucha(*words, program)
        assert done.returncode == 0
        assert re.search(r"\b512\b", done.stderr)
        assert re.search(r"\b16\b", done.stderr)


def test_map_draws_arenas(kucha: Runner, program: Path, tmp_path: Path) -> None:
    assert kucha("map", program).returncode == 0
    root = ElementTree.parse(tmp_path / "kucha-map.svg").getroot()
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    assert len(list(root.iter())) > 50
    refused(kucha("map", program), "'kucha-map.svg' exists already; choose another name, or replace it with --force")
    assert kucha("map", "-f", program).returncode == 0
    assert kucha("run", "-q", "--map", "other.svg", "-m", "program").returncode == 0
    assert ElementTree.parse(tmp_path / "other.svg").getroot().tag == root.tag


def test_top_limits_tables(kucha: Runner, program: Path) -> None:
    none = kucha("run", "-o", "a.kucha", "--top", "0", program).stderr
    assert "at the peak" not in none
    one = kucha("run", "-o", "b.kucha", "--top", "1", program).stderr
    assert "program.py:7" in one
    assert "program.py:3 in keep" not in one.split("live at exit    ")[0]


def test_existing_capture_is_left_alone(kucha: Runner, program: Path, tmp_path: Path) -> None:
    (tmp_path / "out.kucha").write_text("precious")
    refused(
        kucha("run", "-o", "out.kucha", program),
        "'out.kucha' exists already; choose another name, or replace it with --force",
    )
    assert (tmp_path / "out.kucha").read_text() == "precious"
    assert kucha("run", "-q", "--force", "-o", "out.kucha", program).returncode == 0
    assert (tmp_path / "out.kucha").read_bytes()[:8] != b"precious"


def test_dangling_link_and_directory_are_left_alone(kucha: Runner, program: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("nowhere")
    (tmp_path / "folder").mkdir()
    refused(
        kucha("run", "-f", "-o", "folder", program),
        "'folder' is not a regular file and is left alone; choose another name",
    )
    refused(
        kucha("run", "-f", "-o", "link", program),
        "'link' is not a regular file and is left alone; choose another name",
    )
    assert not (tmp_path / "nowhere").exists()


def test_folder_that_is_missing(kucha: Runner, program: Path) -> None:
    refused(kucha("run", "-o", "no/out.kucha", program), "can't write 'no/out.kucha': there is no directory 'no'")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_folder_that_may_not_be_written(kucha: Runner, program: Path, tmp_path: Path) -> None:
    (tmp_path / "closed").mkdir(mode=0o500)
    refused(
        kucha("run", "-o", "closed/out.kucha", program),
        "can't write 'closed/out.kucha': no permission to write in 'closed'",
    )


def test_file_system_that_refuses_is_one_sentence(kucha: Runner, program: Path) -> None:
    """/proc is a folder that root may write in as far as permissions go, and that takes no files."""
    done = kucha("run", "-o", "/proc/out.kucha", program)
    assert done.returncode == 2
    assert done.stderr.startswith("kucha: can't write ")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["run"], "nothing to run; name a script, or use -m module, -c code, or - for standard input"),
        (["run", "-q", "--"], "nothing to run; name a script, or use -m module, -c code, or - for standard input"),
        (["run", "absent.py"], "can't open file 'absent.py': there is no such file"),
        (["run", "-m"], "-m needs a value, a module"),
        (["run", "-c"], "-c needs a value, code"),
        (["run", "."], "can't run '.': it is a directory without a __main__.py"),
        (["run", "--fast", "x.py"], "unknown option --fast; see kucha run --help"),
        (
            ["run", "--no-trace", "-o", "x", "-c", "0"],
            "--no-trace leaves out what --output, --sample and --mode are about; drop one of them",
        ),
        (["run", "--frame", "5", "x.py"], "unknown option --frame (did you mean --frames?); see kucha run --help"),
        (["walk"], "unknown command 'walk'; see kucha --help"),
        (["reprot"], "unknown command 'reprot' (did you mean report?); see kucha --help"),
        (["app.py", "5"], "unknown command 'app.py'; to run a program: kucha run app.py"),
        (
            ["run", "--timeline", "x.svg", "a.py"],
            "there is no file 'x.svg'; a value of --timeline is written --timeline=x.svg",
        ),
        (["run", "-o", "/", "-c", "0"], "can't write '/': that is not the name of a file"),
        (["run", "-o", "/tmp", "-c", "0"], "can't write '/tmp': it is a directory; name a file in it"),
        (["--walk"], "unknown option '--walk'; see kucha --help"),
        (["doctor", "who"], "doctor takes no arguments, not 'who'; see kucha doctor --help"),
        (["report"], "report takes one capture, or two with --diff BEFORE AFTER; see kucha report --help"),
        (["report", "a", "b"], "report takes one capture, or two with --diff BEFORE AFTER; see kucha report --help"),
        (["stats"], "nothing to run; name a script, or use -m module, -c code, or - for standard input"),
        (["map", "absent.py"], "can't open file 'absent.py': there is no such file"),
    ],
)
def test_wrong_requests(kucha: Runner, tmp_path: Path, words: list[str], sentence: str) -> None:
    refused(kucha(*words), sentence)
    assert list(tmp_path.iterdir()) == []


def test_a_file_of_another_kind_is_told_from_what_was_asked_for(kucha: Runner, tmp_path: Path) -> None:
    assert kucha("run", "-q", "-o", "a.kucha", "-c", "0").returncode == 0
    assert kucha("heap", "dump", "-q", "-o", "a.heap", "--", "-c", "0").returncode == 0
    is_heap, is_capture = "; it is a heap file: kucha heap top a.heap", "; it is a capture: kucha report a.kucha"
    refused(kucha("report", "a.heap"), "'a.heap' can't be read as a capture: this is not a capture of kucha" + is_heap)
    wrong = "'a.kucha' can't be read as a heap file: this is not a heap file of kucha" + is_capture
    refused(kucha("heap", "top", "a.kucha"), wrong)
    refused(kucha("run", "a.kucha"), "can't run 'a.kucha': it is a capture, no program; kucha report a.kucha shows it")


def test_help_is_a_word_too(kucha: Runner) -> None:
    assert kucha("help").stdout == kucha("--help").stdout
    assert kucha("help", "report").stdout == kucha("report", "--help").stdout


def test_script_that_cannot_be_read(kucha: Runner, tmp_path: Path) -> None:
    (tmp_path / "bad.pyc").write_bytes(b"\0" * 32)
    refused(kucha("run", "bad.pyc"), "can't run 'bad.pyc': it was not compiled by this version of Python")
    assert captures(tmp_path) == []


def test_syntax_error_writes_no_capture(kucha: Runner, write: Write, tmp_path: Path) -> None:
    done = kucha("run", write("program.py", "def f(:\n"))
    assert done.returncode == 1
    assert "SyntaxError" in done.stderr
    assert captures(tmp_path) == []


def test_no_command_explains_itself(kucha: Runner) -> None:
    done = kucha()
    assert done.returncode == 2
    assert "usage: kucha" in done.stderr


def test_version_is_that_of_the_package(kucha: Runner) -> None:
    done = kucha("--version")
    assert re.fullmatch(r"kucha \d+\.\d+\.\d+\S*\n", done.stdout)
    assert kucha("-V").stdout == done.stdout


# Interpreters that kucha must not touch: the program runs all the same, unless the swap was asked for by name.
UNSAFE = [{"PYTHONMALLOC": "debug"}, {"PYTHONTRACEMALLOC": "1"}, {"PYTHONDEVMODE": "1"}, {"PYTHONMALLOC": "malloc"}]


@pytest.mark.parametrize("environment", UNSAFE, ids=lambda one: "=".join(*one.items()))
def test_unsafe_interpreter_runs_the_program_untraced(
    kucha: Runner, tmp_path: Path, environment: dict[str, str]
) -> None:
    done = kucha("run", "-c", "print('ran')", **environment)
    assert (done.returncode, done.stdout) == (0, "ran\n")
    assert done.stderr.startswith("kucha: ")
    assert done.stderr.rstrip("\n").endswith("; the program runs without it")
    assert done.stderr.count("\n") == 1
    assert captures(tmp_path) == []


@pytest.mark.parametrize("environment", UNSAFE, ids=lambda one: "=".join(*one.items()))
@pytest.mark.parametrize("option", ["--swap", "--no-trace"])
def test_swap_that_was_asked_for_by_name_stops_there(kucha: Runner, option: str, environment: dict[str, str]) -> None:
    done = kucha("run", option, "-c", "print('ran')", **environment)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("kucha: ")
    assert done.stderr.count("\n") == 1


def test_address_space_of_a_gigabyte_is_enough(python: Runner, write: Write) -> None:
    write("program.py", "kept = [bytes(100) for _ in range(200_000)]\nprint(len(kept))\n")
    starter = (
        "import resource, sys; resource.setrlimit(resource.RLIMIT_AS, (1 << 30, 1 << 30));"
        "from kucha.cli import main; sys.exit(main(['run', '-q', 'program.py']))"
    )
    done = python("-c", starter)
    assert (done.returncode, done.stdout, done.stderr) == (0, "200000\n", "")


ENDINGS = {
    "runs to its end": ("pass", 0),
    "sys.exit(3)": ("import sys; sys.exit(3)", 3),
    "a negative code": ("import sys; sys.exit(-1)", 255),
    "a message": ("import sys; sys.exit('said')", 1),
    "an exception": ("1 / 0", 1),
    "in an atexit function": ("import atexit, sys; atexit.register(sys.exit, 5)", 0),
    "an interruption": ("raise KeyboardInterrupt", 128 + signal.SIGINT),
    "standard output that cannot be flushed": ("import sys; sys.stdout = open('/dev/full', 'w'); print(1)", 120),
}


@pytest.mark.parametrize("name", ENDINGS)
def test_the_capture_says_how_the_program_ended(kucha: Runner, tmp_path: Path, name: str) -> None:
    code, expected = ENDINGS[name]
    done = kucha("run", "-q", "-o", "out.kucha", "-c", code)
    assert done.returncode in (expected, 128 - expected), done.stderr
    header = json.loads(kucha("report", "--json", "out.kucha").stdout)["header"]
    assert (header["finished"], header["exit_code"]) == (True, expected)
    line = next(line for line in kucha("report", "out.kucha").stdout.splitlines() if line.startswith("exit code"))
    assert line.split(maxsplit=2)[2].strip() == ("130 (SIGINT)" if expected == 130 else str(expected))


def test_nobody_knows_the_exit_code_of_a_program_that_leaves_at_once(kucha: Runner) -> None:
    assert kucha("run", "-q", "-o", "out.kucha", "-c", "import os; os._exit(9)").returncode == 9
    header = json.loads(kucha("report", "--json", "out.kucha").stdout)["header"]
    assert (header["finished"], header["exit_code"]) == (False, None)
    assert "exit code" not in kucha("report", "out.kucha").stdout


def test_the_exit_code_is_not_written_into_another_file(kucha: Runner, write: Write, tmp_path: Path) -> None:
    """The file under the capture's name at the very end is not the capture any more."""
    path = write(
        "program.py",
        """
import os
class Last:
    def __del__(self):
        os.rename("out.kucha", "moved.kucha")
        copy = os.open("out.kucha", os.O_WRONLY | os.O_CREAT)
        os.write(copy, os.read(os.open("moved.kucha", os.O_RDONLY), 1 << 24))
last = Last()
""",
    )
    assert kucha("run", "-q", "-o", "out.kucha", path).returncode == 0
    assert (tmp_path / "moved.kucha").read_bytes() == (tmp_path / "out.kucha").read_bytes()
