"""Random draws of a training step: functions of seed and step alone, whatever was drawn before and however many
processes share a batch.
"""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor


@dataclass(frozen=True)
class Shard:
    """The part of every batch that this process computes: part `rank` of `count` equal, consecutive parts."""

    rank: int = 0
    count: int = 1

    def samples(self, total: int) -> slice:
        """Return this process's samples of a batch of `total`, a multiple of the number of processes."""
        each = total // self.count
        return slice(self.rank * each, (self.rank + 1) * each)


class Randomness:
    """The draws of one step.

    Each draw is made for the whole batch and cut to this process's shard, so that several processes together see
    exactly what one sees alone. No state is carried from step to step, so that a resumed run draws as the uninterrupted
    one.
    """

    def __init__(self, seed: int, step: int, shard: Shard = Shard(), device: torch.device | str = "cpu") -> None:
        mixed = np.random.SeedSequence([seed, step]).generate_state(1, np.uint64)[0]
        self.shard, self.device = shard, torch.device(device)
        self._source = torch.Generator(self.device).manual_seed(int(mixed >> np.uint64(1)))

    def normal(self, total: int, *shape: int) -> Float[Tensor, "n *shape"]:
        """Return this process's samples of standard normal numbers [total, *shape]."""
        return torch.randn(total, *shape, generator=self._source, device=self.device)[self.shard.samples(total)]

    def uniform(self, total: int, *shape: int) -> Float[Tensor, "n *shape"]:
        """Return this process's samples of uniform numbers in [0, 1)."""
        return torch.rand(total, *shape, generator=self._source, device=self.device)[self.shard.samples(total)]

    def bernoulli(self, probability: float, total: int, *shape: int) -> Bool[Tensor, "n *shape"]:
        """Return this process's samples of booleans, true with this probability."""
        return self.uniform(total, *shape) < probability

    def integers(self, below: int, total: int, *shape: int) -> Int[Tensor, "n *shape"]:
        """Return this process's samples of uniform integers from 0 to below - 1."""
        numbers = torch.randint(below, (total, *shape), generator=self._source, device=self.device)
        return numbers[self.shard.samples(total)]
