"""The terms of which a loss is made, each a pure function with a number per row; and how much each counts.

Means are over entries, so that a weight means the same at every size. A mask [1 or n, 1, h, w] in [0, 1] says where
images must agree; where it is 0, neither a value nor a derivative depends on the images that are compared with.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Protocol, runtime_checkable

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from ganvas.errors import GanvasError
from ganvas.images import pixels
from ganvas.metrics.features import FeatureNetwork, load_features
from ganvas.metrics.perceptual import unit_maps

NEAR = 2  # pixels within which a mask's rim is soft
SMALLEST_NOISE = 8  # pixels: the pyramid of the noise regularizer ends here


@dataclass(frozen=True)
class Weights:
    """How much each term counts; 0 leaves it out.

    ``perceptual``, ``l1`` and ``l2`` compare images; ``prior`` is the distance of codes to the mean, ``delta`` that
    to the start; ``noise`` keeps noise maps noise.
    """

    perceptual: float = 0.0
    l1: float = 0.0
    l2: float = 0.0
    prior: float = 0.0
    delta: float = 0.0
    noise: float = 0.0

    def __post_init__(self) -> None:
        for name, weight in asdict(self).items():
            if not 0 <= weight < math.inf:
                raise GanvasError(f"A weight of {weight:g} for {name} is not possible; give 0 or more.")
        if not self.perceptual + self.l1 + self.l2:
            raise GanvasError("No term compares the images; give perceptual, l1 or l2.")

    def total(self, found: Mapping[str, Float[Tensor, "*rows"]]) -> Float[Tensor, "*rows"]:
        """Return the weighted sum of the terms that were found, by name."""
        return torch.stack([getattr(self, name) * values for name, values in found.items()]).sum(0)

    def __str__(self) -> str:
        return " + ".join(f"{weight:g} {name}" for name, weight in asdict(self).items() if weight)


DEFAULT = Weights(perceptual=1.0, l1=0.1, l2=1.0, prior=0.001, delta=0.001, noise=1.0)
"""What a term counts where it is named without a weight."""
DEFAULT_LOSS = "perceptual+l1+l2"


def parse_weights(loss: str, weights: str | None = None) -> Weights:
    """Return the weights meant by a loss such as "perceptual+l1+l2" and, for some of its terms, "l1=0.5,l2=2".

    Raises `GanvasError` for names that are none, with those that are.
    """
    known = [field.name for field in fields(Weights)]
    given: dict[str, float] = {}
    for name in (part.strip().lower() for part in loss.split("+")):
        if name not in known:
            raise GanvasError(f"A loss has no term '{name}'; there are {', '.join(known)}, with + between.")
        given[name] = getattr(DEFAULT, name)
    for part in (weights or "").split(",") if weights else ():
        name, _, number = (word.strip().lower() for word in part.partition("="))
        if name not in given:
            raise GanvasError(f"'{part}' weights no term of the loss {loss}; write such as {next(iter(given))}=0.5.")
        try:
            given[name] = float(number)
        except ValueError:
            raise GanvasError(f"'{part}' is no weight; write such as {name}=0.5.") from None
    return Weights(**given)


DEFAULT = parse_weights(DEFAULT_LOSS)


@runtime_checkable
class FeatureMaps(Protocol):
    """What a perceptual term looks through: maps of images whose squared differences, summed over channels, averaged
    over pixels and summed over maps, are its distance. Weights of maps and channels are in the maps, as their roots.
    """

    @property
    def name(self) -> str:
        """What its distance is called."""
        ...

    def __call__(self, images: Float[Tensor, "n 3 h w"]) -> Sequence[Tensor]:
        """Return the maps [n, c, h, w] of images in [-1, 1], differentiable, row by row."""
        ...


@dataclass(frozen=True)
class BundledFeatures:
    """The feature network that Ganvas brings, as `ganvas.metrics.perceptual.perceptual_distance` measures by it."""

    network: FeatureNetwork
    name: str = "Ganvas perceptual distance"

    def __call__(self, images: Float[Tensor, "n 3 h w"]) -> list[Tensor]:
        """Return unit vectors at every pixel; the maps count the same."""
        maps = unit_maps(self.network, images)
        return [feature / math.sqrt(len(maps)) for feature in maps]


def bundled_features(device: str | torch.device = "cpu") -> BundledFeatures:
    """Return the feature network that Ganvas brings, ready to look."""
    return BundledFeatures(load_features(device=device))


def weighted_mean(values: Float[Tensor, "n c h w"], mask: Float[Tensor, "m 1 h w"] | None) -> Float[Tensor, "n"]:
    """Return the mean over channels and pixels, pixels weighted by the mask: ``sum m v / sum m``."""
    per_pixel = values.mean(1, keepdim=True)
    if mask is None:
        return per_pixel.mean((1, 2, 3))
    return (mask * per_pixel).sum((1, 2, 3)) / mask.sum((1, 2, 3))


def absolute(
    images: Float[Tensor, "n 3 h w"], target: Float[Tensor, "n 3 h w"], mask: Float[Tensor, "m 1 h w"] | None = None
) -> Float[Tensor, "n"]:
    """Return the mean absolute difference (L1)."""
    return weighted_mean((images - target).abs(), mask)


def squared(
    images: Float[Tensor, "n 3 h w"], target: Float[Tensor, "n 3 h w"], mask: Float[Tensor, "m 1 h w"] | None = None
) -> Float[Tensor, "n"]:
    """Return the mean squared difference (L2)."""
    return weighted_mean((images - target).square(), mask)


def perceptual(
    maps: Sequence[Float[Tensor, "n _c _h _w"]],
    others: Sequence[Float[Tensor, "n _c _h _w"]],
    mask: Float[Tensor, "m 1 h w"] | None = None,
) -> Float[Tensor, "n"]:
    """Return ``sum_l mean_pixels |f_l - g_l|^2`` (Zhang et al. 2018, Eq. 1), pixels of each map weighted by the mask at
    its size.
    """
    distances = []
    for ours, theirs in zip(maps, others, strict=True):
        here = None if mask is None else pixels.resize(mask, *ours.shape[-2:]).clamp(0, 1)
        distances.append(weighted_mean((ours - theirs).square().sum(1, keepdim=True), here))
    return torch.stack(distances).sum(0)


def cover(mask: Float[Tensor, "m 1 h w"]) -> Float[Tensor, "m 1 h w"]:
    """Return how far the target hides the image: each value of the mask as a share of the highest within two pixels.

    Inside of what is drawn faintly that is 1: how much it counts is the weight's matter, not the image's. A rim stays
    as soft as it was drawn.
    """
    highest = F.max_pool2d(mask, 2 * NEAR + 1, stride=1, padding=NEAR)
    return mask / highest.clamp_min(1e-6)


def completed(
    target: Float[Tensor, "n 3 h w"], images: Float[Tensor, "n 3 h w"], mask: Float[Tensor, "m 1 h w"]
) -> Float[Tensor, "n 3 h w"]:
    """Return the target inside the mask and the image itself outside, ``m t + (1 - m) x``.

    A feature network that looks at this, and at the image, meets no edge at the mask's rim that only one of them has.
    """
    return images + mask * (target - images)


def in_stds(codes: Float[Tensor, "n *rows d"], std: Float[Tensor, "d"]) -> Float[Tensor, "n"]:
    """Return the mean over entries of (code / deviation)^2: of what is left when a mean or a start is subtracted."""
    return (codes / std).square().flatten(1).mean(1)


def noise_regularity(maps: Mapping[str, Float[Tensor, "n 1 _h _w"]]) -> Float[Tensor, "n"]:
    """Return how far noise maps are from white noise: at every size of a pyramid down to 8 pixels, the squared mean
    product with the map moved by a pixel, across and down, round the edge (Karras et al. 2020, StyleGAN2, Eq. 6).
    """
    total = torch.stack([noise.new_zeros(len(noise)) for noise in maps.values()]).sum(0)
    for noise in maps.values():
        while True:
            total = total + sum((noise * noise.roll(1, axis)).mean((1, 2, 3)).square() for axis in (2, 3))
            if noise.shape[-1] <= SMALLEST_NOISE:
                break
            noise = F.avg_pool2d(noise, 2)
    return total
