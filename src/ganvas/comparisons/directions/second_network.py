"""Distances between sets of edited images by a second network: the edits of finished cells are made again."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from ganvas.comparisons.directions.cells import Bench, Cell, Measured
from ganvas.comparisons.directions.found import Found, direction_at
from ganvas.comparisons.directions.results import Line, distance_to, joined
from ganvas.comparisons.directions.settings import DirectionComparison
from ganvas.io.progress import Progress
from ganvas.io.shared_folder import missing_shares, wait_for
from ganvas.metrics.features import ImageFeatures


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
        measured = Measured.load(folder / "cells" / f"{cell.name}.npz")
        direction = direction_at(searches, cell.region, cell.method, 0)
        strengths = torch.from_numpy(measured.strengths).float()
        levels = [_features(network, bench.edited(cell, direction, one)[1], one) for one in strengths]
        replace(measured, features=np.stack(levels)).save(_path(folder, cell))


def _features(
    network: ImageFeatures, images: Float[Tensor, "n 3 h w"], strengths: Float[Tensor, "n"]
) -> Float[np.ndarray, "n d"]:
    """Return features, nan where the strength is inf."""
    features = network(images.clamp(-1, 1).to(network.device)).cpu().half()
    features[strengths.isinf()] = torch.nan
    return features.numpy()


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
    found = joined(settings, first, [Measured.load(path) for path in paths])
    keys = [(settings.regions.index(line.region), line.method, 0, line.level) for line in lines]
    return [
        replace(line, second=distance_to(reference, found[key].features)) for line, key in zip(lines, keys, strict=True)
    ]


def _path(folder: Path, cell: Cell) -> Path:
    return folder / "second" / f"{cell.name}.npz"
