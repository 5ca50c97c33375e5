"""Kernel MMD and Fréchet distance between two sets of feature vectors.

The formulas are those of KID and FID. The features are not Inception's, so the values are not comparable with
published KID and FID and carry other names.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from ganvas.errors import GanvasError

COMPONENTS = 64
Moments = tuple[Tensor, Tensor]
"""Mean [d] and covariance [d, d], float64."""
ROWS = 1024


@dataclass(frozen=True)
class KernelMMD:
    """A squared kernel MMD and its standard error over draws of images.

    The estimate is unbiased: where the distributions are equal its mean is 0, and single values may be negative.
    """

    value: float
    error: float

    def __str__(self) -> str:
        return f"{self.value:.4f} ± {self.error:.4f}"


def kernel_mmd(first: Float[Tensor, "m d"], second: Float[Tensor, "n _d"]) -> KernelMMD:
    """Return the squared MMD with the polynomial kernel ``k(x, y) = (x.y / d + 1)^3``, as in KID.

    The unbiased U-statistic of Bińkowski et al. 2018, Eq. 4, in float64:

        sum_{i != j} k(x_i, x_j) / (m (m - 1)) + sum_{i != j} k(y_i, y_j) / (n (n - 1)) - 2 sum_ij k(x_i, y_j) / (m n)

    Its standard error is estimated by the jackknife over both sets.

    Args:
        first: Features of one set.
        second: Features of the other set.

    Returns:
        The estimate and its standard error. It is symmetric, and its mean does not depend on m and n.

    Raises:
        GanvasError: A set has fewer than 3 images, or the features differ in width or are not finite.
    """
    _check(first, second, fewest=3)
    m, n = len(first), len(second)
    within_first = kernel_sums(first, first) - _self_kernel(first)  # [m]
    within_second = kernel_sums(second, second) - _self_kernel(second)  # [n]
    across, across_back = kernel_sums(first, second), kernel_sums(second, first)
    total = across.sum()

    def discrepancy(sum_first: Tensor, sum_second: Tensor, sum_across: Tensor, m: int, n: int) -> Tensor:
        return sum_first / (m * (m - 1)) + sum_second / (n * (n - 1)) - 2 * sum_across / (m * n)

    sum_first, sum_second = within_first.sum(), within_second.sum()
    value = discrepancy(sum_first, sum_second, total, m, n)
    # Leaving out sample i removes its kernel with every other sample, twice within its own set.
    without_one = discrepancy(sum_first - 2 * within_first, sum_second, total - across, m - 1, n)
    without_other = discrepancy(sum_first, sum_second - 2 * within_second, total - across_back, m, n - 1)
    variance = _jackknife(without_one) + _jackknife(without_other)
    return KernelMMD(float(value), float(variance) ** 0.5)


def kernel_sums(first: Float[Tensor, "m d"], second: Float[Tensor, "n d"]) -> Float[Tensor, "m"]:
    """Return ``sum_j (x_i.y_j / d + 1)^3`` for each x_i, float64, in blocks that bound memory."""
    columns = second.double().T
    return torch.cat([(rows.double() @ columns / len(columns) + 1).pow(3).sum(1) for rows in first.split(ROWS)])


def _self_kernel(features: Float[Tensor, "n d"]) -> Float[Tensor, "n"]:
    return (features.double().square().mean(1) + 1).pow(3)


def _jackknife(without_each: Float[Tensor, "n"]) -> Float[Tensor, ""]:
    """Return the variance of an estimate from its leave-one-out values (Efron and Stein 1981)."""
    return (len(without_each) - 1) * without_each.var(unbiased=False)


def frechet_distance(
    real: Float[Tensor, "m d"], fake: Float[Tensor, "n _d"], components: int = COMPONENTS
) -> Float[Tensor, ""]:
    """Return the squared Fréchet distance of Gaussians fitted to both sets of features.

    Both sets are projected onto the first `components` principal components of the real features (or as many as there
    are), in float64. The estimate is biased upwards for few images and ignores directions in which real images do not
    vary: use `kernel_mmd` to decide.

    Raises:
        GanvasError: A set has fewer than 2 images, or the features differ in width or are not finite.
    """
    _check(real, fake, fewest=2)
    return projected_distance(moments(real.double()), moments(fake.double()), min(components, len(real) - 1))


def projected_distance(real: Moments, fake: Moments, components: int) -> Float[Tensor, ""]:
    """Return the squared Fréchet distance of two Gaussians on the first principal components of the real one."""
    basis = principal_basis(real[1], components)
    projected = [(mean @ basis, basis.T @ covariance @ basis) for mean, covariance in (real, fake)]
    return gaussian_distance(*projected[0], *projected[1])


def principal_basis(covariance: Float[Tensor, "d d"], count: int) -> Float[Tensor, "d k"]:
    """Return the first principal components as columns: at most `count` and d of them."""
    return torch.linalg.eigh(covariance).eigenvectors.flip(1)[:, :count]


def moments(features: Float[Tensor, "n d"]) -> tuple[Float[Tensor, "d"], Float[Tensor, "d d"]]:
    """Return the mean and the covariance (divided by n - 1) of samples."""
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
        raise GanvasError("Some features are not finite: an image has values that are not finite; leave it out.")
