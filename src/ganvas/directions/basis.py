"""Which directions a Jacobian is taken along: the coordinates of a space, restricted to the layers that will be edited.

A direction of space ``w`` is one vector added to several layers of w+; so its tangents act in w+, the same vector in
each of those layers. Directions are found for the layers that are edited, and not for all, so that the derivative
agrees with the edit.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from ganvas.errors import LatentError
from ganvas.generators.codes import Layers, check_space, parse_layers
from ganvas.generators.protocol import Generator, HasStyles


@dataclass(frozen=True)
class Basis:
    """The unit directions of one space. `acts_in` is the space of the codes that they move; `layers` None where the
    space has no layers.

    ``rows`` holds, for space s, the channels that the layers feed; it is empty elsewhere.
    """

    space: str
    acts_in: str
    layers: tuple[int, ...] | None
    code_shape: tuple[int, ...]
    rows: tuple[int, ...] = ()
    device: torch.device = torch.device("cpu")

    @property
    def size(self) -> int:
        """Number of coordinates, d: columns of the Jacobian."""
        if self.space == "s":
            return len(self.rows)
        width = self.code_shape[-1]
        return width * len(self.layers or ()) if self.space == "w+" else width

    def tangents(self, first: int, last: int) -> Float[Tensor, "k *code"]:
        """Return coordinates first..last-1 as tangents of codes."""
        coordinates = torch.zeros(last - first, self.size, device=self.device)
        coordinates[torch.arange(last - first), torch.arange(first, last)] = 1
        return self.embed(coordinates)

    def embed(self, vectors: Float[Tensor, "k d"]) -> Float[Tensor, "k *code"]:
        """Return vectors in this basis as changes of codes, zeros outside the layers.

        Linear; lengths stay, but for space w they grow by the root of the number of layers, which all get the vector.
        """
        if self.space == self.acts_in and self.layers is None:
            return vectors
        moved = vectors.new_zeros(len(vectors), *self.code_shape)
        if self.space == "s":
            moved[:, list(self.rows)] = vectors
        elif self.space == "w":
            moved[:, list(self.layers or ())] = vectors[:, None]
        else:
            moved[:, list(self.layers or ())] = vectors.unflatten(1, (-1, self.code_shape[-1]))
        return moved

    def stored(self, vectors: Float[Tensor, "k d"]) -> Tensor:
        """Return vectors as a directions file holds them: z, w [k, d]; w+ [k, layers, d]; s [k, sum of channels]."""
        return vectors if self.space == "w" else self.embed(vectors)

    def coordinates(self, stored: Tensor) -> Float[Tensor, "k d"]:
        """Return vectors as a directions file holds them in this basis, what they move beyond its layers left out."""
        if self.space == "s":
            return stored[:, list(self.rows)]
        return stored[:, list(self.layers or ())].flatten(1) if self.space == "w+" else stored


def acting_space(generator: Generator, space: str) -> str:
    """Return the space of the codes that directions of `space` move: w+ for w and w+, else `space` itself.

    Raises `LatentError` for a space that the generator lacks.
    """
    check_space(space, generator.spaces)
    return "w+" if space == "w" and "w+" in generator.spaces else space


def make_basis(generator: Generator, space: str, layers: Layers = None) -> Basis:
    """Return the basis of `space` over `layers` ("4-7", a list, None for all).

    Raises `LatentError` for a space the generator lacks, and for layers where the space has none.
    """
    acts_in = acting_space(generator, space)
    if space != "s" and acts_in != "w+":
        if layers is not None:
            raise LatentError(
                f"Layers '{layers}' were given, but space {space} has no layers: a code feeds them all. Leave "
                "layers out."
            )
        return Basis(space, space, None, generator.dimensions(space), device=generator.device)
    chosen = parse_layers(layers, generator.layers)
    if space == "s":
        return Basis("s", "s", chosen, generator.dimensions("s"), _channels(generator, chosen), generator.device)
    return Basis(space, "w+", chosen, generator.dimensions("w+"), device=generator.device)


def _channels(generator: Generator, layers: Sequence[int]) -> tuple[int, ...]:
    """Return the StyleSpace channels that the w+ layers `layers` feed."""
    assert isinstance(generator, HasStyles)
    channels: list[int] = []
    start = 0
    for row, width in zip(generator.style_rows(), generator.style_channels(), strict=True):
        if row in layers:
            channels += range(start, start + width)
        start += width
    return tuple(channels)
