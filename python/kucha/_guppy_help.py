"""Help at the prompt, for kucha.guppy: ``hp.doc`` lists what can be asked, ``hp.doc.heap`` tells of ``heap``."""

from __future__ import annotations

import inspect

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_COLUMNS = 4
_WIDTH = 19


class Help:
    """The attributes of an object, and what each is for."""

    def __init__(self, of: type, obj: Any) -> None:
        self._of = of
        self._obj = obj

    def _names(self) -> list[str]:
        return sorted(name for name in dir(self._obj) if not name.startswith("_"))

    def __dir__(self) -> list[str]:
        return self._names()

    def __getattr__(self, name: str) -> Help | Text:
        if name.startswith("__"):
            raise AttributeError(name)
        member = inspect.getattr_static(self._of, name, None)
        if member is None:
            member = getattr(self._obj, name)
        function = member.fget if isinstance(member, property) else member
        signature = str(inspect.signature(function)) if callable(function) and not isinstance(member, property) else ""
        return Text(
            f"{name}{signature.replace('self, ', '').replace('(self)', '()')}\n\n{inspect.getdoc(member) or ''}"
        )

    def __repr__(self) -> str:
        names = self._names()
        height = -(-len(names) // _COLUMNS)
        rows = ["".join(f"{name:<{_WIDTH}} " for name in names[row::height]).rstrip() for row in range(height)]
        first = (inspect.getdoc(self._of) or "").partition("\n")[0]
        return "\n".join([f"{first} Available attributes:", *rows, "Use eg: doc.<attribute> for info on <attribute>."])


class Text:
    """Text that prints as it is."""

    def __init__(self, text: str) -> None:
        self._text = text

    def __repr__(self) -> str:
        return self._text
