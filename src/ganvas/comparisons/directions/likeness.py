"""How like their originals the edits of the chosen directions are: the edits of finished cells are made again."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from ganvas.comparisons.directions.cells import Bench, Cell, Measured
from ganvas.comparisons.directions.found import Found
from ganvas.comparisons.directions.results import Key, Likenesses
from ganvas.io.files import atomic_path
from ganvas.io.progress import Progress
from ganvas.io.shared_folder import missing_shares, wait_for
from ganvas.metrics.identity import Distance


@dataclass
class _Originals:
    """The originals of the images first..last-1, each looked at once for all of its edits."""

    distance: Distance
    first: int = -1
    known: list[Callable[[Float[Tensor, "1 3 h w"]], float]] = field(default_factory=list)

    def distances(
        self, first: int, before: Float[Tensor, "n 3 h w"], after: Float[Tensor, "n 3 h w"]
    ) -> Float[np.ndarray, "n"]:
        """Return the distances of edited images from their originals."""
        if self.first != first:
            self.first, self.known = first, [self.distance(image) for image in before.split(1)]
        return np.array([to(image) for to, image in zip(self.known, after.split(1), strict=True)])


def measure_likeness(
    distance: Distance,
    bench: Bench,
    searches: Mapping[tuple[int, str], Found],
    cells: Sequence[Cell],
    keys: Sequence[Key],
    folder: Path,
    progress: Progress,
) -> Likenesses:
    """Make this process's share of the distances, in files in ``alike``, and return those of all; nan where the level
    was not reached.
    """
    used = [cell for cell in cells if cell.first < bench.settings.alike]
    wanted = [(key, cell) for cell in used for key in keys if key[:3] == (cell.region, cell.method, cell.index)]
    paths = [folder / "alike" / f"{cell.name}-{key[3]:g}.npy" for key, cell in wanted]
    originals = _Originals(distance)
    mine = missing_shares(paths)
    for done, number in enumerate(mine):
        progress("Comparing edited images with their originals", done, len(mine))
        key, cell = wanted[number]
        directions = searches[cell.region, cell.method].directions
        assert directions is not None
        held = Measured.load(folder / "cells" / f"{cell.name}.npz")
        strengths = torch.from_numpy(held.at(bench.settings.levels.index(key[3])).strengths).float()
        before, after = bench.edited(cell, directions[cell.index], strengths)
        found = np.where(strengths.isfinite(), originals.distances(cell.first, before, after), np.nan)
        with atomic_path(paths[number]) as temporary, temporary.open("wb") as stream:
            np.save(stream, found)
    wait_for(paths, progress)
    parts: dict[Key, list[Float[np.ndarray, "_n"]]] = {}
    for (key, _), path in zip(wanted, paths, strict=True):
        parts.setdefault(key, []).append(np.load(path, allow_pickle=False))
    return {key: np.concatenate(ones) for key, ones in parts.items()}
