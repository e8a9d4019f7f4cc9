"""Makes the checking build's watch over calls out of the public headers: ``checked_calls HEADERS OUT``.

Whatever public function takes or gives references to objects is known by its declaration. In the checking build the
library's own function gets another name (``ku_unchecked_...``), and the public name belongs to a function made here,
which looks at what it is given, calls the library's, and looks at what has become of the references
(src/isolate/calls.h). So every call that a program makes is looked at, and none that the library makes of itself.

Written to the folder OUT:

    calls_names.h   the other names; included before every file of the library
    calls.c         the functions
    calls_table.h   for tests: each function, and how to call it with a freed object at each place for one

What a declaration does not say is in the tables below. A name in them that no header declares is an error.
"""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass
from pathlib import Path

# Results that are borrowed. All others that are objects are new references.
BORROWED = {
    "ku_bool",
    "ku_cell_get",
    "ku_function_name",
    "ku_function_self",
    "ku_gc_garbage",
    "ku_list_at",
    "ku_method_function",
    "ku_method_instance",
    "ku_namespace_dict",
    "ku_namespace_name",
    "ku_none",
    "ku_pending_value",
    "ku_scope_own_more",
    "ku_tuple_at",
    "ku_type_object",
}
# Places that get a new reference, or where one is no longer known to be.
GIVES = {"ku_find_attribute", "ku_dict_find", "ku_cache_get", "ku_divmod", "ku_root_remove"}
# Those that say "any thread" in their header: the lock is not asked for.
ANY_THREAD = {"ku_type_of", "ku_is_instance"}
# What looks at objects itself, is asked to look, or gets one whose count is zero.
LOOKS_ITSELF = {
    "ku_object_check",
    "ku_object_check_count",
    "ku_object_end",
    "ku_references_compare",
    "ku_fail_null",
}


@dataclass(frozen=True)
class Parameter:
    """One parameter of a public function."""

    kind: str
    name: str

    @property
    def is_object(self) -> bool:
        """Whether it is one object."""
        return self.kind in ("ku_object *", "const ku_object *")

    @property
    def is_array(self) -> bool:
        """Whether it is an array of objects; its length is the next parameter."""
        return self.kind == "ku_object *const *"

    @property
    def is_place(self) -> bool:
        """Whether it is a place for an object."""
        return self.kind == "ku_object **"

    @property
    def is_isolate(self) -> bool:
        """Whether it is the isolate."""
        return self.kind in ("ku_isolate *", "const ku_isolate *")


@dataclass(frozen=True)
class Function:
    """A public function that takes or gives references."""

    kind: str
    name: str
    parameters: tuple[Parameter, ...]

    @property
    def isolate(self) -> str:
        """The isolate, as an expression; NULL when it takes none."""
        return next((f"(ku_isolate *){p.name}" for p in self.parameters if p.is_isolate), "NULL")

    @property
    def declared(self) -> str:
        """The parameters, as they are declared."""
        return ", ".join(f"{p.kind}{'' if p.kind.endswith('*') else ' '}{p.name}" for p in self.parameters)

    @property
    def gives_result(self) -> bool:
        """Whether the result is a new reference."""
        return self.kind == "ku_object *" and self.name not in BORROWED


DECLARATION = re.compile(r"KU_API\s+([\w\s]+?[\s*]+)(ku_\w+)\(([^;]*?)\)\s*;", re.S)


def parameter_of(text: str) -> Parameter:
    """A parameter out of its declaration."""
    found = re.fullmatch(r"(.*?[\s*])(\w+)(\[\w*\])?", " ".join(text.split()))
    if found is None or found[3] is not None:
        raise SystemExit(f"checked_calls: what is '{text}'?")
    return Parameter(found[1] if found[1].endswith("*") else found[1].strip(), found[2])


def functions_of(header: str) -> list[Function]:
    """The functions of a header that take or give references, but for those that look themselves."""
    found = []
    for kind, name, parameters in DECLARATION.findall(re.sub(r"/\*.*?\*/", "", header, flags=re.S)):
        concerns = "ku_object *" in kind or "ku_object *" in parameters
        if concerns and name not in LOOKS_ITSELF and "..." not in parameters:
            kind = " ".join(kind.split())
            found.append(Function(kind, name, tuple(map(parameter_of, parameters.split(",")))))
    return found


def check_tables(functions: list[Function], names: set[str]) -> None:
    """Every name in the tables above is one that a header declares."""
    unknown = (BORROWED | GIVES | ANY_THREAD) - {function.name for function in functions} | LOOKS_ITSELF - names
    if unknown:
        raise SystemExit(f"checked_calls: no header declares {', '.join(sorted(unknown))}")


def looks(function: Function) -> list[str]:
    """What is asked of each parameter before the call."""
    lines = []
    for at, parameter in enumerate(function.parameters):
        if parameter.is_object:
            any_thread = "_anywhere" if function.name in ANY_THREAD else ""
            lines.append(f"    ku__watch_takes{any_thread}({parameter.name});")
        elif parameter.is_array:
            lines.append(f"    ku__watch_takes_all({parameter.name}, {function.parameters[at + 1].name});")
    return lines


def given(function: Function) -> list[str]:
    """The references that the call gives, as expressions."""
    places = [p.name for p in function.parameters if p.is_place] if function.name in GIVES else []
    worked = "result && " if function.kind == "bool" else ""
    references = [f"{worked}{place} != NULL ? *{place} : NULL" for place in places]
    return references + (["result"] if function.gives_result else [])


def wrapper(function: Function) -> str:
    """The function that programs call."""
    gap = "" if function.kind.endswith("*") else " "
    arguments = ", ".join(p.name for p in function.parameters)
    call = f"ku_unchecked_{function.name.removeprefix('ku_')}({arguments})"
    result = "" if function.kind == "void" else f"{function.kind}{gap}result = "
    references = given(function)
    listed = ", ".join(references) if references else "NULL"
    lines = [
        f"{function.kind}{gap}{function.name}({function.declared}) {{",
        f'    ku__watch call = {{.name = "{function.name}", .isolate = {function.isolate}}};',
        *looks(function),
        "    ku__watch_begin(&call);",
        f"    {result}{call};",
        f"    ku__watch_end(&call, (const ku_object *const[]){{{listed}}}, {len(references)});",
        *([] if function.kind == "void" else ["    return result;"]),
        "}",
    ]
    return "\n".join(lines)


def thunks(function: Function) -> list[tuple[str, str]]:
    """For each place for an object: a name, and a call with a freed object there and nothing else."""
    calls = []
    for at, parameter in enumerate(function.parameters):
        if not (parameter.is_object or parameter.is_array):
            continue
        arguments = []
        for other, of in enumerate(function.parameters):
            if of.is_isolate:
                arguments.append("isolate")
            elif other == at:
                arguments.append("freed" if parameter.is_object else "&freed")
            elif other == at + 1 and parameter.is_array:
                arguments.append("1")
            elif of.kind.endswith("*"):
                arguments.append("NULL")
            else:
                arguments.append(f"({of.kind})0")
        calls.append((f"{function.name}, {parameter.name}", f"{function.name}({', '.join(arguments)})"))
    return calls


def table(functions: list[Function]) -> str:
    """The table for tests."""
    entries = [entry for function in functions for entry in thunks(function)]
    bodies = [
        f"static void call_{at}(ku_isolate *isolate, ku_object *freed) {{\n    (void)isolate;\n    (void){call};\n}}"
        for at, (_, call) in enumerate(entries)
    ]
    rows = [f'    {{"{name}", call_{at}}},' for at, (name, _) in enumerate(entries)]
    head = "static const struct {\n    const char *name;\n    void (*call)(ku_isolate *isolate, ku_object *freed);\n}"
    return "\n".join([*bodies, head + " calls[] = {", *rows, "};\n"])


def main() -> None:
    """The command line."""
    folder, out = Path(sys.argv[1]), Path(sys.argv[2])
    texts = [path.read_text() for path in sorted(folder.glob("*.h"))]
    functions = [function for text in texts for function in functions_of(text)]
    check_tables(functions, set(re.findall(r"\b(ku_\w+)\(", "\n".join(texts))))
    made = "/* Made by scripts/tools/checked_calls.py. */\n"
    names = [f"#define {f.name} ku_unchecked_{f.name.removeprefix('ku_')}" for f in functions]
    (out / "calls_names.h").write_text(made + "\n".join(names) + "\n")
    declared = [f"extern __typeof__({f.name}) ku_unchecked_{f.name.removeprefix('ku_')};" for f in functions]
    head = made + '#include "isolate/calls.h"\n\n#include <kucha/kucha.h>\n\n'
    wrappers = "\n\n".join(map(wrapper, functions))
    (out / "calls.c").write_text(head + "\n".join(declared) + "\n\n" + wrappers + "\n")
    (out / "calls_table.h").write_text(made + table(functions))


if __name__ == "__main__":
    main()
