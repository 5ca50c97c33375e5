"""The measurements: one direction of one method at one level of change inside a region, on some held-out images.

Every finished cell is a small file, so that a comparison that was stopped goes on where it was, and several processes
can share it: a number per image is kept, so that no sum depends on who computed it.
"""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from ganvas.comparisons.directions.settings import DirectionComparison
from ganvas.comparisons.matching import match_strength
from ganvas.directions.basis import make_basis
from ganvas.directions.direction import Direction
from ganvas.edits.confine import Confinement
from ganvas.generators.protocol import Generator
from ganvas.io.files import atomic_path
from ganvas.latents.latent import Latent, sample
from ganvas.metrics.features import FeatureNetwork
from ganvas.metrics.identity import Distance
from ganvas.metrics.locality import mean_squared_change, rms_change
from ganvas.regions import Region

SHARD = 25  # images of one file
DEFAULT_LIMIT = 30.0  # Euclidean distance, where no standard deviation is known


@dataclass(frozen=True, order=True)
class Cell:
    """What is measured together: images first..last-1 of those held out."""

    region: int
    method: str
    index: int
    level: float
    first: int
    last: int

    @property
    def file_name(self) -> str:
        """The name of its file."""
        return f"{self.region}-{self.method}-{self.index}-{self.level:g}-{self.first}-{self.last}.npz"


def all_cells(settings: DirectionComparison, counts: dict[tuple[int, str], int]) -> list[Cell]:
    """Return all cells, in an order that gives every method some images first; `counts` says how many directions a
    method has found for a region.
    """
    return [
        Cell(region, method, index, level, first, min(first + SHARD, settings.images))
        for first in range(0, settings.images, SHARD)
        for region in range(len(settings.regions))
        for method in settings.methods
        for index in range(min(settings.directions, counts[region, method]))
        for level in settings.levels
    ]


@dataclass(frozen=True)
class Measured:
    """What a cell gave, a number per image; nan where the level was not reached, whose strength is inf.

    ``inside`` and ``outside`` are mean squared changes in image units, ``identity`` the distance from the original,
    ``features`` [k, d] the edited images' features (empty but for first directions).
    """

    strengths: Float[np.ndarray, "n"]
    inside: Float[np.ndarray, "n"]
    outside: Float[np.ndarray, "n"]
    identity: Float[np.ndarray, "n"]
    features: Float[np.ndarray, "_k _d"]

    def save(self, path: Path) -> None:
        """Write a file, whole or not at all."""
        with atomic_path(path) as temporary, temporary.open("wb") as stream:
            np.savez(stream, **vars(self))

    @classmethod
    def load(cls, path: Path) -> "Measured":
        """Read what `save` wrote."""
        with np.load(path, allow_pickle=False) as held:
            return cls(**{name: held[name] for name in held.files})


@dataclass(frozen=True, eq=False)
class Bench:
    """What the cells of one generator share."""

    generator: Generator
    settings: DirectionComparison
    regions: tuple[Region, ...]
    features: FeatureNetwork
    distance: Distance

    def measure(self, cell: Cell, direction: Direction) -> Measured:
        """Match the change inside on each of the images, and measure what else changes. Odd seeds are moved
        backward, for the sign of a direction means nothing.
        """
        settings, region = self.settings, self.regions[cell.region]
        mover = self._mover(cell, direction)
        foreground, background = region.split(self.generator.resolution, self.generator.resolution)

        def change(rows: Tensor, strengths: Tensor) -> Tensor:
            return rms_change(mover.images(rows, strengths), mover.before[rows], foreground)

        limit = settings.limit * direction.std if np.isfinite(direction.std) else DEFAULT_LIMIT
        with torch.no_grad():
            strengths = match_strength(change, len(mover.before), cell.level, limit, settings.tolerance)
            rows = strengths.isfinite().nonzero()[:, 0]
            after = mover.images(rows, strengths[rows]) if len(rows) else mover.before[rows]
        numbers = {name: np.full(len(strengths), np.nan) for name in ("inside", "outside", "identity")}
        if len(rows):
            numbers["inside"][rows] = mean_squared_change(after, mover.before[rows], foreground).double().numpy()
            numbers["outside"][rows] = mean_squared_change(after, mover.before[rows], background).double().numpy()
            pairs = zip(after.split(1), mover.before[rows].split(1), strict=True)
            numbers["identity"][rows] = [self.distance(one, other) for one, other in pairs]
        features = self._features(after) if cell.index == 0 else np.zeros((0, 0), np.float16)
        return Measured(strengths.double().numpy(), **numbers, features=features)

    @torch.no_grad()
    def edited(
        self, cell: Cell, direction: Direction, strengths: Float[Tensor, "n"]
    ) -> tuple[Float[Tensor, "n 3 h w"], Float[Tensor, "n 3 h w"]]:
        """Return a cell's images and their edits by these strengths, unedited where one is inf."""
        mover = self._mover(cell, direction)
        usable = torch.where(strengths.isfinite(), strengths, torch.zeros_like(strengths))
        return mover.before, mover.images(torch.arange(len(strengths)), usable)

    def _mover(self, cell: Cell, direction: Direction) -> "_Mover":
        """Return what moves a cell's images along a direction, in the space that it moves."""
        seeds, truncation = self.settings.seeds[cell.first : cell.last], self.settings.truncation
        basis = make_basis(self.generator, direction.space, direction.layers)
        drawn = sample(self.generator, seeds, truncation=truncation, space="z" if basis.acts_in == "z" else None)
        latent = drawn.to_space(self.generator, basis.acts_in)
        vector = direction.vector[None].to(latent.codes)
        # Directions of wider spaces are stored as changes of codes already.
        step = basis.embed(vector) if direction.space == "w" else vector
        return _Mover(self, self.regions[cell.region], latent, step, torch.cat(list(latent.images(self.generator))))

    def _features(self, images: Float[Tensor, "n 3 h w"]) -> Float[np.ndarray, "_k _d"]:
        if len(images) == 0:
            return np.zeros((0, 0), np.float16)
        with torch.no_grad():
            return self.features(images.clamp(-1, 1).to(self.features.mean.device)).cpu().half().numpy()


@dataclass(frozen=True, eq=False)
class _Mover:
    """Moves images along a direction, each by a strength of its own: ``step`` is the change of codes for 1."""

    bench: Bench
    region: Region
    latent: Latent
    step: Float[Tensor, "1 *code"]
    before: Float[Tensor, "n 3 h w"]

    def images(self, rows: Tensor, strengths: Tensor) -> Float[Tensor, "k 3 h w"]:
        """Return the edited images of some rows."""
        generator, begun = self.bench.generator, self.latent.rows(rows.tolist())
        signs = 1.0 - 2.0 * (torch.tensor(begun.seeds) % 2)
        lengths = (strengths * signs).to(self.step).view(-1, *[1] * (self.step.ndim - 1))
        edited = replace(begun, codes=begun.codes + lengths * self.step)
        if self.bench.settings.confined:
            return Confinement(self.region).images(generator, begun, edited)
        return torch.cat(list(edited.images(generator)))
