"""Contact sheets: grids and strips of images, labels, and outlines of regions. Knows no generator."""

import math
import unicodedata
from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor
from torch.nn import functional

from ganvas.errors import ImageError
from ganvas.images.pixels import from_bytes, resize

OUTLINE_GREEN, OUTLINE_ORANGE = (0, 230, 118), (255, 160, 0)


def grid(images: Float[Tensor, "n 3 h w"], columns: int, gap: int = 2) -> Float[Tensor, "1 3 height width"]:
    """Lay images out row by row on white, `gap` pixels apart; the last row may stay short.

    Raises:
        ImageError: No image, no column, or a negative gap.
    """
    count, _, height, width = images.shape
    if count == 0 or columns < 1 or gap < 0:
        raise ImageError(
            f"Cannot lay out {count} images in {columns} columns with a gap of {gap} pixels; give at least one image, "
            "one column and a gap of 0 or more."
        )
    rows = math.ceil(count / columns)
    sheet = images.new_ones(1, 3, rows * (height + gap) - gap, columns * (width + gap) - gap)
    for index, image in enumerate(images):
        top, left = index // columns * (height + gap), index % columns * (width + gap)
        sheet[0, :, top : top + height, left : left + width] = image
    return sheet


def strip(images: Float[Tensor, "n 3 h w"], gap: int = 2) -> Float[Tensor, "1 3 h width"]:
    """Lay images side by side on white, `gap` pixels apart."""
    return grid(images, columns=len(images), gap=gap)


def labeled_grid(
    images: Float[Tensor, "n 3 h w"],
    columns: int,
    column_labels: Sequence[str] = (),
    row_labels: Sequence[str] = (),
    gap: int = 4,
    text_size: int = 14,
) -> Float[Tensor, "1 3 height width"]:
    """Lay images out as `grid` does, with labels above the columns and left of the rows (either may be left out).
    A label may have several lines.

    Pillow's own font has ASCII only: accents are dropped, minus and times signs replaced, any other sign becomes "?".

    Raises:
        ImageError: The number of labels is not the number of columns or rows.
    """
    rows = math.ceil(len(images) / max(columns, 1))
    if len(column_labels) not in (0, columns) or len(row_labels) not in (0, rows):
        given = f"{len(column_labels)} column labels and {len(row_labels)} row labels"
        raise ImageError(f"{given} do not fit {columns} columns and {rows} rows.")
    height, width = images.shape[-2:]
    line = (2 + max((label.count("\n") for label in column_labels), default=0)) * text_size
    left = max((_text_width(label, text_size) + 3 * gap for label in row_labels), default=0)
    top = line if column_labels else 0
    sheet = functional.pad(grid(images, columns, gap), (left, 0, top, 0), value=1.0)
    for index, label in enumerate(column_labels):
        start = left + index * (width + gap)
        sheet[..., :line, start : start + width] = _text(label, text_size, line, width).to(sheet)
    for index, label in enumerate(row_labels):
        start = top + index * (height + gap)
        sheet[..., start : start + height, : left - gap] = _text(label, text_size, height, left - gap).to(sheet)
    return sheet


def _text(label: str, size: int, height: int, width: int) -> Float[Tensor, "1 3 height width"]:
    """Draw black text in the middle of a white tile, in a smaller size where it would not fit."""
    while size > 7 and _text_width(label, size) > width:
        size -= 1
    tile = Image.new("RGB", (width, height), "white")
    middle = (width / 2, height / 2)
    ImageDraw.Draw(tile).text(middle, _plain(label), fill="black", font=ImageFont.load_default(size), anchor="mm")
    return from_bytes(torch.from_numpy(np.array(tile))[None])


def _text_width(label: str, size: int) -> int:
    return math.ceil(max(ImageFont.load_default(size).getlength(line) for line in _plain(label).split("\n")))


def _plain(label: str) -> str:
    known = label.translate({ord("−"): "-", ord("–"): "-", ord("×"): "x"})
    bare = (sign for sign in unicodedata.normalize("NFKD", known) if not unicodedata.combining(sign))
    return "".join(bare).encode("ascii", "replace").decode()


def outline(
    images: Float[Tensor, "n 3 h w"],
    mask: Float[Tensor, "1 mask_h mask_w"],
    color: tuple[int, int, int] = OUTLINE_GREEN,
    thickness: float = 2.0,
) -> Float[Tensor, "n 3 h w"]:
    """Draw the contour of a soft mask at level 0.5 over images that already have their display size.

    The line is `thickness` pixels wide with a faint dark edge, visible on bright and dark images; `color` is 8-bit RGB.
    Pixels away from the line are unchanged. Where the region meets the border of the image, the line runs along it.
    """
    distance = _distance_to_contour(resize(mask[None], images.shape[-2], images.shape[-1]))
    line = (thickness / 2 + 0.5 - distance).clamp(0, 1)
    shade = 0.4 * (thickness / 2 + 1.5 - distance).clamp(0, 1)
    painted = images.new_tensor(color).view(1, 3, 1, 1) / 127.5 - 1
    shaded = images.lerp(images.new_tensor(-1.0), shade.to(images))
    return shaded.lerp(painted, line.to(images))


def _distance_to_contour(mask: Float[Tensor, "1 1 h w"]) -> Float[Tensor, "1 1 h w"]:
    """Return the approximate distance in pixels to the level 0.5: |mask - 0.5| / |gradient|, valid near the contour."""
    binomial = mask.new_tensor([1, 2, 1]) / 4
    smooth = functional.conv2d(functional.pad(mask, (2, 2, 2, 2)), torch.outer(binomial, binomial)[None, None])
    across = (smooth[..., 1:-1, 2:] - smooth[..., 1:-1, :-2]) / 2
    down = (smooth[..., 2:, 1:-1] - smooth[..., :-2, 1:-1]) / 2
    slope = (across.square() + down.square()).sqrt()
    distance = (smooth[..., 1:-1, 1:-1] - 0.5).abs() / slope.clamp(min=1e-6)
    # A plateau at 0.5 has no contour.
    return torch.where(slope > 1e-4, distance, torch.inf)
