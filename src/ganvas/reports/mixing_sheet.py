"""A sheet of mixed images, as Figure 3 of StyleGAN: styles across, content down, a block for each set of layers."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from ganvas.edits.mix import GROUPS, mix_grid
from ganvas.errors import LatentError
from ganvas.generators.protocol import Generator
from ganvas.images import sheets
from ganvas.latents.latent import Latent, sample


def mixed_latents(
    generator: Generator, content: Latent, style: Latent, blocks: Mapping[str, Sequence[int]]
) -> list[Latent]:
    """Mix every sample of `content` with every one of `style`, once for each named set of layers in `blocks`.

    Returns a latent of space w+ for each block, all styles for the first content, then for the second.
    """
    mixed = []
    for name, layers in blocks.items():
        grid = mix_grid(generator, content, style, layers)
        names = tuple(
            f"{one}, {block_name(name, layers)} of {other}" for one in content.captions for other in style.captions
        )
        label = None if content.label is None else style.label
        mixed.append(replace(grid, codes=grid.codes.cpu(), names=names, label=label))
    return mixed


def mixing_sheet(
    images: Sequence[Float[Tensor, "_n 3 h w"]], content: Latent, style: Latent, blocks: Mapping[str, Sequence[int]]
) -> Float[Tensor, "1 3 height width"]:
    """Return one labeled image: the styles in the top row, then a block for each set of layers, with the content at the
    left. `images` are those of the content, of the styles and of each mixed latent, all of one size.
    """
    captions = [f"{block_name(name, layers)} from above" for name, layers in blocks.items()]
    grids = [some.unflatten(0, (len(content), len(style))) for some in images[2:]]
    return _sheet(images[0], images[1], dict(zip(captions, grids, strict=True)), content, style)


def styles_like(generator: Generator, content: Latent, seeds: Sequence[int]) -> Latent:
    """Return the latent of seeds that give styles, of the same class and truncation as the content.

    Raises `LatentError` for content of several classes.
    """
    if isinstance(content.label, tuple) and len(set(content.label)) > 1:
        raise LatentError("Images of several classes cannot be mixed with those of one seed each; give one label.")
    label = content.label[0] if isinstance(content.label, tuple) else content.label
    return sample(
        generator,
        seeds,
        label=label,
        truncation=content.truncation,
        truncation_layers=content.truncation_layers,
    )


def block_name(name: str, layers: Sequence[int]) -> str:
    """Return what a set of layers is called: "coarse layers (0-3)", "layers 8-9"."""
    numbers = f"{layers[0]}-{layers[-1]}" if len(layers) > 1 else f"{layers[0]}"
    return f"{name} layers ({numbers})" if name in GROUPS else f"layers {name}"


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
