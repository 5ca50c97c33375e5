"""The low-pass filters of StyleGAN3, and a nonlinearity between an upsampling and a downsampling by them.

Written from Karras et al. 2021, "Alias-Free Generative Adversarial Networks", section 3 and appendix C: a pointwise
nonlinearity makes frequencies that a grid cannot hold, so it is applied on a grid twice as fine (or finer), between
windowed sinc filters. Filters are designed in float64 numpy; frequencies are in cycles per image width.

On a CPU the fine grid is what costs: it has 4 to 16 times the samples of the map, and written out it is memory, not
arithmetic, that is waited for. So it is never written out: the work goes tile by tile (some channels, some rows), each
small enough for the cache. Zeros are never multiplied: a transposed convolution with stride is the polyphase form.
"""

import functools
import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from scipy.special import j1
from torch import Tensor

from ganvas.generators import ops

DOWN = 2
TILE = 2**19  # samples of the fine grid
FEWEST_CHANNELS = 16  # of a tile: a vector of the processor
FEWEST_ROWS = 32  # of a tile on the fine grid, beyond the rows that neighbors need too


@functools.cache
def lowpass(taps: int, cutoff: float, width: float, rate: float, radial: bool = False) -> np.ndarray:
    """Return a low-pass filter of sum one, float64: [taps], or with `radial` [taps, taps] (appendix C, Eq. 5 and 9).

    A sinc ``sin(2 pi f t) / (pi t)`` under a Kaiser window; `radial` is its rotation symmetric sibling, a jinc
    ``J1(2 pi f r) f / r``, under the product of two windows. `cutoff` f and the transition band's `width` are in the
    units of the sampling `rate`.
    """
    from scipy.signal import firwin, kaiser_atten, kaiser_beta  # slow to import, and only StyleGAN3 needs it

    if not radial:
        return firwin(taps, cutoff, width=width, fs=rate)
    offsets = (np.arange(taps) - (taps - 1) / 2) / rate
    window = np.kaiser(taps, kaiser_beta(kaiser_atten(taps, width / (rate / 2))))
    radius = np.maximum(np.hypot(offsets, offsets[:, None]), 1e-9 / rate)
    values = j1(2 * np.pi * cutoff * radius) / radius * np.outer(window, window)
    return values / values.sum()


@dataclass(frozen=True)
class Tile:
    """Some channels and some rows of the map that comes out."""

    channels: slice
    rows: slice


@dataclass(frozen=True, eq=False)
class Resampler:
    """Up by `factor`, down by 2, from `size_in` to `size_out` pixels a side, both grids centered on the image.

    ``up_taps`` is separable, ``down_taps`` too unless it has two dimensions. Beyond the map there is zero.
    """

    up_taps: Float[Tensor, "a"]
    down_taps: Tensor
    factor: int
    size_in: int
    size_out: int

    @property
    def fine(self) -> int:
        """Size of the part of the fine grid that the output sees."""
        return (self.size_out - 1) * DOWN + self.down_taps.shape[0]

    @property
    def crop(self) -> int:
        """Samples of the fine grid beyond that part, on each side."""
        return ((self.size_in - 1) * self.factor + self.up_taps.shape[0] - self.fine) // 2

    def up(self, x: Float[Tensor, "n c h w"], tile: Tile) -> Float[Tensor, "n c2 h2 w2"]:
        """Return the samples of the fine grid that a tile of the output needs, times the gain of the leaky ReLU."""
        length, factor = self.up_taps.shape[0], self.factor
        first = self.crop + tile.rows.start * DOWN
        last = self.crop + (tile.rows.stop - 1) * DOWN + self.down_taps.shape[0]
        top, bottom = max(0, -((length - 1 - first) // factor)), min(self.size_in, (last - 1) // factor + 1)
        rows = x[:, tile.channels, top:bottom].contiguous(memory_format=torch.channels_last)
        above, below = first - top * factor, (bottom - 1) * factor + length - last
        taps = self.up_taps.to(x.dtype).expand(rows.shape[1], 1, -1) * factor
        common, channels = min(above, below), rows.shape[1]
        tall = F.conv_transpose2d(
            rows, (taps * ops.LEAKY_GAIN)[..., None], stride=(factor, 1), padding=(common, 0), groups=channels
        ).narrow(2, above - common, last - first)
        return F.conv_transpose2d(
            tall, taps[:, :, None], stride=(1, factor), padding=(0, self.crop), groups=channels
        ).narrow(3, 0, self.fine)

    def down(self, y: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c h2 w2"]:
        """Return every second sample of the filtered fine grid."""
        channels = y.shape[1]
        taps = self.down_taps.to(y.dtype).expand(channels, 1, *self.down_taps.shape)
        if self.down_taps.ndim == 2:
            return F.conv2d(y, taps, stride=DOWN, groups=channels)
        narrow = F.conv2d(y, taps[:, :, None], stride=(1, DOWN), groups=channels)
        return F.conv2d(narrow, taps[..., None], stride=(DOWN, 1), groups=channels)

    def tiles(self, channels: int) -> Iterator[list[Tile]]:
        """Yield the tiles of a map, a list from top to bottom for each block of channels."""
        wide = self.fine
        block = min(channels, max(FEWEST_CHANNELS, TILE // wide**2 // FEWEST_CHANNELS * FEWEST_CHANNELS))
        rows = max(FEWEST_ROWS, TILE // (block * wide)) // DOWN
        count = -(-self.size_out // rows)
        edges = [round(i * self.size_out / count) for i in range(count + 1)]
        for first in range(0, channels, block):
            chosen = slice(first, min(first + block, channels))
            yield [Tile(chosen, slice(a, b)) for a, b in itertools.pairwise(edges)]


def filtered_leaky(
    x: Float[Tensor, "1 c h w"], resampler: Resampler, clamp: float | None
) -> Float[Tensor, "1 c h2 w2"]:
    """Return ``down(clamp(sqrt 2 leaky_relu(up(x))))`` (section 3.2); differentiable forwards and backwards."""
    return _assemble(resampler, x.shape[1], lambda tile: _filtered_tile(x, resampler, tile, clamp))


def push_filtered_leaky(
    x: Float[Tensor, "1 c h w"], tangents: Float[Tensor, "n c h w"], resampler: Resampler, clamp: float | None
) -> Float[Tensor, "n c h2 w2"]:
    """Return the derivative of `filtered_leaky` at `x` along n tangents: ``down(slopes up(dx))``.

    The slopes, which are as many as the fine grid has samples, are found anew for each call; so give many tangents.
    """
    rows = tangents.split(1)

    def pushed(tile: Tile) -> Tensor:
        slopes = ops.leaky_slopes(ops.scaled_leaky(resampler.up(x, tile), clamp), clamp)
        return torch.cat([resampler.down(resampler.up(row, tile).mul_(slopes)) for row in rows])

    return _assemble(resampler, x.shape[1], pushed)


def _filtered_tile(x: Tensor, resampler: Resampler, tile: Tile, clamp: float | None) -> Tensor:
    return resampler.down(ops.scaled_leaky(resampler.up(x, tile), clamp))


def _assemble(resampler: Resampler, channels: int, compute: Callable[[Tile], Tensor]) -> Tensor:
    columns = [_joined([compute(tile) for tile in column], 2) for column in resampler.tiles(channels)]
    return _joined(columns, 1)


def _joined(parts: list[Tensor], dim: int) -> Tensor:
    return parts[0] if len(parts) == 1 else torch.cat(parts, dim)
