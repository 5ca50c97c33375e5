"""The codes from which an inversion starts: the mean, random codes, the best of several, an encoder's, a latent's."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from ganvas.errors import GanvasError, LatentError
from ganvas.errors.ranges import whole_number
from ganvas.generators.protocol import Generator
from ganvas.inversion.objective import Objective
from ganvas.inversion.variables import LatentPoint
from ganvas.latents.latent import Latent
from ganvas.latents.spaces import Statistics, sample_codes, to_space

BATCH = 16
MOST_CANDIDATES = 100_000
ImageEncoder = Callable[[Float[Tensor, "n 3 h w"]], Float[Tensor, "n layers d"]]


@dataclass(frozen=True)
class InversionStart:
    """Codes [n, d] or [n, layers, d], their name for reports, and the synthesis passes per sample that found them."""

    codes: Tensor
    name: str
    passes: int = 0


def find_start(objective: Objective, start: str | Latent | ImageEncoder, seed: int = 0) -> InversionStart:
    """Return the start that `InversionSettings.start` names; raises `GanvasError` for an unknown one."""
    generator, space, count = objective.generator, objective.space, len(objective.target.images)
    if isinstance(start, Latent):
        return latent_start(generator, space, start, count)
    if not isinstance(start, str):
        return encoder_start(generator, space, start, objective.target.images)
    if start == "mean":
        return mean_start(generator, space, objective.statistics, count, objective.label)
    word, _, candidates = start.partition(":")
    if word != "random" or not (candidates or "1").isdecimal():
        raise GanvasError(f"Unknown start '{start}'; give mean, random, random:8, encoder or a latent file.")
    return nearest_start(objective, whole_number(candidates or "1"), seed)


def mean_start(
    generator: Generator, space: str, statistics: Statistics, count: int, label: int | None = None
) -> InversionStart:
    """Return the mean of the space for every sample.

    The mean of z, 0, has no image where z is normalized before it is mapped to w: there the start is the code of the
    seed, of `SAMPLES`, whose w is nearest to the mean of w.
    """
    codes = statistics.mean[None]
    if space == "z" and "w" in generator.spaces:
        w = sample_codes(generator, "w", label=label)
        nearest = int((w - w.mean(0)).square().sum(1).argmin())
        codes = generator.sample([nearest])
    elif space == "w+":
        codes = to_space(generator, codes, "w", "w+")
    return InversionStart(codes.expand(count, *generator.dimensions(space)), "mean")


@torch.no_grad()
def nearest_start(objective: Objective, count: int, seed: int = 0) -> InversionStart:
    """Return, for every sample, that of the codes of `count` seeds from `seed` on whose image has the smallest loss;
    with one seed its code for every sample.

    The candidates are the same for all samples, so that the start of one does not depend on the others.
    """
    generator, space = objective.generator, objective.space
    if not 1 <= count <= MOST_CANDIDATES:
        raise GanvasError(f"{count} random starts are not possible; give 1 to {MOST_CANDIDATES}.")
    z = generator.sample(range(seed, seed + count))
    codes = z if space == "z" else generator.map(z, to=space, label=objective.label)
    samples = len(objective.target.images)
    if count == 1:
        return InversionStart(codes.expand(samples, *codes.shape[1:]), f"random, seed {seed}")
    losses = torch.cat([_losses_of(objective, some) for some in codes.split(BATCH)])  # [count, samples]
    return InversionStart(codes[losses.argmin(0)], f"nearest of {count} random", count)


def _losses_of(objective: Objective, codes: Tensor) -> Float[Tensor, "candidates n"]:
    """Return the loss of every candidate's image for every sample's target."""
    point = LatentPoint(codes, torch.zeros_like(codes), {})
    images = objective.select([0]).images(point)
    losses = []
    for sample in range(len(objective.target.images)):
        repeated = objective.select([sample] * len(codes))
        losses.append(repeated.losses(repeated.terms(point, images)))
    return torch.stack(losses, dim=1)


@torch.no_grad()
def encoder_start(
    generator: Generator, space: str, encode: ImageEncoder, images: Float[Tensor, "n 3 h w"]
) -> InversionStart:
    """Return the w+ codes that an encoder predicts for the images, or for w the mean over their layers."""
    if space not in ("w", "w+"):
        raise LatentError(f"An encoder gives codes of w+, and none of {space}; give --space w or w+, or another start.")
    ws = encode(images.to(generator.device))
    return InversionStart(ws.mean(1) if space == "w" else ws, "encoder")


def latent_start(generator: Generator, space: str, latent: Latent, count: int) -> InversionStart:
    """Return the codes of a latent in `space`: one for all samples, or one for each.

    Raises `LatentError` for another number of codes, and where the latent's space does not convert to `space`.
    """
    if len(latent) not in (1, count):
        raise LatentError(
            f"A start of {len(latent)} codes does not fit {count} photos; give one for all or one for each."
        )
    if latent.space != space and (space, latent.space) not in (("w+", "z"), ("w+", "w")):
        raise LatentError(f"Codes of {latent.space} are no start in {space}; give a latent of {space}.")
    codes = latent.to_space(generator, space).codes.to(generator.device)
    return InversionStart(codes.expand(count, *codes.shape[1:]), "a latent")
