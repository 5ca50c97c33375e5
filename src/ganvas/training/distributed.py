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
        _add_up(flat)
        flat /= self.share.count
        for value, mean in zip(values, flat.split([value.numel() for value in values]), strict=True):
            value.copy_(mean.view_as(value))

    def average_gradients(self, network: nn.Module) -> None:
        """Replace the gradients by their means over all processes."""
        self.average([p.grad for p in network.parameters() if p.grad is not None])

    def any(self, mine: bool) -> bool:
        """Return whether it is true in one of the processes. Asked on the processor, so that no device has to wait."""
        if self.share.count == 1:
            return mine
        flag = torch.tensor(float(mine))
        _add_up(flag)
        return bool(flag)


def _add_up(values: Tensor) -> None:
    """Replace a tensor by its sum over all processes."""
    try:
        dist.all_reduce(values)
    except RuntimeError as reason:
        raise TrainingError(
            "Another of the processes that train together has ended, so that this one cannot go on; see what it said, "
            "and start again with --resume auto."
        ) from reason


def own_device(device: torch.device) -> torch.device:
    """Return the device of this process: where ``torchrun`` started several on a machine, each has a GPU of its own."""
    if device.type != "cuda" or device.index or "LOCAL_RANK" not in os.environ:
        return device
    return torch.device("cuda", int(os.environ["LOCAL_RANK"]))


@contextmanager
def team(device: torch.device) -> Iterator[Team]:
    """Give the team that ``torchrun`` started this process in, else a team of one; tensors on CUDA travel by ``nccl``,
    others by ``gloo``.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        yield Team()
        return
    if device.type == "cuda":
        torch.cuda.set_device(device)
    dist.init_process_group("cpu:gloo,cuda:nccl" if device.type == "cuda" else "gloo")
    yield Team(Share(dist.get_rank(), dist.get_world_size()))
    # Not after an error: where another process has ended, gloo's end may abort this one before it has said why.
    dist.destroy_process_group()


def check_batch(batch: int, share: Share, group: int) -> None:
    """Raise `TrainingError` unless every process gets the same number of whole groups of `group` rows."""
    if batch % (share.count * group):
        raise TrainingError(
            f"A batch of {batch} cannot be cut into groups of {group} for {share.count} process"
            f"{'es' if share.count > 1 else ''}; give a multiple of {share.count * group}."
        )
