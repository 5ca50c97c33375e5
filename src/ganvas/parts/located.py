"""Regions as they lie in each image: a drawn one is the same in all, a part is found in each."""

from ganvas.errors import RegionError
from ganvas.generators.protocol import Generator
from ganvas.latents.latent import Latent
from ganvas.regions.part import Part, masks_in
from ganvas.regions.region import Region

FAINTEST = 0.5  # largest value of a mask, below which an image lacks the part


def located(generator: Generator, latent: Latent, area: Region | Part) -> list[Region | None]:
    """Return a region as it lies in each image of a latent, None for an image that lacks the part."""
    if isinstance(area, Region):
        return [area] * len(latent)
    masks = masks_in(generator, latent, area)
    return [
        Region.from_mask(mask, f"{area} in {name}") if mask.max() >= FAINTEST else None
        for mask, name in zip(masks, latent.captions, strict=True)
    ]


def regions_in(generator: Generator, latent: Latent, area: Region | Part) -> list[Region]:
    """Return the same; raises `RegionError` for an image that lacks the part."""
    found = located(generator, latent, area)
    for name, one in zip(latent.captions, found, strict=True):
        if one is None:
            raise RegionError(f"The part {area} is not in the image of {name}; choose another part, or draw a region.")
    return [one for one in found if one is not None]


def drawn(area: Region | Part, why: str) -> Region:
    """Return a region that is the same for every image; raises `RegionError`, which says why, for a part."""
    if isinstance(area, Part):
        raise RegionError(f"The part {area} lies elsewhere in each image, and {why}; draw a region.")
    return area


def settled(generator: Generator, latent: Latent, area: Region | Part) -> Region:
    """Return a region as it lies in the first image of a latent."""
    return area if isinstance(area, Region) else regions_in(generator, latent[0], area)[0]
