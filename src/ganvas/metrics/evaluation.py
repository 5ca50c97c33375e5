"""Evaluation of a generator against real images: kernel MMD, Fréchet distance, energy of the finest octave."""

import json
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from ganvas.errors import GanvasError
from ganvas.errors.arguments import checked
from ganvas.errors.ranges import Steps, Truncation
from ganvas.generators.codes import check_seeds
from ganvas.generators.protocol import Generator, Label, about_of
from ganvas.images import pixels
from ganvas.images.datasets import FEWEST, ImageSet, open_images, shuffled
from ganvas.io.cache import exclusive
from ganvas.io.files import atomic_path
from ganvas.io.json_files import plain
from ganvas.io.progress import Progress, as_one, silent
from ganvas.io.shared_folder import claim_folder, missing_shares, rank_and_count, wait_for
from ganvas.io.tensor_files import hash_tensors
from ganvas.latents.latent import sample
from ganvas.metrics.distribution import KernelMMD, gaussian_distance, kernel_mmd, projected_distance
from ganvas.metrics.features import BATCH, ImageFeatures, load_features
from ganvas.metrics.spectrum import octave_energies
from ganvas.metrics.summary import FeatureSummary

FAKE_BATCH, PART = 16, 200
READING_REAL, GENERATING = "Features of real images", "Generating images"  # as progress is labeled


@dataclass(frozen=True)
class Evaluation:
    """Distances between real and fake images.

    Comparable only between evaluations against the same real images, with similar numbers of fake ones.

    Attributes:
        kernel_mmd: Squared kernel MMD of the features, with its standard error: the one to decide by.
        frechet_distance: Squared Fréchet distance on the first ``components`` principal components of the real images.
        components: The number of principal components.
        real_images: The number of real images.
        fake_images: The number of fake images.
        finest_octave: Energy of the finest octave of the fake images, divided by that of the real ones.
        real_halves: Kernel MMD between two halves of the real images: what no difference looks like with so few images.
        network: The name of the network whose features are compared.
    """

    kernel_mmd: KernelMMD
    frechet_distance: float
    components: int
    real_images: int
    fake_images: int
    finest_octave: float
    real_halves: KernelMMD
    network: str


def _evaluation(real: FeatureSummary, fake: FeatureSummary, finest_octave: float, network: ImageFeatures) -> Evaluation:
    """Return the distances of two sets; the finest octave is that of fake images relative to real ones."""
    mmd = kernel_mmd(real.kept, fake.kept)  # refuses sets that are too small
    width = real.kept.shape[1]
    if network.components is None:
        components, distance = width, gaussian_distance(*real.moments(), *fake.moments())
    else:
        components = min(network.components, real.count - 1, width)
        distance = projected_distance(real.moments(), fake.moments(), components)
    halves = kernel_mmd(real.kept[::2], real.kept[1::2])
    return Evaluation(mmd, float(distance), components, real.count, fake.count, finest_octave, halves, network.name)


@dataclass(frozen=True)
class ReferenceImages:
    """Real images that generators are compared with: their features [n, d] by a network, and the mean energy of their
    finest octave at the generator's resolution.
    """

    network: ImageFeatures
    features: Float[Tensor, "n d"]
    finest_octave: float

    def compare(
        self,
        generator: Generator,
        seeds: Sequence[int],
        *,
        truncation: Truncation = 1.0,
        label: Label = None,
        progress: Progress = silent,
    ) -> Evaluation:
        """Return the distances of the generator's images of `seeds` from these."""
        real, fake, energies = FeatureSummary(), FeatureSummary(), []
        real.add(self.features)
        for images in fake_images(generator, seeds, truncation=truncation, label=label):
            with torch.no_grad():
                fake.add(self.network(images.to(self.network.device)))
            energies.append(octave_energies(images)[:, 0])
            progress(GENERATING, fake.count, len(seeds))
        octave = float(torch.cat(energies).mean()) / self.finest_octave
        return _evaluation(real, fake, octave, self.network)


@checked
def evaluate(
    generator: Generator,
    data: str | Path,
    seeds: Sequence[int] = range(1000),
    *,
    truncation: float = 1.0,
    label: Label = None,
    images: Steps = 1000,
    network: ImageFeatures | None = None,
    folder: str | Path | None = None,
    progress: Progress = silent,
) -> Evaluation | None:
    """Return how far a generator's images are from real ones.

    Memory does not grow with the number of images. Several processes started by ``torchrun`` share the work: each does
    a part, the first returns the result, which is the same to the last digit, and the others return None.

    Args:
        generator: Any generator.
        data: A folder or a zip of real images, preferably held out from training.
        seeds: One fake image is generated for each seed.
        truncation: Truncation psi; 1 is none.
        label: The class, for generators with classes.
        images: At most this many real images are used, always the same ones.
        network: A network of features to use instead of the bundled one.
        folder: Where finished parts are kept, from which the same call goes on and which several processes share; by
            default nothing is kept.
        progress: Called with what is done, how much of it, and the total.

    Returns:
        Kernel MMD, Fréchet distance and the energy of the finest octave.

    Raises:
        GanvasError: Fewer than 6 images are asked for, the data cannot be read, the folder holds another evaluation, or
            several processes have no folder.
    """
    if images < 6:
        raise GanvasError(f"{images} real images are too few for an evaluation; give --images of some hundred.")
    check_seeds(seeds)
    network = network or load_features(device=generator.device)
    if folder is None and rank_and_count()[1] > 1:
        raise GanvasError("Several processes evaluate together, and share a folder; give one (--out).")
    with nullcontext(folder) if folder is not None else TemporaryDirectory() as place:
        work = _SharedEvaluation(generator, network, data, list(seeds), truncation, label, images, Path(place))
        return work.run(progress)


@dataclass(frozen=True, eq=False)
class _SharedEvaluation:
    """An evaluation in parts of `PART` images, each a file of features [n, d] and energies of the finest octave [n]."""

    generator: Generator
    network: ImageFeatures
    data: str | Path
    seeds: Sequence[int]
    truncation: float
    label: Label
    images: int
    folder: Path

    def run(self, progress: Progress) -> Evaluation | None:
        """Make this process's share of the parts; the first process returns what all say together."""
        with exclusive(self.folder / "claim"):
            claim_folder(self.folder, self._record())
        sources = [_some_images(self.data, side, self.images, progress, "crop") for side in self._sides]
        total = len(sources[0][1])
        report = as_one(progress, "Comparing images", {READING_REAL: total, GENERATING: len(self.seeds)})
        parts = [("real", rows) for rows in _parts(total)] + [("fake", rows) for rows in _parts(len(self.seeds))]
        paths = [self.folder / f"{kind}-{rows.start:06}-{rows.stop:06}.npz" for kind, rows in parts]
        for number in missing_shares(paths):
            kind, rows = parts[number]
            batches = self._real(sources, rows, report) if kind == "real" else self._fake(rows, report)
            _save_part(paths[number], batches)
        if rank_and_count()[0]:
            return None
        wait_for(paths, progress)
        cut = len(_parts(total))
        (real, real_octave), (fake, fake_octave) = _summary(paths[:cut]), _summary(paths[cut:])
        return _evaluation(real, fake, fake_octave / real_octave, self.network)

    @property
    def _sides(self) -> tuple[int, int]:
        """The sides of real images for the features, and for their octaves."""
        return self.network.resolution, self.generator.resolution

    def _record(self) -> dict[str, Any]:
        """Return what makes two evaluations the same."""
        weights = {name: value for name, value in self.network.state_dict().items() if isinstance(value, Tensor)}
        facts = {"rules": 1, "part": PART, "generator": about_of(self.generator).hash, "data": str(self.data)}
        facts |= {"network": self.network.name, "weights": hash_tensors(weights), "images": self.images}
        facts |= {"seeds": list(self.seeds), "truncation": self.truncation, "label": repr(self.label)}
        return json.loads(json.dumps(plain(facts, str)))

    @torch.no_grad()
    def _real(self, sources: Sequence["_Chosen"], rows: range, report: Progress) -> Iterator["_Batch"]:
        (images, chosen), (at_size, same) = sources
        for first in range(rows.start, rows.stop, BATCH):
            some = slice(first, min(first + BATCH, rows.stop))
            features = self.network(images.batch(chosen[some]).to(self.network.device))
            yield features, octave_energies(at_size.batch(same[some]))[:, 0]
            report(READING_REAL, some.stop, len(chosen))

    @torch.no_grad()
    def _fake(self, rows: range, report: Progress) -> Iterator["_Batch"]:
        done, seeds = rows.start, self.seeds[rows.start : rows.stop]
        label = labels_of(self.label, len(self.seeds), slice(rows.start, rows.stop))
        for images in fake_images(self.generator, seeds, truncation=self.truncation, label=label):
            yield self.network(images.to(self.network.device)), octave_energies(images)[:, 0]
            done += len(images)
            report(GENERATING, done, len(self.seeds))


_Chosen = tuple[ImageSet, np.ndarray]
_Batch = tuple[Tensor, Tensor]
"""Features [n, d] and energies of the finest octave [n]."""


def _parts(count: int) -> list[range]:
    return [range(first, min(first + PART, count)) for first in range(0, count, PART)]


def _save_part(path: Path, batches: Iterator[_Batch]) -> None:
    features, octaves = (torch.cat(list(values)).cpu().numpy() for values in zip(*batches, strict=True))
    with atomic_path(path) as temporary, temporary.open("wb") as stream:
        np.savez(stream, features=features, octaves=octaves)


def _summary(paths: Sequence[Path]) -> tuple[FeatureSummary, float]:
    """Return the summary of the features in files, in their order, and the mean energy of the finest octave."""
    found, octaves = FeatureSummary(), 0.0
    for path in paths:
        with np.load(path, allow_pickle=False) as held:
            found.add(torch.from_numpy(held["features"]))
            octaves += float(held["octaves"].sum(dtype=np.float64))
    return found, octaves / found.count


def open_reference(
    data: str | Path,
    resolution: int,
    *,
    images: int,
    network: ImageFeatures,
    progress: Progress = silent,
    fit: str = "crop",
) -> ReferenceImages:
    """Return at most `images` of a folder or zip as the reference for a generator of `resolution` pixels."""
    features = real_features(network, data, images, progress, fit)
    return ReferenceImages(network, features, _mean_finest_octave(data, resolution, images, progress, fit))


@torch.no_grad()
def real_features(
    network: ImageFeatures, data: str | Path, most: int, progress: Progress = silent, fit: str = "crop"
) -> Float[Tensor, "n d"]:
    """Return the features of at most `most` images of a folder or zip."""
    images, chosen = _some_images(data, network.resolution, most, progress, fit)
    parts = []
    for first in range(0, len(chosen), BATCH):
        parts.append(network(images.batch(chosen[first : first + BATCH]).to(network.device)))
        progress(READING_REAL, min(first + BATCH, len(chosen)), len(chosen))
    return torch.cat(parts)


def _mean_finest_octave(data: str | Path, resolution: int, most: int, progress: Progress, fit: str) -> float:
    images, chosen = _some_images(data, resolution, most, progress, fit)
    batches = (images.batch(chosen[first : first + BATCH]) for first in range(0, len(chosen), BATCH))
    return float(torch.cat([octave_energies(batch)[:, 0] for batch in batches]).mean())


def _some_images(
    data: str | Path, resolution: int, most: int, progress: Progress, fit: str
) -> tuple[ImageSet, np.ndarray]:
    """Return the images of a source and the indices of those to use: always the same ones, in ascending order."""
    images = open_images(data, resolution, progress, FEWEST, fit)
    return images, np.sort(shuffled(0, 0, min(most, len(images)), len(images)))


@torch.no_grad()
def fake_images(
    generator: Generator, seeds: Sequence[int], *, truncation: float = 1.0, label: Label = None
) -> Iterator[Float[Tensor, "n 3 h w"]]:
    """Yield the generator's images of `seeds` in batches, rounded to 8 bits and clamped to [-1, 1] as in a file."""
    label = label.reshape(1) if isinstance(label, Tensor) and not label.ndim else label
    for first in range(0, len(seeds), FAKE_BATCH):
        rows = slice(first, first + FAKE_BATCH)
        batch = sample(generator, seeds[rows], label=labels_of(label, len(seeds), rows), truncation=truncation)
        for images in batch.images(generator):
            yield pixels.from_bytes(pixels.to_bytes(images))


def labels_of(label: Label, count: int, rows: slice) -> Label:
    """Return the labels of some of `count` images: those of the rows where there is one for each, else all."""
    each = label if isinstance(label, Sequence | Tensor) and not isinstance(label, str) else None
    return label if each is None or (isinstance(each, Tensor) and not each.ndim) or len(each) != count else each[rows]
