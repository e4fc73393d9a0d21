"""Samples -> the few figures that stand for them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Spread:
    """A median (or a ratio of medians) between the quartiles of its samples."""

    low: float
    median: float
    high: float


def spread(samples: Sequence[float]) -> Spread:
    """The quartiles."""
    low, median, high = np.percentile(samples, [25, 50, 75])
    return Spread(float(low), float(median), float(high))


def ratio(dividends: Sequence[float], divisors: Sequence[float]) -> Spread:
    """The ratio of the medians, between the quartiles of the ratios of samples taken one right after the other."""
    pairs = spread(
        [dividend / divisor for dividend, divisor in zip(dividends, divisors, strict=True)]
    )
    return Spread(pairs.low, spread(dividends).median / spread(divisors).median, pairs.high)


def percentile(samples: Sequence[float], percent: float) -> float:
    """A percentile, interpolated."""
    return float(np.percentile(samples, percent))
