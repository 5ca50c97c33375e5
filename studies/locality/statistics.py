"""The quotient of two medians and its interval by the bootstrap. Knows numbers only."""

import numpy as np
from jaxtyping import Float

from ganvas.comparisons.estimates import Estimate, estimate


def quotient_estimate(
    others: Float[np.ndarray, "m n"], ours: Float[np.ndarray, "k n"], resamples: int, seed: int = 0
) -> Estimate:
    """Return the median of `others` over that of `ours`.

    The interval resamples the seeds (the same for both) and the m other directions, which are a sample too; ours are
    not.
    """
    rng = np.random.default_rng(seed)

    def draw() -> float:
        columns = rng.integers(ours.shape[1], size=ours.shape[1])
        rows = rng.integers(len(others), size=len(others))
        return quotient(others[rows][:, columns], ours[:, columns])

    return estimate(quotient(others, ours), (draw() for _ in range(resamples)))


def quotient(others: np.ndarray, ours: np.ndarray) -> float:
    """Return the quotient of the medians; 0 where ours is infinite."""
    median = float(np.median(ours))
    return 0.0 if np.isinf(median) else float(np.median(others)) / median
