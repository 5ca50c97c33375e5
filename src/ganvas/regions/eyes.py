"""Positions of the eyes in a generator's images, from its named regions."""

from collections.abc import Mapping

import torch
from jaxtyping import Float
from torch import Tensor

from ganvas.regions.region import Region
from ganvas.regions.shapes import Point

REGION_SIDE = 256


def eye_places_of(regions: Mapping[str, Region]) -> tuple[Point, Point] | None:
    """Return the positions (x, y) of the left and the right eye in a generator's images, in fractions.

    They are the centers of its regions "left_eye" and "right_eye", else of the two halves of "eyes", else None.
    """
    if "left_eye" in regions and "right_eye" in regions:
        left, right = (_mask(regions[name]) for name in ("left_eye", "right_eye"))
    elif "eyes" in regions:
        both = _mask(regions["eyes"])
        columns = torch.arange(REGION_SIDE) < round(_center(both)[0] * REGION_SIDE)
        left, right = both * columns, both * ~columns
    else:
        return None
    return _center(left), _center(right)


def _mask(region: Region) -> Float[Tensor, "h w"]:
    return region.split(REGION_SIDE, REGION_SIDE)[0][0]


def _center(mask: Float[Tensor, "h w"]) -> Point:
    """Return the center of mass of a square mask, in fractions."""
    places = (torch.arange(len(mask)) + 0.5) / len(mask)
    return float((mask.sum(0) * places).sum() / mask.sum()), float((mask.sum(1) * places).sum() / mask.sum())
