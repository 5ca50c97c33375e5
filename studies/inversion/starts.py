"""What an encoder saves: its first reconstruction against steps of optimization from the mean, and both together."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from ganvas.comparisons.inversion.table import BATCH, Row, TableCell, images_of, read_cell, write_cell
from ganvas.comparisons.reconstruction import ReconstructionMetrics
from ganvas.generators.protocol import Generator, about_of
from ganvas.images import sheets
from ganvas.inversion.features import FeatureExtractor
from ganvas.inversion.invert import invert
from ganvas.inversion.prepare import Inversion, finish_inversion, prepare_inversion
from ganvas.inversion.settings import InversionSettings
from ganvas.inversion.starts import ImageEncoder
from ganvas.io.json_files import plain
from ganvas.io.shared_folder import claim_folder

SHOWN = 6


@dataclass(frozen=True)
class Way:
    """A way to a code in w+: from the encoder's or the mean, by so many steps of the usual inversion."""

    encoder: bool
    steps: int

    @property
    def title(self) -> str:
        """What it is called: "mean, 100 steps"."""
        start = "encoder" if self.encoder else "mean"
        return f"{start}, {self.steps} steps" if self.steps else f"{start} alone"


WAYS = (Way(True, 0), Way(False, 100), Way(True, 100), Way(False, 300), Way(True, 300))
"""In the order in which the table compares neighbors."""


def run(
    generator: Generator,
    encode: ImageEncoder,
    photos: Float[Tensor, "n 3 r r"],
    folder: Path,
    metrics: ReconstructionMetrics,
    ways: Sequence[Way],
    *,
    encoder_hash: str = "",
    progress: Callable[[str, int, int], None] = lambda what, done, total: None,
) -> dict[str, TableCell]:
    """Return a finished cell for every way, by its title; what `folder` holds is not computed again."""
    folder.mkdir(parents=True, exist_ok=True)
    claim_folder(folder, _record(generator, photos, encoder_hash))
    cells = {}
    for way in ways:
        place = folder / f"{way.title.replace(', ', '-').replace(' ', '-')}.json"
        if not place.is_file():
            parts = []
            for some in photos.split(BATCH):
                parts.append(_look_for(generator, encode, some, way, metrics.features))
                progress(way.title, sum(len(part.metrics) for part in parts), len(photos))
            write_cell(
                Row(about_of(generator).name, generator, "w+"),
                way.title,
                parts,
                photos,
                place,
                metrics,
                generator.resolution,
            )
        cells[way.title] = read_cell(place)
    return cells


def _look_for(
    generator: Generator, encode: ImageEncoder, photos: Tensor, way: Way, features: FeatureExtractor
) -> Inversion:
    settings = InversionSettings("w+", steps=max(way.steps, 1), start=encode if way.encoder else "mean")
    if way.steps:
        return invert(generator, photos, settings, features=features)
    begun = time.perf_counter()
    prepared = prepare_inversion(generator, photos, settings, features=features)
    start, seconds = next(prepared.steps()), time.perf_counter() - begun
    return finish_inversion(prepared, start, seconds)


def _record(generator: Generator, photos: Tensor, encoder_hash: str) -> dict[str, Any]:
    about = about_of(generator)
    return plain({"generator": about.hash, "encoder": encoder_hash, "sum": round(float(photos.double().sum()), 3)}, str)


def sheet(
    photos: Float[Tensor, "n 3 r r"], cells: Mapping[str, TableCell], generator: Generator, folder: Path
) -> Float[Tensor, "1 3 height width"]:
    """Return the first photos in a row each, and what they became by every way."""
    few = photos[:SHOWN].cpu()
    columns = {"photo": few, **{way: images_of(cell, generator, folder, len(few)) for way, cell in cells.items()}}
    cells_in_order = torch.stack([some.float().clamp(-1, 1) for some in columns.values()], dim=1).flatten(0, 1)
    return sheets.labeled_grid(cells_in_order, len(columns), [name.replace(" steps", "") for name in columns])
