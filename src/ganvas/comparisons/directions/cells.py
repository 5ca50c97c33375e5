"""The measurements: one direction of one method on some held-out images, at every level of change inside a region.

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
from ganvas.comparisons.matching import match_strengths
from ganvas.directions.basis import make_basis
from ganvas.directions.direction import Direction
from ganvas.edits.confine import Confinement
from ganvas.generators.protocol import Generator
from ganvas.io.files import atomic_path
from ganvas.latents.latent import Latent, sample
from ganvas.metrics.features import FeatureNetwork
from ganvas.metrics.locality import mean_squared_change, rms_change
from ganvas.regions import Region

SHARD = 25  # images of one file
DEFAULT_LIMIT = 30.0  # Euclidean distance, where no standard deviation is known


@dataclass(frozen=True, order=True)
class Cell:
    """What is measured together: a direction on images first..last-1 of those held out."""

    region: int
    method: str
    index: int
    first: int
    last: int

    @property
    def name(self) -> str:
        """The name of its files."""
        return f"{self.region}-{self.method}-{self.index}-{self.first}-{self.last}"


def all_cells(settings: DirectionComparison, counts: dict[tuple[int, str], int]) -> list[Cell]:
    """Return all cells, in an order that gives every method some images first; `counts` says how many directions a
    method has found for a region.
    """
    return [
        Cell(region, method, index, first, min(first + SHARD, settings.images))
        for first in range(0, settings.images, SHARD)
        for region in range(len(settings.regions))
        for method in settings.methods
        for index in range(min(settings.directions, counts[region, method]))
    ]


@dataclass(frozen=True)
class Measured:
    """A number per image; nan where the level was not reached, whose strength is inf. A cell has a row of them for each
    level.

    ``inside`` and ``outside`` are mean squared changes in image units, ``features`` [n, d] those of the edited images
    (of none but for first directions).
    """

    strengths: Float[np.ndarray, "*levels n"]
    inside: Float[np.ndarray, "*levels n"]
    outside: Float[np.ndarray, "*levels n"]
    features: Float[np.ndarray, "*levels _k _d"]

    def at(self, level: int) -> "Measured":
        """Return the numbers of one level."""
        return Measured(**{name: values[level] for name, values in vars(self).items()})

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

    @torch.no_grad()
    def measure(self, cell: Cell, direction: Direction) -> Measured:
        """Match the change inside on each of the images, and measure what else changes. Odd seeds are moved
        backward, for the sign of a direction means nothing.
        """
        settings, generator = self.settings, self.generator
        mover = self._mover(cell, direction)
        masks = self.regions[cell.region].split(generator.resolution, generator.resolution)

        def change(rows: Tensor, strengths: Tensor) -> Tensor:
            return rms_change(mover.images(rows, strengths), mover.before[rows], masks[0])

        limit = settings.limit * direction.std if np.isfinite(direction.std) else DEFAULT_LIMIT
        levels = match_strengths(change, len(mover.before), settings.levels, limit, settings.tolerance)
        return _stacked([self._at(mover, strengths, masks, cell.index == 0) for strengths in levels])

    def _at(
        self, mover: "_Mover", strengths: Float[Tensor, "n"], masks: tuple[Tensor, Tensor], with_features: bool
    ) -> Measured:
        """Measure the edits by these strengths."""
        reached = strengths.isfinite()
        rows = reached.nonzero()[:, 0]
        after = mover.images(rows, strengths[rows])
        inside, outside = np.full(len(strengths), np.nan), np.full(len(strengths), np.nan)
        for part, mask in zip((inside, outside), masks, strict=True):
            part[reached.numpy()] = mean_squared_change(after, mover.before[rows], mask).double().cpu().numpy()
        features = np.zeros((0, 0), np.float16)
        if with_features:
            seen = after if len(rows) else mover.before[:1]  # tells at least how many components there are
            found = self.features(seen.clamp(-1, 1).to(self.features.mean.device)).cpu().half().numpy()
            features = np.full((len(strengths), found.shape[1]), np.nan, np.float16)
            features[reached.numpy()] = found[: len(rows)]
        return Measured(strengths.double().numpy(), inside, outside, features)

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


def _stacked(levels: list[Measured]) -> Measured:
    return Measured(**{name: np.stack([getattr(one, name) for one in levels]) for name in vars(levels[0])})


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
        if len(rows) == 0:
            return self.before[:0]
        generator, begun = self.bench.generator, self.latent.rows(rows.tolist())
        signs = 1.0 - 2.0 * (torch.tensor(begun.seeds) % 2)
        lengths = (strengths * signs).to(self.step).view(-1, *[1] * (self.step.ndim - 1))
        edited = replace(begun, codes=begun.codes + lengths * self.step)
        if self.bench.settings.confined:
            return Confinement(self.region).images(generator, begun, edited)
        return torch.cat(list(edited.images(generator)))
