"""Puts kucha under every interpreter that a test run starts; on its path only while tests/cpython/run.py works.

``KUCHA_TEST_MODE`` is ``stock`` (nothing happens, so that both sides of a comparison have the same path), ``plain``
(the allocator is swapped), ``traced`` (and every allocation is traced), ``gc`` (and kucha's collector is in charge),
``eager`` (and it collects all generations at every chance) or ``concurrent`` (and it makes a child for that at every
chance, however small the heap). Interpreters that tests start with options under which the swap is refused, such as
``-X tracemalloc``, run without it: that a swap took place where it must is checked by run.py.
"""

import os

_FRAMES = 10  # deep enough that walking the stack is exercised, not only the running frame

_mode = os.environ.get("KUCHA_TEST_MODE", "stock")
if _mode == "started":
    os.environ["KUCHA"] = f"run --quiet --append-pid --output {os.environ['KUCHA_TEST_CAPTURES']}/capture"
    import kucha._boot  # noqa: F401  (does its work when imported, and takes the variable away)
elif _mode != "stock":
    from kucha import _core

    try:
        _core.install()
        if _mode == "traced":
            _core.trace_start(frames=_FRAMES)
        elif _mode in ("gc", "eager", "concurrent"):
            _core.gc_install(eager=_mode != "gc", concurrent=_mode == "concurrent", least=0)
    except _core.Refused:
        pass
