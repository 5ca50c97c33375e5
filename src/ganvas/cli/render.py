"""``ganvas render``: the images of a recipe."""

from pathlib import Path

from ganvas.cli.options import Loading
from ganvas.cli.show import progress
from ganvas.cli.types import Files, Out, Overwrite
from ganvas.edits.recipe import load_recipe
from ganvas.edits.render import render as rendered
from ganvas.errors import GanvasError
from ganvas.images.saving import ImageFiles
from ganvas.io.result_folder import is_file_name
from ganvas.reports.image_files import check_single
from ganvas.reports.recipe_report import write_recipe_images


def render(
    recipe: Path,
    /,
    *,
    model: str | None = None,
    out: Out = Path("render"),
    overwrite: Overwrite = False,
    files: Files = ImageFiles(),
    loading: Loading = Loading(),
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
    generator = loading.load(name)
    files.check_fits(generator.resolution)
    content.base.check_fits(generator)
    if is_file_name(out):
        check_single(out, len(content.base), overwrite)
        loading.show("render", [], [files.write(out, rendered(generator, content))])
        return
    with loading.results(out, overwrite, generator) as folder, progress() as report:
        lines, paths = write_recipe_images(folder, generator, content, files, report)
    loading.show("render", lines, paths, operations=[str(one) for one in content.active])
