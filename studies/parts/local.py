"""How local directions are that were found by box and by part, on held-out samples at matched change."""

from collections.abc import Mapping

import torch
from jaxtyping import Float
from torch import Tensor

from ganvas.directions.cached import cache_jacobians
from ganvas.directions.direction import Direction
from ganvas.edits.move import edit
from ganvas.generators.protocol import Generator, about_of
from ganvas.latents.latent import Latent, sample
from ganvas.metrics.locality import mean_squared_change
from ganvas.parts.text import part
from studies.matching import match_strength

FOUND_ON, JUDGED_ON, TRUNCATION = range(16), range(100, 164), 0.7
REGIONS = ("mouth", "eyes")
DIRECTIONS, TARGET, LIMIT, TOLERANCE = 3, 0.1, 60.0, 0.02
Ratios = dict[str, dict[str, list[list[float]]]]
"""By way ("box", "part") and judge ("part", "box"): mean squared change outside over inside, [direction][sample]."""


def locality(generator: Generator, region: str, found: Mapping[str, list[Direction]]) -> Ratios:
    """Return how much each direction changes outside and inside, judged by each image's own part, and by the box."""
    latent = sample(generator, JUDGED_ON, truncation=TRUNCATION)
    original = torch.cat(list(latent.images(generator)))
    side = generator.resolution
    box = about_of(generator).regions[region].mask(side, side)[None].expand(len(latent), -1, -1, -1)
    judges = {"part": part(generator, f"part:{region}").mask_for(generator, latent), "box": box}
    return {
        way: {
            judge: [_ratios(generator, latent, original, one, masks) for one in several]
            for judge, masks in judges.items()
        }
        for way, several in found.items()
    }


def directions_of(generator: Generator) -> dict[str, dict[str, list[Direction]]]:
    """Return the first directions of each region, found by its box and by its part on the same images."""
    latent = sample(generator, FOUND_ON, truncation=TRUNCATION)
    cached = cache_jacobians(generator, latent, layers=about_of(generator).edit_layers or None)
    return {
        region: {
            way: list(cached.find(text, DIRECTIONS)) for way, text in (("box", region), ("part", f"part:{region}"))
        }
        for region in REGIONS
    }


@torch.no_grad()
def _ratios(
    generator: Generator, latent: Latent, original: Tensor, direction: Direction, masks: Float[Tensor, "n 1 h w"]
) -> list[float]:
    """Return for each sample the mean squared change outside its mask over that inside, which is matched."""

    def moved(rows: Tensor, strengths: Tensor) -> Tensor:
        chosen = latent.rows(rows.tolist()).to_space(generator, "w+")
        step = edit(generator, chosen, direction, 1.0).codes - chosen.codes
        codes = chosen.codes + strengths[:, None, None] * step
        return generator.synthesize(codes, "w+")

    def inside(rows: Tensor, strengths: Tensor) -> Tensor:
        return torch.stack([
            mean_squared_change(image[None], original[[row]], masks[row]).sqrt()[0]
            for image, row in zip(moved(rows, strengths), rows.tolist(), strict=True)
        ])  # fmt: skip

    strengths = match_strength(inside, len(latent), TARGET, LIMIT, TOLERANCE)
    everything = torch.arange(len(latent))
    images = moved(everything, strengths.clamp(max=LIMIT))
    found = []
    for row, (image, mask) in enumerate(zip(images, masks, strict=True)):
        out, within = (mean_squared_change(image[None], original[[row]], one)[0] for one in (1 - mask, mask))
        found.append(float(out / within) if strengths[row].isfinite() else float("inf"))
    return found
