"""The table of inversions: the same photos with the same number of steps, a generator and a space per row, a loss per
column.

A cell whose file exists is finished and not computed again. SSIM is never optimized; all metrics are of images at the
resolution of the smallest generator, so that a column compares the same images.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from ganvas.comparisons.reconstruction import DIGITS, ReconstructionMetrics
from ganvas.errors import GanvasError
from ganvas.generators.protocol import Generator, about_of
from ganvas.images import pixels
from ganvas.inversion.batch import concatenate
from ganvas.inversion.features import FeatureExtractor, bundled_features, recorded_name
from ganvas.inversion.invert import invert
from ganvas.inversion.loss_weights import LossWeights
from ganvas.inversion.prepare import Inversion
from ganvas.inversion.settings import InversionSettings
from ganvas.io.json_files import write_json
from ganvas.io.progress import Progress, silent
from ganvas.io.shared_folder import claim_folder
from ganvas.latents.files import load_latent
from ganvas.metrics.lpips import PublishedFeatures

LOSSES: Mapping[str, LossWeights] = {
    "perceptual": LossWeights(perceptual=1.0),
    "perceptual + L1 + L2": LossWeights(perceptual=1.0, l1=1.0, l2=1.0),
}
BATCH = 10
SMALLEST = 16  # pixels: SSIM and the feature network need as many


@dataclass(frozen=True)
class Row:
    """A row of the table: a generator with its `name`, and the space into which photos are inverted."""

    name: str
    generator: Generator
    space: str

    @property
    def title(self) -> str:
        """The title of the row: "faces, w+"."""
        return f"{self.name}, {self.space}"


@dataclass(frozen=True)
class TableCell:
    """The result of one cell: metrics per photo, and the name of its latent file."""

    row: str
    column: str
    psnr: tuple[float, ...]
    perceptual: tuple[float, ...]
    ssim: tuple[float, ...]
    from_mean: tuple[float, ...]
    seconds: float
    latent: str
    discriminator: tuple[float, ...] | None = None


@dataclass(frozen=True)
class TableSettings:
    """The settings that all cells share."""

    steps: int = 300
    optimizer: str = "adam"
    start: str = "mean"
    seed: int = 0


def rows_of(generators: Mapping[str, Generator]) -> list[Row]:
    """Return the rows of the table: for every generator those of the spaces z, w and w+ that it has."""
    return [
        Row(name, generator, space)
        for name, generator in generators.items()
        for space in ("z", "w", "w+")
        if space in generator.spaces
    ]


def run_table(
    rows: Sequence[Row],
    photos: Mapping[int, Float[Tensor, "n 3 _r _r"]],
    names: Sequence[str],
    folder: Path,
    settings: TableSettings = TableSettings(),
    *,
    losses: Mapping[str, LossWeights] = LOSSES,
    metrics: ReconstructionMetrics | None = None,
    progress: Progress | None = None,
) -> list[TableCell]:
    """Compute the cells that `folder` does not hold yet; returns all, row by row.

    `photos` are the same ones at the resolution of every generator. Raises `GanvasError` where the folder holds another
    table.
    """
    metrics, side, cells = metrics or ReconstructionMetrics(bundled_features()), measured_side(rows), []
    claim_folder(folder, _record(rows, photos, names, settings, losses) | _published(metrics.features))
    for row in rows:
        for column, weights in losses.items():
            path = folder / f"{_slug(row.title)}--{_slug(column)}.json"
            if not path.is_file():
                targets = photos[row.generator.resolution]
                parts = _invert(row, column, weights, targets, names, settings, metrics.features, progress or silent)
                write_cell(row, column, parts, targets, path, metrics, side)
            cells.append(read_cell(path))
    return cells


def _invert(
    row: Row,
    column: str,
    weights: LossWeights,
    photos: Tensor,
    names: Sequence[str],
    settings: TableSettings,
    features: FeatureExtractor,
    progress: Progress,
) -> list[Inversion]:
    """Return the inversions of all photos, batch by batch."""
    chosen = InversionSettings(
        row.space, weights, settings.optimizer, steps=settings.steps, start=settings.start, seed=settings.seed
    )
    parts = []
    for first in range(0, len(photos), BATCH):
        batch = slice(first, first + BATCH)

        def report(what: str, done: int, total: int, first: int = first, count: int = len(photos[batch])) -> None:
            progress(f"{row.title}, {column}", first * total + done * count, len(photos) * total)

        parts.append(
            invert(row.generator, photos[batch], chosen, features=features, names=names[batch], progress=report)
        )
    return parts


def measured_side(rows: Sequence[Row]) -> int:
    """Return the side in pixels at which all rows are measured: the resolution of the smallest generator."""
    return min(row.generator.resolution for row in rows)


def write_cell(
    row: Row,
    column: str,
    parts: Sequence[Inversion],
    photos: Float[Tensor, "n 3 r r"],
    path: Path,
    metrics: ReconstructionMetrics,
    side: int,
) -> TableCell:
    """Write the latent and the metrics of inverted photos, which finishes the cell; returns it. Images and photos are
    compared at `side` pixels.
    """
    latent = concatenate([part.latent for part in parts]).save(path.with_suffix(".safetensors"))
    images = torch.cat([part.images for part in parts])
    measured = metrics.measure(*(pixels.resize(some.cpu().clamp(-1, 1), side, side) for some in (images, photos)))
    cell = TableCell(
        row.title,
        column,
        from_mean=tuple(one.from_mean for part in parts for one in part.metrics),
        seconds=sum(part.metrics[0].seconds for part in parts),
        latent=latent.name,
        **{name: tuple(values) for name, values in measured.items()},
    )
    write_json(path, asdict(cell))
    return cell


def numbers_of(cell: TableCell) -> dict[str, Sequence[float]]:
    """Return a cell's metrics and the seconds per photo, as `ganvas.comparisons.reconstruction` takes them."""
    count = len(cell.psnr)
    found = {name: getattr(cell, name) for name in DIGITS if getattr(cell, name) is not None}
    return found | {"seconds": [cell.seconds / count] * count}


@torch.no_grad()
def images_of(cell: TableCell, generator: Generator, folder: Path, count: int) -> Float[Tensor, "n 3 r r"]:
    """Return the inverted images of the first photos of a cell."""
    latent = load_latent(folder / cell.latent)
    return torch.cat(list(latent.rows(range(min(count, len(latent)))).images(generator)))


def read_cell(path: Path) -> TableCell:
    """Return a finished cell; raises `GanvasError` where its file is damaged."""
    try:
        saved = json.loads(path.read_text("utf-8"))
        fields: dict[str, Any] = {n: tuple(value) if isinstance(value, list) else value for n, value in saved.items()}
        return TableCell(**fields)
    except (ValueError, TypeError, AttributeError) as reason:
        raise GanvasError(
            f"'{path}' is a damaged cell of the table ({reason}); remove it to compute it again."
        ) from reason


def _record(
    rows: Sequence[Row],
    photos: Mapping[int, Tensor],
    names: Sequence[str],
    settings: TableSettings,
    losses: Mapping[str, LossWeights],
) -> dict[str, Any]:
    """Return what identifies a table; sums of the photos tell those of equal names apart."""
    hashes = [about_of(row.generator).hash for row in rows]
    record = {
        "table": [[row.title, digest] for row, digest in zip(rows, hashes, strict=True)],
        "photos": list(names),
        "sums": {str(side): round(float(some.double().sum()), 3) for side, some in sorted(photos.items())},
        "settings": asdict(settings),
        "measured at": measured_side(rows),
        "losses": {name: str(weights) for name, weights in losses.items()},
    }
    return json.loads(json.dumps(record))


def _published(features: FeatureExtractor) -> dict[str, str]:
    """Return what tells a table by features from files from others, nothing for Ganvas' own."""
    return {"features": recorded_name(features)} if isinstance(features, PublishedFeatures) else {}


def _slug(text: str) -> str:
    return "".join(letter if letter.isalnum() or letter == "+" else "-" for letter in text.replace(" + ", "+"))
