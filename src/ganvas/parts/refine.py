"""Soft masks at the image's size from scores of coarse maps: their edges follow those of the image."""

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from ganvas.images.pixels import luma

RADIUS = 1 / 32  # of the image's smaller side
SMOOTH = 0.01  # variance of luma below which an edge is none; black to white is 2
EDGE = 0.25  # share at which a soft mask begins; it is full at 1 - EDGE


def guided_filter(
    guide: Float[Tensor, "n 1 h w"], values: Float[Tensor, "n c h w"], radius: int, smooth: float = SMOOTH
) -> Float[Tensor, "n c h w"]:
    """Return `values` smoothed but for the edges of `guide` (He, Sun and Tang, Guided Image Filtering, ECCV 2010).

    In every square of side ``2 radius + 1`` the result is linear in the guide: ``q = a I + b`` with
    ``a = cov(I, p) / (var(I) + smooth)`` and ``b = mean(p) - a mean(I)`` (Eq. 5 and 6), and a and b of all squares that
    hold a pixel are averaged (Eq. 8).
    """

    def mean(of: Tensor) -> Tensor:
        return F.avg_pool2d(of, 2 * radius + 1, 1, radius, count_include_pad=False)

    middle, level = mean(guide), mean(values)
    slope = (mean(guide * values) - middle * level) / (mean(guide * guide) - middle.square() + smooth)
    return mean(slope) * guide + mean(level - slope * middle)


def refined(images: Float[Tensor, "n 3 h w"], shares: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c h w"]:
    """Return shares in [0, 1] whose edges follow the images'."""
    radius = max(1, round(RADIUS * min(images.shape[-2:])))
    return guided_filter(luma(images), shares, radius).clamp(0, 1)


def as_mask(shares: Float[Tensor, "n 1 h w"]) -> Float[Tensor, "n 1 h w"]:
    """Return shares as a mask that is 0 and 1 but for a narrow edge around one half."""
    return ((shares - EDGE) / (1 - 2 * EDGE)).clamp(0, 1)
