"""Distances between sets of edited images by a second network: the edits of finished cells are made again."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float

from ganvas.comparisons.directions.cells import Bench, Cell, Measured
from ganvas.comparisons.directions.found import Found
from ganvas.comparisons.directions.results import Line, distance_to, joined
from ganvas.comparisons.directions.settings import DirectionComparison
from ganvas.io.progress import Progress
from ganvas.io.shared_folder import missing_shares, wait_for
from ganvas.metrics.features import ImageFeatures

BATCH = 25


@torch.no_grad()
def add_features(
    network: ImageFeatures,
    bench: Bench,
    searches: Mapping[tuple[int, str], Found],
    cells: Sequence[Cell],
    folder: Path,
    progress: Progress,
) -> None:
    """Make this process's share of the features of first directions by another network, in files in ``second``."""
    first = [cell for cell in cells if cell.index == 0]
    mine = missing_shares([_path(folder, cell) for cell in first])
    for done, number in enumerate(mine):
        progress("Features of edited images", done, len(mine))
        cell = first[number]
        held = folder / "cells" / cell.file_name
        wait_for([held], progress)
        measured, directions = Measured.load(held), searches[cell.region, cell.method].directions
        assert directions is not None
        strengths = torch.from_numpy(measured.strengths).float()
        edited = bench.edited(cell, directions[0], strengths)[1][strengths.isfinite()].clamp(-1, 1)
        parts = [network(images.to(network.device)).cpu() for images in edited.split(BATCH)]
        features = torch.cat(parts).half().numpy() if parts else np.zeros((0, 0), np.float16)
        replace(measured, features=features).save(_path(folder, cell))


def with_second(
    lines: Sequence[Line],
    settings: DirectionComparison,
    cells: Sequence[Cell],
    folder: Path,
    reference: Float[np.ndarray, "m d"],
    progress: Progress,
) -> list[Line]:
    """Return the lines with the distances that the files of all processes give."""
    first = [cell for cell in cells if cell.index == 0]
    paths = [_path(folder, cell) for cell in first]
    wait_for(paths, progress)
    found = joined(first, [Measured.load(path) for path in paths])
    keys = [(settings.regions.index(line.region), line.method, 0, line.level) for line in lines]
    return [
        replace(line, second=distance_to(reference, found[key].features)) for line, key in zip(lines, keys, strict=True)
    ]


def _path(folder: Path, cell: Cell) -> Path:
    return folder / "second" / cell.file_name
