"""The images of a generator, among many random ones, that are nearest to sketches: starts of a search, and what its
result is measured by.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from ganvas.errors import GanvasError
from ganvas.generators.protocol import Generator, Label
from ganvas.inversion.sketch.sketch import Sketch, compared, distance_of, terms_from
from ganvas.inversion.terms import FeatureMaps, Weights
from ganvas.io.progress import Progress
from ganvas.latents.latent import Latent, sample_latent

AT_ONCE = 16
MOST = 100_000


@dataclass(frozen=True)
class Nearest:
    """The masked ``distances`` of the images of seeds 0, 1, 2, ... from sketches."""

    distances: Float[Tensor, "count sketches"]

    def seeds(self, sketch: int, count: int) -> list[int]:
        """Return the `count` seeds whose images are nearest to a sketch, the nearest first."""
        return self.distances[:, sketch].argsort(stable=True)[:count].tolist()

    def distance(self, sketch: int) -> float:
        """Return the distance of the nearest image from a sketch, nan where none was looked at."""
        return float(self.distances[:, sketch].min()) if len(self.distances) else float("nan")


@torch.no_grad()
def look_at_random(
    generator: Generator,
    sketches: Sequence[Sketch],
    count: int,
    weights: Weights,
    look: FeatureMaps,
    *,
    label: Label = None,
    progress: Progress = lambda what, done, total: None,
) -> Nearest:
    """Return how far the images of `count` random codes, seeds from 0 on without truncation, are from sketches.

    Raises `GanvasError` for a negative count or one above 100,000.
    """
    if not 0 <= count <= MOST:
        raise GanvasError(f"{count} random images cannot be looked at; give 0 to {MOST}, such as 1000.")
    parts = [{name: torch.zeros(0, len(sketches)) for name in compared(weights)}]
    for first in range(0, count, AT_ONCE):
        seeds = range(first, min(first + AT_ONCE, count))
        for images in sample_latent(generator, seeds, label=label).images(generator):
            parts.append(terms_from(sketches, images.to(generator.device), weights, look))
        progress("Looking at random images", seeds.stop, count)
    return Nearest(distance_of(weights, {name: torch.cat([part[name] for part in parts]) for name in parts[0]}))


@torch.no_grad()
def random_codes(generator: Generator, space: str, seeds: Sequence[int], label: int | None = None) -> Latent:
    """Return the codes, in a space, of the images that `look_at_random` looks at."""
    return sample_latent(generator, seeds, label=label, space=space)
