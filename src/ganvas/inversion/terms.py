"""The terms of the loss: pure functions that return a number per sample.

Means are over entries, so that a weight means the same at every size. A mask [1 or n, 1, h, w] in [0, 1] says where
images must agree; where it is 0, neither the value nor the gradient depends on the target.
"""

from collections.abc import Mapping, Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from ganvas.images import pixels

RIM = 2  # pixels within which the rim of a mask may be soft
SMALLEST_NOISE = 8  # pixels: the last level of the noise regularizer's pyramid


def weighted_mean(values: Float[Tensor, "n c h w"], mask: Float[Tensor, "m 1 h w"] | None) -> Float[Tensor, "n"]:
    """Return the mean over channels and pixels, weighted by the mask: ``sum m v / sum m``."""
    per_pixel = values.mean(1, keepdim=True)
    if mask is None:
        return per_pixel.mean((1, 2, 3))
    return (mask * per_pixel).sum((1, 2, 3)) / mask.sum((1, 2, 3))


def l1_distance(
    images: Float[Tensor, "n 3 h w"], target: Float[Tensor, "n 3 h w"], mask: Float[Tensor, "m 1 h w"] | None = None
) -> Float[Tensor, "n"]:
    """Return the mean absolute difference."""
    return weighted_mean((images - target).abs(), mask)


def l2_distance(
    images: Float[Tensor, "n 3 h w"], target: Float[Tensor, "n 3 h w"], mask: Float[Tensor, "m 1 h w"] | None = None
) -> Float[Tensor, "n"]:
    """Return the mean squared difference (Image2StyleGAN, Abdal et al. 2019, Eq. 1, second term)."""
    return weighted_mean((images - target).square(), mask)


def feature_distance(
    maps: Sequence[Float[Tensor, "n _c _h _w"]],
    others: Sequence[Float[Tensor, "n _c _h _w"]],
    mask: Float[Tensor, "m 1 h w"] | None = None,
) -> Float[Tensor, "n"]:
    """Return ``sum_l mean_pixels |f_l - g_l|^2`` (Zhang et al. 2018, Eq. 1), the pixels of each map weighted by the
    mask at its size.
    """
    distances = []
    for feature, other in zip(maps, others, strict=True):
        resized = None if mask is None else pixels.resize(mask, *feature.shape[-2:]).clamp(0, 1)
        distances.append(weighted_mean((feature - other).square().sum(1, keepdim=True), resized))
    return torch.stack(distances).sum(0)


def relative_opacity(mask: Float[Tensor, "m 1 h w"]) -> Float[Tensor, "m 1 h w"]:
    """Return the mask divided by its maximum within two pixels, the opacity at which `composite` lays the target over
    the image.

    Inside a faint stroke it is 1: how much the stroke counts is decided by the weights of the mean, not by the image.
    A soft rim stays as soft as it was drawn.
    """
    maximum = F.max_pool2d(mask, 2 * RIM + 1, stride=1, padding=RIM)
    return mask / maximum.clamp_min(1e-6)


def composite(
    target: Float[Tensor, "n 3 h w"], images: Float[Tensor, "n 3 h w"], mask: Float[Tensor, "m 1 h w"]
) -> Float[Tensor, "n 3 h w"]:
    """Return the target inside the mask and the image outside, ``m t + (1 - m) x``.

    The features of this and of the image differ by no edge along the rim of the mask.
    """
    return images + mask * (target - images)


def mean_squared_z_score(codes: Float[Tensor, "n *rows d"], std: Float[Tensor, "d"]) -> Float[Tensor, "n"]:
    """Return ``mean((code / std)^2)`` of codes from which a mean or a start was subtracted."""
    return (codes / std).square().flatten(1).mean(1)


def noise_regularization(maps: Mapping[str, Float[Tensor, "n 1 _h _w"]]) -> Float[Tensor, "n"]:
    """Return the regularizer of noise maps: at every level of a pyramid down to 8 pixels the squared mean product of
    the map and its copy shifted by a pixel, horizontally and vertically, cyclic (Karras et al. 2020, StyleGAN2,
    appendix D, Eq. 6).
    """
    total = torch.stack([noise.new_zeros(len(noise)) for noise in maps.values()]).sum(0)
    for noise in maps.values():
        while True:
            total = total + sum((noise * noise.roll(1, axis)).mean((1, 2, 3)).square() for axis in (2, 3))
            if noise.shape[-1] <= SMALLEST_NOISE:
                break
            noise = F.avg_pool2d(noise, 2)
    return total
