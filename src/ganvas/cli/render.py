"""``ganvas render``: the images of a recipe."""

from pathlib import Path

from ganvas.cli.recipes import EditResults
from ganvas.cli.types import EditOut
from ganvas.edits.recipe import load_recipe
from ganvas.errors import GanvasError


def render(
    recipe: Path,
    /,
    *,
    model: str | None = None,
    out: EditOut = Path("render"),
    results: EditResults = EditResults(),
) -> None:
    """Make the images of a recipe again: the same bits on the same machine with the same number of threads.

    Writes images/seed0004.png and so on, one file for each image, at the generator's size; render.png, a sheet with the
    image after every operation; with --out NAME.png that image alone.

    Args:
        recipe: A recipe, as ganvas edit and ganvas drag write them beside their results.
        model: The generator, where it is not a bundled one or one of the zoo, or lies in another file.
    """
    content = load_recipe(recipe)
    name = model or content.base.generator
    if not name:
        raise GanvasError(f"'{recipe}' does not say which generator it is for; give --model.")
    generator = results.load(name)
    content.base.check_fits(generator)
    results.show_recipe("render", content, generator, out)
