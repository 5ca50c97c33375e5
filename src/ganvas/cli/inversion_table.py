"""``ganvas invert --table``: the same photos by every space of one or two generators and by two losses."""

import time
from collections.abc import Sequence
from pathlib import Path

from studies.inversion import report
from torch import Tensor

from ganvas.cli.photo_options import Preparation
from ganvas.cli.progress import progress
from ganvas.cli.shared import Common, make_folder, with_seconds, wrote
from ganvas.comparisons.inversion import table
from ganvas.comparisons.inversion.table import TableSettings
from ganvas.comparisons.reconstruction import reconstruction_metrics_for
from ganvas.errors import GanvasError, ImageError
from ganvas.generators.protocol import Generator, about_of
from ganvas.images.datasets import open_images
from ganvas.inversion.photos import photo_files, unreadable_message

STARTS = ("mean", "random")


def compare(
    models: Sequence[str],
    photos: Sequence[Path],
    count: int,
    settings: TableSettings,
    preparation: Preparation,
    out: Path,
    common: Common,
) -> None:
    """Fill the table's cells, those that `out` does not hold yet, and show it."""
    begun = time.perf_counter()
    if settings.start.partition(":")[0] not in STARTS:
        raise GanvasError(f"A table starts from the mean or from random codes, not from '{settings.start}'.")
    loaded = [common.load(name) for name in models]
    generators = {_called(generator, name): generator for generator, name in zip(loaded, models, strict=True)}
    if any(generator.resolution < table.SMALLEST for generator in generators.values()):
        raise GanvasError(f"The table compares images of {table.SMALLEST} pixels and more; this generator's are less.")
    by_size: dict[int, Tensor] = {}
    names: list[str] = []
    for generator in generators.values():
        by_size[generator.resolution], names = _photos(photos, generator, preparation, count)
    rows = table.rows_of(generators)
    metrics = reconstruction_metrics_for(loaded[-1], models[-1], common.device)
    make_folder(out)
    with progress() as tell:
        cells = table.run_table(rows, by_size, names, out, settings, metrics=metrics, progress=tell)
    paths = report.write(rows, cells, by_size, out, metrics.features.name)
    common.show(
        [
            *report.markdown(cells, metrics.features.name, table.measured_side(rows)).splitlines(),
            *wrote(paths),
            with_seconds(begun),
        ],
        {"command": "invert --table", "photos": names, "perceptual_distance": metrics.features.name, "files": paths},
    )


def refuse_beside(options: Sequence[str]) -> None:
    """Raise `GanvasError` where options were given to which the table does not listen."""
    if options:
        raise GanvasError(
            f"--table compares all spaces by losses of its own, everywhere in the photos; leave {', '.join(options)} "
            "out, or --table."
        )


def _called(generator: Generator, given: str) -> str:
    """Return the generator's name, or how it was given."""
    return about_of(generator).name or Path(given).stem


def _photos(
    paths: Sequence[Path], generator: Generator, preparation: Preparation, count: int
) -> tuple[Tensor, list[str]]:
    """Return photos at the generator's size with their names: of files, or from all over a folder or zip."""
    if len(paths) == 1 and (paths[0].is_dir() or paths[0].suffix.lower() == ".zip"):
        if count < 1:
            raise GanvasError(f"{count} photos are none; give --count of 1 or more.")
        if preparation.crop is not None or preparation.eyes or preparation.background != Preparation.background:
            raise GanvasError(
                "Of a folder or zip the table takes the middle squares, over white; leave --crop, --eyes and "
                "--background out, or name the photos one by one."
            )
        held = open_images(paths[0], generator.resolution, fewest=1)
        chosen = held.spread(count)
        return held.batch(chosen), [f"photo {number}" for number in chosen.tolist()]
    files = photo_files(paths)
    photos = preparation.read(files, generator)
    if photos.unreadable:
        raise ImageError(unreadable_message(photos.unreadable, len(files)))
    return photos.images, [f"{number} {file.stem}" for number, file in enumerate(photos.files)]
