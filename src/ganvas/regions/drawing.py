"""A region drawn without an image: white inside, gray outside, its contour on top."""

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from ganvas.images.notebook import SIDE
from ganvas.images.sheets import outline
from ganvas.regions.descriptions import mask_in
from ganvas.regions.shapes import Shape


def shape_drawing(shape: Shape) -> Float[Tensor, "1 3 h w"]:
    """Return a drawing of at most 128 pixels: square, or of the aspect ratio of the mask that the shape contains.

    Raises `RegionError` where it contains masks of different aspect ratios.
    """
    mask = mask_in(shape.describe())
    rows, columns = mask["shape"] if mask else (1, 1)
    height, width = (max(1, round(SIDE * side / max(rows, columns))) for side in (rows, columns))
    return mask_drawing(torch.from_numpy(shape.coverage(height, width).astype(np.float32))[None])


def mask_drawing(mask: Float[Tensor, "1 h w"]) -> Float[Tensor, "1 3 h w"]:
    """Return a soft mask as an image of its own size."""
    plain = (mask.detach().cpu().float() - 0.5).expand(1, 3, -1, -1)
    return outline(plain, mask.detach().cpu().float())
