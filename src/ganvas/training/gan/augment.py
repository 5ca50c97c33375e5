"""Augmentations of the images that a discriminator sees, real and fake alike, against overfitting to few images.

Two kinds: `differentiable`, of fixed strength (DiffAugment; Zhao et al. 2020, "Differentiable Augmentation for
Data-Efficient GAN Training"), and `adaptive`, of a strength that training adjusts (ADA; Karras et al. 2020, "Training
Generative Adversarial Networks with Limited Data", appendix B). Both draw for each image of the whole batch of all
processes. They are once differentiable in the images, as the generator's step needs. Gradient penalties differentiate
the discriminator alone, at the augmented images, and need no second derivative here.
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
PerImage = Float[Tensor, "n"]

LARGEST_SHIFT = 0.125  # of the side: the largest translation by whole pixels
DIFFERENTIABLE_PARTS = ("color", "translation", "cutout")
ADAPTIVE_PARTS = ("blit", "geometry", "color")
EQUIVARIANT_PARTS = ("color",)
"""What moving or turning an image before or after makes no difference to, which StyleGAN3's equivariance needs."""


def unchanged(images: Float[Tensor, "n 3 r r"], draws: Randomness) -> Float[Tensor, "n 3 r r"]:
    """Return the images as they are."""
    return images


def differentiable(parts: Sequence[str] = DIFFERENTIABLE_PARTS) -> Augment:
    """Return DiffAugment (Zhao et al. 2020): every part changes every image.

    color: brightness + U(-0.5, 0.5), saturation times U(0, 2), contrast times U(0.5, 1.5). translation: by whole
    pixels, up to an eighth of the side, with gray outside the image. cutout: a gray square of half the side, centered
    anywhere in the image.

    Raises:
        TrainingError: A part has an unknown name.
    """
    _check(parts, DIFFERENTIABLE_PARTS)

    def augment(images: Float[Tensor, "n 3 r r"], draws: Randomness) -> Float[Tensor, "n 3 r r"]:
        total, side = len(images) * draws.shard.count, images.shape[-1]
        if "color" in parts:
            brightness, saturation, contrast = draws.uniform(total, 3).unbind(dim=1)
            images = jittered(images, brightness - 0.5, 2 * saturation, contrast + 0.5)
        if "translation" in parts:
            reach = round(LARGEST_SHIFT * side)
            x, y = (draws.integers(2 * reach + 1, total, 2) - reach).unbind(dim=1)
            images = moved(images, x, y)
        if "cutout" in parts:
            x, y = draws.integers(side + 1, total, 2).unbind(dim=1)
            images = cut_out(images, x, y, side // 2)
        return images

    return augment


def adaptive(strength: Probability, parts: Sequence[str] = ADAPTIVE_PARTS) -> Augment:
    """Return ADA's augmentation (Karras et al. 2020): each transformation has probability `strength`, 0 to 1.

    blit: flip, quarter turns, translation by whole pixels. geometry: scale, rotation, anisotropic scale, translation,
    resampled together with the blits. color: brightness, contrast, luma inversion, hue, saturation. An image for which
    nothing is drawn is returned bit for bit.

    Raises:
        TrainingError: A part has an unknown name.
    """
    _check(parts, ADAPTIVE_PARTS)

    def augment(images: Float[Tensor, "n 3 r r"], draws: Randomness) -> Float[Tensor, "n 3 r r"]:
        total, side = len(images) * draws.shard.count, images.shape[-1]
        motions = torch.eye(3, device=draws.device).repeat(len(images), 1, 1)
        if "blit" in parts:
            motions = blits(draws, total, strength, side) @ motions
        if "geometry" in parts:
            motions = geometry(draws, total, strength, side) @ motions
        images = _transform_changed(images, motions, warp)
        if "color" in parts:
            images = _transform_changed(images, colors(draws, total, strength), recolored)
        return images

    return augment


def _check(parts: Sequence[str], allowed: Sequence[str]) -> None:
    for part in parts:
        if part not in allowed:
            raise TrainingError(f"There is no augmentation '{part}' here; choose from {', '.join(allowed)}.")


def jittered(
    images: Float[Tensor, "n 3 h w"], brightness: PerImage, saturation: PerImage, contrast: PerImage
) -> Float[Tensor, "n 3 h w"]:
    """Add `brightness`, scale distances from the pixel's gray by `saturation` and those from the image's mean by
    `contrast`.

    One matrix does both, ``contrast (saturation I + (1 - saturation) / 3)``, since only brightness moves the mean.
    """
    brightness, saturation, contrast = (rows.to(images.device)[:, None] for rows in (brightness, saturation, contrast))
    mean = at_least_float32(images).mean(dim=(1, 2, 3))[:, None]
    own, others = contrast * saturation, contrast * (1 - saturation) / 3
    mix = own[:, :, None] * torch.eye(3, device=images.device) + others[:, :, None]
    return _mixed(images, mix, (brightness + (1 - contrast) * mean).expand(-1, 3))


def moved(images: Float[Tensor, "n 3 h w"], x: Int[Tensor, "n"], y: Int[Tensor, "n"]) -> Float[Tensor, "n 3 h w"]:
    """Translate each image by whole pixels, x to the right and y down, with 0 outside the image."""
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
    """Set the part in the image of a square of `size` pixels centered at (x, y) to 0."""
    height, width = images.shape[2:]
    columns = torch.arange(width, device=x.device) - x[:, None] + size // 2
    rows = torch.arange(height, device=y.device) - y[:, None] + size // 2
    square = _cross((rows >= 0) & (rows < size), (columns >= 0) & (columns < size))
    return images * (~square).to(images.dtype)


def _cross(rows: Tensor, columns: Tensor) -> Tensor:
    """Return [n, 1, h, w], true where row and column are."""
    return (rows[:, :, None] & columns[:, None])[:, None]


def blits(draws: Randomness, total: int, strength: Probability, side: int) -> Matrices:
    """Draw transformations of the pixel grid: flips (with probability 1/2), quarter turns, shifts up to an eighth of
    `side`.
    """
    flips = 1.0 - 2.0 * _with_probability(draws, total, strength, draws.integers(2, total))
    turns = _with_probability(draws, total, strength, draws.integers(4, total))
    x, y = ((draws.uniform(total, 2) * 2 - 1) * (LARGEST_SHIFT * side)).round().unbind(dim=1)
    happens = draws.uniform(total) < strength
    move = translation(torch.where(happens, x, 0.0), torch.where(happens, y, 0.0))
    return move @ quarter_turns(turns) @ scaling(flips, torch.ones_like(flips))


def geometry(draws: Randomness, total: int, strength: Probability, side: int) -> Matrices:
    """Draw isotropic scale 2^N(0, 0.2), rotation, anisotropic scale 2^N(0, 0.2), rotation, shift by N(0, 1/8) `side`.

    Each of the two rotations has probability ``1 - sqrt(1 - strength)``, so that at least one has `strength`.
    """
    scales = _with_probability(draws, total, strength, 0.2 * draws.normal(total)).exp2()
    stretches = _with_probability(draws, total, strength, 0.2 * draws.normal(total)).exp2()
    once = 1 - (1 - strength) ** 0.5
    first, second = (_with_probability(draws, total, once, _angles(draws, total)) for _ in range(2))
    x, y = (LARGEST_SHIFT * side * draws.normal(total, 2)).unbind(dim=1)
    happens = draws.uniform(total) < strength
    move = translation(torch.where(happens, x, 0.0), torch.where(happens, y, 0.0))
    return move @ rotation(second) @ scaling(stretches, 1 / stretches) @ rotation(first) @ scaling(scales, scales)


def colors(draws: Randomness, total: int, strength: Probability) -> Float[Tensor, "n 4 4"]:
    """Draw brightness + N(0, 0.2), contrast times 2^N(0, 0.5), luma inversion (with probability 1/2), hue rotation, and
    saturation times 2^N(0, 1), as matrices of (r, g, b, 1).
    """
    brightness = _with_probability(draws, total, strength, 0.2 * draws.normal(total))
    contrast = _with_probability(draws, total, strength, 0.5 * draws.normal(total)).exp2()
    inverted = 1.0 - 2.0 * _with_probability(draws, total, strength, draws.integers(2, total))
    hue = _with_probability(draws, total, strength, _angles(draws, total))
    saturation = _with_probability(draws, total, strength, draws.normal(total)).exp2()
    linear = contrast[:, None, None] * _about_gray(inverted, saturation, hue)
    matrices = torch.eye(4, device=linear.device).repeat(len(linear), 1, 1)
    matrices[:, :3, :3] = linear
    # Brightness is added first; of what follows, contrast and inversion act on gray.
    matrices[:, :3, 3] = (brightness * contrast * inverted)[:, None]
    return matrices


def _with_probability(draws: Randomness, total: int, probability: Probability, values: Tensor) -> Tensor:
    """Return each value with this probability, else 0."""
    return torch.where(draws.uniform(total) < probability, values, 0)


def _angles(draws: Randomness, total: int) -> PerImage:
    return (draws.uniform(total) * 2 - 1) * math.pi


def _about_gray(along: PerImage, across: PerImage, angle: PerImage) -> Float[Tensor, "n 3 3"]:
    """Return the color matrices that scale the component along the gray axis by `along` and the one across it by
    `across`, and rotate about that axis by `angle` (Rodrigues).
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


def _transform_changed(images: Tensor, matrices: Tensor, change: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
    """Transform the images whose matrix is not the identity; the others are returned bit for bit."""
    identity = torch.eye(matrices.shape[1], device=matrices.device)
    rows = (matrices != identity).flatten(1).any(dim=1).nonzero()[:, 0]
    if len(rows) == len(images):
        return change(images, matrices)
    if len(rows) == 0:
        return images
    return images.index_copy(0, rows, change(images[rows], matrices[rows]))
