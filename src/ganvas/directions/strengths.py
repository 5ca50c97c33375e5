"""Strengths of an edit as text: "3", "-3,0,3", "-3:3:7", "-2s:2s:5"."""

from ganvas.directions.direction import Direction, Directions, Strength
from ganvas.errors import GanvasError, LatentError
from ganvas.errors.ranges import Range
from ganvas.errors.shown import shortened

MOST = 101
FORM = "write one or a list such as -3,0,3, or a series start:stop:count such as -3:3:7; 2s means two std"


def default_strengths(directions: Directions) -> tuple[Strength, ...]:
    """Return -6 to 6 std in seven steps, or distances from -6 to 6 where the directions do not know their std."""
    return parse_strengths("-6s:6s:7" if bool(directions.stds.isfinite().all()) else "-6:6:7")


def parse_strengths(text: str) -> tuple[Strength, ...]:
    """Read ``-3:3:7`` (start, stop, count), ``-3,0,3`` or ``3``; each number may end in s (std), as in ``-2s:2s:5``.

    Raises `LatentError` for other text, and for more than `MOST` strengths.
    """
    parts = text.split(":")
    if len(parts) == 1:
        strengths = tuple(_read(part) for part in text.split(","))
    elif len(parts) == 3:
        strengths = _series(text, *parts)
    else:
        raise LatentError(f"'{shortened(text)}' is not a strength; {FORM}.")
    if len(strengths) > MOST:
        raise LatentError(f"{len(strengths)} strengths were given; give at most {MOST}.")
    return strengths


def frames_between(direction: Direction, strengths: tuple[Strength, ...], count: int) -> tuple[float, ...]:
    """Return `count` distances from the smallest strength (0 if all are above) to the largest (0 if all are below)."""
    lengths = [0.0, *(direction.length(strength) for strength in strengths)]
    low, high = min(lengths), max(lengths)
    return tuple(low + (high - low) * step / (count - 1) for step in range(count))


def _series(text: str, start: str, stop: str, count: str) -> tuple[Strength, ...]:
    first, last = _read(start), _read(stop)
    if isinstance(first, str) != isinstance(last, str) and 0 not in (first, last):
        raise LatentError(f"'{shortened(text)}' mixes distances and std; write -2s:2s:5 or -2:2:5.")
    try:
        steps = Range(2, MOST, whole=True).parse(count) - 1
    except GanvasError:
        raise LatentError(
            f"'{shortened(text)}' asks for '{shortened(count)}' strengths; give from 2 to {MOST}, such as -3:3:7."
        ) from None
    unit = "s" if isinstance(first, str) or isinstance(last, str) else ""
    low, high = (float(str(edge).removesuffix("s")) for edge in (first, last))
    values = [round(low + (high - low) * step / steps, 6) + 0.0 for step in range(steps + 1)]
    return tuple(f"{value:g}s" if unit else value for value in values)


def _read(text: str) -> Strength:
    """Return a number, or the text of a number of std."""
    text = text.strip()
    try:
        value = float(text.removesuffix("s"))
    except ValueError:
        value = float("nan")
    if not abs(value) <= 1e6:
        raise LatentError(f"'{shortened(text)}' is not a strength; {FORM}.")
    return text if text.endswith("s") else value
