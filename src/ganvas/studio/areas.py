"""Regions as the page draws them: a shape in fractions of the image, joined to what was there."""

from collections.abc import Callable, Mapping
from typing import Any

from ganvas.directions.find import region_of
from ganvas.errors import RegionError
from ganvas.generators.protocol import Generator
from ganvas.io.json_files import number
from ganvas.latents.latent import Latent
from ganvas.parts.located import settled
from ganvas.regions import Region
from ganvas.studio.document import Area

MOST_POINTS = 4000
MOST_AREAS = 64
MOST_NAME = 60
JOINS: Mapping[str, Callable[[Region, Region], Region]] = {
    "add": lambda old, new: old | new,
    "subtract": lambda old, new: old - new,
    "intersect": lambda old, new: old & new,
}


def drawn(generator: Generator, latent: Latent, shape: Mapping[str, Any]) -> Region:
    """Return the region of a drawn shape, of a part as it lies in this image; raises `RegionError` for what is none."""
    try:
        match shape["kind"]:
            case "box":
                return Region.box(*(number(shape[side]) for side in ("left", "top", "right", "bottom")))
            case "lasso":
                return Region.polygon(_points(shape))
            case "brush":
                radius, softness = number(shape["radius"]), number(shape.get("softness", 0))
                return Region.brush(_points(shape), radius).feather(min(1.0, radius * softness))
            case "text":
                return settled(generator, latent, region_of(generator, _text(shape["text"]))[1])
    except (KeyError, TypeError, ValueError) as reason:
        raise RegionError(f"This is no shape: {str(shape)[:80]} ({reason}).") from reason
    raise RegionError(f"There is no shape '{str(shape['kind'])[:40]}'; draw a box, a lasso or a brush stroke.")


def joined(old: Region | None, new: Region, how: str, side: int) -> Region:
    """Return what becomes of an area: the new shape, or both joined, as a mask at the images' size."""
    if how == "new" or old is None:
        if how == "subtract":
            raise RegionError("There is no region yet to subtract from; add one first.")
        return new
    if how not in JOINS:
        raise RegionError(f"'{how[:40]}' joins no regions; choose add, subtract or intersect.")
    return flat(JOINS[how](old, new), side)


def flat(region: Region, side: int) -> Region:
    """Return the region as its mask at the images' size, so that a hundred strokes cost no more than one."""
    return Region.from_mask(region.mask(side, side))


def name_of(wanted: object, areas: tuple[Area, ...], number: int) -> str:
    """Return a name for an area that no other has."""
    base = str(wanted or "").strip()[:MOST_NAME] or f"Region {number + 1}"
    taken = {one.name for one in areas if one.number != number}
    return next(name for name in (base, *(f"{base} {i}" for i in range(2, MOST_AREAS + 3))) if name not in taken)


def _points(shape: Mapping[str, Any]) -> list[tuple[float, float]]:
    return [(min(1.0, max(0.0, number(x))), min(1.0, max(0.0, number(y)))) for x, y in shape["points"][:MOST_POINTS]]


def _text(value: object) -> str:
    """Return the name of a region; one that reads files is refused, for no path of a page is ever opened."""
    if not isinstance(value, str) or len(value) > 2000 or any(kind in value for kind in ("mask:", "labels:")):
        raise RegionError("A region of the studio is a name, or a form without files such as box:0.3,0.6,0.7,0.8.")
    return value
