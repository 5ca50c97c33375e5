"""Several processes that train one generator: each computes its share of every batch, gradients are averaged.

The average is taken after the backward passes of a step, by one reduction of all gradients in one flat tensor, not by
``DistributedDataParallel``: its hooks do not see a second backward pass through the gradient penalty.
"""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch import Tensor, nn

from ganvas.errors import TrainingError
from ganvas.training.randomness import Share


@dataclass(frozen=True)
class Team:
    """The processes that train together; alone by default."""

    share: Share = Share()

    @property
    def leads(self) -> bool:
        """Whether this process writes files and speaks."""
        return self.share.rank == 0

    def average(self, values: Sequence[Tensor]) -> None:
        """Replace each of the tensors, of one dtype, by its mean over all processes."""
        if self.share.count == 1 or not values:
            return
        flat = torch.cat([value.flatten() for value in values])
        dist.all_reduce(flat)
        flat /= self.share.count
        for value, mean in zip(values, flat.split([value.numel() for value in values]), strict=True):
            value.copy_(mean.view_as(value))

    def average_gradients(self, network: nn.Module) -> None:
        """Replace the gradients by their means over all processes."""
        self.average([p.grad for p in network.parameters() if p.grad is not None])


@contextmanager
def team(device: torch.device) -> Iterator[Team]:
    """Give the team that ``torchrun`` started this process in, else a team of one; ``nccl`` on CUDA, ``gloo``
    elsewhere.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        yield Team()
        return
    dist.init_process_group("nccl" if device.type == "cuda" else "gloo")
    try:
        yield Team(Share(dist.get_rank(), dist.get_world_size()))
    finally:
        dist.destroy_process_group()


def check_batch(batch: int, share: Share, group: int) -> None:
    """Raise `TrainingError` unless every process gets the same number of whole groups of `group` rows."""
    if batch % (share.count * group):
        raise TrainingError(
            f"A batch of {batch} cannot be shared by {share.count} processes in groups of {group}; give a multiple of "
            f"{share.count * group}."
        )
