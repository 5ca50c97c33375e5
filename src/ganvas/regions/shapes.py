"""The shapes that regions are made of, as frozen data: box, polygon, brush, mask; `derived` has their combinations.

Each gives its coverage at a size, its description for JSON and its short text, and raises `RegionError` as it is made
where it is no valid region. Coordinates are fractions of width and height. `ganvas.regions.region.Region` is the public
class.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float

from ganvas.errors import RegionError
from ganvas.regions import coverage

Point = tuple[float, float]
EDGE_TOLERANCE = 1e-9
ASPECT_TOLERANCE = 0.02
FAINTEST = 1.5 / 255  # largest value of a mask
MOST_POINTS = 10_000


@runtime_checkable
class Shape(Protocol):
    """The interface of every shape."""

    def coverage(self, height: int, width: int) -> Float[np.ndarray, "height width"]:
        """Return the soft mask in [0, 1], float64."""
        ...

    def describe(self) -> dict[str, Any]:
        """Return the shape as JSON values; of a mask its size, not its pixels."""
        ...


def _refuse_off_image(what: str, name: str, value: float, low_edge: str, high_edge: str) -> None:
    if not math.isfinite(value):
        raise RegionError(f"The {what} has {name} = {value}, which is not a number; give a fraction from 0 to 1.")
    if -EDGE_TOLERANCE <= value <= 1 + EDGE_TOLERANCE:
        return
    edge = low_edge if value < 0 else high_edge
    hint = " (pixel numbers? divide by the size)" if value > 2 else ""
    raise RegionError(
        f"The {what} lies beyond the {edge} edge of the image: {name} = {value:g}{hint}. "
        "Coordinates are fractions of width and height, from 0 to 1."
    )


def _refuse_bad_points(what: str, points: Sequence[Point], fewest: int) -> None:
    if not fewest <= len(points) <= MOST_POINTS:
        raise RegionError(f"A {what} has {fewest} to {MOST_POINTS} points (x, y); you gave {len(points)}.")
    for x, y in points:
        _refuse_off_image(what, "x", x, "left", "right")
        _refuse_off_image(what, "y", y, "top", "bottom")


def _refuse_whole(what: str, whole: bool) -> None:
    if whole:
        raise RegionError(f"The {what} covers the whole image and leaves no background; make it smaller.")


def as_points(points: Iterable[Sequence[float | int]]) -> tuple[Point, ...]:
    """Return points as tuples (x, y) of floats; raises `RegionError` for anything else."""
    try:
        found = tuple(tuple(float(number) for number in point) for point in points)
    except (TypeError, ValueError) as error:
        raise RegionError("Points are pairs of numbers, such as [(0.2, 0.3), (0.4, 0.3)], in fractions.") from error
    for point in found:
        if len(point) != 2:
            raise RegionError(f"A point is (x, y); this one has {len(point)} numbers.")
    return tuple((x, y) for x, y in found)


def _array(points: Sequence[Point]) -> Float[np.ndarray, "n 2"]:
    return np.clip(np.array(points, dtype=np.float64), 0, 1)


def _points_text(points: Sequence[Point]) -> str:
    few = ":".join(f"{x:g},{y:g}" for x, y in points[:6])
    return few if len(points) <= 6 else f"{few}:... ({len(points)} points)"


@dataclass(frozen=True)
class Box:
    """A rectangle along the axes."""

    left: float
    top: float
    right: float
    bottom: float

    def __post_init__(self) -> None:
        for name in ("left", "right"):
            _refuse_off_image("box", name, getattr(self, name), "left", "right")
        for name in ("top", "bottom"):
            _refuse_off_image("box", name, getattr(self, name), "top", "bottom")
        for low, high in (("left", "right"), ("top", "bottom")):
            if getattr(self, high) - getattr(self, low) <= EDGE_TOLERANCE:
                raise RegionError(
                    f"The box is empty: {high} = {getattr(self, high):g} must be greater than "
                    f"{low} = {getattr(self, low):g}. The order is left, top, right, bottom."
                )
        smallest_extent = min(self.right - self.left, self.bottom - self.top)
        _refuse_whole("box", smallest_extent >= 1 - EDGE_TOLERANCE)

    def coverage(self, height: int, width: int) -> Float[np.ndarray, "height width"]:
        """Cover by exact area."""
        return coverage.box_coverage(self.left, self.top, self.right, self.bottom, height, width)

    def describe(self) -> dict[str, Any]:
        """Return the four fractions."""
        return {"kind": "box", "left": self.left, "top": self.top, "right": self.right, "bottom": self.bottom}

    def __str__(self) -> str:
        return f"box:{self.left:.4g},{self.top:.4g},{self.right:.4g},{self.bottom:.4g}"


@dataclass(frozen=True)
class Polygon:
    """The inside of a closed line (nonzero rule)."""

    points: tuple[Point, ...]

    def __post_init__(self) -> None:
        _refuse_bad_points("polygon", self.points, fewest=3)
        area = self.coverage(1, 1).item()
        if area <= EDGE_TOLERANCE**2:
            raise RegionError("The polygon is empty: its points lie on one line. Give at least three that do not.")
        _refuse_whole("polygon", area >= 1 - EDGE_TOLERANCE)

    def coverage(self, height: int, width: int) -> Float[np.ndarray, "height width"]:
        """Cover by exact area."""
        try:
            return coverage.polygon_coverage(_array(self.points), height, width)
        except OverflowError as error:
            raise RegionError(
                f"The polygon of {len(self.points)} points crosses itself too often; draw a simpler one or use a mask."
            ) from error

    def describe(self) -> dict[str, Any]:
        """Return the points."""
        return {"kind": "polygon", "points": [list(point) for point in self.points]}

    def __str__(self) -> str:
        return f"polygon:{_points_text(self.points)}"


@dataclass(frozen=True)
class Brush:
    """The stroke of a round brush; ``radius`` is a fraction of the image's smaller side."""

    points: tuple[Point, ...]
    radius: float

    def __post_init__(self) -> None:
        _refuse_bad_points("brush stroke", self.points, fewest=1)
        refuse_radius("brush", self.radius)

    def coverage(self, height: int, width: int) -> Float[np.ndarray, "height width"]:
        """Cover the part of the stroke that lies on the image."""
        return coverage.brush_coverage(_array(self.points), self.radius, height, width)

    def describe(self) -> dict[str, Any]:
        """Return radius and points."""
        return {"kind": "brush", "radius": self.radius, "points": [list(point) for point in self.points]}

    def __str__(self) -> str:
        return f"brush:{self.radius:.4g}:{_points_text(self.points)}"


def refuse_radius(what: str, radius: float) -> None:
    """Raise `RegionError` unless 0 < ``radius`` <= 1."""
    if not 0 < radius <= 1:
        raise RegionError(
            f"The {what}'s radius is {radius:g}; it must be above 0 and at most 1, a fraction of the smaller side."
        )


@dataclass(frozen=True, eq=False)
class Mask:
    """The pixels of a soft mask, float32 in [0, 1], and where they come from."""

    values: Float[np.ndarray, "h w"]
    origin: str = ""

    def __post_init__(self) -> None:
        if self.values.size == 0:
            raise RegionError("The mask has no pixels; give one of at least 1x1.")
        low, high = float(self.values.min()), float(self.values.max())
        if not (low >= 0 and high <= 1):  # also when not a number
            hint = "; divide 8-bit values by 255, or choose labels by Region.from_labels" if 1 < high <= 255 else ""
            raise RegionError(f"A mask has values from 0 to 1; this one ranges from {low:g} to {high:g}{hint}.")
        if high == 0:
            raise RegionError(f"The mask{self._from} is empty: all its pixels are 0; mark the region with 1 (white).")
        if high < FAINTEST:
            raise RegionError(
                f"The mask{self._from} is at most {high:.2g}, where 1 is inside: were values of 0 and 1 divided by 255?"
            )
        _refuse_whole(f"mask{self._from}", low == 1)
        object.__setattr__(self, "values", self.values.astype(np.float32))
        self.values.setflags(write=False)

    @property
    def _from(self) -> str:
        return f" {self.origin}" if self.origin else ""

    def coverage(self, height: int, width: int) -> Float[np.ndarray, "height width"]:
        """Resize by area; the aspect ratio must be the image's."""
        rows, columns = self.values.shape
        fitting_width = height * columns / rows
        if abs(width - fitting_width) > max(ASPECT_TOLERANCE * width, 0.5 + EDGE_TOLERANCE):
            raise RegionError(
                f"The mask{self._from} of {columns}x{rows} pixels does not fit an image of {width}x{height}: "
                "the ratio of width to height must be the same. Crop it like the image."
            )
        return coverage.resize_by_area(self.values, height, width)

    def describe(self) -> dict[str, Any]:
        """Return size and origin, without the pixels."""
        return {"kind": "mask", "shape": list(self.values.shape), "origin": self.origin}

    def __str__(self) -> str:
        return f"mask of {self.values.shape[1]}x{self.values.shape[0]} pixels{self.origin and f' ({self.origin})'}"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Mask) and self.origin == other.origin and np.array_equal(self.values, other.values)

    def __hash__(self) -> int:
        return hash((self.origin, self.values.shape, self.values.tobytes()))
