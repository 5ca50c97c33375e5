"""Data-parallel training: each process computes its shard of every batch, and gradients are averaged.

Gradients are averaged after the backward passes of a step, by one reduction of all gradients in one flat tensor, and
not by ``DistributedDataParallel``, whose hooks do not see a second backward pass through a gradient penalty.
"""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch import Tensor, nn

from ganvas.errors import TrainingError
from ganvas.training.randomness import Shard


@dataclass(frozen=True)
class ProcessGroup:
    """The processes that train one generator together; a single one by default."""

    shard: Shard = Shard()

    @property
    def is_main(self) -> bool:
        """Whether this process is rank 0, which alone writes files and reports."""
        return self.shard.rank == 0

    def average(self, values: Sequence[Tensor]) -> None:
        """Replace each of the tensors, of one dtype, by its mean over all processes."""
        if self.shard.count == 1 or not values:
            return
        flat = torch.cat([value.flatten() for value in values])
        _add_up(flat)
        flat /= self.shard.count
        for value, mean in zip(values, flat.split([value.numel() for value in values]), strict=True):
            value.copy_(mean.view_as(value))

    def average_gradients(self, network: nn.Module) -> None:
        """Replace the gradients by their means over all processes."""
        self.average([p.grad for p in network.parameters() if p.grad is not None])

    def any(self, mine: bool) -> bool:
        """Return whether a flag is set in any process. Reduced on the CPU, so that no device has to synchronize."""
        if self.shard.count == 1:
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


def local_device(device: torch.device) -> torch.device:
    """Return the device of this process: with several processes of ``torchrun`` on a machine, a GPU for each."""
    if device.type != "cuda" or device.index or "LOCAL_RANK" not in os.environ:
        return device
    return torch.device("cuda", int(os.environ["LOCAL_RANK"]))


@contextmanager
def process_group(device: torch.device) -> Iterator[ProcessGroup]:
    """Yield the process group that ``torchrun`` started this process in, else a group of one.

    Tensors on CUDA are reduced by ``nccl``, others by ``gloo``.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        yield ProcessGroup()
        return
    if device.type == "cuda":
        torch.cuda.set_device(device)
    dist.init_process_group("cpu:gloo,cuda:nccl" if device.type == "cuda" else "gloo")
    yield ProcessGroup(Shard(dist.get_rank(), dist.get_world_size()))
    # Not after an error: where another process has ended, gloo's end may abort this one before it has said why.
    dist.destroy_process_group()


def check_batch(batch: int, shard: Shard, group_size: int) -> None:
    """Raise `TrainingError` unless every process gets the same number of whole groups of `group_size` samples."""
    if batch % (shard.count * group_size):
        raise TrainingError(
            f"A batch of {batch} cannot be divided into groups of {group_size} for {shard.count} process"
            f"{'es' if shard.count > 1 else ''}; give a multiple of {shard.count * group_size}."
        )
