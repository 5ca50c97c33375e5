"""Shapes made of other shapes, as frozen data: union, intersection, complement, soft edges, growth.

Each gives what `ganvas.regions.shapes.Shape` promises.
"""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from jaxtyping import Float

from ganvas.regions import coverage
from ganvas.regions.shapes import Shape, refuse_radius


@dataclass(frozen=True)
class _Combined:
    """Several shapes whose coverages are combined at each pixel."""

    parts: tuple[Shape, ...]
    kind: ClassVar[str]

    def describe(self) -> dict[str, Any]:
        """Return the parts' descriptions."""
        return {"kind": self.kind, "parts": [part.describe() for part in self.parts]}


@dataclass(frozen=True)
class Union(_Combined):
    """The union: the largest value of several shapes."""

    kind = "union"

    def coverage(self, height: int, width: int) -> Float[np.ndarray, "height width"]:
        """Take the largest value at each pixel."""
        return np.maximum.reduce([part.coverage(height, width) for part in self.parts])

    def __str__(self) -> str:
        return " + ".join(map(str, self.parts))


@dataclass(frozen=True)
class Intersection(_Combined):
    """The intersection: the smallest value of several shapes."""

    kind = "intersection"

    def coverage(self, height: int, width: int) -> Float[np.ndarray, "height width"]:
        """Take the smallest value at each pixel."""
        return np.minimum.reduce([part.coverage(height, width) for part in self.parts])

    def __str__(self) -> str:
        return "common part of " + " and ".join(f"({part})" for part in self.parts)


@dataclass(frozen=True)
class Complement:
    """One minus another shape."""

    of: Shape

    def coverage(self, height: int, width: int) -> Float[np.ndarray, "height width"]:
        """Take one minus the value at each pixel."""
        return 1 - self.of.coverage(height, width)

    def describe(self) -> dict[str, Any]:
        """Return the description of the shape that is left out."""
        return {"kind": "complement", "of": self.of.describe()}

    def __str__(self) -> str:
        return f"all but ({self.of})"


@dataclass(frozen=True)
class _WithRadius:
    """Another shape whose edge is changed within a radius."""

    of: Shape
    radius: float
    kind: ClassVar[str]

    def describe(self) -> dict[str, Any]:
        """Return radius and the description of the shape before."""
        return {"kind": self.kind, "radius": self.radius, "of": self.of.describe()}


@dataclass(frozen=True)
class Feather(_WithRadius):
    """A shape with a soft edge: see `ganvas.regions.region.Region.feather`."""

    kind = "feather"

    def __post_init__(self) -> None:
        refuse_radius("feather", self.radius)

    def coverage(self, height: int, width: int) -> Float[np.ndarray, "height width"]:
        """Blur by a Gaussian of half the radius."""
        return coverage.blur(self.of.coverage(height, width), self.radius / 2 * min(height, width))

    def __str__(self) -> str:
        return f"({self.of}) feathered by {self.radius:.4g}"


@dataclass(frozen=True)
class Grow(_WithRadius):
    """A shape grown by a radius, or shrunk by a negative one: see `ganvas.regions.region.Region.grow`."""

    kind = "grow"

    def __post_init__(self) -> None:
        refuse_radius("growth", abs(self.radius))

    def coverage(self, height: int, width: int) -> Float[np.ndarray, "height width"]:
        """Take all within the radius of the shape."""
        return coverage.grown(self.of.coverage(height, width), self.radius * min(height, width))

    def __str__(self) -> str:
        return f"({self.of}) {'grown' if self.radius > 0 else 'shrunk'} by {abs(self.radius):.4g}"


def union(first: Shape, second: Shape) -> Union:
    """Return the union of two shapes; a union among them gives its parts."""
    return Union((*_parts(first, Union), *_parts(second, Union)))


def intersection(first: Shape, second: Shape) -> Intersection:
    """Return the intersection of two shapes; an intersection among them gives its parts."""
    return Intersection((*_parts(first, Intersection), *_parts(second, Intersection)))


def _parts(shape: Shape, kind: type[Union] | type[Intersection]) -> tuple[Shape, ...]:
    return shape.parts if isinstance(shape, kind) else (shape,)
