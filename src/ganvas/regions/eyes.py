"""Where a generator's images have their eyes, told by its named regions."""

from collections.abc import Mapping

import torch
from jaxtyping import Float
from torch import Tensor

from ganvas.regions.region import Region
from ganvas.regions.shapes import Point

REGION_SIDE = 256


def eye_places_of(regions: Mapping[str, Region]) -> tuple[Point, Point] | None:
    """Return where the left and the right eye lie in a generator's images: the centers of its regions "left_eye" and
    "right_eye", else those of the two halves of "eyes"; None where it names none.
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
