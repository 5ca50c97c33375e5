"""``ganvas edit``: images moved along a direction."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from ganvas.cli import numbers
from ganvas.cli.options import Source
from ganvas.cli.paste import Pasted
from ganvas.cli.preview import ShowRegion, known_image
from ganvas.cli.preview import show_region as preview
from ganvas.cli.recipes import EditResults, Onto
from ganvas.cli.show import COMMAND_LINE, progress
from ganvas.cli.strong import Strong
from ganvas.cli.types import EditOut, Layers, Model, RegionText, Seeds, Space, Strengths, Texts
from ganvas.directions.direction import Directions, Strength
from ganvas.directions.files import direction_of_text, load_fitting, picked
from ganvas.directions.find import mask_of, region_of
from ganvas.directions.strengths import default_strengths
from ganvas.edits.rim import joined
from ganvas.errors import GanvasError
from ganvas.images.video import check_frames
from ganvas.regions import Region
from ganvas.reports.direction_text import describe_edit
from ganvas.reports.edit_report import EditRun
from ganvas.reports.region_report import Edit

DEFAULT_SEEDS = range(4, 8)


def edit(
    model: Model,
    directions: Path,
    /,
    *,
    index: numbers.Index = 0,
    strength: Strengths | None = None,
    add: Texts | None = None,
    seeds: Seeds | None = None,
    layers: Layers | None = None,
    space: Space | None = None,
    frames: numbers.Frames = 24,
    region: RegionText | None = None,
    show_region: ShowRegion = False,
    out: EditOut = Path("edit"),
    strong: Strong = Strong(),
    onto: Onto = Onto(),
    source: Source = Source(),
    results: EditResults = EditResults(),
) -> None:
    """Move images along a direction, all by the same strengths.

    Writes, at the generator's size, a file for each image and strength (images/seed0004_+3.png and so on) and videos of
    the first four images (videos/seed0004.webp and .gif); a labeled sheet, edit.png, and a page, edit.html, of the
    first sixteen; latent.safetensors with the codes of every edited image (--inside: of the free edits); edit.recipe,
    from which ganvas render makes the images of the last strength again. With --recipe: images/, edit.png with the
    image after every operation, and edit.recipe.

    Args:
        directions: A directions file of ganvas directions, or of other tools: .npy, .npz, .pt, .pkl or text.
        index: Which direction of the file, counted from 0.
        strength: One, a list such as -3,0,3, or a series start:stop:count such as -3:3:7. Distances, or with s
            (-2s:2s:5) in std. -6s:6s:7 by default; -6:6:7 where the file does not know the std.
        add: Another direction at a fixed strength and on layers of its own, added to every image first:
            INDEX:STRENGTH of the same file, or FILE:INDEX:STRENGTH. May be given several times.
        seeds: Which images, such as 1,5,8-11; 4-7 by default.
        layers: Layers to edit, such as 3-5, instead of those that the direction was found for; or all.
        space: Space of directions of other tools, whose files do not say it; w or w+ by their shape by default.
        frames: Frames of the videos on the way there, 0 for none.
        region: The region to outline and to measure; that of the directions by default.
    """
    _check_options(frames, seeds, region, show_region, onto, source)
    generator = results.load(model)
    found = load_fitting(directions, generator, space)
    strengths = strength or default_strengths(found)
    before = tuple(direction_of_text(text, found, directions, generator, space) for text in add or ())
    layers = f"0-{generator.layers - 1}" if layers == "all" and generator.layers else layers
    area = region or onto.inside
    method = strong.method(found, None if area is None else region_of(generator, area)[1])
    confinement = onto.confinement(generator)
    chosen = picked(found, index, directions)
    step = Edit(chosen, strengths, f"direction {index}", layers, before, confinement, method)
    if onto.recipe is not None:
        _check_one(strength)
        recipe = onto.add(onto.read(generator, source), generator, step.moves)
        results.show_recipe("edit", recipe, generator, out)
        return
    latent = _with_label(source, found).read(generator, seeds or DEFAULT_SEEDS, "z" if found.space == "z" else None)
    rim = None if confinement is None else joined(confinement.rims(generator, latent))
    mask = found.mask if rim is None else rim.region
    if region is not None:  # without a rim
        mask = mask_of(generator, region, latent)
    read_as = [f"{directions.name} is read as: {found.origin.notes}"] if found.origin.notes else []
    area = None if mask is None else Region.from_mask(mask)
    results.paste.check(latent)
    title, facts = f"{directions.stem}, direction {index}", describe_edit(found, step, latent, COMMAND_LINE.get())
    target = results.destination(out, generator, len(latent) * len(strengths))
    with target as folder, progress() as report:
        seen = [preview(out, known_image(generator, latent), area)] if show_region else []
        if folder is None:
            pasted = results.paste.write_edit(out, generator, latent, step, area)
            paths = pasted.files or [results.files.write(out, next(step.each(generator, latent)))]
            results.show("edit", [*read_as, *pasted.lines], [*seen, *paths])
            return
        pasted = Pasted()
        also = results.paste.writer(pasted, folder, generator, step, area)
        run = EditRun(generator, latent, step, mask, results.files, frames, rim, also)
        written = run.write(folder, title, facts, report)
    lines, paths = [*read_as, *written.lines, *pasted.lines], [*seen, *written.files, *pasted.files]
    results.show("edit", lines, paths, written.finished, changes=written.changes, images=written.images)


def _check_options(
    frames: int, seeds: Sequence[int] | None, region: str | None, show_region: bool, onto: Onto, source: Source
) -> None:
    check_frames(frames)
    source.refuse_seeds(seeds)
    if onto.recipe is not None and (seeds is not None or region is not None or show_region):
        raise GanvasError("--recipe says which images; leave --seeds, --region and --show-region out.")
    if onto.inside is not None and region is not None:
        raise GanvasError("--inside says which region is outlined and measured; leave --region out.")


def _check_one(strengths: Sequence[Strength] | None) -> None:
    """Raise `GanvasError` unless there is one strength, as a recipe takes it."""
    if strengths is None or len(strengths) != 1:
        raise GanvasError("An operation of a recipe has one strength; give one, such as --strength 3 or --strength 2s.")


def _with_label(source: Source, found: Directions) -> Source:
    """Return the options with the class that the directions were found at, where none was given."""
    if source.latent is not None or source.label is not None or not isinstance(found.origin.label, int):
        return source
    return replace(source, label=str(found.origin.label))
