"""Photos made ready for a generator: turned upright, cut or aligned, laid over a background, and brought to its size.

Every preparation is one affine map, from the square that comes out to the file's pixels, and one resampling. Photos are
[1, 3, r, r] in [-1, 1]; points and boxes are fractions of the upright photo.
"""

import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from PIL import Image, ImageColor
from torch import Tensor

from ganvas.errors import ImageError
from ganvas.images import decoding

Point = tuple[float, float]
Box = tuple[float, float, float, float]
WHOLE: Box = (0.0, 0.0, 1.0, 1.0)
SMALLEST = 16  # pixels of the photo that a side of the result is made of
# Where (x, y) of the upright photo lies in a file, by its EXIF orientation (EXIF 2.3, tag 274).
ORIENTATIONS: Mapping[int, tuple[tuple[int, int, int], tuple[int, int, int]]] = {
    1: ((1, 0, 0), (0, 1, 0)),
    2: ((-1, 0, 1), (0, 1, 0)),
    3: ((-1, 0, 1), (0, -1, 1)),
    4: ((1, 0, 0), (0, -1, 1)),
    5: ((0, 1, 0), (1, 0, 0)),
    6: ((0, 1, 0), (-1, 0, 1)),
    7: ((0, -1, 1), (-1, 0, 1)),
    8: ((0, -1, 1), (1, 0, 0)),
}
Frame = Float[Tensor, "2 3"]


def read_photo(
    path: str | Path,
    resolution: int,
    *,
    box: Box = WHOLE,
    eyes: tuple[Point, Point] | None = None,
    eye_places: tuple[Point, Point] | None = None,
    background: str = "white",
) -> Float[Tensor, "1 3 r r"]:
    """Read a photo at `resolution` pixels: the middle square of `box`, or turned and scaled so that its two `eyes` come
    to `eye_places` (those of the generator: `ganvas.regions.eyes`); transparent parts over `background`, a color's
    name or "#rrggbb". What an alignment asks for beyond the photo's edge is mirrored.

    Raises:
        ImageError: no image, an animation, empty, damaged, too large (a JPEG may be large: it is decoded smaller),
            fewer than 16 pixels of it to a side, or a box, eyes or a background that cannot be.
    """
    if eyes is not None and eye_places is None:
        raise ImageError("Eyes were given, but not where they belong: give eye_places, of a generator with eyes.")
    color = _color(background)
    _check_box(box)
    if eyes is not None and eye_places is not None:
        _check_eyes(eyes, eye_places)

    def frame(width: int, height: int) -> Frame:
        if eyes is None or eye_places is None:
            return middle_square(width, height, box)
        return square_by_eyes(width, height, eyes, eye_places)

    values = _read(path, resolution, frame, "reflection")
    return (decoding.over(straight(values), color) / 127.5 - 1).clamp(-1, 1)


def read_sketch(path: str | Path, resolution: int) -> tuple[Float[Tensor, "1 3 r r"], Float[Tensor, "1 r r"]]:
    """Read a sketch whole at `resolution` pixels, as colors in [-1, 1] and their alpha in [0, 1], soft at the rim.

    Sketches that are not square get a transparent margin. Colors are averaged by their alpha, so that none of what
    lies under a transparent pixel comes in; where alpha is 0 they are white. Raises `ImageError` as `read_photo`.
    """
    values = straight(_read(path, resolution, enclosing_square, "zeros"))
    alpha = values[:, 3:] / 255
    colors = torch.where(alpha > 0, values[:, :3], 255.0)
    return (colors / 127.5 - 1).clamp(-1, 1), alpha[0].clamp(0, 1)


def middle_square(width: int, height: int, box: Box = WHOLE) -> Frame:
    """Return the map onto the largest square in the middle of a box, cut at whole pixels."""
    left, top, right, bottom = box
    side = max(1, min(round((right - left) * width), round((bottom - top) * height)))
    x = math.floor((left + right) / 2 * width - side / 2 + 1e-6)
    y = math.floor((top + bottom) / 2 * height - side / 2 + 1e-6)
    return _square(float(x), float(y), float(side), width, height)


def enclosing_square(width: int, height: int) -> Frame:
    """Return the map onto the smallest square around the whole image."""
    side = max(width, height)
    return _square((width - side) / 2, (height - side) / 2, float(side), width, height)


def _square(x: float, y: float, side: float, width: int, height: int) -> Frame:
    return torch.tensor([[side / width, 0, x / width], [0, side / height, y / height]], dtype=torch.float64)


def square_by_eyes(width: int, height: int, eyes: tuple[Point, Point], eye_places: tuple[Point, Point]) -> Frame:
    """Return the similarity (turn, scale, shift) that puts the photo's left and right eye at their places.

    With points as complex numbers it is ``p -> a p + b``, ``a = (e2 - e1) / (p2 - p1)``, ``b = e1 - a p1``.
    """
    (left, right), (left_place, right_place) = eyes, eye_places
    first, second = complex(left[0] * width, left[1] * height), complex(right[0] * width, right[1] * height)
    a = (second - first) / (complex(*right_place) - complex(*left_place))
    b = first - a * complex(*left_place)
    rows = [
        [a.real / width, -a.imag / width, b.real / width],
        [a.imag / height, a.real / height, b.imag / height],
    ]
    return torch.tensor(rows, dtype=torch.float64)


def resample(
    values: Float[Tensor, "1 c h w"], frame: Frame, resolution: int, beyond: str = "reflection"
) -> Float[Tensor, "1 c r r"]:
    """Return the square that `frame` maps into the image, at `resolution` pixels: each pixel the mean over its area.

    The area is sampled by bicubic interpolation at points that lie no wider apart than the image's pixels; for whole
    factors and squares cut at whole pixels that is the exact mean. `beyond` the edge: "reflection" or "zeros".
    """
    height, width = values.shape[-2:]
    turn, shift = frame[:, :2], frame[:, 2]
    points = max(1, math.ceil(_pixels_across(frame, width, height) / resolution - 1e-3))
    # From fractions to torch's [-1, 1]: with u = (g + 1) / 2, 2 (A u + b) - 1 = A g + (A 1 + 2 b - 1).
    theta = torch.cat([turn, (turn.sum(1) + 2 * shift - 1)[:, None]], dim=1)
    side = resolution * points
    places = F.affine_grid(theta[None], [1, 1, side, side], align_corners=False).to(values)
    found = F.grid_sample(values, places, mode="bicubic", padding_mode=beyond, align_corners=False)
    return F.avg_pool2d(found, points).clamp(0, 255)


def straight(values: Float[Tensor, "1 c h w"]) -> Float[Tensor, "1 c h w"]:
    """Return RGBA levels whose colors were multiplied by alpha with them divided by it again; RGB as it is."""
    if values.shape[1] == 3:
        return values
    colors, alpha = values[:, :3], values[:, 3:]
    return torch.cat([(colors / (alpha / 255).clamp_min(1e-6)).clamp(0, 255), alpha], dim=1)


def _read(
    path: str | Path, resolution: int, choose: Callable[[int, int], Frame], beyond: str
) -> Float[Tensor, "1 c r r"]:
    """Return levels at `resolution`, colors multiplied by alpha; RGBA where something is, or `beyond` is, clear."""
    if resolution < 1:
        raise ImageError(f"A photo of {resolution} pixels cannot be made; give the generator's resolution.")
    with decoding.opened(path, shrinkable=True) as image:
        _check_single(image)
        upright = decoding.upright_size(image)
        frame = choose(*upright)
        across = _pixels_across(frame, *upright)
        if across < SMALLEST:
            raise ImageError(
                f"only {across:.0f} of its {upright[0]} x {upright[1]} pixels lie along a side of what is asked for, "
                f"and at least {SMALLEST} are needed. Give a larger photo or a larger part of it."
            )
        stored = in_file(frame, decoding.orientation_of(image))
        size = image.size
        # Two to four pixels of the file are left to each of the result, so that the last step can place them exactly.
        drawn = decoding.shrink(image, across / resolution / 2)
        factor = max(1, int(across / resolution / 2 / drawn))
        values = decoding.levels(image, factor)
    # The last pixel that was averaged may reach beyond the file.
    covered = [part * drawn * factor for part in (values.shape[3], values.shape[2])]
    stored = stored * torch.tensor([[part / all_] for part, all_ in zip(size, covered, strict=True)]).double()
    return resample(premultiplied(values, beyond == "zeros"), stored, resolution, beyond)


def in_file(frame: Frame, orientation: Any) -> Frame:
    """Return the map into the file's own fractions for a map into those of the upright photo."""
    turned = torch.tensor(ORIENTATIONS.get(orientation, ORIENTATIONS[1]), dtype=torch.float64)
    moved = turned[:, :2] @ frame
    moved[:, 2] += turned[:, 2]
    return moved


def premultiplied(values: Float[Tensor, "1 c h w"], always: bool = False) -> Float[Tensor, "1 d h w"]:
    """Return RGBA levels with colors multiplied by alpha; RGB as it is, or as opaque RGBA where `always`."""
    if values.shape[1] == 3:
        return torch.cat([values, torch.full_like(values[:, :1], 255)], dim=1) if always else values
    return torch.cat([values[:, :3] * values[:, 3:] / 255, values[:, 3:]], dim=1)


def _pixels_across(frame: Frame, width: int, height: int) -> float:
    """Return how many pixels of the image a side of the square is long."""
    return math.sqrt(abs(float(torch.linalg.det(frame[:, :2]))) * width * height)


def _check_single(image: Image.Image) -> None:
    count = getattr(image, "n_frames", 1)
    if count > 1:
        raise ImageError(f"it holds {count} images (an animation or pages); save the one that you want as PNG.")


def _check_box(box: Box) -> None:
    left, top, right, bottom = box
    if not (0 <= left < right <= 1 and 0 <= top < bottom <= 1):
        raise ImageError(f"{box} is no box in a photo; give left, top, right, bottom from 0 to 1, such as 0,0,0.5,1.")


def _check_eyes(eyes: tuple[Point, Point], eye_places: tuple[Point, Point]) -> None:
    (left, right), (left_place, right_place) = eyes, eye_places
    if not all(0 <= part <= 1 for part in (*left, *right)):
        raise ImageError(f"Eyes at {left} and {right} do not lie in the photo; give fractions from 0 to 1.")
    if left[0] >= right[0] or left_place[0] >= right_place[0]:
        raise ImageError(f"The eye at {left} is not left of the one at {right}: give first the one further left.")


def _color(name: str) -> Float[Tensor, "3"]:
    try:
        return torch.tensor(ImageColor.getrgb(name)[:3]).float()
    except ValueError:
        raise ImageError(f"'{name}' is no color; give a name such as white, or one such as #80a0c0.") from None
