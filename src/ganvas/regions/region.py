"""A region: the part of an image that an edit may change, independent of any image size.

Coordinates are fractions of width and height, points (x, y), origin at the top left; pixel i of n covers
[i/n, (i+1)/n]. Shapes are in `shapes`, their areas in `coverage`, masks in `mask_files`, texts in `text`.
"""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from os import PathLike, fspath
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Integer, Shaped
from torch import Tensor

from ganvas.errors import RegionError
from ganvas.errors.arguments import checked_as
from ganvas.images.notebook import notebook_cell
from ganvas.regions import derived, shapes
from ganvas.regions import mask_files as files
from ganvas.regions.descriptions import mentions_mask, shape_from
from ganvas.regions.drawing import shape_drawing
from ganvas.regions.part import Part
from ganvas.regions.shapes import Mask, Shape, as_points
from ganvas.regions.split import split_mask

Number = float | int


@dataclass(frozen=True)
class Region:
    """The part of an image that an edit may change, as a shape without pixels; its mask is soft, at any size.

    Make one with `box`, `polygon`, `brush`, `from_mask`, `from_mask_file` or `from_labels`. ``a | b`` is the union of
    two regions (the larger value at each pixel), ``a & b`` the intersection (the smaller), ``~a`` the complement (one
    minus the value) and ``a - b`` the difference ``a & ~b``. These act on masks of the requested size: where the edges
    of two shapes cross one pixel, their values are compared, not their areas.

    Attributes:
        shape: The shape, with coordinates in fractions of width and height.

    Raises:
        RegionError: The shape is empty, covers the whole image or leaves it, or its numbers are no coordinates.

    Example:
        >>> import ganvas
        >>> mouth = ganvas.Region.box(0.25, 0.5, 0.75, 1.0)
        >>> mouth.mask(4, 4).int().tolist()
        [[[0, 0, 0, 0], [0, 0, 0, 0], [0, 1, 1, 0], [0, 1, 1, 0]]]
        >>> print(mouth | ganvas.Region.box(0, 0, 0.5, 0.25))
        box:0.25,0.5,0.75,1 + box:0,0,0.5,0.25
    """

    shape: Shape

    @classmethod
    @checked_as(RegionError)
    def box(cls, left: Number, top: Number, right: Number, bottom: Number) -> "Region":
        """Make a rectangle.

        Args:
            left: Left edge, a fraction of the width from 0 to 1.
            top: Upper edge, a fraction of the height.
            right: Right edge, greater than `left`.
            bottom: Lower edge, greater than `top`.

        Returns:
            The region; its mask holds the exact area of each pixel that the box covers.

        Raises:
            RegionError: The box is empty, leaves the image or covers all of it.

        Example:
            >>> import ganvas
            >>> float(ganvas.Region.box(0, 0, 0.5, 0.5).mask(8, 8).mean())
            0.25
        """
        return cls(shapes.Box(float(left), float(top), float(right), float(bottom)))

    @classmethod
    @checked_as(RegionError)
    def polygon(cls, points: Iterable[Sequence[Number]]) -> "Region":
        """Make the inside of a closed line, which may cross itself (nonzero rule).

        Args:
            points: Three or more corners (x, y) in fractions of width and height.

        Returns:
            The region; its mask holds the exact area of each pixel that the polygon covers.

        Raises:
            RegionError: Fewer than three points, points off the image or on one line, or the whole image.

        Example:
            >>> import ganvas
            >>> float(ganvas.Region.polygon([(0, 0), (1, 0), (0, 1)]).mask(8, 8).mean())
            0.5
        """
        return cls(shapes.Polygon(as_points(points)))

    @classmethod
    @checked_as(RegionError)
    def brush(cls, points: Iterable[Sequence[Number]], radius: Number) -> "Region":
        """Make the stroke of a round brush, a disk if there is a single point.

        Args:
            points: The stroke's points (x, y) in fractions of width and height, on the image.
            radius: A fraction of the image's smaller side, above 0 and up to 1. What is painted beyond the image's
                edges is cut off.

        Returns:
            The region.

        Raises:
            RegionError: No point, points off the image, or a radius that is not allowed.

        Example:
            >>> import ganvas
            >>> round(float(ganvas.Region.brush([(0.5, 0.5)], 0.25).mask(64, 64).mean()), 3)  # pi / 16
            0.196
        """
        return cls(shapes.Brush(as_points(points), float(radius)))

    @classmethod
    @checked_as(RegionError)
    def from_mask(cls, mask: Shaped[Tensor, "*shape"], origin: str = "") -> "Region":
        """Take a soft mask as a region.

        Args:
            mask: Values in [0, 1], ``[h, w]`` or ``[1, h, w]``; copied.
            origin: Where the mask comes from, for messages and files.

        Returns:
            The region. It fits images of the mask's aspect ratio, at any size.

        Raises:
            RegionError: Another shape, values outside [0, 1], or a mask that is 0 or 1 everywhere.

        Example:
            >>> import ganvas, torch
            >>> print(ganvas.Region.from_mask(torch.eye(4), origin="eye.png"))
            mask of 4x4 pixels (eye.png)
        """
        if not isinstance(mask, Tensor):
            raise RegionError(f"A mask is a tensor [h, w] or [1, h, w]; you gave {type(mask).__name__}.")
        flat = mask[0] if mask.ndim == 3 and mask.shape[0] == 1 else mask
        if flat.ndim != 2:
            raise RegionError(f"A mask has the shape [h, w] or [1, h, w]; you gave {list(mask.shape)}.")
        return cls(Mask(flat.detach().to("cpu", torch.float32).numpy(), origin))

    @classmethod
    @checked_as(RegionError)
    def from_mask_file(cls, path: str | PathLike[str]) -> "Region":
        """Read a soft mask from an image file: its opacity if any pixel is transparent, else its gray values.

        A mask that is nowhere white, or that looks inverted, is a warning.

        Args:
            path: An image file of at most 4096x4096 pixels, 8 or 16 bits; white or opaque is inside.

        Returns:
            The region.

        Raises:
            ImageError: The file cannot be read.
            RegionError: The mask is 0 or 1 everywhere, has colors, or is so dark that it holds labels.
        """
        values = files.read_mask(path)
        region = cls(Mask(values, fspath(path)))
        files.warn_if_inverted(values, fspath(path))
        return region

    @classmethod
    @checked_as(RegionError)
    def from_labels(
        cls, source: str | PathLike[str] | Integer[np.ndarray, "h w"], labels: str | int | Iterable[int]
    ) -> "Region":
        """Take the pixels of a label map (a segmentation) that hold one of several labels.

        Args:
            source: An array of whole numbers, or a gray (8 or 16 bit) or palette image file.
            labels: Numbers, or a text such as "4,5" ("10" means ten). All of them must be in the map.

        Returns:
            The region.

        Raises:
            ImageError: The file cannot be read or holds colors.
            RegionError: A label is not in the map, or the labels are no whole numbers.

        Example:
            >>> import ganvas, numpy as np
            >>> ganvas.Region.from_labels(np.array([[0, 1], [2, 1]]), "1").mask(2, 2).int().tolist()
            [[[0, 1], [0, 1]]]
        """
        wanted = files.parse_labels(labels)
        if isinstance(source, np.ndarray):
            label_map, name = source, ""
        else:
            label_map, name = files.read_label_map(source), fspath(source)
        inside = files.select_labels(label_map, wanted, name)
        return cls(Mask(inside.astype(np.float32), f"labels {','.join(map(str, wanted))} {name}".rstrip()))

    def __or__(self, other: object) -> "Region":
        return NotImplemented if isinstance(other, Part) else Region(derived.union(self.shape, _shape_of(other)))

    def __and__(self, other: object) -> "Region":
        return NotImplemented if isinstance(other, Part) else Region(derived.intersection(self.shape, _shape_of(other)))

    def __invert__(self) -> "Region":
        return Region(self.shape.of if isinstance(self.shape, derived.Complement) else derived.Complement(self.shape))

    def __sub__(self, other: object) -> "Region":
        return NotImplemented if isinstance(other, Part) else self & ~Region(_shape_of(other))

    @checked_as(RegionError)
    def feather(self, radius: Number) -> "Region":
        """Soften the edge by a Gaussian blur of the mask whose standard deviation is half of `radius`.

        On a straight edge the value is 1/2, and 95 % of the fall from 1 to 0 happens within `radius` on both sides of
        it. The mask is mirrored at the image's edges, so that the region keeps its area.

        Args:
            radius: A fraction of the image's smaller side, up to 1; 0 returns the region itself.

        Returns:
            The softened region.

        Raises:
            RegionError: A radius below 0 or above 1.

        Example:
            >>> import ganvas
            >>> (100 * ganvas.Region.box(0, 0, 0.5, 1).feather(0.25).mask(4, 8)[0, 0]).round().int().tolist()
            [100, 100, 100, 80, 20, 0, 0, 0]
        """
        return self if radius == 0 else Region(derived.Feather(self.shape, float(radius)))

    @checked_as(RegionError)
    def grow(self, radius: Number) -> "Region":
        """Return the region grown on all sides by a fraction of the smaller side, or shrunk where it is below 0."""
        return self if radius == 0 else Region(derived.Grow(self.shape, float(radius)))

    @checked_as(RegionError)
    def mask(self, height: int, width: int) -> Float[Tensor, "1 height width"]:
        """Return the soft mask at a size.

        Args:
            height: Rows of pixels, 1 or more.
            width: Columns of pixels, 1 or more.

        Returns:
            Float32 in [0, 1], ``[1, height, width]``: boxes and polygons by exact area, masks resized by area.

        Raises:
            RegionError: A size below 1, or a mask of another aspect ratio.
        """
        if height < 1 or width < 1:
            raise RegionError(f"A mask needs at least one pixel each way; you asked for {width}x{height}.")
        return torch.from_numpy(self.shape.coverage(height, width).astype(np.float32))[None]

    @checked_as(RegionError)
    def split(
        self, height: int, width: int, ignore_band: Number = 0.0
    ) -> tuple[Float[Tensor, "1 height width"], Float[Tensor, "1 height width"]]:
        """Return the masks of foreground and background at a size.

        Args:
            height: Rows of pixels.
            width: Columns of pixels.
            ignore_band: Width of a band around the region that belongs to neither, a fraction of the smaller side. It
                is measured from where the foreground is at least half its largest value.

        Returns:
            Foreground and background, float32 in [0, 1]; without an ignore band they sum to one.

        Raises:
            RegionError: Either mask would be empty: below half of an 8-bit gray level everywhere.

        Example:
            >>> import ganvas
            >>> foreground, background = ganvas.Region.box(0, 0, 0.5, 1).split(1, 4, ignore_band=0.0)
            >>> foreground.tolist(), background.tolist()
            ([[[1.0, 1.0, 0.0, 0.0]]], [[[0.0, 0.0, 1.0, 1.0]]])
        """
        if not 0 <= ignore_band < 1:
            raise RegionError(
                f"The width of the ignore band, {ignore_band:g}, must be 0 or a fraction of the smaller side below 1."
            )
        return split_mask(self.mask(height, width), ignore_band, self)

    @property
    def has_mask(self) -> bool:
        """Whether the region contains the pixels of a mask, which `describe` leaves out."""
        return mentions_mask(self.describe())

    def describe(self) -> dict[str, Any]:
        """Return the region as JSON values, for `from_description`. Pixels of masks are not in it: store `mask(...)`.

        Example:
            >>> import ganvas
            >>> ganvas.Region.box(0, 0, 0.5, 0.5).describe()
            {'kind': 'box', 'left': 0.0, 'top': 0.0, 'right': 0.5, 'bottom': 0.5}
        """
        return self.shape.describe()

    @classmethod
    def from_description(cls, description: Mapping[str, Any], mask: Shaped[Tensor, "*shape"] | None = None) -> "Region":
        """Rebuild a region from its description.

        Args:
            description: What `describe` returned.
            mask: The mask of the whole region, required where the description mentions a mask; the region is then that
                mask.

        Returns:
            The region.

        Raises:
            RegionError: The description is damaged, or its mask is missing.
        """
        if mentions_mask(description):
            if mask is None:
                raise RegionError("This region was drawn with a mask, which its description does not hold; give mask=.")
            origin = description.get("origin", "") if description.get("kind") == "mask" else "of a combined region"
            return cls.from_mask(mask, str(origin))
        return cls(shape_from(description))

    def __str__(self) -> str:
        return str(self.shape)

    def __repr__(self) -> str:
        text = str(self)
        return f"Region({text if len(text) <= 80 else text[:77] + '...'})"

    def _repr_html_(self) -> str:
        with suppress(RegionError):  # masks of different aspect ratios have no drawing
            return notebook_cell(self, shape_drawing(self.shape))
        return notebook_cell(self)


def _shape_of(other: object) -> Shape:
    if isinstance(other, Region):
        return other.shape
    raise RegionError(
        f"A region combines with another Region; you gave {type(other).__name__}. Make one with Region.box(...) or "
        "ganvas.named_regions(generator)."
    )
