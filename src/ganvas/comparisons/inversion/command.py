"""The table of inversions from start to end: photos by every space of one or two generators and by two losses."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from torch import Tensor

from ganvas.comparisons.inversion import report, table
from ganvas.comparisons.inversion.table import TableSettings
from ganvas.comparisons.reconstruction import ReconstructionMetrics
from ganvas.errors import GanvasError
from ganvas.generators.protocol import Generator
from ganvas.images.datasets import open_images
from ganvas.inversion.photos import PhotoSettings, photo_files, read_photos, refuse_unreadable
from ganvas.io.progress import Progress

STARTS = ("mean", "random")


def compare_inversions(
    generators: Mapping[str, Generator],
    photos: Mapping[int, Tensor],
    names: Sequence[str],
    folder: Path,
    settings: TableSettings,
    metrics: ReconstructionMetrics,
    progress: Progress | None = None,
) -> tuple[str, list[Path]]:
    """Compute the cells that `folder` lacks; returns the table as text and the paths of what was written.

    `photos` are the same ones at the resolution of every generator, `names` what they are called.
    """
    rows = table.rows_of(generators)
    cells = table.run_table(rows, photos, names, folder, settings, metrics=metrics, progress=progress)
    paths = report.write(rows, cells, photos, folder, metrics.features.name)
    return report.markdown(cells, metrics.features.name, table.measured_side(rows)), paths


def check_comparison(generators: Sequence[Generator], settings: TableSettings) -> None:
    """Raise `GanvasError` for a start that a table does not have, and for generators that are too small to compare."""
    if settings.start.partition(":")[0] not in STARTS:
        raise GanvasError(f"A table starts from the mean or from random codes, not from '{settings.start}'.")
    if any(generator.resolution < table.SMALLEST for generator in generators):
        raise GanvasError(f"The table compares images of {table.SMALLEST} pixels and more; this generator's are less.")


def comparison_photos(
    paths: Sequence[Path], generator: Generator, settings: PhotoSettings, count: int
) -> tuple[Tensor, list[str]]:
    """Return photos at the generator's resolution with their names: files, or `count` of a folder or zip, evenly."""
    if len(paths) == 1 and (paths[0].is_dir() or paths[0].suffix.lower() == ".zip"):
        if count < 1:
            raise GanvasError(f"{count} photos are none; give --count of 1 or more.")
        if settings != PhotoSettings():
            raise GanvasError(
                "Of a folder or zip the table takes the middle squares, over white; leave --crop, --eyes and "
                "--background out, or name the photos one by one."
            )
        dataset = open_images(paths[0], generator.resolution, fewest=1)
        chosen = dataset.spread(count)
        return dataset.batch(chosen), [f"photo {number}" for number in chosen.tolist()]
    files = photo_files(paths)
    photos = read_photos(files, generator, settings)
    refuse_unreadable(photos.unreadable, len(files))
    return photos.images, [f"{number} {file.stem}" for number, file in enumerate(photos.files)]
