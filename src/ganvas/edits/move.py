"""Edits: codes moved along directions, ``G(z + alpha n)`` (ReSeFa, Eq. 1), on the layers that the direction is for."""

import reprlib
from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from ganvas.directions.direction import Direction, Directions, Strength
from ganvas.edits.straight import EditMethod, way_along
from ganvas.errors import LatentError
from ganvas.errors.arguments import checked
from ganvas.generators.codes import Layers
from ganvas.generators.protocol import Generator, check_generator
from ganvas.latents.latent import Latent, as_latent


@checked
def edit(
    generator: Generator,
    latent: Latent,
    directions: Direction | Directions | Sequence[Direction],
    strength: Strength | Sequence[Strength] = 1.0,
    layers: Layers = None,
    *,
    method: EditMethod | None = None,
) -> Latent:
    """Return a latent moved along directions, all samples by the same; several directions add up.

    Args:
        generator: The generator of both.
        latent: What to edit.
        directions: One direction, or several.
        strength: The Euclidean distance, or "2s" for two standard deviations; a list with one for each direction.
        layers: Layers to move, such as "4-7", instead of those that a direction of space w was found for.
        method: How to go there: None for straight; `CorrectedEdit`, which takes back what changes outside the region on
            the way, or `FollowedEdit`, which finds the direction anew at every step, for each sample on its own.

    Returns:
        The moved latent, in the space that the direction moves: w+ for directions of w and w+ (w where every layer of
        a w latent moves), else the direction's own.

    Raises:
        LatentError: No way leads from the latent to the direction's space, or either does not fit the generator.

    Example:
        >>> import ganvas
        >>> G = ganvas.load("faces")
        >>> latent = ganvas.sample(G, [4], truncation=0.7)
        >>> found = ganvas.find_directions(G, latent, "mouth", layers="4", method=ganvas.ReSeFa(resolution=8), count=2)
        >>> ganvas.edit(G, latent, found[0], strength=3.0)
        Latent(w+ [1, 12, 256], seed 4, truncation 0.7, generator 'faces')
    """
    check_generator(generator)
    latent = as_latent(latent)
    several = _directions(directions)
    strengths = [strength] if isinstance(strength, int | float | str | np.number) else list(strength)
    if len(strengths) != len(several):
        raise LatentError(
            f"{len(several)} directions and {len(strengths)} strengths were given; give one strength per direction, or "
            "choose a direction, such as found[0]."
        )
    for direction, amount in zip(several, strengths, strict=True):
        latent = way_along(generator, latent, direction, layers, method)(direction.length(amount))
    return latent


def _directions(given: object) -> list[Direction]:
    several = (
        [given] if isinstance(given, Direction) else list(given) if isinstance(given, Directions | Sequence) else []
    )
    if not all(isinstance(one, Direction) for one in several) or (not several and not isinstance(given, Sequence)):
        raise LatentError(
            f"A direction is one of find_directions or load_directions, such as found[0]; {reprlib.repr(given)} was "
            "given."
        )
    return several


@checked
@torch.no_grad()
def edit_series(
    generator: Generator,
    latent: Latent,
    direction: Direction,
    strengths: Sequence[Strength],
    layers: Layers = None,
    *,
    method: EditMethod | None = None,
) -> Float[Tensor, "n k 3 h w"]:
    """Return the images of every sample of a latent at every strength along one direction (Figure 1 of ReSeFa).

    Args:
        generator: The generator.
        latent: What to edit.
        direction: The direction.
        strengths: Euclidean distances, or texts such as "2s" for two standard deviations.
        layers: Layers to move instead of those that a direction of space w was found for.
        method: How to go there, as in `edit`.

    Returns:
        Images [samples, strengths, 3, h, w], about [-1, 1], with the latent's own noise and tuned weights.

    Raises:
        LatentError: As `edit`; and where there is no strength.

    Example:
        >>> import ganvas, torch
        >>> G = ganvas.load("faces")
        >>> direction = ganvas.Direction(torch.eye(256)[0], "w", layers=(4, 5))
        >>> ganvas.edit_series(G, ganvas.sample(G, [4, 9]), direction, [-2.0, 0.0, 2.0]).shape
        torch.Size([2, 3, 3, 128, 128])
    """
    if len(strengths) == 0:
        raise LatentError("No strength was given; give at least one, for example 3.")
    tuned = as_latent(latent).generator_for(check_generator(generator))
    way = way_along(tuned, as_latent(latent), direction, layers, method)
    images = [tuned.synthesize(way(direction.length(strength))) for strength in strengths]
    return torch.stack(images, dim=1)
