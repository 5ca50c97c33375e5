"""The tasks of the benchmark: handles at corners of an image's structure or on low texture, targets at a given length
from them, and the region that may move around the line. A number gives the same task every time.
"""

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from ganvas.comparisons.drag.settings import DragBenchmarkSettings
from ganvas.drag.request import Point, PointPair
from ganvas.errors import GanvasError
from ganvas.metrics.tracking import corner_strength
from ganvas.regions import Region

BORDER = 0.12  # of the width: handles keep so far from the edges, half of it their targets
CANDIDATES = 8
APART = 0.05  # of the width: how far corners are from each other
EVEN = 0.25  # of all pixels: those of least structure, which count as low texture
MOVABLE = 0.15  # of the width: how far from its line a drag with a mask may change the image


@dataclass(frozen=True)
class DragTask:
    """A random drag: its number and seed, length in fractions of the width, kind of handle, handle and target."""

    number: int
    seed: int
    length: float
    low_texture: bool
    handle: Point
    target: Point

    @property
    def forward(self) -> PointPair:
        """Handle to target."""
        return self.handle, self.target

    @property
    def reverse(self) -> PointPair:
        """Target to handle."""
        return self.target, self.handle

    @property
    def movable(self) -> Region:
        """The region that may move in the drag with a mask: what lies near the line."""
        return Region.brush([self.handle, self.target], MOVABLE)


def draw(image: Float[Tensor, "1 3 h w"], number: int, settings: DragBenchmarkSettings) -> DragTask:
    """Return the drag of this number on its image, that of ``settings.first_seed + number``."""
    rng = np.random.default_rng([settings.first_seed, number])
    low, length = settings.low_texture(number), settings.length(number)
    handle = even_point(image, rng) if low else pick(corners(image, CANDIDATES), rng)
    target = target_of(handle, length, rng)
    return DragTask(number, settings.first_seed + number, length, low, handle, target)


def corners(image: Float[Tensor, "1 3 h w"], count: int, where: Float[Tensor, "1 h w"] | None = None) -> list[Point]:
    """Return the middles of the pixels with most structure in two directions, (x, y) in fractions, strongest first:
    peaks that lie apart, not at the border; of those `where` is above a half, if it is given.
    """
    strength = corner_strength(image)
    height, width = strength.shape
    reach = max(1, round(APART * width))
    around = F.max_pool2d(strength[None, None], 2 * reach + 1, 1, reach)[0, 0]
    peaks = (strength == around) & (strength > 0) & _inner(height, width)
    if where is not None:
        peaks &= where[0].cpu() > 0.5
    rows, columns = peaks.nonzero(as_tuple=True)
    order = strength[rows, columns].argsort(descending=True, stable=True)[:count]
    return [((int(columns[i]) + 0.5) / width, (int(rows[i]) + 0.5) / height) for i in order]


def even_point(image: Float[Tensor, "1 3 h w"], rng: np.random.Generator) -> Point:
    """Return the middle of one of the quarter of pixels with least structure, (x, y) in fractions."""
    strength = corner_strength(image)
    height, width = strength.shape
    inner = _inner(height, width)
    rows, columns = ((strength <= strength[inner].quantile(EVEN)) & inner).nonzero(as_tuple=True)
    chosen = int(rng.integers(len(rows)))
    return (int(columns[chosen]) + 0.5) / width, (int(rows[chosen]) + 0.5) / height


def target_of(handle: Point, length: float, rng: np.random.Generator) -> Point:
    """Return a point at `length` (of the width) from the handle, in a random direction that stays on the image."""
    for _ in range(1000):
        angle = rng.uniform(0, 2 * np.pi)
        target = (handle[0] + length * float(np.cos(angle)), handle[1] + length * float(np.sin(angle)))
        if all(BORDER / 2 <= at <= 1 - BORDER / 2 for at in target):
            return target
    raise GanvasError(f"A drag of {length:g} of the width does not fit into the image; give a shorter one.")


def pick(points: list[Point], rng: np.random.Generator) -> Point:
    """Return a random one of the points; raises `GanvasError` where there is none."""
    if not points:
        raise GanvasError("An image has no corners to drag by: it is even everywhere.")
    return points[int(rng.integers(len(points)))]


def _inner(height: int, width: int) -> Tensor:
    """Return which pixels [h, w] keep away from the border."""
    inside = torch.zeros(height, width, dtype=torch.bool)
    margin = round(BORDER * width)
    inside[margin : height - margin, margin : width - margin] = True
    return inside
