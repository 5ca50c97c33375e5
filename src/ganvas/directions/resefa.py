"""ReSeFa: Region-Based Semantic Factorization in GANs (Zhu et al., ICML 2022).

Directions n that change a region most and the rest least: the largest values of ``n^T A n / n^T (B + a I) n`` (Eq. 7
and 11), with A and B the Gram matrices of J over the region and over its background, each a mean over its pixels. What
the published code does otherwise is in `docs/resefa.md`; ``compat="official"`` repeats it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor

from ganvas.directions import linalg
from ganvas.directions.basis import Basis, make_basis
from ganvas.directions.direction import Directions, Origin
from ganvas.directions.jacobian import Jacobian, Plan, hold, plan_columns, streamed_grams
from ganvas.directions.jvp import Derivative, Measure, default_measure, derivative
from ganvas.directions.linalg import Ridge
from ganvas.directions.settings import Search
from ganvas.generators.codes import parse_layers
from ganvas.generators.protocol import Generator
from ganvas.io.progress import Progress
from ganvas.latents.spaces import draw_samples, row_label, stds_along
from ganvas.regions import Region

Grams = tuple[Tensor, Tensor]
"""A and B of one region, [d, d] each, float64."""
OFFICIAL_RESOLUTION = 256


@dataclass(frozen=True)
class Factors:
    """The solution of Eq. 11: columns of unit length, eigenvalues (ridge included), ratios inside to outside (no
    ridge).
    """

    vectors: Float[Tensor, "d k"]
    eigenvalues: Float[Tensor, "k"]
    predicted_ratios: Float[Tensor, "k"]


def factorize(
    foreground: Float[Tensor, "d d"],
    background: Float[Tensor, "d d"],
    count: int,
    ridge: Ridge = Ridge(),
    rank: int | None = None,
) -> Factors:
    """Solve ``A n = value (B + a I) n`` (Eq. 8, 10, 11) for the `count` largest values; A and B are means over pixels,
    float64.

    With `rank`, B is first cut to its strongest eigenvectors and inverted by Eq. 12 (in its correct form, see
    `linalg.shifted_inverse`).
    """
    a, b = foreground.double(), background.double()
    amount = ridge.amount(b)
    if amount == 0:
        linalg.require_definite(b)
    if rank is None:
        values, vectors = linalg.generalized_eigh(a, b + amount * torch.eye(len(b), dtype=b.dtype), count)
    else:
        values, vectors = linalg.low_rank_eigh(a, *linalg.truncated_spectrum(b, rank), amount, count)
    return Factors(linalg.fix_signs(vectors), values, linalg.rayleigh_quotients(a, b, vectors))


def mean_grams(
    jacobian: Jacobian, foreground: Float[Tensor, "1 h w"], background: Float[Tensor, "1 h w"]
) -> tuple[Float[Tensor, "d d"], Float[Tensor, "d d"]]:
    """Return A and B: ``J^T diag(m) J`` over the number of rows that the mask counts."""
    inside, outside = jacobian.split_grams(foreground, background)
    rows = jacobian.channels
    return inside / (rows * foreground.sum()), outside / (rows * background.sum())


def region_grams(
    linear: Derivative, masks: Sequence[tuple[Tensor, Tensor]], plan: Plan, progress: Progress | None = None
) -> list[Grams]:
    """Return A and B for each (foreground, background) from one derivative, holding J as the plan says; J is dropped
    afterwards.
    """
    if plan.blocks == 1:
        jacobian = hold(linear, plan, progress)
        return [mean_grams(jacobian, *pair) for pair in masks]
    flat = [mask for pair in masks for mask in pair]
    grams = streamed_grams(linear, flat, plan, progress)
    rows = linear.measure.channel_count
    means = [gram / (rows * mask.sum()) for gram, mask in zip(grams, flat, strict=True)]
    return list(zip(means[::2], means[1::2], strict=True))


def find(
    generator: Generator,
    codes: Tensor,
    regions: Mapping[str, Region],
    search: Search,
    origin: Origin = Origin("resefa"),
    progress: Progress | None = None,
) -> dict[str, Directions]:
    """Return the strongest directions for each region of the same images; one J per image serves all of them.

    `codes` [n, *code] are the truncated codes that will be edited, in the space that the basis of ``search.space``
    moves (w+ for w and w+, else the space itself); the Gram matrices of several rows are averaged. `origin` carries
    what the caller knows of them (seeds, truncation).
    """
    basis, measure = search_basis(generator, search), search_measure(generator, search)
    masks = [region.split(measure.resolution, measure.resolution, search.ignore_band) for region in regions.values()]
    plan = plan_search(generator, search)
    samples = draw_samples(generator, search.space, search.label)  # a wrong label fails here, not after the Jacobian
    sums: list[Grams] = []
    for row in range(len(codes)):
        linear = search_derivative(generator, codes[row : row + 1], search, row)
        grams = region_grams(linear, masks, plan, progress)
        sums = [(a + c, b + d) for (a, b), (c, d) in zip(sums, grams, strict=True)] if sums else grams
    found = {}
    for (name, region), (foreground, _), (a, b) in zip(regions.items(), masks, sums, strict=True):
        about = replace(origin, region=region.describe(), region_name=name)
        means = (a / len(codes), b / len(codes))
        found[name] = solve(generator, means, basis, search, foreground, samples, about)
    return found


def solve(
    generator: Generator,
    grams: Grams,
    basis: Basis,
    search: Search,
    mask: Float[Tensor, "1 h w"],
    samples: Tensor | None,
    origin: Origin,
) -> Directions:
    """Return the directions of one region from its Grams A and B; `samples` are codes to measure deviations by."""
    factors = factorize(*grams, search.count, search.ridge_used, search.rank)
    vectors = basis.stored(factors.vectors.T.float().to(basis.device)).cpu()
    measure = search_measure(generator, search)
    return Directions(
        vectors,
        basis.space,
        basis.layers if basis.layers is None else parse_layers(search.layers, generator.layers),
        factors.eigenvalues,
        factors.predicted_ratios,
        stds_along(samples, vectors),
        mask,
        replace(
            origin,
            ridge=str(search.ridge_used),
            resolution=measure.resolution,
            channels=measure.channels,
            rank=search.rank,
        ),
    )


def search_derivative(generator: Generator, code: Tensor, search: Search, row: int = 0) -> Derivative:
    """Return J at one code (row `row` of those searched at) as a linear map, for the coordinates and measure of
    `search`.
    """
    basis, measure = search_basis(generator, search), search_measure(generator, search)
    return derivative(generator, code, basis, measure, label=row_label(search.label, row), truncation=search.truncation)


def plan_search(generator: Generator, search: Search) -> Plan:
    """Return how J will be held within the budget."""
    measure = search_measure(generator, search)
    return plan_columns(
        search_basis(generator, search).size, measure.channel_count * measure.resolution**2, search.budget
    )


def search_measure(generator: Generator, search: Search) -> Measure:
    """Return what of the image counts; the published code above 256 takes every n-th pixel and sums the colors."""
    if search.compat is None:
        return default_measure(generator, search.resolution, search.channels)
    if generator.resolution <= OFFICIAL_RESOLUTION:
        return Measure(generator.resolution)
    return Measure(OFFICIAL_RESOLUTION, "sum", "nearest")


def search_basis(generator: Generator, search: Search) -> Basis:
    """Return the coordinates; the published code takes w in all layers, whichever will be edited."""
    return make_basis(generator, search.space, None if search.compat else search.layers)
