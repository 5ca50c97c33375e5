"""Prepares photos for a generator: upright, cropped or aligned, over a background, at its resolution.

Each preparation is one affine map from the resulting square to the file's pixels, and one resampling. Photos are
[1, 3, r, r] in [-1, 1]; points and boxes are fractions of the upright photo.
"""

import math
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from PIL import ImageColor
from torch import Tensor

from ganvas.errors import ImageError
from ganvas.errors.arguments import checked_as
from ganvas.errors.ranges import Size
from ganvas.images import decoding
from ganvas.images.color import to_srgb

Point = tuple[float, float]
Box = tuple[float, float, float, float]
WHOLE: Box = (0.0, 0.0, 1.0, 1.0)
SMALLEST = 16  # pixels of the photo along a side of the result
# The affine map from (x, y) of the upright photo to the file's, by EXIF orientation (EXIF 2.3, tag 274).
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


@checked_as(ImageError)
def read_photo(
    path: str | Path,
    resolution: Size,
    *,
    box: Box = WHOLE,
    eyes: tuple[Point, Point] | None = None,
    eye_places: tuple[Point, Point] | None = None,
    background: str = "white",
) -> Float[Tensor, "1 3 r r"]:
    """Read a photo for a generator: a square of it, cropped or aligned by the eyes, at the generator's resolution.

    Args:
        path: A file with one image, as `read_image` reads it, of any ending. The EXIF orientation is applied, and
            colors are converted to sRGB.
        resolution: Pixels of a side of the result.
        box: Left, top, right and bottom of the part to use, in fractions; its largest central square is taken.
        eyes: The left and the right eye (x, y) in the photo, in fractions; the photo is then rotated and scaled so that
            they come to `eye_places`, and `box` is not used. Beyond its edges the photo is mirrored.
        eye_places: The position of the left and the right eye in the generator's images, from
            `ganvas.regions.eyes.eye_places_of`.
        background: The color behind transparent parts, a name or "#rrggbb".

    Returns:
        The photo in [-1, 1], ``[1, 3, resolution, resolution]``.

    Raises:
        ImageError: The file is no image, an animation, empty, damaged or too large (large JPEGs are decoded at a
            smaller size), has fewer than 16 pixels along a side of the square, or an option is not possible.

    Example:
        >>> import ganvas, torch
        >>> path = ganvas.write_image("photo.png", torch.zeros(1, 3, 60, 90))
        >>> ganvas.read_photo(path, 32, box=(0.5, 0.0, 1.0, 1.0)).shape
        torch.Size([1, 3, 32, 32])
    """
    return read_photo_in_frame(path, resolution, box=box, eyes=eyes, eye_places=eye_places, background=background)[0]


def read_photo_in_frame(
    path: str | Path,
    resolution: int,
    *,
    box: Box = WHOLE,
    eyes: tuple[Point, Point] | None = None,
    eye_places: tuple[Point, Point] | None = None,
    background: str = "white",
) -> tuple[Float[Tensor, "1 3 r r"], Frame]:
    """Return the photo of `read_photo`, and the map from its square to fractions of the upright photo."""
    if eyes is not None and eye_places is None:
        raise ImageError(
            "Eyes were given without eye_places, the position of the eyes in the generator's images; give both."
        )
    color = _color(background)
    _check_box(box)
    if eyes is not None and eye_places is not None:
        _check_eyes(eyes, eye_places)

    def choose(width: int, height: int) -> Frame:
        if eyes is None or eye_places is None:
            return middle_square(width, height, box)
        return square_by_eyes(width, height, eyes, eye_places)

    values, frame = _read(path, resolution, choose, "reflection")
    return (decoding.over(straight(values), color) / 127.5 - 1).clamp(-1, 1), frame


def read_in_frame(path: str | Path, resolution: int, frame: Frame) -> Float[Tensor, "1 3 r r"]:
    """Return the photo in the square that `frame` maps into it, over white."""
    values, _ = _read(path, resolution, lambda width, height: frame, "reflection")
    return (decoding.over(straight(values), _color("white")) / 127.5 - 1).clamp(-1, 1)


@checked_as(ImageError)
def read_sketch(path: str | Path, resolution: int) -> tuple[Float[Tensor, "1 3 r r"], Float[Tensor, "1 r r"]]:
    """Read a whole sketch as colors and soft alpha.

    A sketch that is not square gets a transparent margin. Colors are averaged with alpha as weight, so the colors of
    transparent pixels do not count; where alpha is 0 they are white.

    Args:
        path: An image file, usually a PNG with transparency.
        resolution: Pixels of a side of the result.

    Returns:
        Colors in [-1, 1], ``[1, 3, resolution, resolution]``, and alpha in [0, 1], ``[1, resolution, resolution]``.

    Raises:
        ImageError: As `read_photo`.

    Example:
        >>> import ganvas
        >>> from PIL import Image
        >>> Image.new("RGBA", (64, 64), (255, 0, 0, 128)).save("sketch.png")
        >>> colors, alpha = ganvas.read_sketch("sketch.png", 32)
        >>> colors.shape, alpha.shape
        (torch.Size([1, 3, 32, 32]), torch.Size([1, 32, 32]))
    """
    values = straight(_read(path, resolution, enclosing_square, "zeros")[0])
    alpha = values[:, 3:] / 255
    colors = torch.where(alpha > 0, values[:, :3], 255.0)
    return (colors / 127.5 - 1).clamp(-1, 1), alpha[0].clamp(0, 1)


def middle_square(width: int, height: int, box: Box = WHOLE) -> Frame:
    """Return the map to the largest central square of a box, cropped at whole pixels."""
    left, top, right, bottom = box
    side = max(1, min(round((right - left) * width), round((bottom - top) * height)))
    x = math.floor((left + right) / 2 * width - side / 2 + 1e-6)
    y = math.floor((top + bottom) / 2 * height - side / 2 + 1e-6)
    return _square(float(x), float(y), float(side), width, height)


def enclosing_square(width: int, height: int) -> Frame:
    """Return the map to the smallest square around the whole image."""
    side = max(width, height)
    return _square((width - side) / 2, (height - side) / 2, float(side), width, height)


def _square(x: float, y: float, side: float, width: int, height: int) -> Frame:
    return torch.tensor([[side / width, 0, x / width], [0, side / height, y / height]], dtype=torch.float64)


def square_by_eyes(width: int, height: int, eyes: tuple[Point, Point], eye_places: tuple[Point, Point]) -> Frame:
    """Return the similarity (rotation, scale, shift) that brings the photo's eyes to `eye_places`.

    With points as complex numbers, eyes e and places p, it is ``p -> a p + b``, ``a = (e2 - e1) / (p2 - p1)``,
    ``b = e1 - a p1``.
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
    """Return the square that `frame` maps into the image, at `resolution` pixels, each the mean over its area.

    The area is sampled bicubically at points at most one pixel of the image apart; for whole factors and squares
    cropped at whole pixels that is the exact mean. `beyond` is the padding: "reflection" or "zeros".
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
    """Convert RGBA levels from premultiplied to straight alpha; RGB is returned unchanged."""
    if values.shape[1] == 3:
        return values
    colors, alpha = values[:, :3], values[:, 3:]
    return torch.cat([(colors / (alpha / 255).clamp_min(1e-6)).clamp(0, 255), alpha], dim=1)


def _read(
    path: str | Path, resolution: int, choose: Callable[[int, int], Frame], beyond: str
) -> tuple[Float[Tensor, "1 c r r"], Frame]:
    """Return levels at `resolution` with premultiplied alpha, RGBA if the file or the padding is transparent; and the
    chosen map from the square to the upright photo.
    """
    if resolution < 1:
        raise ImageError(f"A photo cannot be read at {resolution} pixels; give the generator's resolution.")
    with decoding.opened(path, shrinkable=True) as image:
        decoding.check_single(image)
        upright = decoding.upright_size(image)
        frame = choose(*upright)
        across = _pixels_across(frame, *upright)
        if across < SMALLEST:
            raise ImageError(
                f"only {across:.0f} of its {upright[0]} x {upright[1]} pixels lie along a side of the square; at least "
                f"{SMALLEST} are needed. Give a larger photo or a larger part of it."
            )
        stored = in_file(frame, decoding.orientation_of(image))
        size = image.size
        # Keep two to four pixels of the file for each pixel of the result: the last step then places them exactly.
        drawn = decoding.shrink(image, across / resolution / 2)
        factor = max(1, int(across / resolution / 2 / drawn))
        converted, note = to_srgb(image)
        values = decoding.levels(converted, factor)
    if note:
        warnings.warn(f"'{path}': {note}", stacklevel=4)
    # The last averaged block may reach beyond the file.
    covered = [part * drawn * factor for part in (values.shape[3], values.shape[2])]
    stored = stored * torch.tensor([[part / all_] for part, all_ in zip(size, covered, strict=True)]).double()
    return resample(premultiplied(values, beyond == "zeros"), stored, resolution, beyond), frame


def in_file(frame: Frame, orientation: Any) -> Frame:
    """Return the map into the fractions of the file, given the map into those of the upright photo."""
    return composed(torch.tensor(ORIENTATIONS.get(orientation, ORIENTATIONS[1]), dtype=torch.float64), frame)


def composed(outer: Frame, inner: Frame) -> Frame:
    """Return the map that applies `inner` first, then `outer`."""
    moved = outer[:, :2] @ inner
    moved[:, 2] += outer[:, 2]
    return moved


def premultiplied(values: Float[Tensor, "1 c h w"], always: bool = False) -> Float[Tensor, "1 d h w"]:
    """Convert RGBA levels to premultiplied alpha; RGB is unchanged, or becomes opaque RGBA if `always`."""
    if values.shape[1] == 3:
        return torch.cat([values, torch.full_like(values[:, :1], 255)], dim=1) if always else values
    return torch.cat([values[:, :3] * values[:, 3:] / 255, values[:, 3:]], dim=1)


def _pixels_across(frame: Frame, width: int, height: int) -> float:
    """Return the length of a side of the square in pixels of the image."""
    return math.sqrt(abs(float(torch.linalg.det(frame[:, :2]))) * width * height)


def _check_box(box: Box) -> None:
    left, top, right, bottom = box
    if not (0 <= left < right <= 1 and 0 <= top < bottom <= 1):
        raise ImageError(f"{box} is no box in a photo; give left, top, right, bottom from 0 to 1, such as 0,0,0.5,1.")


def _check_eyes(eyes: tuple[Point, Point], eye_places: tuple[Point, Point]) -> None:
    (left, right), (left_place, right_place) = eyes, eye_places
    if not all(0 <= part <= 1 for part in (*left, *right)):
        raise ImageError(f"Eyes at {left} and {right} do not lie in the photo; give fractions from 0 to 1.")
    if left[0] >= right[0] or left_place[0] >= right_place[0]:
        raise ImageError(f"The eye at {left} is not left of the one at {right}; give the one further left first.")


def _color(name: str) -> Float[Tensor, "3"]:
    try:
        return torch.tensor(ImageColor.getrgb(name)[:3]).float()
    except ValueError:
        raise ImageError(f"'{name}' is no color; give a name such as white, or a code such as #80a0c0.") from None
