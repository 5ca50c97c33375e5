"""A sketch, and the distance of images from it, which counts only where something is drawn."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor

from ganvas.errors import ImageError
from ganvas.generators.protocol import Generator
from ganvas.inversion.features import FeatureExtractor
from ganvas.inversion.loss_weights import LossWeights
from ganvas.inversion.objective import Target, image_terms

COMPARED = ("perceptual", "l1", "l2")


@dataclass(frozen=True)
class Sketch:
    """A drawing: ``colors`` in [-1, 1] and ``alpha`` in [0, 1], which says where and how much they count; ``source`` is
    its file; ``note`` says what was taken for paper.
    """

    name: str
    colors: Float[Tensor, "1 3 h w"]
    alpha: Float[Tensor, "1 alpha_h alpha_w"]
    source: str = ""
    note: str = ""

    def __post_init__(self) -> None:
        if self.colors.shape[-2:] != self.alpha.shape[-2:]:
            raise ImageError(
                f"Colors of {list(self.colors.shape[-2:])} pixels do not fit an alpha of "
                f"{list(self.alpha.shape[-2:])}; give both at the generator's resolution."
            )
        if not bool(self.alpha.max() > 0):
            raise ImageError(f"The sketch '{self.name}' is transparent everywhere; draw something on it.")

    def on(self, generator: Generator) -> "Sketch":
        """Return the sketch on the generator's device; raises `ImageError` where it is of another size."""
        side, size = generator.resolution, tuple(self.colors.shape[-2:])
        if size != (side, side):
            raise ImageError(
                f"The sketch '{self.name}' has {size[1]} x {size[0]} pixels and this generator {side} x {side}; read "
                f"it by ganvas.read_sketch(path, {side})."
            )
        return replace(self, colors=self.colors.to(generator.device), alpha=self.alpha.to(generator.device))

    def over(self, images: Float[Tensor, "n 3 h w"], keep: float) -> tuple[Float[Tensor, "n 3 h w"], Tensor]:
        """Return the drawing over images, and where it counts [1, h, w]: its alpha, and `keep` times as much, all
        together, in what it leaves clear (no place more than a drawn one).
        """
        drawn = float(self.alpha.mean())
        share = min(1.0, keep * drawn / (1 - drawn)) if drawn < 1 else 0.0
        return torch.lerp(images, self.colors, self.alpha[None]), self.alpha + share * (1 - self.alpha)


def compared_terms(weights: LossWeights) -> list[str]:
    """Return the names of the terms of nonzero weight that compare images."""
    return [name for name in COMPARED if getattr(weights, name)]


def masked_distance(weights: LossWeights, terms: Mapping[str, Float[Tensor, "*n"]]) -> Float[Tensor, "*n"]:
    """Return the masked distance: the weighted sum of the terms that compare images."""
    return weights.total({name: terms[name] for name in compared_terms(weights)})


def sketch_terms(
    sketches: Sequence[Sketch], images: Float[Tensor, "n 3 h w"], weights: LossWeights, features: FeatureExtractor
) -> dict[str, Float[Tensor, "n sketches"]]:
    """Return the terms between every image and every sketch, on the CPU; the maps of an image are computed once."""
    image_maps = features(images) if weights.perceptual else None
    columns = []
    for sketch in sketches:
        target = Target(sketch.colors.expand_as(images), sketch.alpha[None])
        columns.append(image_terms(weights, features, target, images, image_maps))
    return {name: torch.stack([column[name] for column in columns], dim=1).cpu() for name in columns[0]}
