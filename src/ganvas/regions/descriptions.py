"""Shapes read back from their descriptions, which come from JSON in files and may be damaged."""

import reprlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float

from ganvas.errors import RegionError
from ganvas.regions.derived import Complement, Feather, Grow, Intersection, Union
from ganvas.regions.shapes import Box, Brush, Mask, Polygon, Shape, as_points


def mentions_mask(description: Any) -> bool:
    """Return whether a description holds a mask at any depth."""
    return mask_in(description) is not None


def mask_in(description: Any) -> Mapping[str, Any] | None:
    """Return the description of a mask that another one holds at any depth. Not recursive, since a file may nest
    without end.
    """
    waiting = [description]
    while waiting:
        item = waiting.pop()
        if isinstance(item, Mapping):
            if item.get("kind") == "mask":
                return item
            parts = item.get("parts")
            waiting += [item.get("of"), *(parts if isinstance(parts, list) else [])]
    return None


def shape_from(description: Mapping[str, Any], masks: Sequence[Float[np.ndarray, "_h _w"]] = ()) -> Shape:
    """Return the shape of a description with the masks that it mentions, in their order; raises `RegionError` for
    anything else.
    """
    waiting = iter(masks)
    try:
        shape = _shape_from(description, waiting)
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
        raise RegionError(f"This is no description of a region: {reprlib.repr(description)}") from error
    if next(waiting, None) is not None:
        raise RegionError("This region comes with more masks than its description mentions.")
    return shape


def _shape_from(description: Mapping[str, Any], masks: Iterator[Float[np.ndarray, "_h _w"]]) -> Shape:
    match description["kind"]:
        case "box":
            return Box(*(float(description[name]) for name in ("left", "top", "right", "bottom")))
        case "polygon":
            return Polygon(as_points(description["points"]))
        case "brush":
            return Brush(as_points(description["points"]), float(description["radius"]))
        case "mask":
            values = next(masks, None)
            if values is None:
                raise ValueError("its mask is missing")
            return Mask(values, str(description.get("origin", "")))
        case "union" | "intersection" as kind:
            first, *others = (_shape_from(part, masks) for part in description["parts"])
            return (Union if kind == "union" else Intersection)((first, *others))
        case "complement":
            return Complement(_shape_from(description["of"], masks))
        case "feather":
            return Feather(_shape_from(description["of"], masks), float(description["radius"]))
        case "grow":
            return Grow(_shape_from(description["of"], masks), float(description["radius"]))
        case other:
            raise ValueError(f"unknown kind {other!r}")
