"""Means, medians, quotients and their 95 % intervals.

The bootstrap is ours, not `scipy.stats.bootstrap`: its interval interpolates between resampled values, which infinite
quotients forbid, and the published intervals are of these seeds.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from scipy.stats import binomtest

LEVEL = 0.95
RESAMPLES = 2000


@dataclass(frozen=True)
class Estimate:
    """A number and the ends of its 95 % interval."""

    value: float
    low: float
    high: float


def estimate(value: float, resampled: Iterable[float]) -> Estimate:
    """Return `value` with the percentile interval of the bootstrap; ends are resampled values, so inf is allowed."""
    edge = (1 - LEVEL) / 2
    low, high = np.quantile(np.fromiter(resampled, float), [edge, 1 - edge], method="nearest")
    return Estimate(value, float(low), float(high))


def median_estimate(ratios: Float[np.ndarray, "k n"], resamples: int, seed: int = 0) -> Estimate:
    """Return the median over k directions and n seeds; the interval resamples seeds, each with all its directions."""
    rng = np.random.default_rng(seed)
    draws = (rng.integers(ratios.shape[1], size=ratios.shape[1]) for _ in range(resamples))
    return estimate(float(np.median(ratios)), (np.median(ratios[:, columns]) for columns in draws))


def mean_estimate(values: Sequence[float], resamples: int = RESAMPLES, seed: int = 0) -> Estimate:
    """Return the mean of values, one for each image; the interval resamples images."""
    numbers = np.array(values, dtype=float)
    draws = _draws(len(numbers), resamples, seed)
    return estimate(float(numbers.mean()), numbers[draws].mean(axis=1))


def share_estimate(values: Sequence[bool]) -> Estimate:
    """Return the share of what holds with Wilson's interval (1927), which is wide where none or all of few hold: there
    the bootstrap's interval would have no width.
    """
    held = sum(map(bool, values))
    interval = binomtest(held, len(values)).proportion_ci(LEVEL, "wilson")
    return Estimate(held / len(values), float(interval.low), float(interval.high))


def quotient_of_means(
    over: Sequence[float], under: Sequence[float], resamples: int = RESAMPLES, seed: int = 0
) -> Estimate:
    """Return the mean of `over` divided by that of `under`, of the same images, which the interval resamples."""
    first, second = np.array(over, dtype=float), np.array(under, dtype=float)
    draws = _draws(len(first), resamples, seed)
    with np.errstate(divide="ignore", invalid="ignore"):
        resampled = first[draws].mean(axis=1) / second[draws].mean(axis=1)
        value = float(first.mean() / second.mean())
    return estimate(value, np.nan_to_num(resampled, nan=np.inf))


def _draws(count: int, resamples: int, seed: int) -> Int[np.ndarray, "resamples count"]:
    return np.random.default_rng(seed).integers(count, size=(resamples, count))
