"""PandA: Unsupervised Learning of Parts and Appearances in the Feature Maps of GANs (Oldfield et al., ICLR 2023).

A feature map Z [channels, cells] is written as appearances A times parts P, ``Z ~ A (A^T Z P) P^T`` with P >= 0. The
published edit adds ``lambda a p^T`` to the map. A direction of a latent space (ours) is the vector whose change of the
map is nearest to that: the least squares solution over the images given.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import ClassVar, Literal

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from ganvas.directions.direction import Directions
from ganvas.directions.jacobian import TANGENTS_AT_ONCE, WORK, Jacobian, plan_columns
from ganvas.directions.jvp import by_torch_func
from ganvas.directions.linalg import Ridge, symmetric_eigh
from ganvas.directions.query import Query, QueryMethod
from ganvas.errors import GanvasError, LatentError
from ganvas.errors.arguments import checked
from ganvas.errors.ranges import Count, RidgeShare, Seed, Steps
from ganvas.generators.protocol import feature_extent
from ganvas.io.progress import Progress, part_of
from ganvas.latents.latent import Latent, sample
from ganvas.parts.find import default_feature, map_shapes
from ganvas.parts.located import located
from ganvas.parts.maps import maps_of, on_image

BATCH = 50
START = 0.01  # parts begin uniformly between 0 and this, as published
STEP = 0.1  # in units of 1 / the largest eigenvalue of the cells' Gram matrix


def part_factors(
    gram: Float[Tensor, "cells cells"], start: Float[Tensor, "cells parts"], steps: int
) -> Float[Tensor, "cells parts"]:
    """Return P >= 0 that lowers ``sum ||Z - A A^T Z P P^T||^2`` (Eq. 3), by projected gradient descent (Algorithm 1).

    ``gram`` is ``G = sum Z^T A A^T Z``, which is all of the maps that the gradient
    ``-4 G P + 2 (P P^T G P + G P P^T P)`` needs. The published step of 1e-8 is for one scale of features; this one is
    relative to G.
    """
    parts, rate = start, STEP / float(torch.linalg.eigvalsh(gram)[-1]) / 4
    for _ in range(steps):
        answer, overlap = gram @ parts, parts.T @ parts
        slope = -4 * answer + 2 * (parts @ (parts.T @ answer) + answer @ overlap)
        parts = (parts - rate * slope).clamp_min(0)
    return parts


def _gram(rows: Float[Tensor, "n k p"]) -> Float[Tensor, "p p"]:
    """Return ``sum R^T R`` over n matrices R, float64."""
    flat = rows.flatten(0, 1)
    return (flat.T @ flat).double().cpu()


@checked
@dataclass(frozen=True, kw_only=True)
class PandA(QueryMethod):
    """Settings of PandA, a method of `ganvas.find_directions`: appearances of a part, carried to a latent space.

    Args:
        part: "region": the region is the part, as for masks that users draw; "learned": the one of the learned parts
            that is most like it.
        feature: The feature map; None for one with about a quarter of the image's resolution.
        samples: Images whose maps are factorized.
        appearances: How many appearances; None for as many as the map has channels, as published.
        parts: How many parts are learned.
        steps: Steps of their projected gradient descent.
        ridge: What is added to the least squares' matrix, as a share of its mean eigenvalue.
        seed: What the parts begin from.

    Example:
        >>> import ganvas
        >>> G = ganvas.load("faces")
        >>> method = ganvas.PandA(feature="b8", samples=50)
        >>> ganvas.find_directions(G, ganvas.sample(G, [0]), "mouth", method=method, layers="0-2", count=2)
        Directions(2 of space w, layers 0-2, region 'mouth', method panda)

    Source: Oldfield et al., PandA, ICLR 2023, Eq. 3 and Algorithm 1.
    """

    name: ClassVar[str] = "panda"
    spaces: ClassVar[tuple[str, ...]] = ("w", "z", "w+", "s")

    part: Literal["region", "learned"] = "region"
    feature: str | None = None
    samples: Count = 1000
    appearances: Count | None = None
    parts: Count = 8
    steps: Steps = 2000
    ridge: RidgeShare = 0.01
    seed: Seed = 0

    def answer(self, query: Query) -> dict[str, Directions]:
        """Return for each region the directions that make one appearance in its part most purely; the eigenvalues are
        the cosines between the change of the map and ``a p^T``.
        """
        feature = self.feature or default_feature(query.generator)
        if feature not in query.generator.feature_names:
            names = ", ".join(query.generator.feature_names)
            raise LatentError(f"There is no feature map '{feature}'; there are {names}.")
        appearances, learned = self.factorize(query, feature)
        parts = {name: self._parts_of(query, name, feature, learned) for name in query.regions}
        fits = {name: _Fit.empty(query.basis.size, appearances) for name in parts}
        for number, one in enumerate(query.codes):
            jacobian = map_jacobian(query, one, feature, part_of(query.progress, number, len(query.codes)))
            for name, (places, _) in parts.items():
                if (place := places[number]) is not None:
                    fits[name].add(jacobian, place.flatten())
        found = {}
        for name, (_, notes) in parts.items():
            vectors, cosines = fits[name].solve(self.ridge)
            best = cosines.argsort(descending=True)[: query.count]
            found[name] = query.directions(self.name, name, vectors[best], cosines[best], notes=notes)
        return found

    def factorize(
        self, query: Query, feature: str
    ) -> tuple[Float[Tensor, "channels k"], Float[Tensor, "parts h w"] | None]:
        """Return the appearances: the left singular vectors of all maps (Eq. 4), strongest first; and the parts, each
        scaled to at most 1, or None where the region is the part.
        """
        nothing = torch.zeros((), dtype=torch.float64)
        channels = sum((_gram(maps.transpose(1, 2)) for maps in self._maps(query, feature)), nothing)
        appearances = symmetric_eigh(channels)[1][: self.appearances].T
        if self.part == "region":
            return appearances, None
        onto = appearances.T.float()
        cells = sum((_gram(onto.to(maps) @ maps) for maps in self._maps(query, feature)), nothing)
        random = torch.Generator().manual_seed(self.seed)
        begun = START * torch.rand(len(cells), self.parts, generator=random, dtype=torch.float64)
        parts = part_factors(cells, begun, self.steps)
        side = round(len(cells) ** 0.5)
        return appearances, (parts / parts.amax(0).clamp_min(1e-12)).T.reshape(self.parts, side, side)

    @torch.no_grad()
    def _maps(self, query: Query, feature: str) -> Iterator[Float[Tensor, "n c cells"]]:
        """Yield the maps of samples of the prior, of the latent's classes in turn."""
        label = query.latent.label
        for first in range(0, self.samples, BATCH):
            seeds = range(first, min(first + BATCH, self.samples))
            turns = [label[seed % len(label)] for seed in seeds] if isinstance(label, tuple) else label
            latent = sample(query.generator, seeds, label=turns)
            yield maps_of(query.generator, latent, [feature])[feature].flatten(2)
            query.progress("Sampling feature maps", seeds.stop, self.samples)

    def _parts_of(
        self, query: Query, name: str, feature: str, learned: Float[Tensor, "parts h w"] | None
    ) -> tuple[list[Float[Tensor, "h w"] | None], str]:
        """Return the part p in each image, None where it lacks the region, and a note of what it is."""
        side = round(map_shapes(query.generator)[feature].side)
        places = located(query.generator, query.latent, query.regions[name])
        masks = [None if place is None else place.mask(side, side)[0].double() for place in places]
        if learned is None:
            return masks, f"{feature}, the region as part"
        mean = torch.stack([mask for mask in masks if mask is not None]).mean(0)
        alike = F.cosine_similarity(learned.flatten(1), mean.flatten()[None])
        best = int(alike.argmax())
        note = f"{feature}, part {best} of {len(alike)}, cosine {float(alike[best]):.2f} with the region"
        return [None if mask is None else learned[best] for mask in masks], note


@dataclass(eq=False)
class _Fit:
    """Sums over images for the least squares ``min_u sum ||J u - a p^T||^2`` of every appearance a."""

    appearances: Float[Tensor, "c k"]
    whole: Float[Tensor, "d d"]
    pulled: Float[Tensor, "d k"]
    size: float = 0.0

    @classmethod
    def empty(cls, size: int, appearances: Float[Tensor, "c k"]) -> "_Fit":
        """Return sums of nothing."""
        zeros = torch.zeros(size, size + appearances.shape[1], dtype=torch.float64)
        return cls(appearances, zeros[:, :size].clone(), zeros[:, size:].clone())

    def add(self, jacobian: Jacobian, part: Float[Tensor, "cells"]) -> None:
        """Add an image with its part."""
        columns = jacobian.columns.unflatten(1, (jacobian.channels, -1))
        at_part = torch.stack([one.float() @ part.to(one.device).float() for one in columns]).double().cpu()
        self.whole += jacobian.whole()
        self.pulled += at_part @ self.appearances
        self.size += float(part.square().sum())

    def solve(self, ridge: float) -> tuple[Float[Tensor, "k d"], Float[Tensor, "k"]]:
        """Return the solutions, and the cosine of each between the change of the maps and what it should be."""
        amount = Ridge(ridge, of="mean").amount(self.whole)
        if amount == 0 and float(self.whole.trace()) == 0:
            raise LatentError("These layers do not change this feature map; choose a finer feature, or earlier layers.")
        shifted = self.whole + amount * torch.eye(len(self.whole), dtype=torch.float64)
        vectors = torch.linalg.lstsq(shifted, self.pulled).solution.T
        changes = torch.linalg.vecdot(vectors @ self.whole, vectors).clamp_min(1e-300)
        return vectors, torch.linalg.vecdot(vectors, self.pulled.T) / (changes * self.size).sqrt()


def map_jacobian(query: Query, one: Latent, feature: str, progress: Progress) -> Jacobian:
    """Return the derivative of a feature map, over the image, by the coordinates of the query's basis at one code."""
    painter = one.generator_for(query.generator)
    extent = feature_extent(painter, feature)

    def values_of(codes: Tensor) -> Float[Tensor, "n c h w"]:
        maps = painter.features(replace(one, codes=codes), [feature])
        return on_image(maps[feature].float(), extent)

    values, push = by_torch_func(values_of, one.codes)
    size = query.basis.size
    plan = plan_columns(size, values.numel())
    if plan.blocks > 1:
        raise GanvasError(f"The derivative of feature map {feature} does not fit into memory; choose a coarser one.")
    columns = torch.empty(size, values.numel(), dtype=plan.dtype, device=values.device)
    for first in range(0, size, TANGENTS_AT_ONCE):
        last = min(first + TANGENTS_AT_ONCE, size)
        columns[first:last] = push(query.basis.tangents(first, last)).flatten(1)
        progress(WORK, last, size)
    return Jacobian(columns, values.shape[1], values.shape[-1])
