"""What an inversion may change: codes, as an additive difference from their start, and perhaps noise maps, as one
vector a row. Knows no loss and no optimizer.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from ganvas.errors import LatentError
from ganvas.generators.protocol import Generator, HasNoise
from ganvas.latents.spaces import Statistics

FLOOR = 0.05


@dataclass(frozen=True)
class Point:
    """Where an inversion is: codes [n, d] or [n, layers, d], their difference from the start, noise maps by name."""

    codes: Tensor
    delta: Tensor
    noise: Mapping[str, Float[Tensor, "n 1 _h _w"]]


@dataclass(frozen=True)
class Variables:
    """The way from a vector x a row, 0 at first, to codes and noise maps.

    ``codes = start + spread x``, with a matrix ``spread`` [d, d] for each layer alike (None: 1), and noise maps of zero
    mean and unit deviation, ``normalized(own + x)`` (NVIDIA's projector sets them so after every step).
    """

    start: Tensor
    spread: Float[Tensor, "d d"] | None
    own_noise: Mapping[str, Float[Tensor, "1 1 _h _w"]]

    @property
    def size(self) -> int:
        """Numbers of a row."""
        return self.start[0].numel() + sum(noise.numel() for noise in self.own_noise.values())

    def zeros(self) -> Float[Tensor, "n size"]:
        """Return the vectors of the start."""
        return self.start.new_zeros(len(self.start), self.size)

    def rows(self, chosen: list[int]) -> "Variables":
        """Return the variables of some rows."""
        return Variables(self.start[chosen], self.spread, self.own_noise)

    def at(self, x: Float[Tensor, "n size"]) -> Point:
        """Return codes and noise maps of vectors."""
        sizes = [self.start[0].numel(), *(noise.numel() for noise in self.own_noise.values())]
        steps, *changes = x.split(sizes, dim=1)
        delta = steps.reshape(self.start.shape)
        if self.spread is not None:
            delta = delta @ self.spread.T
        noise = {
            name: normalized(own + change.reshape(-1, *own.shape[1:]))
            for (name, own), change in zip(self.own_noise.items(), changes, strict=True)
        }
        return Point(self.start + delta, delta, noise)


def normalized(noise: Float[Tensor, "n 1 h w"]) -> Float[Tensor, "n 1 h w"]:
    """Return maps with zero mean and unit deviation."""
    centered = noise - noise.mean((2, 3), keepdim=True)
    return centered / centered.square().mean((2, 3), keepdim=True).sqrt().clamp_min(1e-8)


def principal_spread(statistics: Statistics, floor: float = FLOOR) -> Float[Tensor, "d d"]:
    """Return the matrix whose columns are the space's principal axes, each as long as the deviation along it, but at
    least `floor` of the longest: a step of 1 in x is then as usual along every axis.
    """
    # On the CPU: not every accelerator has float64.
    values, axes = torch.linalg.eigh(statistics.covariance.cpu().double())
    lengths = values.clamp_min(0).sqrt()
    return (axes * lengths.clamp_min(floor * lengths.max())).to(statistics.covariance)


def make_variables(
    generator: Generator, start: Tensor, statistics: Statistics, *, whitened: bool = True, noise: bool = False
) -> Variables:
    """Return the variables of an inversion from `start`; raises `LatentError` where noise maps are asked of a generator
    that has none.
    """
    own: dict[str, Tensor] = {}
    if noise:
        own = generator.own_noise() if isinstance(generator, HasNoise) else {}
        if not own:
            raise LatentError("This generator has no noise maps to change; leave noise off.")
    return Variables(start, principal_spread(statistics) if whitened else None, own)
