"""Corruptions of images by known amounts, which a distance has to detect. Knows no network."""

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from ganvas.images import pixels


def add_noise(
    images: Float[Tensor, "n c h w"], stds: Float[Tensor, "n"], normal: Float[Tensor, "n c h w"]
) -> Float[Tensor, "n c h w"]:
    """Return images plus `normal` noise with a standard deviation per sample, in image units."""
    return images + stds.view(-1, 1, 1, 1) * normal


def blur(images: Float[Tensor, "n c h w"], stds: Float[Tensor, "n"]) -> Float[Tensor, "n c h w"]:
    """Return images blurred by Gaussians with a standard deviation in pixels per sample; 0 changes nothing.

    Computed as a product with one matrix on each side; at the borders the weights inside are scaled to sum to one.
    """
    down, across = (_gaussian(stds, size)[:, None] for size in images.shape[2:])
    return down @ images @ across.mT


def _gaussian(stds: Float[Tensor, "n"], size: int) -> Float[Tensor, "n size size"]:
    pixels = torch.arange(size, device=stds.device, dtype=stds.dtype)
    distance = (pixels[:, None] - pixels)[None] / stds.clamp_min(1e-3).view(-1, 1, 1)
    return torch.softmax(-distance.square() / 2, dim=2)


def shift(images: Float[Tensor, "n c h w"], right: int) -> Float[Tensor, "n c h w"]:
    """Return images shifted to the right by whole pixels, mirrored at the left edge."""
    return F.pad(images, (right, 0, 0, 0), mode="reflect")[..., : images.shape[3]]


def coarsen(images: Float[Tensor, "n c h w"], side: int) -> Float[Tensor, "n c h w"]:
    """Return images downsampled to `side` pixels and upsampled again, like those of a smaller generator."""
    height, width = images.shape[2:]
    return pixels.resize(pixels.resize(images, side, side), height, width)


def warp(
    images: Float[Tensor, "n c h w"], amounts: Float[Tensor, "n"], normal: Float[Tensor, "n 2 a b"]
) -> Float[Tensor, "n c h w"]:
    """Return images warped by a smooth random field: a coarse grid of `normal` numbers, upsampled, times an amount in
    pixels per sample.
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
    """Return images with a round patch of others, soft at its edge; centers (x, y) and radii in fractions."""
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
    """Return images with changed saturation, then gain per channel, then brightness, all per sample."""
    gray = images.mean(1, keepdim=True)
    vivid = gray + (images - gray) * saturations.view(-1, 1, 1, 1)
    return vivid * gains[:, :, None, None] + offsets.view(-1, 1, 1, 1)


def crop(images: Float[Tensor, "n c h w"], corners: Int[Tensor, "n 2"], side: int) -> Float[Tensor, "n c side side"]:
    """Return crops of `side` pixels, one per sample, with their top left corners at pixels (x, y)."""
    squares = [
        image[:, top : top + side, left : left + side]
        for image, (left, top) in zip(images, corners.tolist(), strict=True)
    ]
    return torch.stack(squares)
