"""The variables of an inversion: one vector per sample that stands for codes and, where asked, for noise maps. Knows
no loss and no optimizer.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from ganvas.errors import LatentError
from ganvas.generators.protocol import Generator, HasNoise
from ganvas.latents.spaces import Statistics

SMALLEST_AXIS = 0.05  # of the longest principal axis


@dataclass(frozen=True)
class LatentPoint:
    """Codes [n, d] or [n, layers, d], their difference from the start, and noise maps by name."""

    codes: Tensor
    delta: Tensor
    noise: Mapping[str, Float[Tensor, "n 1 _h _w"]]

    def detached(self) -> "LatentPoint":
        """Return the point without its graph."""
        return LatentPoint(self.codes.detach(), self.delta.detach(), {k: n.detach() for k, n in self.noise.items()})

    def select(self, chosen: slice) -> "LatentPoint":
        """Return the point of some samples."""
        return LatentPoint(self.codes[chosen], self.delta[chosen], {k: n[chosen] for k, n in self.noise.items()})


@dataclass(frozen=True)
class Variables:
    """The map from a vector x per sample, 0 at the start, to codes and noise maps.

    ``codes = start + axes x``, with a matrix ``axes`` [d, d] that is the same for every layer (None: the identity), and
    noise maps of zero mean and unit variance, ``normalize(own + x)``, as NVIDIA's projector normalizes them after every
    step (Karras et al. 2020, StyleGAN2, appendix D).
    """

    start: Tensor
    axes: Float[Tensor, "d d"] | None
    own_noise: Mapping[str, Float[Tensor, "1 1 _h _w"]]

    @property
    def size(self) -> int:
        """The length of the vector of a sample."""
        return self.start[0].numel() + sum(noise.numel() for noise in self.own_noise.values())

    def zeros(self) -> Float[Tensor, "n size"]:
        """Return the vectors of the start."""
        return self.start.new_zeros(len(self.start), self.size)

    def select(self, chosen: list[int]) -> "Variables":
        """Return the variables of some samples."""
        return Variables(self.start[chosen], self.axes, self.own_noise)

    def at(self, x: Float[Tensor, "n size"]) -> LatentPoint:
        """Return the codes and noise maps of vectors."""
        sizes = [self.start[0].numel(), *(noise.numel() for noise in self.own_noise.values())]
        steps, *changes = x.split(sizes, dim=1)
        delta = steps.reshape(self.start.shape)
        if self.axes is not None:
            delta = delta @ self.axes.T
        noise = {
            name: normalize(own + change.reshape(-1, *own.shape[1:]))
            for (name, own), change in zip(self.own_noise.items(), changes, strict=True)
        }
        return LatentPoint(self.start + delta, delta, noise)


def normalize(noise: Float[Tensor, "n 1 h w"]) -> Float[Tensor, "n 1 h w"]:
    """Return maps of zero mean and unit variance."""
    centered = noise - noise.mean((2, 3), keepdim=True)
    return centered / centered.square().mean((2, 3), keepdim=True).sqrt().clamp_min(1e-8)


def principal_axes(statistics: Statistics, smallest: float = SMALLEST_AXIS) -> Float[Tensor, "d d"]:
    """Return the matrix whose columns are the principal axes of the space, each as long as the standard deviation along
    it, but at least `smallest` times the longest: in x the space is whitened.
    """
    # On the CPU: not every accelerator has float64.
    values, axes = torch.linalg.eigh(statistics.covariance.cpu().double())
    lengths = values.clamp_min(0).sqrt()
    return (axes * lengths.clamp_min(smallest * lengths.max())).to(statistics.covariance)


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
            raise LatentError("This generator has no noise maps to optimize; leave noise off.")
    return Variables(start, principal_axes(statistics) if whitened else None, own)
