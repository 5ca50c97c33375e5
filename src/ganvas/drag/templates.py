"""FreeDrag's templates: 3x3 patches of a feature map, how far they are from each other, what a template takes over, and
where on the map one is found. Pure functions of maps and places, which know no drag.
"""

import math

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from ganvas.drag.sampling import Plane, off_image, sample_grid, sample_square

PLACES = 10  # that are looked at on the line
FINENESS = 4  # places that a search looks at in the spacing of a patch
VALUES_AT_ONCE = 2**22  # that a search reads of the map: 16 MiB


def patches(
    feature: Float[Tensor, "1 c h w"], points: Float[Tensor, "k 2"], plane: Plane, radius: float
) -> Float[Tensor, "k c 3 3"]:
    """Return F_r at each point: 3x3 samples, `radius` pixels of the image apart (section 3.1)."""
    offsets = torch.tensor([-radius, 0.0, radius], dtype=torch.float64)
    return torch.stack([sample_square(feature, point, offsets, plane) for point in points])


def discrepancies(found: Float[Tensor, "k c 3 3"], templates: Float[Tensor, "k c 3 3"]) -> Float[Tensor, "k"]:
    """Return the mean absolute difference of each patch from its template."""
    return (found - templates).abs().flatten(1).mean(dim=1)


def takeover(left: Float[Tensor, "k"], goals: Float[Tensor, "k"]) -> Float[Tensor, "k"]:
    """Return lambda, the share of the new patch in the template: ``1 / (1 + exp(alpha (L - beta)))``, which is 0.5
    where 0.2 of the goal l is left and 0.1 where 0.8 of it is, at most 0.675.
    """
    alpha, beta = math.log(9) / (0.6 * goals), 0.2 * goals
    return 1 / (1 + torch.exp(alpha * (left - beta)))


def adapted(
    templates: Float[Tensor, "k c 3 3"],
    found: Float[Tensor, "k c 3 3"],
    left: Float[Tensor, "k"],
    finished: Bool[Tensor, "k"],
    goals: Float[Tensor, "k"],
) -> Float[Tensor, "k c 3 3"]:
    """Return ``lambda F_r(h) + (1 - lambda) T``; the template of a finished anchor is replaced."""
    share = torch.where(finished, 1.0, takeover(left, goals))[:, None, None, None]
    return share * found + (1 - share) * templates


def localized(
    feature: Float[Tensor, "1 c h w"],
    point: Float[Tensor, "2"],
    target: Float[Tensor, "2"],
    template: Float[Tensor, "c 3 3"],
    distance: float,
    wanted: float,
    plane: Plane,
    radius: float,
) -> Float[Tensor, "2"]:
    """Return S(h, t, T, d, l): of ten places on the line to the target, up to d away and not beyond it, the one whose
    discrepancy is nearest to `wanted`.
    """
    way = target - point
    longest = min(distance, float(way.norm()))
    if longest == 0:
        return point
    shares = torch.arange(1, PLACES + 1, dtype=torch.float64) / PLACES
    places = point + shares[:, None] * way * (longest / way.norm())
    found = patches(feature, places, plane, radius)
    left = discrepancies(found, template.expand_as(found))
    return places[int((left - wanted).abs().argmin())]


def mismatches(
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
    beyond = torch.arange(-count - FINENESS, count + FINENESS + 1, dtype=torch.float64) * spacing
    offsets = beyond[FINENESS:-FINENESS]
    at_once = max(1, VALUES_AT_ONCE // (feature.shape[1] * len(beyond)))
    strips = [
        _strip(feature, middle, beyond, first, min(at_once, len(offsets) - first), template, plane)
        for first in range(0, len(offsets), at_once)
    ]
    left = torch.cat(strips).cpu()
    left[off_image(middle, offsets, plane)] = torch.inf
    return offsets, left


def _strip(
    feature: Float[Tensor, "1 c h w"],
    middle: Float[Tensor, "2"],
    beyond: Float[Tensor, "n"],
    first: int,
    rows: int,
    template: Float[Tensor, "c 3 3"],
    plane: Plane,
) -> Float[Tensor, "rows m"]:
    """Return the discrepancies of so many rows of offsets, from the `first` on."""
    down, size = beyond[first : first + rows + 2 * FINENESS], len(beyond) - 2 * FINENESS
    grid = sample_grid(feature, middle[0] + beyond, middle[1] + down, plane)
    left = grid.new_zeros(rows, size)
    for row in range(3):
        for column in range(3):
            part = grid[:, FINENESS * row : FINENESS * row + rows, FINENESS * column : FINENESS * column + size]
            left += (part - template[:, row, column, None, None]).abs().mean(dim=0) / 9
    return left
