"""A sheet of mixed pictures, as Figure 3 of StyleGAN: sources across, targets down, a block for each set of layers."""

from collections.abc import Mapping, Sequence

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from ganvas.images import sheets
from ganvas.reports.region_report import on_sheet


def mixing_sheet(
    targets: Float[Tensor, "rows 3 h w"],
    sources: Float[Tensor, "columns 3 h w"],
    blocks: Mapping[str, Float[Tensor, "rows columns 3 h w"]],
    target_names: Sequence[str],
    source_names: Sequence[str],
) -> Float[Tensor, "1 3 height width"]:
    """Return one labelled picture: the sources in the top row, then a block for each of `blocks` under its name, its
    targets at the left and what was mixed beside them.
    """
    across = len(sources) + 1
    top = torch.cat([torch.ones_like(sources[:1]), sources])
    parts = [sheets.labelled_grid(on_sheet(top), across, ["", *source_names])]
    for name, mixed in blocks.items():
        rows = torch.cat([torch.cat([target[None], row]) for target, row in zip(targets, mixed, strict=True)])
        block = sheets.labelled_grid(on_sheet(rows), across, row_labels=target_names)
        parts.append(sheets.labelled_grid(block, 1, [name]))
    width = max(part.shape[-1] for part in parts)
    return torch.cat([functional.pad(part, (width - part.shape[-1], 0), value=1.0) for part in parts], dim=2)
