"""Small images of a recipe for while something moves: the colors that a generator has summed up at a coarser size.

Where every block of a generator adds its colors to those of the coarser ones, the sum so far is the image at that size,
for a part of the work. Regions are composited, not confined in the feature maps: the finished image is `ganvas.render`.
"""

from collections import OrderedDict
from dataclasses import dataclass, field

import torch
from jaxtyping import Float
from torch import Tensor

from ganvas.edits.confine import Confinement
from ganvas.edits.recipe import Recipe
from ganvas.edits.render import States, evaluate
from ganvas.generators.protocol import Generator, Hookable
from ganvas.latents.latent import Latent

COLORS = ".colors"
MOST_KEPT = 8


class _Reached(Exception):  # noqa: N818 - no error: it ends a pass that has gone far enough
    """The colors of the size that was asked for."""

    def __init__(self, colors: Tensor) -> None:
        self.colors = colors


@dataclass
class Previews:
    """The small images of one sample that were made last, by their latents."""

    side: int = 256
    kept: OrderedDict[int, tuple[Latent, Tensor | None]] = field(default_factory=OrderedDict)

    @torch.no_grad()
    def of(self, generator: Generator, recipe: Recipe, states: States) -> Float[Tensor, "1 3 h w"] | None:
        """Return the recipe's image at about the size of `side`, None where the generator has no smaller one."""
        state = evaluate(generator, recipe, states)
        image = self._small(generator, state.latent)
        for region, latent in state.confined:
            edited = self._small(generator, latent)
            if image is None or edited is None:
                return None
            confinement = Confinement(region, recipe.settings)
            (blender,) = states.passes.blenders_in(generator, confinement, state.latent)
            image = blender.blend(image, edited)
        return image

    def _small(self, generator: Generator, latent: Latent) -> Tensor | None:
        if id(latent) not in self.kept:
            self.kept[id(latent)] = latent, small_image(generator, latent, self.side)
            if len(self.kept) > MOST_KEPT:
                self.kept.popitem(last=False)
        self.kept.move_to_end(id(latent))
        return self.kept[id(latent)][1]


def small_image(generator: Generator, latent: Latent, side: int) -> Float[Tensor, "1 3 h w"] | None:
    """Return the image of one latent at a size of `side` pixels or the next larger one that the generator sums up; None
    where it has none but its own.
    """
    if not isinstance(generator, Hookable) or generator.resolution <= side:
        return None

    def look(name: str, values: Tensor) -> Tensor:
        if name.endswith(COLORS) and side <= values.shape[-1] < generator.resolution:
            raise _Reached(values)
        return values

    try:
        generator.synthesize_hooked(look, latent)
    except _Reached as found:
        return found.colors
    return None
