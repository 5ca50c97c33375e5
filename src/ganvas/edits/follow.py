"""Followed edits: the direction of a region is found anew at every image on the way, so that the way is a curve.

At each step the k strongest directions of the image now are found, and the step before is projected onto their span:
``n <- P n / |P n|``. The projection makes an angle of at most 90 degrees with what it came from, so the sign is kept.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from ganvas.directions.direction import Direction
from ganvas.directions.jacobian import region_grams
from ganvas.directions.resefa import ReSeFa, factorize
from ganvas.edits.straight import EditMethod, Parts, Way, layers_of, moved, region_for
from ganvas.errors import LatentError
from ganvas.errors.arguments import checked
from ganvas.errors.ranges import Count, Positive
from ganvas.generators.codes import Layers
from ganvas.generators.protocol import Generator
from ganvas.io.progress import Progress
from ganvas.latents.latent import Latent
from ganvas.regions import Region
from ganvas.regions.part import Part

LEAST = 1e-3  # of a unit vector: what is left of it by a projection that leaves next to nothing is chance


@checked
@dataclass(frozen=True)
class FollowedEdit(EditMethod):
    """Settings of edits that follow a direction as a curve, found anew at every step: a method of `ganvas.edit`.

    Every step costs a Jacobian. `CorrectedEdit` needs one in all.

    Args:
        region: The region or part for which directions are found; None for that of the direction.
        step: Length of a step, a Euclidean distance.
        count: Onto the span of how many of the strongest directions the step before is projected.
        search: How they are found.

    Raises:
        GanvasError: A setting has a value that it cannot have.

    Example:
        >>> import ganvas
        >>> G, fast = ganvas.load("faces"), ganvas.ReSeFa(resolution=8)
        >>> latent = ganvas.sample(G, [4], truncation=0.7)
        >>> found = ganvas.find_directions(G, latent, "mouth", layers="4", method=fast, count=2)
        >>> ganvas.edit(G, latent, found[0], 1.0, method=ganvas.FollowedEdit(search=fast))
        Latent(w+ [1, 12, 256], seed 4, truncation 0.7, generator 'faces')
    """

    name: ClassVar[str] = "followed"
    region: Region | Part | str | None = None
    step: Positive = 1.0
    count: Count = 10
    search: ReSeFa = ReSeFa()

    def way_of(
        self, generator: Generator, start: Latent, direction: Direction, layers: Layers, progress: Progress | None
    ) -> Way:
        """Return the way of one sample along a direction, in steps."""
        search = self.search
        place = direction.space, layers_of(generator, direction, layers)
        masks = search.masks(region_for(generator, start, direction, self.region), search.measure(generator).resolution)
        basis, plan = search.basis(generator, *place), search.plan(generator, *place)

        def turned(now: Latent, before: Direction) -> Direction:
            ((a, b),) = region_grams(search.derivative(generator, now, *place), [masks], plan, progress)
            found = factorize(a, b, self.count, search.ridge_in(direction.space), search.rank, search.background_weight)
            vector = projected(basis.coordinates(before.vector[None])[0], found.vectors)
            return replace(before, vector=basis.stored(vector[None])[0].to(before.vector))

        def advance(now: _Place, length: float) -> _Place:
            return _Place(moved(generator, now.latent, now.direction, length, layers), now.direction, turned)

        way = Parts(_Place(start, direction, turned), advance, self.step)
        return lambda length: way.at(length).latent


@dataclass(frozen=True, eq=False)
class _Place:
    """Where a way has come to, and by which direction; its own is found when the way goes on."""

    latent: Latent
    before: Direction
    turned: Callable[[Latent, Direction], Direction]

    @cached_property
    def direction(self) -> Direction:
        return self.turned(self.latent, self.before)


def projected(vector: Float[Tensor, "d"], onto: Float[Tensor, "d k"]) -> Float[Tensor, "d"]:
    """Return ``P n / |P n|``, P the orthogonal projection onto the span of columns; raises `LatentError` where nothing
    is left.
    """
    basis, _ = torch.linalg.qr(onto)
    shadow = basis @ (basis.T @ vector.to(basis))
    if shadow.norm() < LEAST * vector.norm():
        raise LatentError(
            f"The direction has no part in the {onto.shape[1]} strongest directions of this image, so that it cannot "
            "be followed; give a larger count, or a direction of the same region and layers."
        )
    return shadow / shadow.norm()
