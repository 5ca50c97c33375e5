"""What a method is asked for, and what becomes of the vectors that it finds: directions, with all that is known."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from ganvas.directions.basis import Basis, make_basis
from ganvas.directions.direction import Directions, check_count, origin_of
from ganvas.directions.linalg import fix_signs, rayleigh_quotients
from ganvas.generators.codes import Layers, parse_layers
from ganvas.generators.protocol import Generator
from ganvas.io.progress import Progress, silent
from ganvas.latents.latent import Latent
from ganvas.latents.spaces import draw_samples, stds_along
from ganvas.parts.located import located
from ganvas.regions import Region
from ganvas.regions.part import Part


@dataclass(frozen=True)
class RegionGrams:
    """A and B of a region [d, d], float64, means over its pixels and over images, and its mean mask [1, h, w]."""

    a: Float[Tensor, "d d"]
    b: Float[Tensor, "d d"]
    mask: Float[Tensor, "1 h w"]


@dataclass(frozen=True, eq=False)
class Query:
    """A search that a method is asked for: `count` directions of `space` for each region of the same images."""

    generator: Generator
    latent: Latent
    regions: Mapping[str, Region | Part]
    space: str
    layers: Layers
    count: int
    progress: Progress

    def __post_init__(self) -> None:
        check_count(self.count)

    @cached_property
    def basis(self) -> Basis:
        """The coordinates of the space over the layers."""
        return make_basis(self.generator, self.space, self.layers)

    @cached_property
    def codes(self) -> Latent:
        """The latent in the space that directions move."""
        return self.latent.to_space(self.generator, self.basis.acts_in)

    def directions(
        self,
        method: str,
        name: str,
        vectors: Float[Tensor, "k d"],
        values: Float[Tensor, "k"],
        grams: RegionGrams | None = None,
        notes: str = "",
    ) -> Directions:
        """Return unit vectors in the coordinates of the basis as directions for a region, strongest first; `values` are
        what the method orders them by. Predicted ratios are nan without `grams`. Signs are fixed as those of ReSeFa.
        """
        generator, basis = self.generator, self.basis
        vectors = fix_signs(torch.nn.functional.normalize(vectors.double(), dim=1).T).T
        unknown = torch.full((len(vectors),), float("nan"), dtype=torch.float64)
        stored = basis.stored(vectors.float().to(basis.device)).cpu()
        origin = origin_of(method, generator, self.latent)
        return Directions(
            stored,
            basis.space,
            None if basis.layers is None else parse_layers(self.layers, generator.layers),
            values.double(),
            unknown if grams is None else rayleigh_quotients(grams.a, grams.b, vectors.T),
            stds_along(draw_samples(generator, basis.space, self.latent.label), stored),
            self._mask(name) if grams is None else grams.mask,
            replace(origin, region=self.regions[name].describe(), region_name=name, notes=notes),
        )

    def _mask(self, name: str) -> Float[Tensor, "1 h w"]:
        """Return a region's mean mask over the images that have it, for methods that do not look at it themselves."""
        side = self.generator.resolution
        places = located(self.generator, self.latent, self.regions[name])
        masks = [one.mask(side, side) for one in places if one is not None]
        return torch.stack(masks).mean(0) if masks else torch.zeros(1, side, side)


class QueryMethod(ABC):
    """A method that answers a `Query`: `ganvas.directions.find.Method` in one place."""

    name: ClassVar[str]
    spaces: ClassVar[tuple[str, ...]]

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
        """Return the strongest directions for each region of the same images, by name."""
        return self.answer(Query(generator, latent, regions, space, layers, count, progress or silent))

    @abstractmethod
    def answer(self, query: Query) -> dict[str, Directions]:
        """Return the strongest directions for each region, by name."""


class BlindMethod(QueryMethod):
    """A method that looks at no region: the same directions for each, whose masks outline the regions."""

    def answer(self, query: Query) -> dict[str, Directions]:
        """Return the same directions for each region, by name."""
        values, vectors = self.strongest(query)
        strongest = vectors[: query.count], values[: query.count]
        return {name: query.directions(self.name, name, *strongest) for name in query.regions}

    @abstractmethod
    def strongest(self, query: Query) -> tuple[Float[Tensor, "k"], Float[Tensor, "k d"]]:
        """Return values, falling, and vectors in the coordinates of the query's basis, as rows."""
