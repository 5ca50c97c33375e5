"""The Jacobian of an image held as its columns, and the Gram matrices of regions from it.

J is the derivative of what counts of the image by the d coordinates of a direction. It is computed column by column,
never by one reverse pass per pixel, and held within a memory budget. Where it does not fit, its Gram matrices are
formed from blocks of columns.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor

from ganvas.directions.jvp import Derivative
from ganvas.directions.linalg import PIXELS_AT_ONCE, product, sum_gram, weighted_gram
from ganvas.errors import GanvasError
from ganvas.io.progress import Progress, part_of, silent

DEFAULT_BUDGET = 2 * 2**30
TANGENTS_AT_ONCE = 32
PIXELS_ON_CPU = 128**2
TANGENTS_ON_CPU = 8  # as fast as 32 where they stay in the cache, and whoever waits between two chunks waits less
WORK = "Computing derivatives"  # as progress is labeled; its unit is a column of J
Grams = tuple[Tensor, Tensor]
"""A and B of one region, [d, d] each, float64."""
PICKING_COST = 2.5  # measured: a pixel picked out one by one, in pixels of a whole rectangle


@dataclass(frozen=True)
class JacobianPlan:
    """How J is held: whole in float32 or float16, or in `blocks` of columns in float32."""

    dtype: torch.dtype
    blocks: int
    bytes: int

    def __str__(self) -> str:
        size = f"{self.bytes / 2**20:.0f} MiB"
        name = "float32" if self.dtype == torch.float32 else "float16"
        if self.blocks == 1:
            return f"J held whole in {name}, {size}"
        return (
            f"J in {self.blocks} blocks of columns in {name}, {size} at a time (each column is computed about "
            f"{(self.blocks + 1) / 2:g} times)"
        )


def plan_columns(columns: int, pixels: int, budget: int = DEFAULT_BUDGET) -> JacobianPlan:
    """Choose how to hold a J of `columns` by `pixels` values within `budget` bytes: float32, else float16, else blocks
    of columns.
    """
    for dtype, width in ((torch.float32, 4), (torch.float16, 2)):
        if columns * pixels * width <= budget:
            return JacobianPlan(dtype, 1, columns * pixels * width)
    at_once = min(TANGENTS_AT_ONCE, columns)
    per_block = budget // (4 * pixels) - at_once
    if per_block < 1:
        needed = 4 * pixels * (1 + at_once)
        raise GanvasError(
            f"A budget of {budget} bytes cannot hold a block of columns of {pixels} values; give at least "
            f"{needed}, or a lower resolution."
        )
    blocks = -(-columns // per_block)
    return JacobianPlan(torch.float32, blocks, 4 * pixels * (-(-columns // blocks) + at_once))


@dataclass
class Jacobian:
    """A J held whole, for many regions of one image. ``columns`` [d, c r r]; float16 is widened block by block as it
    is used.
    """

    columns: Float[Tensor, "d p"]
    channels: int
    resolution: int
    _whole: Float[Tensor, "d d"] | None = field(default=None, repr=False)

    @property
    def bytes(self) -> int:
        """Bytes held."""
        return self.columns.numel() * self.columns.element_size()

    def whole(self) -> Float[Tensor, "d d"]:
        """Return J^T J, float64; computed once and kept."""
        if self._whole is None:
            self._whole = weighted_gram(self.columns)
        return self._whole

    def gram(self, mask: Float[Tensor, "1 h w"]) -> Float[Tensor, "d d"]:
        """Return ``J^T diag(m) J`` (a sum, not a mean), float64, from the mask or its complement."""
        inside, outside = _Support.of(mask[0]), _Support.of(1 - mask[0])
        if inside.cost <= outside.cost:
            return self._sum(inside)
        return self.whole() - self._sum(outside)

    def split_grams(
        self, foreground: Float[Tensor, "1 h w"], background: Float[Tensor, "1 h w"]
    ) -> tuple[Tensor, Tensor]:
        """Return both sums; where the masks add up to one everywhere, only the cheaper one is summed."""
        if not torch.allclose(foreground + background, torch.ones_like(foreground), atol=1e-6):
            return self.gram(foreground), self.gram(background)
        inside = self.gram(foreground)
        return inside, self.whole() - inside

    def _sum(self, support: "_Support") -> Float[Tensor, "d d"]:
        size = len(self.columns)
        if support.pixels == 0:
            return torch.zeros(size, size, dtype=torch.float64)
        planes = self.columns.view(size, self.channels, self.resolution, self.resolution)
        weights = support.weights.to(planes.device)
        if support.scattered:
            used = weights.flatten().nonzero()[:, 0]
            picked = planes.flatten(2).index_select(2, used).flatten(1)
            return weighted_gram(picked, weights.flatten()[used].repeat(self.channels))
        return sum_gram(self._bands(planes, weights, support))

    def _bands(self, planes: Tensor, weights: Tensor, support: "_Support") -> Iterator[tuple[Tensor, Tensor | None]]:
        """Yield the rectangle of a support in bands of rows, with their weights."""
        top, bottom, left, right = support.bounds
        rows = max(1, PIXELS_AT_ONCE // (self.channels * (right - left)))
        for first in range(top, bottom, rows):
            band = slice(first, min(first + rows, bottom)), slice(left, right)
            part = weights[band]
            hard = bool((part == 1).all())
            yield planes[:, :, *band], None if hard else part.expand(self.channels, -1, -1)


@dataclass(frozen=True)
class _Support:
    """Where a mask is not zero: the rectangle around it, and whether it fills so little of it that picking pixels is
    cheaper.
    """

    weights: Float[Tensor, "h w"]
    bounds: tuple[int, int, int, int]
    pixels: int

    @classmethod
    def of(cls, weights: Float[Tensor, "h w"]) -> "_Support":
        used = weights > 0
        rows, columns = used.any(dim=1).nonzero()[:, 0], used.any(dim=0).nonzero()[:, 0]
        bounds = (int(rows[0]), int(rows[-1]) + 1, int(columns[0]), int(columns[-1]) + 1) if len(rows) else (0, 0, 0, 0)
        return cls(weights, bounds, int(used.sum()))

    @property
    def area(self) -> int:
        top, bottom, left, right = self.bounds
        return (bottom - top) * (right - left)

    @property
    def scattered(self) -> bool:
        return PICKING_COST * self.pixels < self.area

    @property
    def cost(self) -> float:
        return min(float(self.area), PICKING_COST * self.pixels)


def hold(derivative: Derivative, plan: JacobianPlan, progress: Progress | None = None) -> Jacobian:
    """Compute J whole, in chunks of tangents, in the plan's dtype."""
    size, pixels = derivative.basis.size, derivative.image.numel()
    columns = torch.empty(size, pixels, dtype=plan.dtype, device=derivative.image.device)
    for first, chunk in column_chunks(derivative, progress or silent):
        columns[first : first + len(chunk)] = chunk
    return Jacobian(columns, derivative.image.shape[1], derivative.image.shape[-1])


def column_chunks(derivative: Derivative, progress: Progress) -> Iterator[tuple[int, Float[Tensor, "k p"]]]:
    """Yield J in chunks of columns, each with the number of its first one."""
    size = derivative.basis.size
    for first, last in _chunks(0, size, _tangents_at_once(derivative)):
        yield first, derivative.columns(first, last)
        progress(WORK, last, size)


def streamed_grams(
    derivative: Derivative,
    masks: Sequence[Float[Tensor, "1 h w"]],
    plan: JacobianPlan,
    progress: Progress | None = None,
) -> list[Tensor]:
    """Return ``J^T diag(m) J`` for each mask without ever holding J: one block of columns against all later columns at
    a time.
    """
    size = derivative.basis.size
    weights = [mask[0].flatten().repeat(derivative.image.shape[1]).to(derivative.image.device) for mask in masks]
    grams = [torch.zeros(size, size, dtype=torch.float64) for _ in masks]
    edges = [round(i * size / plan.blocks) for i in range(plan.blocks + 1)]
    done, total = 0, sum(size - first for first in edges[:-1])
    for start, stop in pairwise(edges):
        held = torch.empty(stop - start, derivative.image.numel(), device=derivative.image.device)
        for first, last in (*_chunks(start, stop), *_chunks(stop, size)):
            columns = derivative.columns(first, last)
            if first < stop:
                held[first - start : last - start] = columns
            partners = held[: min(last, stop) - start]
            for gram, weight in zip(grams, weights, strict=True):
                corner = product(columns * weight, partners).cpu().double()
                gram[first:last, start : start + len(partners)] = corner
            done += last - first
            if progress:
                progress(WORK, done, total)
    return [gram.tril() + gram.tril(-1).T for gram in grams]


def mean_grams(
    jacobian: Jacobian, foreground: Float[Tensor, "1 h w"], background: Float[Tensor, "1 h w"]
) -> tuple[Float[Tensor, "d d"], Float[Tensor, "d d"]]:
    """Return A and B: ``J^T diag(m) J`` over the number of values (rows of J) that the mask counts."""
    inside, outside = jacobian.split_grams(foreground, background)
    rows = jacobian.channels
    return inside / (rows * foreground.sum()), outside / (rows * background.sum())


def region_grams(
    linear: Derivative, masks: Sequence[tuple[Tensor, Tensor]], plan: JacobianPlan, progress: Progress | None = None
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


def summed_grams(
    derivatives: Callable[[int], Derivative],
    masks: Mapping[str, Sequence[tuple[Tensor, Tensor] | None]],
    plan: JacobianPlan,
    progress: Progress,
) -> dict[str, Grams]:
    """Return the sums of A and B over images for each region by name, from one J per image, which `derivatives` gives
    by its number; ``masks`` are foreground and background in each image, None where an image lacks the region.
    """
    sums: dict[str, Grams] = {}
    count = len(next(iter(masks.values())))
    for number in range(count):
        here = {name: pair for name, pairs in masks.items() if (pair := pairs[number]) is not None}
        report = part_of(progress, number, count)
        for name, (a, b) in zip(
            here, region_grams(derivatives(number), list(here.values()), plan, report), strict=True
        ):
            sums[name] = (sums[name][0] + a, sums[name][1] + b) if name in sums else (a, b)
    return sums


def _tangents_at_once(derivative: Derivative) -> int:
    """Return the size of a chunk: on a CPU fewer of large images, since whoever waits waits for a chunk."""
    if derivative.image.device.type != "cpu":
        return TANGENTS_AT_ONCE
    return min(TANGENTS_AT_ONCE, max(1, TANGENTS_ON_CPU * PIXELS_ON_CPU // derivative.image[0, 0].numel()))


def _chunks(first: int, last: int, at_once: int = TANGENTS_AT_ONCE) -> Iterator[tuple[int, int]]:
    for start in range(first, last, at_once):
        yield start, min(start + at_once, last)
