"""``ganvas invert``: photos to codes of a generator."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from cyclopts import Parameter

from ganvas.cli.context import COMMAND_LINE
from ganvas.cli.inversion_orders import Search, TuningOptions
from ganvas.cli.inversion_table import compare, refuse_beside
from ganvas.cli.photo_options import Preparation, complaint, different, images_in, read_all
from ganvas.cli.progress import progress
from ganvas.cli.shared import Common, Flag, check_frames, make_folder, with_seconds, wrote
from ganvas.comparisons.inversion.table import Settings
from ganvas.errors import GanvasError, ImageError
from ganvas.inversion.batch import Work
from ganvas.inversion.report_card import Card
from ganvas.latents.latent import Latent
from ganvas.reports.inversion_report import kept_moments, write_inversion, write_latest

DEFAULT_FRAMES = 40


@Parameter(name="*")
@dataclass(frozen=True)
class TableOptions:
    """Options of the table."""

    table: Flag = False
    """Instead: invert the photos into every space of MODEL by two losses, and write the table that compares them.
    PHOTO may then be a folder or a zip. Given again with the same --out it goes on."""
    vanilla: str | None = None
    """With --table: another generator to compare with, such as a DCGAN, in rows above."""
    count: int = 20
    """With --table: how many photos of a folder or zip, from all over it."""


def invert(
    model: str,
    /,
    *photos: Path,
    frames: int | None = None,
    out: Path = Path("invert"),
    search: Search = Search(),
    preparation: Preparation = Preparation(),
    tuning: TuningOptions = TuningOptions(),
    tables: TableOptions = TableOptions(),
    common: Common = Common(),
) -> None:
    """Find the codes of a generator whose images are like photos.

    Writes latent.safetensors, which ganvas edit MODEL DIRECTIONS --latent FILE opens; the photos beside what became of
    them, numbers, the curve of the loss and a video of the way.

    Parameters
    ----------
    model
        A bundled name (faces, cats), a name of the zoo or a file of a generator.
    photos
        Image files, or folders of them. One that cannot be read is named at the end; the others are done.
    frames
        Images in the video, 0 for none; 40 by default.
    out
        Folder for the results; files of an earlier run there are replaced.
    search
        Where codes are looked for, and what is made small.
    preparation
        How photos are cut, and whether they are far from what the generator knows.
    tuning
        Changing the generator too.
    tables
        A table of spaces and losses.
    common
        Options of every command.
    """
    if not photos:
        raise GanvasError("No photo was given; name at least one image file after the generator.")
    if tables.table:
        others = {"--frames": frames is not None, "--familiar": preparation.familiar == "on"}
        given = [option for option, is_given in others.items() if is_given]
        refuse_beside([*search.beyond_tables(), *tuning.beyond_tables(), *given])
        names = [name for name in (tables.vanilla, model) if name]
        start = "mean" if search.start == "auto" else search.start
        settings = Settings(search.steps, search.optimizer, start, search.seed)
        compare(names, photos, tables.count, settings, preparation, out, common)
        return
    if tables.vanilla is not None:
        raise GanvasError("--vanilla names another generator of the table; give --table too, or leave it out.")
    shown = DEFAULT_FRAMES if frames is None else frames
    check_frames(shown)
    _invert(model, photos, shown, out, search, preparation, tuning, common)


def _invert(
    model: str,
    photos: Sequence[Path],
    frames: int,
    out: Path,
    search: Search,
    preparation: Preparation,
    tuning: TuningOptions,
    common: Common,
) -> None:
    begun = time.perf_counter()
    generator, then = common.load(model), tuning.settings()
    settings, look, mask = search.settings(generator), search.look(generator), search.mask(generator)
    files = images_in(photos)
    images, rows, bad = read_all(files, generator, preparation)
    if isinstance(settings.start, Latent) and len(settings.start) == len(files):
        settings = replace(settings, start=settings.start.rows(rows))
    names = different([files[row].stem for row in rows])
    make_folder(out)
    work = Work(
        generator,
        images,
        names,
        settings,
        mask,
        look,
        kept_moments(settings.steps, frames) if frames else set(),
        then,
        sources=[str(files[row]) for row in rows],
        saved=lambda done: write_latest(out, done),
    )
    with progress() as report:
        far = preparation.warnings(generator, images, names, settings.label, report)
        whole = work.through(report)
    region = search.region
    paths = write_inversion(out, work, {"region": region, "command": COMMAND_LINE.get()}, video=frames > 0)
    distance = work.finished[0].run.look.name
    inside = [] if region is None else [f"measured in the region {region} alone"]
    common.show(
        [*table(work.cards(), distance), *inside, *far, *wrote(paths), with_seconds(begun)],
        {
            "command": "invert",
            "perceptual_distance": distance,
            "region": region,
            "photos": [{"stage": stage, **card.as_dict()} for stage, card in work.cards()],
            "far": far,
            "unread": [path for path, _ in bad],
            "files": paths,
        },
    )
    if not whole:
        raise KeyboardInterrupt
    if bad:
        raise ImageError(complaint(bad, len(files)))


def table(cards: Sequence[tuple[str, Card]], look: str) -> list[str]:
    """Return the lines that tell the numbers."""
    width = max(len(card.name) for _, card in cards)
    lines = [f"{'':{width}}            PSNR   {look}   from the mean"]
    for stage, card in cards:
        lines.append(
            f"{card.name:{width}}  {stage:8}  {card.psnr:5.2f} dB  {card.perceptual:{len(look)}.4f}  "
            f"{card.from_mean:5.2f} deviations"
        )
    return lines
