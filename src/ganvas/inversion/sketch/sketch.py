"""A sketch, and how far pictures are from it: where it is drawn, and nowhere else."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor

from ganvas.errors import PictureError
from ganvas.generators.protocol import Generator
from ganvas.inversion.objective import Target, picture_terms
from ganvas.inversion.terms import FeatureMaps, Weights

COMPARED = ("perceptual", "l1", "l2")


@dataclass(frozen=True)
class Sketch:
    """What is to be seen: ``colours`` in [-1, 1], and where and how much, by ``alpha`` in [0, 1]; ``source`` is its
    file.
    """

    name: str
    colours: Float[Tensor, "1 3 h w"]
    alpha: Float[Tensor, "1 alpha_h alpha_w"]
    source: str = ""

    def __post_init__(self) -> None:
        if self.colours.shape[-2:] != self.alpha.shape[-2:]:
            raise PictureError(
                f"Colours of {list(self.colours.shape[-2:])} pixels do not fit an alpha of "
                f"{list(self.alpha.shape[-2:])}; give both at the generator's resolution."
            )
        if not bool(self.alpha.max() > 0):
            raise PictureError(f"The sketch '{self.name}' is transparent everywhere; draw something on it.")

    def on(self, generator: Generator) -> "Sketch":
        """Return the sketch on the generator's device; raises `PictureError` where it is of another size."""
        side, size = generator.resolution, tuple(self.colours.shape[-2:])
        if size != (side, side):
            raise PictureError(
                f"The sketch '{self.name}' has {size[1]} x {size[0]} pixels and this generator {side} x {side}; read "
                f"it by ganvas.read_sketch(path, {side})."
            )
        return replace(self, colours=self.colours.to(generator.device), alpha=self.alpha.to(generator.device))


def compared(weights: Weights) -> list[str]:
    """Return the names of the terms that count and that compare pictures."""
    return [name for name in COMPARED if getattr(weights, name)]


def distance_of(weights: Weights, terms: Mapping[str, Float[Tensor, "*rows"]]) -> Float[Tensor, "*rows"]:
    """Return the masked distance: the weighted sum of the terms that compare pictures."""
    return weights.total({name: terms[name] for name in compared(weights)})


def terms_from(
    sketches: Sequence[Sketch], pictures: Float[Tensor, "n 3 h w"], weights: Weights, look: FeatureMaps
) -> dict[str, Float[Tensor, "n sketches"]]:
    """Return the terms of every picture's distance from every sketch, on the CPU; each picture is looked at once."""
    seen = look(pictures) if weights.perceptual else None
    columns = []
    for sketch in sketches:
        target = Target(sketch.colours.expand_as(pictures), sketch.alpha[None])
        columns.append(picture_terms(weights, look, target, pictures, seen))
    return {name: torch.stack([column[name] for column in columns], dim=1).cpu() for name in columns[0]}
