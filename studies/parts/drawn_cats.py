"""Ten generated cats whose parts were drawn by hand, as polygons in fractions, beside this file in cats.json."""

from pathlib import Path

import torch
from jaxtyping import Int
from torch import Tensor

from ganvas.generators.protocol import Generator
from ganvas.io.json_files import read_json
from ganvas.latents.latent import Latent, sample
from ganvas.regions.region import Region

LABELS = ("background", "cat", "eyes", "nose", "mouth", "ears")
TRUNCATION = 0.7


def drawn_cats(generator: Generator) -> tuple[Latent, Int[Tensor, "n h w"]]:
    """Return the latents of the cats and their label maps; what is drawn later lies on top: ears, mouth, nose, eyes."""
    drawn = read_json(Path(__file__).with_name("cats.json"))
    side = generator.resolution
    labels = torch.zeros(len(drawn), side, side, dtype=torch.long)
    for row, polygons in enumerate(drawn.values()):
        for name in ("cat", "ears", "mouth", "nose", "eyes"):
            for points in polygons[name]:
                labels[row][Region.polygon(points).mask(side, side)[0] >= 0.5] = LABELS.index(name)
    return sample(generator, [int(seed) for seed in drawn], truncation=TRUNCATION), labels
