"""A sheet of mixed images, as Figure 3 of StyleGAN: styles across, content down, a block for each set of layers."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from ganvas.edits.mix import GROUPS, mix_grid
from ganvas.generators.protocol import Generator
from ganvas.images import sheets
from ganvas.latents.latent import Latent
from ganvas.reports.region_report import on_sheet

Progress = Callable[[str, int, int], None]


def mixing_sheet(
    generator: Generator,
    content: Latent,
    style: Latent,
    blocks: Mapping[str, Sequence[int]],
    progress: Progress = lambda what, done, total: None,
) -> tuple[Float[Tensor, "1 3 height width"], Latent]:
    """Mix every sample of `content` with every one of `style`, once for each named set of layers in `blocks`.

    Returns one labeled image (the styles in the top row, then a block for each set of layers, with the content at the
    left) and the mixed latent in space w+: blocks, then content, then styles.
    """
    mixed = []
    for name, layers in blocks.items():
        grid = mix_grid(generator, content, style, layers)
        names = tuple(
            f"{one}, {block_name(name, layers)} of {other}" for one in content.captions for other in style.captions
        )
        label = None if content.label is None else style.label
        mixed.append(replace(grid, codes=grid.codes.cpu(), names=names, label=label))
    total = len(content) + len(style) + sum(map(len, mixed))
    images: list[Tensor] = []
    for latent in (content, style, *mixed):
        images.append(torch.cat([on_sheet(some) for some in latent.images(generator)]))
        progress("Making images", sum(map(len, images)), total)
    captions = [f"{block_name(name, layers)} from above" for name, layers in blocks.items()]
    grids = [some.unflatten(0, (len(content), len(style))) for some in images[2:]]
    return _sheet(images[0], images[1], dict(zip(captions, grids, strict=True)), content, style), _joined(mixed)


def block_name(name: str, layers: Sequence[int]) -> str:
    """Return what a set of layers is called: "coarse layers (0-3)", "layers 8-9"."""
    numbers = f"{layers[0]}-{layers[-1]}" if len(layers) > 1 else f"{layers[0]}"
    return f"{name} layers ({numbers})" if name in GROUPS else f"layers {name}"


def _joined(latents: Sequence[Latent]) -> Latent:
    """Return latents of one kind as one."""
    return replace(
        latents[0],
        codes=torch.cat([one.codes for one in latents]),
        seeds=tuple(seed for one in latents for seed in one.seeds),
        names=tuple(name for one in latents for name in one.names),
    )


def _sheet(
    content: Float[Tensor, "rows 3 h w"],
    style: Float[Tensor, "columns 3 h w"],
    blocks: Mapping[str, Float[Tensor, "rows columns 3 h w"]],
    down: Latent,
    across: Latent,
) -> Float[Tensor, "1 3 height width"]:
    columns = len(style) + 1
    top = torch.cat([torch.ones_like(style[:1]), style])
    parts = [sheets.labeled_grid(top, columns, ["", *across.captions])]
    for name, mixed in blocks.items():
        rows = torch.cat([torch.cat([image[None], row]) for image, row in zip(content, mixed, strict=True)])
        block = sheets.labeled_grid(rows, columns, row_labels=down.captions)
        parts.append(sheets.labeled_grid(block, 1, [name]))
    width = max(part.shape[-1] for part in parts)
    return torch.cat([functional.pad(part, (width - part.shape[-1], 0), value=1.0) for part in parts], dim=2)
