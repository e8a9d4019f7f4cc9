"""kucha.census(): exact counts by type, for what the collector tracks and for what it does not."""

from __future__ import annotations

from core_child import passes, run_child

PROGRAM = """
install()
import gc, kucha
class Plain: pass
class Slotted: __slots__ = ("x",)
class Weak:
    __slots__ = ("x", "__weakref__")
class Row(tuple): pass
class Table(dict): pass
class Number(int): pass
class Wrong(Exception): pass
N = 5000
gc.disable()
def counts():
    return {row.type: row.objects for row in kucha.census()}
"""


def test_counts_are_exact_for_every_kind_of_type() -> None:
    passes(
        PROGRAM
        + """
types = [Plain, Slotted, Weak, Row, Table, Number, Wrong, float, complex, bytes, list, tuple, dict, set, frozenset,
         str, int, bytearray, range, slice]
before = counts()
keep = []
for i in range(N):
    p = Plain(); p.a = float(i); p.b = complex(i, 1)
    s = Slotted(); s.x = 10**6 + i
    w = Weak(); w.x = (i % 200).to_bytes(4, "little")
    keep += [p, s, w, Row((i % 200, 1)), Table(), Number(i), Wrong(), [i % 200], (i % 200, 2), {"k": 1}, {1}]
    keep += [frozenset((i % 200, -1)), "s" + str(i % 200), bytearray(3), range(i), slice(i % 200)]
after = counts()
grew = {t: after[t] - before.get(t, 0) for t in types}
for t in (Plain, Slotted, Weak, Row, Table, Number, Wrong):
    assert grew.pop(t) == N, (t, grew)
for t, n in grew.items():
    # the test's own rows, and numbers above 256 that range() and slice() keep, may add some
    least, most = N - 100, N + 100
    if t is int: most += 3 * N
    if t is bytes: most += N  # in which bytearrays of 3.15 keep their contents
    if t is tuple: least, most = N - 100, 4 * N  # args of exceptions
    assert least <= n <= most, (t, n)
"""
    )


def test_objects_that_go_are_counted_no_more_and_large_ones_are() -> None:
    passes(
        PROGRAM
        + """
keep = [Plain() for _ in range(N)] + [bytes(5000) for _ in range(50)]
with_them = counts()
assert with_them[Plain] == N
large = [row for row in kucha.census() if row.type is bytes][0].bytes
assert large >= 250_000
del keep
without = counts()
assert Plain not in without
assert with_them[bytes] - without[bytes] >= 50
"""
    )


def test_a_heap_that_two_threads_count_is_counted_once() -> None:
    """From 64 MiB on; only where more than one processor is there a second thread really comes."""
    passes(
        PROGRAM
        + """
import os
def threads():
    return len(os.listdir("/proc/self/task"))
many = 1_600_000
alone = threads()
keep = [Slotted() for _ in range(many)]  # of a type without a free list: every one is new
for _ in range(3):
    assert counts()[Slotted] == many
    assert threads() == alone
"""
    )


def test_the_dead_on_free_lists_are_told_apart() -> None:
    passes(
        PROGRAM
        + """
keep = [(object(), i) for i in range(10)]
del keep
lists = [[] for _ in range(50)]
del lists
rows = {row.type: row for row in kucha.census()}
assert rows[list].kept >= 20, rows[list].kept
assert rows[list].objects < 2000
"""
    )


def test_a_census_adds_up_to_what_the_allocator_gave_out() -> None:
    passes(
        PROGRAM
        + """
keep = [[str(i)] for i in range(N)]
given = sum(heap["bytes_used"] + heap["large_bytes"] for heap in kucha.stats())
assert abs(kucha.census().bytes - given) < 100_000
text = str(kucha.census())
assert "list" in text and "(buffers)" in text
"""
    )


def test_without_the_allocator_it_is_refused() -> None:
    done = run_child("import kucha; kucha.census()")
    assert done.returncode == 1
    assert "kucha is not installed" in done.stderr


def test_a_block_that_holds_a_types_address_is_no_object_of_it() -> None:
    """Numbers with a type where objects beside them, in pools that they share, have theirs."""
    passes(
        PROGRAM
        + """
import ctypes
FRONT = 16  # bytes of the collector's in front of an object; the type comes eight bytes in: where a number has digits
address = id(Slotted).to_bytes(8, "little")
before = counts()
keep = []
for i in range(N):
    number = (1 << 100) + i
    ctypes.memmove(id(number) + FRONT + 8, address, 8)
    keep += [Slotted(), number]
after = counts()
assert after[Slotted] == N, after[Slotted]
assert N <= after[int] - before[int] <= N + 100, after[int] - before[int]
"""
    )


def test_what_was_born_before_is_told_as_a_number() -> None:
    passes(
        """
older = [str(number) for number in range(20_000, 40_000)]
install()
import kucha
first = kucha.census()
assert first.older >= 20_000, first.older
assert first.count(str) < 20_000, first.count(str)
assert f"{first.older:12,}" in str(first)
del older
second = kucha.census()
assert first.older - 20_500 < second.older < first.older - 19_000, (first.older, second.older)
"""
    )
