"""The measurements: one direction of a region on many held-out samples, free, confined, and composited.

A way to confine is a function of both latents and the rim; each is measured on every sample.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from scipy.ndimage import distance_transform_edt
from torch import Tensor

from ganvas.directions.direction import Direction
from ganvas.edits.confine import ConfinedImages, ConfineSettings, confine
from ganvas.edits.move import edit
from ganvas.edits.rim import Rim
from ganvas.generators.protocol import Generator
from ganvas.latents.latent import Latent
from ganvas.metrics.locality import rms_change
from ganvas.regions import Region

SETTINGS: Mapping[str, ConfineSettings] = {
    "all maps": ConfineSettings(),
    "image only": ConfineSettings(finest=0),
}
OTHERS: Mapping[str, ConfineSettings] = {
    "maps up to 32 px": ConfineSettings(finest=32),
    "half the rim": ConfineSettings(rim=0.05),
    "within": ConfineSettings(within=True),
}
"""Ways to confine: those of every sample, of which the first is the default, and those of a few."""
COMPOSITED, FREE = "linear composite", "free"


@dataclass(frozen=True)
class Measured:
    """What one way gave on one sample: change kept inside (1 is the free edit's), seam, pixels that differ outside."""

    kept: float
    seam: float
    outside_pixels: int


def measure(
    generator: Generator, latent: Latent, direction: Direction, strength: float, region: Region, others: bool
) -> dict[str, Measured]:
    """Return what every way gives on one sample, with the free edit and a composite of the default's rim; the `others`
    where they are asked for.
    """
    chosen = {**SETTINGS, **(OTHERS if others else {})}
    edited = edit(generator, latent, direction, strength)
    ways = {name: confine(generator, latent, edited, region, settings=how) for name, how in chosen.items()}
    default = next(iter(ways.values()))
    with torch.no_grad():
        free = generator.synthesize(edited)
    ways[COMPOSITED] = _replaced(default, torch.lerp(default.original, free, linear_fade(default.rim)))
    ways[FREE] = _replaced(default, free)
    change = rms_change(free, default.original, default.rim.region)
    return {
        name: Measured(
            float(way.inside_change / change),
            float(way.seam),
            int(((way.images != way.original).any(1) & way.outside.bool()).sum()),
        )
        for name, way in ways.items()
    }


def _replaced(confined: ConfinedImages, images: Tensor) -> ConfinedImages:
    return ConfinedImages(images, confined.original, confined.rim)


def linear_fade(rim: Rim) -> Float[Tensor, "1 h w"]:
    """Return the mask that falls linearly from 1 at the core to 0 at the limit, as finished images are composited."""
    inwards, outwards = np.asarray(distance_transform_edt(~rim.core)), np.asarray(distance_transform_edt(rim.limit))
    share = outwards / np.maximum(inwards + outwards, 1e-9)
    return torch.from_numpy(np.where(rim.core, 1.0, share)).float()[None]
