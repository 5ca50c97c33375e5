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


def strong_sheet(generator: Generator, images: Path) -> Float[Tensor, "1 3 height width"]:
    """Return a row for every sample and region of a folder of images: the original with the region, the edit in each
    way, and the changes, `CHANGE` times enlarged around gray; gray where a way did not reach the change inside.
    """
    ways, tiles, labels = (STRAIGHT, ALIKE, BY_LAYER), [], []
    for path in sorted(images.glob("*-original.png")):
        region, seed, _ = path.name.split("-")
        original = read_image(path)
        mask = named_regions(generator)[region].mask(*original.shape[-2:])
        files = [images / f"{region}-{seed}-{way}.png" for way in ways]
        edited = [read_image(file) if file.is_file() else None for file in files]
        tiles += [sheets.outline(original, mask, thickness=1.0)]
        tiles += [original * 0 if one is None else one for one in edited]
        tiles += [original * 0 if one is None else CHANGE * (one - original) for one in edited]
        labels.append(f"{region}\nseed {seed}")
    columns = ["original", *ways, *(f"{way}: change" for way in ways)]
    return sheets.labeled_grid(torch.cat(tiles).clamp(-1, 1), len(columns), columns, labels)
