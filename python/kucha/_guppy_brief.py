"""Single objects in few words, for kucha.guppy: by value, name, or address and length."""

from __future__ import annotations

import types

from kucha._guppy_view import type_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

TEXT_SHOWN = 24

_BY_VALUE = (bool, int, float, complex, type(None))
_BY_TEXT = (str, bytes)
_BY_LENGTH = (list, tuple, dict, set, frozenset, bytearray)


def shortened(text: str, most: int = TEXT_SHOWN) -> str:
    """Begin and end of a long text."""
    if len(text) <= most:
        return text
    side = (most - 3) // 2
    return f"{text[:side]}...{text[-side:]}"


def _text(obj: Any) -> str:
    # a slice first: the representation of a text of megabytes would be as long
    return shortened(repr(obj if len(obj) <= TEXT_SHOWN else obj[: TEXT_SHOWN // 2] + obj[-TEXT_SHOWN // 2 :]))


def _code(obj: types.CodeType) -> str:
    return f"{obj.co_filename.rpartition('/')[2]}:{obj.co_firstlineno}:{obj.co_name}"


def _method(obj: types.MethodType) -> str:
    name = getattr(obj.__func__, "__name__", "?")
    return f"<{type_name(type(obj.__self__))} at {hex(id(obj.__self__))}>.{name}"


_WAYS: dict[type, tuple[str, Callable[[Any], str]]] = {
    types.ModuleType: ("Name", lambda obj: str(vars(obj).get("__name__", "?"))),
    type: ("Name", lambda obj: str(type_name(obj))),
    types.FunctionType: ("Name", lambda obj: f"{obj.__module__}.{obj.__name__}"),
    types.BuiltinFunctionType: ("Name", lambda obj: str(obj.__name__)),
    types.CodeType: ("File:Line:Name", _code),
    types.MethodType: ("<Type>.Name", _method),
    types.FrameType: ("<Name at Addr>", lambda obj: f"<{obj.f_code.co_name} at {hex(id(obj))}>"),
    **dict.fromkeys(_BY_VALUE, ("Value", repr)),
    **dict.fromkeys(_BY_TEXT, ("Representation (limited)", _text)),
    **dict.fromkeys(_BY_LENGTH, ("Address*Length", lambda obj: f"{hex(id(obj))}*{len(obj)}")),
}


def header_of(obj: object) -> str:
    """What stands over a column of objects like this one."""
    return _WAYS[type(obj)][0] if type(obj) in _WAYS else "Address"


def words(obj: object) -> str:
    """An object without its type."""
    way = _WAYS.get(type(obj))
    if way is None:
        return hex(id(obj))
    try:
        return way[1](obj)
    except Exception:  # a field of it may be anything
        return hex(id(obj))
