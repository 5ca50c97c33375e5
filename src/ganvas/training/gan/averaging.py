"""The exponential moving average of the generator's weights, which is the generator to keep (Karras et al. 2018,
section 4).
"""

import torch
from torch import nn


def decay(batch: int, half_life: float, images: int, ramp: float = 0.05) -> float:
    """Return the factor of the old average at a step of `batch` images: ``0.5^(batch / half_life)``.

    The half-life, in images, is at most `ramp` times the `images` shown so far, so that the random initial weights are
    forgotten early.
    """
    half_life = min(half_life, max(images * ramp, batch))
    return 0.5 ** (batch / half_life)


@torch.no_grad()
def update(average: nn.Module, current: nn.Module, factor: float) -> None:
    """Set all weights and statistics to ``factor average + (1 - factor) current``."""
    kept, new = average.state_dict(), current.state_dict()
    moving = [name for name, tensor in kept.items() if tensor.is_floating_point()]
    torch._foreach_lerp_([kept[name] for name in moving], [new[name] for name in moving], 1 - factor)
