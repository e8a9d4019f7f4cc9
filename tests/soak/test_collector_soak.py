"""A program that goes on and on under kucha's collector: what it holds does not grow, and what it keeps stays right.

Runs for KUCHA_SOAK_SECONDS (5) each way; `make test-long` asks for ten minutes.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

SECONDS = float(os.environ.get("KUCHA_SOAK_SECONDS", "5"))
WAYS = {"ordinary": "", "concurrent": "concurrent=True, least=0"}

PROGRAM = """
import asyncio, gc, os, random, sys, threading, time, weakref
from kucha import _core
_core.install()
_core.gc_install(WAY)
SECONDS = float(sys.argv[1])
LIVE, CHANGES = 20000, 4000
SLACK = 16 << 20    # pools of other classes, stacks of threads, what the C library keeps

class Plain:
    made = gone = 0
    def __init__(self, number, other):
        self.number, self.other, self.me = number, other, self
        Plain.made += 1
    def __del__(self): Plain.gone += 1
class Slotted:
    __slots__ = ("number", "other", "__weakref__")
    def __init__(self, number, other): self.number, self.other = number, other
class Reviving:
    kept = []
    def __init__(self, number, other): self.number, self.other, self.me = number, other, self
    def __del__(self):
        if len(Reviving.kept) < 100: Reviving.kept.append(self)
class Row(list): pass

called = 0
def note(reference):
    global called
    called += 1
def numbers(number, other):
    me = yield
    while True: yield number, other, me
def make(rng, number, other):
    kind = rng.randrange(8)
    if kind == 0: return Plain(number, other)
    if kind == 1: return Slotted(number, other)
    if kind == 2: return Reviving(number, other)
    if kind == 3: return Row([number, other, bytes(rng.randrange(2000))])
    if kind == 4: return {"number": number, "other": other, "text": str(number) * 9}
    if kind == 5:
        generator = numbers(number, other)
        next(generator); generator.send(generator)
        return generator
    if kind == 6:
        def inner(): return number, other, inner
        return inner
    return (number, other, [number] * rng.randrange(40))
def number_of(one):
    if isinstance(one, (Plain, Slotted, Reviving)): return one.number
    if isinstance(one, dict): return one["number"]
    if isinstance(one, (list, tuple)): return one[0]
    return (next(one) if hasattr(one, "send") else one())[0]

def change(rng, live, references):
    for _ in range(CHANGES):
        place = rng.randrange(LIVE)
        # One in five holds another one: rows of a few, or all that ever was would be kept.
        made = make(rng, place, live[rng.randrange(LIVE)] if rng.random() < 0.2 else None)
        if isinstance(made, (Plain, Slotted, Row)) and place % 7 == 0: references[place] = weakref.ref(made, note)
        live[place] = made
def work(seed):
    rng, mine = random.Random(seed), []
    for number in range(2000): mine.append(make(rng, number, None))
async def wait(number):
    task = asyncio.current_task()
    await asyncio.sleep(0)
    return number, task
async def tasks(): return sum(number for number, _ in await asyncio.gather(*(wait(n) for n in range(100))))
def fork():
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            work(1); gc.collect(); code = 0
        finally: os._exit(code)
    assert os.waitpid(pid, 0)[1] == 0

def resident():
    with open("/proc/self/statm") as file: return int(file.read().split()[1]) * os.sysconf("SC_PAGESIZE")

rng, references = random.Random(1), {}
live = [make(rng, place, None) for place in range(LIVE)]
began, turn, most, outstanding = time.monotonic(), 0, [0, 0, 0], 0
while (share := (time.monotonic() - began) / SECONDS) < 1 or turn < 60:
    turn += 1
    change(rng, live, references)
    Reviving.kept.clear()
    if turn % 10 == 0:
        threads = [threading.Thread(target=work, args=(seed,)) for seed in range(3)]
        for thread in threads: thread.start()
        for thread in threads: thread.join()
        assert asyncio.run(tasks()) == 4950
    if turn % 40 == 0: fork()
    if turn % 100 == 0: gc.collect()
    third = min(int(share * 3), 2)
    most[third] = max(most[third], resident())
    outstanding = max(outstanding, Plain.made - Plain.gone)
    if turn % 20 == 0: assert all(number_of(one) == place for place, one in enumerate(live))
assert most[2] <= max(most[0], most[1]) + SLACK, most
assert outstanding < LIVE, outstanding
assert called > 0
live.clear(); Reviving.kept.clear()
for _ in range(5): gc.collect(); Reviving.kept.clear()
Reviving.__del__ = lambda self: None
gc.collect()
assert Plain.made == Plain.gone and not [one for one in gc.get_objects() if isinstance(one, (Plain, Slotted, Row))]
told = _core.gc_status()["concurrent"]
print(turn, "turns; resident at most, by thirds, MiB:", *(number >> 20 for number in most), "; at most", outstanding,
      "of a class alive;", told)
assert told is None or told["begun"] > 0 and told["lost"] == 0, told
"""


@pytest.mark.timeout(4 * SECONDS + 240)
@pytest.mark.parametrize("way", WAYS)
def test_what_a_program_holds_does_not_grow(way: str, tmp_path: Path) -> None:
    program = tmp_path / "soak.py"
    program.write_text(PROGRAM.replace("WAY", WAYS[way]))
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("KUCHA")}
    done = subprocess.run(
        [sys.executable, program, str(SECONDS)],
        env=inherited,
        capture_output=True,
        text=True,
        timeout=4 * SECONDS + 180,
        check=False,
    )
    print(done.stdout)
    assert (done.returncode, done.stderr) == (0, ""), done.stdout + done.stderr
