"""Where an inversion sets out: the mean, random codes, the nearest of several, an encoder's, another latent."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from ganvas.errors import GanvasError, LatentError
from ganvas.generators.protocol import Generator
from ganvas.inversion.objective import Objective
from ganvas.inversion.variables import Point
from ganvas.latents.latent import Latent
from ganvas.latents.spaces import Statistics, sample_codes, to_space

AT_ONCE = 16
MOST_CANDIDATES = 100_000
Encode = Callable[[Float[Tensor, "n 3 h w"]], Float[Tensor, "n layers d"]]


@dataclass(frozen=True)
class Start:
    """Codes [n, d] or [n, layers, d], what they are called, and how many images were made for each row to find
    them.
    """

    codes: Tensor
    name: str
    passes: int = 0


def mean_start(generator: Generator, space: str, statistics: Statistics, rows: int, label: int | None = None) -> Start:
    """Return the mean of the space for every row.

    The mean of z, 0, has no image where z is brought to unit length before it is mapped to w: there it is the code of
    the seed, of `SAMPLES`, whose w is nearest to the mean of w.
    """
    codes = statistics.mean[None]
    if space == "z" and "w" in generator.spaces:
        w = sample_codes(generator, "w", label=label)
        nearest = int((w - w.mean(0)).square().sum(1).argmin())
        codes = generator.sample([nearest])
    elif space == "w+":
        codes = to_space(generator, codes, "w", "w+")
    return Start(codes.expand(rows, *generator.dimensions(space)), "mean")


@torch.no_grad()
def nearest_start(objective: Objective, count: int, seed: int = 0) -> Start:
    """Return, for every row, that of the codes of `count` seeds from `seed` on whose image has the smallest loss; of
    one seed its code for every row.

    The same candidates for all rows, so that a row's start does not depend on the others.
    """
    generator, space = objective.generator, objective.space
    if not 1 <= count <= MOST_CANDIDATES:
        raise GanvasError(f"{count} random starts are not possible; give 1 to {MOST_CANDIDATES}.")
    z = generator.sample(range(seed, seed + count))
    codes = z if space == "z" else generator.map(z, to=space, label=objective.label)
    rows = len(objective.target.images)
    if count == 1:
        return Start(codes.expand(rows, *codes.shape[1:]), f"random, seed {seed}")
    losses = torch.cat([_losses_of(objective, some) for some in codes.split(AT_ONCE)])  # [count, rows]
    return Start(codes[losses.argmin(0)], f"nearest of {count} random", count)


def _losses_of(objective: Objective, codes: Tensor) -> Float[Tensor, "some rows"]:
    """Return the loss of every image of `codes` for every row's target."""
    point = Point(codes, torch.zeros_like(codes), {})
    rows = len(objective.target.images)
    one = objective.rows([0])
    images = one.images(point)
    losses = []
    for row in range(rows):
        repeated = objective.rows([row] * len(codes))
        losses.append(repeated.losses(repeated.terms(point, images)))
    return torch.stack(losses, dim=1)


@torch.no_grad()
def encoder_start(generator: Generator, space: str, encode: Encode, images: Float[Tensor, "n 3 h w"]) -> Start:
    """Return what an encoder sees in the images: its w+ codes, or the mean of their rows for w."""
    if space not in ("w", "w+"):
        raise LatentError(f"An encoder gives codes of w+, and none of {space}; give --space w or w+, or another start.")
    ws = encode(images.to(generator.device))
    return Start(ws.mean(1) if space == "w" else ws, "encoder")


def latent_start(generator: Generator, space: str, latent: Latent, rows: int) -> Start:
    """Return the codes of a latent in `space`: one for all rows, or one for each.

    Raises `LatentError` for another number of codes, and where there is no way to the space.
    """
    if len(latent) not in (1, rows):
        raise LatentError(
            f"A start of {len(latent)} codes does not fit {rows} photos; give one for all or one for each."
        )
    if latent.space == space:
        codes = latent.codes.to(generator.device)
    elif space == "w+" and latent.space in ("z", "w"):
        codes = latent.to_space(generator, "w+").codes
    else:
        raise LatentError(f"Codes of {latent.space} are no start in {space}; give a latent of {space}.")
    return Start(codes.expand(rows, *codes.shape[1:]), "a latent")
