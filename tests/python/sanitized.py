"""What cannot be tested where AddressSanitizer watches the Python package (``build asan-module``), and why.

The interpreter itself is not built with the sanitizer, so its libraries are loaded before it (LD_PRELOAD) and every
program that a test starts is watched, too. That changes what such a program is: how much memory it takes, how it dies,
and who hands out memory. Tests about just that are skipped, each for a reason that is written here.
"""

from __future__ import annotations

import os

import pytest

_ADDRESSES = "AddressSanitizer reserves 16 TiB of addresses, so no program of its can live under a limit on them"
_CRASHES = "AddressSanitizer answers a crash itself, by a report and an exit code"
_READS = "AddressSanitizer forbids writev() of memory that is not the program's, by which the test makes its core"
_REFUSED = "AddressSanitizer ends a program that asks for more than there is, where the system says no"
_RESIDENT = "AddressSanitizer keeps freed memory back, so the resident size does not come down"

# By file and test: why it is skipped.
UNDER_SANITIZER = {
    ("core_install", "starts_with_one_gigabyte_of_addresses"): _ADDRESSES,
    ("core_install", "a_limit_on_addresses_that_comes_later_is_no_memory_error"): _ADDRESSES,
    ("core_install", "memory_that_runs_out_is_a_memory_error_and_no_more"): _ADDRESSES,
    ("core_install", "a_crash_shows_that_kucha_was_active"): _CRASHES,
    ("docs", "examples_do_what_the_document_shows[memory_profiler.md]"): _RESIDENT,
    ("docs", "examples_do_what_the_document_shows[processes.md]"): _ADDRESSES,
    ("doctor", "doctor_tells_of_limits"): _ADDRESSES,
    ("heap_core", "*"): _READS,
    ("heap_triggers", "refused_memory_is_seen_before_anything_is_let_go"): _REFUSED,
    ("limits_and_ps", "a_limit_on_memory_holds"): _ADDRESSES,
    ("mprof", "the_verbs_work_on_what_was_recorded"): _RESIDENT,
    ("run_options", "address_space_of_a_gigabyte_is_enough"): _ADDRESSES,
}


def is_sanitized() -> bool:
    """Whether AddressSanitizer watches this process and those that it starts."""
    return "libasan" in os.environ.get("LD_PRELOAD", "")


def reason_to_skip(item: pytest.Item) -> str | None:
    """Why the test cannot be run under AddressSanitizer; None where it can."""
    file = item.path.stem.removeprefix("test_")
    name = item.name.removeprefix("test_")
    for asked in (name, name.partition("[")[0], "*"):
        if (file, asked) in UNDER_SANITIZER:
            return UNDER_SANITIZER[file, asked]
    return None


def skip_what_cannot_be_tested(items: list[pytest.Item]) -> None:
    """Marks the tests that are listed above, under AddressSanitizer alone."""
    if not is_sanitized():
        return
    for item in items:
        reason = reason_to_skip(item)
        if reason is not None:
            item.add_marker(pytest.mark.skip(reason=reason))
