"""What distances between sets need of their features, in memory that does not grow with the number of images."""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from ganvas.errors import GanvasError

KEPT = 10_000  # features that a summary keeps for the kernel MMD, which needs them one by one


@dataclass(eq=False)
class FeatureSummary:
    """Sums over feature vectors, float64, and some of the vectors: all of up to `most`, beyond that a random choice
    that depends on their numbers alone. Summaries of the same features in the same order are equal to the last digit.
    """

    most: int = KEPT

    def __post_init__(self) -> None:
        self.count = 0
        self._total = self._products = torch.zeros((), dtype=torch.float64)
        self.kept = torch.zeros(0, 0)
        self._ranks = np.zeros(0, np.uint64)

    def add(self, features: Float[Tensor, "n d"]) -> None:
        """Take the next features in; raises `GanvasError` where one is not finite."""
        if not bool(features.isfinite().all()):
            raise GanvasError("Some features are not finite; check the images.")
        exact = features.double().cpu()
        self._total = self._total + exact.sum(0)
        self._products = self._products + exact.T @ exact
        ranks = np.concatenate([self._ranks, _ranks(range(self.count, self.count + len(features)))])
        kept = torch.cat([self.kept, features.cpu()]) if len(self.kept) else features.cpu()
        if len(kept) > self.most:
            chosen = np.sort(np.argpartition(ranks, self.most)[: self.most])
            kept, ranks = kept[chosen], ranks[chosen]
        self.kept, self._ranks = kept, ranks
        self.count += len(features)

    def moments(self) -> tuple[Float[Tensor, "d"], Float[Tensor, "d d"]]:
        """Return the mean and the covariance (divided by n - 1) of all features, float64."""
        mean = self._total / self.count
        return mean, (self._products - self.count * torch.outer(mean, mean)) / (self.count - 1)


def _ranks(numbers: range) -> np.ndarray:
    """Return a number for each image by which it is chosen: the mixed bits of its own (splitmix64), all different."""
    bits = np.arange(numbers.start + 1, numbers.stop + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    bits = (bits ^ (bits >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    bits = (bits ^ (bits >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return bits ^ (bits >> np.uint64(31))
