"""``ganvas borrow``: a part of another image."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from ganvas.cli import numbers
from ganvas.cli.options import Source, latent_of_text
from ganvas.cli.recipes import EditResults
from ganvas.cli.show import progress
from ganvas.cli.types import EditOut, Flag, Model, RegionText
from ganvas.directions.find import region_of
from ganvas.edits.borrow import rank_sources
from ganvas.edits.confine import ConfineSettings
from ganvas.edits.recipe import Recipe
from ganvas.errors import GanvasError
from ganvas.generators.protocol import about_of


def borrow(
    model: Model,
    /,
    *,
    part: RegionText,
    from_: Annotated[str, Parameter(name="--from")],
    to: str = "seed:4",
    strength: numbers.Fraction = 1.0,
    colors: Flag = False,
    nearest: numbers.Count = 1,
    by: Literal["inside", "outside"] = "outside",
    rim: numbers.Fraction | None = None,
    out: EditOut = Path("borrow"),
    source: Source = Source(),
    results: EditResults = EditResults(),
) -> None:
    """Give an image a part of another one, such as its mouth: outside of it, not one pixel changes.

    Writes the images, a sheet and borrow.recipe, from which ganvas render makes them again.

    Args:
        part: What is borrowed: a part such as mouth, part:7 or click:0.5,0.7, or a region.
        from_: The image that has it: seed:7, a latent file or a photo. Of several, such as seed:0-63, the nearest.
        to: The image that gets it: seed:4, a latent file or a photo.
        strength: How much of it: 1 all, 0 nothing.
        colors: Take colors and texture along, not the shape alone.
        nearest: How many of the images of --from to try, the most alike first, each on an image of its own.
        by: What is alike: the image outside the part, or the part itself.
        rim: Width of the rim around the part, in which the change fades, in fractions of the image; 0.1 by default.
    """
    generator = results.load(model)
    named = {name for known in about_of(generator).parts for name in known.names}
    text = f"part:{part}" if part.strip() in named else part
    region_of(generator, text)  # a wrong one is refused before photos are inverted
    with progress() as report:
        target, sources = (latent_of_text(generator, one, source) for one in (to, from_))
        if len(target) != 1:
            raise GanvasError(f"{len(target)} images are to get a part; give one by --to, such as seed:4.")
        ranked = rank_sources(generator, target, sources, text, inside=by == "inside")[:nearest]
        report("Comparing images", len(sources), len(sources))
    settings = ConfineSettings() if rim is None else ConfineSettings(rim)
    chosen = [number for number, _ in ranked]
    names = tuple(f"{target.captions[0]} with {part} of {sources.captions[number]}" for number in chosen)
    base = replace(target.rows([0] * len(chosen)), names=names) if len(chosen) > 1 else target
    recipe = Recipe(base, settings=settings).borrow(sources.rows(chosen), text, strength=strength, colors=colors)
    results.show_recipe("borrow", recipe, generator, out)
