"""Parts from text: ``part:7``, ``part:mouth`` and ``click:0.45,0.62``, found in the images of a generator."""

from collections.abc import Callable
from functools import cache, partial

from ganvas.errors import RegionError
from ganvas.errors.arguments import checked
from ganvas.errors.shown import shortened, shown
from ganvas.generators.protocol import Generator, about_of, check_generator
from ganvas.io.progress import Progress
from ganvas.parts.click import ClickPart, Clicks
from ganvas.parts.find import find_parts
from ganvas.parts.model_part import ModelPart
from ganvas.regions.part import CombinedPart, Part
from ganvas.regions.part_model import CLUSTERS, PartModel
from ganvas.regions.shapes import Point
from ganvas.regions.text import FILES, FORMS, Finders, parse_region


@checked
def part(generator: Generator, text: str) -> Part:
    """Return a part, which is found in each image, by its text.

    Args:
        generator: The generator.
        text: As on the command line: "part:7", "part:mouth" where the generator's file names its parts,
            "click:0.5,0.72", or a combination with other regions.

    Returns:
        The part.

    Raises:
        RegionError: The text is no region, or one that is the same for every image.

    Example:
        >>> import ganvas
        >>> G = ganvas.load("faces")
        >>> ganvas.part(G, "click:0.5,0.72 & not:mouth")
        Part(click:0.5,0.72 & not:mouth)
    """
    known = check_generator(generator)
    found = parse_region(text, about_of(known).regions, finders_for(known))
    if isinstance(found, Part):
        return found
    raise RegionError(f"{shown(text)} is the same for every image; it is a Region, which needs no part.")


def finders_for(generator: Generator) -> Finders:
    """Return what finds the parts that the text of a region names, by the word before its colon."""
    return {"part": partial(named_part, generator, cache(partial(clusters_of, generator))), "click": parse_clicks}


def named_part(generator: Generator, clusters: Callable[[], PartModel], text: str) -> Part:
    """Return the part of a name that the generator's file knows, or of a number: that of one of the clusters."""
    name, known = text.strip(), named_parts(generator)
    if name in known:
        return known[name]
    if not name.isdecimal():
        names = f"one of {', '.join(known)}, or " if known else ""
        raise RegionError(f"There is no part {shown(name)}; give {names}a number, as 'ganvas parts MODEL' shows them.")
    model = clusters()
    return ModelPart(model, model.numbers(name), name)


def named_parts(generator: Generator) -> dict[str, ModelPart]:
    """Return the parts that the generator's file names; of two of one name, the first."""
    found: dict[str, ModelPart] = {}
    for model in about_of(generator).parts:
        found = {name: ModelPart(model, numbers, name) for name, numbers in model.names.items()} | found
    return found


def clusters_of(generator: Generator, progress: Progress | None = None) -> PartModel:
    """Return the clusters in the generator's file; those that `ganvas.find_parts` finds where it has none."""
    stored = [model for model in about_of(generator).parts if model.kind == CLUSTERS]
    return stored[0] if stored else find_parts(generator, progress=progress)


def part_text(part: Part) -> str:
    """Return the text that names a part again; raises `RegionError` for a combination."""
    typed = part.typed if isinstance(part, CombinedPart) else str(part)
    if not typed or any(form in typed for form in FILES):
        raise RegionError(f"A file keeps parts by their text, and {part} has none; give the combination as text.")
    return typed


def parse_clicks(text: str) -> Part:
    """Return the part of "X,Y", "X,Y:X,Y:not:X,Y" or "X,Y:0.3", whose last number is the threshold."""
    inside: list[Point] = []
    outside: list[Point] = []
    threshold, points, items = None, inside, text.split(":")
    for place, item in enumerate(items):
        numbers = item.split(",")
        if item.strip() == "not":
            points = outside
        elif len(numbers) == 2:
            points.append((_number(numbers[0], text), _number(numbers[1], text)))
        elif len(numbers) == 1 and place == len(items) - 1:
            threshold = _number(item, text)
        else:
            raise RegionError(f"'{shortened(text)}' is not understood; write {FORMS['click']}")
    return ClickPart(Clicks(tuple(inside), tuple(outside), threshold))


def _number(item: str, text: str) -> float:
    try:
        return float(item)
    except ValueError as error:
        raise RegionError(f"'{shortened(text)}' holds something that is no number; write {FORMS['click']}") from error
