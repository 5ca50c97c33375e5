"""How far a generator's images are from real ones, as sets."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from ganvas.generators.protocol import Generator, Label
from ganvas.images import pixels
from ganvas.latents.latent import sample
from ganvas.metrics.distribution import KernelDistance, frechet_distance, kernel_distance
from ganvas.metrics.features import FeatureNetwork
from ganvas.metrics.spectrum import octave_energies

MADE_AT_ONCE = 16


@dataclass(frozen=True)
class Evaluation:
    """Distances between `real` and `made` images, counted; comparable only at the same real images and about the
    same numbers. ``top_octave`` is the energy of the finest octave (`octave_energies`), 1 for that of real images,
    None where that was not given.
    """

    kernel: KernelDistance
    frechet: float
    real: int
    made: int
    top_octave: float | None = None


def evaluate(
    network: FeatureNetwork,
    generator: Generator,
    real: Float[Tensor, "n d"],
    seeds: Sequence[int],
    *,
    truncation: float = 1.0,
    label: Label = None,
    real_top_octave: float | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Evaluation:
    """Return the distances of the generator's images of `seeds` from real ones, whose features are given.

    `real_top_octave` is the mean energy of the finest octave of real images of the generator's size. `progress` is
    told how many of how many images are made.
    """
    parts, energies = [], []
    for images in made_images(generator, seeds, truncation=truncation, label=label):
        with torch.no_grad():
            parts.append(network(images.to(network.mean.device)))
        if real_top_octave is not None:
            energies.append(octave_energies(images)[:, 0])
        progress(sum(map(len, parts)), len(seeds))
    made = torch.cat(parts)
    real = real.to(made)
    share = None if real_top_octave is None else float(torch.cat(energies).mean()) / real_top_octave
    return Evaluation(kernel_distance(real, made), float(frechet_distance(real, made)), len(real), len(made), share)


@torch.no_grad()
def made_images(
    generator: Generator, seeds: Sequence[int], *, truncation: float = 1.0, label: Label = None
) -> Iterator[Float[Tensor, "n 3 h w"]]:
    """Yield the generator's images of `seeds` a few at a time, as files would hold them: 8 bits, cut to [-1, 1]."""
    for first in range(0, len(seeds), MADE_AT_ONCE):
        some = sample(generator, seeds[first : first + MADE_AT_ONCE], label=label, truncation=truncation)
        for images in some.images(generator):
            yield pixels.from_bytes(pixels.to_bytes(images))
