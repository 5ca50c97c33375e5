"""StyleGAN3's synthesis of many rows at once, for training: the images of `Synthesis`, computed another way.

One row at a time with weights of its own, which `Synthesis` does, is best for a few large images. Here all rows share
the weights: styles scale the maps before the convolution, demodulation scales them after it. The filters are products
of matrices: along each axis upsampling is a matrix U [fine, size], downsampling a matrix D [size, fine], and

    filtered leaky ReLU of x = D leaky(U x U^T) D^T.

Mostly zeros are multiplied, yet on a processor with matrix units that is faster than a convolution channel by channel,
and it can be differentiated as any product of matrices.
"""

import math
from functools import cache

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from ganvas.generators import ops
from ganvas.generators.stylegan3.architecture import LayerShape
from ganvas.generators.stylegan3.filters import DOWN
from ganvas.generators.stylegan3.generator import StyleGAN3
from ganvas.generators.stylegan3.synthesis import Layer, resampler_of


def synthesize_batch(
    generator: StyleGAN3, ws: Float[Tensor, "n layers d"], dtype: torch.dtype, magnitude_decay: float = 1.0
) -> Float[Tensor, "n 3 r r"]:
    """Return the images of w+ codes, maps computed in `dtype`, differentiable backwards.

    With a `magnitude_decay` below 1, the running mean square of each layer's input moves towards that of these maps.
    """
    synthesis = generator.synthesis
    steering, *styles = synthesis.styles(ws)
    x = synthesis.input(steering, torch.eye(3, dtype=ws.dtype, device=ws.device)).to(dtype)
    for (_, layer), style in zip(synthesis.named_layers(), styles, strict=True):
        if magnitude_decay < 1:
            layer.magnitude.lerp_(ops.at_least_float32(x.detach()).square().mean(), 1 - magnitude_decay)
        x = _layer(layer, x, style)
    return ops.at_least_float32(x) * synthesis.scale


def _layer(layer: Layer, x: Float[Tensor, "n i h w"], style: Float[Tensor, "n i"]) -> Float[Tensor, "n o h2 w2"]:
    weight = layer.weight.to(x.dtype)
    x = (x * ops.per_channel(style, x)).contiguous(memory_format=torch.channels_last)
    x = F.conv2d(x, weight, padding=weight.shape[-1] - 1)
    bias = ops.per_channel(layer.bias[None], x)
    x = torch.addcmul(bias, x, ops.per_channel(layer.scale(style), x))
    if layer.colors:
        return x if layer.clamp is None else x.clamp(-layer.clamp, layer.clamp)
    resampler = resampler_of(layer.shape)
    up, down = (matrix.to(x) for matrix in filter_matrices(layer.shape))
    # The gain of the leaky ReLU, which is homogeneous, is in both products of `up`.
    y = _on_both_axes(up * math.sqrt(ops.LEAKY_GAIN), x.flatten(0, 1))
    y = ops.scaled_leaky(y, layer.clamp)
    if resampler.down_taps.ndim == 2:
        return resampler.down(y.unflatten(0, x.shape[:2]))
    return _on_both_axes(down, y).unflatten(0, x.shape[:2])


def _on_both_axes(matrix: Float[Tensor, "a b"], x: Float[Tensor, "m b b"]) -> Float[Tensor, "m a a"]:
    """Return ``M x M^T`` of each of many channels."""
    across = (x.flatten(0, 1) @ matrix.T).unflatten(0, x.shape[:2])
    return torch.bmm(matrix.expand(len(x), -1, -1), across)


@cache
def filter_matrices(shape: LayerShape) -> tuple[Float[Tensor, "fine size"], Float[Tensor, "size2 fine"]]:
    """Return the matrices of up- and downsampling along one axis; the latter is empty for a filter that is not
    separable.
    """
    resampler = resampler_of(shape)
    up = _banded(resampler.up_taps * resampler.factor, resampler.factor, resampler.size_in)
    up = up.narrow(0, resampler.crop, resampler.fine)
    if resampler.down_taps.ndim == 2:
        return up, up.new_zeros(0, len(up))
    return up, _banded(resampler.down_taps, DOWN, resampler.size_out).T.contiguous()


def _banded(taps: Float[Tensor, "k"], step: int, columns: int) -> Float[Tensor, "rows columns"]:
    """Return the matrix whose columns hold the taps, each `step` rows further down."""
    rows = (columns - 1) * step + len(taps)
    place = torch.arange(rows)[:, None] - step * torch.arange(columns)
    return torch.where((place >= 0) & (place < len(taps)), taps[place.clamp(0, len(taps) - 1)], 0.0)
