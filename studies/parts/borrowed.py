"""Borrowed parts: a sheet of pairs, and how alike each is to its source inside and to its target outside."""

import torch
from jaxtyping import Float
from torch import Tensor

from ganvas.edits.borrow import borrow, rank_sources
from ganvas.edits.confine import confine
from ganvas.generators.protocol import Generator
from ganvas.images.sheets import labeled_grid
from ganvas.latents.latent import Latent, sample
from ganvas.metrics.locality import mean_squared_change
from studies.parts.labeled import HELD_OUT, LabeledFaces

TRUNCATION = 0.7
PARTS = {"faces": ("eyes", "mouth"), "cats": ("eyes", "ears", "mouth")}
SEEDS = (4, 7), (21, 22)
"""Pairs (to, from) of seeds."""
FOR_PHOTOS = 7, 22
"""The seeds whose parts go onto the first held-out photos."""


def borrowed_sheet(
    generator: Generator, model: str, faces: LabeledFaces | None
) -> tuple[Float[Tensor, "1 3 h w"], list[dict[str, object]]]:
    """Return a sheet of target, source, the target with the source's part free and confined, and numbers."""
    images, facts, labels = [], [], []
    for to, others, name in _pairs(generator, model, faces):
        text = f"part:{name}"
        free = borrow(generator, to, others, text)
        confined = confine(generator, to, free, text)
        seen = [torch.cat(list(one.images(generator))) for one in (others, free)]
        tiles = [confined.original, *seen, confined.images]
        images += tiles
        labels.append(f"{name}\n{others.captions[0]}\nto {to.captions[0]}")
        before, after = (rank_sources(generator, others, one, text)[0][1] for one in (to, free))
        changed = float((confined.images != confined.original).any(1).float().mean())
        leak = float(mean_squared_change(seen[1], confined.original, confined.outside).sqrt())
        facts.append({
            "part": name, "to": to.captions[0], "from": others.captions[0], "alike before": before,
            "alike after": after, "pixels changed": changed, "change outside if free": leak,
            "change outside confined": float(confined.outside_change), "seam": float(confined.seam),
        })  # fmt: skip
    sheet = labeled_grid(torch.cat(images), 4, ["target", "source", "free", "confined"], labels)
    return sheet, facts


def _pairs(generator: Generator, model: str, faces: LabeledFaces | None) -> list[tuple[Latent, Latent, str]]:
    def seed(number: int) -> Latent:
        return sample(generator, [number], truncation=TRUNCATION)

    found = [(seed(to), seed(other), name) for name in PARTS[model] for to, other in SEEDS]
    photos = [] if faces is None else [faces.latent[row] for row in HELD_OUT]
    for photo, other in zip(photos, FOR_PHOTOS, strict=False):
        found += [(photo, seed(other), name) for name in PARTS[model]]
    return found
