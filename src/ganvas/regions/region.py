"""A region: which part of the image to change, described without pixels, a soft mask at any size.

Coordinates are fractions of width and height, points (x, y), origin at the top left corner of the top left pixel;
pixel i of n covers [i/n, (i+1)/n]. The shapes are in `shapes`, their areas in `coverage`, mask and label files in
`files`, the text form of the command line in `text`.
"""

import reprlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from os import PathLike, fspath
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Integer, Shaped
from torch import Tensor

from ganvas.errors import RegionError
from ganvas.regions import mask_files as files
from ganvas.regions import shapes
from ganvas.regions.coverage import farther_than
from ganvas.regions.shapes import Box, Brush, Complement, Feather, Intersection, Mask, Polygon, Shape, Union

Number = float | int
HALF_GRAY_LEVEL = 1 / 512


@dataclass(frozen=True)
class Region:
    """A part of the image; make one with `box`, `polygon`, `brush`, `from_mask`, `from_mask_file`, `from_labels`.

    ``a | b`` is the union (the larger value at each pixel), ``a & b`` the common part (the smaller), ``~a`` the
    complement (one minus), ``a - b`` is ``a & ~b``. These act on masks of the asked size: where the edges of two
    shapes run through one pixel, their values are compared, not their areas.
    Everything that cannot be a region raises `RegionError`.
    """

    shape: Shape

    @classmethod
    def box(cls, left: Number, top: Number, right: Number, bottom: Number) -> "Region":
        """Make a rectangle from fractions of width (left, right) and height (top, bottom)."""
        return cls(Box(float(left), float(top), float(right), float(bottom)))

    @classmethod
    def polygon(cls, points: Iterable[Sequence[Number]]) -> "Region":
        """Make what the closed line through ``points`` (x, y) goes round; it may cross itself (nonzero rule)."""
        return cls(Polygon(_as_points(points)))

    @classmethod
    def brush(cls, points: Iterable[Sequence[Number]], radius: Number) -> "Region":
        """Make the stroke of a round brush through ``points`` (x, y), a dot if there is one.

        ``radius`` counts in fractions of the image's smaller side, so that the brush is round. The points must lie on
        the image; what the brush paints beyond its edges is lost, as on paper.
        """
        return cls(Brush(_as_points(points), float(radius)))

    @classmethod
    def from_mask(cls, mask: Shaped[Tensor, "*shape"], origin: str = "") -> "Region":
        """Take a soft mask [h, w] or [1, h, w] in [0, 1]; ``origin`` is a word for people on where it comes from."""
        flat = mask[0] if mask.ndim == 3 and mask.shape[0] == 1 else mask
        if flat.ndim != 2:
            raise RegionError(f"A mask has the shape [h, w] or [1, h, w]; this one has {list(mask.shape)}.")
        return cls(Mask(flat.detach().to("cpu", torch.float32).numpy(), origin))

    @classmethod
    def from_mask_file(cls, path: str | PathLike[str]) -> "Region":
        """Read a mask from an image file: its opacity if any of it is transparent, else its luminance, as soft values.

        Raises `ImageError` when the file cannot be read.
        """
        return cls(Mask(files.read_mask(path), fspath(path)))

    @classmethod
    def from_labels(
        cls, source: str | PathLike[str] | Integer[np.ndarray, "h w"], labels: str | int | Iterable[int]
    ) -> "Region":
        """Take the pixels of a label map that hold one of ``labels``.

        ``source`` is an array of whole numbers or a gray (8, 16 bit) or palette image file; ``labels`` are numbers,
        or a text such as "4,5" ("10" means ten). All of them must be in the map. Raises `ImageError` for the file.
        """
        wanted = files.parse_labels(labels)
        if isinstance(source, np.ndarray):
            label_map, name = source, ""
        else:
            label_map, name = files.read_label_map(source), fspath(source)
        inside = files.select_labels(label_map, wanted, name)
        return cls(Mask(inside.astype(np.float32), f"labels {','.join(map(str, wanted))} {name}".rstrip()))

    def __or__(self, other: "Region") -> "Region":
        return Region(Union((*_parts(self.shape, Union), *_parts(other.shape, Union))))

    def __and__(self, other: "Region") -> "Region":
        return Region(Intersection((*_parts(self.shape, Intersection), *_parts(other.shape, Intersection))))

    def __invert__(self) -> "Region":
        return Region(self.shape.of if isinstance(self.shape, Complement) else Complement(self.shape))

    def __sub__(self, other: "Region") -> "Region":
        return self & ~other

    def feather(self, radius: Number) -> "Region":
        """Soften the edge: blur the mask by a Gaussian whose standard deviation is half of ``radius``.

        ``radius`` counts in fractions of the image's smaller side. On a straight edge the value is 1/2, and 95 % of
        the fall from 1 to 0 happens within ``radius`` on both sides of it. The image is mirrored at its edges, so
        that the area of the region stays. A radius of 0 returns the region itself.
        """
        return self if radius == 0 else Region(Feather(self.shape, float(radius)))

    def mask(self, height: int, width: int) -> Float[Tensor, "1 height width"]:
        """Return the soft mask in [0, 1], float32: boxes and polygons by exact area, masks resized by area."""
        if height < 1 or width < 1:
            raise RegionError(f"A mask needs at least one pixel each way; {width}x{height} was asked for.")
        return torch.from_numpy(self.shape.coverage(height, width).astype(np.float32))[None]

    def split(
        self, height: int, width: int, ignore_band: Number = 0.0
    ) -> tuple[Float[Tensor, "1 height width"], Float[Tensor, "1 height width"]]:
        """Return the masks of foreground and background at a size, float32 in [0, 1].

        The background is the complement, so that both add up to one; with ``ignore_band`` (fraction of the smaller
        side) it leaves out what lies nearer than that to the region (to where the mask is at least half its largest
        value). Raises `RegionError` when either would be empty: below half a gray level of 8 bits everywhere.
        """
        if not 0 <= ignore_band < 1:
            raise RegionError(
                f"The width of the ignore band, {ignore_band:g}, must be 0 or a fraction of the smaller side below 1."
            )
        foreground = self.mask(height, width)
        if foreground.max() < HALF_GRAY_LEVEL:
            raise RegionError(f"The region {self} is empty at {width}x{height} pixels; make it larger.")
        background = 1 - foreground
        if ignore_band > 0:
            inside = (foreground >= foreground.max() / 2)[0].numpy()
            outside = farther_than(inside, ignore_band * min(height, width)).astype(np.float32)
            background = torch.minimum(background, torch.from_numpy(outside)[None])
        if background.max() < HALF_GRAY_LEVEL:
            beside = f" and its ring of {ignore_band:g}" if ignore_band > 0 else ""
            raise RegionError(
                f"The region {self}{beside} covers the whole image at {width}x{height} pixels, "
                "nothing is left for the background; make it smaller."
            )
        return foreground, background

    @property
    def has_mask(self) -> bool:
        """Whether the pixels of a mask are part of it, which `describe` leaves out."""
        return _mentions_mask(self.describe())

    def describe(self) -> dict[str, Any]:
        """Return the region as drawn, for JSON. A mask's pixels are not in it: store `mask(...)` beside it."""
        return self.shape.describe()

    @classmethod
    def from_description(cls, description: Mapping[str, Any], mask: Shaped[Tensor, "*shape"] | None = None) -> "Region":
        """Make the region again that `describe` described.

        Where a mask is part of it, ``mask`` is the mask of the whole region, and the region is that mask.
        """
        if _mentions_mask(description):
            if mask is None:
                raise RegionError("This region was drawn with a mask, which its description does not hold; give mask=.")
            origin = description.get("origin", "") if description.get("kind") == "mask" else "of a combined region"
            return cls.from_mask(mask, str(origin))
        try:
            return cls(_shape_from(description))
        except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
            raise RegionError(f"This is no description of a region: {reprlib.repr(description)}") from error

    def __str__(self) -> str:
        return str(self.shape)

    def __repr__(self) -> str:
        text = str(self)
        return f"Region({text if len(text) <= 80 else text[:77] + '...'})"


def _as_points(points: Iterable[Sequence[Number]]) -> tuple[shapes.Point, ...]:
    found = []
    for point in points:
        if len(point) != 2:
            raise RegionError(f"A point is (x, y); this one has {len(point)} numbers.")
        found.append((float(point[0]), float(point[1])))
    return tuple(found)


def _parts(shape: Shape, kind: type[Union] | type[Intersection]) -> tuple[Shape, ...]:
    return shape.parts if isinstance(shape, kind) else (shape,)


def _mentions_mask(description: Any) -> bool:
    """Look for a mask at any depth, without recursion: descriptions come from files."""
    waiting = [description]
    while waiting:
        item = waiting.pop()
        if isinstance(item, Mapping):
            if item.get("kind") == "mask":
                return True
            parts = item.get("parts")
            waiting += [item.get("of"), *(parts if isinstance(parts, list) else [])]
    return False


def _shape_from(description: Mapping[str, Any]) -> Shape:
    match description["kind"]:
        case "box":
            return Box(*(float(description[name]) for name in ("left", "top", "right", "bottom")))
        case "polygon":
            return Polygon(_as_points(description["points"]))
        case "brush":
            return Brush(_as_points(description["points"]), float(description["radius"]))
        case "union" | "intersection" as kind:
            first, *others = (_shape_from(part) for part in description["parts"])
            return (Union if kind == "union" else Intersection)((first, *others))
        case "complement":
            return Complement(_shape_from(description["of"]))
        case "feather":
            return Feather(_shape_from(description["of"]), float(description["radius"]))
        case other:
            raise ValueError(f"unknown kind {other!r}")
