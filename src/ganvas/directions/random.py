"""Random directions: what every method has to beat."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from ganvas.directions.query import BlindMethod, Query
from ganvas.errors.arguments import checked
from ganvas.errors.ranges import Seed


@checked
@dataclass(frozen=True, kw_only=True)
class RandomDirections(BlindMethod):
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

    def strongest(self, query: Query) -> tuple[Float[Tensor, "k"], Float[Tensor, "k d"]]:
        """Return random directions, the same for each region; their values are 0."""
        random = torch.Generator().manual_seed(self.seed)
        return torch.zeros(query.count), torch.randn(query.count, query.basis.size, generator=random)
