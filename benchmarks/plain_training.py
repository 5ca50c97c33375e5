"""Training steps as they are commonly written, to compare ours with: float32, kernels and maps in PyTorch's default
layout, real and made images judged one after the other. Written from the papers' formulas.
"""

import itertools
import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

SLOPE, GAIN = 0.2, math.sqrt(2)


class PlainDCGAN:
    """The standard example's loop (Radford et al. 2016): binary cross entropy of sigmoids, Adam 2e-4, (0.5, 0.999)."""

    def __init__(self, resolution: int = 64, width: int = 64, z_dim: int = 100) -> None:
        widths = [width * 2**i for i in range(resolution.bit_length() - 3)]
        self.z_dim, self.loss = z_dim, nn.BCELoss()
        layers: list[nn.Module] = [nn.ConvTranspose2d(z_dim, widths[-1], 4, 1, 0, bias=False)]
        for inputs, outputs in itertools.pairwise(reversed([3, *widths])):
            layers += [nn.BatchNorm2d(inputs), nn.ReLU(True), nn.ConvTranspose2d(inputs, outputs, 4, 2, 1, bias=False)]
        self.generator = nn.Sequential(*layers, nn.Tanh())
        layers = [nn.Conv2d(3, width, 4, 2, 1, bias=False), nn.LeakyReLU(SLOPE, True)]
        for inputs, outputs in itertools.pairwise(widths):
            layers += [nn.Conv2d(inputs, outputs, 4, 2, 1, bias=False), nn.BatchNorm2d(outputs)]
            layers += [nn.LeakyReLU(SLOPE, True)]
        layers += [nn.Conv2d(widths[-1], 1, 4, 1, 0, bias=False), nn.Sigmoid(), nn.Flatten(0)]
        self.discriminator = nn.Sequential(*layers)
        self.optimizers = [
            torch.optim.Adam(part.parameters(), lr=2e-4, betas=(0.5, 0.999))
            for part in (self.generator, self.discriminator)
        ]

    def step(self, real: Tensor) -> None:
        """Let both networks learn once."""
        ones, zeros = torch.ones(len(real)), torch.zeros(len(real))
        self.discriminator.zero_grad()
        self.loss(self.discriminator(real), ones).backward()
        made = self.generator(torch.randn(len(real), self.z_dim, 1, 1))
        self.loss(self.discriminator(made.detach()), zeros).backward()
        self.optimizers[1].step()
        self.generator.zero_grad()
        self.loss(self.discriminator(made), ones).backward()
        self.optimizers[0].step()


def resample(x: Tensor, kernel: Tensor, pad: tuple[int, int], *, up: int = 1, down: int = 1) -> Tensor:
    """Insert zeros, pad, convolve every channel with `kernel`, keep every `down`-th pixel (StyleGAN2, appendix B)."""
    n, channels, height, width = x.shape
    if up > 1:
        x = F.pad(x.view(n, channels, height, 1, width, 1), (0, up - 1, 0, 0, 0, up - 1))
        x = x.view(n, channels, height * up, width * up)
    x = F.pad(x, (*pad, *pad))
    taps = kernel.flip([0, 1]) * up**2
    return F.conv2d(x, taps.expand(channels, 1, *taps.shape), groups=channels)[:, :, ::down, ::down]


class Dense(nn.Module):
    """A linear layer with equalized learning rate."""

    def __init__(self, inputs: int, outputs: int, *, rate: float = 1.0, bend: bool = False, bias: float = 0.0) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs) / rate)
        self.bias = nn.Parameter(torch.full((outputs,), bias))
        self.rate, self.bend = rate, bend

    def forward(self, x: Tensor) -> Tensor:
        """Return the layer's output."""
        y = F.linear(x, self.weight * (self.rate / math.sqrt(self.weight.shape[1])), self.bias * self.rate)
        return F.leaky_relu(y, SLOPE) * GAIN if self.bend else y


class Modulated(nn.Module):
    """A convolution modulated by a style (StyleGAN2, Eq. 1-3): with `grouped`, one weight for each sample and a grouped
    convolution; else activations are scaled before and after.
    """

    def __init__(self, inputs: int, outputs: int, w_dim: int, size: int, *, up: bool, demodulate: bool, grouped: bool):
        super().__init__()
        self.affine = Dense(w_dim, inputs, bias=1.0)
        self.weight = nn.Parameter(torch.randn(outputs, inputs, size, size))
        self.up, self.demodulate, self.grouped = up, demodulate, grouped
        self.gain = 1 / math.sqrt(inputs * size * size)

    def forward(self, x: Tensor, w: Tensor, kernel: Tensor) -> Tensor:
        """Return the maps, doubled in size with `up`."""
        n, style = len(x), self.affine(w)
        weights = (self.weight * self.gain)[None] * style[:, None, :, None, None]  # [n, o, i, k, k]
        factor = (weights.square().sum(dim=(2, 3, 4)) + 1e-8).rsqrt() if self.demodulate else None
        if not self.grouped:
            y = self._convolve(x * style[:, :, None, None], self.weight * self.gain, 1, kernel)
            return y if factor is None else y * factor[:, :, None, None]
        if factor is not None:
            weights = weights * factor[:, :, None, None, None]
        y = self._convolve(x.reshape(1, -1, *x.shape[2:]), weights.flatten(0, 1), n, kernel)
        return y.view(n, -1, *y.shape[2:])

    def _convolve(self, x: Tensor, weight: Tensor, groups: int, kernel: Tensor) -> Tensor:
        if not self.up:
            return F.conv2d(x, weight, padding=weight.shape[-1] // 2, groups=groups)
        turned = weight.unflatten(0, (groups, -1)).transpose(1, 2).flatten(0, 1)
        return resample(F.conv_transpose2d(x, turned, stride=2, groups=groups), kernel * 4, (1, 1))


class PlainGenerator(nn.Module):
    """StyleGAN2's generator with skip connections (Karras et al. 2020, Fig. 7b)."""

    kernel: Tensor

    def __init__(self, channels: Sequence[int], w_dim: int, mapping_layers: int, grouped: bool) -> None:
        super().__init__()
        self.w_dim = w_dim
        self.mapping = nn.Sequential(*(Dense(w_dim, w_dim, rate=0.01, bend=True) for _ in range(mapping_layers)))
        self.const = nn.Parameter(torch.randn(channels[0], 4, 4))
        self.layers, self.colors = nn.ModuleList(), nn.ModuleList()
        self.biases, self.strengths = nn.ParameterList(), nn.ParameterList()
        for index, (inputs, outputs) in enumerate(itertools.pairwise([channels[0], *channels])):
            for up in (False,) if index == 0 else (True, False):
                layer = Modulated(inputs, outputs, w_dim, 3, up=up, demodulate=True, grouped=grouped)
                self.layers.append(layer)
                self.biases.append(nn.Parameter(torch.zeros(outputs)))
                self.strengths.append(nn.Parameter(torch.zeros([])))
                inputs = outputs
            self.colors.append(Modulated(outputs, 3, w_dim, 1, up=False, demodulate=False, grouped=grouped))
        taps = torch.tensor([1.0, 3.0, 3.0, 1.0])
        self.register_buffer("kernel", torch.outer(taps, taps) / 64)

    def forward(self, rows: int) -> Tensor:
        """Return images of fresh codes, mixed from two."""
        w, other = (self.mapping(F.normalize(torch.randn(rows, self.w_dim)) * self.w_dim**0.5) for _ in range(2))
        cut = int(torch.randint(1, len(self.layers), ()))
        x, image, number = self.const.expand(rows, -1, -1, -1), None, 0
        for index, color in enumerate(self.colors):
            for _ in range(1 if index == 0 else 2):
                x = self.layers[number](x, w if number < cut else other, self.kernel)
                x = x + torch.randn(rows, 1, *x.shape[2:]) * self.strengths[number]
                x = F.leaky_relu(x + self.biases[number][:, None, None], SLOPE) * GAIN
                number += 1
            painted = color(x, w if number < cut else other, self.kernel)
            image = painted if image is None else painted + resample(image, self.kernel, (2, 1), up=2)
        assert image is not None
        return image


class Convolution(nn.Module):
    """A convolution with equalized learning rate, smoothed before it halves the size."""

    def __init__(self, inputs: int, outputs: int, size: int, *, down: bool = False, bend: bool = True) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs, size, size))
        self.bias = nn.Parameter(torch.zeros(outputs))
        self.gain, self.down, self.bend = 1 / math.sqrt(inputs * size * size), down, bend

    def forward(self, x: Tensor, kernel: Tensor) -> Tensor:
        """Return the layer's output."""
        size = self.weight.shape[-1]
        if self.down:
            x = resample(x, kernel, (2, 2) if size == 3 else (1, 1), down=1 if size == 3 else 2)
        stride, pad = (2, 0) if self.down and size == 3 else (1, 0 if self.down else size // 2)
        y = F.conv2d(x, self.weight * self.gain, self.bias if self.bend else None, stride, pad)
        return F.leaky_relu(y, SLOPE) * GAIN if self.bend else y


class PlainDiscriminator(nn.Module):
    """StyleGAN2's residual discriminator (Karras et al. 2020, Fig. 7c)."""

    kernel: Tensor

    def __init__(self, channels: Sequence[int]) -> None:
        super().__init__()
        self.from_rgb = Convolution(3, channels[-1], 1)
        self.blocks = nn.ModuleList()
        for inputs, outputs in itertools.pairwise(reversed(channels)):
            first, second = Convolution(inputs, inputs, 3), Convolution(inputs, outputs, 3, down=True)
            self.blocks.append(nn.ModuleList([first, second, Convolution(inputs, outputs, 1, down=True, bend=False)]))
        self.last = Convolution(channels[0] + 1, channels[0], 3)
        self.hidden = Dense(channels[0] * 16, channels[0], bend=True)
        self.score = Dense(channels[0], 1)
        taps = torch.tensor([1.0, 3.0, 3.0, 1.0])
        self.register_buffer("kernel", torch.outer(taps, taps) / 64)

    def forward(self, images: Tensor) -> Tensor:
        """Return scores [n]."""
        x = self.from_rgb(images, self.kernel)
        for first, second, skip in self.blocks:  # type: ignore[misc]
            y = second(first(x, self.kernel), self.kernel)
            x = (y + skip(x, self.kernel)) * math.sqrt(0.5)
        groups = x.unflatten(0, (-1, 4))
        std = (groups.var(dim=1, unbiased=False) + 1e-8).sqrt().mean(dim=(1, 2, 3))
        channel = std.repeat_interleave(4)[:, None, None, None].expand(-1, 1, 4, 4)
        x = self.last(torch.cat([x, channel], dim=1), self.kernel)
        return self.score(self.hidden(x.flatten(1)))[:, 0]


class PlainStyleGAN2:
    """A step of StyleGAN2: non-saturating loss, R1 when asked, Adam."""

    def __init__(self, channels: Sequence[int], w_dim: int, mapping_layers: int, *, grouped: bool) -> None:
        self.generator = PlainGenerator(channels, w_dim, mapping_layers, grouped)
        self.discriminator = PlainDiscriminator(channels)
        self.optimizers = [
            torch.optim.Adam(part.parameters(), lr=2.5e-3, betas=(0.0, 0.99))
            for part in (self.generator, self.discriminator)
        ]

    def step(self, real: Tensor, *, penalty: bool) -> None:
        """Let both networks learn once."""
        self.discriminator.requires_grad_(False)
        self.optimizers[0].zero_grad()
        F.softplus(-self.discriminator(self.generator(len(real)))).mean().backward()
        self.optimizers[0].step()
        self.discriminator.requires_grad_(True)
        self.optimizers[1].zero_grad()
        with torch.no_grad():
            made = self.generator(len(real))
        F.softplus(self.discriminator(made)).mean().backward()
        F.softplus(-self.discriminator(real)).mean().backward()
        if penalty:
            leaf = real.detach().requires_grad_()
            (slope,) = torch.autograd.grad(self.discriminator(leaf).sum(), leaf, create_graph=True)
            (slope.square().sum(dim=(1, 2, 3)).mean() * 8).backward()
        self.optimizers[1].step()
