"""Images between two recipes: the codes of the whole image and of every region go the straight way, each for itself."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import torch
from jaxtyping import Float
from torch import Tensor

from ganvas.edits.operations import on_one_way
from ganvas.edits.recipe import Recipe
from ganvas.edits.render import RecipeState, States, evaluate, images_of
from ganvas.errors import LatentError
from ganvas.generators.protocol import Generator
from ganvas.latents.latent import Latent


def between(generator: Generator, first: RecipeState, second: RecipeState, t: float) -> RecipeState:
    """Return the state a part `t` of the way; a region that one of them lacks has the whole image's code there."""
    regions = dict.fromkeys([region for region, _ in (*first.confined, *second.confined)])
    ends = [
        (dict(first.confined).get(one, first.latent), dict(second.confined).get(one, second.latent)) for one in regions
    ]
    confined = [(one, _blended(generator, *pair, t)) for one, pair in zip(regions, ends, strict=True)]
    return RecipeState(_blended(generator, first.latent, second.latent, t), tuple(confined))


def frames_between(
    generator: Generator, recipes: Sequence[Recipe], positions: Sequence[float], states: States | None = None
) -> Iterator[Float[Tensor, "1 3 h w"]]:
    """Yield images on the way through recipes, at positions from 0, the first recipe, to 1, the last one.

    Raises `LatentError` for fewer than two recipes, for bases with different tuned weights, and for codes of z of
    another truncation or class.
    """
    if len(recipes) < 2:
        raise LatentError(f"{len(recipes)} recipe is no path; give at least two.")
    if any(one.base.tuned is not recipes[0].base.tuned and one.base.tuned != recipes[0].base.tuned for one in recipes):
        raise LatentError("These images have weights of their own, and no way leads between them here.")
    ends = [evaluate(generator, one, states) for one in recipes]
    for position in positions:
        place = position * (len(ends) - 1)
        start = min(int(place), len(ends) - 2)
        state = between(generator, ends[start], ends[start + 1], place - start)
        yield images_of(generator, state, recipes[0].settings)


def _blended(generator: Generator, first: Latent, second: Latent, t: float) -> Latent:
    space = next(one for one in ("s", "w+", "w", "z") if one in (first.space, second.space))
    begun, end = on_one_way(generator, first, second, space)
    return replace(begun, codes=torch.lerp(begun.codes, end.codes.to(begun.codes), t))
