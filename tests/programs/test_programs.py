"""Programs that people run, under ``kucha run --heap-dump``: they do what they do without, and every verb of
``kucha heap`` answers about what they left.

Flask, Django and NumPy come by ``scripts/setup programs``; a program whose package is not there is skipped.
"""

from __future__ import annotations

import csv
import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

TOP = Path(__file__).resolve().parents[2]
PACKAGES = TOP / ".venv" / "programs"

FLASK = """
from flask import Flask, jsonify, request
app = Flask(__name__)
sessions = {}

@app.route("/hit/<name>")
def hit(name):
    sessions.setdefault(name, []).append({"path": request.path, "seen": len(sessions)})
    return jsonify(len(sessions[name]))

client = app.test_client()
for number in range(200):
    assert client.get(f"/hit/user{number % 20}").status_code == 200
print(len(sessions), sum(map(len, sessions.values())))
"""
DJANGO = """
from django.conf import settings
settings.configure(
    ALLOWED_HOSTS=["*"], ROOT_URLCONF="app", SECRET_KEY="x", INSTALLED_APPS=["django.contrib.contenttypes"],
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}})
import django
django.setup()
from django.http import JsonResponse
from django.test import Client
from django.urls import path
seen = []

def hit(request, name):
    seen.append({"name": name, "path": request.path})
    return JsonResponse({"seen": len(seen)})

urlpatterns = [path("hit/<str:name>", hit)]
if __name__ == "__main__":
    import sys
    sys.modules["app"] = sys.modules["__main__"]
    client = Client()
    for number in range(200):
        assert client.get(f"/hit/user{number % 20}").status_code == 200
    print(len(seen))
"""
NUMPY = """
import numpy
rows = {f"column{number}": numpy.arange(1000) * number for number in range(100)}
objects = numpy.array([{"number": number} for number in range(500)], dtype=object)
table = numpy.stack(list(rows.values()))
print(int(table.sum()), len(objects), numpy.linalg.norm(table[3]) > 0)
"""
TESTS = """
import pytest

class Basket(list):
    pass

@pytest.fixture(scope="module")
def basket():
    return Basket(range(10))

@pytest.mark.parametrize("number", range(30))
def test_in(basket, number):
    assert (number in basket) == (number < 10)
"""
# What is run, by name: the package that it needs, its file and that file's text, the words of the command.
PROGRAMS = {
    "flask": ("flask", "app.py", FLASK, ["app.py"]),
    "django": ("django", "app.py", DJANGO, ["app.py"]),
    "numpy": ("numpy", "app.py", NUMPY, ["app.py"]),
    "pytest": ("pytest", "test_basket.py", TESTS, ["-m", "pytest", "-q", "-p", "no:cacheprovider", "test_basket.py"]),
    "pip": ("pip", "empty.txt", "", ["-m", "pip", "--disable-pip-version-check", "list", "--path", "."]),
}
# Behind a program's text: what the interpreter's own collector knows, by type, and a wait.
COUNTED = """
import collections, gc, json, sys
gc.collect()
gc.disable()
counts = collections.Counter(f"{type(item).__module__}.{type(item).__qualname__}" for item in gc.get_objects())
print(json.dumps(counts), flush=True)
sys.stdin.read()
"""
VERBS = ("top", "tree", "suspects", "pins", "duplicates", "slack")


def environment() -> dict[str, str]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("KUCHA")}
    path = os.pathsep.join([os.environ.get("PYTHONPATH", ""), str(PACKAGES)])
    return inherited | {"PYTHONPATH": path, "COLUMNS": "200", "PYTHONHASHSEED": "0"}


def run_in(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Runs the interpreter in a folder, with what was installed for these programs."""
    command = [sys.executable, *words]
    return subprocess.run(
        command, cwd=folder, env=environment(), capture_output=True, text=True, timeout=280, check=False
    )


def ask(folder: Path, *words: str) -> str:
    """What the interpreter answers; it must not complain."""
    done = run_in(folder, *words)
    assert (done.returncode, done.stderr) == (0, ""), (words, done.stdout, done.stderr)
    return done.stdout


@pytest.fixture(scope="module", params=PROGRAMS)
def program(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the heap files of a program: at its end, and of the same once more."""
    package, file, text, words = PROGRAMS[request.param]
    if not (PACKAGES / package).is_dir() and importlib.util.find_spec(package) is None:
        pytest.skip(f"{package} is not here; scripts/setup programs brings it")
    folder = tmp_path_factory.mktemp(request.param)
    (folder / file).write_text(text)
    plain = ask(folder, *words)
    for name in ("first", "again"):
        options = ["-q", "-o", f"{name}.kucha", "--heap-dump", f"{name}.heap"]
        under = ask(folder, "-m", "kucha", "run", *options, *words)
        if request.param != "pytest":  # which tells how long it took
            assert under == plain
    return folder


def test_every_verb_answers(program: Path) -> None:
    for verb in VERBS:
        assert ask(program, "-m", "kucha", "heap", verb, "first.heap")
        assert json.loads(ask(program, "-m", "kucha", "heap", verb, "--json", "--top", "5", "first.heap"))
    for by in ("type", "module", "site", "size", "age"):
        assert ask(program, "-m", "kucha", "heap", "top", "--by", by, "first.heap")
    assert "born" in ask(program, "-m", "kucha", "heap", "diff", "first.heap", "again.heap")
    for ending in ("heapsnapshot", "csv", "json", "dot"):
        ask(program, "-m", "kucha", "heap", "export", "-f", "first.heap", "-o", f"first.{ending}")
        assert (program / f"first.{ending}").stat().st_size > 1000


def test_objects_are_reached_by_names(program: Path) -> None:
    found = ask(program, "-m", "kucha", "heap", "query", "--json", "--sort", "retained", "first.heap", "type = 'dict'")
    for node in json.loads(found)["nodes"][:10]:
        shown = ask(program, "-m", "kucha", "heap", "path", "first.heap", node["address"])
        assert shown.startswith(("modules\n", "interpreter\n", "immortal\n", "thread ", "C or unknown\n")), shown
        assert ask(program, "-m", "kucha", "heap", "holders", "first.heap", node["address"])
    merged = ask(program, "-m", "kucha", "heap", "path", "--where", "type = 'function'", "first.heap")
    assert "module" in merged and "function" in merged


def test_tables_and_exports_have_one_sum(program: Path) -> None:
    """Rows of CSV and JSON, as Python's own modules read them, and the histogram; arenas are drawn by every key."""
    types = json.loads(ask(program, "-m", "kucha", "heap", "top", "--json", "--top", "1000000", "first.heap"))
    for ending in ("csv", "json"):
        ask(program, "-m", "kucha", "heap", "export", "-f", "first.heap", "-o", f"sum.{ending}")
    with (program / "sum.csv").open(newline="", encoding="utf-8", errors="surrogateescape") as file:
        rows = list(csv.DictReader(file))
    nodes = json.loads((program / "sum.json").read_bytes())["nodes"]
    kept = [row for row in rows if "free" not in row["flags"].split()]
    assert sum(kind["objects"] for kind in types) == len(kept)
    assert sum(kind["bytes"] for kind in types) == sum(int(row["size"]) for row in kept)
    assert sum(kind["slack"] for kind in types) == sum(int(row["slack"]) for row in kept)
    assert [int(row["address"]) for row in rows] == [node["address"] for node in nodes]
    for by in ("type", "age", "site", "class"):
        ask_loudly(program, "-m", "kucha", "map", "-f", "--by", by, "-o", f"{by}.svg", "first.heap")
        assert (program / f"{by}.svg").read_text().startswith("<svg")


def ask_loudly(folder: Path, *words: str) -> str:
    """What a command says on standard error; it must succeed."""
    done = run_in(folder, *words)
    assert done.returncode == 0, (words, done.stdout, done.stderr)
    return done.stderr


@pytest.mark.parametrize("name", ["flask", "django", "numpy"])
def test_a_program_without_kucha_has_what_its_collector_knows(name: str, tmp_path: Path) -> None:
    package, file, text, words = PROGRAMS[name]
    if not (PACKAGES / package).is_dir() and importlib.util.find_spec(package) is None:
        pytest.skip(f"{package} is not here; scripts/setup programs brings it")
    pytest.importorskip("kucha._corefile", reason="this build has no libelf")
    (tmp_path / file).write_text(text + COUNTED)
    process = subprocess.Popen(
        [sys.executable, *words],
        cwd=tmp_path,
        env=environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        process.stdout.readline()
        counts = json.loads(process.stdout.readline())
        done = run_in(tmp_path, "-m", "kucha", "heap", "dump", str(process.pid), "-o", "living.heap")
        if "can't be read" in done.stderr:
            pytest.skip(done.stderr)
        assert done.returncode == 0, done.stderr
        refused = run_in(tmp_path, "-m", "kucha", "map", str(process.pid))
        assert (refused.returncode, "pymalloc's" in refused.stderr) == (2, True)
    finally:
        process.communicate("", timeout=280)
    assert process.returncode == 0
    question = ["-m", "kucha", "heap", "top", "--json", "--top", "1000000", "living.heap", "--where", "tracked"]
    seen = {kind["name"]: kind["objects"] for kind in json.loads(ask(tmp_path, *question))}
    # none of these is made by counting; one may go with what the count itself was made of
    for kind in ("builtins.function", "builtins.module", "builtins.type", "builtins.property"):
        assert abs(seen.get(kind.removeprefix("builtins."), 0) - counts.get(kind, 0)) <= 2, kind
    for verb in VERBS:
        if verb != "pins":
            assert ask(tmp_path, "-m", "kucha", "heap", verb, "living.heap")
