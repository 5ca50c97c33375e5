"""Feature maps read at points of the image as if they had been enlarged to its size, without enlarging them.

DragGAN and FreeDrag ask for features on square grids around points: a disc, a search window, a patch. On such a grid
bilinear enlarging and bilinear reading are both products of a matrix for the rows and one for the columns, so that only
the few native rows and columns under the grid are touched. Knows no method and no generator.

Positions are in pixels of the image, origin at the top left corner of the top left pixel: the middle of pixel i lies
at i + 0.5. They are float64 on the CPU, whatever the map's device and precision: a 1024-pixel image in float32 would
round them to 1/16384.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from ganvas.generators.protocol import WHOLE, Extent


@dataclass(frozen=True)
class Plane:
    """Where a feature map lies: the image's size in pixels, and what the map covers of it, in its fractions."""

    resolution: int
    extent: Extent = WHOLE

    def ends(self, axis: int) -> tuple[float, float]:
        """Return where the map begins and ends along the columns (0) or the rows (1), in pixels of the image."""
        return self.extent[axis] * self.resolution, self.extent[axis + 2] * self.resolution


def interpolation_matrix(positions: Float[Tensor, "m"], size: int, low: float, high: float) -> Float[Tensor, "m size"]:
    """Return what each of `size` native samples contributes at each position of an enlarged line, float64.

    The line runs from `low` to `high`, in pixels of the image. First the two enlarged pixels beside a position are
    blended (linear, the last one repeated at the border); each of them is itself a blend of the two native samples
    beside it (``align_corners=False``), as `torch.nn.functional.interpolate` and `grid_sample` compute in turn.
    """
    first, last = round(low), round(high) - 1
    below = torch.floor(positions - 0.5)
    beyond = positions - 0.5 - below
    enlarged = torch.stack([below, below + 1]).clamp(first, last)  # [2, m]
    native = ((enlarged + 0.5 - low) * (size / (high - low)) - 0.5).clamp(0, size - 1)
    weights = (1 - (native[..., None] - torch.arange(size, dtype=torch.float64)).abs()).clamp(min=0)  # [2, m, size]
    return weights[0] * (1 - beyond)[:, None] + weights[1] * beyond[:, None]


def sample_grid(
    feature: Float[Tensor, "1 c h w"], xs: Float[Tensor, "m"], ys: Float[Tensor, "k"], plane: Plane
) -> Float[Tensor, "c k m"]:
    """Return the map on the grid of columns `xs` and rows `ys`, as if it had been enlarged to the image's size."""
    height, width = feature.shape[-2:]
    across, columns = _touched(interpolation_matrix(xs, width, *plane.ends(0)))
    down, rows = _touched(interpolation_matrix(ys, height, *plane.ends(1)))
    return down.to(feature) @ feature[0, :, rows, columns] @ across.to(feature).T


def _touched(matrix: Float[Tensor, "m size"]) -> tuple[Float[Tensor, "m some"], slice]:
    """Return the columns of the matrix between the first and the last that are not zero, and which they are."""
    used = matrix.any(dim=0).nonzero()
    part = slice(int(used[0]), int(used[-1]) + 1)
    return matrix[:, part], part


def whole_offsets(radius: float) -> Float[Tensor, "side"]:
    """Return the whole numbers from -radius to radius."""
    reach = int(radius)
    return torch.arange(-reach, reach + 1, dtype=torch.float64)


def disc(radius: float) -> Bool[Tensor, "side side"]:
    """Return which whole offsets lie nearer than `radius` to the middle: Omega_1 of DragGAN's Eq. 1.

    Nearer, as in the published code (9 points at 2, 25 at 3, 109 at 6): with a middle that lies between pixels, a disc
    of "at most" would have single pixels as ears.
    """
    offsets = whole_offsets(radius)
    return (offsets.square()[:, None] + offsets.square()) < radius**2


def least_offset(
    values: Float[Tensor, "m m"], offsets: Float[Tensor, "m"], rounding: float = 0.0
) -> Float[Tensor, "2"]:
    """Return the offset (x, y) at which `values` (rows, then columns) are least; of those within `rounding` of the
    least the one nearest to the middle, so that nothing moves where all places look alike.
    """
    far = offsets.square()[:, None] + offsets.square()
    far[values > values.min() + rounding] = torch.inf
    row, column = divmod(int(far.argmin()), len(offsets))
    return torch.stack([offsets[column], offsets[row]])


def sample_square(
    feature: Float[Tensor, "1 c h w"], middle: Float[Tensor, "2"], offsets: Float[Tensor, "m"], plane: Plane
) -> Float[Tensor, "c m m"]:
    """Return the map at `middle` (x, y) plus the same `offsets` in both directions: rows, then columns."""
    return sample_grid(feature, middle[0] + offsets, middle[1] + offsets, plane)


def off_image(middle: Float[Tensor, "2"], offsets: Float[Tensor, "m"], plane: Plane) -> Bool[Tensor, "m m"]:
    """Return which of the places that `sample_square` reads lie off the image: rows, then columns."""
    columns, rows = ((middle[axis] + offsets < 0) | (middle[axis] + offsets > plane.resolution) for axis in (0, 1))
    return rows[:, None] | columns


def sample_point(feature: Float[Tensor, "1 c h w"], point: Float[Tensor, "2"], plane: Plane) -> Float[Tensor, "c"]:
    """Return the map at one point (x, y)."""
    return sample_square(feature, point, torch.zeros(1, dtype=torch.float64), plane)[:, 0, 0]
