"""Starting from networks that were trained before: of a smaller resolution, of fewer channels, or the same."""

import torch
from torch import Tensor

from ganvas.errors import TrainingError
from ganvas.generators.stylegan2 import StyleGAN2
from ganvas.training.discriminators import StyleDiscriminator

MAPPING = ("z_dim", "w_dim", "hidden", "label_dim", "mapping_rate")


@torch.no_grad()
def start_from(generator: StyleGAN2, source: StyleGAN2) -> None:
    """Put the weights of `source` into a `generator` at least as large, so that both paint the same picture.

    The pictures of a smaller source come out enlarged: the colours of finer blocks start at zero. New channels get
    random weights of their own, but no weight leads from them into old ones, whose values and demodulation (StyleGAN2,
    Eq. 3) therefore stay as they were. The mapping network must be the same. Raises `TrainingError` where a part of the
    source has no place.
    """
    ours, theirs = generator.state_dict(), source.state_dict()
    for name in MAPPING:
        old, new = getattr(source.architecture, name), getattr(generator.architecture, name)
        if old != new:
            raise TrainingError(
                f"The mapping network must be that of the generator to start from: its {name} is {old}, not {new}."
            )
    if source.resolution > generator.resolution or source.architecture.kind != generator.architecture.kind:
        raise TrainingError(
            f"A {source.architecture.kind} generator of {source.resolution} pixels cannot start one of "
            f"{generator.resolution} pixels and kind {generator.architecture.kind}; give a smaller or equal one."
        )
    for name, old in theirs.items():
        if name not in ours or not _fits(old.shape, ours[name].shape):
            shape = list(ours[name].shape) if name in ours else "no place"
            raise TrainingError(f"{name} of shape {list(old.shape)} does not fit into the new generator's {shape}.")
        # Colours and shortcuts are scaled by 1 / sqrt(inputs), which a wider layer must not change.
        wider = (ours[name].shape[1] / old.shape[1]) ** 0.5 if name.endswith(("torgb.weight", "skip.weight")) else 1.0
        _place(ours[name], old * wider, linear=name.endswith("weight"))
    for _, block in generator.synthesis.named_blocks():
        if block.resolution > source.resolution and block.paints:
            block.torgb.weight.zero_()


@torch.no_grad()
def start_judge_from(judge: StyleDiscriminator, source: StyleDiscriminator) -> None:
    """Put the blocks of `source` into a discriminator of the same widths and of at least its resolution.

    What a finer one sees of a picture before those blocks is new, so that it needs some steps alone
    (``judge_first``); what it knows of shapes and parts is kept. Raises `TrainingError` for other widths.
    """
    shared = min(len(judge.channels), len(source.channels))
    if len(source.channels) > len(judge.channels) or judge.channels[:shared] != source.channels:
        raise TrainingError(
            f"A discriminator of {judge.channels} channels cannot start from one of {source.channels}; coarse maps "
            "must have the same channels."
        )
    ours = judge.state_dict()
    for name, old in source.state_dict().items():
        if judge.channels == source.channels or not name.startswith("from_rgb."):
            ours[name].copy_(old)


def _fits(old: torch.Size, new: torch.Size) -> bool:
    return len(old) == len(new) and all(small <= large for small, large in zip(old, new, strict=True))


def _place(new: Tensor, old: Tensor, *, linear: bool) -> None:
    """Write `old` into the leading corner of `new`; weights from new inputs into old outputs become zero."""
    if linear and new.ndim > 1:
        new[: old.shape[0], old.shape[1] :] = 0
    new[tuple(slice(size) for size in old.shape)] = old
