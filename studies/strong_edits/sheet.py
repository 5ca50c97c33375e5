"""The sheet of strong edits, every way where it has changed the region equally, to be looked at."""

from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from ganvas.checkpoints.load import named_regions
from ganvas.generators.protocol import Generator
from ganvas.images import sheets
from ganvas.images.pixels import read_image
from studies.strong_edits.measures import ALIKE, BY_LAYER, STRAIGHT

SHOWN = 4
CHANGE = 4.0  # times enlarged


def strong_sheet(generator: Generator, images: Path, regions: tuple[str, ...]) -> Float[Tensor, "1 3 height width"]:
    """Return a row for every sample and region whose images are there: the original with the region, the edit in each
    way, and the changes, `CHANGE` times enlarged around gray.
    """
    ways, tiles, labels = (STRAIGHT, ALIKE, BY_LAYER), [], []
    for path in sorted(images.glob("*-original.png")):
        region, seed, _ = path.name.split("-")
        files = [images / f"{region}-{seed}-{way}.png" for way in ways]
        if region in regions and all(file.is_file() for file in files):
            original, edited = read_image(path), [read_image(file) for file in files]
            tiles += [
                sheets.outline(original, named_regions(generator)[region].mask(*original.shape[-2:]), thickness=1.0)
            ]
            tiles += [*edited, *(CHANGE * (one - original) for one in edited)]
            labels.append(f"{region}\nseed {seed}")
    columns = ["original", *ways, *(f"{way}: change" for way in ways)]
    return sheets.labeled_grid(torch.cat(tiles).clamp(-1, 1), len(columns), columns, labels)
