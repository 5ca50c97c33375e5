"""What becomes of vectors that a method has found: directions, with all that is known of them."""

from collections.abc import Mapping
from dataclasses import replace

import torch
from jaxtyping import Float
from torch import Tensor

from ganvas.directions.basis import Basis
from ganvas.directions.direction import Directions, origin_of
from ganvas.directions.grams import RegionGrams
from ganvas.directions.linalg import fix_signs, rayleigh_quotients
from ganvas.generators.codes import Layers, parse_layers
from ganvas.generators.protocol import Generator
from ganvas.latents.latent import Latent
from ganvas.latents.spaces import draw_samples, stds_along
from ganvas.parts.located import located
from ganvas.regions import Region
from ganvas.regions.part import Part


def outlined(generator: Generator, latent: Latent, area: Region | Part) -> Float[Tensor, "1 h w"]:
    """Return a region's mean mask in some images, for methods that do not look at it themselves."""
    side = generator.resolution
    masks = [one.mask(side, side) for one in located(generator, latent, area) if one is not None]
    return torch.stack(masks).mean(0) if masks else torch.zeros(1, side, side)


def as_directions(
    method: str,
    generator: Generator,
    latent: Latent,
    basis: Basis,
    layers: Layers,
    vectors: Float[Tensor, "k d"],
    values: Float[Tensor, "k"],
    region: tuple[str, Region | Part],
    *,
    grams: RegionGrams | None = None,
    mask: Float[Tensor, "1 h w"] | None = None,
    notes: str = "",
) -> Directions:
    """Return unit vectors in the coordinates of a basis as directions, strongest first; `values` are what the method
    orders them by. Predicted ratios are nan without `grams`. Signs are fixed as those of ReSeFa.
    """
    name, area = region
    vectors = fix_signs(torch.nn.functional.normalize(vectors.double(), dim=1).T).T
    unknown = torch.full((len(vectors),), float("nan"), dtype=torch.float64)
    ratios = unknown if grams is None else rayleigh_quotients(grams.a, grams.b, vectors.T)
    stored = basis.stored(vectors.float().to(basis.device)).cpu()
    origin = replace(origin_of(method, generator, latent), region=area.describe(), region_name=name, notes=notes)
    return Directions(
        stored,
        basis.space,
        None if basis.layers is None else parse_layers(layers, generator.layers),
        values.double(),
        ratios,
        stds_along(draw_samples(generator, basis.space, latent.label), stored),
        mask if grams is None else grams.mask,
        origin,
    )


def for_every_region(
    method: str,
    generator: Generator,
    latent: Latent,
    basis: Basis,
    layers: Layers,
    vectors: Float[Tensor, "k d"],
    values: Float[Tensor, "k"],
    regions: Mapping[str, Region | Part],
) -> dict[str, Directions]:
    """Return the same directions for each region, of a method that looks at none; their masks outline the regions."""
    return {
        name: as_directions(
            method,
            generator,
            latent,
            basis,
            layers,
            vectors,
            values,
            (name, area),
            mask=outlined(generator, latent, area),
        )
        for name, area in regions.items()
    }
