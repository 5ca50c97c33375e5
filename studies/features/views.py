"""Views of images for the feature network: crops, mirrored, recolored and corrupted by known amounts."""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from ganvas.images.pixels import resize
from ganvas.metrics import corruptions
from ganvas.training.randomness import Randomness

CORRUPTED_FRACTION = 0.6
KINDS = ("blur", "noise", "coarse", "warp", "patch")


@dataclass(frozen=True)
class Corruptions:
    """The corruption of each sample of a batch: its kind (an index of `KINDS`, -1 for none) and level in (0, 1]."""

    kinds: Int[Tensor, "n"]
    levels: Float[Tensor, "n"]

    def targets(self) -> Float[Tensor, "n kinds"]:
        """Return the levels in the columns of their kinds, 0 elsewhere."""
        columns = torch.arange(len(KINDS)) == self.kinds[:, None]
        return columns * self.levels[:, None]


def draw_corruptions(draws: Randomness, batch: int) -> Corruptions:
    """Draw a corruption for each sample; all samples of kind "coarse" share their level."""
    kinds = torch.where(draws.bernoulli(CORRUPTED_FRACTION, batch), draws.integers(len(KINDS), batch), -1)
    levels = draws.uniform(batch) * 0.95 + 0.05
    levels = torch.where(kinds == KINDS.index("coarse"), draws.uniform(1) * 0.95 + 0.05, levels)
    return Corruptions(kinds, levels)


def corrupt(images: Float[Tensor, "n 3 s s"], drawn: Corruptions, draws: Randomness) -> Float[Tensor, "n 3 s s"]:
    """Return corrupted images.

    Level 0 to 1 means: blur of std 0.3 to 4 pixels; noise of std 0.02 to 0.5; resizing to 1/4 of the size and
    back; a warp by 0.5 to 4 pixels; a round patch of another image of radius 0.1 to 0.35 of the side.
    """
    size, out = images.shape[-1], images.clone()
    noise = draws.normal(len(images), 3, size, size)
    bends = draws.normal(len(images), 2, 6, 6)
    centers = draws.uniform(len(images), 2) * 0.6 + 0.2
    others = images.roll(1, 0)

    def corrupted(kind: str, samples: Tensor, level: Tensor) -> Tensor:
        some = images[samples]
        match kind:
            case "blur":
                return corruptions.blur(some, 0.3 * (4 / 0.3) ** level)
            case "noise":
                return corruptions.add_noise(some, 0.02 * 25**level, noise[samples])
            case "coarse":
                return corruptions.coarsen(some, round(size * 4 ** -float(level[0])))
            case "warp":
                return corruptions.warp(some, 0.5 * 8**level, bends[samples])
            case _:
                return corruptions.transplant(some, others[samples], centers[samples], 0.1 + 0.25 * level)

    for number, kind in enumerate(KINDS):
        samples = (drawn.kinds == number).nonzero().flatten()
        if len(samples):
            out[samples] = corrupted(kind, samples, drawn.levels[samples])
    return out


def draw_view(
    images: Float[Tensor, "n 3 r r"], size: int, drawn: Corruptions, draws: Randomness
) -> Float[Tensor, "n 3 size size"]:
    """Return a crop of each image, randomly mirrored, corrupted and recolored.

    Crops have `size` to 4/3 `size` pixels and are downsampled, never upsampled, which would blur them.
    """
    batch, resolution = len(images), images.shape[-1]
    largest = min(resolution, size * 4 // 3)
    side = size + int(draws.integers(largest - size + 1, 1))
    corners = draws.integers(resolution - side + 1, batch, 2)
    views = resize(corruptions.crop(images, corners, side), size, size)
    views = torch.where(draws.bernoulli(0.5, batch)[:, None, None, None], views.flip(3), views)
    views = corrupt(views, drawn, draws)
    contrast = 0.75 + 0.5 * draws.uniform(batch, 1)
    gains = contrast * (0.88 + 0.24 * draws.uniform(batch, 3))
    return corruptions.recolor(views, gains, 0.5 * draws.uniform(batch) - 0.25, 0.5 + draws.uniform(batch))
