"""Ways of spoiling images by a known amount: what a distance has to see. Knows no network."""

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from ganvas.images import pixels


def add_noise(
    images: Float[Tensor, "n c h w"], stds: Float[Tensor, "n"], normal: Float[Tensor, "n c h w"]
) -> Float[Tensor, "n c h w"]:
    """Return images plus standard `normal` numbers times a deviation for each row, in image units."""
    return images + stds.view(-1, 1, 1, 1) * normal


def blur(images: Float[Tensor, "n c h w"], stds: Float[Tensor, "n"]) -> Float[Tensor, "n c h w"]:
    """Return images smoothed by Gaussians of these deviations in pixels, one for each row; 0 leaves a row as it is.

    Written as a product with one matrix from each side; at the borders the weights inside are scaled to sum one.
    """
    down, across = (_gaussian(stds, size)[:, None] for size in images.shape[2:])
    return down @ images @ across.mT


def _gaussian(stds: Float[Tensor, "n"], size: int) -> Float[Tensor, "n size size"]:
    pixels = torch.arange(size, device=stds.device, dtype=stds.dtype)
    distance = (pixels[:, None] - pixels)[None] / stds.clamp_min(1e-3).view(-1, 1, 1)
    return torch.softmax(-distance.square() / 2, dim=2)


def shift(images: Float[Tensor, "n c h w"], right: int) -> Float[Tensor, "n c h w"]:
    """Return images moved by whole pixels to the right, what comes in on the left mirrored at the edge."""
    return F.pad(images, (right, 0, 0, 0), mode="reflect")[..., : images.shape[3]]


def coarsen(images: Float[Tensor, "n c h w"], side: int) -> Float[Tensor, "n c h w"]:
    """Return images brought to `side` pixels and back: those of a smaller generator, enlarged."""
    height, width = images.shape[2:]
    return pixels.resize(pixels.resize(images, side, side), height, width)


def warp(
    images: Float[Tensor, "n c h w"], amounts: Float[Tensor, "n"], normal: Float[Tensor, "n 2 a b"]
) -> Float[Tensor, "n c h w"]:
    """Return images whose points are moved along a smooth random field: a coarse grid of `normal` numbers, enlarged,
    times an amount in pixels for each row.
    """
    height, width = images.shape[2:]
    field = F.interpolate(normal * amounts.view(-1, 1, 1, 1), (height, width), mode="bicubic", align_corners=True)
    x = torch.arange(width, device=field.device) + 0.5 + field[:, 0]  # [n, h, w]
    y = (torch.arange(height, device=field.device) + 0.5)[:, None] + field[:, 1]
    grid = torch.stack([2 * x / width - 1, 2 * y / height - 1], dim=3)
    return F.grid_sample(images, grid, "bilinear", "reflection", align_corners=False)


def transplant(
    images: Float[Tensor, "n c h w"],
    others: Float[Tensor, "n c h w"],
    centers: Float[Tensor, "n 2"],
    radii: Float[Tensor, "n"],
) -> Float[Tensor, "n c h w"]:
    """Return images with a round piece of others in them, soft at its edge; centers (x, y) and radii in fractions."""
    height, width = images.shape[2:]
    y = (torch.arange(height, device=images.device) + 0.5) / height - centers[:, 1:]  # [n, h]
    x = (torch.arange(width, device=images.device) + 0.5) / width - centers[:, :1]
    distance = (y.square()[:, :, None] + x.square()[:, None]).sqrt()
    weight = ((radii.view(-1, 1, 1) - distance) / 0.05 + 0.5).clamp(0, 1)[:, None]
    return torch.lerp(images, others, weight)


def recolor(
    images: Float[Tensor, "n 3 h w"],
    gains: Float[Tensor, "n 3"],
    offsets: Float[Tensor, "n"],
    saturations: Float[Tensor, "n"],
) -> Float[Tensor, "n 3 h w"]:
    """Return images with saturation, then each channel's gain, then brightness changed; a channel a row."""
    gray = images.mean(1, keepdim=True)
    vivid = gray + (images - gray) * saturations.view(-1, 1, 1, 1)
    return vivid * gains[:, :, None, None] + offsets.view(-1, 1, 1, 1)


def crop(images: Float[Tensor, "n c h w"], corners: Int[Tensor, "n 2"], side: int) -> Float[Tensor, "n c side side"]:
    """Return squares of `side` pixels, one for each row, with their left top corners at pixels (x, y)."""
    squares = [
        image[:, top : top + side, left : left + side]
        for image, (left, top) in zip(images, corners.tolist(), strict=True)
    ]
    return torch.stack(squares)
