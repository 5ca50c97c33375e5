"""Boxes around a region, moved, scaled and roughly drawn; and the small parts on which editing by regions fails.

Edges are fractions of width and height, as everywhere.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from jaxtyping import Float
from torch import Tensor

from ganvas.errors import RegionError
from ganvas.regions import Region

Edges = tuple[float, float, float, float]
MEASURED_AT = 512
ROUGH_GRID = 16
WAYS: Mapping[str, tuple[int, int]] = MappingProxyType(
    {"right": (1, 0), "left": (-1, 0), "down": (0, 1), "up": (0, -1)}
)


def bounding_box(mask: Float[Tensor, "1 h w"]) -> Edges:
    """Return the smallest box around what is at least half of the mask's largest value."""
    inside = mask[0] >= mask.max() / 2
    rows, columns = inside.any(dim=1).nonzero()[:, 0], inside.any(dim=0).nonzero()[:, 0]
    height, width = inside.shape
    return (
        float(columns[0]) / width,
        float(rows[0]) / height,
        float(columns[-1] + 1) / width,
        float(rows[-1] + 1) / height,
    )


def box_around(region: Region) -> Edges:
    """Return the smallest box around a region."""
    return bounding_box(region.mask(MEASURED_AT, MEASURED_AT))


def area(box: Edges) -> float:
    """Return the share of the image that a box covers."""
    left, top, right, bottom = box
    return (right - left) * (bottom - top)


def moved(box: Edges, right: float, down: float) -> Edges:
    """Move a box by shares of its own sides; what leaves the image is cut off."""
    left, top, far, bottom = box
    across, along = right * (far - left), down * (bottom - top)
    return _cut((left + across, top + along, far + across, bottom + along))


def scaled(box: Edges, factor: float) -> Edges:
    """Scale a box about its middle, cut at the image's edges."""
    left, top, right, bottom = box
    x, y = (left + right) / 2, (top + bottom) / 2
    half_width, half_height = factor * (right - left) / 2, factor * (bottom - top) / 2
    return _cut((x - half_width, y - half_height, x + half_width, y + half_height))


def rough(box: Edges, grid: int = ROUGH_GRID) -> Edges:
    """Move every edge outwards to the next line of a grid of so many cells a side, as a hurried hand draws."""
    left, top, right, bottom = (round(edge * grid, 6) for edge in box)  # an edge on a line stays there
    return _cut((math.floor(left) / grid, math.floor(top) / grid, math.ceil(right) / grid, math.ceil(bottom) / grid))


def within(box: Edges, part: Edges) -> Edges:
    """Return a part of a box, given in fractions of it; below 0 and above 1 it lies beside the box."""
    left, top, right, bottom = box
    width, height = right - left, bottom - top
    return _cut((left + part[0] * width, top + part[1] * height, left + part[2] * width, top + part[3] * height))


def _cut(box: Edges) -> Edges:
    left, top, right, bottom = (min(max(edge, 0.0), 1.0) for edge in box)
    return left, top, right, bottom


def variants(region: Region, amounts: tuple[float, ...], ways: tuple[str, ...]) -> Iterator[tuple[str, Edges]]:
    """Yield each variant of a region by its kind: "box", "rough box", "moved 10%" (once for each way), "larger 10%",
    "smaller 10%".
    """
    box = box_around(region)
    yield "box", box
    yield "rough box", rough(box)
    for amount in amounts:
        for way in ways:
            yield f"moved {amount:.0%}", moved(box, *(amount * step for step in WAYS[way]))
        yield f"larger {amount:.0%}", scaled(box, 1 + amount)
        yield f"smaller {amount:.0%}", scaled(box, 1 - amount)


@dataclass(frozen=True)
class SmallPart:
    """A part and its twin on the other side, as boxes in fractions of the bounding box of the named region `of` (a
    missing one of several: the first that the generator has). No twin: the part is alone.
    """

    of: tuple[str, ...]
    box: Edges
    twin: tuple[tuple[str, ...], Edges] | None = None


WHOLE: Edges = (0.0, 0.0, 1.0, 1.0)
_EYE = SmallPart(("left_eye", "left eye"), WHOLE, (("right_eye", "right eye"), WHOLE))
_NOSTRIL = SmallPart(("nose",), (0.24, 0.70, 0.47, 0.95), (("nose",), (0.53, 0.70, 0.76, 0.95)))
_WHISKERS = SmallPart(("mouth",), (-0.50, -0.25, 0.0, 0.55), (("mouth",), (1.0, -0.25, 1.5, 0.55)))
_CAT_NOSTRIL = SmallPart(("nose",), (0.10, 0.25, 0.48, 0.80), (("nose",), (0.52, 0.25, 0.90, 0.80)))
SMALL_PARTS: Mapping[str, Mapping[str, SmallPart]] = MappingProxyType(
    {
        "face": {"one eye": _EYE, "one nostril": _NOSTRIL},
        "cat": {"one eye": _EYE, "one nostril": _CAT_NOSTRIL, "whiskers of one side": _WHISKERS},
    }
)
"""By subject. They follow the generator's own regions, so that another alignment moves them along."""
HEAD: Edges = (0.08, 0.06, 0.92, 0.94)


def subject_of(name: str) -> str:
    """Return the subject whose name stands in a generator's name, "" for none."""
    return next((subject for subject in SMALL_PARTS if subject in name.lower()), "")


def small_parts(
    regions: Mapping[str, Region], subject: str
) -> tuple[dict[str, tuple[Region, Region | None]], list[str]]:
    """Return the parts of a subject with their twins as regions, and a reason for each part that cannot be had."""
    found: dict[str, tuple[Region, Region | None]] = {}
    reasons = []
    for name in dict.fromkeys(name for parts in SMALL_PARTS.values() for name in parts):
        part = SMALL_PARTS.get(subject, {}).get(name)
        if part is None:
            reasons.append(f"{name}: there is no box for it in images of '{subject or 'unknown'}'.")
            continue
        try:
            region = _part_region(regions, part.of, part.box)
            found[name] = region, None if part.twin is None else _part_region(regions, *part.twin)
        except RegionError as error:
            reasons.append(f"{name}: {error}")
    return found, reasons


def _part_region(regions: Mapping[str, Region], names: tuple[str, ...], part: Edges) -> Region:
    known = next((regions[name] for name in names if name in regions), None)
    if known is None:
        raise RegionError(f"the generator names no region '{names[0]}'; it has {', '.join(regions)}.")
    return Region.box(*within(box_around(known), part))
