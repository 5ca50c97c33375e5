"""Generators of other channels than three: gray is shown as three equal channels, what lies beyond red, green and blue
is left out. The last layer is linear in every family, so it is a choice of its rows.
"""

import torch
from torch import Tensor

from ganvas.errors import CheckpointError

MOST_CHANNELS = 16  # of images; what a network makes more of are feature maps


def shown_channels(count: int) -> list[int]:
    """Return which of `count` channels are shown as red, green and blue; raises `CheckpointError` for no image."""
    if not 1 <= count <= MOST_CHANNELS:
        raise CheckpointError(
            f"this generator makes maps of {count} channels, which are no images; those of 1 (gray), 3 (red, green, "
            f"blue) and up to {MOST_CHANNELS} channels can be shown."
        )
    return [0, 1, 2] if count >= 3 else [0, 0, 0]


def select_channels(tensor: Tensor, dimension: int = 0) -> Tensor:
    """Return a tensor of the last layer with the channels that are shown."""
    count = tensor.shape[dimension]
    return tensor if count == 3 else tensor.index_select(dimension, torch.tensor(shown_channels(count)))


def channel_facts(count: int) -> dict[str, str]:
    """Return what the source of a generator should say of its channels, {} for three."""
    if count == 3:
        return {}
    if count == 1:
        return {"channels": "1 (gray), shown as three equal channels"}
    kept = "the first is shown as gray" if count == 2 else "the first three are shown as red, green and blue"
    return {"channels": f"{count}: {kept}", "left_out": f"{count - (1 if count == 2 else 3)} of {count} channels"}
