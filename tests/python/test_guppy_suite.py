"""guppy3's own tests against kucha.guppy, from guppy3's source release (scripts/setup programs puts it into .venv).

Those listed here pass. docs/guppy.md says what the others ask for.
"""

from __future__ import annotations

import pytest
from conftest import TOP, Runner

PASS = (
    *(f"test_Part.IdentityCase.test_{number}" for number in (1, 2, 3)),
    "test_Part.MixedCase.test_1",
    "test_UniSet.FirstCase.test_1",
    "test_ER.FirstCase.test_1",
    "test_Classifiers.SpecialCases.test_1",
    "test_Classifiers.BaseCase.test_base_classes",
    "test_Classifiers.BaseCase.test_fancy_type_conversions",
    *(f"test_View.FirstCase.test_{name}" for name in ("dominos", "exports", "imdom", "referents")),
    "test_View.SpecialTypesCase.test_array",
)


def test_guppys_own_tests_pass(python: Runner) -> None:
    found = sorted((TOP / ".venv" / "guppy3").glob("guppy3-*/guppy/heapy/test/support.py"))
    if not found:
        pytest.skip("guppy3's source release is not here; scripts/setup programs fetches it")
    shim = TOP / "tests" / "python" / "guppy_shim.py"
    done = python(str(shim), str(found[-1].parents[3]), *PASS, timeout=280)
    assert "=" * 10 in done.stdout, done.stderr
    assert done.stdout.split("=" * 10 + "\n")[-1] == "", done.stdout + done.stderr
    assert f"Ran {len(PASS)} tests" in done.stderr
