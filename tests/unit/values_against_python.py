"""Values of libkucha against this interpreter's own: random operands, the same operation on both sides.

``values_against_python.py CALCULATOR [CASES [SEED]]``: the calculator is tests/unit/values_calculator.c. What is
compared is the repr of the result, or the name of the exception; and the message too where it is in ``ERRORS``, which
has the words of CPython 3.14.
"""

from __future__ import annotations

import copy
import math
import operator
import random
import subprocess
import sys
from collections.abc import Callable
from typing import Any

Case = tuple[str, tuple[Any, ...]]

BINARY = ["add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "lshift", "rshift", "and", "or", "xor"]
UNARY = ["neg", "pos", "abs", "invert"]
COMPARE = ["lt", "le", "eq", "ne", "gt", "ge"]


BY_IDENTITY = ["hash", "sort", "remove", "in", "getitem", "setitem", "del", "or", "ior"]


def digits(number: int, base: int) -> str:
    """The text of a number in any base."""
    if number == 0:
        return "0"
    sign, number, text = "-" if number < 0 else "", abs(number), ""
    while number:
        number, digit = divmod(number, base)
        text = "0123456789abcdefghijklmnopqrstuvwxyz"[digit] + text
    return sign + text


def assigned(values: list[Any], start: int | None, stop: int | None, step: int | None, new: Any = ...) -> list[Any]:
    """``values[start:stop:step] = new``, or del."""
    if new is ...:
        del values[start:stop:step]
    else:
        values[start:stop:step] = new
    return values


def changed(method: Callable[..., Any], values: Any, *arguments: Any) -> Any:
    """The object, after one of its methods."""
    method(values, *arguments)
    return values


OPERATIONS: dict[str, Callable[..., Any]] = {
    **{name: getattr(operator, name + ("_" if name in ("and", "or") else "")) for name in [*BINARY, *COMPARE]},
    **{"i" + name: getattr(operator, "i" + name) for name in BINARY},
    **{name: getattr(operator, name) for name in UNARY},
    "divmod": divmod,
    "hash": hash,
    "bool": bool,
    "len": len,
    "in": lambda item, container: item in container,
    "getitem": operator.getitem,
    "setitem": lambda o, k, v: changed(operator.setitem, o, k, v),
    "del": lambda o, k: changed(operator.delitem, o, k),
    "slice": lambda o, start, stop, step: o[start:stop:step],
    "setslice": assigned,
    "list": list,
    "repr": repr,
    "str": str,
    "int": int,
    "text": digits,
    "float": float,
    "find": lambda text, part, start: text.find(part, start),
    "join": lambda separator, parts: separator.join(parts),
    "sort": lambda values: changed(list.sort, values),
    "deepcopy": copy.deepcopy,
    "decode": lambda data: data.decode(),
    "bits": lambda number: number.bit_length(),
    "insert": lambda values, index, item: changed(list.insert, values, index, item),
    "pop": lambda values, index: (values.pop(index), values),
    "remove": lambda values, item: changed(list.remove, values, item),
    "chr": chr,
}

# Words of CPython 3.14 (asked of 3.14.10); older interpreters say some of them differently.
ERRORS: list[tuple[str, tuple[Any, ...], str]] = [
    ("add", (1, "a"), "TypeError: unsupported operand type(s) for +: 'int' and 'str'"),
    ("iadd", (1, "a"), "TypeError: unsupported operand type(s) for +=: 'int' and 'str'"),
    ("add", ("a", 1), 'TypeError: can only concatenate str (not "int") to str'),
    ("iadd", ((1,), [1]), 'TypeError: can only concatenate tuple (not "list") to tuple'),
    ("add", (b"a", 1), "TypeError: can't concat int to bytes"),
    ("add", ([], ()), 'TypeError: can only concatenate list (not "tuple") to list'),
    ("iadd", ([1], 5), "TypeError: 'int' object is not iterable"),
    ("mul", ("a", "b"), "TypeError: can't multiply sequence by non-int of type 'str'"),
    ("mul", ([], 1.0), "TypeError: can't multiply sequence by non-int of type 'float'"),
    ("mul", ("a", 10**30), "OverflowError: cannot fit 'int' into an index-sized integer"),
    ("pow", (2, "a"), "TypeError: unsupported operand type(s) for ** or pow(): 'int' and 'str'"),
    ("ipow", (2, "a"), "TypeError: unsupported operand type(s) for **=: 'int' and 'str'"),
    ("divmod", (1, "a"), "TypeError: unsupported operand type(s) for divmod(): 'int' and 'str'"),
    ("floordiv", (1, 0), "ZeroDivisionError: division by zero"),
    ("mod", (1.5, 0), "ZeroDivisionError: division by zero"),
    ("pow", (0, -1), "ZeroDivisionError: zero to a negative power"),
    ("pow", (2.0, 10000), "OverflowError: (34, 'Numerical result out of range')"),
    ("truediv", (10**400, 1), "OverflowError: integer division result too large for a float"),
    ("mul", (10**400, 1.0), "OverflowError: int too large to convert to float"),
    ("lshift", (1, -1), "ValueError: negative shift count"),
    ("lshift", (1, 1 << 70), "OverflowError: too many digits in integer"),
    ("neg", ("a",), "TypeError: bad operand type for unary -: 'str'"),
    ("abs", ("a",), "TypeError: bad operand type for abs(): 'str'"),
    ("lt", (1, "a"), "TypeError: '<' not supported between instances of 'int' and 'str'"),
    ("lt", ([1], [None]), "TypeError: '<' not supported between instances of 'int' and 'NoneType'"),
    ("lt", ({1: 2}, {}), "TypeError: '<' not supported between instances of 'dict' and 'dict'"),
    ("in", (1, 5), "TypeError: argument of type 'int' is not a container or iterable"),
    ("in", (1, "a"), "TypeError: 'in <string>' requires string as left operand, not int"),
    ("in", (256, b"a"), "ValueError: byte must be in range(0, 256)"),
    ("in", ("a", b"a"), "TypeError: a bytes-like object is required, not 'str'"),
    ("len", (5,), "TypeError: object of type 'int' has no len()"),
    ("list", (5,), "TypeError: 'int' object is not iterable"),
    ("hash", ([],), "TypeError: unhashable type: 'list'"),
    ("hash", (([],),), "TypeError: unhashable type: 'list'"),
    ("setitem", ({}, [], 1), "TypeError: cannot use 'list' as a dict key (unhashable type: 'list')"),
    ("in", ([], {1}), "TypeError: cannot use 'list' as a set element (unhashable type: 'list')"),
    ("getitem", ({1: 2}, 3), "KeyError: 3"),
    ("getitem", ({}, "a"), "KeyError: 'a'"),
    ("del", ({}, 5), "KeyError: 5"),
    ("getitem", ([], 0), "IndexError: list index out of range"),
    ("setitem", ([], 0, 1), "IndexError: list assignment index out of range"),
    ("del", ([1], 4), "IndexError: list assignment index out of range"),
    ("getitem", ("", 0), "IndexError: string index out of range"),
    ("getitem", (b"", 0), "IndexError: index out of range"),
    ("getitem", ((), 0), "IndexError: tuple index out of range"),
    ("getitem", ("", "a"), "TypeError: string indices must be integers, not 'str'"),
    ("getitem", (b"", "a"), "TypeError: byte indices must be integers or slices, not str"),
    ("getitem", ((), "a"), "TypeError: tuple indices must be integers or slices, not str"),
    ("getitem", ([1], 10**30), "IndexError: cannot fit 'int' into an index-sized integer"),
    ("getitem", (5, 0), "TypeError: 'int' object is not subscriptable"),
    ("setitem", ((1,), 0, 1), "TypeError: 'tuple' object does not support item assignment"),
    ("del", ((1,), 0), "TypeError: 'tuple' object doesn't support item deletion"),
    ("del", (5, 0), "TypeError: 'int' object does not support item deletion"),
    ("slice", ((), 0, 1, 0), "ValueError: slice step cannot be zero"),
    (
        "setslice",
        ([1, 2, 3], None, None, 2, [1]),
        "ValueError: attempt to assign sequence of size 1 to extended slice of size 2",
    ),
    ("setslice", ([1], 0, 1, None, 5), "TypeError: must assign iterable to extended slice"),
    ("pop", ([], -1), "IndexError: pop from empty list"),
    ("pop", ([1], 5), "IndexError: pop index out of range"),
    ("remove", ([], 1), "ValueError: list.remove(x): x not in list"),
    ("sort", ([3, "a"],), "TypeError: '<' not supported between instances of 'str' and 'int'"),
    ("join", (",", ["a", 1]), "TypeError: sequence item 1: expected str instance, int found"),
    ("join", (",", 5), "TypeError: can only join an iterable"),
    ("int", ("12_",), "ValueError: invalid literal for int() with base 10: '12_'"),
    ("int", (math.inf,), "OverflowError: cannot convert float infinity to integer"),
    ("int", (math.nan,), "ValueError: cannot convert float NaN to integer"),
    ("float", ("x",), "ValueError: could not convert string to float: 'x'"),
    ("float", (10**400,), "OverflowError: int too large to convert to float"),
    ("chr", (0x110000,), "ValueError: chr() arg not in range(0x110000)"),
    ("decode", (b"\xff",), "ValueError: 'utf-8' codec can't decode byte 0xff in position 0: invalid start byte"),
    ("decode", (b"\xe2\x82",), "ValueError: 'utf-8' codec can't decode bytes in position 0-1: unexpected end of data"),
    (
        "decode",
        (b"a\xe2\x82(",),
        "ValueError: 'utf-8' codec can't decode bytes in position 1-2: invalid continuation byte",
    ),
]


class Maker:
    """Random operands that are likely to be interesting."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)

    def int(self) -> int:
        """Small ones, ends of 64 bits, runs of equal bits, large ones."""
        r = self.random
        kind = r.randrange(6)
        if kind == 0:
            return r.randint(-10, 300)
        if kind == 1:
            return r.choice([1, -1]) * (1 << r.choice([31, 53, 62, 63, 64, 65, 127, 128])) + r.randint(-2, 2)
        if kind == 2:
            return r.choice([1, -1]) * 10 ** r.randint(0, 60)
        if kind == 3:
            value = 0
            for _ in range(r.randint(1, 6)):
                run = r.randint(1, 70)
                value = value << run | r.choice([0, (1 << run) - 1])
            return value * r.choice([1, -1])
        return r.choice([1, -1]) * r.getrandbits(r.choice([8, 40, 64, 90, 200, 3000]))

    def float(self) -> float:
        """All exponents, whole numbers, halves, specials."""
        r = self.random
        kind = r.randrange(6)
        if kind == 0:
            return r.choice([0.0, -0.0, math.inf, -math.inf, math.nan, 5e-324, sys.float_info.max, sys.float_info.min])
        if kind == 1:
            return math.ldexp(r.choice([1, -1]), r.randint(-1074, 1023))
        if kind == 2:
            return r.randint(-(10**6), 10**6) / r.choice([1, 2, 4, 10, 100])
        if kind == 3:
            return float(r.getrandbits(70))
        return math.ldexp(r.random(), r.randint(-1070, 1023)) * r.choice([1, -1])

    def str(self) -> str:
        """ASCII, and code points of all lengths."""
        alphabet = self.random.choice(
            ["ab", "a'\"\\\n\t\x00\x7f", "aé€\U0001f600\xa0\xad", "\U0010fffd\ud7ff\ue000\u2028z"]
        )
        return "".join(self.random.choice(alphabet) for _ in range(self.random.choice([0, 1, 2, 3, 9, 40])))

    def bytes(self) -> bytes:
        """Short, with quotes and high bytes."""
        return bytes(self.random.choice(b"ab'\"\\\n\x00\xff\xc3\xa9") for _ in range(self.random.choice([0, 1, 2, 9])))

    def atom(self) -> Any:
        """What can be a key."""
        return self.random.choice([self.int, self.int, self.float, self.str, self.bytes, lambda: None, lambda: True])()

    def value(self, depth: int = 0) -> Any:
        """Anything."""
        r = self.random
        kind = r.randrange(10) if depth < 3 else 0
        many = range(r.choice([0, 1, 2, 3, 10, 20]) if depth < 2 else 2)
        if kind == 6:
            return [self.value(depth + 1) for _ in many]
        if kind == 7:
            return tuple(self.value(depth + 1) for _ in many)
        if kind == 8:
            return {self.atom(): self.value(depth + 1) for _ in many}
        if kind == 9:
            return self.random.choice([{3}, set()])  # the order of several is the interpreter's own
        return self.atom()

    def number(self) -> Any:
        """An int, bool or float."""
        return self.random.choice([self.int, self.int, self.float, lambda: self.random.choice([True, False])])()

    def bound(self) -> int | None:
        """A bound of a slice."""
        return self.random.choice([None, 0, 1, -1, 2, 5, -3, 30, -30])

    def case(self) -> Case:
        """An operation with operands."""
        r = self.random
        kind = r.randrange(12)
        if kind <= 3:
            a, b, name = self.number(), self.number(), r.choice([*BINARY, *COMPARE, "divmod"])
            if name in ("pow", "lshift"):
                b = r.choice([0, 1, 2, 3, 7, 64, 65, 200, -1, -2, 0.5, 2.0, True])
                a = a if name != "pow" or not isinstance(a, int) or a.bit_length() < 300 else 3
            return name, (a, b)
        if kind == 4:
            return r.choice([*UNARY, "bool", "repr", "str", "hash"]), (self.number(),)
        if kind == 5:
            a, b = self.value(), self.value()
            b = copy.deepcopy(a) if r.random() < 0.3 else b
            return r.choice([*COMPARE, "add", "iadd", "sub", "or", "ior", "in"]), (a, b)
        if kind == 6:
            return r.choice(["repr", "str", "bool", "len", "list", "deepcopy"]), (self.value(),)
        if kind == 7:
            return "slice", (self.sequence(), self.bound(), self.bound(), r.choice([None, 1, -1, 2, -2, 3, 0]))
        if kind == 8:
            return self.sequence_case()
        if kind == 9:
            return self.text_case()
        if kind == 10:
            sequence = self.sequence()
            if r.random() < 0.2:
                return r.choice(["mul", "imul"]), (sequence, r.choice([-1, 0, 1, 2, 3, True]))
            return "getitem", (sequence, r.choice([0, 1, -1, 5, -5, True, None]))
        base = r.randint(2, 36)
        return r.choice(
            [("text", (self.int(), base)), ("int", (digits(self.int(), base), base)), ("bits", (self.int(),))]
        )

    def sequence(self) -> Any:
        """Something with indices."""
        return self.random.choice([self.str, self.bytes, self.list, lambda: tuple(self.list())])()

    def list(self) -> list[Any]:
        """A flat list."""
        return [self.atom() for _ in range(self.random.choice([0, 1, 3, 8, 20]))]

    def sequence_case(self) -> Case:
        """Lists that change, dicts."""
        r, values = self.random, self.list()
        kind = r.randrange(6)
        if kind == 0:
            new = (self.list(),) if r.random() < 0.7 else ()
            return "setslice", (values, self.bound(), self.bound(), r.choice([None, 1, 1, 2, -1]), *new)
        if kind == 1:
            return "sort", (
                r.choice([[self.int() for _ in range(r.randint(0, 100))], [self.float() for _ in range(9)]]),
            )
        if kind == 2:
            return "insert", (values, r.randint(-9, 9), 1)
        if kind == 3:
            return "pop", (values, r.randint(-9, 9))
        if kind == 4:
            table = {self.atom(): i for i in range(r.choice([1, 5, 9, 50]))}
            key = r.choice([*table, self.atom()])
            return r.choice([("getitem", (table, key)), ("setitem", (table, key, 1)), ("del", (table, key))])
        return "remove", (values, r.choice([*values, 0]))

    def text_case(self) -> Case:
        """Text to numbers and about."""
        r = self.random
        kind = r.randrange(6)
        if kind == 0:
            return "float", (repr(self.float()),)
        if kind == 1:
            whole, part = r.getrandbits(r.choice([8, 60, 3000])), r.getrandbits(60)
            return "float", (f"{r.choice(['', '-', '+', ' '])}{whole}.{part}e{r.randint(-400, 400)}",)
        if kind == 2:
            return r.choice(["int", "float"]), (
                "".join(r.choice("0123456789_-+. exnaif") for _ in range(r.randint(0, 6))),
            )
        if kind == 3:
            text = self.str()
            return "find", (text, text[r.randint(0, 3) :][: r.randint(0, 3)], r.randint(0, 5))
        if kind == 4:
            return "join", (self.str(), [self.str() for _ in range(r.choice([0, 1, 2, 9]))])
        return "decode", (self.bytes(),)


def literal(value: Any) -> str:
    """A literal that the calculator reads."""
    return repr(value)


def expected(name: str, operands: tuple[Any, ...]) -> str:
    """What this interpreter says."""
    try:
        result = OPERATIONS[name](*copy.deepcopy(operands))
        return "complex" if isinstance(result, complex) else repr(result)
    except Exception as error:  # whatever it raises is the answer
        names = {"UnicodeDecodeError": "ValueError"}
        return names.get(type(error).__name__, type(error).__name__) + ":"


def is_same(name: str, operands: tuple[Any, ...], want: str, got: str) -> bool:
    """Whether an answer will do: of exceptions the name; and where there are no complex numbers, an error."""
    if want == "complex":
        return got.startswith("ValueError: negative number")
    if "nan" in repr(operands) and (name in BY_IDENTITY or name in COMPARE):
        return True  # goes by identity, which literals lose, or by no order at all
    if name == "in" and isinstance(operands[0], set) and isinstance(operands[1], set):
        return True  # Python looks for a frozenset
    if name == "ior" and isinstance(operands[0], dict) and not isinstance(operands[1], dict):
        return got.startswith("TypeError:")  # Python takes any iterable of pairs
    return got.startswith(want) if want.endswith(":") and want[0].isupper() else got == want


def main() -> int:
    """Runs all cases; prints what differs."""
    if hasattr(sys, "set_int_max_str_digits"):
        sys.set_int_max_str_digits(0)
    calculator, count = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 20000
    seed = int(sys.argv[3]) if len(sys.argv) > 3 else random.SystemRandom().getrandbits(32)
    maker = Maker(seed)
    cases: list[tuple[str, tuple[Any, ...], str]] = [(n, o, w) for n, o, w in ERRORS]
    cases += [(name, operands, "") for name, operands in (maker.case() for _ in range(count))]
    lines = ["\t".join([name, *map(literal, operands)]) for name, operands, _ in cases]
    run = subprocess.run([calculator], input="\n".join(lines) + "\n", capture_output=True, text=True, check=False)
    answers = run.stdout.split("\n")[:-1]
    wrong = 0
    for (name, operands, want), got in zip(cases, answers, strict=False):
        known = want or expected(name, operands)
        if not (got == known if want else is_same(name, operands, known, got)):
            wrong += 1
            if wrong <= 10:
                print(f"{name} {', '.join(map(literal, operands))}\n  want {known}\n  got  {got}"[:1500])
    print(f"seed {seed}: {len(answers)} of {len(cases)} answers, {wrong} wrong, exit code {run.returncode}")
    print(run.stderr[:4000], end="")
    return int(wrong != 0 or len(answers) != len(cases) or run.returncode != 0)


if __name__ == "__main__":
    sys.exit(main())
