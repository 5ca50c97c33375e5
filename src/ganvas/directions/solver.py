"""The two solvers of Eq. 11: dense, from the Gram matrices of all coordinates, and matrix-free, from products with J
(`ganvas.directions.matrix_free`). Here is what the second costs, and how it runs on a generator.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from ganvas.directions import linalg
from ganvas.directions.jacobian import WORK
from ganvas.directions.linalg import Factors, Ridge
from ganvas.directions.matrix_free import GUARDS, RESERVED, SKETCHED, STARTED, Problem, search
from ganvas.directions.products import Products
from ganvas.errors import GanvasError
from ganvas.io.progress import Progress, silent

DENSE, MATRIX_FREE = "dense", "matrix-free"
SOLVERS = (DENSE, MATRIX_FREE)
PER_DIRECTION = 21  # products for a direction of the block in 768 dimensions, at a ridge of half the mean eigenvalue
LARGER, WEAKER = 0.25, 0.2  # powers, measured, by which they grow with the dimensions, and with less of a ridge
GAIN = 1.5  # by how much fewer they must be than the columns of J: the dense solution is exact


@dataclass(frozen=True)
class MatrixFreePlan:
    """How a matrix-free search will work: `passes` are the expected products with the J of each image, about a forward
    pass each; `held` is the number of images kept, and `dtype` how.
    """

    passes: int
    held: int
    dtype: torch.dtype = torch.float32

    def __str__(self) -> str:
        return f"Matrix-free: about {self.passes:,} forward passes for each image"


def plan_matrix_free(size: int, count: int, shift: float, image_bytes: int, budget: int) -> MatrixFreePlan:
    """Return the plan for `count` directions in `size` dimensions, at a ridge of `shift` mean eigenvalues; a change of
    all images has `image_bytes` in float32. They are held in float16 where the budget is too small for all of them.

    Raises `GanvasError` where the search cannot be matrix-free: without a ridge, or in so little memory.
    """
    if shift <= 0:
        raise GanvasError("A matrix-free search needs a ridge above 0 (for example 1e-3).")
    block = count + GUARDS
    per_direction = PER_DIRECTION * (size / 768) ** LARGER * max(1.0, 0.5 / shift) ** WEAKER
    passes, least = round(SKETCHED + RESERVED + STARTED + block * per_direction), STARTED + 4 * block
    whole = min(size, passes // 2) * image_bytes <= budget  # about half of the products are pushes
    dtype, held = (torch.float32, budget // image_bytes) if whole else (torch.float16, 2 * budget // image_bytes)
    if held < least:
        raise GanvasError(
            f"A budget of {budget} bytes cannot hold the {least} changes of all images that a matrix-free search "
            f"needs; give at least {image_bytes * least // 2}, or a lower resolution."
        )
    return MatrixFreePlan(passes, held, dtype)


def solve_matrix_free(
    products: Products,
    masks: Sequence[tuple[Float[Tensor, "1 h w"], Float[Tensor, "1 h w"]]],
    count: int,
    ridge: Ridge,
    weight: float,
    plan: MatrixFreePlan,
    progress: Progress = silent,
) -> tuple[Factors, str]:
    """Return the solution for a region by its foreground and background in each image, and how it was found."""
    images, before = len(products.latent), products.done
    expected = plan.passes * images
    products.report = lambda done: progress(WORK, done - before, max(expected, done - before))
    foreground, background = (_weights(side, products) for side in zip(*masks, strict=True))
    problem = Problem(
        products.basis.size, products.push, products.pull, foreground, background, ridge, weight, plan.held, plan.dtype
    )
    *_, last = search(problem, count)
    passes = products.done - before
    progress(WORK, passes, passes)
    vectors, values = last.vectors[:, :count], last.values[:count]
    ratios = linalg.rayleigh_quotients(last.subspace.inside, last.subspace.outside, last.subspace.vectors @ vectors)
    said = f"{passes / images:.0f} forward passes an image, residual {float(last.residuals[:count].max()):.1g}"
    return Factors(linalg.fix_signs(vectors), values, ratios), f"{MATRIX_FREE} ({said})"


def _weights(masks: Sequence[Float[Tensor, "1 h w"]], products: Products) -> Float[Tensor, "p"]:
    """Return what each value of all images counts in the mean over images of means over the pixels of their masks."""
    channels = products.measure.channel_count
    means = [(mask / (channels * len(masks) * mask.sum())).flatten().repeat(channels) for mask in masks]
    return torch.cat(means).to(products.basis.device)
