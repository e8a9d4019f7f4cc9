"""The environment variable KUCHA, under an interpreter with the start-up file in a site folder, where pip puts it."""

from __future__ import annotations

import json
import subprocess
import venv
from pathlib import Path

import pytest
from conftest import TOP, Done, captures, clean_environment


class Place:
    """A virtual environment with kucha.pth, and a folder to run programs in."""

    def __init__(self, home: Path) -> None:
        self.python = home / "bin" / "python"
        self.folder = home

    def run(self, *words: str, **environment: str) -> Done:
        return subprocess.run(
            [self.python, *words],
            cwd=self.folder,
            env=clean_environment(**environment),
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The environment; the package itself comes by PYTHONPATH, as everywhere in these tests."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, with_pip=False, system_site_packages=True)
    (packages,) = folder.glob("lib/python3*/site-packages")
    (packages / "kucha.pth").write_text((TOP / "python" / "kucha.pth").read_text())
    return folder


@pytest.fixture
def place(home: Path) -> Place:
    for left in home.glob("*.kucha*"):
        left.unlink()
    return Place(home)


def document(place: Place, capture: Path | str) -> dict[str, dict[str, object]]:
    done = place.run("-m", "kucha", "report", "--json", str(capture))
    assert done.returncode == 0, done.stderr
    read: dict[str, dict[str, object]] = json.loads(done.stdout)
    return read


def test_nothing_is_imported_without_the_variable(place: Place) -> None:
    done = place.run("-c", "import sys; print([name for name in sys.modules if 'kucha' in name])")
    assert (done.stdout, done.stderr) == ("[]\n", "")


def test_program_is_traced(place: Place) -> None:
    code = "import os, kucha; kept = [bytes(1000) for _ in range(1000)]; print(kucha.tracing(), 'KUCHA' in os.environ)"
    done = place.run("-c", code, KUCHA="run --frames 5 -o out.kucha --top 1")
    assert (done.returncode, done.stdout) == (0, "True False\n")
    assert "kucha: code ran" in done.stderr
    assert "capture        out.kucha" in done.stderr
    read = document(place, "out.kucha")
    assert read["header"]["frames"] == 5
    assert str(read["header"]["command"]).endswith(code)
    assert int(str(read["totals"]["live_bytes"])) > 1000 * 1000


@pytest.mark.parametrize(
    ("words", "name"), [(["program.py", "a"], "program.py"), (["-m", "program"], "program"), (["-c", "pass"], "code")]
)
def test_capture_is_named_for_the_program(place: Place, words: list[str], name: str) -> None:
    (place.folder / "program.py").write_text("pass\n")
    assert place.run(*words, KUCHA="run -q").returncode == 0
    (capture,) = captures(place.folder)
    assert capture.name.startswith(f"kucha-{name}.")


def test_off_disables_everything(place: Place) -> None:
    assert place.run("-c", "import kucha; print(kucha.installed())", KUCHA="off").stdout == "False\n"
    done = place.run("-m", "kucha", "run", "-c", "import kucha; print(kucha.installed(), 1)", KUCHA="off")
    assert (done.returncode, done.stdout) == (0, "False 1\n")
    assert done.stderr == "kucha: KUCHA=off is set; the program runs without kucha\n"
    done = place.run("-m", "kucha", "run", "-q", "-c", "import sys; sys.exit(3)", KUCHA="off")
    assert (done.returncode, done.stderr) == (3, "")
    assert captures(place.folder) == []


@pytest.mark.parametrize("value", ["", " ", "off", " off "])
def test_values_that_ask_for_nothing(place: Place, value: str) -> None:
    done = place.run("-c", "print('ran')", KUCHA=value)
    assert (done.returncode, done.stdout, done.stderr) == (0, "ran\n", "")


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        ("on", "the environment variable KUCHA must be 'off' or begin with 'run', not 'on'"),
        ("run --fast", "unknown option --fast; see kucha run --help"),
        ("run --frames 0", "the value of --frames must be a whole number from 1 to 255, not '0'"),
        ("run app.py", "the environment variable KUCHA takes options only, not 'app.py'"),
        ("run -o 'x", "the environment variable KUCHA can't be read (No closing quotation)"),
        ("run -o no/x", "can't write 'no/x': there is no directory 'no'"),
        ("run -o bin", "can't write 'bin': it is a directory; name a file in it"),
    ],
)
def test_mistakes_in_the_variable_do_not_stop_the_program(place: Place, value: str, sentence: str) -> None:
    done = place.run("-c", "print('ran')", KUCHA=value)
    assert (done.returncode, done.stdout) == (0, "ran\n")
    assert done.stderr == f"kucha: {sentence}; the program runs without kucha\n"


def test_mistake_stops_a_program_that_insists(place: Place) -> None:
    done = place.run("-c", "print('ran')", KUCHA="run --swap -o no/x")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "kucha: can't write 'no/x': there is no directory 'no'\n"


def test_unsafe_interpreter_is_told(place: Place) -> None:
    done = place.run("-c", "print('ran')", KUCHA="run", PYTHONMALLOC="debug")
    assert (done.returncode, done.stdout) == (0, "ran\n")
    assert done.stderr.endswith("; the program runs without it\n")
    done = place.run("-c", "print('ran')", KUCHA="run --swap", PYTHONMALLOC="debug")
    assert (done.returncode, done.stdout) == (2, "")


CHILDREN = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'print(1)'], check=True)"


def test_children_inherit_when_followed(place: Place) -> None:
    odd = place.folder / "a folder"
    odd.mkdir(exist_ok=True)
    done = place.run("-c", CHILDREN, KUCHA="run -q --follow-subprocesses -o 'a folder/out.kucha'")
    assert (done.returncode, done.stdout, done.stderr) == (0, "1\n", "")
    names = [path.name for path in captures(odd)]
    assert names[0] == "out.kucha"
    assert len(names) == 2
    assert names[1].removeprefix("out.kucha.").isdigit()


def test_children_are_left_alone_otherwise(place: Place) -> None:
    assert place.run("-c", CHILDREN, KUCHA="run -q -o out.kucha").stdout == "1\n"
    assert len(captures(place.folder)) == 1


def test_grandchildren_inherit(place: Place) -> None:
    inner = CHILDREN.replace("'print(1)'", repr(CHILDREN))
    done = place.run("-c", inner, KUCHA="run -q --follow-subprocesses --append-pid -o out.kucha")
    assert (done.returncode, done.stdout, done.stderr) == (0, "1\n", "")
    names = [path.name for path in captures(place.folder)]
    assert len(names) == 3
    assert all(name.removeprefix("out.kucha.").isdigit() for name in names)


def test_run_in_a_program_that_the_variable_traces_is_refused(place: Place) -> None:
    done = place.run("-m", "kucha", "run", "-c", "print(1)", KUCHA="run -q -o out.kucha")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "kucha: this process is traced already, by kucha run or by the environment variable KUCHA\n"


def test_doctor_finds_the_start_up_file(place: Place) -> None:
    assert str(place.folder) in place.run("-m", "kucha", "doctor").stdout.split("start-up file")[1].splitlines()[0]


@pytest.mark.parametrize("ending", ["1 / 0", "exit(4)", "raise KeyboardInterrupt", "import os; os._exit(5)"])
def test_endings_are_the_programs_own(place: Place, ending: str) -> None:
    stock = place.run("-c", ending)
    ours = place.run("-c", ending, KUCHA="run -q -o out.kucha")
    assert (ours.returncode, ours.stdout, ours.stderr) == (stock.returncode, stock.stdout, stock.stderr)
    assert (place.folder / "out.kucha").exists()


ASKED = "import tracemalloc as t; print(t.__name__, t.is_tracing(), t.get_traceback_limit())"


def test_tracemalloc_is_started_and_children_inherit_it(place: Place) -> None:
    child = "import subprocess, sys; subprocess.run([sys.executable, '-c', sys.argv[1]])"
    done = place.run("-c", child, ASKED, KUCHA_TRACEMALLOC="12")
    assert (done.stdout, done.stderr) == ("kucha.tracemalloc True 12\n", "")


def test_tracemalloc_beside_a_capture_reads_that(place: Place) -> None:
    done = place.run("-c", ASKED, KUCHA="run --quiet --frames 4 -o both.kucha", KUCHA_TRACEMALLOC="12")
    assert (done.stdout, done.stderr) == ("kucha.tracemalloc True 4\n", "")
    assert (place.folder / "both.kucha").exists()


@pytest.mark.parametrize(("value", "said"), [("many", "must be a number"), ("65536", "in range"), ("-1", "must be a")])
def test_a_wrong_number_for_tracemalloc_stops_nothing(place: Place, value: str, said: str) -> None:
    done = place.run("-c", ASKED, KUCHA_TRACEMALLOC=value)
    assert done.stdout == "tracemalloc False 1\n"
    assert said in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(("value", "off"), [("", ""), ("0", ""), ("5", "off")])
def test_tracemalloc_is_left_alone_where_nothing_was_asked(place: Place, value: str, off: str) -> None:
    done = place.run("-c", ASKED, KUCHA_TRACEMALLOC=value, **({"KUCHA": off} if off else {}))
    assert (done.stdout, done.stderr) == ("tracemalloc False 1\n", "")
