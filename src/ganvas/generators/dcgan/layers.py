"""The layers of DCGAN's generator (Radford et al. 2016), each with its forward formula and, beside it, its derivative.

A derivative is taken at one point: ``linearize`` returns the output there with a function that pushes tangents through,
so that many tangents share the one primal pass.
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from ganvas.generators import ops
from ganvas.generators.chained import LinearizableModule

FIRST, KERNEL = 4, 4
EPSILON, MOMENTUM = 1e-5, 0.1
INITIAL_STD = 0.02


def double(x: Float[Tensor, "n i h w"], weight: Float[Tensor, "i o 4 4"]) -> Float[Tensor, "n o h2 w2"]:
    """Double the size: a transposed convolution of stride 2, each output pixel from 2 x 2 inputs."""
    return F.conv_transpose2d(x, weight, stride=2, padding=1)


class BatchNorm(nn.Module):
    """``(x - mean) / sqrt(variance + 1e-5) weight + bias`` per channel (Ioffe and Szegedy 2015).

    Mean and variance are the batch's in training mode, which also moves the kept ones by a tenth towards them.
    """

    mean: Tensor
    variance: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))
        self.register_buffer("mean", torch.zeros(channels))
        self.register_buffer("variance", torch.ones(channels))

    def forward(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c h w"]:
        """Return normalized maps."""
        return F.batch_norm(
            x, self.mean, self.variance, self.weight, self.bias, self.training, momentum=MOMENTUM, eps=EPSILON
        )

    def affine(self) -> tuple[Float[Tensor, "c"], Float[Tensor, "c"]]:
        """Return scale and shift of what it does outside training: ``x scale + shift``."""
        scale = self.weight * (self.variance + EPSILON).rsqrt()
        return scale, self.bias - self.mean * scale


def _drawn(inputs: int, outputs: int) -> Float[Tensor, "i o 4 4"]:
    return ops.with_memory(ops.normal(inputs, outputs, KERNEL, KERNEL), lambda drawn: drawn * INITIAL_STD)


class Block(LinearizableModule):
    """Linear from the code (the first block) or a transposed convolution, batch normalization, ReLU."""

    def __init__(self, inputs: int, outputs: int, *, first: bool) -> None:
        super().__init__()
        self.first = first
        self.weight = nn.Parameter(_drawn(inputs, outputs))
        self.norm = BatchNorm(outputs)

    def forward(self, x: Tensor) -> Float[Tensor, "n o h2 w2"]:
        """Return the block's map from the one below, or from codes [n, z_dim]."""
        return F.relu(self.norm(self.expand(x, self.weight)))

    def expand(self, x: Tensor, weight: Float[Tensor, "i o 4 4"]) -> Float[Tensor, "n o h2 w2"]:
        """Apply the linear part with the block's weights or others of their shape."""
        x = x.to(weight.dtype)
        if self.first:
            maps = x @ weight.permute(0, 2, 3, 1).flatten(1)  # [n, 4 4 o]
            return maps.unflatten(1, (FIRST, FIRST, -1)).permute(0, 3, 1, 2)
        return double(x, weight)

    def linearize(self, x: Tensor) -> tuple[Tensor, Callable[[Tensor], Tensor]]:
        """Return the map at one point and its derivative: the weights times the normalization's scale, where ReLU
        lets through.
        """
        scale, shift = self.norm.affine()
        weight = (self.weight * scale[:, None, None]).to(self.weight.dtype)
        y = F.relu(self.expand(x, weight) + shift.to(weight.dtype)[:, None, None])
        open_here = (y > 0).to(y.dtype)
        return y, lambda dx: self.expand(dx, weight).mul_(open_here)


class Colors(LinearizableModule):
    """The last layer: a transposed convolution to three colors, with a bias or without, and tanh in float32."""

    def __init__(self, inputs: int, biased: bool = False) -> None:
        super().__init__()
        self.weight = nn.Parameter(_drawn(inputs, 3))
        self.bias = nn.Parameter(torch.zeros(3)) if biased else None

    def forward(self, x: Float[Tensor, "n i h w"]) -> Float[Tensor, "n 3 h2 w2"]:
        """Return images in [-1, 1]."""
        colors = ops.at_least_float32(double(x, self.weight))
        return (colors if self.bias is None else colors + self.bias[:, None, None]).tanh()

    def linearize(self, x: Tensor) -> tuple[Tensor, Callable[[Tensor], Tensor]]:
        """Return the image at one point and its derivative, ``(1 - tanh^2) W dx``."""
        y = self.forward(x)
        slope = 1 - y.square()
        return y, lambda dx: ops.at_least_float32(double(dx, self.weight)) * slope
