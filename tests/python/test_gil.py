"""kucha.gil: threads that hold the lock, wait for it, or do neither, for known shares of the time."""

from __future__ import annotations

import pytest
from conftest import Runner

# settle() goes on working until every condition holds of the shares that were seen since the start, and prints those
# that still do not when a long time is over: however busy the machine is, shares come near to what they must be.
HEAD = """
import gc, hashlib, sys, threading, time
from kucha import _core, gil
LONG = 100
def spin(seconds):
    end = time.perf_counter() + seconds
    while time.perf_counter() < end: pass
def together(**works):
    done = threading.Event()
    def keep(work):
        while not done.is_set(): work(done)
    threads = [threading.Thread(target=keep, args=(work,), name=name) for name, work in works.items()]
    for thread in threads: thread.start()
    return done
def settle(work, *conditions):
    end = time.monotonic() + LONG
    wrong = conditions
    while wrong and time.monotonic() < end:
        work()
        r = gil.read()
        threads = {t.name: t for t in r.threads}
        def held(name): return threads[name].held / r.seconds if name in threads else 0
        def waiting(name): return threads[name].waiting / r.seconds if name in threads else 0
        def running(name): return threads[name].running / r.seconds if name in threads else 0
        def seen(name): return held(name) + waiting(name) + running(name)
        known = dict(locals())
        wrong = [condition for condition in conditions if not eval(condition, known)]
    print("settled" if not wrong else f"{wrong} in {r}")
"""


def settled(python: Runner, code: str) -> None:
    done = python("-c", HEAD + code, timeout=200)
    assert (done.returncode, done.stdout, done.stderr) == (0, "settled\n", "")


def test_threads_that_take_turns_share_it(python: Runner) -> None:
    settled(
        python,
        """
gil.start()
done = together(a=lambda done: spin(0.01), b=lambda done: spin(0.01), c=lambda done: done.wait())
settle(
    lambda: time.sleep(0.2),
    "r.looks > 20 and r.switches > 5",
    "r.held > 0.8 * r.seconds",
    "held('a') > 0.1 and held('b') > 0.1 and held('a') + held('b') > 0.75",
    "held('c') < 0.1",
    # who wants it holds it, waits for it, or has not got a processor yet
    "not r.waits_known or seen('a') > 0.75 and seen('b') > 0.75 and waiting('a') + waiting('b') > 0.05",
    "not r.waits_known or seen('c') < 0.15",
    "r.price < 0.2 * r.seconds",
)
done.set()
gil.stop()
""",
    )


def test_work_without_the_lock_is_no_holding(python: Runner) -> None:
    settled(
        python,
        """
data = bytes(20_000_000)
gil.start()
done = together(hash=lambda done: hashlib.sha256(data))
settle(
    lambda: spin(0.1),
    "r.looks > 20",
    "held('hash') < 0.2",
    "not r.waits_known or running('hash') > 0.2",
    "held('MainThread') > 0.6",
)
done.set()
""",
    )


def test_collections_are_a_share_of_what_it_is_held(python: Runner) -> None:
    settled(
        python,
        """
kept = [[number] for number in range(200_000)]
with gil.watch() as report:
    settle(gc.collect, "r.collections >= 20", "0 < r.collections_seconds", "r.held > 0.5 * r.seconds")
text = str(report())
assert "collections took" in text and "MainThread held it" in text, text
""",
    )


def test_a_program_that_sleeps_holds_nothing(python: Runner) -> None:
    settled(
        python,
        """
with gil.watch(0.002):
    settle(lambda: time.sleep(0.4), "r.looks > 20", "r.held < 0.1 * r.seconds")
""",
    )


def test_errors_shrink_to_less_than_what_they_are_about(python: Runner) -> None:
    settled(
        python,
        """
def turns():
    for _ in range(25): spin(0.004); time.sleep(0.004)
with gil.watch(0.0005):
    settle(
        turns,
        "r.threads[0].held_error is not None and 0 < r.threads[0].held_error < 0.3",
        "0.1 < r.threads[0].held / r.seconds < 0.95",
    )
""",
    )


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
        "before, end = gil.read().looks, time.monotonic() + LONG\n"
        "while gil.read().looks == before and time.monotonic() < end: spin(0.01)\n"
        "print(gil.read().looks > before, len(os.listdir('/proc/self/task')))\n"
        "gil.stop()\n"
        "print(len(os.listdir('/proc/self/task')), gc.callbacks)\n",
    )
    assert (done.stdout, done.stderr) == ("True 2\n1 []\n", "")


def test_a_fork_may_hold_the_list_of_threads(python: Runner) -> None:
    """os.fork() does from 3.13 on. It waits for the end of the thread that looks, which must not wait for that list."""
    done = python(
        "-c",
        HEAD + "import ctypes, os\n"
        "gil.start(0.0001)\n"
        "forks = []\n"
        "def late():                        # inside of fork(), before what gil.start() has to do there\n"
        "    forks.append(0)\n"
        "    time.sleep(0.02)\n"
        "function = ctypes.CFUNCTYPE(None)\n"
        "before = function(late)\n"
        "register = ctypes.CDLL(None)['__register_atfork']\n"
        "assert register(before, function(), function(), None) == 0\n"
        "for _ in range(5):\n"
        "    child = os.fork()\n"
        "    if child == 0: os._exit(0)\n"
        "    os.waitpid(child, 0)\n"
        "gil.stop()\n"
        "print(len(forks))\n",
    )
    assert (done.returncode, done.stdout) == (0, "5\n"), done.stderr


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
