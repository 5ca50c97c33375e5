"""One HTML page for the directions of a region, and an index of such pages, from the templates beside this file.

A page holds all it shows: images as PNG inside the page, its style and its script. Its content security policy
forbids every request, so that it opens from disk and sends nothing anywhere.
"""

import base64
import functools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from importlib import resources
from pathlib import Path
from typing import Any

from jaxtyping import Float
from jinja2 import Environment, PackageLoader, StrictUndefined
from torch import Tensor

from ganvas.errors import ImageError
from ganvas.images.pixels import enlarge, png_bytes, resize
from ganvas.images.sheets import OUTLINE_ORANGE, outline
from ganvas.io.files import atomic_path

SMALLEST_SIDE = 192
LARGEST_SIDE = 512
_SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


@dataclass(frozen=True)
class DirectionStrip:
    """One direction on one image: `images[i]` was made at `strengths[i]`.

    `inside` and `outside` are root mean square changes against the original, on the scale of images in [-1, 1];
    `outside` is None where no region is known, and `inside` then counts the whole image. Numbers that are not known
    are nan and left out. `seam` is known of confined edits: the gradient of the change in the rim over the original's.
    """

    label: str
    eigenvalue: float
    predicted_ratio: float
    strengths: tuple[float, ...]
    images: Float[Tensor, "k 3 h w"]
    inside: tuple[float, ...]
    outside: tuple[float, ...] | None
    seam: tuple[float, ...] | None = None

    def __post_init__(self) -> None:
        outside = self.inside if self.outside is None else self.outside
        counts = {len(self.strengths), len(self.images), len(self.inside), len(outside)}
        if counts == {0} or len(counts) > 1:
            raise ImageError(f"'{self.label}' needs as many strengths as images and changes, and at least one.")

    def changes(self) -> dict[str, Any]:
        """Return what was measured, as JSON holds it."""
        seam = {} if self.seam is None else {"seam": self.seam}
        return {
            "sample": self.label,
            "strengths": self.strengths,
            "inside": self.inside,
            "outside": self.outside,
            **seam,
        }


@dataclass(frozen=True)
class ManySeeds:
    """One direction on several images: `images[row, i]` is the image of `seeds[row]` at `strengths[i]`.

    A row without a seed has a name instead. `regions` are the originals with the region drawn as it lies in each, None
    where it is not known.
    """

    label: str
    seeds: tuple[int | str, ...]
    strengths: tuple[float, ...]
    images: Float[Tensor, "rows k 3 h w"]
    regions: Float[Tensor, "rows 3 shown_h shown_w"] | None = None

    def __post_init__(self) -> None:
        if self.images.shape[:2] != (len(self.seeds), len(self.strengths)) or 0 in self.images.shape:
            raise ImageError(f"'{self.label}' on many seeds needs one image for every seed and strength.")


@dataclass(frozen=True)
class IndexEntry:
    """One page that the index shows: its name, its address relative to the index, an image and a few words."""

    title: str
    href: str
    image: Float[Tensor, "1 3 h w"]
    text: str


def directions_page(
    path: str | Path,
    *,
    title: str,
    facts: Mapping[str, str],
    original: Float[Tensor, "1 3 h w"],
    mask: Float[Tensor, "1 mask_h mask_w"] | None,
    strips: Sequence[DirectionStrip],
    many: Sequence[ManySeeds] = (),
    links: Mapping[str, str] | None = None,
    limit: Float[Tensor, "1 h w"] | None = None,
) -> Path:
    """Write a page with the original and its region, one row per direction, and one block per direction on many seeds.

    Without a `mask` nothing is outlined; the `limit` of confined edits is outlined too. `facts` become a table in their
    order; the one named "command" is set as code. `links` are names and addresses relative to the page. The same input
    gives the same bytes. Returns the path.

    Raises:
        ImageError: an image holds NaN, or the page cannot be written.
    """
    shown = _fit(original, LARGEST_SIDE * 3 // 4)
    shown = shown if mask is None else outline(shown, mask)
    limits = "" if limit is None else " and the limit of the change"
    longest = max((change for row in strips for change in row.inside + (row.outside or ())), default=0.0)
    return _write_page(
        path,
        "directions.html",
        title=title,
        links=links,
        facts=facts,
        original=_embedded(shown if limit is None else outline(shown, limit, OUTLINE_ORANGE)),
        caption="The original" if mask is None else f"The original, with the region{limits} outlined",
        confined=limit is not None,
        strips=[_strip(row, longest) for row in strips],
        many=[_many(block) for block in many],
    )


@dataclass(frozen=True)
class TablesSection:
    """A part of a page of numbers: a heading, a few words, an image over the whole width or None, tables with their
    captions, the head of each its first row, and words below the image.
    """

    title: str
    text: str = ""
    image: Float[Tensor, "1 3 h w"] | None = None
    tables: Sequence[tuple[str, Sequence[Sequence[str]]]] = ()
    below: str = ""


def tables_page(
    path: str | Path, *, title: str, intro: str, facts: Mapping[str, str], sections: Sequence[TablesSection]
) -> Path:
    """Write a page of tables and images. Returns the path.

    Raises:
        ImageError: an image holds NaN, or the page cannot be written.
    """
    shown = [
        {
            "title": one.title,
            "text": one.text,
            "below": one.below,
            "image": None if one.image is None else _embedded(one.image),
            "tables": [(caption, rows[0], rows[1:]) for caption, rows in one.tables],
        }
        for one in sections
    ]
    return _write_page(path, "tables.html", title=title, intro=intro, facts=facts, sections=shown)


def index_page(path: str | Path, *, title: str, intro: str, entries: Sequence[IndexEntry]) -> Path:
    """Write a page of linked images, one per region or result. Returns the path.

    Raises:
        ImageError: an image holds NaN, or the page cannot be written.
    """
    cards = [
        {"href": entry.href, "title": entry.title, "text": entry.text, "image": _embedded(_fit(entry.image, 320))}
        for entry in entries
    ]
    return _write_page(path, "index.html", title=title, intro=intro, cards=cards)


def number(value: float, signed: bool = False) -> str:
    """Write a number with three digits as people read it: 0.0312, 4.06, 12,300, 1.2 × 10⁷, with a true minus.

    `signed` puts a plus before what is above zero.
    """
    if not math.isfinite(value):
        return str(value).replace("-", "−").replace("inf", "∞").replace("nan", "unknown")
    mantissa, _, power = f"{abs(value):.2e}".partition("e")
    exponent = int(power)
    if -4 <= exponent < 6 or value == 0:
        mantissa, suffix = f"{float(f'{mantissa}e{power}'):,.{max(0, 2 - exponent)}f}", ""
    else:
        suffix = f" × 10{str(exponent).translate(_SUPERSCRIPTS)}"
    text = (mantissa.rstrip("0").rstrip(".") if "." in mantissa else mantissa) + suffix
    return ("−" if value < 0 else "+" if signed and value > 0 else "") + text


@functools.cache
def _templates() -> Environment:
    loader = PackageLoader("ganvas.reports")
    return Environment(
        loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, keep_trailing_newline=True
    )


def _write_page(path: str | Path, template: str, *, title: str, **content: Any) -> Path:
    static = resources.files("ganvas.reports") / "static"
    style, script = (static.joinpath(name).read_text("utf-8") for name in ("page.css", "page.js"))
    key = base64.b64encode(sha256(script.encode()).digest()).decode()
    # Only this very script may run, and nothing may be fetched, whatever a title or a label holds.
    policy = f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'sha256-{key}'"
    shared = {"title": title, "intro": "", "links": None, "policy": policy, "style": style, "script": script}
    page = _templates().get_template(template).render(shared | content)
    with atomic_path(path, ImageError) as temporary:
        temporary.write_text(page, encoding="utf-8", errors="replace")
    return Path(path)


def _strip(row: DirectionStrip, longest: float) -> dict[str, Any]:
    """Return what the template shows of one direction; `longest` is the change of the longest bar."""
    known = {"eigenvalue": row.eigenvalue, "predicted ratio": row.predicted_ratio}
    cells = [
        {
            "image": _embedded(_fit(row.images[index : index + 1])),
            "strength": number(strength, signed=True),
            "is_original": strength == 0,
            "inside": _bar(row.inside[index], longest),
            "outside": None if row.outside is None else _bar(row.outside[index], longest),
            "seam": None if row.seam is None else f"{row.seam[index]:.2f}",
        }
        for index, strength in enumerate(row.strengths)
    ]
    numbers = {name: number(value) for name, value in known.items() if not math.isnan(value)}
    return {"label": row.label, "numbers": numbers, "cells": cells}


def _bar(change: float, longest: float) -> dict[str, str]:
    share = change / longest if longest > 0 and math.isfinite(change / longest) else 0.0
    digits = "<0.001" if 0 < change < 0.0005 else f"{change:.3f}" if change else "0"
    return {"width": f"{100 * share:.1f}", "text": digits}


def _many(block: ManySeeds) -> dict[str, Any]:
    rows = [
        {"name": str(seed), "is_seed": isinstance(seed, int), "images": [_embedded(_fit(one[None])) for one in images]}
        for seed, images in zip(block.seeds, block.images, strict=True)
    ]
    heads = [number(strength, signed=True) for strength in block.strengths]
    if block.regions is not None:
        heads = ["region", *heads]
        for row, original in zip(rows, block.regions, strict=True):
            row["images"] = [_embedded(_fit(original[None])), *row["images"]]
    return {"label": block.label, "heads": heads, "rows": rows}


def _fit(image: Float[Tensor, "1 3 h w"], smallest: int = SMALLEST_SIDE) -> Float[Tensor, "1 3 new_h new_w"]:
    """Enlarge by a whole factor to at least `smallest` pixels a side, or shrink to `LARGEST_SIDE`."""
    height, width = image.shape[-2:]
    side = max(height, width)
    if side > LARGEST_SIDE:
        scale = LARGEST_SIDE / side
        return resize(image, max(1, round(height * scale)), max(1, round(width * scale)))
    return enlarge(image, math.ceil(smallest / side))


def _embedded(image: Float[Tensor, "1 3 h w"]) -> dict[str, Any]:
    """Return an image as the template embeds it: a PNG in base64 with its width and height."""
    height, width = image.shape[-2:]
    return {"data": base64.b64encode(png_bytes(image)).decode(), "width": width, "height": height}
