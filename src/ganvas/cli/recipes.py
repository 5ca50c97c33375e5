"""What commands do with recipes: begin with one, add an operation to it, show what it makes."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path

from cyclopts import Parameter

from ganvas.cli.inside import CONFINED, Inside
from ganvas.cli.options import ImageResults, Source
from ganvas.cli.paste import PasteOptions
from ganvas.cli.show import progress
from ganvas.cli.types import COMPUTING
from ganvas.edits.operations import Change
from ganvas.edits.recipe import Recipe, load_recipe
from ganvas.edits.render import render
from ganvas.errors import GanvasError
from ganvas.generators.protocol import Generator
from ganvas.images.decoding import is_image
from ganvas.images.pixels import WRITABLE
from ganvas.io.result_folder import ResultFolder, check_ending
from ganvas.io.tensor_files import is_ours
from ganvas.reports.recipe_report import write_recipe_images


@Parameter(name="*", group=CONFINED)
@dataclass(frozen=True)
class Onto(Inside):
    """Where an operation may change images, and the recipe that it is added to."""

    recipe: Path | None = None
    """A recipe to go on from, in place of other images: this operation is added to those that it has. A photo or a
    latent file begins a new one."""

    def read(self, generator: Generator, source: Source = Source()) -> Recipe:
        """Return the recipe; raises `GanvasError` where an option was given that a recipe decides itself."""
        assert self.recipe is not None
        if is_image(self.recipe) or is_ours(self.recipe):
            source.refuse_with("--recipe has", latent=source.latent)
            return Recipe(replace(source, latent=self.recipe).read(generator, ()))
        others = {"latent": source.latent, "samples": source.samples, "noise-seed": source.noise_seed}
        source.refuse_with("A recipe has", **others)
        recipe = load_recipe(self.recipe)
        recipe.base.check_fits(generator)
        return recipe

    def add(self, recipe: Recipe, generator: Generator, changes: Sequence[Change]) -> Recipe:
        """Return a recipe with more operations, all inside the region or all free; raises `GanvasError` for another rim
        than that of the regions it has.
        """
        confinement = self.confinement(generator)
        if confinement is not None and (self.rim is not None or self.within):
            if any(one.inside is not None for one in recipe.operations) and recipe.settings != confinement.settings:
                raise GanvasError("All regions of a recipe have one rim, and this one has its own; leave --rim out.")
            recipe = replace(recipe, settings=confinement.settings)
        for change in changes:
            recipe = recipe.add(change, None if confinement is None else confinement.inside)
        return recipe


@Parameter(name="*", group=COMPUTING)
@dataclass(frozen=True)
class EditResults(ImageResults):
    """The same for edited images, which can go back into photos."""

    paste: PasteOptions = PasteOptions()

    def destination(
        self, out: Path, generator: Generator, images: int = 1
    ) -> AbstractContextManager[ResultFolder | None]:
        """Give the folder of the results; None where `out` names a file, in a format that images are written in."""
        if not self.paste.paste_back:
            check_ending(out, WRITABLE)
        return super().destination(out, generator, images)

    def show_recipe(self, command: str, recipe: Recipe, generator: Generator, out: Path) -> None:
        """Write a recipe's images, its sheet and, where `command` has changed it, the recipe; say what was written."""
        self.paste.check(recipe.base)
        lines, paths = list[str](), list[Path]()
        with self.destination(out, generator, len(recipe.base)) as folder, progress() as report:
            if folder is not None:
                lines, paths = write_recipe_images(folder, generator, recipe, self.files, report, command)
                if command != "render":
                    paths.append(recipe.save(folder / f"{command}.recipe"))
            pasted = self.paste.write_recipe(out, folder, command, generator, recipe)
            paths += pasted.files
            paths = paths or [self.files.write(out, render(generator, recipe))]
        operations = [str(one) for one in recipe.active]
        self.show(command, [*lines, *pasted.lines], paths, operations=operations)
