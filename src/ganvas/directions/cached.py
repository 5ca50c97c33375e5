"""A search that keeps its Jacobians: any region of the same images then gets its directions in milliseconds."""

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from ganvas.directions.direction import Directions, Origin
from ganvas.directions.find import default_origin
from ganvas.directions.jacobian import Jacobian, hold
from ganvas.directions.resefa import mean_grams, plan_search, search_basis, search_derivative, search_measure, solve
from ganvas.directions.settings import Search
from ganvas.errors import GanvasError
from ganvas.generators.protocol import Generator
from ganvas.io.progress import Progress
from ganvas.latents.spaces import codes_for, draw_samples
from ganvas.regions import Region


@dataclass(frozen=True, eq=False)
class HeldSearch:
    """The Jacobians of some images and what is needed to solve for a region; make one with `hold_search`."""

    generator: Generator
    search: Search
    jacobians: tuple[Jacobian, ...]
    samples: Tensor | None
    origin: Origin

    @property
    def bytes(self) -> int:
        """Bytes of Jacobians held."""
        return sum(jacobian.bytes for jacobian in self.jacobians)

    def find(self, region: Region, name: str = "") -> Directions:
        """Return the strongest directions for `region`, as `ganvas.find_directions` would; raises `RegionError`s."""
        size = search_measure(self.generator, self.search).resolution
        masks = region.split(size, size, self.search.ignore_band)
        grams = [mean_grams(jacobian, *masks) for jacobian in self.jacobians]
        means = tuple(torch.stack(part).mean(dim=0) for part in zip(*grams, strict=True))
        about = replace(self.origin, region=region.describe(), region_name=name)
        basis = search_basis(self.generator, self.search)
        return solve(self.generator, (means[0], means[1]), basis, self.search, masks[0], self.samples, about)


def hold_search(
    generator: Generator,
    codes: Tensor,
    search: Search,
    origin: Origin | None = None,
    progress: Progress | None = None,
) -> HeldSearch:
    """Compute and keep the Jacobian of each row of `codes` (those that `find_directions` takes), and its whole Gram.

    `origin` says in the file where the codes came from; by default the generator's name and hash, as there.
    Raises `GanvasError` where one Jacobian does not fit the budget: one can then only search (`find_directions`).
    """
    points = codes_for(generator, codes, search.space)
    plan = plan_search(generator, search)
    if plan.blocks > 1 or plan.bytes * len(codes) > search.budget:
        sizes = f"{plan.bytes / 2**20:.0f} MiB do not fit the budget of {search.budget / 2**20:.0f} MiB"
        raise GanvasError(f"{len(codes)} Jacobians of {sizes}; raise it, lower the resolution or give fewer images.")
    samples = draw_samples(generator, search.space, search.label)
    jacobians = []
    for row in range(len(points)):
        jacobians.append(hold(search_derivative(generator, points[row : row + 1], search, row), plan, progress))
        jacobians[-1].whole()
    about = origin or default_origin(generator, "resefa", search)
    return HeldSearch(generator, search, tuple(jacobians), samples, about)
