"""What is dragged: handles at corners of an image's structure or on low texture, targets at a given length from them,
and what may move around their way. A number gives the same task every time.
"""

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from ganvas.comparisons.drag.settings import Settings
from ganvas.drag.state import Point, Task
from ganvas.errors import GanvasError
from ganvas.metrics.tracking import corner_strength
from ganvas.regions import Region

BORDER = 0.12  # of the width: handles keep so far from the edges, half of it their targets
CANDIDATES = 8
APART = 0.05  # of the width: how far corners are from each other
EVEN = 0.25  # of all places: those of least structure, which count as low texture
MOVABLE = 0.15  # of the width: how far from its way a drag may change the image, where it has a mask


@dataclass(frozen=True)
class Drawn:
    """A drag that was drawn: its number and seed, length in fractions of the width, kind of handle, and the points."""

    number: int
    seed: int
    length: float
    low_texture: bool
    handle: Point
    target: Point

    @property
    def there(self) -> Task:
        """Handle to target, everything may move."""
        return Task((self.handle,), (self.target,))

    @property
    def back(self) -> Task:
        """Target to handle."""
        return Task((self.target,), (self.handle,))

    @property
    def movable(self) -> Region:
        """What may move in the drag with a mask: what lies near the way."""
        return Region.brush([self.handle, self.target], MOVABLE)

    @property
    def masked(self) -> Task:
        """Handle to target, with the mask."""
        return Task((self.handle,), (self.target,), self.movable)


def draw(image: Float[Tensor, "1 3 h w"], number: int, settings: Settings) -> Drawn:
    """Return the drag of this number on its image, that of ``settings.first_seed + number``."""
    rng = np.random.default_rng([settings.first_seed, number])
    low, length = settings.low_texture(number), settings.length(number)
    handle = even_place(image, rng) if low else pick(corners(image, CANDIDATES), rng)
    target = target_of(handle, length, rng)
    return Drawn(number, settings.first_seed + number, length, low, handle, target)


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


def even_place(image: Float[Tensor, "1 3 h w"], rng: np.random.Generator) -> Point:
    """Return the middle of one of the quarter of pixels with least structure, (x, y) in fractions."""
    strength = corner_strength(image)
    height, width = strength.shape
    inner = _inner(height, width)
    rows, columns = ((strength <= strength[inner].quantile(EVEN)) & inner).nonzero(as_tuple=True)
    chosen = int(rng.integers(len(rows)))
    return (int(columns[chosen]) + 0.5) / width, (int(rows[chosen]) + 0.5) / height


def target_of(handle: Point, length: float, rng: np.random.Generator) -> Point:
    """Return a point at `length` (of the width) from the handle, in a direction by chance that keeps to the image."""
    for _ in range(1000):
        angle = rng.uniform(0, 2 * np.pi)
        target = (handle[0] + length * float(np.cos(angle)), handle[1] + length * float(np.sin(angle)))
        if all(BORDER / 2 <= at <= 1 - BORDER / 2 for at in target):
            return target
    raise GanvasError(f"A drag of {length:g} of the width does not fit into the image; give a shorter one.")


def pick(points: list[Point], rng: np.random.Generator) -> Point:
    """Return one of the points by chance; raises `GanvasError` where there is none."""
    if not points:
        raise GanvasError("An image has no corners to drag by: it is even everywhere.")
    return points[int(rng.integers(len(points)))]


def _inner(height: int, width: int) -> Tensor:
    """Return which pixels [h, w] keep away from the border."""
    inside = torch.zeros(height, width, dtype=torch.bool)
    margin = round(BORDER * width)
    inside[margin : height - margin, margin : width - margin] = True
    return inside
