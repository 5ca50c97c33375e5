"""How local directions are that were found by box and by part, on held-out samples at matched change."""

from collections.abc import Mapping
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from ganvas.comparisons.matching import match_strength
from ganvas.directions.cached import cache_jacobians
from ganvas.directions.direction import Direction, Directions
from ganvas.directions.files import load_directions
from ganvas.edits.move import edit
from ganvas.generators.protocol import Generator, about_of
from ganvas.latents.latent import Latent, sample
from ganvas.metrics.locality import mean_squared_change
from ganvas.parts.text import part
from ganvas.regions.part import masks_in

FOUND_ON, JUDGED_ON, TRUNCATION = range(16), range(200, 264), 0.7
REGIONS = ("mouth", "eyes")
DIRECTIONS, TARGET, LIMIT, TOLERANCE = 2, 0.1, 60.0, 0.05
JUDGES = "part", "box"
Ratios = dict[str, list[list[float]]]
"""By way ("box", "part"): mean squared change outside over inside, [direction][sample]."""


def locality(generator: Generator, found: Mapping[str, Directions], region: str, judge: str) -> Ratios:
    """Return how much each direction changes outside and inside, judged by each image's own part, or by the box."""
    latent = sample(generator, JUDGED_ON, truncation=TRUNCATION)
    own = part(generator, f"part:{region}").mask_for(generator, latent)
    with_part = (own.amax((1, 2, 3)) >= 0.5).nonzero().flatten().tolist()  # without it nothing can be judged
    latent = latent.rows(with_part)
    original = torch.cat(list(latent.images(generator)))
    masks = own[with_part] if judge == "part" else masks_in(generator, latent, about_of(generator).regions[region])
    return {
        way: [_ratios(generator, latent, original, one, masks) for one in several] for way, several in found.items()
    }


def directions_of(generator: Generator, kept: Path) -> dict[str, dict[str, Directions]]:
    """Return the first directions of each region, found by its box and by its part on the same images, and kept."""
    texts = {region: {"box": region, "part": f"part:{region}"} for region in REGIONS}
    name = about_of(generator).name
    paths = {
        text: kept / f"{name}-{region}-{way}.safetensors"
        for region, ways in texts.items()
        for way, text in ways.items()
    }
    if not all(path.is_file() for path in paths.values()):
        latent = sample(generator, FOUND_ON, truncation=TRUNCATION)
        cached = cache_jacobians(generator, latent, layers=about_of(generator).edit_layers or None)
        for text, path in paths.items():
            cached.find(text, DIRECTIONS).save(path)
    return {region: {way: load_directions(paths[text]) for way, text in ways.items()} for region, ways in texts.items()}


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
