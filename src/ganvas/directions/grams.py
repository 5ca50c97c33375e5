"""What methods by derivatives share: the Gram matrices A and B of regions, averaged over images."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from ganvas.directions.jacobian import region_grams
from ganvas.directions.resefa import ReSeFa
from ganvas.errors.ranges import Fraction, Size
from ganvas.generators.codes import Layers
from ganvas.generators.protocol import Generator
from ganvas.io.progress import Progress, part_of, silent
from ganvas.latents.latent import Latent
from ganvas.regions import Region
from ganvas.regions.part import Part


@dataclass(frozen=True)
class RegionGrams:
    """A and B of a region [d, d], float64, means over its pixels and over images, and its mean mask [1, h, w]."""

    a: Float[Tensor, "d d"]
    b: Float[Tensor, "d d"]
    mask: Float[Tensor, "1 h w"]


@dataclass(frozen=True, kw_only=True)
class ByDerivative:
    """Settings of every method that differentiates images: what counts as change, and where.

    ``ignore_band``, ``resolution`` and ``channels`` are those of `ganvas.ReSeFa`.
    """

    name: ClassVar[str] = ""

    ignore_band: Fraction = 0.0
    resolution: Size | None = None
    channels: str = "all"

    @property
    def measuring(self) -> ReSeFa:
        """The settings of ReSeFa with the same measure and masks."""
        return ReSeFa(ignore_band=self.ignore_band, resolution=self.resolution, channels=self.channels)


def mean_region_grams(
    settings: ReSeFa,
    generator: Generator,
    latent: Latent,
    regions: Mapping[str, Region | Part],
    space: str,
    layers: Layers,
    progress: Progress | None = None,
) -> dict[str, RegionGrams]:
    """Return A and B of each region by name, from one J per image."""
    plan, size = settings.plan(generator, space, layers), settings.measure(generator).resolution
    masks = {name: settings.masks_in(generator, latent, area, size) for name, area in regions.items()}
    sums: dict[str, list[tuple[Tensor, Tensor]]] = {name: [] for name in regions}
    for number, one in enumerate(latent):
        here = {name: pair for name, pairs in masks.items() if (pair := pairs[number]) is not None}
        report = part_of(progress or silent, number, len(latent))
        linear = settings.derivative(generator, one, space, layers)
        for name, pair in zip(here, region_grams(linear, list(here.values()), plan, report), strict=True):
            sums[name].append(pair)
    return {name: _mean(sums[name], [pair[0] for pair in masks[name] if pair]) for name in regions}


def _mean(grams: list[tuple[Tensor, Tensor]], foregrounds: list[Tensor]) -> RegionGrams:
    a, b = (torch.stack(ones).mean(0) for ones in zip(*grams, strict=True))
    return RegionGrams(a, b, torch.stack(foregrounds).mean(0))
