"""Jacobian products of a generator: its derivative by forward mode, and the Gram matrices of regions from it.

For a direction in d coordinates, J is the derivative of what counts of the picture by them. It is computed column by
column (a tangent each), never by one reverse pass per pixel, and held as its columns within a memory budget. Where it
does not fit, its Gram matrices are formed from blocks of columns. Knows the generator protocol, no architecture and no
method.
"""

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from ganvas import images
from ganvas.errors import GanvasError, LatentError
from ganvas.generators.protocol import Generator, Label, Linearizable
from ganvas.linalg import PIXELS_AT_ONCE, product, sum_gram, weighted_gram
from ganvas.tangents import Basis

Progress = Callable[[int, int], None]
DEFAULT_BUDGET = 2 * 2**30
DEFAULT_RESOLUTION = 256
TANGENTS_AT_ONCE = 32
PICKING_COST = 2.5  # measured: a pixel picked out one by one, in pixels of a whole rectangle


@dataclass(frozen=True)
class Measure:
    """What of a picture counts as change: at which resolution, which channels.

    ``channels`` are "all" three colours or their "luma". ``sampling`` "area" reduces the picture by averaging over
    areas; "nearest" takes one pixel of each block and ``channels`` "sum" adds the three colours, both only to reproduce
    published results.
    """

    resolution: int
    channels: str = "all"
    sampling: str = "area"

    def __post_init__(self) -> None:
        if self.channels not in ("all", "luma", "sum"):
            raise GanvasError(f"Channels '{self.channels}' are not known; give 'all', 'luma' or 'sum'.")
        if self.sampling not in ("area", "nearest"):
            raise GanvasError(f"Sampling '{self.sampling}' is not known; give 'area' or 'nearest'.")

    def __call__(self, pictures: Float[Tensor, "n 3 h w"]) -> Float[Tensor, "n c r r"]:
        """Return what counts of `pictures`; linear, so it acts on tangents as on pictures."""
        if pictures.shape[-1] != self.resolution:
            if self.sampling == "nearest":
                step = pictures.shape[-1] // self.resolution
                pictures = pictures[..., ::step, ::step]
            else:
                pictures = images.resize(pictures, self.resolution, self.resolution)
        if self.channels == "all":
            return pictures
        return images.luma(pictures) if self.channels == "luma" else pictures.sum(1, keepdim=True)

    @property
    def channel_count(self) -> int:
        """Number of channels that count."""
        return 3 if self.channels == "all" else 1


def default_measure(generator: Generator, resolution: int | None = None, channels: str = "all") -> Measure:
    """Return all channels at native resolution, at most 256 unless `resolution` asks for more."""
    wanted = resolution or min(generator.resolution, DEFAULT_RESOLUTION)
    if not 1 <= wanted <= generator.resolution:
        raise GanvasError(
            f"Resolution {wanted} is not possible: this generator's pictures have {generator.resolution} "
            "pixels; give at most that."
        )
    return Measure(wanted, channels)


@dataclass(frozen=True)
class Plan:
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


def plan_columns(columns: int, pixels: int, budget: int = DEFAULT_BUDGET) -> Plan:
    """Choose how to hold a J of `columns` by `pixels` values within `budget` bytes: float32, else float16, else blocks
    of columns.
    """
    for dtype, width in ((torch.float32, 4), (torch.float16, 2)):
        if columns * pixels * width <= budget:
            return Plan(dtype, 1, columns * pixels * width)
    at_once = min(TANGENTS_AT_ONCE, columns)
    per_block = budget // (4 * pixels) - at_once
    if per_block < 1:
        needed = 4 * pixels * (1 + at_once)
        raise GanvasError(
            f"A budget of {budget} bytes cannot hold a block of columns of {pixels} values; give at least "
            f"{needed}, or a lower resolution."
        )
    blocks = -(-columns // per_block)
    return Plan(torch.float32, blocks, 4 * pixels * (-(-columns // blocks) + at_once))


@dataclass(frozen=True)
class Derivative:
    """J at one code as a linear map: ``columns(first, last)`` gives columns first..last-1 as rows [k, c h w]."""

    picture: Float[Tensor, "1 c r r"]
    push: Callable[[Tensor], Tensor]
    basis: Basis
    measure: Measure

    def columns(self, first: int, last: int) -> Float[Tensor, "k p"]:
        """Return the changes of what counts of the picture along basis directions first..last-1."""
        return self.measure(self.push(self.basis.tangents(first, last))).flatten(1)


def derivative(
    generator: Generator, codes: Tensor, basis: Basis, measure: Measure, *, label: Label = None, truncation: float = 1.0
) -> Derivative:
    """Return J at one code, [1, *code] of the space that `basis` acts in (z, w+, s, or any the generator has).

    A generator with ``linearize`` shares one primal pass among all tangents; others go through ``torch.func`` (forward
    mode under vmap). Raises `LatentError` unless exactly one code is given.
    """
    if len(codes) != 1:
        raise LatentError(f"A Jacobian is taken at one code; {len(codes)} were given.")
    if isinstance(generator, Linearizable) and basis.acts_in != "z":
        picture, push = generator.linearize(codes, basis.acts_in, layers=basis.layers)
    elif isinstance(generator, Linearizable) and generator.layers:
        picture, push = _through_mapping(generator, codes, label, truncation)
    else:
        # Label and truncation mean something for space z only; elsewhere the codes are already mapped and truncated.
        known: dict[str, Any] = {"label": label, "truncation": truncation} if basis.acts_in == "z" else {}
        picture, push = _by_torch_func(lambda code: generator.synthesize(code, basis.acts_in, **known), codes)
    return Derivative(measure(picture), push, basis, measure)


def _through_mapping(
    generator: Generator, z: Tensor, label: Label, truncation: float
) -> tuple[Tensor, Callable[[Tensor], Tensor]]:
    """Differentiate z -> w+ by torch.func (a few small layers) and w+ -> picture by the generator itself."""
    assert isinstance(generator, Linearizable)
    ws, push_mapping = _by_torch_func(lambda code: generator.map(code, "w+", label=label, truncation=truncation), z)
    picture, push_picture = generator.linearize(ws, "w+")
    return picture, lambda tangents: push_picture(push_mapping(tangents))


def _by_torch_func(function: Callable[[Tensor], Tensor], codes: Tensor) -> tuple[Tensor, Callable[[Tensor], Tensor]]:
    codes = codes.contiguous()  # forward mode refuses one row that is seen several times
    with torch.no_grad():
        value = function(codes)

    @torch.no_grad()
    def push(tangents: Tensor) -> Tensor:
        def along(tangent: Tensor) -> Tensor:
            return torch.func.jvp(function, (codes,), (tangent[None],))[1][0]

        return torch.func.vmap(along)(tangents.to(codes.dtype))

    return value, push


@dataclass
class Jacobian:
    """A J held whole, for many regions of one picture. ``columns`` [d, c r r]; float16 is widened block by block as it
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


def hold(derivative: Derivative, plan: Plan, progress: Progress | None = None) -> Jacobian:
    """Compute J whole, in chunks of tangents, in the plan's dtype."""
    size, pixels = derivative.basis.size, derivative.picture.numel()
    columns = torch.empty(size, pixels, dtype=plan.dtype, device=derivative.picture.device)
    for first, last in _chunks(0, size):
        columns[first:last] = derivative.columns(first, last)
        if progress:
            progress(last, size)
    return Jacobian(columns, derivative.picture.shape[1], derivative.picture.shape[-1])


def streamed_grams(
    derivative: Derivative, masks: Sequence[Float[Tensor, "1 h w"]], blocks: int, progress: Progress | None = None
) -> list[Tensor]:
    """Return ``J^T diag(m) J`` for each mask without ever holding J: one block of columns against all later columns at
    a time.
    """
    size = derivative.basis.size
    weights = [mask[0].flatten().repeat(derivative.picture.shape[1]).to(derivative.picture.device) for mask in masks]
    grams = [torch.zeros(size, size, dtype=torch.float64) for _ in masks]
    edges = [round(i * size / blocks) for i in range(blocks + 1)]
    done, total = 0, sum(size - first for first in edges[:-1])
    for start, stop in itertools.pairwise(edges):
        held = torch.empty(stop - start, derivative.picture.numel(), device=derivative.picture.device)
        for first, last in (*_chunks(start, stop), *_chunks(stop, size)):
            columns = derivative.columns(first, last)
            if first < stop:
                held[first - start : last - start] = columns
            partners = held[: min(last, stop) - start]
            for gram, weight in zip(grams, weights, strict=True):
                corner = product(columns * weight, partners).double().cpu()
                gram[first:last, start : start + len(partners)] = corner
            done += last - first
            if progress:
                progress(done, total)
    return [gram.tril() + gram.tril(-1).T for gram in grams]


def _chunks(first: int, last: int) -> Iterator[tuple[int, int]]:
    for start in range(first, last, TANGENTS_AT_ONCE):
        yield start, min(start + TANGENTS_AT_ONCE, last)
