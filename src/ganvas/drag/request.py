"""What is asked of a drag: pairs of handle and target, what may move, the method with its settings, a limit of steps.

Points are (x, y) in fractions of width and height, from the top left corner.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ganvas.drag.settings import DragSettings
from ganvas.errors import RegionError
from ganvas.errors.arguments import checked
from ganvas.errors.ranges import Steps
from ganvas.regions import Region
from ganvas.regions.shapes import Point

PointPair = tuple[Point, Point]
"""A handle and its target. A handle that is its own target is a pin: its content should stay where it is."""

MAX_PAIRS = 1000
DEFAULT_STEPS = 300  # the limit with which both papers evaluate


@checked
@dataclass(frozen=True)
class DragRequest:
    """A drag as it is asked for: `points` (handle, target), the method as its settings, the region that may move (None:
    all of the image), and the largest number of steps.
    """

    points: tuple[PointPair, ...]
    method: DragSettings
    movable: Region | None = None
    steps: Steps = DEFAULT_STEPS

    def __post_init__(self) -> None:
        check_points(self.points)

    @property
    def handles(self) -> tuple[Point, ...]:
        """The handle of each pair."""
        return tuple(handle for handle, _ in self.points)

    @property
    def targets(self) -> tuple[Point, ...]:
        """The target of each pair."""
        return tuple(target for _, target in self.points)


def as_pairs(points: Any) -> tuple[PointPair, ...]:
    """Return handle and target of each pair as tuples of floats; raises `RegionError` for what is no list of pairs."""
    try:
        return tuple(((float(a), float(b)), (float(c), float(d))) for (a, b), (c, d) in points)
    except (TypeError, ValueError):
        raise RegionError(
            "Points are a list of handle and target, ((x, y), (x, y)) in fractions of width and height, such as "
            f"[((0.4, 0.6), (0.4, 0.5))]; {type(points).__name__} {str(points)[:60]} was given."
        ) from None


def check_points(points: Sequence[PointPair]) -> None:
    """Raise `RegionError` where there is no pair, too many of them, or a point off the image."""
    if not points:
        raise RegionError("No points were given; give at least one handle with its target, ((x, y), (x, y)).")
    if len(points) > MAX_PAIRS:
        raise RegionError(f"{len(points)} points are too many to drag at once; give at most {MAX_PAIRS}.")
    for pair in points:
        for name, (x, y) in zip(("handle", "target"), pair, strict=True):
            if not (0 <= x <= 1 and 0 <= y <= 1):
                raise RegionError(
                    f"The {name} ({x:g}, {y:g}) lies off the image: points are (x, y) in fractions of width and "
                    "height, from 0 to 1."
                )
