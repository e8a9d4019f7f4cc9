"""A second try for tests that failed, as CPython's own runner gives one (regrtest --rerun).

With forty thousand tests on machines that do other things as well, a test that needs a moment which did not come fails
once in some runs, and would hide what the others say. So a few that failed run once more, nothing else of their job
beside them, and pass when all of them pass then; each is named at the end of the run, with what it first said. A crash
is never given a second try: a program that dies from a signal, or in which a sanitizer speaks, once in a thousand runs
is what the tests are for. Nor are many failures: something is broken then.
"""

from __future__ import annotations

import re

from tools.counts import Counts

# Failures of one job that are looked at once more.
MOST = 3
# What a failure says where a process died: subprocess's negative exit codes, a shell's, faulthandler, the sanitizers,
# and the words of kucha's own checks (check.c, fault.c and fences.c
# in src/alloc). Not what another process did to it: 9 and 15.
CRASH = re.compile(
    r"exit code -(?:4|6|7|8|11)\b|returncode=-(?:4|6|7|8|11)\b|assert \(?-(?:4|6|7|8|11)\b|died with <Signals"
    r"|Fatal Python error|Segmentation fault|core dumped|(?:Address|Leak|Thread)Sanitizer|runtime error:"
    r"|this does not hold|it was left alone|kucha: heap \""
)


def deserved(first: Counts) -> bool:
    """Whether what failed may be tried once more."""
    named = len(first.failures) == first.failed
    return 0 < first.failed <= MOST and named and not any(CRASH.search(failure.said) for failure in first.failures)


def joined(first: Counts, second: Counts) -> Counts:
    """Both tries as one: the first, where any test failed again or did not run."""
    if second.failed or second.passed != first.failed:
        return first
    return Counts(
        passed=first.passed + second.passed,
        skipped=first.skipped,
        notes=first.notes,
        second_tries=first.failures,
    )
