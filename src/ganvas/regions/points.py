"""Points as text, in fractions of width and height: two of them with a colon between, which no shell takes for its own.

``>`` between handle and target and ``;`` between eyes are read as well; a shell takes them only in quotes.
"""

from typing import Literal

from ganvas.errors import RegionError
from ganvas.errors.ranges import parse_numbers
from ganvas.errors.shown import shortened
from ganvas.regions.shapes import Point

PAIR = "X,Y:X,Y such as 0.4,0.6:0.4,0.5"
EYES = "the eyes as X,Y:X,Y such as 0.35,0.4:0.62,0.41, or auto"


def parse_handle_and_target(text: str) -> tuple[Point, Point]:
    """Return handle and target of "0.4,0.6:0.4,0.5"."""
    return _two_points(text, ">", PAIR)


def parse_eyes(text: str) -> Literal["auto"] | tuple[Point, Point]:
    """Return the eyes of "X,Y:X,Y", or "auto"."""
    return "auto" if text == "auto" else _two_points(text, ";", EYES)


def _two_points(text: str, also_between: str, form: str) -> tuple[Point, Point]:
    parts = text.replace(also_between, ":").split(":")
    if len(parts) != 2:
        raise RegionError(f"'{shortened(text)}' is not understood; write {form}.")
    first, second = (parse_numbers(part, form, 2) for part in parts)
    return (first[0], first[1]), (second[0], second[1])
