"""Places where little works: removed directories, full disks, closed streams, programs that take everything apart."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import Done, Runner, clean_environment

Write = Callable[[str, str], Path]
COMMANDS = [("--help",), ("--version",), ("doctor",), ("doctor", "--json"), ("run", "--help"), ("report", "out.kucha")]
COMMANDS += [("report", "--json", "out.kucha"), ("report", "--collapsed", "-", "out.kucha")]
COMMANDS += [("report", "--diff", "out.kucha", "out.kucha")]


def shell(folder: Path, script: str, *words: str | Path) -> Done:
    """Runs a shell script in which "$@" is the command kucha with these words."""
    command = ["sh", "-c", script, "sh", sys.executable, "-m", "kucha", *map(str, words)]
    return subprocess.run(
        command, cwd=folder, env=clean_environment(), capture_output=True, text=True, timeout=280, check=False
    )


@pytest.fixture
def capture(kucha: Runner, tmp_path: Path) -> Path:
    assert kucha("run", "-q", "-o", "out.kucha", "-c", "kept = [str(i) for i in range(1000)]").returncode == 0
    return tmp_path / "out.kucha"


@pytest.mark.any_version
@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_output_that_cannot_be_written_is_one_sentence(capture: Path, words: tuple[str, ...]) -> None:
    done = shell(capture.parent, '"$@" >/dev/full', *words)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "kucha: can't write to standard output: No space left on device\n"


@pytest.mark.any_version
@pytest.mark.parametrize("words", [*COMMANDS, ("report", "missing"), ()], ids=" ".join)
def test_closed_streams_are_no_reason_for_a_traceback(capture: Path, words: tuple[str, ...]) -> None:
    assert shell(capture.parent, '"$@" 2>err >&-', *words).returncode in (0, 2)
    errors = (capture.parent / "err").read_text()
    assert "Traceback" not in errors and "Error" not in errors
    assert shell(capture.parent, '"$@" >out 2>&-', *words).returncode in (0, 2)


def test_a_reader_that_leaves_early_hears_nothing_of_us(capture: Path) -> None:
    done = shell(capture.parent, '"$@" | true', "report", "--json", capture)
    assert (done.returncode, done.stderr) == (0, "")


def in_removed(folder: Path, *words: str | Path) -> Done:
    """Runs kucha in a directory that is not there any more."""
    return shell(folder, 'mkdir gone && cd gone && rmdir ../gone && exec "$@"', *words)


@pytest.mark.any_version
def test_a_directory_that_was_removed(capture: Path) -> None:
    folder = capture.parent
    done = in_removed(folder, "run", "-c", "print(1)")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("kucha: can't write 'kucha-code.")
    assert done.stderr.endswith(": the current directory has been removed; give an absolute path\n")
    done = in_removed(folder, "run", "-q", "-o", folder / "new.kucha", "-c", "print(1)")
    assert (done.returncode, done.stdout, done.stderr) == (0, "1\n", "")
    for words in (("report", capture), ("report", "--diff", capture, capture), ("doctor",)):
        done = in_removed(folder, *words)
        assert (done.returncode, done.stderr) == (0, ""), words


def test_a_capture_that_the_program_removes(kucha: Runner, write: Write) -> None:
    path = write("program.py", "import os\nos.unlink('out.kucha')\nprint(1)\n")
    done = kucha("run", "-o", "out.kucha", path)
    assert (done.returncode, done.stdout) == (0, "1\n")
    assert [line for line in done.stderr.splitlines() if not line.startswith("kucha: ")] == []
    assert "there is no summary" in done.stderr


@pytest.fixture
def small_disk(tmp_path: Path) -> Path:
    """A folder with room for 400 KiB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=400k", "tmpfs", disk], capture_output=True, check=False)
    if made.returncode != 0:
        pytest.skip("mounting is not allowed here")
    return disk


@pytest.mark.any_version
def test_a_disk_that_fills_up(small_disk: Path) -> None:
    """The program goes on, what was written stays readable, and nothing is left half written."""
    try:
        many = "for i in range(4000): exec(f'def f{i}(): return [str(j) for j in range(3)]\\nkept = f{i}()')"
        done = shell(small_disk, '"$@"', "run", "-o", "out.kucha", "-c", f"{many}\nprint(1)")
        assert (done.returncode, done.stdout) == (0, "1\n")
        assert "No space left on device; the capture is off, the program goes on" in done.stderr
        assert shell(small_disk, '"$@"', "report", "out.kucha").returncode == 0
        (small_disk / "filler").write_bytes(b"")
        with open(small_disk / "filler", "ab", buffering=0) as filler, pytest.raises(OSError, match="No space"):
            while filler.write(bytes(4096)):
                pass
        for words in (("report", "--flamegraph", "x.svg", "out.kucha"), ("run", "-o", "x.kucha", "-c", "print(1)")):
            done = shell(small_disk, '"$@"', *words)
            assert (done.returncode, done.stdout) == (2, "")
            assert done.stderr.startswith("kucha: can't write ") and done.stderr.count("\n") == 1
        done = shell(small_disk, '"$@"', "run", "--no-trace", "-q", "--map", "x.svg", "-c", "print(1)")
        assert (done.returncode, done.stdout) == (0, "1\n")
        assert "can't write" in done.stderr
        assert sorted(os.listdir(small_disk)) in (["filler", "out.kucha"], ["filler", "out.kucha", "x.svg"])
    finally:
        subprocess.run(["umount", small_disk], check=True)


HOSTILE = {
    "no streams": "import sys; sys.stdout = sys.stderr = None",
    "no modules": "import sys; sys.modules.clear(); sys.path[:] = []",
    "no environment": "import os; os.environ.clear()",
    "other builtins": "import builtins; builtins.print = builtins.open = builtins.len = None",
    "no descriptors": "import os; os.closerange(0, 4096)",
    "no functions at exit": "import atexit; atexit._clear()",
    "profiled": "import sys; sys.setprofile(lambda *a: None); sys.settrace(lambda *a: None)",
    "frozen": "import gc; gc.disable(); gc.freeze()",
    "a daemon thread at work": """
import threading
def work():
    while True: [str(i) for i in range(1000)]
threading.Thread(target=work, daemon=True).start()
""",
    "threads that end with the program": """
import threading, time
for _ in range(8): threading.Thread(target=lambda: [time.sleep(0.001) or bytes(1000) for _ in range(50)]).start()
""",
    "a storm of signals": """
import signal
hits = []
signal.signal(signal.SIGALRM, lambda *a: hits.append(bytes(100)))
signal.setitimer(signal.ITIMER_REAL, 0.0005, 0.0005)
while len(hits) < 300: [str(i) for i in range(100)]
signal.setitimer(signal.ITIMER_REAL, 0)
""",
    "an exit in an exit": "import atexit, sys; atexit.register(lambda: sys.exit(3)); sys.exit(4)",
    "a thread that forks": """
import os, threading
def fork():
    for _ in range(5):
        pid = os.fork()
        if pid == 0: os._exit(0)
        os.waitpid(pid, 0)
threads = [threading.Thread(target=fork) for _ in range(3)]
for thread in threads: thread.start()
for thread in threads: thread.join()
""",
    "its own tracemalloc": "import tracemalloc; tracemalloc.start(3); x = [str(9)]; tracemalloc.stop()",
}


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("options", [(), ("--follow-fork", "--sample", "1k")], ids=" ".join)
def test_programs_end_as_they_do_alone(
    python: Runner, kucha: Runner, tmp_path: Path, name: str, options: tuple[str, ...]
) -> None:
    alone = python("-W", "ignore", "-c", HOSTILE[name])
    command = ("-W", "ignore", "-m", "kucha", "run", "-q", "-o", "out.kucha", *options, "-c", HOSTILE[name])
    ours = python(*command)
    assert (ours.returncode, ours.stdout) == (alone.returncode, alone.stdout)
    assert "kucha" not in ours.stderr, ours.stderr
    for capture in tmp_path.glob("out.kucha*"):
        done = kucha("report", "--json", capture)
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)["header"]["pid"]


def test_a_program_that_becomes_another(kucha: Runner) -> None:
    code = "import os, sys\nkept = bytes(5_000_000)\nos.execv(sys.executable, [sys.executable, '-c', 'print(5)'])"
    done = kucha("run", "-o", "out.kucha", "-c", code)
    assert (done.returncode, done.stdout, done.stderr) == (0, "5\n", "")
    header = json.loads(kucha("report", "--json", "out.kucha").stdout)["header"]
    assert (header["finished"], header["exit_code"]) == (False, None)


def test_names_that_are_no_text(capture: Path) -> None:
    folder = capture.parent
    script = os.fsdecode(b"\xff\xfe.py")
    (folder / script).write_text("import sys; print(len(sys.argv[1]))")
    done = shell(folder, '"$@"', "run", "-q", "-o", os.fsdecode(b"\xff.kucha"), script, os.fsdecode(b"\xfd"))
    assert (done.returncode, done.stdout, done.stderr) == (0, "1\n", "")
    done = shell(folder, '"$@"', "report", "--by", "line", os.fsdecode(b"\xff.kucha"))
    assert done.returncode == 0
    assert "\\udcff\\udcfe.py" in done.stdout


def test_complaints_are_one_line(kucha: Runner) -> None:
    done = kucha("report", "no\nsuch\x1b[31mfile")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "kucha: can't open 'no\\nsuch\\x1b[31mfile': No such file or directory\n"


def test_an_output_without_a_name_is_refused(kucha: Runner) -> None:
    for name in ("", "./"):
        done = kucha("run", "-o", name, "-c", "print(1)")
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr == f"kucha: can't write '{name}': that is not the name of a file\n"


def test_a_program_that_comes_through_a_pipe(tmp_path: Path) -> None:
    done = shell(tmp_path, "mkfifo pipe && { echo 'print(11)' >pipe & } && exec \"$@\"", "run", "-q", "-o", "a", "pipe")
    assert (done.returncode, done.stdout, done.stderr) == (0, "11\n", "")


def test_kucha_in_kucha_is_refused(kucha: Runner) -> None:
    done = kucha("run", "-q", "-o", "a", "-m", "kucha", "run", "-q", "-o", "b", "-c", "print(1)")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("kucha: this process is traced already, by kucha run")


def test_next_to_nothing_of_ours_is_in_the_capture(kucha: Runner) -> None:
    assert kucha("run", "-q", "-o", "out.kucha", "-c", "pass").returncode == 0
    places = json.loads(kucha("report", "--json", "--by", "line", "out.kucha").stdout)["places"]
    ours = [place for place in places if "/kucha/" in place["file"]]
    assert sum(place["total_blocks"] for place in ours) <= 5, ours  # the lists of arguments of the last calls
    assert sum(place["live_blocks"] for place in ours) == 0, ours
