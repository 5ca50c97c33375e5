"""What methods by derivatives share: the Gram matrices A and B of regions, averaged over images."""

from collections.abc import Mapping

import torch
from torch import Tensor

from ganvas.directions.jacobian import summed_grams
from ganvas.directions.query import RegionGrams
from ganvas.directions.resefa import ReSeFa
from ganvas.generators.codes import Layers
from ganvas.generators.protocol import Generator
from ganvas.io.progress import Progress, silent
from ganvas.latents.latent import Latent
from ganvas.regions import Region
from ganvas.regions.part import Part


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
    sums = summed_grams(
        lambda number: settings.derivative(generator, latent[number], space, layers), masks, plan, progress or silent
    )
    return {name: _mean(sums[name], [pair[0] for pair in masks[name] if pair]) for name in regions}


def _mean(grams: tuple[Tensor, Tensor], foregrounds: list[Tensor]) -> RegionGrams:
    a, b = (gram / len(foregrounds) for gram in grams)
    return RegionGrams(a, b, torch.stack(foregrounds).mean(0))
