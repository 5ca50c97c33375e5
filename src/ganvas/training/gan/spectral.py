"""Spectral normalization (Miyato et al. 2018): weights are divided by an estimate of their largest singular value.

A weight counts as a matrix with a row for each output. Its largest singular value sigma is estimated by one step of
power iteration at each training step, from the left vector u that the step before left behind (Algorithm 1):

    v = W^T u / |W^T u|,    u = W v / |W v|,    sigma = u^T W v

with u and v held fixed in the gradient. All of it is computed in the precision of the weight, whatever autocast says.
"""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

TINY = 1e-12
FIRST_ITERATIONS = 15


@torch.no_grad()
def iterate(weight: Tensor, u: Float[Tensor, "o"], times: int = 1) -> tuple[Float[Tensor, "o"], Float[Tensor, "i"]]:
    """Return the vectors (u, v) after some steps of power iteration."""
    matrix = weight.flatten(1)
    v = matrix.new_zeros(matrix.shape[1])
    with torch.autocast(weight.device.type, enabled=False):
        for _ in range(times):
            v = F.normalize(u @ matrix, dim=0, eps=TINY)
            u = F.normalize(matrix @ v, dim=0, eps=TINY)
    return u, v


def normalized(weight: Tensor, u: Float[Tensor, "o"], v: Float[Tensor, "i"]) -> Tensor:
    """Return ``W / (u^T W v)``, differentiable in W."""
    with torch.autocast(weight.device.type, enabled=False):
        return weight / (u @ weight.flatten(1) @ v).clamp(min=TINY)


def first_vector(weight: Tensor, random: torch.Generator) -> Float[Tensor, "o"]:
    """Return a vector u to begin with, near the left singular vector."""
    return iterate(weight, torch.randn(len(weight), generator=random), FIRST_ITERATIONS)[0]


class SpectralWeight(nn.Module):
    """A weight drawn orthogonal, and its left vector ``u``, which moves at each use in training with gradients."""

    u: Tensor

    def __init__(self, shape: tuple[int, ...], random: torch.Generator) -> None:
        super().__init__()
        drawn = nn.init.orthogonal_(torch.empty(shape), generator=random)
        self.weight = nn.Parameter(drawn.contiguous(memory_format=torch.channels_last) if drawn.ndim == 4 else drawn)
        self.register_buffer("u", first_vector(drawn, random))

    def forward(self) -> Tensor:
        """Return the normalized weight."""
        u, v = iterate(self.weight, self.u)
        if self.training and self.weight.requires_grad:
            self.u.copy_(u)
        return normalized(self.weight, u, v)


class SpectralConvolution(nn.Module):
    """A convolution with bias that keeps the size, its weight normalized."""

    def __init__(self, inputs: int, outputs: int, size: int, random: torch.Generator, *, bias: bool = True) -> None:
        super().__init__()
        self.normal = SpectralWeight((outputs, inputs, size, size), random)
        self.bias = nn.Parameter(torch.zeros(outputs)) if bias else None

    def forward(self, x: Float[Tensor, "n i h w"]) -> Float[Tensor, "n o h w"]:
        """Return the convolved map."""
        weight = self.normal()
        return F.conv2d(x, weight, self.bias, padding=weight.shape[-1] // 2)
