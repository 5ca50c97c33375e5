"""A sketch, and how far images are from it: where it is drawn, and nowhere else."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor

from ganvas.errors import ImageError
from ganvas.generators.protocol import Generator
from ganvas.inversion.objective import Target, image_terms
from ganvas.inversion.terms import FeatureMaps, Weights

COMPARED = ("perceptual", "l1", "l2")


@dataclass(frozen=True)
class Sketch:
    """What is to be seen: ``colors`` in [-1, 1], and where and how much, by ``alpha`` in [0, 1]; ``source`` is its
    file.
    """

    name: str
    colors: Float[Tensor, "1 3 h w"]
    alpha: Float[Tensor, "1 alpha_h alpha_w"]
    source: str = ""

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


def compared(weights: Weights) -> list[str]:
    """Return the names of the terms that count and that compare images."""
    return [name for name in COMPARED if getattr(weights, name)]


def distance_of(weights: Weights, terms: Mapping[str, Float[Tensor, "*rows"]]) -> Float[Tensor, "*rows"]:
    """Return the masked distance: the weighted sum of the terms that compare images."""
    return weights.total({name: terms[name] for name in compared(weights)})


def terms_from(
    sketches: Sequence[Sketch], images: Float[Tensor, "n 3 h w"], weights: Weights, look: FeatureMaps
) -> dict[str, Float[Tensor, "n sketches"]]:
    """Return the terms of every image's distance from every sketch, on the CPU; each image is looked at once."""
    seen = look(images) if weights.perceptual else None
    columns = []
    for sketch in sketches:
        target = Target(sketch.colors.expand_as(images), sketch.alpha[None])
        columns.append(image_terms(weights, look, target, images, seen))
    return {name: torch.stack([column[name] for column in columns], dim=1).cpu() for name in columns[0]}
