"""Numbers of the study, each a function of tensors: angles between directions, what an edit does to twins and to the
pose, and how much farther from unedited images it leads.
"""

from collections.abc import Iterator

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from ganvas.comparisons.estimates import Estimate
from ganvas.metrics.distribution import kernel_mmd

NORMAL_95 = 1.959964


def abs_cosine(first: Float[Tensor, "d"], second: Float[Tensor, "d"]) -> float:
    """Return ``|x.y| / |x||y|``: directions have no sign."""
    return abs(float(torch.nn.functional.cosine_similarity(first.double(), second.double(), dim=0)))


def principal_angles(first: Float[Tensor, "k d"], second: Float[Tensor, "k d"]) -> Float[Tensor, "k"]:
    """Return the angles between two spans in degrees, rising: arc cosines of the singular values of ``Q1^T Q2``
    (Björck and Golub 1973); 0 where the spans are one, 90 where one has a vector orthogonal to all of the other.
    """
    bases = [torch.linalg.qr(rows.double().T).Q for rows in (first, second)]
    return torch.linalg.svdvals(bases[0].T @ bases[1]).clamp(0, 1).arccos().rad2deg()


def quotients(ratio: Float[np.ndarray, "n"], other: Float[np.ndarray, "n"]) -> Float[np.ndarray, "n"]:
    """Return ``ratio / other`` pair by pair, where 0 stands for out of reach: inf where only the other is, 1 where both
    are.
    """
    undecided = np.where(ratio > 0, np.inf, 1.0)
    return np.divide(ratio, other, out=undecided, where=other > 0)


def twin_share(part: Float[Tensor, "n"], twin: Float[Tensor, "n"]) -> Float[Tensor, "n"]:
    """Return ``twin / (part + twin)`` of mean squared changes: 0 where only the part changes, 0.5 where both alike."""
    return twin / (part + twin)


def odd_share(change: Float[Tensor, "n c h w"]) -> Float[Tensor, "n"]:
    """Return the share of a change's energy that changes sign in the mirror: ``|D - flip D|^2 / 4 |D|^2``.

    A head that turns moves what is left and right oppositely: the derivative of a symmetric face by its yaw is odd, 1.
    A change of both sides alike gives 0, one of a single side 0.5.
    """
    odd = (change - change.flip(3)) / 2
    return odd.square().flatten(1).sum(1) / change.square().flatten(1).sum(1)


def motion_share(change: Float[Tensor, "n c h w"], image: Float[Tensor, "n c h w"]) -> Float[Tensor, "n"]:
    """Return the share of a change that an affine motion of the image explains, in [0, 1].

    Least squares of the change on ``I_x, x I_x, y I_x, I_y, x I_y, y I_y`` (Horn and Schunck 1981, with a velocity
    linear in x and y), all colors at once: shifts, turns, zooms and shears, no change of what is shown.
    """
    x, y = _coordinates(image)
    down, across = torch.gradient(image.double(), dim=(2, 3))
    terms = torch.stack([slope * weight for slope in (across, down) for weight in (torch.ones_like(x), x, y)], dim=1)
    terms, wanted = terms.flatten(2).mT, change.double().flatten(1)[..., None]  # [n, chw, 6], [n, chw, 1]
    fitted = terms @ torch.linalg.lstsq(terms, wanted).solution
    return (fitted.square().sum((1, 2)) / wanted.square().sum((1, 2))).to(change)


def _coordinates(image: Float[Tensor, "n c h w"]) -> tuple[Float[Tensor, "h w"], Float[Tensor, "h w"]]:
    height, width = image.shape[2:]
    x = torch.linspace(-1, 1, width, dtype=torch.float64).expand(height, width)
    y = torch.linspace(-1, 1, height, dtype=torch.float64)[:, None].expand(height, width)
    return x, y


def kernel_excess(
    reference: Float[Tensor, "m d"], before: Float[Tensor, "n d"], after: Float[Tensor, "n d"]
) -> Estimate:
    """Return how much larger the kernel MMD from `reference` is after editing than before, row by row the same
    images; its interval by the jackknife over these pairs, normal (a resampled set counts an image twice, which the
    unbiased distance of a set from itself takes for likeness).
    """

    def excess(rows: Tensor) -> float:
        return kernel_mmd(reference, after[rows]).value - kernel_mmd(reference, before[rows]).value

    everything = torch.arange(len(before))
    value = excess(everything)
    without = np.array([excess(everything[everything != row]) for row in everything])
    error = float(np.sqrt((len(without) - 1) * without.var()))
    return Estimate(value, value - NORMAL_95 * error, value + NORMAL_95 * error)


def groups_of(seeds: tuple[int, ...], size: int, most: int) -> Iterator[tuple[int, ...]]:
    """Yield at most `most` disjoint groups of `size` seeds, in order."""
    for first in range(0, min(len(seeds) - size + 1, most * size), size):
        yield seeds[first : first + size]
