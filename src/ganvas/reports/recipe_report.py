"""What is left of a recipe: a file for every image, a sheet with the image after every operation, and a page."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from ganvas.edits.blend import frames_between
from ganvas.edits.operations import Move
from ganvas.edits.recipe import Recipe
from ganvas.edits.render import States, confined_images, evaluate, render
from ganvas.generators.protocol import Generator
from ganvas.images.pixels import write_image
from ganvas.images.saving import IMAGES, ImageFiles, file_name
from ganvas.images.sheets import labeled_grid
from ganvas.inversion.photos import unique_names
from ganvas.io.progress import Progress
from ganvas.io.result_folder import ResultFolder
from ganvas.metrics.locality import rms_change
from ganvas.reports.html import DirectionStrip, directions_page
from ganvas.reports.sheet_size import on_sheet

MOST_ROWS, MOST_COLUMNS = 16, 12
SHARES = (0.0, 0.25, 0.5, 0.75, 1.0)  # of the way from before to after
FACTORS = (-1.0, -0.5, 0.0, 0.5, 1.0)  # of a direction's length


def write_recipe_images(
    folder: ResultFolder, generator: Generator, recipe: Recipe, files: ImageFiles, progress: Progress, name: str
) -> tuple[list[str], list[Path]]:
    """Write the images of a recipe and its sheet, NAME.png; returns lines to show, and the files beside the images."""
    captions, columns = ["the base"], list[Float[Tensor, "n 3 h w"]]()
    steps = list(_steps(recipe))
    states, images = States(), torch.empty(0)
    for done, step in enumerate(steps):
        progress("Rendering", done, len(steps))
        images = render(generator, step, states=states)
        columns.append(on_sheet(images[:MOST_ROWS]))
        captions += [str(step.active[-1]).replace(", ", ",\n")] if step.active else []
    progress("Rendering", len(steps), len(steps))
    names = unique_names([file_name(caption) for caption in recipe.base.captions])
    single = folder.part(IMAGES)
    for one, image in zip(names, images, strict=True):
        files.write(single / f"{one}.png", image[None])
    shown = [*columns[:1], *columns[1:][-MOST_COLUMNS:]]
    sheet = labeled_grid(
        torch.stack(shown, dim=1).flatten(0, 1),
        len(shown),
        [*captions[:1], *captions[1:][-MOST_COLUMNS:]],
        recipe.base.captions[:MOST_ROWS],
    )
    lines = [f"{len(names)} image{'s' if len(names) != 1 else ''} in {single}"]
    return lines, [write_image(folder / f"{name}.png", sheet)]


def _steps(recipe: Recipe) -> Iterator[Recipe]:
    """Yield the recipe without any operation, with the first, with the first two, and so on, leaving out those that are
    off.
    """
    operations = recipe.active
    for count in range(len(operations) + 1):
        yield replace(recipe, operations=operations[:count])


def images_on_the_way(generator: Generator, recipe: Recipe, states: States | None = None) -> Float[Tensor, "n 3 h w"]:
    """Return the image of one sample before a recipe's operations, three on the way, and the one after them."""
    before = replace(recipe, operations=())
    return torch.cat(list(frames_between(generator, [before, recipe], SHARES, states)))


def write_recipe_page(
    path: Path, generator: Generator, recipe: Recipe, facts: Mapping[str, str], states: States | None = None
) -> Path:
    """Write a page of one sample's recipe: the way from before to after, and every direction of it both ways."""
    states = states or States()
    way = images_on_the_way(generator, recipe, states)
    mask = limit = outside = None
    if evaluate(generator, recipe, states).confined:
        confined = confined_images(generator, recipe, states)
        mask, limit, outside = confined.rim.region, 1 - confined.outside, confined.outside
    strips = [_row("From before, 0, to after, 1", SHARES, way, way[:1], mask, outside)]
    for index, operation in enumerate(recipe.operations):
        if isinstance(operation.change, Move) and operation.enabled:
            rest = render(generator, recipe.enable(index, False), states=states)
            lengths, images = _both_ways(generator, recipe, index, states)
            strips.append(_row(str(operation), lengths, images, rest, mask, outside))
    return directions_page(
        path,
        title=f"Edits of {recipe.base.captions[0]}",
        facts=facts,
        original=way[:1],
        mask=mask,
        strips=strips,
        limit=limit,
    )


def _both_ways(
    generator: Generator, recipe: Recipe, index: int, states: States
) -> tuple[tuple[float, ...], Float[Tensor, "n 3 h w"]]:
    """Return the images of a recipe with one of its directions both ways, and the lengths gone along it."""
    operation = recipe.operations[index]
    assert isinstance(operation.change, Move)
    length = abs(operation.change.direction.length(operation.change.strength))
    lengths, images = tuple(factor * length for factor in FACTORS), []
    for amount in lengths:
        changed = replace(operation, change=replace(operation.change, strength=amount))
        operations = (*recipe.operations[:index], changed, *recipe.operations[index + 1 :])
        images.append(render(generator, replace(recipe, operations=operations), states=states))
    return lengths, torch.cat(images)


def _row(
    label: str,
    strengths: tuple[float, ...],
    images: Tensor,
    before: Tensor,
    mask: Tensor | None,
    outside: Tensor | None,
) -> DirectionStrip:
    def change(part: Tensor) -> tuple[float, ...]:
        return tuple(rms_change(images, before.expand_as(images), part).tolist())

    inside = change(torch.ones(1, *images.shape[-2:]) if mask is None else mask)
    beyond = None if outside is None else change(outside)
    return DirectionStrip(label, math.nan, math.nan, strengths, images, inside, beyond)
