"""Medians, geometric means and bootstrap intervals, over paired measurements."""

from __future__ import annotations

import math
import random
import statistics
from collections.abc import Mapping, Sequence

RESAMPLES = 2000
COVERAGE = 0.95


def median(values: Sequence[float]) -> float:
    """The middle value."""
    return statistics.median(values)


def geometric_mean(values: Sequence[float]) -> float:
    """The mean that ratios are averaged by."""
    return math.exp(statistics.fmean(math.log(value) for value in values))


def paired_ratios(ours: Sequence[float], theirs: Sequence[float]) -> list[float]:
    """Ratio of the measurements of the same round."""
    return [mine / other for mine, other in zip(ours, theirs, strict=True)]


def bootstrap(ratios: Mapping[str, Sequence[float]], seed: int = 1) -> tuple[float, float]:
    """Interval of the geometric mean over programs of the median ratio, by resampling rounds within each program."""
    dice = random.Random(seed)
    means = []
    for _ in range(RESAMPLES):
        medians = [median(dice.choices(values, k=len(values))) for values in ratios.values()]
        means.append(geometric_mean(medians))
    means.sort()
    cut = int(RESAMPLES * (1 - COVERAGE) / 2)
    return means[cut], means[-cut - 1]
