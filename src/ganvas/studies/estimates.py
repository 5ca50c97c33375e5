"""Medians and their intervals by the bootstrap. Knows numbers only."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

LEVEL = 0.95


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
