"""kucha.gil: threads that hold the lock, wait for it, or do neither, for known shares of the time."""

from __future__ import annotations

import json

import pytest
from conftest import Runner

# Prints, by the name of each thread, the shares that it held, waited and ran; and the whole report's own figures.
HEAD = """
import gc, hashlib, json, sys, threading, time
from kucha import _core, gil
def spin(seconds):
    end = time.perf_counter() + seconds
    while time.perf_counter() < end: pass
def tell(report):
    shares = {t.name: [t.held / report.seconds, t.waiting / report.seconds, t.running / report.seconds]
              for t in report.threads}
    print(json.dumps([shares, report.held / report.seconds, report.collections, report.collections_seconds,
                      report.switches, report.looks, report.waits_known, report.price / report.seconds]))
def together(*works):
    done = threading.Event()
    def keep(work):
        work(); done.wait()
    threads = [threading.Thread(target=keep, args=(work,), name=name) for name, work in works]
    for thread in threads: thread.start()
    return threads, done
"""


def test_threads_that_take_turns_share_it(python: Runner) -> None:
    done = python(
        "-c",
        HEAD + "gil.start()\n"
        "threads, done = together(('a', lambda: spin(0.9)), ('b', lambda: spin(0.9)), ('c', lambda: time.sleep(0.9)))\n"
        "time.sleep(0.85)\n"
        "report = gil.read()\n"
        "done.set()\n"
        "gil.stop()\n"
        "tell(report)\n",
    )
    assert done.returncode == 0, done.stderr
    shares, held, _, _, switches, looks, waits_known, price = json.loads(done.stdout)
    assert held > 0.8
    assert switches > 5
    assert looks > 20
    assert price < 0.2
    assert abs(shares["a"][0] - shares["b"][0]) < 0.5  # each about a half; the machine may favour one for a while
    assert shares["a"][0] + shares["b"][0] > 0.75
    assert shares["c"][0] < 0.1
    if waits_known:
        for name in ("a", "b"):  # who wants it holds it, waits for it, or has not got a processor yet
            assert sum(shares[name]) > 0.75
        assert shares["a"][1] + shares["b"][1] > 0.05
        assert sum(shares["c"]) < 0.15


def test_work_without_the_lock_is_no_holding(python: Runner) -> None:
    done = python(
        "-c",
        HEAD + "data = bytes(80_000_000)\n"
        "gil.start()\n"
        "threads, done = together(('hash', lambda: [hashlib.sha256(data) for _ in range(3)]))\n"
        "spin(0.3)\n"
        "report = gil.read()\n"
        "done.set()\n"
        "tell(report)\n",
    )
    shares, *_ = json.loads(done.stdout)
    assert shares["hash"][0] < 0.2
    assert shares["MainThread"][0] > 0.6


def test_collections_are_a_share_of_what_it_is_held(python: Runner) -> None:
    done = python(
        "-c",
        HEAD + "kept = [[number] for number in range(200_000)]\n"
        "with gil.watch() as seen:\n"
        "    for _ in range(20): gc.collect()\n"
        "tell(seen())\n"
        "print(seen())\n",
    )
    first, text = done.stdout.split("\n", 1)
    _, held, collections, seconds, *_ = json.loads(first)
    assert collections >= 20
    assert seconds > 0
    assert held > 0.5
    assert "collections took" in text
    assert "MainThread held it" in text


def test_a_program_that_sleeps_holds_nothing(python: Runner) -> None:
    done = python("-c", HEAD + "with gil.watch(0.002) as seen: time.sleep(0.5)\ntell(seen())\n")
    _, held, *_ = json.loads(done.stdout)
    assert held < 0.1


def test_errors_shrink_to_less_than_what_they_are_about(python: Runner) -> None:
    done = python(
        "-c",
        HEAD + "with gil.watch(0.0005) as seen:\n"
        "    end = time.perf_counter() + 1.0\n"
        "    while time.perf_counter() < end:\n"
        "        spin(0.004); time.sleep(0.004)\n"
        "report = seen()\n"
        "main = report.threads[0]\n"
        "print(main.held_error is not None and 0 < main.held_error < 0.3, 0.1 < main.held / report.seconds < 0.95)\n",
    )
    assert done.stdout == "True True\n", done.stderr


def test_a_fork_finds_one_thread_and_looking_goes_on(python: Runner) -> None:
    done = python(
        "-W",
        "error",
        "-c",
        HEAD + "import os\n"
        "gil.start()\n"
        "spin(0.05)\n"
        "for _ in range(3):\n"
        "    child = os.fork()\n"
        "    if child == 0: os._exit(len(os.listdir('/proc/self/task')) * 10 + _core.gil_read()['on'])\n"
        "    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 10\n"
        "before = gil.read().looks\n"
        "spin(0.2)\n"
        "print(gil.read().looks > before, len(os.listdir('/proc/self/task')))\n"
        "gil.stop()\n"
        "print(len(os.listdir('/proc/self/task')), gc.callbacks)\n",
    )
    assert (done.stdout, done.stderr) == ("True 2\n1 []\n", "")


def test_what_cannot_be_is_refused(python: Runner) -> None:
    done = python(
        "-c",
        HEAD + "def attempt(call):\n"
        "    try: call()\n"
        "    except Exception as error: print(type(error).__name__, error)\n"
        "attempt(gil.read)\n"
        "for interval in (0, 1e-9, float('nan'), 11): attempt(lambda: gil.start(interval))\n"
        "gil.stop(); gil.start(); attempt(gil.start); gil.stop(); gil.start(); gil.stop()\n",
    )
    lines = done.stdout.splitlines()
    assert lines[0] == "Refused the GIL has not been watched; call gil_start() first"
    assert lines[1:5] == ["ValueError the interval must be from 0.0001 to 10 seconds"] * 4
    assert lines[5:] == ["Refused the GIL is being watched already; stop that first"]


@pytest.mark.parametrize("words", [("--no-trace",), ("-o", "app.kucha")])
def test_the_summary_says_it_when_asked(kucha: Runner, words: tuple[str, ...]) -> None:
    done = kucha("run", "--gil", *words, "-c", "sum(range(5_000_000)); print('ran')")
    assert done.stdout == "ran\n"
    assert "\ngil            held " in done.stderr
    assert "MainThread held it" in done.stderr
    assert kucha("run", "--gil", "-q", "--no-trace", "-c", "pass").stderr == ""
