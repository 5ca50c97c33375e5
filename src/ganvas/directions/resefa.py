"""ReSeFa: Region-Based Semantic Factorization in GANs (Zhu et al., ICML 2022).

Directions n that change a region most and the rest least: the largest values of ``n^T A n / n^T (B + a I) n`` (Eq. 7
and 11), with A and B the Gram matrices of J over the region and over its background, each a mean over its pixels. What
the published code does otherwise is in `docs/methods/resefa.md`; ``compat="official"`` repeats it.
"""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from ganvas.directions import linalg
from ganvas.directions.basis import Basis, acting_space, make_basis
from ganvas.directions.direction import Directions, Origin, check_count, origin_of
from ganvas.directions.jacobian import DEFAULT_BUDGET, Grams, JacobianPlan, plan_columns, summed_grams
from ganvas.directions.jvp import Derivative, Measure, default_measure, derivative
from ganvas.directions.linalg import NO_RIDGE, Factors, Ridge
from ganvas.directions.products import Products
from ganvas.directions.query import Query, QueryMethod
from ganvas.directions.solver import DENSE, GAIN, SOLVERS, MatrixFreePlan, plan_matrix_free, solve_matrix_free
from ganvas.errors import GanvasError, RegionError
from ganvas.errors.arguments import checked
from ganvas.errors.ranges import Count, Fraction, Size, Weight
from ganvas.errors.shown import some_of
from ganvas.generators.codes import Layers, parse_layers
from ganvas.generators.protocol import Generator
from ganvas.io.progress import Progress, part_of
from ganvas.latents.latent import Latent
from ganvas.latents.spaces import draw_samples, stds_along
from ganvas.parts.located import located
from ganvas.regions import Region
from ganvas.regions.coverage import beyond_band
from ganvas.regions.part import Part
from ganvas.regions.split import HALF_GRAY_LEVEL

OFFICIAL_RESOLUTION = 256
OF_LARGE_SPACES = Ridge(0.5, of="mean")  # the paper's at its 512 dimensions; at 9,216 that were 9 mean eigenvalues


@checked
@dataclass(frozen=True)
class ReSeFa(QueryMethod):
    """Settings of ReSeFa, a method of `ganvas.find_directions`.

    Args:
        ridge: What is added to the background (Eq. 10): a share of its trace, or a `Ridge`. By default 1e-3 of the
            trace; in spaces w+ and s 0.5 of the mean eigenvalue, which is about the same at the paper's 512 dimensions
            and does not grow with their number; none with `compat`.
        rank: Reduce the background to so many of its strongest directions (Eq. 12); None for all.
        ignore_band: Width of a band around the region that counts as neither foreground nor background, as a fraction
            of the image's smaller side.
        band: Count as background only a band of this width around the region (and its ignore band), in the same
            fractions; None for all the rest. For confined edits, where nothing changes further out in any case.
        background_weight: 1 for ReSeFa; below 1 the background counts for less, down to 0 for the directions that
            change the region most, whatever else they change: a dial from local to global attributes.
        resolution: Height and width in pixels at which change is measured; by default the generator's, at most 256.
        channels: "all" three colors, or their "luma".
        budget: Bytes of memory for the Jacobian, or for what a matrix-free search keeps of it.
        compat: "official" repeats the published code, with its own resolution and channels.
        solver: "dense" forms the Gram matrices of all coordinates, "matrix-free" only multiplies by the Jacobian and
            its transpose, for spaces of thousands of dimensions; None chooses what costs less.

    Raises:
        GanvasError: A setting has a value that it cannot have.

    Example:
        >>> import ganvas
        >>> ganvas.ReSeFa(ridge=1e-2, ignore_band=0.05)
        ReSeFa(ridge=0.01 of the trace, ignore_band=0.05)

    Source: Zhu et al., Region-Based Semantic Factorization in GANs, ICML 2022.
    """

    name: ClassVar[str] = "resefa"
    spaces: ClassVar[tuple[str, ...]] = ("w", "z", "w+", "s")
    ridge: Ridge | Weight | None = None
    rank: Count | None = None
    ignore_band: Fraction = 0.0
    band: Fraction | None = None
    background_weight: Fraction = 1.0
    resolution: Size | None = None
    channels: str = "all"
    budget: int = DEFAULT_BUDGET
    compat: str | None = None
    solver: str | None = None

    def __post_init__(self) -> None:
        if self.ridge is not None and not isinstance(self.ridge, Ridge):
            object.__setattr__(self, "ridge", Ridge(float(self.ridge)))
        if self.compat not in (None, "official"):
            raise GanvasError(f"compat '{self.compat}' is not known; give 'official' or leave it out.")
        if self.solver not in (None, *SOLVERS):
            raise GanvasError(f"The solver '{self.solver}' is not known; give 'dense' or 'matrix-free', or None.")
        if self.solver == "matrix-free" and (self.compat is not None or self.rank is not None):
            raise GanvasError("A matrix-free search has no rank and no compat; leave them out, or solver.")
        if self.rank is not None and self.ridge_in("w").tau == 0:
            raise GanvasError(
                "A background of low rank is singular; give a ridge above 0 (for example 1e-3) with rank."
            )
        if self.compat is not None and (self.resolution is not None or self.channels != "all"):
            raise GanvasError("compat 'official' has its own resolution and channels; leave yours out.")
        if self.compat is not None and (self.band is not None or self.background_weight != 1):
            raise GanvasError("compat 'official' counts all of the background; leave band and background_weight out.")

    def __repr__(self) -> str:
        changed = [
            f"{field.name}={value}" for field in fields(self) if (value := getattr(self, field.name)) != field.default
        ]
        return f"ReSeFa({', '.join(changed)})"

    def ridge_in(self, space: str) -> Ridge:
        """Return the ridge that is added in a space: the default one where none is given."""
        if isinstance(self.ridge, Ridge):
            return self.ridge
        if self.compat is not None:
            return NO_RIDGE
        return OF_LARGE_SPACES if space in ("w+", "s") else Ridge()

    def measure(self, generator: Generator) -> Measure:
        """Return what of the image counts; the published code above 256 px subsamples and sums colors."""
        if self.compat is None:
            return default_measure(generator, self.resolution, self.channels)
        if generator.resolution <= OFFICIAL_RESOLUTION:
            return Measure(generator.resolution)
        return Measure(OFFICIAL_RESOLUTION, "sum", "nearest")

    def masks(self, region: Region, size: int) -> tuple[Float[Tensor, "1 h w"], Float[Tensor, "1 h w"]]:
        """Return foreground and background of a region at a size; raises `RegionError` where either is empty."""
        foreground, background = region.split(size, size, self.ignore_band)
        if self.band is None:
            return foreground, background
        beyond = beyond_band(foreground[0].numpy(), (self.ignore_band + self.band) * size)
        within = torch.minimum(background, 1 - torch.from_numpy(beyond)[None])
        if within.max() < HALF_GRAY_LEVEL:
            raise RegionError(
                f"A band of {self.band:g} around the region {region} is empty at {size} pixels; widen it."
            )
        return foreground, within

    def basis(self, generator: Generator, space: str, layers: Layers = None) -> Basis:
        """Return the coordinates of a search; the published code takes w in all layers, whichever will be edited."""
        return make_basis(generator, space, None if self.compat else layers)

    def plan(self, generator: Generator, space: str, layers: Layers = None) -> JacobianPlan:
        """Return how J is held within the budget."""
        measure = self.measure(generator)
        pixels = measure.channel_count * measure.resolution**2
        return plan_columns(self.basis(generator, space, layers).size, pixels, self.budget)

    def choose(
        self,
        generator: Generator,
        space: str,
        layers: Layers = None,
        *,
        count: int = 10,
        regions: int = 1,
        images: int = 1,
    ) -> JacobianPlan | MatrixFreePlan:
        """Return how a search will work: matrix-free where that is asked for, or takes clearly fewer passes."""
        plan, size = self.plan(generator, space, layers), self.basis(generator, space, layers).size
        if self.solver == DENSE or self.compat is not None or self.rank is not None:
            return plan
        measure = self.measure(generator)
        image_bytes = 4 * images * measure.channel_count * measure.resolution**2
        shift = self.ridge_in(space).share(float(size), size) + 1 - self.background_weight
        try:
            free = plan_matrix_free(size, count, shift, image_bytes, self.budget)
        except GanvasError:
            if self.solver is None:
                return plan
            raise
        columns = size * (plan.blocks + 1) / 2
        return free if self.solver or GAIN * regions * free.passes < columns else plan

    def derivative(self, generator: Generator, latent: Latent, space: str, layers: Layers = None) -> Derivative:
        """Return J at the one code of a latent as a linear map, for directions of `space`."""
        return derivative(generator, latent, self.basis(generator, space, layers), self.measure(generator))

    def answer(self, query: Query) -> dict[str, Directions]:
        """Return the strongest directions for each region of the same images, by name.

        One J per image serves all regions; the Gram matrices of several images are averaged, each with the image's own
        mask. An image that lacks a part has no share in the average of its Gram matrices, which is a warning.
        """
        generator, regions = query.generator, query.regions
        space, layers, count = query.space, query.layers, query.count
        latent = query.latent.to_space(generator, acting_space(generator, space))  # what does not fit fails here
        measure = self.measure(generator)
        masks = {name: self.masks_in(generator, latent, area, measure.resolution) for name, area in regions.items()}
        plan = self.choose(generator, space, layers, count=count, regions=len(regions), images=len(latent))
        samples = draw_samples(generator, space, latent.label)  # a wrong label or count fails here, before the Jacobian
        search = Search(self, generator, space, layers, count, samples, origin_of(self.name, generator, latent))
        if isinstance(plan, MatrixFreePlan):
            reports = [part_of(query.progress, number, len(regions)) for number in range(len(regions))]
            return {
                name: search.matrix_free(latent, area, masks[name], plan, report, name)
                for (name, area), report in zip(regions.items(), reports, strict=True)
            }
        sums = summed_grams(
            lambda number: self.derivative(generator, latent[number], space, layers), masks, plan, query.progress
        )
        return {name: search.solve_mean(sums[name], area, masks[name], name) for name, area in regions.items()}

    def masks_in(
        self, generator: Generator, latent: Latent, area: Region | Part, size: int
    ) -> list[tuple[Tensor, Tensor] | None]:
        """Return foreground and background of a region in each image, None for an image that lacks the part.

        Raises `RegionError` where no image has it; warns of those that do not.
        """
        regions = located(generator, latent, area)
        missing = [name for name, one in zip(latent.captions, regions, strict=True) if one is None]
        if len(missing) == len(latent):
            raise RegionError(f"The part {area} is in none of the {len(latent)} images; choose another.")
        if missing:
            warnings.warn(f"The part {area} is not in {some_of(missing)}: they do not count.", stacklevel=3)
        if isinstance(area, Region):
            return [self.masks(area, size)] * len(latent)
        return [None if one is None else self.masks(one, size) for one in regions]


@dataclass(frozen=True, eq=False)
class Search:
    """All that turns a solution for a region into its directions: what was asked for, `samples` of the space by which
    stds are measured, and where the latent came from.
    """

    method: ReSeFa
    generator: Generator
    space: str
    layers: Layers
    count: int
    samples: Tensor | None
    origin: Origin

    def __post_init__(self) -> None:
        check_count(self.count)

    def solve_mean(
        self, sums: Grams, area: Region | Part, masks: Sequence[tuple[Tensor, Tensor] | None], name: str = ""
    ) -> Directions:
        """Return the directions of a region from the sums of A and B over the images that have it, and its masks."""
        foregrounds = [pair[0] for pair in masks if pair is not None]
        a, b = (gram / len(foregrounds) for gram in sums)
        return self.solve((a, b), area, torch.stack(foregrounds).mean(0), name)

    def solve(self, grams: Grams, region: Region | Part, mask: Float[Tensor, "1 h w"], name: str = "") -> Directions:
        """Return the directions of a region from its Gram matrices A and B."""
        method = self.method
        ridge = method.ridge_in(self.space)
        factors = factorize(*grams, self.count, ridge, method.rank, method.background_weight)
        return self.directions(factors, region, mask, name, DENSE)

    def matrix_free(
        self,
        latent: Latent,
        area: Region | Part,
        masks: Sequence[tuple[Tensor, Tensor] | None],
        plan: MatrixFreePlan,
        progress: Progress,
        name: str = "",
    ) -> Directions:
        """Return the directions of a region without Gram matrices, from the images that have it, by its masks."""
        method = self.method
        there = [number for number, pair in enumerate(masks) if pair is not None]
        pairs = [pair for pair in masks if pair is not None]
        basis, measure = method.basis(self.generator, self.space, self.layers), method.measure(self.generator)
        products = Products(self.generator, latent.rows(there), basis, measure)
        weighting = method.ridge_in(self.space), method.background_weight
        factors, solver = solve_matrix_free(products, pairs, self.count, *weighting, plan, progress)
        return self.directions(factors, area, torch.stack([pair[0] for pair in pairs]).mean(0), name, solver)

    def directions(
        self, factors: Factors, region: Region | Part, mask: Float[Tensor, "1 h w"], name: str, solver: str
    ) -> Directions:
        """Return a solution in the coordinates of the search as directions, with all that is known of them."""
        method, generator = self.method, self.generator
        basis, measure = method.basis(generator, self.space, self.layers), method.measure(generator)
        vectors = basis.stored(factors.vectors.T.float().to(basis.device)).cpu()
        origin = replace(
            self.origin,
            region=region.describe(),
            region_name=name,
            ridge=str(method.ridge_in(self.space)),
            resolution=measure.resolution,
            channels=measure.channels,
            rank=method.rank,
            band=method.band,
            background_weight=method.background_weight,
            solver=solver,
        )
        return Directions(
            vectors,
            basis.space,
            basis.layers if basis.layers is None else parse_layers(self.layers, generator.layers),
            factors.eigenvalues,
            factors.predicted_ratios,
            stds_along(self.samples, vectors),
            mask,
            origin,
        )


def factorize(
    foreground: Float[Tensor, "d d"],
    background: Float[Tensor, "d d"],
    count: int,
    ridge: Ridge = Ridge(),
    rank: int | None = None,
    weight: float = 1.0,
) -> Factors:
    """Solve ``A n = value (B + a I) n`` (Eq. 8, 10, 11) for the `count` largest values; A and B are means over pixels,
    float64.

    With `rank`, B is first cut to its strongest eigenvectors and inverted by Eq. 12 (in its correct form, see
    `linalg.shifted_inverse`). With a `weight` below 1, ``weight B + (1 - weight) b I`` takes the place of B, b its mean
    eigenvalue: at 0 the directions are the principal ones of A (ours; a dial asked for in section 4.4).
    """
    a, b = foreground.double(), background.double()
    amount = ridge.amount(b) + (1 - weight) * float(b.trace()) / len(b)
    if amount == 0:
        linalg.require_definite(b)
    if rank is None:
        shifted = weight * b + amount * torch.eye(len(b), dtype=b.dtype)
        values, vectors = linalg.generalized_eigh(a, shifted, count)
    else:
        strongest, spectrum = linalg.truncated_spectrum(b, rank)
        values, vectors = linalg.low_rank_eigh(a, strongest, weight * spectrum, amount, count)
    return Factors(linalg.fix_signs(vectors), values, linalg.rayleigh_quotients(a, b, vectors))
