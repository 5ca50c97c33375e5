"""The published algorithm: J by one reverse pass per value of the image (ReSeFa's scripts; LowRankGAN's before them).

It runs on the same weights in two forms: with weights modulated per sample, as the published networks compute, and on
our own layers, which modulate activations and so need no gradient of a weight.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager

import torch
import torch.nn.functional as F
from torch import Tensor

from ganvas.generators import ops
from ganvas.generators.stylegan2.generator import StyleGAN2
from ganvas.generators.stylegan2.layers import StyledConvolution, ToImage

WARM_UPS = 3


def reverse_rows(generator: StyleGAN2, w: Tensor, rows: int) -> tuple[float, int]:
    """Return seconds per row of J, and the number of its rows.

    The image is formed with a graph (above 256 px: nearest subsampling to 256, colors summed); then `autograd.grad`
    is called once per value. `rows` of them, spread over the image, are timed after warming up.
    """
    w = w.clone().requires_grad_()
    image = generator.synthesize(w, "w")
    if generator.resolution > 256:
        image = F.interpolate(image, scale_factor=256 / generator.resolution).sum(1)
    values = image.flatten()
    chosen = torch.linspace(0, len(values) - 1, rows + WARM_UPS).long()
    for position in chosen[:WARM_UPS]:
        torch.autograd.grad(values[position], w, retain_graph=True)
    start = time.perf_counter()
    for position in chosen[WARM_UPS:]:
        torch.autograd.grad(values[position], w, retain_graph=True)
    return (time.perf_counter() - start) / rows, len(values)


@contextmanager
def weights_modulated() -> Iterator[None]:
    """Compute all StyleGAN2 layers by modulating their weights for the (one) sample, as the published networks do."""
    ours = StyledConvolution.forward, ToImage.forward
    StyledConvolution.forward, ToImage.forward = _convolution, _colors
    try:
        yield
    finally:
        StyledConvolution.forward, ToImage.forward = ours


def _convolution(self: StyledConvolution, x: Tensor, style: Tensor, noise: Tensor | None, kernel: Tensor) -> Tensor:
    weight = self.weight * style[0, None, :, None, None]
    weight = weight * (weight.square().sum(dim=(1, 2, 3), keepdim=True) + 1e-8).rsqrt()
    y = self.convolve(x, kernel, weight)
    if noise is not None:
        y = y + noise * self.noise_strength
    return ops.scaled_leaky((y + self.bias[:, None, None]) * self.gain, self.clamp)


def _colors(self: ToImage, x: Tensor, style: Tensor) -> Tensor:
    return F.conv2d(x, self.weight * (style * self.gain)[0, None, :, None, None]) + self.bias[:, None, None]
