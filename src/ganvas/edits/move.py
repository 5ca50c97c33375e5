"""Edits: codes moved along directions, ``G(z + alpha n)`` (ReSeFa, Eq. 1), on the layers that the direction is for."""

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from ganvas.directions.direction import Direction, Strength
from ganvas.errors import LatentError
from ganvas.generators.codes import Layers, check_codes, check_space, parse_layers
from ganvas.generators.protocol import Generator, Label, Noise
from ganvas.latents.spaces import codes_for


def edit(
    generator: Generator,
    codes: Tensor,
    directions: Direction | Sequence[Direction],
    strength: Strength | Sequence[Strength] = 1.0,
    layers: Layers = None,
) -> Tensor:
    """Return `codes` moved by `strength` along each direction, all rows by the same; several directions add up.

    The result keeps their space, except that w codes become w+ when only some layers move. A strength is a distance,
    or "2s" for two of the direction's standard deviations. `layers` overrides those of a direction of space w. Raises
    `LatentError` where codes and direction do not meet: w and w+ directions move w and w+ codes, s directions s codes
    (`codes_for` makes them), z directions z codes.
    """
    check_codes(codes)
    several = [directions] if isinstance(directions, Direction) else list(directions)
    strengths = [strength] if isinstance(strength, int | float | str | np.number) else list(strength)
    if len(strengths) != len(several):
        raise LatentError(
            f"{len(several)} directions and {len(strengths)} strengths were given; give one strength per direction."
        )
    for direction, amount in zip(several, strengths, strict=True):
        codes = _moved(generator, codes, direction, direction.length(amount), layers)
    return codes


def _moved(generator: Generator, codes: Tensor, direction: Direction, length: float, layers: Layers) -> Tensor:
    _check_direction(generator, direction, layers)
    vector = direction.vector.to(codes)
    if direction.space == "w+":
        return codes_for(generator, codes, "w+") + length * vector
    if direction.space == "w":
        rows = parse_layers(direction.layers if layers is None else layers, generator.layers)
        if codes.shape[1:] != vector.shape or len(rows) != generator.layers:
            moved = codes_for(generator, codes, "w+").clone()
            moved[:, list(rows)] += length * vector
            return moved
    elif codes.shape[1:] != vector.shape:
        raise LatentError(
            f"A direction of space {direction.space} moves codes of shape [n, {len(vector)}]; these have "
            f"{list(codes.shape)}."
        )
    return codes + length * vector


def _check_direction(generator: Generator, direction: Direction, layers: Layers) -> None:
    check_space(direction.space, generator.spaces)
    expected = generator.dimensions(direction.space)
    if direction.vector.shape != expected:
        raise LatentError(
            f"This direction of space {direction.space} has shape {list(direction.vector.shape)}, but codes of this "
            f"generator have {list(expected)}; give directions that were found on it."
        )
    if layers is not None and direction.space != "w":
        raise LatentError(f"Layers are chosen for directions of space w; this one has {direction.space}; leave it out.")


@torch.no_grad()
def edit_series(
    generator: Generator,
    codes: Tensor,
    direction: Direction,
    strengths: Sequence[Strength],
    layers: Layers = None,
    *,
    noise: Noise = "const",
    label: Label = None,
    truncation: float = 1.0,
) -> Float[Tensor, "rows k 3 h w"]:
    """Return the images of every row of `codes` at every strength along one direction: all rows share it, as in
    Figure 1 of ReSeFa.
    """
    if len(strengths) == 0:
        raise LatentError("No strength was given; give at least one, for example 3.")
    images = []
    for strength in strengths:
        edited = edit(generator, codes, direction, strength, layers)
        images.append(
            generator.synthesize(edited, space_of(edited, direction), noise=noise, label=label, truncation=truncation)
        )
    return torch.stack(images, dim=1)


def space_of(codes: Tensor, direction: Direction) -> str:
    """Return the space of edited codes: that of the direction, or w or w+ by their shape."""
    if direction.space in ("w", "w+"):
        return "w" if codes.ndim == 2 else "w+"
    return direction.space
