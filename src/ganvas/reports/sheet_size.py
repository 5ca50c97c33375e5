"""The size at which sheets and pages show images: results have files of their own."""

import math

from jaxtyping import Float
from torch import Tensor

from ganvas.images import pixels

SMALLEST_ON_SHEET, LARGEST_ON_SHEET = 128, 256


def on_sheet(images: Float[Tensor, "n 3 h w"]) -> Float[Tensor, "n 3 height width"]:
    """Return images at the size in which sheets show them: small ones enlarged by a whole factor."""
    side = max(images.shape[-2:])
    if side > LARGEST_ON_SHEET:
        return at_most(images, LARGEST_ON_SHEET)
    return pixels.enlarge(images, math.ceil(SMALLEST_ON_SHEET / side))


def at_most(images: Float[Tensor, "n 3 h w"], side: int) -> Float[Tensor, "n 3 height width"]:
    """Return images whose longer side has at most so many pixels, in the same proportion."""
    height, width = images.shape[-2:]
    scale = side / max(height, width)
    return images if scale >= 1 else pixels.resize(images, max(1, round(height * scale)), max(1, round(width * scale)))
