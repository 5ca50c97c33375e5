"""What an inversion came to, in numbers."""

import math
from dataclasses import asdict, dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from ganvas.inversion.objective import Target, image_terms
from ganvas.inversion.terms import FeatureMaps, Weights, squared

NO_DIFFERENCE = 1e-12


@dataclass(frozen=True)
class Card:
    """One photo: signal to noise in dB and perceptual distance (by the network of the run), both of the region alone
    where there is one; the loss that was inverted with, of the image as it is written, tuned or not; distance of the
    code to the mean in standard deviations of the space (1 is usual for codes of the prior); all synthesis passes for
    it, with and without gradients, that of the result included; and seconds (of the whole batch).
    """

    name: str
    psnr: float
    perceptual: float
    loss: float
    from_mean: float
    passes: int
    seconds: float

    def as_dict(self) -> dict[str, str | float]:
        """Return the numbers by name."""
        return asdict(self)


def psnr(
    images: Float[Tensor, "n 3 h w"], others: Float[Tensor, "n 3 h w"], mask: Float[Tensor, "m 1 h w"] | None = None
) -> Float[Tensor, "n"]:
    """Return the peak signal-to-noise ratio in dB, ``10 log10(2^2 / mean squared difference)``: black to white is 2.

    Images are clamped to [-1, 1], as files are; equal ones have 120 dB.
    """
    error = squared(images.clamp(-1, 1), others.clamp(-1, 1), mask) / 4
    return -10 * error.clamp_min(NO_DIFFERENCE).log10()


@torch.no_grad()
def distances(look: FeatureMaps | None, images: Float[Tensor, "n 3 h w"], target: Target) -> Float[Tensor, "n"]:
    """Return the perceptual distance of each image from its target, where it is to be matched; nan without a network
    to look through.
    """
    if look is None:
        return torch.full((len(images),), math.nan)
    if target.mask is None and not target.maps:
        target = Target(target.images, None, tuple(look(target.images)))
    return image_terms(Weights(perceptual=1.0), look, target, images)["perceptual"]
