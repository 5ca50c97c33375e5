"""The moving average of a generator's weights, which is the one that is kept (Karras et al. 2018, section 4)."""

import torch
from torch import nn


def decay(batch: int, half_life: float, images: int, ramp: float = 0.05) -> float:
    """Return the factor of the old average at a step of `batch` images: ``0.5^(batch / half-life)``, the half-life in
    images, shorter at the start (`ramp` of the images seen so far) so that the random first weights are forgotten.
    """
    half_life = min(half_life, max(images * ramp, batch))
    return 0.5 ** (batch / half_life)


@torch.no_grad()
def update(average: nn.Module, current: nn.Module, factor: float) -> None:
    """Move all weights and statistics of `average` towards those of `current` by ``1 - factor``."""
    kept, new = average.state_dict(), current.state_dict()
    moving = [name for name, tensor in kept.items() if tensor.is_floating_point()]
    torch._foreach_lerp_([kept[name] for name in moving], [new[name] for name in moving], 1 - factor)
