"""What an inversion makes small: a target's terms put together, a number a row. Rows know nothing of each other."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from ganvas.errors import ImageError
from ganvas.generators.protocol import Generator
from ganvas.inversion import terms
from ganvas.inversion.terms import FeatureMaps, Weights
from ganvas.inversion.variables import Point
from ganvas.latents.spaces import Statistics


@dataclass(frozen=True)
class Target:
    """Images to be matched, of the generator's size in [-1, 1], and where: ``mask`` [n or 1, 1, h, w], None for
    everywhere. ``maps`` is what the feature network sees of them, where it sees them whole.
    """

    images: Float[Tensor, "n 3 h w"]
    mask: Float[Tensor, "m 1 h w"] | None = None
    maps: tuple[Tensor, ...] = ()

    def rows(self, chosen: list[int]) -> "Target":
        """Return the targets of some rows."""
        mask = self.mask if self.mask is None or len(self.mask) == 1 else self.mask[chosen]
        return Target(self.images[chosen], mask, tuple(feature[chosen] for feature in self.maps))


@dataclass(frozen=True)
class Objective:
    """The loss of codes and noise maps of a generator, as `Weights` say."""

    generator: Generator
    space: str
    target: Target
    weights: Weights
    look: FeatureMaps | None
    statistics: Statistics
    label: int | None = None

    def rows(self, chosen: list[int]) -> "Objective":
        """Return the objective of some rows."""
        return replace(self, target=self.target.rows(chosen))

    def images(self, point: Point) -> Float[Tensor, "n 3 h w"]:
        """Return the images of a point: one synthesis pass."""
        late: dict[str, Any] = {"label": self.label} if self.space == "z" else {}
        return self.generator.synthesize(point.codes, self.space, noise=dict(point.noise) or "const", **late)

    def terms(self, point: Point, images: Float[Tensor, "n 3 h w"]) -> dict[str, Float[Tensor, "n"]]:
        """Return the terms that count, by name, without their weights."""
        weights, statistics = self.weights, self.statistics
        found = image_terms(weights, self.look, self.target, images)
        if weights.prior:
            found["prior"] = terms.in_stds(point.codes - statistics.mean, statistics.std)
        if weights.delta:
            found["delta"] = terms.in_stds(point.delta, statistics.std)
        if weights.noise and point.noise:
            found["noise"] = terms.noise_regularity(point.noise)
        return found

    def losses(self, found: Mapping[str, Float[Tensor, "n"]]) -> Float[Tensor, "n"]:
        """Return the weighted sum of the terms."""
        return self.weights.total(found)


def image_terms(
    weights: Weights,
    look: FeatureMaps | None,
    target: Target,
    images: Float[Tensor, "n 3 h w"],
    seen: Sequence[Tensor] | None = None,
) -> dict[str, Float[Tensor, "n"]]:
    """Return the terms that compare images with the target, by name, without their weights; `seen` are the maps of
    the images where they were looked at before.
    """
    found = {}
    if weights.perceptual and look is not None:
        others: Sequence[Tensor] = target.maps
        if target.mask is not None:
            others = look(terms.completed(target.images, images, terms.cover(target.mask)))
        found["perceptual"] = terms.perceptual(seen or look(images), others, target.mask)
    if weights.l1:
        found["l1"] = terms.absolute(images, target.images, target.mask)
    if weights.l2:
        found["l2"] = terms.squared(images, target.images, target.mask)
    return found


def make_target(
    images: Float[Tensor, "n 3 h w"],
    look: FeatureMaps | None = None,
    mask: Float[Tensor, "1 mask_h mask_w"] | Float[Tensor, "m 1 mask_h mask_w"] | None = None,
) -> Target:
    """Return a target, looked at once where it is to be matched everywhere.

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
        maps = tuple(look(images)) if look is not None and mask is None else ()
    return Target(images, mask, maps)
