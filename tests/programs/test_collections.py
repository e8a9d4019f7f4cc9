"""Programs that people run, under kucha's collector: each collection finds what CPython's own would have found there.

The same work runs under CPython's collector, twice, and under kucha's, with collections at fixed points. At each, what
was found dead is kept (gc.DEBUG_SAVEALL) and counted by type, then collected. In a second round collections come as
they come, all ways, and what lives at the end is compared.
"""

from __future__ import annotations

import importlib.util
import json
import tempfile
from pathlib import Path

import pytest
from test_programs import PACKAGES, run_in

# How the collector is set up; the packages that all of them import are the same.
WAYS = {
    "stock": "",
    "again": "",
    "kucha": "_core.install(); _core.gc_install()",
    "eager": "_core.install(); _core.gc_install(eager=True)",
    "concurrent": "_core.install(); _core.gc_install(eager=True, concurrent=True, least=0)",
}

# look() is one collection at a fixed point, or none where they come by themselves.
BEGIN = """
import collections, gc, io, json, os, sys
from kucha import _core
BY_HAND = sys.argv[1] == "by hand"
if BY_HAND: gc.disable()
SETUP
told, heard = [], []
def kind(one): return f"{type(one).__module__}.{type(one).__qualname__}"
def living():
    # What came with the collector is gone, or is there from the beginning on. Of dicts and tuples those with nothing in
    # them that can be in a cycle need not be in the list: collectors take them out when they come by.
    gc.collect()
    gc.collect()
    return collections.Counter(kind(one) for one in gc.get_objects() if type(one) not in (dict, tuple))
first = living()
def hear(phase, info):
    if phase == "stop": heard.append((info["generation"], info["collected"], info["uncollectable"]))
def look():
    if not BY_HAND: return
    gc.set_debug(gc.DEBUG_SAVEALL)
    gc.callbacks.append(hear)
    found = gc.collect()
    kinds = collections.Counter(map(kind, gc.garbage))
    gc.garbage.clear()
    gc.set_debug(0)
    again = gc.collect()
    gc.callbacks.remove(hear)
    told.append({"found": found, "again": again, "heard": heard[:], "kinds": dict(sorted(kinds.items()))})
    heard.clear()
def end():
    lives = living()
    lives.subtract(first)
    with open("told.json", "w") as file:
        json.dump({"told": told, "lives": {name: count for name, count in sorted(lives.items()) if count}}, file)
"""

FLASK = """
from flask import Flask, abort, jsonify, render_template_string, request, session
app = Flask(__name__)
app.secret_key = "x"
seen = {}

@app.route("/hit/<name>")
def hit(name):
    seen.setdefault(name, []).append({"path": request.path, "seen": len(seen)})
    session["name"] = name
    return jsonify(len(seen[name]))

@app.route("/page/<name>")
def page(name):
    return render_template_string("{% for row in rows %}<p>{{ row.path }}</p>{% endfor %}", rows=seen.get(name, []))

@app.route("/wrong/<int:number>")
def wrong(number):
    if number % 2: abort(404)
    kept = [number]
    kept.append(kept)
    raise ValueError(kept)

for turn in range(5):
    client = app.test_client()
    for number in range(40):
        assert client.get(f"/hit/user{number % 20}").status_code == 200
        assert client.get(f"/page/user{number % 20}").status_code == 200
        assert client.get(f"/wrong/{number}").status_code in (404, 500)
    look()
"""
DJANGO = """
from django.conf import settings
settings.configure(
    ALLOWED_HOSTS=["*"], ROOT_URLCONF="__main__", SECRET_KEY="x", INSTALLED_APPS=["django.contrib.contenttypes"],
    LOGGING_CONFIG=None, DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}})
import django
django.setup()
from django.db import connection, models
from django.http import JsonResponse
from django.test import Client
from django.urls import path

class Author(models.Model):
    name = models.CharField(max_length=50)
    class Meta: app_label = "app"
class Book(models.Model):
    title = models.CharField(max_length=50)
    author = models.ForeignKey(Author, models.CASCADE, related_name="books")
    class Meta: app_label = "app"
with connection.schema_editor() as editor:
    editor.create_model(Author)
    editor.create_model(Book)

def hit(request, name):
    author, _ = Author.objects.get_or_create(name=name)
    Book.objects.create(title=f"{name}'s", author=author)
    rows = [{"title": book.title, "author": book.author.name} for book in Book.objects.select_related("author")[:20]]
    return JsonResponse({"rows": rows, "of": author.books.count()})
def wrong(request, number):
    kept = [request]
    kept.append(kept)
    raise ValueError(number)
urlpatterns = [path("hit/<str:name>", hit), path("wrong/<int:number>", wrong)]
for turn in range(5):
    client = Client(raise_request_exception=False)
    for number in range(30):
        assert client.get(f"/hit/user{number % 10}").status_code == 200
        assert client.get(f"/wrong/{number}").status_code == 500
    look()
"""
NUMPY = """
import numpy
class Cell:
    def __init__(self, row): self.row = row
for turn in range(5):
    for number in range(20):
        rows = [[number, text] for text in "abc" * 50]
        objects = numpy.empty(len(rows) + 1, dtype=object)
        objects[:-1] = [Cell(row) for row in rows]
        holder = {"array": numpy.arange(1000) * number, "view": objects[::2]}
        holder["me"] = holder
        records = numpy.zeros(10, dtype=[("x", float), ("o", object)])
        records["o"] = [holder] * 10
        try: numpy.linalg.inv(numpy.zeros((2, 2)))
        except numpy.linalg.LinAlgError as error: holder["error"] = error
        table = numpy.vectorize(lambda x: x * number, otypes=[object])(numpy.arange(20))
    look()
"""
PYTEST = """
with open("test_basket.py", "w") as file: file.write('''
import pytest

class Basket(list):
    pass

@pytest.fixture(scope="module")
def basket():
    return Basket(range(10))

@pytest.fixture
def holder(basket):
    held = {"basket": basket}
    held["me"] = held
    yield held

@pytest.mark.parametrize("number", range(20))
def test_in(basket, number, holder):
    assert (number in basket) == (number < 10)

@pytest.mark.parametrize("number", range(5))
def test_raises(number):
    with pytest.raises(ValueError, match="invalid"):
        int("x" * number)

@pytest.mark.xfail
def test_wrong(basket):
    assert basket == [*range(9), 11]
''')
import pytest
class Looks:
    def pytest_runtest_logfinish(self, nodeid): look()
sys.stdout, kept = io.StringIO(), sys.stdout
code = pytest.main(["-q", "-p", "no:cacheprovider", "-p", "no:faulthandler", "test_basket.py"], plugins=[Looks()])
sys.stdout = kept
assert code == 0
"""
PIP = """
from pip._internal.cli.main import main
sys.stdout, kept = io.StringIO(), sys.stdout
for turn in range(3):
    for words in (["list", "--path", "."], ["freeze", "--path", "."], ["debug"], ["install", "./none"]):
        main(["--disable-pip-version-check", "--no-input", *words])
        look()
sys.stdout = kept
"""
PROGRAMS = {"flask": FLASK, "django": DJANGO, "numpy": NUMPY, "pytest": PYTEST, "pip": PIP}


def run(folder: Path, name: str, way: str, schedule: str) -> dict[str, object]:
    """What a program tells of its collections; each run has a folder to itself, in which nothing is cached yet."""
    folder = Path(tempfile.mkdtemp(dir=folder))
    (folder / "app.py").write_text(BEGIN.replace("SETUP", WAYS[way]) + PROGRAMS[name] + "\nend()\n")
    done = run_in(folder, "app.py", schedule)
    assert done.returncode == 0, done.stdout + done.stderr
    told: dict[str, object] = json.loads((folder / "told.json").read_text())
    return told


@pytest.fixture(params=PROGRAMS)
def name(request: pytest.FixtureRequest) -> str:
    """A program, skipped where its package is not there."""
    chosen: str = request.param
    if not (PACKAGES / chosen).is_dir() and importlib.util.find_spec(chosen) is None:
        pytest.skip(f"{chosen} is not here; scripts/setup programs brings it")
    return chosen


def test_each_collection_finds_what_the_interpreters_own_finds(name: str, tmp_path: Path) -> None:
    stock, again, ours = (run(tmp_path, name, way, "by hand")["told"] for way in ("stock", "again", "kucha"))
    assert stock == again, "two runs of the same differ"
    assert isinstance(stock, list) and sum(one["found"] for one in stock) > 0
    assert ours == stock
    assert run(tmp_path, name, "concurrent", "by hand")["told"] == stock


@pytest.mark.parametrize("way", ["kucha", "eager", "concurrent"])
def test_the_same_lives_in_the_end_whenever_it_collects(name: str, way: str, tmp_path: Path) -> None:
    stock, ours = (run(tmp_path, name, chosen, "by itself")["lives"] for chosen in ("stock", way))
    assert ours == stock
