"""BigGAN-deep's generator network (Brock et al. 2019, appendix B): a linear start, blocks, one attention, colors.

Both the forward pass and the derivative run through the same list of stages and split a batch as soon as its maps
outgrow the processor's cache.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from ganvas.errors import CheckpointError
from ganvas.generators import ops
from ganvas.generators.biggan.layers import KEY_REDUCTION, Attention, Block, Condition, Convolution, PlainNorm, Push
from ganvas.generators.sizes import check_sizes

FIRST = 4
MIDDLE_REDUCTION = 4
CACHE_BYTES = 32 * 2**20
STANDARD_WIDTHS = {
    128: (16, 16, 16, 16, 8, 8, 4, 4, 2, 2, 1),
    256: (16, 16, 16, 16, 8, 8, 8, 8, 4, 4, 2, 2, 1),
    512: (16, 16, 16, 16, 8, 8, 8, 8, 4, 4, 2, 2, 1, 1, 1),
}
MOST_BLOCKS, MOST_DOUBLINGS = 64, 9


@dataclass(frozen=True)
class BigGANArchitecture:
    """All that fixes the shapes of a BigGAN-deep: what a checkpoint's header must hold.

    ``channels`` are those of the map of 4 px and after each block; ``up`` says which blocks double the size;
    ``attention`` is the number of blocks before it, None without; ``statistics`` the number of truncations whose
    running statistics each normalization keeps; ``class_names`` what the classes are called, empty where that is not
    known.
    """

    resolution: int
    channels: tuple[int, ...]
    up: tuple[bool, ...]
    attention: int | None
    z_dim: int = 128
    embed_dim: int = 128
    label_dim: int = 1000
    statistics: int = 51
    epsilon: float = 1e-4
    class_names: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        sizes = (self.resolution, self.z_dim, self.embed_dim, self.label_dim, self.statistics, *self.channels)
        check_sizes("BigGAN-deep", sizes)
        blocks = len(self.up)
        if not 1 <= blocks <= MOST_BLOCKS or len(self.channels) != blocks + 1 or not set(self.up) <= {True, False}:
            raise CheckpointError(f"{blocks} blocks and {len(self.channels)} widths are no BigGAN-deep.")
        if sum(self.up) > MOST_DOUBLINGS or self.resolution != FIRST * 2 ** sum(self.up):
            raise CheckpointError(f"{sum(self.up)} doublings do not make images of {self.resolution} pixels.")
        if any(out > width or width < MIDDLE_REDUCTION for width, out in pairwise(self.channels)):
            raise CheckpointError(f"Widths {self.channels} are no BigGAN-deep's: a block never adds channels.")
        place = self.attention
        if place is not None and not (type(place) is int and 0 <= place <= blocks):
            raise CheckpointError(f"Attention after {place!r} blocks is not possible: there are {blocks}.")
        if place is not None and (self.channels[place] < KEY_REDUCTION or self.size_after(place) < 2):
            raise CheckpointError(f"Attention needs {KEY_REDUCTION} channels at least; found {self.channels[place]}.")
        if self.statistics < 2 or not (isinstance(self.epsilon, int | float) and 0 < self.epsilon < 1):
            raise CheckpointError("A BigGAN-deep has two statistics at least, and an epsilon between 0 and 1.")
        named = all(isinstance(name, str) for name in self.class_names)
        if not named or len(self.class_names) not in (0, self.label_dim):
            raise CheckpointError(f"{self.label_dim} classes have {self.label_dim} names or none.")

    @classmethod
    def standard(cls, resolution: int) -> "BigGANArchitecture":
        """Return a published one: 128, 256 or 512 pixels, for ImageNet; each has attention at 64 px."""
        if resolution not in STANDARD_WIDTHS:
            raise CheckpointError(f"There is no published BigGAN-deep of {resolution} pixels; give 128, 256 or 512.")
        channels = tuple(128 * width for width in STANDARD_WIDTHS[resolution])
        return cls(resolution, channels, tuple(block % 2 == 1 for block in range(len(channels) - 1)), 8)

    @classmethod
    def of_maps(cls, channels: Sequence[int], depth: int = 2, **others: Any) -> "BigGANArchitecture":
        """Return a BigGAN-deep whose maps of 4, 8, ... pixels have these `channels`, each reached by `depth` blocks of
        which the last doubles the size, with attention at half the resolution as a BigGAN of 64 pixels or less has it.
        """
        sizes = len(channels) - 1
        widths = (channels[0], *(width for pair in pairwise(channels) for width in (pair[0],) * (depth - 1) + pair[1:]))
        doubled = tuple(block % depth == depth - 1 for block in range(sizes * depth))
        return cls(FIRST * 2**sizes, widths, doubled, (sizes - 1) * depth, **others)

    def size_after(self, blocks: int) -> int:
        """Return the size in pixels of the map after so many blocks."""
        return FIRST * 2 ** sum(self.up[:blocks])

    @property
    def code_dim(self) -> int:
        """Width of the condition's code."""
        return self.z_dim + self.embed_dim


class Start(nn.Module):
    """The linear layer from the condition's code to the map of 4 px; its outputs are ordered (y, x, channel)."""

    def __init__(self, code: int, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(FIRST * FIRST * channels, code))
        self.bias = nn.Parameter(torch.zeros(FIRST * FIRST * channels))

    def forward(self, code: Float[Tensor, "n d"]) -> Float[Tensor, "n c 4 4"]:
        """Return the map of 4 px."""
        return _as_map(F.linear(code, self.weight, self.bias))

    def push(self, dcode: Float[Tensor, "n d"]) -> Float[Tensor, "n c 4 4"]:
        """Return the derivative along `dcode`."""
        return _as_map(F.linear(dcode, self.weight))


class Colors(nn.Module):
    """The end: normalize, ReLU, a convolution to three colors, and tanh in float32."""

    def __init__(self, channels: int, statistics: int, epsilon: float) -> None:
        super().__init__()
        self.norm = PlainNorm(channels, statistics, epsilon)
        self.conv = Convolution(channels, 3, 3)

    def forward(self, x: Float[Tensor, "n c h w"], condition: Condition) -> Float[Tensor, "n 3 h w"]:
        """Return images in [-1, 1]."""
        return ops.at_least_float32(self.conv(self.norm(x, condition))).tanh()

    def linearize(self, x: Float[Tensor, "1 c h w"], condition: Condition) -> tuple[Tensor, Push]:
        """Return the image at one point and its derivative, ``(1 - image^2) W dy``."""
        y, push_norm = self.norm.linearize(x, condition)
        image = ops.at_least_float32(self.conv(y)).tanh()
        slope, convolve = 1 - image.square(), self.conv.prepared()
        return image, lambda dx, dcode: ops.at_least_float32(convolve(push_norm(dx, dcode))) * slope


Stage = Block | Attention | Colors


class Synthesis(nn.Module):
    """Condition to image: ``start``, then the stages ``names`` in order, of which the last makes the colors."""

    def __init__(self, architecture: BigGANArchitecture) -> None:
        super().__init__()
        a = architecture
        self.start = Start(a.code_dim, a.channels[0])
        self.blocks = nn.ModuleList(
            Block(i, o, i // MIDDLE_REDUCTION, a.code_dim, a.statistics, a.epsilon, up)
            for i, o, up in zip(a.channels[:-1], a.channels[1:], a.up, strict=True)
        )
        stages: list[tuple[str, nn.Module]] = [
            (f"block{i}_{a.size_after(i + 1)}", block) for i, block in enumerate(self.blocks)
        ]
        if a.attention is not None:
            self.attention = Attention(a.channels[a.attention])
            stages.insert(a.attention, (f"attention_{a.size_after(a.attention)}", self.attention))
        self.colors = Colors(a.channels[-1], a.statistics, a.epsilon)
        self.names = tuple(name for name, _ in stages)
        self.stages: list = [*(stage for _, stage in stages), self.colors]

    @property
    def map_dtype(self) -> torch.dtype:
        """The precision of feature maps."""
        return self.colors.conv.weight.dtype

    def begin(self, condition: Condition) -> Float[Tensor, "n c 4 4"]:
        """Return the map of 4 px."""
        return self.start(condition.code).to(self.map_dtype)

    def run(self, x: Tensor, condition: Condition, first: int = 0, stop: int | None = None) -> Tensor:
        """Return what stages first..stop-1 make of `x` (the image where stop is None).

        Without gradients, rows are split where their maps outgrow the cache; not in training mode, whose statistics are
        those of all rows.
        """
        stop = len(self.stages) if stop is None else stop
        for index in range(first, stop):
            if not (torch.is_grad_enabled() or self.training) and index > 0 and _outgrows(x):
                return torch.cat([self.run(x[rows], condition.rows(rows), index, stop) for rows in _halves(len(x))])
            x = self.stages[index](x, condition)
        return x

    def linearize(self, condition: Condition) -> tuple[Float[Tensor, "1 3 h w"], "PushImages"]:
        """Return the image of one condition and the map from tangents of its code [n, d] to those of the image."""
        x, pushes = self.begin(condition), list[tuple[Push, int]]()
        for stage in self.stages:
            row_bytes = x.numel() * x.element_size()
            x, push = stage.linearize(x, condition)
            pushes.append((push, row_bytes))
        return x, PushImages(self.start, self.map_dtype, pushes)


@dataclass(frozen=True)
class PushImages:
    """The derivative of an image by the condition's code: ``start``, then each stage's derivative."""

    start: Start
    map_dtype: torch.dtype
    pushes: Sequence[tuple[Push, int]]

    def __call__(self, dcode: Float[Tensor, "n d"]) -> Float[Tensor, "n 3 h w"]:
        """Return the image's tangents."""
        return self._from(0, self.start.push(dcode).to(self.map_dtype), dcode)

    def _from(self, index: int, dx: Tensor, dcode: Tensor) -> Tensor:
        for i in range(index, len(self.pushes)):
            push, row_bytes = self.pushes[i]
            if len(dx) > 1 and len(dx) * row_bytes > CACHE_BYTES:
                return torch.cat([self._from(i, dx[rows], dcode[rows]) for rows in _halves(len(dx))])
            dx = push(dx, dcode)
        return dx


def _as_map(values: Float[Tensor, "n v"]) -> Float[Tensor, "n c 4 4"]:
    return values.unflatten(1, (FIRST, FIRST, -1)).permute(0, 3, 1, 2)  # channels last in memory


def _outgrows(x: Tensor) -> bool:
    return len(x) > 1 and 4 * x.numel() * x.element_size() > CACHE_BYTES


def _halves(rows: int) -> tuple[slice, slice]:
    return slice(0, rows // 2), slice(rows // 2, rows)
