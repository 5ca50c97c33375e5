"""What the cells say together: for each region, level and method the change outside at equal change inside, what stays
of identity, distances between sets, with intervals; and how ReSeFa compares with each, image by image.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float

from ganvas.comparisons.directions.cells import Cell, Measured
from ganvas.comparisons.directions.settings import DirectionComparison
from ganvas.comparisons.estimates import Estimate, estimate, median_estimate
from ganvas.metrics.distribution import KernelMMD, kernel_mmd

REFERENCE = "resefa"
FEWEST = 3  # images of a set that distances are defined for


@dataclass(frozen=True)
class Line:
    """A method on a region at a level.

    ``outside`` is the root mean square change outside divided by that inside, of the best of its directions: chosen on
    the first half of the images, measured on the second. ``mean`` is that of all its directions on all images. Where
    the level was not reached, a quotient is infinite: so medians count it. ``against`` is the median over images of
    ReSeFa's quotient divided by this one's: below 1 ReSeFa changes less outside. ``distribution`` is the kernel MMD of
    the first direction's edited images to the reference images, ``second`` the same by another network.
    """

    region: str
    level: float
    method: str
    outside: Estimate
    mean: Estimate
    identity: float
    against: Estimate | None
    unreached: int
    measured: int
    strength: float
    distribution: KernelMMD | None
    second: KernelMMD | None = None


Key = tuple[int, str, int, float]
"""Region, method, index of the direction, level."""


def joined(cells: Sequence[Cell], measured: Sequence[Measured]) -> dict[Key, Measured]:
    """Return the numbers of all images together, in their order."""
    parts: dict[Key, list[tuple[int, Measured]]] = {}
    for cell, one in zip(cells, measured, strict=True):
        parts.setdefault((cell.region, cell.method, cell.index, cell.level), []).append((cell.first, one))
    in_order = {key: sorted(ones, key=lambda pair: pair[0]) for key, ones in parts.items()}
    return {key: _concatenated([one for _, one in ones]) for key, ones in in_order.items()}


def _concatenated(parts: Sequence[Measured]) -> Measured:
    names = ("strengths", "inside", "outside", "identity")
    features = [one.features for one in parts if one.features.size]
    return Measured(
        **{name: np.concatenate([getattr(one, name) for one in parts]) for name in names},
        features=np.concatenate(features) if features else np.zeros((0, 0)),
    )


def quotients(one: Measured) -> Float[np.ndarray, "n"]:
    """Return the root mean square change outside over that inside for each image; inf where it was not reached."""
    with np.errstate(invalid="ignore"):
        return np.where(np.isfinite(one.strengths), np.sqrt(one.outside / one.inside), np.inf)


def lines(
    settings: DirectionComparison,
    found: Mapping[Key, Measured],
    reference: Float[np.ndarray, "m d"] | None,
    resamples: int = 2000,
) -> list[Line]:
    """Return a line for every region, level and method that found anything."""
    lines = []
    for number, region in enumerate(settings.regions):
        for level in settings.levels:
            best = {}
            for method in settings.methods:
                indices = [i for i in range(settings.directions) if (number, method, i, level) in found]
                if indices:
                    own = [found[number, method, i, level] for i in indices]
                    best[method] = own[_best([quotients(one) for one in own])], own
            for method, (chosen, own) in best.items():
                other = best.get(REFERENCE) if method != REFERENCE else None
                against = None if other is None else _against(quotients(other[0]), quotients(chosen), resamples)
                lines.append(_line(region, level, method, chosen, own, against, reference, resamples))
    return lines


def _best(ratios: Sequence[Float[np.ndarray, "n"]]) -> int:
    """Return the direction with the smallest median on the first half of the images."""
    half = max(1, len(ratios[0]) // 2)
    return int(np.argmin([np.median(one[:half]) for one in ratios]))


def _line(
    region: str,
    level: float,
    method: str,
    chosen: Measured,
    own: Sequence[Measured],
    against: Estimate | None,
    reference: Float[np.ndarray, "m d"] | None,
    resamples: int,
) -> Line:
    second = quotients(chosen)[len(chosen.strengths) // 2 :]
    every = np.stack([quotients(one) for one in own])
    strengths = np.stack([one.strengths for one in own])
    return Line(
        region,
        level,
        method,
        median_estimate(second[None], resamples),
        median_estimate(every, resamples),
        float(np.nanmedian(chosen.identity)) if np.isfinite(chosen.identity).any() else float("nan"),
        against,
        int(np.isinf(strengths).sum()),
        strengths.size,
        float(np.median(strengths)),
        distance_to(reference, own[0].features),
    )


def _against(ours: Float[np.ndarray, "n"], theirs: Float[np.ndarray, "n"], resamples: int, seed: int = 0) -> Estimate:
    """Return the median over the second half of the images of ours over theirs; 0 where only ours was reached, inf
    where only theirs was, 1 where neither.
    """
    half = len(ours) // 2
    first, second = ours[half:], theirs[half:]
    with np.errstate(invalid="ignore"):
        ratios = np.where(np.isinf(first) & np.isinf(second), 1.0, first / second)
    draws = np.random.default_rng(seed).integers(len(ratios), size=(resamples, len(ratios)))
    return estimate(float(np.median(ratios)), (float(np.median(ratios[draw])) for draw in draws))


def distance_to(reference: Float[np.ndarray, "m d"] | None, features: Float[np.ndarray, "n d"]) -> KernelMMD | None:
    """Return the kernel MMD of features to those of the reference; None where one of them is too few."""
    if reference is None or len(features) < FEWEST or len(reference) < FEWEST:
        return None
    return kernel_mmd(torch.from_numpy(reference).double(), torch.from_numpy(features).double())
