"""What options and arguments mean: annotated types whose converters turn their text into values.

A parser raises a `GanvasError` that says what was given, what is allowed and what to do.
"""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal

from cyclopts import Group, Parameter, Token

from ganvas.directions.direction import Strength
from ganvas.directions.strengths import parse_strengths
from ganvas.errors import GanvasError, LatentError
from ganvas.errors.ranges import STEPS, parse_numbers
from ganvas.errors.shown import shortened
from ganvas.generators.codes import parse_seeds
from ganvas.images.pixels import WRITABLE
from ganvas.images.rewriting import FORMATS
from ganvas.images.video import VIDEOS
from ganvas.io.result_folder import check_ending
from ganvas.regions.points import parse_eyes, parse_handle_and_target
from ganvas.regions.shapes import Point

METHOD = Group("Method", sort_key=1)
PHOTOS = Group("Photos", sort_key=2)
LATENTS = Group("Latents", sort_key=2)
COMPUTING = Group("Computing and output", sort_key=3)
"""Panels of the help texts, after a command's own options."""


def one(parse: Callable[[str], Any], metavar: str) -> Parameter:
    """Return the parameter of an option whose one text `parse` reads."""

    def convert(_: Any, tokens: Sequence[Token]) -> Any:
        if len(tokens) > 1:
            given = ", ".join(f"'{shortened(token.value)}'" for token in tokens)
            raise GanvasError(f"{tokens[0].keyword} was given {len(tokens)} times: {given}. Give it once, with commas.")
        return _read(parse, tokens[0])

    return _parsed(convert, metavar)


def each(parse: Callable[[str], Any], metavar: str) -> Parameter:
    """Return the parameter of an option that may be given several times, each of its texts read by `parse`."""
    return _parsed(lambda _, tokens: tuple(_read(parse, token) for token in tokens), metavar)


def _read(parse: Callable[[str], Any], token: Token) -> Any:
    try:
        return parse(token.value)
    except GanvasError as reason:
        raise type(reason)(f"{token.keyword}: {reason}" if token.keyword else str(reason)) from None


def _parsed(converter: Callable[[Any, Sequence[Token]], Any], metavar: str) -> Parameter:
    return Parameter(converter=converter, n_tokens=1, metavar=metavar, negative=(), allow_leading_hyphen=True)


def parse_samples(text: str) -> list[int]:
    """Return the samples of a latent file meant by "0", "0-3" or "1,4"."""
    try:
        return parse_seeds(text)
    except LatentError:
        raise LatentError(f"'{shortened(text)}' does not name samples; write '0', '0-3' or '1,4-6'.") from None


def parse_named(text: str) -> tuple[str, str]:
    """Return name and text of "NAME=TEXT"."""
    name, equals, value = text.partition("=")
    if not (equals and name.strip() and value.strip()):
        raise GanvasError(f"'{shortened(text)}' is not understood; write NAME=TEXT, as in the help.")
    return name.strip(), value.strip()


def ends_in(*endings: str) -> Parameter:
    """Return the parameter of a folder or of one file, whose ending is checked before a command begins."""
    return Parameter(validator=lambda _, path: check_ending(path, endings))


Flag = Annotated[bool, Parameter(negative=())]
Space = Literal["z", "w", "w+", "s"]
Model = Annotated[
    str, Parameter(help="Generator: a bundled name (faces, cats), a name of the zoo (ganvas models list), or a file.")
]
Out = Annotated[Path, Parameter(help="Folder for the results; one that holds those of another run is refused.")]
ImageOut = Annotated[Out, ends_in(*WRITABLE)]
EditOut = Annotated[Out, ends_in(*FORMATS)]
"""That of an edit: a photo that it is pasted back into may be a TIFF."""
VideoOut = Annotated[Out, ends_in(*VIDEOS)]
Overwrite = Annotated[bool, Parameter(negative=(), group="Parameters", help="Replace the results of another run.")]
Seeds = Annotated[list[int], one(parse_seeds, "SEEDS")]
Samples = Annotated[list[int], one(parse_samples, "SAMPLES")]
Strengths = Annotated[tuple[Strength, ...], one(parse_strengths, "STRENGTHS")]
Layers = Annotated[str, Parameter(metavar="LAYERS", allow_leading_hyphen=True)]
RegionText = Annotated[str, Parameter(metavar="REGION", allow_leading_hyphen=True)]
Texts = Annotated[list[str], Parameter(negative=())]
Names = Annotated[
    tuple[str, ...], one(lambda text: tuple(part.strip() for part in text.split(",") if part.strip()), "NAME,NAME")
]
Named = Annotated[tuple[tuple[str, str], ...], each(parse_named, "NAME=TEXT")]
Points = Annotated[tuple[tuple[Point, Point], ...], each(parse_handle_and_target, "X,Y:X,Y")]
Eyes = Annotated[tuple[Literal["auto"] | tuple[Point, Point], ...], each(parse_eyes, "X,Y:X,Y")]
Box = Annotated[
    tuple[float, float, float, float],
    one(partial(parse_numbers, form="LEFT,TOP,RIGHT,BOTTOM, such as 0,0.1,1,0.9", count=4), "LEFT,TOP,RIGHT,BOTTOM"),
]
Shift = Annotated[tuple[float, float], one(partial(parse_numbers, form="X,Y such as 0.25,-0.1", count=2), "X,Y")]
Numbers = Annotated[tuple[float, ...], one(parse_numbers, "NUMBERS")]
SeveralSteps = Annotated[tuple[int, ...], one(partial(parse_numbers, allowed=STEPS), "NUMBERS")]
