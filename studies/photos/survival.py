"""Edits on generated images, on inverted photos and on tuned ones, measured alike."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from ganvas.checkpoints.load import named_regions
from ganvas.comparisons.matching import match_strength
from ganvas.directions.direction import Direction
from ganvas.directions.find import find_directions
from ganvas.edits.move import edit_series
from ganvas.errors import RegionError
from ganvas.generators.protocol import Generator, about_of
from ganvas.latents.latent import Latent, sample
from ganvas.metrics.features import FeatureNetwork
from ganvas.metrics.locality import mean_squared_change, rms_change
from studies.photos.settings import Settings

FARTHEST = 400.0  # an edit's length is sought below
BATCH = 8


@dataclass(frozen=True)
class LocalEdit:
    """The strongest direction of a region, how far it is gone both ways, and the region's mask."""

    name: str
    direction: Direction
    strength: float
    mask: Float[Tensor, "1 h w"]


@dataclass(frozen=True)
class Survived:
    """What an edit did to each image, averaged over both ways: mean squared change in the region and elsewhere, and
    how alike the image stayed (cosine of global features).
    """

    inside: tuple[float, ...]
    outside: tuple[float, ...]
    alike: tuple[float, ...]

    @property
    def ratios(self) -> tuple[float, ...]:
        """Change inside divided by that outside, image by image."""
        return tuple(one / other for one, other in zip(self.inside, self.outside, strict=True))


def find_edits(generator: Generator, settings: Settings) -> list[LocalEdit]:
    """Return an edit for each region of the settings, found and scaled on generated images.

    Raises `RegionError` where the generator has no region of such a name.
    """
    known, side = named_regions(generator), generator.resolution
    missing = [name for name in settings.regions if name not in known]
    if missing:
        raise RegionError(f"This generator has no region {', '.join(missing)}; there is {', '.join(known) or 'none'}.")
    latent = sample(generator, settings.found_on, truncation=settings.truncation)
    layers = about_of(generator).edit_layers or None
    found = []
    for name in settings.regions:
        direction = find_directions(generator, latent, known[name], layers=layers, count=1)[0]
        mask = known[name].mask(side, side)
        found.append(LocalEdit(name, direction, _strength(generator, latent, direction, mask, settings.inside), mask))
    return found


def _strength(generator: Generator, latent: Latent, direction: Direction, mask: Tensor, target: float) -> float:
    """Return the distance at which the mean change of the region is `target`."""

    @torch.no_grad()
    def change(rows: Tensor, strengths: Tensor) -> Tensor:
        moved = [edit_series(generator, latent, direction, (0.0, float(strength))) for strength in strengths]
        return torch.stack([rms_change(pair[:, 1], pair[:, 0], mask).mean() for pair in moved])

    return float(match_strength(change, 1, target, FARTHEST))


def generated(generator: Generator, settings: Settings) -> Latent:
    """Return the generated images that are edited: others than those on which directions were found."""
    seeds = range(settings.first_seed, settings.first_seed + settings.edited)
    return sample(generator, seeds, truncation=settings.truncation)


@torch.no_grad()
def edited(generator: Generator, latent: Latent, edit: LocalEdit) -> Float[Tensor, "n 3 3 h w"]:
    """Return each image of a latent moved back, as it is, and moved forth, painted by its own weights."""
    painter = latent.generator_for(generator)
    strengths = (-edit.strength, 0.0, edit.strength)
    parts = [
        edit_series(painter, latent[first : first + BATCH], edit.direction, strengths)
        for first in range(0, len(latent), BATCH)
    ]
    return torch.cat(parts).cpu()


@torch.no_grad()
def survived(network: FeatureNetwork, images: Sequence[Float[Tensor, "n 3 3 h w"]], edit: LocalEdit) -> Survived:
    """Return what an edit did to images: back, as they are, forth."""
    series = torch.cat(list(images))
    back, before, forth = series.unbind(1)
    outside = 1 - edit.mask
    ways = [
        (mean_squared_change(after, before, edit.mask), mean_squared_change(after, before, outside))
        for after in (back, forth)
    ]
    inside, outside_change = (torch.stack(parts).mean(0) for parts in zip(*ways, strict=True))
    default = network(before)
    alike = torch.stack([torch.cosine_similarity(network(after), default) for after in (back, forth)]).mean(0)
    return Survived(tuple(inside.tolist()), tuple(outside_change.tolist()), tuple(alike.tolist()))
