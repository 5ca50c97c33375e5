"""Chance changes of the images that a discriminator sees, real and made alike, so that it cannot learn few real ones
by heart.

Two kinds: `differentiable`, of fixed strength (Zhao et al. 2020, "Differentiable Augmentation for Data-Efficient GAN
Training"), and `adaptive`, of a strength that training adjusts (Karras et al. 2020, "Training Generative Adversarial
Networks with Limited Data", appendix B). Both draw anew for every image, for the whole batch that the processes
share, and can be differentiated once in the images, as the generator's step asks. Gradient penalties differentiate
the discriminator alone, at the changed images, so that no second derivative passes here.
"""

import math
from collections.abc import Callable, Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor

from ganvas.errors import TrainingError
from ganvas.generators.ops import at_least_float32
from ganvas.training.gan.warp import Matrices, quarter_turns, rotation, scaling, translation, warp
from ganvas.training.randomness import Randomness

Augment = Callable[[Float[Tensor, "n 3 r r"], Randomness], Float[Tensor, "n 3 r r"]]
Probability = Float[Tensor, ""] | float
Rows = Float[Tensor, "n"]

REACH = 0.125  # of the side: how far an image is moved by whole pixels, at most
DIFFERENTIABLE_PARTS = ("color", "translation", "cutout")
ADAPTIVE_PARTS = ("blit", "geometry", "color")


def unchanged(images: Float[Tensor, "n 3 r r"], draws: Randomness) -> Float[Tensor, "n 3 r r"]:
    """Return the images as they are."""
    return images


def differentiable(parts: Sequence[str] = DIFFERENTIABLE_PARTS) -> Augment:
    """Return the augmentation of Zhao et al. (2020): every part changes every image.

    color: brightness + U(-0.5, 0.5), saturation times U(0, 2), contrast times U(0.5, 1.5). translation: by whole
    pixels, up to an eighth of the side, gray where nothing is. cutout: a gray square of half the side, its middle
    anywhere in the image.

    Raises:
        TrainingError: a part has another name.
    """
    _check(parts, DIFFERENTIABLE_PARTS)

    def augment(images: Float[Tensor, "n 3 r r"], draws: Randomness) -> Float[Tensor, "n 3 r r"]:
        total, side = len(images) * draws.shard.count, images.shape[-1]
        if "color" in parts:
            brightness, saturation, contrast = draws.uniform(total, 3).unbind(dim=1)
            images = jittered(images, brightness - 0.5, 2 * saturation, contrast + 0.5)
        if "translation" in parts:
            reach = round(REACH * side)
            x, y = (draws.whole(2 * reach + 1, total, 2) - reach).unbind(dim=1)
            images = moved(images, x, y)
        if "cutout" in parts:
            x, y = draws.whole(side + 1, total, 2).unbind(dim=1)
            images = cut_out(images, x, y, side // 2)
        return images

    return augment


def adaptive(strength: Probability, parts: Sequence[str] = ADAPTIVE_PARTS) -> Augment:
    """Return the augmentation of Karras et al. (2020): each single change happens with probability `strength`, 0 to 1.

    blit: flip, right angles, motion by whole pixels. geometry: scale, rotation, stretch, motion, resampled together
    with the blits. color: brightness, contrast, inverted luma, hue, saturation. An image for which nothing is drawn
    comes out bit for bit as it went in.

    Raises:
        TrainingError: a part has another name.
    """
    _check(parts, ADAPTIVE_PARTS)

    def augment(images: Float[Tensor, "n 3 r r"], draws: Randomness) -> Float[Tensor, "n 3 r r"]:
        total, side = len(images) * draws.shard.count, images.shape[-1]
        motions = torch.eye(3, device=draws.device).repeat(len(images), 1, 1)
        if "blit" in parts:
            motions = blits(draws, total, strength, side) @ motions
        if "geometry" in parts:
            motions = geometry(draws, total, strength, side) @ motions
        images = _change_some(images, motions, warp)
        if "color" in parts:
            images = _change_some(images, colors(draws, total, strength), recolored)
        return images

    return augment


def _check(parts: Sequence[str], allowed: Sequence[str]) -> None:
    for part in parts:
        if part not in allowed:
            raise TrainingError(f"There is no augmentation '{part}' here; choose of {', '.join(allowed)}.")


def jittered(
    images: Float[Tensor, "n 3 h w"], brightness: Rows, saturation: Rows, contrast: Rows
) -> Float[Tensor, "n 3 h w"]:
    """Add `brightness`, multiply distances from the pixel's gray by `saturation`, then those from the image's mean by
    `contrast`: one matrix, ``contrast (saturation I + (1 - saturation) / 3)``, since no step moves the mean but the
    first.
    """
    brightness, saturation, contrast = (rows.to(images.device)[:, None] for rows in (brightness, saturation, contrast))
    mean = at_least_float32(images).mean(dim=(1, 2, 3))[:, None]
    own, others = contrast * saturation, contrast * (1 - saturation) / 3
    mix = own[:, :, None] * torch.eye(3, device=images.device) + others[:, :, None]
    return _mixed(images, mix, (brightness + (1 - contrast) * mean).expand(-1, 3))


def moved(images: Float[Tensor, "n 3 h w"], x: Int[Tensor, "n"], y: Int[Tensor, "n"]) -> Float[Tensor, "n 3 h w"]:
    """Move each image by whole pixels, x to the right and y down; what comes in is 0."""
    height, width = images.shape[2:]
    columns = torch.arange(width, device=x.device) - x[:, None]  # [n, w], where each new pixel was
    rows = torch.arange(height, device=y.device) - y[:, None]
    inside = _cross((rows >= 0) & (rows < height), (columns >= 0) & (columns < width))
    places = rows.clamp(0, height - 1)[:, :, None] * width + columns.clamp(0, width - 1)[:, None]
    found = images.flatten(2).gather(2, places.flatten(1)[:, None].expand(-1, images.shape[1], -1))
    return found.view(*found.shape[:2], height, width) * inside.to(found.dtype)


def cut_out(
    images: Float[Tensor, "n 3 h w"], x: Int[Tensor, "n"], y: Int[Tensor, "n"], size: int
) -> Float[Tensor, "n 3 h w"]:
    """Put 0 into the square of `size` pixels with its middle at (x, y), as far as it lies in the image."""
    height, width = images.shape[2:]
    columns = torch.arange(width, device=x.device) - x[:, None] + size // 2
    rows = torch.arange(height, device=y.device) - y[:, None] + size // 2
    square = _cross((rows >= 0) & (rows < size), (columns >= 0) & (columns < size))
    return images * (~square).to(images.dtype)


def _cross(rows: Tensor, columns: Tensor) -> Tensor:
    """Return [n, 1, h, w], true where both are."""
    return (rows[:, :, None] & columns[:, None])[:, None]


def blits(draws: Randomness, total: int, strength: Probability, side: int) -> Matrices:
    """Draw motions that take pixels to pixels: flips (half of those drawn), right angles, up to an eighth of `side`."""
    flips = 1.0 - 2.0 * _sometimes(draws, total, strength, draws.whole(2, total))
    turns = _sometimes(draws, total, strength, draws.whole(4, total))
    x, y = ((draws.uniform(total, 2) * 2 - 1) * (REACH * side)).round().unbind(dim=1)
    happens = draws.uniform(total) < strength
    move = translation(torch.where(happens, x, 0.0), torch.where(happens, y, 0.0))
    return move @ quarter_turns(turns) @ scaling(flips, torch.ones_like(flips))


def geometry(draws: Randomness, total: int, strength: Probability, side: int) -> Matrices:
    """Draw scale 2^N(0, 0.2), rotation, stretch 2^N(0, 0.2), rotation, and motion by N(0, 1/8) of `side`.

    Each of the two rotations happens with probability ``1 - sqrt(1 - strength)``, so that one of them does with
    `strength`.
    """
    scales = _sometimes(draws, total, strength, 0.2 * draws.normal(total)).exp2()
    stretches = _sometimes(draws, total, strength, 0.2 * draws.normal(total)).exp2()
    once = 1 - (1 - strength) ** 0.5
    first, second = (_sometimes(draws, total, once, _angles(draws, total)) for _ in range(2))
    x, y = (REACH * side * draws.normal(total, 2)).unbind(dim=1)
    happens = draws.uniform(total) < strength
    move = translation(torch.where(happens, x, 0.0), torch.where(happens, y, 0.0))
    return move @ rotation(second) @ scaling(stretches, 1 / stretches) @ rotation(first) @ scaling(scales, scales)


def colors(draws: Randomness, total: int, strength: Probability) -> Float[Tensor, "n 4 4"]:
    """Draw brightness + N(0, 0.2), contrast times 2^N(0, 0.5), inverted luma (half of those drawn), turned hue, and
    saturation times 2^N(0, 1), as matrices of (r, g, b, 1).
    """
    brightness = _sometimes(draws, total, strength, 0.2 * draws.normal(total))
    contrast = _sometimes(draws, total, strength, 0.5 * draws.normal(total)).exp2()
    inverted = 1.0 - 2.0 * _sometimes(draws, total, strength, draws.whole(2, total))
    hue = _sometimes(draws, total, strength, _angles(draws, total))
    saturation = _sometimes(draws, total, strength, draws.normal(total)).exp2()
    linear = contrast[:, None, None] * _about_gray(inverted, saturation, hue)
    matrices = torch.eye(4, device=linear.device).repeat(len(linear), 1, 1)
    matrices[:, :3, :3] = linear
    # Brightness is added first; of what follows, contrast and inversion act on gray.
    matrices[:, :3, 3] = (brightness * contrast * inverted)[:, None]
    return matrices


def _sometimes(draws: Randomness, total: int, probability: Probability, values: Tensor) -> Tensor:
    """Return each value with this probability and 0 otherwise."""
    return torch.where(draws.uniform(total) < probability, values, 0)


def _angles(draws: Randomness, total: int) -> Rows:
    return (draws.uniform(total) * 2 - 1) * math.pi


def _about_gray(along: Rows, across: Rows, angle: Rows) -> Float[Tensor, "n 3 3"]:
    """Return the maps of colors that multiply the part along the gray axis by `along` and the part across it by
    `across`, and turn it about that axis by `angle` (Rodrigues).
    """
    gray = torch.full((3, 3), 1 / 3, device=angle.device)
    rest = torch.eye(3, device=angle.device) - gray
    turn = torch.tensor([[0.0, -1.0, 1.0], [1.0, 0.0, -1.0], [-1.0, 1.0, 0.0]], device=angle.device) / math.sqrt(3)
    along, kept, turned = (v[:, None, None] for v in (along, across * angle.cos(), across * angle.sin()))
    return along * gray + kept * rest + turned * turn


def recolored(images: Float[Tensor, "n 3 h w"], matrices: Float[Tensor, "n 4 4"]) -> Float[Tensor, "n 3 h w"]:
    """Apply a matrix to the colors (r, g, b, 1) of each image, in [-1, 1]; not clamped."""
    return _mixed(images, matrices[:, :3, :3], matrices[:, :3, 3])


def _mixed(images: Tensor, mix: Float[Tensor, "n 3 3"], add: Float[Tensor, "n 3"]) -> Tensor:
    colors = at_least_float32(images).flatten(2)
    mixed = torch.baddbmm(add[:, :, None].to(colors), mix.to(colors), colors)
    return mixed.view(images.shape).to(images.dtype)


def _change_some(images: Tensor, matrices: Tensor, change: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
    """Change the images whose matrix is not the identity, and leave the others."""
    identity = torch.eye(matrices.shape[1], device=matrices.device)
    rows = (matrices != identity).flatten(1).any(dim=1).nonzero()[:, 0]
    if len(rows) == len(images):
        return change(images, matrices)
    if len(rows) == 0:
        return images
    return images.index_copy(0, rows, change(images[rows], matrices[rows]))
