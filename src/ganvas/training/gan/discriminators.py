"""Discriminators: StyleGAN2's residual one and DCGAN's.

Written from Karras et al. 2020 (Fig. 7c and appendix B: residual blocks, equalized learning rate), Karras et al. 2018
(minibatch standard deviation) and Radford et al. 2016. Parameters are float32.
"""

import itertools
import math

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from ganvas.generators import ops
from ganvas.generators.convolution import convolve
from ganvas.images import pixels

GROUP_SIZE = 4


class EqualConvolution(nn.Module):
    """A convolution whose weights are kept at unit variance and scaled by 1 / sqrt(inputs) when used (equalized
    learning rate), with leaky ReLU times sqrt 2 unless `linear`.
    """

    def __init__(self, inputs: int, outputs: int, size: int, *, linear: bool = False) -> None:
        super().__init__()
        weight = torch.randn(outputs, inputs, size, size).to(memory_format=torch.channels_last)
        self.weight = nn.Parameter(weight)
        self.bias = None if linear else nn.Parameter(torch.zeros(outputs))
        self.gain = 1 / math.sqrt(inputs * size * size)

    def forward(self, x: Float[Tensor, "n i h w"], *, gain: float = 1.0, down: bool = False) -> Tensor:
        """Return the layer's output times `gain`; with `down`, at half the size."""
        gain = gain if self.bias is None else gain * ops.LEAKY_GAIN  # leaky ReLU is homogeneous
        weight = (self.weight * (self.gain * gain)).to(x.dtype)
        stride, pad = (2, 0) if down and weight.shape[-1] > 1 else (1, weight.shape[-1] // 2)
        bias = None if self.bias is None else (self.bias * gain).to(x.dtype)
        y = convolve(x, weight, bias, stride=stride, padding=pad)
        return y if self.bias is None else F.leaky_relu_(y, ops.LEAKY_SLOPE)


class ResidualBlock(nn.Module):
    """Two convolutions to half the size, and a shortcut; their sum keeps the variance (Karras et al. 2020, Fig. 7c)."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv0 = EqualConvolution(inputs, inputs, 3)
        self.conv1 = EqualConvolution(inputs, outputs, 3)
        self.skip = EqualConvolution(inputs, outputs, 1, linear=True)

    def forward(self, x: Float[Tensor, "n i h w"], kernel: Float[Tensor, "4 4"]) -> Float[Tensor, "n o h2 w2"]:
        """Return the block's map at half the size; `kernel` smooths before every other pixel is dropped."""
        half = math.sqrt(0.5)
        y = self.conv1(ops.smooth(self.conv0(x), kernel, 1.0, pad=2), gain=half, down=True)
        # Smoothing at full size and taking every other pixel: half precision has no fast strided depthwise kernel.
        small = ops.smooth(x, kernel, 1.0, pad=1)[..., ::2, ::2].contiguous(memory_format=torch.channels_last)
        return y + self.skip(small, gain=half)


class StyleDiscriminator(nn.Module):
    """Images [n, 3, r, r] to scores [n].

    ``channels`` are those of the maps of 4, 8, ..., r pixels; ``map_dtype`` is the data type of these maps.
    """

    kernel: Tensor

    def __init__(self, channels: tuple[int, ...], map_dtype: torch.dtype = torch.float32) -> None:
        super().__init__()
        self.channels, self.map_dtype = channels, map_dtype
        self.from_rgb = EqualConvolution(3, channels[-1], 1)
        fine_to_coarse = [2 ** (i + 2) for i in reversed(range(1, len(channels)))]
        widths = itertools.pairwise(reversed(channels))
        self.blocks = nn.ModuleDict(
            {f"b{r}": ResidualBlock(i, o) for r, (i, o) in zip(fine_to_coarse, widths, strict=True)}
        )
        self.last = EqualConvolution(channels[0] + 1, channels[0], 3)
        self.hidden = EqualConvolution(channels[0] * 16, channels[0], 1)
        self.score = EqualConvolution(channels[0], 1, 1, linear=True)
        taps = torch.tensor([1.0, 3.0, 3.0, 1.0])
        self.register_buffer("kernel", torch.outer(taps, taps) / 64, persistent=False)

    @property
    def resolution(self) -> int:
        """Width of its images."""
        return 2 ** (len(self.channels) + 1)

    def forward(self, images: Float[Tensor, "n 3 r r"]) -> Float[Tensor, "n"]:
        """Return scores: logits of "real". Consecutive groups of four samples share a std channel (`add_std`)."""
        x = self._maps(images)[-1]
        x = self.last(add_std(ops.at_least_float32(x), GROUP_SIZE))  # [n, c, 4, 4], float32 from here
        x = self.hidden(x.reshape(len(x), -1, 1, 1))
        return self.score(x).flatten()

    def maps(self, images: Float[Tensor, "n 3 h w"]) -> list[Float[Tensor, "n _c _h _w"]]:
        """Return the maps of half the resolution and below, of images of any size (resized first).

        With them a discriminator is a second perceptual distance, beside the feature network
        (`ganvas.metrics.perceptual`).
        """
        return self._maps(pixels.resize(images, self.resolution, self.resolution))

    def _maps(self, images: Float[Tensor, "n 3 r r"]) -> list[Float[Tensor, "n _c _h _w"]]:
        x = self.from_rgb(images.to(self.map_dtype, memory_format=torch.channels_last))
        maps = []
        for block in self.blocks.values():
            x = block(x, self.kernel)
            maps.append(x)
        return maps


def add_std(x: Float[Tensor, "n c h w"], group_size: int) -> Float[Tensor, "n c2 h w"]:
    """Append minibatch standard deviation (Karras et al. 2018, section 3): a channel with the standard deviation over
    each group of consecutive samples, averaged over channels and pixels.

    Where the batch is no multiple of `group_size`, groups have the greatest common divisor of both.
    """
    batch = len(x)
    group_size = math.gcd(batch, group_size)
    grouped = x.view(batch // group_size, group_size, *x.shape[1:])
    std = (grouped.var(dim=1, unbiased=False) + 1e-8).sqrt().mean(dim=(1, 2, 3))  # [groups]
    channel = std.repeat_interleave(group_size).view(batch, 1, 1, 1).expand(batch, 1, *x.shape[2:])
    return torch.cat([x, channel], dim=1)


class ConvolutionalDiscriminator(nn.Sequential):
    """DCGAN's discriminator (Radford et al. 2016): images [n, 3, r, r] to scores [n].

    Convolutions of kernel 4 and stride 2, the first with `width` channels and each next with twice as many, with batch
    normalization (except the first) and leaky ReLU. Weights are drawn from `random`: convolutions from N(0, 0.02), the
    normalization's from N(1, 0.02). 2,765,568 parameters at 64 px and width 64.
    """

    def __init__(self, resolution: int, width: int, random: torch.Generator) -> None:
        widths = [3, *(width * 2**i for i in range((resolution // 4).bit_length() - 1))]
        layers: list[nn.Module] = []
        for inputs, outputs in itertools.pairwise(widths):
            layers.append(nn.Conv2d(inputs, outputs, 4, stride=2, padding=1, bias=False))
            layers += [nn.BatchNorm2d(outputs)] if inputs > 3 else []
            layers.append(nn.LeakyReLU(ops.LEAKY_SLOPE))
        super().__init__(*layers, nn.Conv2d(widths[-1], 1, 4, bias=False), nn.Flatten(0))
        with torch.no_grad():
            for layer in self:
                if isinstance(layer, nn.Conv2d):
                    layer.weight.copy_(torch.randn(layer.weight.shape, generator=random) * 0.02)
                elif isinstance(layer, nn.BatchNorm2d):
                    layer.weight.copy_(1 + torch.randn(layer.weight.shape, generator=random) * 0.02)
