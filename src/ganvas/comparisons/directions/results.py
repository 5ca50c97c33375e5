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
    ReSeFa's quotient divided by this one's: below 1 ReSeFa changes less outside. ``identity`` is the median distance of
    the best direction's edits from their originals, on the first of the images. ``distribution`` is the kernel MMD of
    the first direction's edited images to the reference images, ``second`` the same by another network.
    ``perceptual_inside`` and ``perceptual_outside`` are medians of the perceptual distance by published features, of
    the images that ``identity`` is of.
    """

    region: str
    level: float
    method: str
    outside: Estimate
    mean: Estimate
    identity: Estimate | None
    against: Estimate | None
    unreached: int
    measured: int
    strength: float
    distribution: KernelMMD | None
    second: KernelMMD | None = None
    perceptual_inside: Estimate | None = None
    perceptual_outside: Estimate | None = None


Key = tuple[int, str, int, float]
"""Region, method, index of the direction, level."""
Likenesses = Mapping[Key, Float[np.ndarray, "n *_k"]]
"""Distances of edited images from their originals, one or several for each."""


def joined(settings: DirectionComparison, cells: Sequence[Cell], measured: Sequence[Measured]) -> dict[Key, Measured]:
    """Return the numbers of all images together, in their order."""
    parts: dict[Key, list[tuple[int, Measured]]] = {}
    for cell, one in zip(cells, measured, strict=True):
        for number, level in enumerate(settings.levels):
            key = cell.region, cell.method, cell.index, level
            parts.setdefault(key, []).append((cell.first, one.at(number)))
    in_order = {key: sorted(ones, key=lambda pair: pair[0]) for key, ones in parts.items()}
    return {key: _concatenated([one for _, one in ones]) for key, ones in in_order.items()}


def _concatenated(parts: Sequence[Measured]) -> Measured:
    return Measured(**{name: np.concatenate([getattr(one, name) for one in parts]) for name in vars(parts[0])})


def chosen(settings: DirectionComparison, found: Mapping[Key, Measured]) -> list[Key]:
    """Return for every region, level and method that found anything the direction with the smallest median quotient on
    the first half of the images.
    """
    keys = []
    for number in range(len(settings.regions)):
        for level in settings.levels:
            for method in settings.methods:
                own = [(number, method, index, level) for index in range(settings.directions)]
                own = [key for key in own if key in found]
                if own:
                    keys.append(min(own, key=lambda key: _first_half(quotients(found[key]))))
    return keys


def _first_half(ratios: Float[np.ndarray, "n"]) -> float:
    return float(np.median(ratios[: max(1, len(ratios) // 2)]))


def quotients(one: Measured) -> Float[np.ndarray, "n"]:
    """Return the root mean square change outside over that inside for each image; inf where it was not reached."""
    with np.errstate(invalid="ignore"):
        return np.where(np.isfinite(one.strengths), np.sqrt(one.outside / one.inside), np.inf)


def lines(
    settings: DirectionComparison,
    found: Mapping[Key, Measured],
    alike: Likenesses,
    reference: Float[np.ndarray, "m d"] | None,
    perceptual: Likenesses | None = None,
    resamples: int = 2000,
) -> list[Line]:
    """Return a line for every region, level and method that found anything; `alike` are the distances that the chosen
    directions' edits have from their originals, `perceptual` [n, 2] those inside and outside the region.
    """
    best = {(key[0], key[3], key[1]): key for key in chosen(settings, found)}
    lines = []
    for (number, level, method), key in best.items():
        ours = best.get((number, level, REFERENCE)) if method != REFERENCE else None
        own = [found[one] for one in found if one[:2] == key[:2] and one[3] == level]
        second = quotients(found[key])[len(own[0].strengths) // 2 :]
        strengths = np.stack([one.strengths for one in own])
        inside, outside = (perceptual or {}).get(key, np.zeros((0, 2))).T
        line = Line(
            settings.regions[number],
            level,
            method,
            median_estimate(second[None], resamples),
            median_estimate(np.stack([quotients(one) for one in own]), resamples),
            _alike(alike.get(key), resamples),
            None if ours is None else _against(quotients(found[ours]), quotients(found[key]), resamples),
            int(np.isinf(strengths).sum()),
            strengths.size,
            float(np.median(strengths)),
            distance_to(reference, own[0].features),
            perceptual_inside=_alike(inside, resamples),
            perceptual_outside=_alike(outside, resamples),
        )
        lines.append(line)
    return lines


def _alike(distances: Float[np.ndarray, "n"] | None, resamples: int) -> Estimate | None:
    """Return the median distance of the images that reached the level; None where none did."""
    reached = np.zeros(0) if distances is None else distances[np.isfinite(distances)]
    return median_estimate(reached[None], resamples) if reached.size else None


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
    """Return the kernel MMD of features to those of the reference, without the images that did not reach the level;
    None where one of the sets is too small.
    """
    features = features[np.isfinite(features).all(1)]
    if reference is None or len(features) < FEWEST or len(reference) < FEWEST:
        return None
    return kernel_mmd(torch.from_numpy(reference).double(), torch.from_numpy(features).double())
