"""Runs objgraph's own suite with kucha.objgraph in objgraph's place: ``python objgraph_shim.py ours|theirs``.

The suite calls functions of objgraph's inside, and replaces some. The stand-in has them under objgraph's names; what is
set on it is set where kucha's functions look. Prints the tests that did not pass, one a line, behind a line of ``=``.
"""

from __future__ import annotations

import sys
import unittest
from types import ModuleType
from typing import Any

# objgraph's inside, and where kucha has it.
INSIDE = {
    "_show_graph": ("kucha.objgraph", "show_graph"),
    "_find_chain": ("kucha._objgraph_search", "find_chain"),
    "_obj_node_id": ("kucha._objgraph_picture", "node_id"),
    "_gradient": ("kucha._objgraph_picture", "gradient"),
    "_present_graph": ("kucha._objgraph_picture", "present"),
    "_program_in_path": ("kucha._objgraph_picture", "in_path"),
    "subprocess": ("kucha._objgraph_picture", "subprocess"),
    "_quote": ("kucha._objgraph_names", "quoted"),
    "_edge_label": ("kucha._objgraph_names", "edge_label"),
    "_safe_repr": ("kucha._objgraph_names", "safe_repr"),
    "_short_repr": ("kucha._objgraph_names", "short_repr"),
    "IS_INTERACTIVE": ("kucha.objgraph", "IS_INTERACTIVE"),
}


class StandIn(ModuleType):
    """kucha.objgraph under objgraph's names."""

    def _obj_label(self, obj: object, **look: Any) -> str:
        from kucha import _objgraph_picture as picture

        return picture.node_label(obj, picture.Look(**look))

    def _obj_attrs(self, obj: object, extra: Any) -> str:
        from kucha import _objgraph_picture as picture

        return picture.node_attributes(obj, extra)

    def _long_typename(self, obj: object) -> str:
        from kucha import _objgraph_names as names

        return names.long_name(type(obj))

    def __getattr__(self, name: str) -> Any:
        module, inside = INSIDE.get(name, ("kucha.objgraph", name))
        return getattr(sys.modules[module], inside)

    def __setattr__(self, name: str, value: object) -> None:
        if name == "graphviz":
            sys.modules[name] = value  # type: ignore[assignment]
        else:
            module, inside = INSIDE[name]
            setattr(sys.modules[module], inside, value)

    def __delattr__(self, name: str) -> None:
        if name == "graphviz":
            del sys.modules[name]
        else:
            setattr(self, name, False)  # only IS_INTERACTIVE is taken back so


def main(whose: str) -> None:
    """Runs the suite in this folder."""
    if whose == "ours":
        import kucha.objgraph  # noqa: F401

        sys.modules["objgraph"] = StandIn("objgraph")
    sys.path.insert(0, ".")
    import tests  # type: ignore[import-not-found]

    result = unittest.TextTestRunner(stream=sys.stderr).run(tests.test_suite())
    print("=" * 10)
    for test, _ in [*result.failures, *result.errors]:
        print(test.id())
    print(result.testsRun)


if __name__ == "__main__":
    main(sys.argv[1])
