"""The metrics of an inversion."""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from ganvas.inversion.features import FeatureExtractor
from ganvas.inversion.loss_weights import LossWeights
from ganvas.inversion.objective import Target, image_terms
from ganvas.inversion.terms import l2_distance

SMALLEST_ERROR = 1e-12  # of a PSNR of 120 dB


@dataclass(frozen=True)
class InversionMetrics:
    """The metrics of one inverted photo.

    Attributes:
        name: The photo.
        psnr: Peak signal-to-noise ratio in dB, inside the region where there is one.
        perceptual: Perceptual distance by the feature extractor of the inversion, inside the region.
        loss: The loss that was minimized, of the final image, after tuning where the generator was tuned.
        from_mean: Distance of the code from the mean in standard deviations of the space, about 1 for random codes.
        passes: All synthesis passes, with and without gradients, that of the final image included.
        seconds: Time, of the whole batch.
    """

    name: str
    psnr: float
    perceptual: float
    loss: float
    from_mean: float
    passes: int
    seconds: float


def psnr(
    images: Float[Tensor, "n 3 h w"], others: Float[Tensor, "n 3 h w"], mask: Float[Tensor, "m 1 h w"] | None = None
) -> Float[Tensor, "n"]:
    """Return the peak signal-to-noise ratio in dB, ``10 log10(2^2 / mean squared error)``: values span 2.

    Images are clamped to [-1, 1], as in files; equal ones have 120 dB.
    """
    error = l2_distance(images.clamp(-1, 1), others.clamp(-1, 1), mask) / 4
    return -10 * error.clamp_min(SMALLEST_ERROR).log10()


@torch.no_grad()
def perceptual_distances(
    features: FeatureExtractor | None, images: Float[Tensor, "n 3 h w"], target: Target
) -> Float[Tensor, "n"]:
    """Return the perceptual distance of each image from its target, inside the mask; nan without an extractor."""
    if features is None:
        return torch.full((len(images),), math.nan)
    if target.mask is None and not target.maps:
        target = Target(target.images, None, tuple(features(target.images)))
    return image_terms(LossWeights(perceptual=1.0), features, target, images)["perceptual"]
