"""Paper: the one color on which an opaque sketch is drawn, found and made transparent.

The color of paper is a smooth field, since light on a photographed page is uneven: a quadratic polynomial of the
position for each channel, fitted to the pixels near it. A pixel's distance from paper is the largest difference of its
channels from the field. Colors are levels from 0 to 255, [3, h, w].
"""

from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from PIL import ImageColor
from torch import Tensor

from ganvas.errors import ImageError
from ganvas.errors.arguments import checked_as
from ganvas.errors.ranges import Size
from ganvas.images import decoding
from ganvas.images.photos import enclosing_square, read_sketch
from ganvas.images.pixels import resize

NEAR = 18.0  # levels by which JPEG noise and the grain of paper differ from the field
DRAWN = 48.0  # levels from which a pixel is drawn entirely
TOLERANCES = (70.0, 40.0, 25.0)  # levels from the field of what is fitted next
RIM = 0.03  # width of the border in sides
BORDER, AREA, FEWEST = 0.75, 0.25, 0.05  # shares of the border and the area that paper fills; of a color that was named
DARKEST, MOST_COLORED, MOST_UNEVEN = 100.0, 60.0, 90.0  # levels: mean of paper, range of its channels, of its light
FLAT, FLATTEST = 6.0, 0.5  # levels between neighbors of a flat area; its least share of what is drawn
LEAST_CORE = 0.01  # share of the image below which what is drawn is lines, of which nothing can be said
SMALLEST, SAME_MEAN, SAME_MOST = 64, 5.0, 64.0  # pixels; levels (RMS, largest) by which an enlarged image is the same
WORKING = 512  # pixels at which paper is looked for, so that thin lines stay apart from it
Levels = Float[Tensor, "3 h w"]


@dataclass(frozen=True)
class SketchFile:
    """A sketch's colors [1, 3, r, r] in [-1, 1] and alpha [1, r, r]; `note` says what was taken for paper."""

    colors: Float[Tensor, "1 3 r r"]
    alpha: Float[Tensor, "1 r r"]
    note: str = ""


@checked_as(ImageError)
def read_drawn(path: str | Path, resolution: Size, paper: str = "auto") -> SketchFile:
    """Read a sketch, what is drawn on paper without the paper.

    Args:
        path: An image file.
        resolution: Pixels of a side of the result.
        paper: "auto" looks for paper in an opaque image, "none" counts an opaque image everywhere; a color, such as
            "white" or "#f4ecd8", is that of the paper.

    Raises:
        ImageError: The file cannot be read, the color is none, or paper of this color is not there.
    """
    colors, alpha = read_sketch(path, resolution)
    if paper == "none" or (paper == "auto" and not bool((alpha[_inside(path, alpha)] > 0.99).all())):
        return SketchFile(colors, alpha)
    factor = max(1, min(WORKING, _longer_side(path)) // resolution)  # enlarging would add ringing
    fine, fine_alpha = read_sketch(path, resolution * factor)
    levels, counted = (fine[0] + 1) * 127.5, fine_alpha[0] > 0.99
    color = find_paper(levels, _inside(path, fine_alpha)[0]) if paper == "auto" else named_color(paper)
    if color is None:
        text = f"'{path}' is opaque and shows no paper: it counts everywhere. --paper COLOR leaves a color free."
        return SketchFile(colors, alpha, text)
    away = distance_from(levels, paper_field(levels, counted, color))
    share = float((away[counted] <= NEAR).float().mean()) if bool(counted.any()) else 0.0
    if share < FEWEST:
        raise ImageError(f"'{path}' has hardly any {paper} ({share:.0%}); give the color of its paper, or none.")
    drawn = fine_alpha * ((away - NEAR) / (DRAWN - NEAR)).clamp(0, 1)
    small = F.avg_pool2d(drawn[None], factor)
    mixed = F.avg_pool2d(fine * drawn, factor) / small.clamp_min(1e-6)
    if not bool(small.max() > 0):
        raise ImageError(f"'{path}' shows nothing but paper; draw something on it, or --paper none counts it.")
    red, green, blue = (round(float(part)) for part in color)
    text = f"'{path}': its paper, #{red:02x}{green:02x}{blue:02x}, {share:.0%} of it, is free; --paper none counts it."
    return SketchFile(torch.where(small > 0, mixed, 1.0).clamp(-1, 1), small[0], text)


def find_paper(levels: Levels, counted: Bool[Tensor, "h w"]) -> Float[Tensor, "3"] | None:
    """Return the color of the paper of an opaque image, of its pixels `counted`; None where it shows no paper.

    Paper is light and nearly gray, fills most of the border and a quarter of the area (a face drawn in the size of the
    generator's leaves no more), and what is drawn on it is flat: what a camera sees before a plain backdrop is not.
    """
    rim = counted & ~_eroded(counted, max(2, round(RIM * counted.shape[-1])))
    color = levels[:, rim].median(dim=1).values
    field = paper_field(levels, counted, color)
    near = distance_from(levels, field) <= NEAR
    inside = field[:, counted]
    light = float(color.mean()) >= DARKEST and float(color.max() - color.min()) <= MOST_COLORED
    even = float((inside.amax(1) - inside.amin(1)).max()) <= MOST_UNEVEN
    fills = float(near[rim].float().mean()) >= BORDER and float(near[counted].float().mean()) >= AREA
    return color if light and even and fills and flat_share(levels, counted & ~near) >= FLATTEST else None


def flat_share(levels: Levels, drawn: Bool[Tensor, "h w"]) -> float:
    """Return the share of the drawn pixels, away from their edges, that hardly differ from their neighbors; 1 where
    there are none, as of thin lines. Lines that were enlarged are soft: they are looked at as they were drawn.
    """
    levels, side = at_own_size(levels), drawn.shape[-1]
    drawn = -F.max_pool2d(-drawn.float()[None], side // levels.shape[-1])[0] > 0
    core = _eroded(drawn, 3)
    if float(core.float().mean()) < LEAST_CORE:
        return 1.0
    across = F.max_pool2d(levels, 3, 1, 1) + F.max_pool2d(-levels, 3, 1, 1)
    return float((across.amax(0)[core] <= FLAT).float().mean())


def at_own_size(levels: Levels) -> Float[Tensor, "3 h2 w2"]:
    """Return an image at the smallest size, down to an eighth, that becomes the same when it is enlarged."""
    side = levels.shape[-1]
    for factor in (8, 4, 2):
        if side % factor == 0 and side // factor >= SMALLEST:
            small = resize(levels[None], side // factor, side // factor)
            lost = resize(small, side, side)[0] - levels
            if float(lost.square().mean().sqrt()) <= SAME_MEAN and float(lost.abs().max()) <= SAME_MOST:
                return small[0]
    return levels


def paper_field(levels: Levels, counted: Bool[Tensor, "h w"], color: Float[Tensor, "3"]) -> Levels:
    """Return the color of paper at every pixel: quadratic polynomials, fitted three times to what is ever nearer."""
    height, width = levels.shape[-2:]
    y, x = torch.meshgrid(torch.linspace(-1, 1, height), torch.linspace(-1, 1, width), indexing="ij")
    basis = torch.stack([torch.ones_like(x), x, y, x * x, x * y, y * y])
    field = color[:, None, None].expand_as(levels)
    for tolerance in TOLERANCES:
        near = counted & (distance_from(levels, field) <= tolerance)
        if int(near.sum()) < FEWEST * near.numel():
            return field
        columns, values = basis[:, near].T.double(), levels[:, near].T.double()
        gram = columns.T @ columns + 1e-6 * len(columns) * torch.eye(6, dtype=torch.float64)
        fitted = torch.linalg.solve(gram, columns.T @ values)
        field = torch.einsum("khw,kc->chw", basis, fitted.float()).clamp(0, 255)
    return field


def distance_from(levels: Levels, field: Levels) -> Float[Tensor, "h w"]:
    """Return the distance of every pixel from the color of paper there, in levels."""
    return (levels - field).abs().amax(0)


def named_color(name: str) -> Float[Tensor, "3"]:
    """Return a color by its name or code, in levels; raises `ImageError` for others."""
    try:
        return torch.tensor(ImageColor.getrgb(name)[:3]).float()
    except ValueError:
        raise ImageError(f"'{name}' is no paper; give white, a color such as #f4ecd8, auto or none.") from None


def _longer_side(path: str | Path) -> int:
    """Return the pixels along the longer side of an image file."""
    with decoding.opened(path, shrinkable=True) as image:
        return max(decoding.upright_size(image))


def _inside(path: str | Path, alpha: Float[Tensor, "1 r r"]) -> Bool[Tensor, "1 r r"]:
    """Return which pixels of a square lie in the image, two pixels from its edges, which resampling
    makes soft.
    """
    with decoding.opened(path, shrinkable=True) as image:
        turn = enclosing_square(*decoding.upright_size(image))
    side = alpha.shape[-1]
    centers = (torch.arange(side).double() + 0.5) / side
    x, y = (turn[axis, axis] * centers + turn[axis, 2] for axis in (0, 1))
    across, along = (
        (place >= edge) & (place <= 1 - edge)
        for place, edge in ((x, 2 * float(turn[0, 0]) / side), (y, 2 * float(turn[1, 1]) / side))
    )
    return (along[:, None] & across[None, :])[None]


def _eroded(mask: Bool[Tensor, "h w"], pixels: int) -> Bool[Tensor, "h w"]:
    """Return a mask without what is nearer to its outside, or to the image's edge, than `pixels`."""
    outside = F.pad((~mask).float()[None], (pixels,) * 4, value=1.0)
    return F.max_pool2d(outside, 2 * pixels + 1, 1)[0] == 0
