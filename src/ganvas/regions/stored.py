"""Regions in files with all that they are: a description in JSON, and the masks that it mentions, pixel by pixel."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ganvas.errors import RegionError
from ganvas.regions.descriptions import shape_from
from ganvas.regions.region import Region
from ganvas.regions.shapes import Mask, Shape


def region_as_json(region: Region) -> tuple[dict[str, Any], list[Tensor]]:
    """Return a region's description and its masks [h, w] at their own sizes, in the order of the description."""
    return region.describe(), [torch.from_numpy(mask.values.copy()) for mask in _masks(region.shape)]


def region_of_json(description: Mapping[str, Any], masks: Mapping[str, Tensor]) -> Region:
    """Return the region of a description, with its masks by number ("0", "1", ...); raises `RegionError` for damage."""
    arrays = []
    for index in range(len(masks)):
        mask = masks.get(str(index))
        if mask is None or mask.ndim != 2 or not mask.is_floating_point():
            raise RegionError(f"Mask {index} of this region is missing or has another shape than [h, w].")
        arrays.append(mask.float().numpy().astype(np.float32))
    return Region(shape_from(description, arrays))


def _masks(shape: Shape) -> Iterator[Mask]:
    if isinstance(shape, Mask):
        yield shape
    for part in (*getattr(shape, "parts", ()), *([shape.of] if hasattr(shape, "of") else [])):
        yield from _masks(part)
