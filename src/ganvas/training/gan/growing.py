"""Initializing networks from trained ones of a lower or the same resolution, with fewer or the same channels."""

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from ganvas.errors import TrainingError
from ganvas.generators.ops import LEAKY_GAIN, LEAKY_SLOPE
from ganvas.generators.stylegan2.architecture import StyleGAN2Architecture
from ganvas.generators.stylegan2.generator import StyleGAN2
from ganvas.training.gan.discriminators import EqualConvolution, StyleDiscriminator

MAPPING = ("z_dim", "w_dim", "hidden", "label_dim", "mapping_rate")
COLORS = 3


@torch.no_grad()
def start_from(generator: StyleGAN2, source: StyleGAN2) -> None:
    """Copy the weights of `source` into a `generator` at least as large, so that both synthesize the same images.

    Images of a smaller source are upsampled: toRGB of finer blocks starts at zero. New channels keep their random
    weights, but the weights from new channels into old ones are zero, so that the old channels' values and demodulation
    (StyleGAN2, Eq. 3) do not change. The mapping network must be the same.

    Raises `TrainingError` where a tensor of the source does not fit.
    """
    differences = unfitting_sizes(generator.architecture, source.architecture)
    if differences:
        raise TrainingError(
            f"The generator to start from has other sizes: {'; '.join(differences)}. Leave these options out to take "
            "its own."
        )
    ours, theirs = generator.state_dict(), source.state_dict()
    for name, old in theirs.items():
        if name not in ours or not _fits(old.shape, ours[name].shape):
            shape = list(ours[name].shape) if name in ours else "no place"
            raise TrainingError(f"{name} of shape {list(old.shape)} does not fit into the new generator's {shape}.")
        # Colors and shortcuts are scaled by 1 / sqrt(inputs), which a wider layer must not change.
        wider = (ours[name].shape[1] / old.shape[1]) ** 0.5 if name.endswith(("torgb.weight", "skip.weight")) else 1.0
        _embed(ours[name], old * wider, linear=name.endswith("weight"))
    for _, block in generator.synthesis.named_blocks():
        if block.resolution > source.resolution and block.paints:
            block.torgb.weight.zero_()


def unfitting_sizes(new: StyleGAN2Architecture, source: StyleGAN2Architecture) -> list[str]:
    """Return all sizes that keep a `new` generator from starting as `source`, each in words."""
    fixed = {name: (getattr(source, name), getattr(new, name)) for name in (*MAPPING, "kind")}
    differences = [f"{name} is {old}, not {own}" for name, (old, own) in fixed.items() if old != own]
    if source.resolution > new.resolution:
        differences.append(f"resolution is {source.resolution}, more than {new.resolution}")
    elif source.resolution < new.resolution and source.kind != "skip":
        differences.append(f"resolution is {source.resolution}, and one of kind {source.kind} does not grow")
    if any(old > own for old, own in zip(source.channels, new.channels, strict=False)):
        differences.append(f"channels are {list(source.channels)}, more than {list(new.channels)}")
    return differences


def misfit(channels: Sequence[int], source: Sequence[int]) -> str:
    """Return why a discriminator of these `channels` cannot begin as one of `source`, "" where it can."""
    if tuple(channels[: len(source)]) != tuple(source):
        return (
            f"A discriminator of {channels} channels cannot start from one of {source}; coarse maps must have the same "
            "channels."
        )
    narrow = [count for count in channels[len(source) :] if count < 2 * COLORS]
    return f"{narrow[0]} channels are too few to pass on colors; give six or more." if narrow else ""


@torch.no_grad()
def start_discriminator_from(discriminator: StyleDiscriminator, source: StyleDiscriminator) -> None:
    """Copy the blocks of `source` into a discriminator of the same widths and at least its resolution, so that an image
    gets the score that `source` gives to the downsampled image.

    With a new random block before the trained ones, a discriminator would have to learn everything again, and a trained
    generator would escape it. Raises `TrainingError` for other widths, or for a new block of fewer than six channels.
    """
    reason = misfit(discriminator.channels, source.channels)
    if reason:
        raise TrainingError(reason)
    ours = discriminator.state_dict()
    for name, old in source.state_dict().items():
        if discriminator.channels == source.channels or not name.startswith("from_rgb."):
            ours[name].copy_(old)
    from_rgb = source.from_rgb
    for size in range(len(source.channels), len(discriminator.channels)):
        from_rgb = _pass_colors(discriminator.blocks[f"b{2 ** (size + 2)}"], from_rgb)
    discriminator.from_rgb.load_state_dict(from_rgb.state_dict())


def _pass_colors(block: Any, old: Any) -> EqualConvolution:
    """Initialize a new residual block so that it computes from the image x what the fromRGB layer `old` computes from
    the downsampled image; returns the fromRGB layer before the block.

    Colors pass as pairs leaky(x), leaky(-x), whose difference is (1 + slope) x, and (1 + slope^2) x after a second
    leaky ReLU: linear, so that smoothing them is smoothing x. The weights of all other channels are zero.
    """
    from_rgb = EqualConvolution(COLORS, block.conv0.weight.shape[1], 1)
    signs = torch.cat([torch.eye(COLORS), -torch.eye(COLORS)]).to(old.weight)  # [6, 3]
    pairs = len(signs)
    from_rgb.weight[:pairs] = signs[:, :, None, None] / (from_rgb.gain * LEAKY_GAIN)
    block.conv0.weight[:pairs] = 0
    block.conv0.weight[:pairs, :pairs, 1, 1] = torch.eye(pairs).to(old.weight) / (block.conv0.gain * LEAKY_GAIN)
    # The block divides the sum of its two branches by sqrt 2, which the weights undo.
    block.conv1.weight.zero_()
    scale = math.sqrt(2) * old.gain / (block.conv1.gain * (1 + LEAKY_SLOPE**2))
    block.conv1.weight[:, :pairs, 1, 1] = scale * old.weight[:, :, 0, 0] @ signs.T
    block.conv1.bias.copy_(math.sqrt(2) * old.bias)
    block.skip.weight.zero_()
    return from_rgb


def _fits(old: torch.Size, new: torch.Size) -> bool:
    return len(old) == len(new) and all(small <= large for small, large in zip(old, new, strict=True))


def _embed(new: Tensor, old: Tensor, *, linear: bool) -> None:
    """Copy `old` into the leading corner of `new`; weights from new inputs into old outputs become zero."""
    if linear and new.ndim > 1:
        new[: old.shape[0], old.shape[1] :] = 0
    new[tuple(slice(size) for size in old.shape)] = old
