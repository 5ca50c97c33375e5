"""Which numbers are possible: one range for each kind of number, for public functions and the command line.

A setting is annotated with its kind, as in ``steps: Steps = 300``; `ganvas.errors.arguments` and the command line
read the range from there. The upper ends are beyond all that is useful, and below what overflows or hangs.
"""

import re
from dataclasses import dataclass
from typing import Annotated, Any

from ganvas.errors import GanvasError
from ganvas.errors.shown import shortened, shown

MOST_NUMBERS = 100


@dataclass(frozen=True)
class Range:
    """The numbers from `lowest` to `highest`, whole ones only where `whole` is set; `above` leaves out `lowest`."""

    lowest: float | int
    highest: float | int
    whole: bool = False
    above: bool = False

    def __str__(self) -> str:
        """Return the range as messages and the help say it: "1 to 4,096", "above 0 to 1"."""
        return f"{'above ' if self.above else ''}{_written(self.lowest)} to {_written(self.highest)}"

    @property
    def short(self) -> str:
        """The range as the help shows it behind an option: "INT 1..4096", "FLOAT >0..1"."""
        sign = ">" * self.above
        return f"{'INT' if self.whole else 'FLOAT'} {sign}{self.lowest:.10g}..{self.highest:.10g}"

    def __contains__(self, value: Any) -> bool:
        number = float(value) if not isinstance(value, int) else value
        return (self.lowest < number if self.above else self.lowest <= number) and number <= self.highest

    def check(self, name: str, value: Any, error: type[GanvasError] = GanvasError) -> None:
        """Raise an error that names the number, unless it lies in the range."""
        if value not in self:
            raise error(f"{name} {shown(value)} is not possible; give {self}.")

    def parse(self, text: str) -> Any:
        """Return the number that a text means, or raise `GanvasError`."""
        try:
            number = whole_number(text) if self.whole else float(text)
        except ValueError:
            kind = "whole number" if self.whole else "number"
            raise GanvasError(f"'{shortened(text)}' is not a {kind}; give {self}.") from None
        if number not in self:
            raise GanvasError(f"{shortened(text)} is not possible; give {self}.")
        return number


def whole_number(text: str) -> int:
    """Return a whole number in plain digits; one of more than 40 stands for all beyond every range, and is not read.

    Raises `ValueError` for other text.
    """
    if not re.fullmatch(r"[+-]?[0-9]+", text.strip()):
        raise ValueError
    return int(text) if len(text) <= 40 else 10**40


def _written(number: float | int) -> str:
    return f"{number:,}" if isinstance(number, int) else f"{number:,g}"


def parse_numbers(text: str, form: str = "", count: int | None = None, allowed: Range | None = None) -> tuple[Any, ...]:
    """Return the numbers of "0,1,3", exactly `count` of them where it is given; `form` says what should be written."""
    parts, hint = text.split(","), f" Write {form}." if form else ""
    if len(parts) != (count or min(len(parts), MOST_NUMBERS)):
        wanted = f"{count}" if count else f"at most {MOST_NUMBERS}"
        raise GanvasError(f"'{shortened(text)}' gives {len(parts)} numbers instead of {wanted}.{hint}")
    try:
        return tuple((allowed or FINITE).parse(part) for part in parts)
    except GanvasError as reason:
        raise GanvasError(f"{reason}{hint}") from None


SEED = Range(0, 2**32 - 1, whole=True)
STEPS = Range(1, 1_000_000, whole=True)
STEPS_OR_NONE = Range(0, 1_000_000, whole=True)
IMAGES = Range(1, 1_000_000_000, whole=True)
EVERY = Range(0, 1_000_000_000, whole=True)
BATCH = Range(1, 4096, whole=True)
COUNT = Range(1, 100_000, whole=True)
COUNT_OR_NONE = Range(0, 100_000, whole=True)
WIDTH = Range(1, 4096, whole=True)
DEPTH = Range(1, 64, whole=True)
SIZE = Range(1, 4096, whole=True)
THREADS = Range(0, 1024, whole=True)
LAYER_COUNT = Range(0, 1000, whole=True)
PORT = Range(0, 65_535, whole=True)
INDEX = Range(0, 999_999, whole=True)
FRAMES = Range(0, 200, whole=True)
PATH_FRAMES = Range(2, 1000, whole=True)
PART_COUNT = Range(2, 64, whole=True)
PART_SAMPLES = Range(2, 10_000, whole=True)
FINITE = Range(-1e9, 1e9)
RATE = Range(0, 1, above=True)
PIXELS = Range(0, 4096, above=True)
POSITIVE = Range(0, 1_000_000, above=True)
WEIGHT = Range(0, 1_000_000)
RIDGE = Range(0, 1e12)
FRACTION = Range(0, 1)
TRUNCATION = Range(-10, 10)
DEGREES = Range(-360, 360)
"""The ranges; those with `OR_NONE` take 0 for none, and `EVERY` for never."""

Seed = Annotated[int, SEED]
Steps = Annotated[int, STEPS]
StepsOrNone = Annotated[int, STEPS_OR_NONE]
Images = Annotated[int, IMAGES]
Every = Annotated[int, EVERY]
Batch = Annotated[int, BATCH]
Count = Annotated[int, COUNT]
CountOrNone = Annotated[int, COUNT_OR_NONE]
Width = Annotated[int, WIDTH]
Depth = Annotated[int, DEPTH]
Size = Annotated[int, SIZE]
Threads = Annotated[int, THREADS]
LayerCount = Annotated[int, LAYER_COUNT]
Frames = Annotated[int, FRAMES]
PartCount = Annotated[int, PART_COUNT]
PartSamples = Annotated[int, PART_SAMPLES]
Rate = Annotated[float | int, RATE]
Pixels = Annotated[float | int, PIXELS]
Positive = Annotated[float | int, POSITIVE]
Weight = Annotated[float | int, WEIGHT]
RidgeShare = Annotated[float | int, RIDGE]
Fraction = Annotated[float | int, FRACTION]
Truncation = Annotated[float | int, TRUNCATION]
Degrees = Annotated[float | int, DEGREES]
"""The kinds of numbers, for annotations."""
