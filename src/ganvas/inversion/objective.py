"""The objective of an inversion: the terms of `ganvas.inversion.terms` between a target and the generator's images, a
number per sample. Samples do not influence each other.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from ganvas.errors import ImageError
from ganvas.generators.protocol import Generator
from ganvas.generators.recompute import recompute_above
from ganvas.inversion import terms
from ganvas.inversion.features import FeatureExtractor
from ganvas.inversion.loss_weights import LossWeights
from ganvas.inversion.variables import LatentPoint
from ganvas.latents.spaces import Statistics


@dataclass(frozen=True)
class Target:
    """Images to match, of the generator's size in [-1, 1]; ``mask`` [n or 1, 1, h, w] says where (None: everywhere).
    ``maps`` are their feature maps, computed once where there is no mask.
    """

    images: Float[Tensor, "n 3 h w"]
    mask: Float[Tensor, "m 1 h w"] | None = None
    maps: tuple[Tensor, ...] = ()

    def select(self, chosen: list[int]) -> "Target":
        """Return the targets of some samples."""
        mask = self.mask if self.mask is None or len(self.mask) == 1 else self.mask[chosen]
        return Target(self.images[chosen], mask, tuple(feature[chosen] for feature in self.maps))


@dataclass(frozen=True)
class Objective:
    """The loss of codes and noise maps of a generator: the weighted sum of its terms."""

    generator: Generator
    space: str
    target: Target
    weights: LossWeights
    features: FeatureExtractor | None
    statistics: Statistics
    label: int | None = None

    def select(self, chosen: list[int]) -> "Objective":
        """Return the objective of some samples."""
        return replace(self, target=self.target.select(chosen))

    def images(self, point: LatentPoint) -> Float[Tensor, "n 3 h w"]:
        """Return the images of a point: one synthesis pass."""
        label: dict[str, Any] = {"label": self.label} if self.space == "z" else {}
        with recompute_above(self.generator.resolution):
            return self.generator.synthesize(point.codes, self.space, noise=dict(point.noise) or "const", **label)

    def terms(self, point: LatentPoint, images: Float[Tensor, "n 3 h w"]) -> dict[str, Float[Tensor, "n"]]:
        """Return the terms of nonzero weight by name, unweighted."""
        weights, statistics = self.weights, self.statistics
        values = image_terms(weights, self.features, self.target, images)
        if weights.prior:
            values["prior"] = terms.mean_squared_z_score(point.codes - statistics.mean, statistics.std)
        if weights.delta:
            values["delta"] = terms.mean_squared_z_score(point.delta, statistics.std)
        if weights.noise and point.noise:
            values["noise"] = terms.noise_regularization(point.noise)
        return values

    def losses(self, values: Mapping[str, Float[Tensor, "n"]]) -> Float[Tensor, "n"]:
        """Return the weighted sum of terms (Image2StyleGAN, Abdal et al. 2019, Eq. 1, and the regularizers)."""
        return self.weights.total(values)


def image_terms(
    weights: LossWeights,
    features: FeatureExtractor | None,
    target: Target,
    images: Float[Tensor, "n 3 h w"],
    image_maps: Sequence[Tensor] | None = None,
) -> dict[str, Float[Tensor, "n"]]:
    """Return the terms that compare images with the target, by name, unweighted; `image_maps` are the feature maps of
    the images where they are known already.
    """
    values = {}
    if weights.perceptual and features is not None:
        target_maps: Sequence[Tensor] = target.maps
        if target.mask is not None:
            target_maps = features(terms.composite(target.images, images, terms.relative_opacity(target.mask)))
        values["perceptual"] = terms.feature_distance(image_maps or features(images), target_maps, target.mask)
    if weights.l1:
        values["l1"] = terms.l1_distance(images, target.images, target.mask)
    if weights.l2:
        values["l2"] = terms.l2_distance(images, target.images, target.mask)
    return values


def make_target(
    images: Float[Tensor, "n 3 h w"],
    features: FeatureExtractor | None = None,
    mask: Float[Tensor, "1 mask_h mask_w"] | Float[Tensor, "m 1 mask_h mask_w"] | None = None,
) -> Target:
    """Return a target, with its feature maps where there is no mask.

    A mask [1, h, w] holds for all images; raises `ImageError` where it is empty or of another size.
    """
    if mask is not None:
        mask = mask[None] if mask.ndim == 3 else mask
        if mask.shape[-2:] != images.shape[-2:] or not bool((mask.flatten(1).sum(1) > 0).all()):
            raise ImageError(
                f"A mask of {list(mask.shape[-2:])} pixels for images of {list(images.shape[-2:])} is of another "
                "size, or empty: there is nothing to match."
            )
    with torch.no_grad():
        maps = tuple(features(images)) if features is not None and mask is None else ()
    return Target(images, mask, maps)
