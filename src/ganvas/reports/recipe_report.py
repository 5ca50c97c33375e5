"""What `ganvas render` leaves: a file for every image, and a sheet with the image after every operation."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from ganvas.edits.recipe import Recipe
from ganvas.edits.render import States, render
from ganvas.generators.protocol import Generator
from ganvas.images.pixels import write_image
from ganvas.images.saving import IMAGES, ImageFiles, file_name
from ganvas.images.sheets import labeled_grid
from ganvas.inversion.photos import unique_names
from ganvas.io.progress import Progress
from ganvas.io.result_folder import ResultFolder
from ganvas.reports.sheet_size import on_sheet

MOST_ROWS, MOST_COLUMNS = 16, 12


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
