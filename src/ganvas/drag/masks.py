"""The region that may move: masks from files, masks as a trace stores them, and whether a drag is possible within one.

None lets all of the image move.
"""

import math
from os import PathLike

import torch

from ganvas.drag.request import DragRequest
from ganvas.errors import RegionError
from ganvas.regions import Region
from ganvas.regions.mask_files import read_mask

LEVELS = 255  # of gray, as a file holds them
HALF_LEVEL = 0.5 / LEVELS


def read_movable(path: str | PathLike[str]) -> Region | None:
    """Return a mask file as what may move, soft values as they are; None where it is white all over.

    Raises `ImageError` where it cannot be read, `RegionError` where it is black all over.
    """
    values = read_mask(path)
    if values.min() >= 1 - HALF_LEVEL:
        return None
    if values.max() < HALF_LEVEL:
        raise RegionError(f"The mask {path} is black all over, so that nothing may move; paint white what may.")
    return Region.from_mask(torch.from_numpy(values), str(path))


def stored_mask(region: Region | None, resolution: int) -> Region | None:
    """Return a region that a trace can hold and give back exactly: masks as the 8-bit pixels that they have here.

    None where all of them are white. Raises `RegionError` where all are black, or next to it.
    """
    if region is None or not region.has_mask:
        return region
    gray = (region.mask(resolution, resolution) * LEVELS).round()
    if gray.max() < 2:  # one level of 255 would be taken for a mask of 0 and 1 that was divided by 255
        raise RegionError(f"The mask {region} lets nothing move; mark what may move with 1.")
    return None if (gray == LEVELS).all() else Region.from_mask(gray / LEVELS)


def check_movable(request: DragRequest, resolution: int, radius: float) -> None:
    """Raise `RegionError` where nothing may move, or where a handle that is to move, with `radius` pixels around it,
    lies outside of all that may move at least a little.
    """
    if request.movable is None:
        return
    movable = request.movable.mask(resolution, resolution)[0]
    if movable.max() < HALF_LEVEL:
        raise RegionError(f"The mask {request.movable} lets nothing move; mark what may move with 1.")
    reach = math.ceil(radius)
    for (x, y), target in request.points:
        column, row = (min(int(at * resolution), resolution - 1) for at in (x, y))
        around = movable[max(0, row - reach) : row + reach + 1, max(0, column - reach) : column + reach + 1]
        if (x, y) != target and around.max() < HALF_LEVEL:
            raise RegionError(
                f"The handle ({x:g}, {y:g}) lies outside of what the mask lets move; include it in the mask, or drag "
                "another point."
            )
