"""The masked distances of random images of a generator from sketches: the nearest ones are starts of a search, and the
baseline of its result.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from ganvas.errors import GanvasError
from ganvas.generators.protocol import Generator, Label
from ganvas.inversion.features import FeatureExtractor
from ganvas.inversion.loss_weights import LossWeights
from ganvas.inversion.sketch.target import Sketch, compared_terms, masked_distance, sketch_terms
from ganvas.io.progress import Progress, silent
from ganvas.latents.latent import sample

BATCH = 16
MOST = 100_000


@dataclass(frozen=True)
class RandomImages:
    """The masked ``distances`` of the images of seeds 0, 1, 2, ... from sketches."""

    distances: Float[Tensor, "count sketches"]

    def nearest_seeds(self, sketch: int, count: int) -> list[int]:
        """Return the `count` seeds whose images are nearest to a sketch, the nearest first."""
        return self.distances[:, sketch].argsort(stable=True)[:count].tolist()

    def smallest_distance(self, sketch: int) -> float:
        """Return the distance of the nearest image from a sketch, nan without images."""
        return float(self.distances[:, sketch].min()) if len(self.distances) else float("nan")


@torch.no_grad()
def compare_random_images(
    generator: Generator,
    sketches: Sequence[Sketch],
    count: int,
    weights: LossWeights,
    features: FeatureExtractor,
    *,
    label: Label = None,
    progress: Progress | None = None,
) -> RandomImages:
    """Return the masked distances of the images of seeds 0 to `count` - 1, without truncation, from sketches.

    Raises `GanvasError` for a negative count or one above 100,000.
    """
    report = progress or silent
    if not 0 <= count <= MOST:
        raise GanvasError(f"{count} random images are not possible; give 0 to {MOST}, such as 1000.")
    parts = [{name: torch.zeros(0, len(sketches)) for name in compared_terms(weights)}]
    for first in range(0, count, BATCH):
        seeds = range(first, min(first + BATCH, count))
        for images in sample(generator, seeds, label=label).images(generator):
            parts.append(sketch_terms(sketches, images.to(generator.device), weights, features))
        report("Comparing random images", seeds.stop, count)
    terms = {name: torch.cat([part[name] for part in parts]) for name in parts[0]}
    return RandomImages(masked_distance(weights, terms))
