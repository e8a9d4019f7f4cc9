"""Damaged core files: thousands of them, and each gives a heap file or one sentence, in bounded time and memory.

Runs for KUCHA_SOAK_SECONDS (5) for each kind of program; `make test-long` asks for ten minutes. Damage is by numbers,
the same in each run: what a failure names can be made again.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("kucha._corefile", reason="this build has no libelf")

SECONDS = float(os.environ.get("KUCHA_SOAK_SECONDS", "5"))
TESTS = Path(__file__).resolve().parents[1] / "python"

PROGRAM = """
import sys, threading
sys.path.insert(0, sys.argv[1])
import core_file
if sys.argv[3] == "kucha":
    from kucha import _core
    _core.install()
class Plain: pass
def produce():
    local = [1]
    yield local
def wait(ready, done):
    local = [threading.current_thread()]
    ready.set(); done.wait()
kept = [Plain() for _ in range(100)] + [str(number) for number in range(100)] + [produce()]
for number, plain in enumerate(kept[:100]): plain.number, plain.held = number, {"key": [number]}
next(kept[-1])
ready, done = threading.Event(), threading.Event()
threading.Thread(target=wait, args=(ready, done)).start()
ready.wait()
core_file.CoreFile(sys.argv[2]).write()
done.set()
"""

# Changes the core, reads it and changes it back, so that one whole copy is enough. What takes more than SECONDS_MOST is
# ended by the alarm, and what wants more memory than BYTES_MOST beyond the reader's own is refused it.
READER = """
import mmap, os, random, resource, signal, struct, sys, time
from kucha import _core, _corefile
SECONDS_MOST, BYTES_MOST = 60, 1 << 30
HEADERS, CHANGES = 1 << 14, 200
FAR = [struct.pack("<Q", number) for number in (0, 1, 8, 255, 4096, 1 << 31, (1 << 32) - 1, 1 << 47, (1 << 64) - 1)]
name, seconds = sys.argv[1], float(sys.argv[2])
with open(name, "r+b") as file: core = mmap.mmap(file.fileno(), 0)
size = len(core)
count, = struct.unpack_from("<H", core, 56)

def put(undo, at, content):
    undo.append((at, core[at:at + len(content)]))
    core[at:at + len(content)] = content
def any_word(dice, end=size):
    for _ in range(20):     # most of a core is zeros
        at = dice.randrange(end - 8) & ~7
        if core[at:at + 8] != bytes(8): return at
    return at
def flipped(dice, undo):
    for _ in range(dice.randrange(1, CHANGES)):
        at = any_word(dice) + dice.randrange(8)
        put(undo, at, bytes([core[at] ^ 1 << dice.randrange(8)]))
def replaced(dice, undo):
    for _ in range(dice.randrange(1, CHANGES)):
        other = any_word(dice)
        put(undo, any_word(dice), core[other:other + 8])
def far(dice, undo):
    for _ in range(dice.randrange(1, CHANGES)): put(undo, any_word(dice), dice.choice(FAR))
def segments_cut(dice, undo):
    for _ in range(dice.randrange(1, 4)):
        at = 64 + 56 * dice.randrange(1, count)
        whole, = struct.unpack_from("<Q", core, at + 32)
        put(undo, at + 32, struct.pack("<Q", dice.randrange(whole + 1)))
def headers(dice, undo):
    for _ in range(dice.randrange(1, 9)):
        at = dice.randrange(min(HEADERS, 64 + 56 * count))
        put(undo, at, dice.choice((dice.choice(FAR), dice.randbytes(8), dice.randbytes(1))))
def cut(dice, undo):
    os.truncate("cut", dice.randrange(size))

KINDS = (flipped, replaced, far, segments_cut, headers, cut)
def read(path):
    try:
        _corefile.write(path, "core.heap")
    except (ValueError, OSError) as error:
        assert str(error) and "\\n" not in str(error), error
        return "refused"
    _core.heap_open("core.heap")
    return "read"
def own_bytes():
    with open("/proc/self/statm") as file: return int(file.read().split()[0]) * mmap.PAGESIZE

assert read(name) == "read"
resource.setrlimit(resource.RLIMIT_AS, (own_bytes() + 2 * size + BYTES_MOST,) * 2)
turn, outcomes, slowest, began = 0, {}, 0.0, time.monotonic()
while turn < 2 * len(KINDS) or time.monotonic() - began < seconds:
    dice, kind, undo = random.Random(turn), KINDS[turn % len(KINDS)], []
    path = "cut" if kind is cut else name
    if kind is cut:
        with open("cut", "wb") as file: file.write(core)
    kind(dice, undo)
    print("turn", turn, kind.__name__, flush=True)
    signal.alarm(SECONDS_MOST)
    start = time.monotonic()
    outcome = kind.__name__, read(path)
    signal.alarm(0)
    slowest = max(slowest, time.monotonic() - start)
    for at, before in reversed(undo): core[at:at + len(before)] = before
    outcomes[outcome] = outcomes.get(outcome, 0) + 1
    turn += 1
assert read(name) == "read"
print(turn, "damaged cores:", outcomes, f"the slowest took {slowest:.1f} s")
"""


@pytest.mark.timeout(2 * SECONDS + 900)
@pytest.mark.parametrize("program", ["kucha", "stock"])
def test_a_damaged_core_gives_a_heap_file_or_a_sentence(program: str, tmp_path: Path) -> None:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("KUCHA")}

    def run(code: str, *words: str) -> str:
        done = subprocess.run(
            [sys.executable, "-c", code, *words],
            cwd=tmp_path,
            env=inherited,
            capture_output=True,
            text=True,
            timeout=2 * SECONDS + 600,
            check=False,
        )
        assert done.returncode == 0, f"{done.returncode}\n{done.stdout[-200:]}\n{done.stderr[-4000:]}"
        return done.stdout

    run(PROGRAM, str(TESTS), "core", program)
    print(run(READER, "core", str(SECONDS)).splitlines()[-1])
