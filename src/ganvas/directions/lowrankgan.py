"""LowRankGAN: Low-Rank Subspaces in GANs (Zhu et al., NeurIPS 2021).

The directions that change a region are the principal ones of A, and those that leave the rest alone span the null space
of B; a direction of the region is projected onto this null space. Ranks come from robust principal component analysis.
"""

import math
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from jaxtyping import Float
from torch import Tensor

from ganvas.directions.direction import Directions
from ganvas.directions.grams import mean_region_grams
from ganvas.directions.measured import ByDerivative
from ganvas.directions.query import Query
from ganvas.errors.arguments import checked
from ganvas.errors.ranges import CountOrNone, Rate, Steps
from ganvas.io.progress import Progress, silent

PUBLISHED_LAMBDA = 1 / 60


@dataclass(frozen=True)
class RobustPCA:
    """A matrix as ``low_rank + sparse``; `steps` of the solver, which has `converged` or was stopped."""

    low_rank: Float[Tensor, "n n"]
    sparse: Float[Tensor, "n n"]
    steps: int
    converged: bool


def robust_pca(
    m: Float[Tensor, "n n"],
    lam: float = PUBLISHED_LAMBDA,
    tolerance: float = 1e-7,
    most_steps: int = 10_000,
    progress: Progress = silent,
) -> RobustPCA:
    """Solve ``min ||L||_* + lam ||S||_1`` with ``L + S = M`` by alternating directions (Candès et al. 2011, Alg. 1).

    ``mu = n1 n2 / (4 ||M||_1)`` with the largest column sum as norm, as the published code of LowRankGAN has it.
    `progress` counts percents of the way that the logarithm of ``||L + S - M||`` has to fall.
    """
    m = m.double()
    mu = m.numel() / (4 * float(torch.linalg.matrix_norm(m, 1)))
    scale, sparse, dual = float(m.norm()), torch.zeros_like(m), torch.zeros_like(m)
    low_rank, step = torch.zeros_like(m), 0
    for step in range(1, most_steps + 1):
        u, values, v = torch.linalg.svd(m - sparse - dual / mu, full_matrices=False)
        low_rank = (u * (values - 1 / mu).clamp_min(0)) @ v
        rest = m - low_rank - dual / mu
        sparse = rest.sign() * (rest.abs() - lam / mu).clamp_min(0)
        left = low_rank + sparse - m
        dual = dual + mu * left
        residual = float(left.norm()) / scale
        progress("Robust PCA", _percent(residual, tolerance), 100)
        if residual <= tolerance:
            return RobustPCA(low_rank, sparse, step, True)
    return RobustPCA(low_rank, sparse, step, False)


def _percent(residual: float, tolerance: float) -> int:
    """Return how much of the way from 1 to the tolerance a residual has gone, on a scale of its logarithm."""
    return 100 if residual <= tolerance else max(0, min(99, int(100 * math.log(residual) / math.log(tolerance))))


def right_vectors(m: Float[Tensor, "n n"]) -> tuple[Float[Tensor, "n n"], int]:
    """Return the right singular vectors of a matrix as rows, and its numerical rank."""
    _, values, v = torch.linalg.svd(m.double())
    smallest = float(values[0]) * len(m) * torch.finfo(torch.float64).eps
    return v, int((values > smallest).sum())


def project_on_null(
    principal: Float[Tensor, "k n"], vectors: Float[Tensor, "n n"], rank: int, relax: int = 0
) -> Float[Tensor, "k n"]:
    """Return principal directions projected onto the null space that the rows of `vectors` from `rank` on span, `relax`
    rows of the range taken with it; each of unit length.
    """
    first = min(max(1, rank - relax), vectors.shape[1] - 1)
    null = vectors[first:]
    return torch.nn.functional.normalize(principal @ null.T @ null, dim=1)


@checked
@dataclass(frozen=True, kw_only=True)
class LowRankGAN(ByDerivative):
    """Settings of LowRankGAN, a method of `ganvas.find_directions`.

    Args:
        ranks: How the ranks of A and B are found: "rpca" by robust principal component analysis, as published (minutes
            at d = 512); "spectrum" by the eigenvalues above `threshold`, in milliseconds (ours).
        threshold: For "spectrum": the share of the largest eigenvalue below which one counts as zero.
        lam: For "rpca": the weight of the sparse part.
        most_steps: For "rpca": the largest number of steps; fewer than it takes to converge are a note.
        relax: How many of the background's weakest directions are allowed all the same.
        ignore_band: As in `ganvas.ReSeFa`.
        resolution: As in `ganvas.ReSeFa`.
        channels: As in `ganvas.ReSeFa`.

    Example:
        >>> import ganvas
        >>> ganvas.LowRankGAN(ranks="spectrum").threshold
        0.001

    Source: Zhu et al., Low-Rank Subspaces in GANs, NeurIPS 2021, Eq. 5 to 9.
    """

    name: ClassVar[str] = "lowrankgan"
    spaces: ClassVar[tuple[str, ...]] = ("w", "z", "w+", "s")

    ranks: Literal["rpca", "spectrum"] = "rpca"
    threshold: Rate = 1e-3
    lam: Rate = PUBLISHED_LAMBDA
    most_steps: Steps = 10_000
    relax: CountOrNone = 0

    def answer(self, query: Query) -> dict[str, Directions]:
        """Return the strongest directions of each region, by name: at most as many as A has rank."""
        grams_of = mean_region_grams(
            self.measuring, query.generator, query.codes, query.regions, query.space, query.layers, query.progress
        )
        found = {}
        for name, grams in grams_of.items():
            (inside, rank), note = self._split(grams.a, query.progress)
            (outside, null_from), other = self._split(grams.b, query.progress)
            principal = inside[: min(rank, query.count)]
            vectors = project_on_null(principal, outside, null_from, self.relax)
            strengths = torch.linalg.vecdot(principal @ grams.a, principal)
            notes = f"rank {rank} inside, {null_from} outside of {len(grams.a)}{note or other}"
            found[name] = query.directions(self.name, name, vectors, strengths, grams, notes)
        return found

    def _split(self, gram: Float[Tensor, "d d"], progress: Progress) -> tuple[tuple[Tensor, int], str]:
        """Return the singular vectors and the rank of a Gram matrix, and a note where the solver was stopped."""
        if self.ranks == "spectrum":
            _, values, v = torch.linalg.svd(gram)
            return (v, int((values > self.threshold * values[0]).sum())), ""
        solved = robust_pca(gram, self.lam, most_steps=self.most_steps, progress=progress)
        note = "" if solved.converged else f"; robust PCA stopped after {solved.steps} steps"
        return right_vectors(solved.low_rank), note
