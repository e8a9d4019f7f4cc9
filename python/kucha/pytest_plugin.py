"""The pytest marker ``no_cycles``: a test fails if it leaves garbage behind that only a collection finds.

::

    @pytest.mark.no_cycles
    def test_parsing(): ...

    @pytest.mark.no_cycles(allow=["Node"], classes=True)
    def test_the_tree(): ...

``allow`` are names of types, with or without their modules, whose closing references may be; ``*`` and ``?`` stand for
anything. Classes that a test makes are cycles by nature: they count with ``classes=True`` alone. What was garbage
before the test is collected before it, and what its fixtures hold lives on. A test that fails by itself is not
looked at. Nothing of kucha is loaded before the first such test. See docs/gc-cycles.md.
"""

from __future__ import annotations

import pytest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Generator, Sequence
    from typing import Any

    from kucha.producers import Cycle

_SHOWN = 10  # cycles in a message


def pytest_configure(config: pytest.Config) -> None:
    """Registers the marker."""
    config.addinivalue_line(
        "markers",
        "no_cycles(allow=(), classes=False): fail the test if it leaves reference cycles behind (kucha); allow: names "
        "of types whose references may close one",
    )


def _is_allowed(cycle: Cycle, allow: Sequence[str], classes: bool) -> bool:
    if cycle.kind == "class" and not classes:
        return True
    from fnmatch import fnmatchcase

    names = (cycle.type, cycle.type.rpartition(".")[2])
    return any(fnmatchcase(name, pattern) for name in names for pattern in allow)


def _message(cycles: list[Cycle]) -> str:
    lines = [f"the test left {sum(cycle.count for cycle in cycles)} reference cycles behind:"]
    for cycle in cycles[:_SHOWN]:
        lines.append(f"  {cycle.closing}   {cycle.count} times, {cycle.objects} objects, {cycle.bytes} bytes")
        place = f"{cycle.type}, born at {cycle.place}" if cycle.place else f"{cycle.type}, not traced"
        lines += [f"    {text}" for text in (place, cycle.example, cycle.advice) if text]
    if len(cycles) > _SHOWN:
        lines.append(f"  and {len(cycles) - _SHOWN} sorts more")
    return "\n".join(lines)


def _options(allow: Sequence[str] = (), classes: bool = False) -> tuple[Sequence[str], bool]:
    if isinstance(allow, str):
        raise pytest.UsageError(f"no_cycles: allow is a list of names of types, not {allow!r}")
    return allow, classes


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, Any, None]:
    """Watches the call of a test that has the marker; its set-up and tear-down are not looked at."""
    marker = item.get_closest_marker("no_cycles")
    if marker is None:
        yield
        return
    allow, classes = _options(*marker.args, **marker.kwargs)
    import gc

    from kucha import _core
    from kucha.producers import Producers

    made = Producers()
    gc.collect()
    try:
        made.start()
    except _core.Refused as refusal:
        pytest.fail(f"no_cycles cannot be told here: {refusal}", pytrace=False)
    outcome = yield
    if outcome.excinfo is None:
        gc.collect()
    made.stop()
    left = [cycle for cycle in made.cycles if not _is_allowed(cycle, allow, classes)]
    if outcome.excinfo is None and left:
        pytest.fail(_message(left), pytrace=False)
