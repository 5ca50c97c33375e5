"""Foreground and background of a region at one size."""

import torch
from jaxtyping import Float
from torch import Tensor

from ganvas.errors import RegionError
from ganvas.regions.coverage import beyond_band

HALF_GRAY_LEVEL = 1 / 512


def split_mask(
    foreground: Float[Tensor, "1 h w"], ignore_band: float, region: object
) -> tuple[Float[Tensor, "1 h w"], Float[Tensor, "1 h w"]]:
    """Return foreground and background for the mask of a region, without a band of that fraction of the smaller side.

    Raises `RegionError`, which calls the region by its text, where either of them is empty.
    """
    height, width = foreground.shape[-2:]
    if foreground.max() < HALF_GRAY_LEVEL:
        raise RegionError(f"The region {region} is empty at {width}x{height} pixels; make it larger.")
    background = 1 - foreground
    if ignore_band > 0:
        beyond = beyond_band(foreground[0].numpy(), ignore_band * min(height, width))
        background = torch.minimum(background, torch.from_numpy(beyond)[None])
    if background.max() < HALF_GRAY_LEVEL:
        band = f" with its ignore band of {ignore_band:g}" if ignore_band > 0 else ""
        raise RegionError(
            f"The region {region}{band} covers the whole image at {width}x{height} pixels and leaves no background; "
            "make it smaller."
        )
    return foreground, background
