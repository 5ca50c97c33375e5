"""``ganvas invert``: photos to codes of a generator."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from cyclopts import Parameter

from ganvas.cli.context import COMMAND_LINE
from ganvas.cli.inversion_orders import Search, TuningOptions
from ganvas.cli.inversion_table import compare, refuse_beside
from ganvas.cli.photo_options import Preparation
from ganvas.cli.progress import progress
from ganvas.cli.shared import Common, Flag, check_frames, make_folder, with_seconds, wrote
from ganvas.comparisons.inversion.table import TableSettings
from ganvas.errors import GanvasError, ImageError
from ganvas.inversion.batch import BatchInversion
from ganvas.inversion.metrics import InversionMetrics
from ganvas.inversion.photos import photo_files, unique_names, unreadable_message
from ganvas.latents.latent import Latent
from ganvas.reports.inversion_report import video_steps, write_inversion, write_latest

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
        How photos are cropped and aligned, and whether they are checked for being out of distribution.
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
        others = {"--frames": frames is not None, "--ood": preparation.ood == "on"}
        given = [option for option, is_given in others.items() if is_given]
        refuse_beside([*search.beyond_tables(), *tuning.beyond_tables(), *given])
        names = [name for name in (tables.vanilla, model) if name]
        start = "mean" if search.start == "auto" else search.start
        settings = TableSettings(search.steps, search.optimizer, start, search.seed)
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
    settings, features, mask = search.settings(generator), search.features(generator), search.mask(generator)
    files = photo_files(photos)
    read = preparation.read(files, generator)
    if isinstance(settings.start, Latent) and len(settings.start) == len(files):
        settings = replace(settings, start=settings.start.rows(read.rows))
    names = unique_names([file.stem for file in read.files])
    make_folder(out)
    inversion = BatchInversion(
        generator,
        read.images,
        names,
        settings,
        mask,
        features,
        video_steps(settings.steps, frames) if frames else set(),
        then,
        sources=[str(file) for file in read.files],
        on_saved=lambda done: write_latest(out, done),
    )
    with progress() as report:
        far = preparation.warnings(generator, read.images, names, settings.label, report)
        whole = inversion.run(report)
    region = search.region
    paths = write_inversion(out, inversion, {"region": region, "command": COMMAND_LINE.get()}, video=frames > 0)
    distance = inversion.started[0].prepared.features.name
    inside = [] if region is None else [f"measured in the region {region} alone"]
    common.show(
        [*table(inversion.metrics(), distance), *inside, *far, *wrote(paths), with_seconds(begun)],
        {
            "command": "invert",
            "perceptual_distance": distance,
            "region": region,
            "photos": [{"stage": stage, **one.as_dict()} for stage, one in inversion.metrics()],
            "ood": far,
            "unread": [path for path, _ in read.unreadable],
            "files": paths,
        },
    )
    if not whole:
        raise KeyboardInterrupt
    if read.unreadable:
        raise ImageError(unreadable_message(read.unreadable, len(files)))


def table(metrics: Sequence[tuple[str, InversionMetrics]], distance: str) -> list[str]:
    """Return the lines that tell the numbers."""
    width = max(len(one.name) for _, one in metrics)
    lines = [f"{'':{width}}            PSNR   {distance}   from the mean"]
    for stage, one in metrics:
        lines.append(
            f"{one.name:{width}}  {stage:8}  {one.psnr:5.2f} dB  {one.perceptual:{len(distance)}.4f}  "
            f"{one.from_mean:5.2f} std"
        )
    return lines
