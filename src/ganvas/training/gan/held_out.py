"""Images that were held out, and how far a generator's are from them: the number by which a run is judged."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from ganvas.errors import TrainingError
from ganvas.generators.protocol import Generator
from ganvas.images.datasets import ImageSet, open_images
from ganvas.metrics.evaluation import evaluate
from ganvas.metrics.features import BATCH, SMALLEST, FeatureNetwork, load_features
from ganvas.metrics.spectrum import octave_energies
from ganvas.training.randomness import shuffled

MOST = 1000
Report = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Yardstick:
    """The features of real images, and the mean energy of their finest octave at the generator's size; ``seeds`` is
    how many images of a generator are compared with them.
    """

    network: FeatureNetwork
    features: Float[Tensor, "n d"]
    top_octave: float
    seeds: int = 500

    def measure(self, generator: Generator) -> dict[str, float | int]:
        """Return the kernel distance of the generator's images at truncation 1, its standard error, and the energy of
        their finest octave as a share of the real one.
        """
        found = evaluate(self.network, generator, self.features, range(self.seeds), real_top_octave=self.top_octave)
        numbers = {"kernel_distance": found.kernel.value, "kernel_distance_error": found.kernel.error}
        return {name: round(value, 5) for name, value in (numbers | {"finest_octave": found.top_octave or 0.0}).items()}


def open_yardstick(
    source: Path, side: int, device: torch.device, report: Report = lambda what, done, total: None
) -> Yardstick:
    """Return the yardstick of a folder or zip of images, at most a thousand of them, for a generator of `side`
    pixels; raises `TrainingError` where those are too few to see anything.
    """
    if side < SMALLEST:
        raise TrainingError(f"Images of {side} pixels are too small to be measured; leave --test out below {SMALLEST}.")
    network = load_features(device=device)
    return Yardstick(network, real_features(network, source, MOST, report), real_top_octave(source, side, MOST, report))


def real_features(network: FeatureNetwork, source: Path, most: int, report: Report) -> Float[Tensor, "n d"]:
    """Return the features of at most so many images of a folder or zip."""
    images, order = _some(source, network.architecture.resolution, most, report)
    parts = []
    for first in range(0, len(order), BATCH):
        with torch.no_grad():
            parts.append(network(images.batch(order[first : first + BATCH]).to(network.mean.device)))
        report("Looking at real images", min(first + BATCH, len(order)), len(order))
    return torch.cat(parts)


def real_top_octave(source: Path, side: int, most: int, report: Report) -> float:
    """Return the mean energy of the finest octave of at most so many images of a folder or zip, at `side` pixels."""
    images, order = _some(source, side, most, report)
    parts = [octave_energies(images.batch(order[first : first + BATCH])) for first in range(0, len(order), BATCH)]
    return float(torch.cat(parts)[:, 0].mean())


def _some(source: Path, side: int, most: int, report: Report) -> tuple[ImageSet, np.ndarray]:
    """Return images, and which of them to take: always the same ones, in the order of the file."""
    images = open_images(source, side, lambda done, total: report("Reading images", done, total))
    return images, np.sort(shuffled(0, 0, min(most, len(images)), len(images)))
