"""What options and arguments mean: annotated types whose converters turn their text into values.

A parser raises a `GanvasError` that says what was given, what is allowed and what to do.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from cyclopts import Group, Parameter, Token

from ganvas.directions.direction import Strength
from ganvas.directions.strengths import parse_strengths
from ganvas.errors import GanvasError, LatentError, RegionError
from ganvas.generators.codes import parse_seeds
from ganvas.images.saving import ImageFiles
from ganvas.regions.shapes import Point

METHOD = Group("Method", sort_key=1)
PHOTOS = Group("Photos", sort_key=2)
LATENTS = Group("Latents", sort_key=2)
COMPUTING = Group("Computing and output", sort_key=3)
"""Panels of the help texts, after a command's own options."""


def one(parse: Callable[[str], Any], metavar: str) -> Parameter:
    """Return the parameter of an option whose one text `parse` reads."""
    return _parsed(lambda _, tokens: parse(tokens[0].value), metavar)


def each(parse: Callable[[str], Any], metavar: str) -> Parameter:
    """Return the parameter of an option that may be given several times, each of its texts read by `parse`."""
    return _parsed(lambda _, tokens: tuple(parse(token.value) for token in tokens), metavar)


def _parsed(converter: Callable[[Any, Sequence[Token]], Any], metavar: str) -> Parameter:
    return Parameter(converter=converter, n_tokens=1, metavar=metavar, negative=(), allow_leading_hyphen=True)


def parse_numbers(text: str, form: str, count: int | None = None) -> tuple[float, ...]:
    """Return the numbers of "0,1,3", exactly `count` of them where it is given; `form` says what should be written."""
    try:
        numbers = tuple(float(part) for part in text.split(","))
    except ValueError:
        numbers = ()
    if not numbers or len(numbers) != (count or len(numbers)):
        raise GanvasError(f"'{text[:60]}' is not understood; write {form}.")
    return numbers


def parse_whole_numbers(text: str) -> tuple[int, ...]:
    """Return the whole numbers of "500,1000"."""
    numbers = parse_numbers(text, "whole numbers such as 500,1000")
    if not all(number.is_integer() for number in numbers):
        raise GanvasError(f"'{text[:60]}' is not understood; write whole numbers such as 500,1000.")
    return tuple(map(int, numbers))


def parse_samples(text: str) -> list[int]:
    """Return the samples of a latent file meant by "0", "0-3" or "1,4"."""
    try:
        return parse_seeds(text)
    except LatentError:
        raise LatentError(f"'{text[:60]}' does not name samples; write '0', '0-3' or '1,4-6'.") from None


def parse_handle_and_target(text: str) -> tuple[Point, Point]:
    """Return handle and target of "0.4,0.6>0.4,0.5", in fractions of width and height."""
    form = "X,Y>X,Y such as 0.4,0.6>0.4,0.5"
    points = [parse_numbers(part, form, 2) for part in text.split(">")]
    if len(points) != 2:
        raise RegionError(f"'{text[:60]}' is not understood; write {form}.")
    return (points[0][0], points[0][1]), (points[1][0], points[1][1])


def parse_eyes(text: str) -> Literal["auto"] | tuple[Point, Point]:
    """Return the eyes of "X,Y;X,Y", or "auto"."""
    if text == "auto":
        return "auto"
    form = "the eyes as X,Y;X,Y such as 0.35,0.4;0.62,0.41, or auto"
    points = [parse_numbers(part, form, 2) for part in text.split(";")]
    if len(points) != 2:
        raise GanvasError(f"'{text[:60]}' is not understood; write {form}.")
    return (points[0][0], points[0][1]), (points[1][0], points[1][1])


def parse_named(text: str) -> tuple[str, str]:
    """Return name and text of "NAME=TEXT"."""
    name, equals, value = text.partition("=")
    if not (equals and name.strip() and value.strip()):
        raise GanvasError(f"'{text[:60]}' is not understood; write NAME=TEXT, as in the help.")
    return name.strip(), value.strip()


def _box(text: str) -> tuple[float, ...]:
    return parse_numbers(text, "the part of a photo as LEFT,TOP,RIGHT,BOTTOM such as 0,0.1,1,0.9", 4)


def _shift(text: str) -> tuple[float, ...]:
    return parse_numbers(text, "X,Y such as 0.25,-0.1", 2)


def _several(text: str) -> tuple[float, ...]:
    return parse_numbers(text, "numbers such as 0,1,3")


Flag = Annotated[bool, Parameter(negative=())]
Space = Literal["z", "w", "w+", "s"]
Model = Annotated[
    str, Parameter(help="Generator: a bundled name (faces, cats), a name of the zoo (ganvas models list), or a file.")
]
Out = Annotated[Path, Parameter(help="Folder for the results; one that holds those of another run is refused.")]
Overwrite = Annotated[bool, Parameter(negative=(), help="Replace the results of another run.")]
Files = Annotated[ImageFiles, Parameter(name="*", group=Group("Images and films", sort_key=2))]
Seeds = Annotated[list[int], one(parse_seeds, "SEEDS")]
Samples = Annotated[list[int], one(parse_samples, "SAMPLES")]
Strengths = Annotated[tuple[Strength, ...], one(parse_strengths, "STRENGTHS")]
Layers = Annotated[str, Parameter(metavar="LAYERS", allow_leading_hyphen=True)]
RegionText = Annotated[str, Parameter(metavar="REGION", allow_leading_hyphen=True)]
Texts = Annotated[list[str], Parameter(negative=())]
Named = Annotated[tuple[tuple[str, str], ...], each(parse_named, "NAME=TEXT")]
Points = Annotated[tuple[tuple[Point, Point], ...], each(parse_handle_and_target, "X,Y>X,Y")]
Eyes = Annotated[tuple[Literal["auto"] | tuple[Point, Point], ...], each(parse_eyes, "X,Y;X,Y")]
Box = Annotated[tuple[float, float, float, float], one(_box, "LEFT,TOP,RIGHT,BOTTOM")]
Shift = Annotated[tuple[float, float], one(_shift, "X,Y")]
Numbers = Annotated[tuple[float, ...], one(_several, "NUMBERS")]
WholeNumbers = Annotated[tuple[int, ...], one(parse_whole_numbers, "NUMBERS")]
