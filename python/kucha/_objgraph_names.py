"""What objects and references are called in the tables and pictures of ``kucha.objgraph``.

The words are objgraph's, so that a picture reads as people know it. Types are asked by ``type()`` and never through
``__class__``, which proxies and mocks answer for something else; and nothing is asked that would make an object only to
be looked at, as the annotations of a function or of a class are on some versions.
"""

from __future__ import annotations

import os
import re
from types import BuiltinFunctionType, FrameType, FunctionType, MethodType, ModuleType

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

REPR_SHOWN = 40  # characters of a repr() in a node, as objgraph has them

_QUOTED = str.maketrans({"\\": "\\\\", '"': '\\"', "\n": "\\n", "\0": "\\\\0"})
_identifier = re.compile("[a-zA-Z_][a-zA-Z_0-9]*").fullmatch

# A function's attributes. To read the last two makes a dict where there is none, and on 3.14 runs the annotations.
_MADE_WHEN_READ = ("__dict__", "__annotations__")
_PLAIN: tuple[str, ...] = tuple(name for name in dir(FunctionType) if name not in _MADE_WHEN_READ)


def is_a(obj: object, types: type | tuple[type, ...]) -> bool:
    """isinstance() by what the object is, not by what it says to be."""
    return issubclass(type(obj), types)


def short_name(of: type) -> str:
    """The type's own name: ``OrderedDict``."""
    return of.__name__


def long_name(of: type) -> str:
    """The type's name with its module's, where it has one: ``collections.OrderedDict``."""
    module = getattr(of, "__module__", None)
    return f"{module}.{of.__name__}" if module else of.__name__


def naming(short: bool) -> Callable[[type], str]:
    """The function that names types."""
    return short_name if short else long_name


def named_types(types: Mapping[int, type], typename: str) -> set[int]:
    """The ids of those types that are called so; a name with a dot is a long one."""
    name = naming("." not in typename)
    return {number for number, of in types.items() if name(of) == typename}


def quoted(text: str) -> str:
    """The text as it stands between quotes in a dot file."""
    return text.translate(_QUOTED)


def _name_or_repr(obj: object) -> str:
    name = getattr(obj, "__name__", None)
    return str(name) if is_a(name, str) else repr(obj)[:REPR_SHOWN]


def short_repr(obj: object) -> str:
    """A line that tells the object from others of its type: a name, a place, a number of items, or its repr()."""
    if is_a(obj, (type, ModuleType, BuiltinFunctionType)):
        return _name_or_repr(obj)
    if is_a(obj, MethodType):
        return _name_or_repr(obj.__func__) + " (bound)"  # type: ignore[attr-defined]
    if type(obj) is FunctionType and obj.__name__ == "<lambda>":
        return f"lambda: {os.path.basename(obj.__code__.co_filename)}:{obj.__code__.co_firstlineno}"
    if type(obj) is FrameType:
        return f"{obj.f_code.co_filename}:{obj.f_lineno}"
    if is_a(obj, (tuple, list, dict, set)):
        return f"{len(obj)} items"  # type: ignore[arg-type]
    return repr(obj)[:REPR_SHOWN]


def safe_repr(obj: object) -> str:
    """``short_repr()``, also of what cannot be shown."""
    try:
        return short_repr(obj)
    except Exception:
        return "(unrepresentable)"


# ---- references ----


def edge_label(source: object, target: object, shortnames: bool = True) -> str:
    """The attributes of the arrow from source to target in a dot file: by which name the one has the other."""
    name: str | None = None
    if is_a(source, FunctionType):
        name = _attribute(source, target)
    elif is_a(target, dict) and target is getattr(source, "__dict__", None):
        name = "__dict__"
    elif is_a(source, FrameType):
        name = _frame_part(source, target)  # type: ignore[arg-type]
    elif is_a(source, MethodType):
        name = "__self__" if target is source.__self__ else "__func__"  # type: ignore[attr-defined]
    elif is_a(source, dict):
        return _key_label(source, target, shortnames)  # type: ignore[arg-type]
    return _label(name, 10) if name is not None else ""


def _label(text: str, weight: int) -> str:
    return f' [label="{quoted(text)}",weight={weight}]'


def _frame_part(frame: FrameType, target: object) -> str | None:
    if target is frame.f_globals:
        return "f_globals"
    return "f_locals" if is_a(target, dict) and target is frame.f_locals else None


def _attribute(function: object, target: object) -> str | None:
    made: tuple[str, ...] = _MADE_WHEN_READ if is_a(target, dict) else ()
    for name in (*_PLAIN, *made):
        try:
            if getattr(function, name) is target:
                return name
        except Exception:  # an attribute that cannot be read is not the one looked for
            continue
    return None


def _key_label(source: dict[object, object], target: object, shortnames: bool) -> str:
    for key, value in dict.items(source):
        if value is target:
            if isinstance(key, str) and _identifier(key):
                return _label(key, 2)
            return f' [label="{quoted(naming(shortnames)(type(key)) + chr(10) + safe_repr(key))}"]'
    return ""
