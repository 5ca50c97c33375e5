"""Parses regions from the text form of the command line."""

import difflib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from functools import reduce
from operator import and_, or_
from types import MappingProxyType
from typing import overload

from ganvas.errors import RegionError
from ganvas.errors.shown import shortened
from ganvas.io.files import is_file
from ganvas.regions.mask_files import parse_labels, read_mask
from ganvas.regions.named import SETS
from ganvas.regions.part import CombinedPart, Part
from ganvas.regions.region import Region
from ganvas.regions.shapes import Mask
from ganvas.regions.split import HALF_GRAY_LEVEL

FORMS = {
    "box": "box:LEFT,TOP,RIGHT,BOTTOM",
    "polygon": "polygon:X,Y:X,Y:X,Y",
    "brush": "brush:RADIUS:X,Y:X,Y",
    "mask": "mask:FILE",
    "labels": "labels:FILE:4,5",
    "not": "not:REGION",
    "feather": "feather:RADIUS:REGION",
    "part": "part:7",
    "click": "click:X,Y[:X,Y][:not:X,Y][:THRESHOLD]",
}
FILES = "mask:", "labels:"  # that read a file
CHECKED_AT = 1024  # pixels of a side, at which regions overlap or not
FOUND = "part", "click"  # in each image, by its generator
Finders = Mapping[str, Callable[[str], Part]]


@overload
def parse_region(text: str, named: Mapping[str, Region]) -> Region: ...
@overload
def parse_region(text: str, named: Mapping[str, Region], finders: Finders) -> Region | Part: ...
def parse_region(text: str, named: Mapping[str, Region], finders: Finders = MappingProxyType({})) -> Region | Part:
    """Parse a region: a name or one of the forms above, joined by ``+`` (union) and ``&`` (intersection).

    ``&`` binds closer than ``+``; ``not:REGION`` is the complement, ``feather:RADIUS:REGION`` a soft edge. Numbers are
    fractions of width and height, a radius of the smaller side. Names match in any case, with spaces, hyphens or
    underscores. The path of a file may contain ``:``; one that contains ``+`` must be the only part. Points may also
    stand between ``;``, which a shell takes only in quotes.

    Args:
        text: What the user wrote.
        named: The regions that have names.
        finders: What makes a `Part` of the text after ``part:`` and ``click:``; none where no generator is at hand.

    Returns:
        The region; a part where something in it has to be found in each image. ``part:7+12`` is ``part:7+part:12``.

    Raises:
        RegionError: The text is no region; the message names the nearest known one.
        ImageError: A file cannot be read.

    Example:
        >>> print(parse_region("box:0,0,0.5,0.5 + brush:0.1:0.7,0.7", {}))
        box:0,0,0.5,0.5 + brush:0.1:0.7,0.7
    """
    text = text.strip()
    if not text:
        raise RegionError(f"The region is empty text; {_allowed(named)}")
    if text.startswith("mask:") and is_file(text.removeprefix("mask:")):
        return Region.from_mask_file(text.removeprefix("mask:"))
    pieces = _with_kinds(text.split("+"))
    region = reduce(or_, (_common(piece, named, finders) for piece in pieces))
    return replace(region, typed=text) if isinstance(region, CombinedPart) else region


def _common(text: str, named: Mapping[str, Region], finders: Finders) -> Region | Part:
    """Return the common part of what stands between ``&``; raises `RegionError` for regions that have none."""
    common = reduce(and_, (_parse_part(one, named, finders) for one in text.split("&")))
    if (
        "&" in text
        and isinstance(common, Region)
        and float(common.mask(CHECKED_AT, CHECKED_AT).max()) < HALF_GRAY_LEVEL
    ):
        raise RegionError(
            f"The regions of '{shortened(text.strip())}' do not overlap; write + for both together, or other regions."
        )
    return common


def _with_kinds(pieces: list[str]) -> list[str]:
    """Write "part:" before the numbers that follow a part: 7+12 of part:7+12."""
    found: list[str] = []
    for piece in pieces:
        follows = found and found[-1].rpartition("&")[2].strip().startswith("part:")
        found.append(f"part:{piece.strip()}" if follows and piece.split("&")[0].strip().isdecimal() else piece)
    return found


def parse_named_regions(known: str | None, drawn: Iterable[tuple[str, str]]) -> dict[str, Region]:
    """Return a set of `ganvas.regions.named.SETS` (None for none) with the drawn regions (name, text) added."""
    if known is not None and known not in SETS:
        raise RegionError(f"There is no set of regions '{known}'; there are {', '.join(SETS)}.")
    named = dict(SETS[known]) if known else {}
    for name, text in drawn:
        named[region_name(name)] = parse_region(text, named)
    return named


def region_name(text: str) -> str:
    """Return a region's name in its stored form: lower case, underscores for spaces and hyphens."""
    return "_".join(text.casefold().replace("-", " ").split())


def _parse_part(text: str, named: Mapping[str, Region], finders: Finders) -> Region | Part:
    text = text.strip()
    kind, colon, rest = text.partition(":")
    if colon and kind == "not":
        inverted, _, file = rest.strip().partition(":")
        if inverted == "mask":  # of which most may be white
            return ~Region(Mask(read_mask(file), file))
        return ~_parse_part(rest, named, finders)
    if colon and kind == "feather":
        radius, _, softened = rest.partition(":")
        return _parse_part(softened, named, finders).feather(_numbers(kind, radius, count=1)[0])
    if colon and kind in FOUND:
        return _found(kind, rest, finders)
    if colon and kind in FORMS:
        return _parse_form(kind, rest)
    name = region_name(text)
    if name in named:
        return named[name]
    close = difflib.get_close_matches(kind.casefold() if colon else name, [*named, *FORMS], n=1)
    question = f" did you mean '{close[0]}'?" if close else ""
    raise RegionError(f"There is no region '{text[:60]}';{question} {_allowed(named)}")


def _found(kind: str, rest: str, finders: Finders) -> Part:
    if kind not in finders:
        raise RegionError(
            f"'{kind}:{rest[:60]}' is found in each image, and only what is the same in all of them can be named here."
        )
    return finders[kind](rest)


def _parse_form(kind: str, rest: str) -> Region:
    match kind:
        case "box":
            return Region.box(*_numbers(kind, rest, count=4))
        case "polygon":
            return Region.polygon(_points(kind, rest))
        case "brush":
            radius, _, points = rest.partition(":")
            return Region.brush(_points(kind, points), _numbers(kind, radius, count=1)[0])
        case "mask":
            return Region.from_mask_file(rest)
        case _:
            path, _, labels = rest.rpartition(":")
            if not path:
                raise RegionError(f"'labels:{rest}' has no labels; write {FORMS['labels']}")
            return Region.from_labels(path, parse_labels(labels))


def _points(kind: str, text: str) -> list[list[float]]:
    return [_numbers(kind, point, count=2) for point in text.replace(";", ":").split(":")]


def _numbers(kind: str, text: str, count: int) -> list[float]:
    items = text.split(",")
    try:
        numbers = [float(item) for item in items]
    except ValueError as error:
        raise RegionError(
            f"'{text[:60]}' holds something that is no number; write {FORMS[kind]}, fractions from 0 to 1."
        ) from error
    if len(numbers) != count:
        raise RegionError(f"'{text[:60]}' has {len(numbers)} numbers instead of {count}; write {FORMS[kind]}")
    return numbers


def _allowed(named: Mapping[str, Region]) -> str:
    names = f"names: {', '.join(sorted(named))}" if named else "this generator has no named regions"
    return f"{names}; forms: {' | '.join(FORMS.values())}"
