"""The sheet of confined edits beside the free ones, to be looked at."""

from collections.abc import Mapping

import torch
from jaxtyping import Float
from torch import Tensor

from ganvas.directions.direction import Direction
from ganvas.edits.confine import confine
from ganvas.edits.move import edit
from ganvas.generators.protocol import Generator
from ganvas.images import sheets
from ganvas.latents.latent import sample

SHOWN = 6
CHANGE = 8.0  # times enlarged


@torch.no_grad()
def confined_sheet(
    generator: Generator, directions: Mapping[str, Direction], strength: float, truncation: float
) -> Float[Tensor, "1 3 height width"]:
    """Return six edits, regions and signs in turn: the original with region and limit, the free edit, the confined one,
    and the changes of both, `CHANGE` times enlarged around gray.
    """
    tiles, labels, names = [], [], list(directions)
    for row in range(SHOWN):
        name, amount = names[row % len(names)], strength if row % 2 == 0 else -strength
        latent = sample(generator, [100 + row], truncation=truncation)
        edited = edit(generator, latent, directions[name], amount)
        confined, free = confine(generator, latent, edited, name), generator.synthesize(edited)
        marked = sheets.outline(
            sheets.outline(confined.original, confined.rim.region), 1 - confined.outside, (255, 160, 0)
        )
        changes = [CHANGE * (images - confined.original) for images in (free, confined.images)]
        tiles += [confined.original, marked, free, confined.images, *changes]
        labels.append(f"{name}\n{amount:+g}")
    columns = ["original", "region, limit", "free", "confined", "free, change", "confined, change"]
    return sheets.labeled_grid(torch.cat(tiles).clamp(-1, 1), len(columns), columns, labels)
