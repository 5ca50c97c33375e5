"""FreeDrag's patches: F_r, a 3x3 patch of a feature map; how far two of them differ; and where on a map one is found.
Pure functions of maps and points.
"""

import math

import torch
from jaxtyping import Float
from torch import Tensor

from ganvas.drag.sampling import Plane, off_image, sample_grid, sample_square

FINENESS = 4  # positions that a search compares in the spacing of a patch
MAX_VALUES = 2**22  # of the map that a search reads at once: 16 MiB


def patches_at(
    feature: Float[Tensor, "1 c h w"], points: Float[Tensor, "k 2"], plane: Plane, radius: float
) -> Float[Tensor, "k c 3 3"]:
    """Return F_r at each point: 3x3 samples, `radius` pixels of the image apart (section 3.1)."""
    offsets = torch.tensor([-radius, 0.0, radius], dtype=torch.float64)
    return torch.stack([sample_square(feature, point, offsets, plane) for point in points])


def discrepancies(found: Float[Tensor, "k c 3 3"], templates: Float[Tensor, "k c 3 3"]) -> Float[Tensor, "k"]:
    """Return ``||F_r - T||_1`` of each patch as a mean over its values."""
    return (found - templates).abs().flatten(1).mean(dim=1)


def discrepancy_map(
    feature: Float[Tensor, "1 c h w"],
    middle: Float[Tensor, "2"],
    reach: float,
    template: Float[Tensor, "c 3 3"],
    plane: Plane,
    radius: float,
) -> tuple[Float[Tensor, "m"], Float[Tensor, "m m"]]:
    """Return offsets of at least `reach` to both sides, a quarter of `radius` apart, and the discrepancy of the
    template from the patch at `middle` plus each pair of them (rows, then columns), on the CPU: inf off the image.

    All patches are samples of one grid, of which some rows are read at a time: all of it can be gibibytes.
    """
    spacing = radius / FINENESS
    count = max(1, math.ceil(reach / spacing))
    wide = torch.arange(-count - FINENESS, count + FINENESS + 1, dtype=torch.float64) * spacing
    offsets = wide[FINENESS:-FINENESS]
    rows = max(1, MAX_VALUES // (feature.shape[1] * len(wide)))
    strips = [
        _strip(feature, middle, wide, first, min(rows, len(offsets) - first), template, plane)
        for first in range(0, len(offsets), rows)
    ]
    values = torch.cat(strips).cpu()
    values[off_image(middle, offsets, plane)] = torch.inf
    return offsets, values


def _strip(
    feature: Float[Tensor, "1 c h w"],
    middle: Float[Tensor, "2"],
    wide: Float[Tensor, "n"],
    first: int,
    rows: int,
    template: Float[Tensor, "c 3 3"],
    plane: Plane,
) -> Float[Tensor, "rows m"]:
    """Return the discrepancies of so many rows of offsets, from the `first` on."""
    down, size = wide[first : first + rows + 2 * FINENESS], len(wide) - 2 * FINENESS
    grid = sample_grid(feature, middle[0] + wide, middle[1] + down, plane)
    total = grid.new_zeros(rows, size)
    for row in range(3):
        for column in range(3):
            part = grid[:, FINENESS * row : FINENESS * row + rows, FINENESS * column : FINENESS * column + size]
            total += (part - template[:, row, column, None, None]).abs().mean(dim=0) / 9
    return total
