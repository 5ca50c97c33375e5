"""The parts of StyleGAN2's synthesis network (Karras et al. 2020), each with its forward formula and, beside it, its
derivative.

``linearize`` computes a part at one point and returns its output with a function that pushes tangents through: many
tangents share the one primal pass, which makes a tangent about as cheap as a row of a batched forward pass. A tangent
of None is zero and costs nothing.
"""

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from ganvas.generators import ops
from ganvas.generators.styles import Affine, away_from_zero

Push = Callable[[Tensor | None, Tensor | None], Tensor | None]


def _energy(weight: Float[Tensor, "o i h w"]) -> Float[Tensor, "i o"]:
    return ops.at_least_float32(weight).square().sum(dim=(2, 3)).T


class StyledLayer(nn.Module):
    """What a style feeds: a convolution or the colors. ``affine`` makes its style from a row of w+."""

    affine: Affine
    weight: nn.Parameter


class StyledConvolution(StyledLayer):
    """Modulate, convolve (and double the size), demodulate, add noise and bias, leaky ReLU (StyleGAN2, Fig. 2c and Eq.
    1-3).
    """

    noise: Tensor
    noise_strength: nn.Parameter

    def __init__(
        self,
        inputs: int,
        outputs: int,
        w_dim: int,
        resolution: int,
        *,
        up: bool,
        clamp: float | None,
        gain: float,
        noise: bool,
    ) -> None:
        super().__init__()
        self.affine = Affine(w_dim, inputs)
        weight = ops.normal(outputs, inputs, 3, 3)
        self.weight = nn.Parameter(ops.stored_for_up(weight) if up else weight.to(memory_format=torch.channels_last))
        self.bias = nn.Parameter(torch.zeros(outputs))
        if noise:
            self.register_buffer("noise", ops.normal(resolution, resolution))
            self.noise_strength = nn.Parameter(torch.zeros([]))
        self.resolution, self.up, self.has_noise = resolution, up, noise
        self.gain = gain * ops.LEAKY_GAIN
        self.clamp = None if clamp is None else clamp * gain
        self.known: tuple[Tensor, tuple[int, int, torch.dtype], Tensor] | None = None  # the energy of a weight

    def forward(
        self, x: Float[Tensor, "n i h w"], style: Float[Tensor, "n i"], noise: Tensor | None, kernel: Tensor
    ) -> Float[Tensor, "n o h2 w2"]:
        """Return the layer's output; `noise` is a map broadcastable to [n, 1, h2, w2], or None."""
        factor = ops.demodulation(self.weight_energy(), style)
        return self.activate(self.convolve(x * ops.per_channel(style, x), kernel), factor, noise)

    def noise_map(self) -> Float[Tensor, "1 1 h w"] | None:
        """Return the fixed noise of the layer, None where it has none."""
        return self.noise[None, None] if self.has_noise else None

    def weight_energy(self) -> Float[Tensor, "i o"]:
        """Return the squared weights summed over the kernel, in float32; of frozen weights they are kept."""
        weight = self.weight
        if weight.requires_grad or not isinstance(weight, nn.Parameter):
            return _energy(weight)
        state = weight._version, weight.data_ptr(), weight.dtype
        if self.known is None or self.known[0] is not weight or self.known[1] != state:
            self.known = weight, state, _energy(weight)
        return self.known[2]

    def convolve(self, x: Tensor, kernel: Tensor, weight: Tensor | None = None) -> Tensor:
        """Apply the linear part to modulated activations, by the layer's own weight or another."""
        weight = self.weight if weight is None else weight
        return ops.convolve_up(x, weight.transpose(0, 1), kernel) if self.up else ops.convolve(x, weight)

    def activate(self, convolved: Tensor, factor: Float[Tensor, "n o"], noise: Tensor | None) -> Tensor:
        """Demodulate, add bias and noise, and apply the nonlinearity; the gain goes in first because leaky ReLU is
        homogeneous.
        """
        y = torch.addcmul(
            ops.per_channel(self.bias[None] * self.gain, convolved),
            convolved,
            ops.per_channel(factor * self.gain, convolved),
        )
        if noise is not None:
            y = y.add_((noise * (self.noise_strength * self.gain)).to(y.dtype))
        return ops.scaled_leaky(y, self.clamp)

    def linearize(
        self, x: Float[Tensor, "1 i h w"], style: Float[Tensor, "1 i"], noise: Tensor | None, kernel: Tensor
    ) -> tuple[Tensor, Push]:
        """Return the output at (x, style) and the derivative.

        With c = conv(x s) and y = f(g (c d + noise + b)):  dy = g f' (d conv(dx s + x ds) + c dd). All tangents share s
        and d, so both go into one set of weights, ``w_ij s_i d_j``, which take ``dx + x ds / s``: a pass less.
        """
        energy = self.weight_energy()
        factor = ops.demodulation(energy, style)
        convolved = self.convolve(x * ops.per_channel(style, x), kernel)
        y = self.activate(convolved, factor, noise)
        slopes = ops.leaky_slopes(y, self.clamp) * self.gain
        scale = away_from_zero(style)
        weight = (self.weight * scale[0, :, None, None] * factor[0, :, None, None, None]).to(self.weight.dtype)

        def push(dx: Tensor | None, dstyle: Tensor | None) -> Tensor | None:
            if dstyle is None:
                return None if dx is None else self.convolve(dx, kernel, weight).mul_(slopes)
            ratio = ops.per_channel(dstyle / scale, x)
            moved = x * ratio if dx is None else torch.addcmul(dx, x, ratio)
            of_factor = ops.per_channel(ops.demodulation_tangent(energy, style, factor, dstyle), y)
            return self.convolve(moved, kernel, weight).addcmul_(convolved, of_factor).mul_(slopes)

        return y, push


class ToImage(StyledLayer):
    """A modulated 1x1 convolution to three colors, without demodulation (toRGB); always float32 at its output."""

    def __init__(self, inputs: int, w_dim: int, clamp: float | None, colors: int = 3) -> None:
        super().__init__()
        self.affine = Affine(w_dim, inputs)
        self.weight = nn.Parameter(ops.normal(colors, inputs, 1, 1))
        self.bias = nn.Parameter(torch.zeros(colors))
        self.gain = 1 / math.sqrt(inputs)
        self.clamp = clamp

    def forward(self, x: Float[Tensor, "n i h w"], style: Float[Tensor, "n i"]) -> Float[Tensor, "n c h w"]:
        """Return the colors; weights are modulated, since three rows of them are smaller than the activations."""
        return self._clamped(self._mix(x, style).add_(self.bias[:, None, None]))

    def _mix(self, x: Tensor, style: Tensor) -> Float[Tensor, "n c h w"]:
        rows, channels, height, width = x.shape
        weights = self.weight[:, :, 0, 0] * (style * self.gain)[:, None]  # [n, c, i]
        pixels = x.permute(0, 2, 3, 1).reshape(rows, height * width, channels)
        colors = torch.bmm(pixels, weights.transpose(1, 2).to(x.dtype))  # [n, h w, c]
        return ops.at_least_float32(colors).view(rows, height, width, -1).permute(0, 3, 1, 2)

    def _clamped(self, y: Tensor) -> Tensor:
        return y if self.clamp is None else y.clamp(-self.clamp, self.clamp)

    def linearize(self, x: Float[Tensor, "1 i h w"], style: Float[Tensor, "1 i"]) -> tuple[Tensor, Push]:
        """Return the colors at (x, style) and the derivative ``W (dx s + x ds)``."""
        y = self.forward(x, style)
        kept = None if self.clamp is None else (y.abs() < self.clamp).to(y.dtype)

        def push(dx: Tensor | None, dstyle: Tensor | None) -> Tensor | None:
            if dx is None and dstyle is None:
                return None
            dy = None if dx is None else self._shared(dx, style)
            if dstyle is not None:
                by_style = self._mix_shared(x, dstyle)
                dy = by_style if dy is None else dy.add_(by_style)
            return dy if kept is None or dy is None else dy * kept

        return y, push

    def _shared(self, dx: Tensor, style: Tensor) -> Tensor:
        """Mix many activations by the one style: one convolution."""
        weight = self.weight * (style * self.gain)[0][:, None, None]
        return ops.at_least_float32(F.conv2d(dx, weight.to(dx.dtype)))

    def _mix_shared(self, x: Tensor, dstyle: Tensor) -> Tensor:
        """Mix the one activation by many styles: one convolution with 3 n outputs."""
        weights = self.weight * (dstyle * self.gain)[:, None, :, None, None]  # [n, c, i, 1, 1]
        mixed = ops.at_least_float32(F.conv2d(x, weights.flatten(0, 1).to(x.dtype)))
        return mixed.view(len(dstyle), -1, *x.shape[2:])


class Shortcut(nn.Module):
    """The residual branch of the ``resnet`` architecture: a 1x1 convolution, doubled in size."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(ops.normal(outputs, inputs, 1, 1))
        self.gain = math.sqrt(0.5) / math.sqrt(inputs)

    def forward(self, x: Float[Tensor, "n i h w"], kernel: Tensor) -> Float[Tensor, "n o h2 w2"]:
        """Return the branch; it is linear, so it is its own derivative."""
        return ops.upsample(ops.convolve(x, (self.weight * self.gain).to(x.dtype)), kernel)
