"""Jacobians that are computed once and kept: any region of the same images then gets its directions in milliseconds."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor

from ganvas.directions.basis import acting_space
from ganvas.directions.direction import Directions, origin_of
from ganvas.directions.find import region_of, space_for
from ganvas.directions.jacobian import Jacobian, hold, mean_grams
from ganvas.directions.resefa import ReSeFa, Search
from ganvas.errors import GanvasError
from ganvas.errors.arguments import checked
from ganvas.generators.codes import Layers
from ganvas.generators.protocol import Generator, about_of, check_generator
from ganvas.images.notebook import notebook_cell
from ganvas.io.progress import Progress, part_of, silent
from ganvas.latents.latent import Latent, as_latent
from ganvas.latents.spaces import draw_samples
from ganvas.regions import Region
from ganvas.regions.part import Part


@dataclass(frozen=True, eq=False, repr=False)
class CachedSearch:
    """The Jacobians of some images, with what is needed to find the directions of a region; made by `cache_jacobians`.

    Args:
        search: What was asked for: method, generator, space, layers.
        jacobians: One for each image.
        images: What counts of the images [n, c, r, r]; c is 3, or 1 where only their brightness counts.
        latent: The images' codes, in which parts are found.

    Example:
        >>> import ganvas
        >>> G = ganvas.load("faces")
        >>> cached = ganvas.cache_jacobians(G, ganvas.sample(G, [4]), layers="4", method=ganvas.ReSeFa(resolution=8))
        >>> len(cached.find("mouth", count=2))
        2
    """

    search: Search
    jacobians: tuple[Jacobian, ...]
    images: Float[Tensor, "n c r r"]
    latent: Latent

    @property
    def bytes(self) -> int:
        """Bytes of Jacobians kept."""
        return sum(jacobian.bytes for jacobian in self.jacobians)

    @checked
    def find(self, region: Region | Part | str, count: int = 10) -> Directions:
        """Return the strongest directions for a region, as `ganvas.find_directions` finds them.

        Args:
            region: A `Region` or a `Part`, one of the generator's named regions, or a text such as
                "box:0.3,0.6,0.7,0.8" or "part:7".
            count: How many directions.

        Returns:
            `Directions`, strongest first.

        Raises:
            RegionError: A region that is empty, covers everything, or is not known.
        """
        search, method = replace(self.search, count=count), self.search.method
        name, area = region_of(search.generator, region)
        size = method.measure(search.generator).resolution
        masks = method.masks_in(search.generator, self.latent, area, size)
        pairs = zip(self.jacobians, masks, strict=True)
        grams = [mean_grams(jacobian, *pair) for jacobian, pair in pairs if pair is not None]
        foreground, background = (torch.stack(part).sum(dim=0) for part in zip(*grams, strict=True))
        return search.solve_mean((foreground, background), area, masks, name)

    @torch.no_grad()
    def linear_images(
        self, directions: Directions, strengths: Sequence[float], sample: int = 0
    ) -> Float[Tensor, "k n c r r"]:
        """Return ``x + alpha J n``, what each direction would make of one image were the generator linear: a product of
        matrices instead of a synthesis, for previews.

        Args:
            directions: Directions that `find` returned.
            strengths: Euclidean distances.
            sample: Which of the images.

        Returns:
            [directions, strengths, c, r, r] at the resolution of the search.
        """
        jacobian, image = self.jacobians[sample], self.images[sample]
        basis = self.search.method.basis(self.search.generator, self.search.space, self.search.layers)
        coordinates = basis.coordinates(directions.vectors.to(jacobian.columns.device)).float()
        changes = (coordinates @ jacobian.columns.float()).reshape(-1, 1, *image.shape)
        amounts = torch.tensor(strengths, device=changes.device).reshape(1, -1, 1, 1, 1)
        return image + amounts * changes

    def __repr__(self) -> str:
        images = f"{len(self.jacobians)} image{'s' if len(self.jacobians) > 1 else ''}"
        layers = "" if self.search.layers is None else f", layers {self.search.layers}"
        return f"CachedSearch({images}, space {self.search.space}{layers}, {self.bytes / 2**20:.0f} MiB)"

    def _repr_html_(self) -> str:
        named = about_of(self.search.generator).regions
        return notebook_cell(
            self, self.images.expand(-1, 3, -1, -1), rows=[("named regions", ", ".join(named))] if named else ()
        )


@checked
def cache_jacobians(
    generator: Generator,
    latent: Latent | Tensor,
    *,
    method: ReSeFa = ReSeFa(),
    space: str | None = None,
    layers: Layers = None,
    progress: Progress | None = None,
) -> CachedSearch:
    """Compute the Jacobians of some images once, for the directions of many regions.

    Args:
        generator: The generator.
        latent: The images; a tensor needs `space`.
        method: The settings of ReSeFa.
        space: Space of the directions: by default w where there is one, else z; s for a latent of s.
        layers: Layers that will be edited, such as "4-7"; None for all.
        progress: Called with what is done, how much of it, and how much there is.

    Returns:
        A `CachedSearch`, whose ``find(region)`` takes milliseconds.

    Raises:
        LatentError: Codes, a space or layers that the generator does not have.
        GanvasError: The Jacobians do not fit the method's budget: `find_directions` needs less memory.

    Example:
        >>> import ganvas
        >>> G = ganvas.load("faces")
        >>> latent = ganvas.sample(G, [4], truncation=0.7)
        >>> ganvas.cache_jacobians(G, latent, layers="4", method=ganvas.ReSeFa(resolution=8))
        CachedSearch(1 image, space w, layers 4, 0 MiB)
    """
    if not isinstance(method, ReSeFa):
        raise GanvasError(f"Jacobians are kept for ReSeFa; {method!r} was given.")
    known = as_latent(latent, space, asks_space=True)
    space = space_for(method, check_generator(generator), space, known.space)
    known = known.to_space(generator, acting_space(generator, space))
    plan = method.plan(generator, space, layers)
    if plan.blocks > 1 or plan.bytes * len(known) > method.budget:
        sizes = f"{plan.bytes / 2**20:.0f} MiB do not fit the budget of {method.budget / 2**20:.0f} MiB"
        raise GanvasError(f"{len(known)} Jacobians of {sizes}; raise it, lower the resolution or give fewer images.")
    origin = origin_of(method.name, generator, known)
    if isinstance(latent, Tensor) and known.space != "z":  # a tensor does not say by how much it was truncated
        origin = replace(origin, truncation=None)
    samples = draw_samples(generator, space, known.label)
    jacobians, images = [], []
    for number, one in enumerate(known):
        derivative = method.derivative(generator, one, space, layers)
        jacobians.append(hold(derivative, plan, part_of(progress or silent, number, len(known))))
        jacobians[-1].whole()
        images.append(derivative.image)
    search = Search(method, generator, space, layers, 1, samples, origin)
    return CachedSearch(search, tuple(jacobians), torch.cat(images), known)
