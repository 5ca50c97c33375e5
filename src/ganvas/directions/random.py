"""Random directions: what every method has to beat."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch

from ganvas.directions.basis import make_basis
from ganvas.directions.direction import Directions
from ganvas.directions.found import for_every_region
from ganvas.errors.arguments import checked
from ganvas.errors.ranges import Seed
from ganvas.generators.codes import Layers
from ganvas.generators.protocol import Generator
from ganvas.io.progress import Progress
from ganvas.latents.latent import Latent
from ganvas.regions import Region
from ganvas.regions.part import Part


@checked
@dataclass(frozen=True, kw_only=True)
class RandomDirections:
    """A method of `ganvas.find_directions` that draws unit vectors, uniformly from the sphere, from a seed.

    Args:
        seed: What they are drawn from.

    Example:
        >>> import ganvas
        >>> G = ganvas.load("faces")
        >>> method = ganvas.RandomDirections(seed=1)
        >>> ganvas.find_directions(G, ganvas.sample(G, [0]), "mouth", method=method, layers="4-6", count=2)
        Directions(2 of space w, layers 4-6, region 'mouth', method random)
    """

    name: ClassVar[str] = "random"
    spaces: ClassVar[tuple[str, ...]] = ("w", "z", "w+", "s")

    seed: Seed = 0

    def find(
        self,
        generator: Generator,
        latent: Latent,
        regions: Mapping[str, Region | Part],
        *,
        space: str,
        layers: Layers = None,
        count: int = 10,
        progress: Progress | None = None,
    ) -> dict[str, Directions]:
        """Return random directions, the same for each region; their eigenvalues are 0."""
        basis = make_basis(generator, space, layers)
        vectors = torch.randn(count, basis.size, generator=torch.Generator().manual_seed(self.seed))
        return for_every_region(self.name, generator, latent, basis, layers, vectors, torch.zeros(count), regions)
