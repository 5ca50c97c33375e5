"""StyleGAN3 at its published sizes, with random weights (speed does not depend on them): a forward pass against the
formulas as they stand, and a tangent against a forward pass.
"""

import time
from collections.abc import Callable, Iterator

import torch
import torch.nn.functional as F
from torch import Tensor

from benchmarks.machine import duration, seconds
from ganvas.generators.stylegan3.architecture import StyleGAN3Architecture
from ganvas.generators.stylegan3.filters import Resampler
from ganvas.generators.stylegan3.generator import StyleGAN3
from ganvas.generators.stylegan3.synthesis import Layer

SIZES = (256,)
ALL_SIZES = (256, 512, 1024)
ROWS, TANGENTS = 2, 8


def stylegan3_subject(resolution: int, radial: bool, dtype: torch.dtype = torch.float32) -> StyleGAN3:
    """Return a StyleGAN3-T, or with `radial` a StyleGAN3-R, of a published size."""
    torch.manual_seed(0)
    generator = StyleGAN3(StyleGAN3Architecture.published(resolution, radial)).eval().requires_grad_(False)
    for parameter in generator.parameters():
        if parameter.ndim == 4:  # the layout in which checkpoints are loaded
            parameter.data = parameter.data.contiguous(memory_format=torch.channels_last)
    return generator.set_precision(dtype)


def plain_images(generator: StyleGAN3, ws: Tensor) -> Tensor:
    """Return images by the formulas as they stand: weights are modulated row by row, zeros inserted, filters of two
    dimensions, the fine grid written out, channels first.
    """
    rows = []
    for row in range(len(ws)):
        first, *styles = generator.synthesis.styles(ws[row : row + 1])
        x = generator.synthesis.input(first, torch.eye(3)).contiguous()
        for (_, layer), style in zip(generator.synthesis.named_layers(), styles, strict=True):
            x = _plain_layer(layer, x, style)
        rows.append(x * generator.synthesis.scale)
    return torch.cat(rows)


def _plain_layer(layer: Layer, x: Tensor, style: Tensor) -> Tensor:
    weight, gain = layer.weight.contiguous(), layer.magnitude.rsqrt()
    if layer.colors:
        weight = weight * (style[0] * layer.shape.channels_in**-0.5)[:, None, None]
    else:
        weight = weight * weight.square().mean(dim=(1, 2, 3), keepdim=True).rsqrt()
        weight = weight * (style * style.square().mean().rsqrt())[0][:, None, None]
        weight = weight * (weight.square().sum(dim=(1, 2, 3), keepdim=True) + 1e-8).rsqrt()
    y = F.conv2d(x, weight * gain, padding=weight.shape[-1] - 1) + layer.bias[:, None, None]
    return y if layer.colors else _plain_nonlinearity(y, layer.resampler())


def _plain_nonlinearity(y: Tensor, resampler: Resampler) -> Tensor:
    _, channels, size, _ = y.shape
    factor = resampler.factor
    stuffed = y.new_zeros(1, channels, size, factor, size, factor)
    stuffed[:, :, :, 0, :, 0] = y
    # Taps reach beyond the map on both sides, but the zeros after its last sample are no part of it.
    before = resampler.up_taps.shape[0] - 1 - resampler.crop
    after = before - factor + 1
    stuffed = F.pad(stuffed.flatten(2, 3).flatten(3, 4), (before, after, before, after))
    fine = F.conv2d(stuffed, _square(resampler.up_taps, channels) * factor**2, groups=channels)
    active = (F.leaky_relu(fine, 0.2) * 2**0.5).clamp(-256, 256)
    return F.conv2d(active, _square(resampler.down_taps, channels), stride=2, groups=channels)


def _square(taps: Tensor, channels: int) -> Tensor:
    square = taps if taps.ndim == 2 else torch.outer(taps, taps)
    return square.expand(channels, 1, *square.shape)


def run(sizes: tuple[int, ...] = SIZES) -> Iterator[str]:
    """Yield the lines of a Markdown table of processor times per row."""
    yield from (
        "| StyleGAN3 | precision | plain forward | forward | plain / ours | tangent | tangent / forward |",
        "|---|---|---|---|---|---|---|",
    )
    for size in (size for size in sizes if size in ALL_SIZES):
        for radial in (False, True):
            for dtype in (torch.float32, torch.bfloat16):
                yield _row(size, radial, dtype)


@torch.no_grad()
def _row(size: int, radial: bool, dtype: torch.dtype) -> str:
    generator = stylegan3_subject(size, radial, dtype)
    ws = generator.map(generator.sample(range(ROWS)))
    tangents = torch.randn(TANGENTS, *ws.shape[1:], generator=torch.Generator().manual_seed(0))
    _, push = generator.linearize(ws[:1], "w+")

    def best(function: Callable[[], object], rows: int) -> float:
        return seconds(function, repeats=2, clock=time.process_time) / rows

    forward, tangent = best(lambda: generator.synthesize(ws, "w+"), ROWS), best(lambda: push(tangents), TANGENTS)
    first, ratio = "-", "-"
    if dtype == torch.float32:
        image = generator.synthesize(ws[:1], "w+")
        assert (plain_images(generator, ws[:1]) - image).abs().max() < 1e-3 * image.std()
        plain = best(lambda: plain_images(generator, ws[:1]), 1)
        first, ratio = duration(plain), f"**{plain / forward:.1f}**"
    kind, name = "R" if radial else "T", str(dtype).removeprefix("torch.")
    return (
        f"| {kind}, {size} px | {name} | {first} | {duration(forward)} | {ratio} | {duration(tangent)} | "
        f"**{tangent / forward:.2f}** |"
    )
