"""The operations that style-based generators are made of, in plain PyTorch: forward- and reverse-mode differentiate
through all of them.

Written from the formulas of Karras et al. 2020, "Analyzing and Improving the Image Quality of StyleGAN" (StyleGAN2),
appendix B, and Karras et al. 2019. Weights may modulate per sample; we scale activations instead, which is the same
product and keeps one weight for the whole batch. Everything works in channels_last, the layout in which the
convolutions of a CPU are fastest.
"""

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from ganvas.generators import convolution

LEAKY_SLOPE = 0.2
LEAKY_GAIN = math.sqrt(2.0)


def normal(*shape: int) -> Tensor:
    """Return standard normal values as ``torch.randn``; on the meta device nothing is drawn (see `with_memory`)."""
    return with_memory(torch.empty(shape), lambda empty: empty.normal_())


def with_memory(tensor: Float[Tensor, "*shape"], make: Callable[[Tensor], Tensor]) -> Float[Tensor, "*shape"]:
    """Return what `make` makes of a tensor, which has its shape; the tensor itself where it has no memory: arithmetic
    and draws on the meta device import PyTorch's compiler, half of the time in which a command starts.
    """
    return tensor if tensor.is_meta else make(tensor)


def at_least_float32(x: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """Widen half precision to float32; float32 and float64 stay."""
    return x.to(torch.promote_types(x.dtype, torch.float32))


def normalize_second_moment(x: Float[Tensor, "n d"]) -> Float[Tensor, "n d"]:
    """Scale each row to mean square one (pixel norm of StyleGAN)."""
    return x * (x.square().mean(dim=1, keepdim=True) + 1e-8).rsqrt()


def demodulation(
    weight_energy: Float[Tensor, "inputs outputs"], style: Float[Tensor, "n inputs"]
) -> Float[Tensor, "n outputs"]:
    """Return ``1 / sqrt(sum_ik (w_ijk s_i)^2 + 1e-8)`` (StyleGAN2, Eq. 3) from the squared weights summed over the
    kernel.
    """
    return (style.square() @ weight_energy + 1e-8).rsqrt()


def demodulation_tangent(
    weight_energy: Float[Tensor, "inputs outputs"],
    style: Float[Tensor, "1 inputs"],
    factor: Float[Tensor, "1 outputs"],
    style_tangents: Float[Tensor, "n inputs"],
) -> Float[Tensor, "n outputs"]:
    """Return the derivative of `demodulation`, ``-d^3 sum_i s_i ds_i E_ij``, along each row of `style_tangents`."""
    return -factor.pow(3) * ((style * style_tangents) @ weight_energy)


def convolve_doubled(
    x: Float[Tensor, "n c h w"], taps: Float[Tensor, "c o 4 4"], bias: Float[Tensor, "o"] | None = None
) -> Float[Tensor, "n o h2 w2"]:
    """Repeat each pixel twice in both directions and correlate with a 3x3 weight, given as `doubled_taps` of it."""
    return F.conv_transpose2d(x, taps, bias, stride=2, padding=1)


def doubled_taps(weight: Float[Tensor, "o c 3 3"]) -> Float[Tensor, "c o 4 4"]:
    """Return the transposed convolution that equals doubling the size by repetition and then correlating with `weight`.

    Each coarse pixel is written once instead of four times: 16 products instead of 36. In one dimension a pixel spreads
    by ``w2, w1 + w2, w0 + w1, w0``: the weight backwards, convolved with (1, 1).
    """
    spread = weight.permute(2, 3, 1, 0)  # [3, 3, c, o]: whole planes are added, which is fast
    for axis in (0, 1):
        first, middle, last = spread.unbind(axis)
        spread = torch.stack([last, middle + last, first + middle, first], axis)
    return spread.permute(2, 3, 0, 1).contiguous(memory_format=torch.channels_last)


def smooth(
    x: Float[Tensor, "n c h w"], kernel: Float[Tensor, "a b"], gain: float, pad: int
) -> Float[Tensor, "n c h2 w2"]:
    """Convolve every channel with the two-dimensional `kernel` times `gain`, with `pad` zeros on each side."""
    channels = x.shape[1]
    taps = (kernel.flip([0, 1]) * gain).to(x.dtype).expand(channels, 1, *kernel.shape)
    return F.conv2d(x, taps, padding=pad, groups=channels)


def upsample(x: Float[Tensor, "n c h w"], kernel: Float[Tensor, "a b"]) -> Float[Tensor, "n c h2 w2"]:
    """Double the size: insert zeros, then convolve with `kernel` (even-sized, sum one) at gain 4; the image does not
    shift.
    """
    channels = x.shape[1]
    pad = (kernel.shape[0] - 2) // 2
    taps = (kernel * 4).to(x.dtype).expand(channels, 1, *kernel.shape)
    return F.conv_transpose2d(x, taps, stride=2, padding=pad, groups=channels)


def convolve(x: Float[Tensor, "n c h w"], weight: Float[Tensor, "o c k k"]) -> Float[Tensor, "n o h w"]:
    """Correlate with `weight`, keeping the size."""
    return convolution.convolve(x, weight, padding=weight.shape[-1] // 2)


def convolve_up(
    x: Float[Tensor, "n c h w"], weight: Float[Tensor, "c o k k"], kernel: Float[Tensor, "a b"]
) -> Float[Tensor, "n o h2 w2"]:
    """Double the size and convolve: a transposed convolution with stride 2, then the smoothing `kernel` at gain 4.

    `weight` has its input channels first, as transposed convolutions take it.
    """
    if weight.shape[-1] == 1:
        return upsample(convolution.convolve(x, weight.transpose(0, 1)), kernel)
    spread = convolution.convolve(x, weight, stride=2, transposed=True)  # [n, o, 2h + 1, 2w + 1]
    return smooth(spread, kernel, gain=4.0, pad=(kernel.shape[0] - 1) // 2)


def stored_for_up(weight: Float[Tensor, "o c k k"]) -> Float[Tensor, "o c k k"]:
    """Return the same weight, stored in the order in which `convolve_up` reads it; else every pass copies it first."""
    return weight.transpose(0, 1).contiguous(memory_format=torch.channels_last).transpose(0, 1)


def per_channel(values: Float[Tensor, "n c"], like: Tensor) -> Float[Tensor, "n c 1 1"]:
    """Shape per-channel values so that they broadcast over maps, in the maps' dtype."""
    return values[:, :, None, None].to(like.dtype)


def scaled_leaky(x: Float[Tensor, "*shape"], clamp: float | None) -> Float[Tensor, "*shape"]:
    """Leaky ReLU of a fresh tensor that is already multiplied by the gain (it is homogeneous), then clamped to
    +-`clamp`.
    """
    y = F.leaky_relu_(x, LEAKY_SLOPE)
    return y if clamp is None else y.clamp(-clamp, clamp)


def leaky_slopes(output: Float[Tensor, "*shape"], clamp: float | None) -> Float[Tensor, "*shape"]:
    """Return the derivative of `scaled_leaky` from its output: 1, 0.2, or 0 where it was clamped."""
    slopes = torch.full_like(output, LEAKY_SLOPE).masked_fill_(output > 0, 1.0)
    return slopes if clamp is None else torch.where(output.abs() < clamp, slopes, 0.0)
