"""Evaluation of a generator against real images: kernel MMD, Fréchet distance, energy of the finest octave."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from ganvas.errors import GanvasError
from ganvas.errors.arguments import checked
from ganvas.errors.ranges import Steps, Truncation
from ganvas.generators.codes import check_seeds
from ganvas.generators.protocol import Generator, Label
from ganvas.images import pixels
from ganvas.images.datasets import FEWEST, ImageSet, open_images, shuffled
from ganvas.io.progress import Progress, as_one, silent
from ganvas.latents.latent import sample
from ganvas.metrics.distribution import COMPONENTS, KernelMMD, frechet_distance, kernel_mmd
from ganvas.metrics.features import BATCH, FeatureNetwork, load_features
from ganvas.metrics.spectrum import octave_energies

FAKE_BATCH = 16
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
    """

    kernel_mmd: KernelMMD
    frechet_distance: float
    components: int
    real_images: int
    fake_images: int
    finest_octave: float
    real_halves: KernelMMD


@dataclass(frozen=True)
class ReferenceImages:
    """Real images that generators are compared with: their features [n, d] by a network, and the mean energy of their
    finest octave at the generator's resolution.
    """

    network: FeatureNetwork
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
        features, energies = [], []
        for images in fake_images(generator, seeds, truncation=truncation, label=label):
            with torch.no_grad():
                features.append(self.network(images.to(self.network.mean.device)))
            energies.append(octave_energies(images)[:, 0])
            progress(GENERATING, sum(map(len, features)), len(seeds))
        fake = torch.cat(features)
        real = self.features.to(fake)
        return Evaluation(
            kernel_mmd(real, fake),
            float(frechet_distance(real, fake)),
            min(COMPONENTS, len(real) - 1, real.shape[1]),
            len(real),
            len(fake),
            float(torch.cat(energies).mean()) / self.finest_octave,
            kernel_mmd(real[::2], real[1::2]),
        )


@checked
def evaluate(
    generator: Generator,
    data: str | Path,
    seeds: Sequence[int] = range(1000),
    *,
    truncation: float = 1.0,
    label: Label = None,
    images: Steps = 1000,
    network: FeatureNetwork | None = None,
    progress: Progress = silent,
) -> Evaluation:
    """Return how far a generator's images are from real ones.

    Args:
        generator: Any generator.
        data: A folder or a zip of real images, preferably held out from training.
        seeds: One fake image is generated for each seed.
        truncation: Truncation psi; 1 is none.
        label: The class, for generators with classes.
        images: At most this many real images are used, always the same ones.
        network: A feature network to use instead of the bundled one.
        progress: Called with what is done, how much of it, and the total.

    Returns:
        Kernel MMD, Fréchet distance and the energy of the finest octave.

    Raises:
        GanvasError: Fewer than 6 images are asked for, or the data cannot be read.
    """
    if images < 6:
        raise GanvasError(f"{images} real images are too few for an evaluation; give --images of some hundred.")
    check_seeds(seeds)
    network = network or load_features(device=generator.device)
    real = len(_some_images(data, network.architecture.resolution, images, progress, "crop")[1])
    progress = as_one(progress, "Comparing images", {READING_REAL: real, GENERATING: len(seeds)})
    reference = open_reference(data, generator.resolution, images=images, network=network, progress=progress)
    return reference.compare(generator, seeds, truncation=truncation, label=label, progress=progress)


def open_reference(
    data: str | Path,
    resolution: int,
    *,
    images: int,
    network: FeatureNetwork,
    progress: Progress = silent,
    fit: str = "crop",
) -> ReferenceImages:
    """Return at most `images` of a folder or zip as the reference for a generator of `resolution` pixels."""
    features = real_features(network, data, images, progress, fit)
    return ReferenceImages(network, features, _mean_finest_octave(data, resolution, images, progress, fit))


@torch.no_grad()
def real_features(
    network: FeatureNetwork, data: str | Path, most: int, progress: Progress = silent, fit: str = "crop"
) -> Float[Tensor, "n d"]:
    """Return the features of at most `most` images of a folder or zip."""
    images, chosen = _some_images(data, network.architecture.resolution, most, progress, fit)
    parts = []
    for first in range(0, len(chosen), BATCH):
        parts.append(network(images.batch(chosen[first : first + BATCH]).to(network.mean.device)))
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
    each = label if isinstance(label, Sequence | Tensor) and not isinstance(label, str) else None
    for first in range(0, len(seeds), FAKE_BATCH):
        rows = slice(first, first + FAKE_BATCH)
        of_batch = label if each is None or len(each) != len(seeds) else each[rows]
        batch = sample(generator, seeds[rows], label=of_batch, truncation=truncation)
        for images in batch.images(generator):
            yield pixels.from_bytes(pixels.to_bytes(images))
