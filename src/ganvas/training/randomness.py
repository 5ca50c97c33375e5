"""All chance of a training step, from one seed: the same whatever was run before, and however many processes share
it.
"""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor


@dataclass(frozen=True)
class Share:
    """Which rows of every batch this process computes: part `rank` of `count` equal, consecutive parts."""

    rank: int = 0
    count: int = 1

    def rows(self, total: int) -> slice:
        """Return this process's rows of a batch of `total`, which must be a multiple of the number of processes."""
        each = total // self.count
        return slice(self.rank * each, (self.rank + 1) * each)


class Randomness:
    """The draws of one step. Each is made for the whole batch and cut to this process's share, so that two processes
    see together exactly what one sees alone; nothing is carried from step to step, so that a resumed run draws as the
    uninterrupted one.
    """

    def __init__(self, seed: int, step: int, share: Share = Share(), device: torch.device | str = "cpu") -> None:
        mixed = np.random.SeedSequence([seed, step]).generate_state(1, np.uint64)[0]
        self.share, self.device = share, torch.device(device)
        self._source = torch.Generator(self.device).manual_seed(int(mixed >> np.uint64(1)))

    def normal(self, total: int, *shape: int) -> Float[Tensor, "n *shape"]:
        """Return this process's rows of standard normal numbers [total, *shape]."""
        return torch.randn(total, *shape, generator=self._source, device=self.device)[self.share.rows(total)]

    def uniform(self, total: int, *shape: int) -> Float[Tensor, "n *shape"]:
        """Return this process's rows of numbers in [0, 1)."""
        return torch.rand(total, *shape, generator=self._source, device=self.device)[self.share.rows(total)]

    def chance(self, probability: float, total: int, *shape: int) -> Bool[Tensor, "n *shape"]:
        """Return this process's rows of yes or no, yes with this probability."""
        return self.uniform(total, *shape) < probability

    def whole(self, below: int, total: int, *shape: int) -> Int[Tensor, "n *shape"]:
        """Return this process's rows of whole numbers from 0 to below - 1."""
        numbers = torch.randint(below, (total, *shape), generator=self._source, device=self.device)
        return numbers[self.share.rows(total)]


def shuffled(seed: int, first: int, last: int, size: int) -> Int[np.ndarray, "count"]:
    """Return which of `size` images stand at positions first..last-1 of an endless row of shuffled epochs."""
    parts = []
    for epoch in range(first // size, (last - 1) // size + 1):
        order = np.random.Generator(np.random.PCG64([seed, epoch])).permutation(size)
        parts.append(order[max(first - epoch * size, 0) : last - epoch * size])
    return np.concatenate(parts)
