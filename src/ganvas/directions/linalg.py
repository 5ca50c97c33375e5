"""Linear algebra of the methods: Gram matrices, the generalized symmetric eigenproblem, ridge and low-rank inverse.
Knows no images.

Matrices of the eigenproblem are float64 on the CPU: they are small (d x d), and float32 loses the small eigenvalues
that decide here.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import scipy.linalg
import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from ganvas.errors import GanvasError
from ganvas.errors.arguments import checked
from ganvas.errors.ranges import RidgeShare

PIXELS_AT_ONCE = 8192
ROW_BLOCKS = 8


@checked
@dataclass(frozen=True)
class Ridge:
    """What is added to the background's Gram matrix: ``tau * trace(B) * I`` (ReSeFa, Eq. 10), or tau times the mean
    eigenvalue.

    Args:
        tau: The share; 0 for no ridge.
        of: "trace", or "mean" eigenvalue, which is trace / d: the paper's 1e-3 of the trace is 0.512 mean eigenvalues
            at d = 512, a strong ridge.

    Raises:
        GanvasError: A negative share, or another `of`.

    Example:
        >>> import ganvas
        >>> ganvas.ReSeFa(ridge=ganvas.Ridge(0.1, of="mean"))
        ReSeFa(ridge=0.1 of the mean eigenvalue)
    """

    tau: RidgeShare = 1e-3
    of: str = "trace"

    def __post_init__(self) -> None:
        if self.of not in ("trace", "mean"):
            raise GanvasError(
                f"A ridge of '{self.of}' is not known; it is a share of the 'trace' or of the 'mean' eigenvalue."
            )

    def amount(self, background: Float[Tensor, "d d"]) -> float:
        """Return ``a``, the number added to the diagonal."""
        return self.share(float(background.trace()), len(background))

    def share(self, trace: float, size: int) -> float:
        """Return ``a`` for a background of this trace and size."""
        return self.tau * (trace if self.of == "trace" else trace / size)

    def __str__(self) -> str:
        return (
            "none" if self.tau == 0 else f"{self.tau:g} of the {'trace' if self.of == 'trace' else 'mean eigenvalue'}"
        )


NO_RIDGE = Ridge(tau=0.0)


@dataclass(frozen=True)
class Factors:
    """The solution of Eq. 11: columns of unit length, eigenvalues (ridge included), ratios inside to outside (no
    ridge).
    """

    vectors: Float[Tensor, "d k"]
    eigenvalues: Float[Tensor, "k"]
    predicted_ratios: Float[Tensor, "k"]


def product(a: Float[Tensor, "k p"], b: Float[Tensor, "n p"]) -> Float[Tensor, "k n"]:
    """Return ``a b^T``. On a CPU in float32 as a 1x1 convolution: its kernels reach two to three times the speed of the
    BLAS on some processors.
    """
    if a.device.type != "cpu" or a.dtype != torch.float32:
        return a @ b.T
    rows, pixels = a.shape
    return F.conv2d(a.view(1, rows, 1, pixels).permute(0, 3, 1, 2), b.view(len(b), pixels, 1, 1)).view(len(b), rows).T


def weighted_gram(columns: Float[Tensor, "d p"], weights: Float[Tensor, "p"] | None = None) -> Float[Tensor, "d d"]:
    """Return ``sum_p weights[p] columns[:, p] columns[:, p]^T`` in float64: the Gram matrix J^T diag(m) J, J's columns
    given as rows.
    """
    parts = [slice(start, start + PIXELS_AT_ONCE) for start in range(0, columns.shape[1], PIXELS_AT_ONCE)]
    return sum_gram((columns[:, part], None if weights is None else weights[part]) for part in parts)


def sum_gram(blocks: Iterable[tuple[Float[Tensor, "d *q"], Float[Tensor, "*q"] | None]]) -> Float[Tensor, "d d"]:
    """Return `weighted_gram` of columns that come in blocks of pixels (of any shape), with their weights (None: ones).

    Sums in float32 (in float64 if the columns are), one triangle only; returns float64 on the CPU. Blocks of about
    `PIXELS_AT_ONCE` pixels stay in the processor's cache.
    """
    lower: Tensor | None = None
    for columns, weights in blocks:
        exact = columns.to(torch.promote_types(columns.dtype, torch.float32))
        # The root of the weight on both sides: one pass, which copies the block out of its surroundings as well.
        rows = (exact if weights is None else exact * weights.to(exact).sqrt()).flatten(1).contiguous()
        if lower is None:
            lower = rows.new_zeros(len(rows), len(rows))
        for first, last in pairwise(_row_cuts(len(rows))):
            lower[first:, first:last] += product(rows[first:], rows[first:last])
    if lower is None:
        raise GanvasError("A Gram matrix of no pixels was asked for; give at least one block.")
    lower = lower.cpu().double().tril()
    return lower + lower.tril(-1).T


def _row_cuts(size: int) -> list[int]:
    if size < 32 * ROW_BLOCKS:
        return [0, size]
    return [round(i * size / ROW_BLOCKS) for i in range(ROW_BLOCKS + 1)]


def generalized_eigh(
    a: Float[Tensor, "d d"], b: Float[Tensor, "d d"], count: int
) -> tuple[Float[Tensor, "k"], Float[Tensor, "d k"]]:
    """Solve ``a n = value b n`` (ReSeFa, Eq. 8) for symmetric `a` and positive definite `b`; float64.

    Returns the `count` largest values in falling order and their vectors as columns of unit Euclidean length. Raises
    `GanvasError` where `b` is singular: then some direction changes nothing in the background, and a ridge is needed.
    """
    try:
        values, vectors = _largest(a, b, count)
    except np.linalg.LinAlgError as error:
        raise GanvasError(
            "The background's Gram matrix is singular: some directions change nothing outside the region. "
            "Use a ridge (for example 1e-3)."
        ) from error
    return values, F.normalize(vectors, dim=0)


def symmetric_eigh(a: Float[Tensor, "d d"]) -> tuple[Float[Tensor, "d"], Float[Tensor, "d d"]]:
    """Return all eigenvalues of a symmetric matrix, falling, and its eigenvectors as rows; float64."""
    values, vectors = torch.linalg.eigh(a.double())
    return values.flip(0), vectors.T.flip(0)


def require_definite(b: Float[Tensor, "d d"]) -> None:
    """Raise `GanvasError` where `b` is singular within the rounding of float32, in which Grams are summed.

    Its weakest directions are then noise, and a quotient over them means nothing.
    """
    values = torch.linalg.eigvalsh(b)
    if float(values[0]) <= torch.finfo(torch.float32).eps * float(values[-1]):
        raise GanvasError(
            "The background's Gram matrix is singular: some directions change nothing in the image, or nothing "
            "outside the region. Use a ridge (for example 1e-3)."
        )


def truncated_spectrum(b: Float[Tensor, "d d"], rank: int) -> tuple[Float[Tensor, "d r"], Float[Tensor, "r"]]:
    """Return V and D^2 of the truncated singular value decomposition ``J_b = U D V^T`` from ``b = J_b^T J_b`` (ReSeFa,
    before Eq. 12).
    """
    values, vectors = _largest(b, None, rank)
    return vectors, values.clamp_min(0)


def shifted_inverse(v: Float[Tensor, "d r"], d_squared: Float[Tensor, "r"], a: float) -> Float[Tensor, "d d"]:
    """Return ``(V D^2 V^T + a I)^-1 = (1/a) (I - V D~ V^T)`` with ``D~ = D^2 / (a + D^2)``: Eq. 12 of ReSeFa in its
    correct form.

    The printed equation has ``a I`` in place of ``I`` and lacks the factor ``1/a``; it is not the inverse, and for a <
    1 not even positive.
    """
    return times_shifted_inverse(torch.eye(len(v), dtype=v.dtype), v, d_squared, a)


def times_shifted_inverse(
    x: Float[Tensor, "d k"], v: Float[Tensor, "d r"], d_squared: Float[Tensor, "r"], a: float
) -> Float[Tensor, "d k"]:
    """Return `shifted_inverse` times `x`, without forming it."""
    shrink = d_squared / (a + d_squared)
    return (x - v @ (shrink[:, None] * (v.T @ x))) / a


def low_rank_eigh(
    a: Float[Tensor, "d d"], v: Float[Tensor, "d r"], d_squared: Float[Tensor, "r"], ridge: float, count: int
) -> tuple[Float[Tensor, "k"], Float[Tensor, "d k"]]:
    """Solve Eq. 11, ``(V D^2 V^T + ridge I)^-1 a n = value n``, with the background cut to rank r (Eq. 12); as
    `generalized_eigh`.

    Uses the square root of `shifted_inverse`, ``(I - V (1 - sqrt(ridge / (ridge + D^2))) V^T) / sqrt(ridge)``, so that
    the problem stays symmetric.
    """
    if ridge <= 0:
        raise GanvasError("A background of low rank is singular; give a ridge above 0 (for example 1e-3).")
    shrink = 1 - (ridge / (ridge + d_squared)).sqrt()

    def whiten(x: Tensor) -> Tensor:
        return (x - (v * shrink) @ (v.T @ x)) / ridge**0.5

    reduced = whiten(whiten(a.double()).T)
    values, vectors = _largest((reduced + reduced.T) / 2, None, count)
    return values, F.normalize(whiten(vectors), dim=0)


def _largest(
    a: Float[Tensor, "d d"], b: Float[Tensor, "d d"] | None, count: int
) -> tuple[Float[Tensor, "k"], Float[Tensor, "d k"]]:
    """Return the largest eigenvalues, falling, and their vectors, of `a` or of the pair (a, b); LAPACK computes only
    these.
    """
    size = len(a)
    second = None if b is None else b.double().numpy()
    solution: Any = scipy.linalg.eigh(
        a.double().numpy(), second, subset_by_index=[size - min(count, size), size - 1], check_finite=False
    )
    # Copied, for numpy calls a reversed axis of length 1 contiguous and torch does not.
    values, vectors = (part[..., ::-1].copy() for part in solution)
    return torch.from_numpy(values), torch.from_numpy(vectors)


def rayleigh_quotients(
    a: Float[Tensor, "d d"], b: Float[Tensor, "d d"], vectors: Float[Tensor, "d k"]
) -> Float[Tensor, "k"]:
    """Return ``n^T a n / n^T b n`` (ReSeFa, Eq. 7) for each column n of unit length, at most 1 / eps of float32.

    Grams are sums in float32: below its eps times the larger trace, ``n^T b n`` is rounding of any sign.
    """
    rounding = torch.finfo(torch.float32).eps * float(max(a.trace(), b.trace()))
    return (vectors * (a @ vectors)).sum(0) / (vectors * (b @ vectors)).sum(0).clamp(min=rounding)


def fix_signs(vectors: Float[Tensor, "d k"]) -> Float[Tensor, "d k"]:
    """Turn each column so that its entry of largest size is positive."""
    largest = vectors.gather(0, vectors.abs().argmax(dim=0, keepdim=True))
    return vectors * torch.where(largest < 0, -1.0, 1.0).to(vectors.dtype)
