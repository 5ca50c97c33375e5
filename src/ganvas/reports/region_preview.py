"""A region drawn on an image with a ruler in fractions of width and height, so that nobody has to guess numbers."""

from collections.abc import Mapping, Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from ganvas.drag.request import Point
from ganvas.drag.video import marked
from ganvas.images import sheets
from ganvas.images.pixels import resize, to_bytes
from ganvas.images.ruler import with_ruler
from ganvas.regions.coverage import deepest
from ganvas.regions.region import Region
from ganvas.reports.parts_sheet import palette, with_texts

SIDE = 768  # pixels of the image in a preview
MASK_SIDE = 512


def region_preview(
    image: Float[Tensor, "1 3 h w"],
    region: Region | None,
    pairs: Sequence[tuple[Point, Point]] = (),
    parts: Mapping[str, Region] = {},
) -> Float[Tensor, "1 3 height width"]:
    """Return an image, enlarged to 768 pixels where it is smaller, with the region outlined and shaded outside, `pairs`
    of handle and target as dots with an arrow, `parts` outlined in colors with their names, and a ruler along its
    sides.
    """
    height, width = image.shape[-2:]
    scale = max(1.0, SIDE / max(height, width))
    shown = resize(image, round(height * scale), round(width * scale))
    if region is not None:
        mask = region.split(shown.shape[-2], shown.shape[-1])[0]
        shaded = shown * 0.55 - 0.45 * 0.4
        shown = sheets.outline(torch.where(mask[None] > 0.5, shown, shaded), mask)
    shown = _with_parts(shown, {name: one.split(height, width)[0] for name, one in parts.items()})
    return with_ruler(marked(shown, [handle for handle, _ in pairs], [target for _, target in pairs]))


def _with_parts(
    image: Float[Tensor, "1 3 h w"], masks: Mapping[str, Float[Tensor, "1 mask_h mask_w"]]
) -> Float[Tensor, "1 3 h w"]:
    """Return an image with each part outlined in a color of its own, the largest first since neighbors share lines, and
    its name where the part is widest.
    """
    colors, texts = to_bytes(palette(len(masks))[:, :, None, None])[:, 0, 0].tolist(), []
    by_size = sorted(zip(masks.items(), colors, strict=True), key=lambda one: -float(one[0][1].sum()))
    for (name, mask), (red, green, blue) in by_size:
        image = sheets.outline(image, mask, (red, green, blue))
        row, column, _ = deepest(mask[0].numpy() > 0.5)
        texts.append(
            (name, (row + 0.5) * image.shape[-2] / mask.shape[-2], (column + 0.5) * image.shape[-1] / mask.shape[-1])
        )
    return with_texts(image, texts)


def region_lines(named: Mapping[str, Region], layers: Mapping[str, str] = {}) -> list[str]:
    """Return a line for each named region: its name, the box around it as it can be typed, and the layers that are
    recommended for it where `layers` holds them.
    """
    width = max((len(name) for name in named), default=0)
    own = {name: f"  layers {text}" for name, text in layers.items() if text}
    return [f"{name:{width}}  {box_text(region)}{own.get(name, '')}" for name, region in named.items()]


def box_text(region: Region) -> str:
    """Return the smallest box around a region as text, "box:0.34,0.66,0.66,0.84"."""
    mask = region.mask(MASK_SIDE, MASK_SIDE)[0] > 0.5
    rows, columns = (mask.any(dim).nonzero().flatten() for dim in (1, 0))
    if not len(rows):
        return "(empty)"
    edges = (columns[0], rows[0], columns[-1] + 1, rows[-1] + 1)
    return "box:" + ",".join(f"{float(edge) / MASK_SIDE:.2f}" for edge in edges)
