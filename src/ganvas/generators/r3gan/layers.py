"""The layers of R3GAN (Huang et al. 2024, section 4), generator and discriminator, each with its formula.

Nothing is normalized and nothing is random but the code: convolutions without biases, leaky ReLU after a bias, sums.
The generator's parts have their derivatives beside them.
"""

import math
from collections.abc import Callable, Sequence
from typing import cast

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from ganvas.generators import ops
from ganvas.generators.chained import LinearizableModule

FIRST = 4
GAIN = math.sqrt(2 / (1 + ops.LEAKY_SLOPE**2))  # with which leaky ReLU keeps the second moment
CONVOLUTIONS = 3  # of a residual block


def doubled(x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c h2 w2"]:
    """Double the size by the taps (1, 3, 3, 1) / 4 in both directions, zeros beyond the edge.

    In the middle that is bilinear interpolation; a border of zeros makes it so at the edges too.
    """
    return F.interpolate(F.pad(x, (1, 1, 1, 1)), scale_factor=2, mode="bilinear")[..., 2:-2, 2:-2]


def halved(x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c h2 w2"]:
    """Halve the size by the taps (1, 3, 3, 1) / 8 in both directions, zeros beyond the edge."""
    x = F.pad(x, (1, 1, 1, 1))
    x = ((x[..., :-3:2] + x[..., 3::2]) + 3 * (x[..., 1:-2:2] + x[..., 2:-1:2])) / 8
    return ((x[..., :-3:2, :] + x[..., 3::2, :]) + 3 * (x[..., 1:-2:2, :] + x[..., 2:-1:2, :])) / 8


class Convolution(nn.Module):
    """A convolution without bias, in groups of channels, that keeps the size.

    Its first weights have the standard deviation ``std = gain / sqrt(inputs)``, counting the inputs of one output (He
    et al. 2015).
    """

    def __init__(self, inputs: int, outputs: int, size: int = 1, groups: int = 1, gain: float = 1.0) -> None:
        super().__init__()
        self.groups = groups
        self.std = std = gain / math.sqrt(inputs // groups * size * size)
        drawn = ops.normal(outputs, inputs // groups, size, size)
        self.weight = nn.Parameter(ops.with_memory(drawn, lambda one: one * std))

    def forward(self, x: Float[Tensor, "n i h w"]) -> Float[Tensor, "n o h w"]:
        """Return the convolved map, in the precision of the weights; a convolution is its own derivative."""
        return F.conv2d(x.to(self.weight.dtype), self.weight, padding=self.weight.shape[-1] // 2, groups=self.groups)


class Activation(nn.Module):
    """Leaky ReLU after a bias for each channel."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c h w"]:
        """Return ``max(x + b, 0.2 (x + b))``."""
        return F.leaky_relu(x + self.bias[:, None, None].to(x.dtype), ops.LEAKY_SLOPE)

    def linearize(self, x: Float[Tensor, "1 c h w"]) -> tuple[Tensor, Callable[[Tensor], Tensor]]:
        """Return the output at one point and its derivative: 1 or 0.2."""
        y = self.forward(x)
        slopes = ops.leaky_slopes(y, None)
        return y, lambda dx: dx * slopes


class Residual(nn.Module):
    """``x + W3 phi(W2 phi(W1 x))``: to `expansion` times the channels, 3x3 in groups, and back (Fig. 4).

    With L blocks in the network, W1 and W2 begin smaller by ``L^(-1/4)``, W3 at zero (Zhang et al. 2019, Fixup).
    """

    def __init__(self, channels: int, groups: int, expansion: int, blocks: int) -> None:
        super().__init__()
        inner, gain = channels * expansion, GAIN * blocks ** (-1 / (2 * CONVOLUTIONS - 2))
        self.conv0 = Convolution(channels, inner, gain=gain)
        self.conv1 = Convolution(inner, inner, 3, groups, gain)
        self.conv2 = Convolution(inner, channels, gain=0.0)
        self.act0, self.act1 = Activation(inner), Activation(inner)

    def forward(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c h w"]:
        """Return the sum."""
        return x + self.conv2(self.act1(self.conv1(self.act0(self.conv0(x)))))

    def linearize(self, x: Float[Tensor, "1 c h w"]) -> tuple[Tensor, Callable[[Tensor], Tensor]]:
        """Return the sum at one point and its derivative."""
        y, push0 = self.act0.linearize(self.conv0(x))
        y, push1 = self.act1.linearize(self.conv1(y))
        return x + self.conv2(y), lambda dx: dx + self.conv2(push1(self.conv1(push0(self.conv0(dx)))))


class Basis(nn.Module):
    """The map of 4 pixels: for each channel a learned one, times a linear form of the code."""

    def __init__(self, inputs: int, channels: int) -> None:
        super().__init__()
        self.basis = nn.Parameter(ops.normal(channels, FIRST, FIRST))
        self.std = std = 1 / math.sqrt(inputs)
        self.weight = nn.Parameter(ops.with_memory(ops.normal(channels, inputs), lambda one: one * std))

    def forward(self, code: Float[Tensor, "n d"]) -> Float[Tensor, "n c 4 4"]:
        """Return the map of a code: linear, and so its own derivative."""
        return self.basis * F.linear(code, self.weight)[:, :, None, None]


class Up(nn.Module):
    """A 1x1 convolution where the channels change, then `doubled`; linear."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv = Convolution(inputs, outputs) if inputs != outputs else None

    def forward(self, x: Float[Tensor, "n i h w"]) -> Float[Tensor, "n o h2 w2"]:
        """Return the map at twice the size."""
        return doubled(x if self.conv is None else self.conv(x))


class Stage(LinearizableModule):
    """The blocks of one size: a linear transition from the code or from the map of half the size, then residuals."""

    def __init__(self, transition: nn.Module, residuals: Sequence[Residual]) -> None:
        super().__init__()
        self.transition, self.residuals = transition, nn.ModuleList(residuals)

    def forward(self, x: Tensor) -> Float[Tensor, "n c h w"]:
        """Return the map of this size."""
        x = self.transition(x)
        for residual in self.residuals:
            x = residual(x)
        return x

    def linearize(self, x: Tensor) -> tuple[Tensor, Callable[[Tensor], Tensor]]:
        """Return the map at one point and its derivative."""
        y, pushes = self.transition(x), list[Callable[[Tensor], Tensor]]()
        for residual in self.residuals:
            y, push = cast(Residual, residual).linearize(y)
            pushes.append(push)

        def push_all(dx: Tensor) -> Tensor:
            dx = self.transition(dx)
            for push in pushes:
                dx = push(dx)
            return dx

        return y, push_all


class Colors(LinearizableModule):
    """A 1x1 convolution to three colors, in float32 from there on; linear."""

    def __init__(self, inputs: int) -> None:
        super().__init__()
        self.conv = Convolution(inputs, 3)

    def forward(self, x: Float[Tensor, "n i h w"]) -> Float[Tensor, "n 3 h w"]:
        """Return images, about [-1, 1]."""
        return ops.at_least_float32(self.conv(x))

    def linearize(self, x: Tensor) -> tuple[Tensor, Callable[[Tensor], Tensor]]:
        """Return the image and its derivative."""
        return self.forward(x), self.forward
