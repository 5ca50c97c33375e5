"""How like their originals the edits of the chosen directions are: the edits of finished cells are made again."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from ganvas.comparisons.directions.cells import Bench, Cell, Measured
from ganvas.comparisons.directions.found import Found, direction_at
from ganvas.comparisons.directions.results import Key, Likenesses
from ganvas.images.saving import file_name
from ganvas.io.files import atomic_path
from ganvas.io.progress import Progress
from ganvas.io.shared_folder import missing_shares, wait_for
from ganvas.metrics.identity import Distance
from ganvas.metrics.locality import mask_mean
from ganvas.metrics.lpips import PublishedFeatures
from ganvas.regions import Region


class Alike:
    """Distances by a likeness; each original is looked at once for all of its edits."""

    folder = "alike"

    def __init__(self, distance: Distance) -> None:
        self.distance = distance
        self.first = -1
        self.known: list[Callable[[Float[Tensor, "1 3 h w"]], float]] = []

    def __call__(
        self, cell: Cell, before: Float[Tensor, "n 3 h w"], after: Float[Tensor, "n 3 h w"]
    ) -> Float[np.ndarray, "n"]:
        """Return the distances of edited images from their originals."""
        if self.first != cell.first:
            self.first, self.known = cell.first, [self.distance(image) for image in before.split(1)]
        return np.array([to(image) for to, image in zip(self.known, after.split(1), strict=True)])


class PerceptualChange:
    """The perceptual distance inside and outside each region: means of its map, of images as they would be saved."""

    def __init__(self, features: PublishedFeatures, regions: Sequence[Region]) -> None:
        self.features = features
        self.regions = regions
        self.folder = file_name(f"{features.name}-{features.hash}")  # of other weights, another one

    @torch.no_grad()
    def __call__(
        self, cell: Cell, before: Float[Tensor, "n 3 h w"], after: Float[Tensor, "n 3 h w"]
    ) -> Float[np.ndarray, "n 2"]:
        """Return both means for each image."""
        masks = self.regions[cell.region].split(*before.shape[-2:])
        pairs = zip(*(images.float().clamp(-1, 1).split(1) for images in (before, after)), strict=True)
        maps = torch.cat([self.features.distance_map(image, edited) for image, edited in pairs])
        return torch.stack([mask_mean(maps, mask) for mask in masks], dim=1).double().cpu().numpy()


def measure_likeness(
    measure: Alike | PerceptualChange,
    bench: Bench,
    searches: Mapping[tuple[int, str], Found],
    cells: Sequence[Cell],
    keys: Sequence[Key],
    folder: Path,
    progress: Progress,
) -> Likenesses:
    """Make this process's share of what `measure` gives for the first images, in files in its folder, and return what
    it gives for all; nan where the level was not reached.
    """
    used = [cell for cell in cells if cell.first < bench.settings.alike]
    wanted = [(key, cell) for cell in used for key in keys if key[:3] == (cell.region, cell.method, cell.index)]
    paths = [folder / measure.folder / f"{cell.name}-{key[3]:g}.npy" for key, cell in wanted]
    mine = missing_shares(paths)
    for done, number in enumerate(mine):
        progress("Comparing edited images with their originals", done, len(mine))
        key, cell = wanted[number]
        direction = direction_at(searches, cell.region, cell.method, cell.index)
        held = Measured.load(folder / "cells" / f"{cell.name}.npz")
        strengths = torch.from_numpy(held.at(bench.settings.levels.index(key[3])).strengths).float()
        found = measure(cell, *bench.edited(cell, direction, strengths))
        found[strengths.isinf().numpy()] = np.nan
        with atomic_path(paths[number]) as temporary, temporary.open("wb") as stream:
            np.save(stream, found)
    wait_for(paths, progress)
    parts: dict[Key, list[Float[np.ndarray, "_n *_k"]]] = {}
    for (key, _), path in zip(wanted, paths, strict=True):
        parts.setdefault(key, []).append(np.load(path, allow_pickle=False))
    return {key: np.concatenate(ones) for key, ones in parts.items()}
