"""Distances between two sets of images, as functions of their features. Knows no network and no image.

The formulas are those of KID and FID; the features are not Inception's, so that the numbers are other ones and have
other names.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from ganvas.errors import GanvasError

COMPONENTS = 64
ROWS = 1024


@dataclass(frozen=True)
class KernelDistance:
    """A kernel distance and its standard error: how much it would vary if other images of the same two kinds had been
    taken. Around 0, and below it at times, where the kinds do not differ.
    """

    value: float
    error: float

    def __str__(self) -> str:
        return f"{self.value:.4f} ± {self.error:.4f}"


def kernel_distance(first: Float[Tensor, "m d"], second: Float[Tensor, "n _d"]) -> KernelDistance:
    """Return the unbiased estimate of the squared maximum mean discrepancy with the kernel ``(x.y / d + 1)^3``
    (Bińkowski et al. 2018, Eq. 4), float64, and its standard error by the jackknife over both sets.

    Symmetric; its expectation does not depend on the numbers of images. Raises `GanvasError` for sets of fewer than 3
    or features that do not fit.
    """
    _check(first, second, fewest=3)
    m, n = len(first), len(second)
    within_first = kernel_sums(first, first) - _own(first)  # [m]
    within_second = kernel_sums(second, second) - _own(second)  # [n]
    across, across_back = kernel_sums(first, second), kernel_sums(second, first)
    total = across.sum()

    def discrepancy(sum_first: Tensor, sum_second: Tensor, sum_across: Tensor, m: int, n: int) -> Tensor:
        return sum_first / (m * (m - 1)) + sum_second / (n * (n - 1)) - 2 * sum_across / (m * n)

    sum_first, sum_second = within_first.sum(), within_second.sum()
    value = discrepancy(sum_first, sum_second, total, m, n)
    # Leaving out row i takes its kernel with every other row away, twice within its own set.
    without_one = discrepancy(sum_first - 2 * within_first, sum_second, total - across, m - 1, n)
    without_other = discrepancy(sum_first, sum_second - 2 * within_second, total - across_back, m, n - 1)
    variance = _jackknife(without_one) + _jackknife(without_other)
    return KernelDistance(float(value), float(variance) ** 0.5)


def kernel_sums(first: Float[Tensor, "m d"], second: Float[Tensor, "n d"]) -> Float[Tensor, "m"]:
    """Return ``sum_j (x_i.y_j / d + 1)^3`` for each row x_i, float64, in blocks that bound memory."""
    columns = second.double().T
    return torch.cat([(rows.double() @ columns / len(columns) + 1).pow(3).sum(1) for rows in first.split(ROWS)])


def _own(features: Float[Tensor, "n d"]) -> Float[Tensor, "n"]:
    return (features.double().square().mean(1) + 1).pow(3)


def _jackknife(without_each: Float[Tensor, "n"]) -> Float[Tensor, ""]:
    """Return the variance of an estimate from its values without each row (Efron and Stein 1981)."""
    return (len(without_each) - 1) * without_each.var(unbiased=False)


def frechet_distance(
    real: Float[Tensor, "m d"], made: Float[Tensor, "n _d"], components: int = COMPONENTS
) -> Float[Tensor, ""]:
    """Return the Fréchet distance of two Gaussians fitted to the features, both projected onto the first `components`
    principal components of the `real` ones, or as many as there are; float64.

    Biased upwards for few images, and blind to what real images do not vary in: the kernel distance leads. Raises
    `GanvasError` for sets of fewer than 2 or features that do not fit.
    """
    _check(real, made, fewest=2)
    basis = principal_basis(real, components)
    return gaussian_distance(*moments(real.double() @ basis), *moments(made.double() @ basis))


def principal_basis(features: Float[Tensor, "n d"], count: int) -> Float[Tensor, "d k"]:
    """Return the `count` directions of largest variance as columns, at most n - 1 and d; float64."""
    centered = features.double() - features.double().mean(0)
    count = min(count, len(features) - 1, features.shape[1])
    return torch.linalg.svd(centered, full_matrices=False).Vh[:count].T


def moments(features: Float[Tensor, "n d"]) -> tuple[Float[Tensor, "d"], Float[Tensor, "d d"]]:
    """Return mean and covariance (over n - 1) of rows."""
    mean = features.mean(0)
    centered = features - mean
    return mean, centered.T @ centered / (len(features) - 1)


def gaussian_distance(
    mean: Float[Tensor, "d"],
    covariance: Float[Tensor, "d d"],
    other_mean: Float[Tensor, "d"],
    other_covariance: Float[Tensor, "d d"],
) -> Float[Tensor, ""]:
    """Return ``|m - m'|^2 + tr(C + C' - 2 (C^1/2 C' C^1/2)^1/2)``, the squared Fréchet distance of two Gaussians
    (Dowson and Landau 1982), with symmetric roots.
    """
    root = symmetric_root(covariance)
    cross = symmetric_root(root @ other_covariance @ root)
    shift = (mean - other_mean).square().sum()
    return shift + (covariance.trace() + other_covariance.trace() - 2 * cross.trace()).clamp_min(0)


def symmetric_root(matrix: Float[Tensor, "d d"]) -> Float[Tensor, "d d"]:
    """Return the positive root of a symmetric, positive semidefinite matrix."""
    values, vectors = torch.linalg.eigh((matrix + matrix.T) / 2)
    return (vectors * values.clamp_min(0).sqrt()) @ vectors.T


def _check(first: Tensor, second: Tensor, fewest: int) -> None:
    if first.ndim != 2 or second.ndim != 2 or first.shape[1] != second.shape[1]:
        raise GanvasError(
            f"Features of shapes {list(first.shape)} and {list(second.shape)} cannot be compared; give [m, d] and "
            "[n, d] of one network."
        )
    if min(len(first), len(second)) < fewest:
        raise GanvasError(
            f"Sets of {len(first)} and {len(second)} images are too small; give at least {fewest} of each, better "
            "some hundred."
        )
    if not (first.isfinite().all() and second.isfinite().all()):
        raise GanvasError("Some features are not finite: an image holds values that are not numbers. Leave it out.")
