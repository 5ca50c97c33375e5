"""What fixes a StyleGAN3's shapes and filters: the sampling rates and cutoff frequencies of its layers.

Written from Karras et al. 2021, section 3.2, appendix D and Fig. 4 ("flexible layer specifications"). Frequencies and
rates are in cycles and samples per image width.
"""

import functools
import math
from dataclasses import dataclass

from ganvas.errors import CheckpointError
from ganvas.generators.sizes import check_mapping, check_sizes

LARGEST_RESOLUTION, MOST_LAYERS = 4096, 32
TAPS_PER_FACTOR = 6
FINER = 2  # the nonlinearity's grid against the finer of a layer's two


@dataclass(frozen=True)
class LayerShape:
    """One layer: channels, sizes in pixels (margins included), rates, and its filters' cutoffs and half widths.

    ``factor`` is how many times finer than its input the nonlinearity's grid is; the last layer, which makes colors,
    has none (0).
    """

    channels_in: int
    channels_out: int
    kernel: int
    size_in: int
    size_out: int
    rate_in: int
    rate_out: int
    cutoff_in: float
    cutoff_out: float
    half_width_in: float
    half_width_out: float
    factor: int
    radial: bool

    @property
    def fine_rate(self) -> int:
        """Samples of the nonlinearity's grid per image width."""
        return self.rate_in * self.factor


@dataclass(frozen=True)
class StyleGAN3Architecture:
    """All that fixes the shapes of a StyleGAN3: what a checkpoint's header must hold.

    ``channels`` are those of the layers before the colors; ``hidden`` the widths of the mapping network's layers, its
    output included; ``kernel`` that of the convolutions, 3 (T) or 1 (R); ``radial`` whether the downsampling filters
    are (R). ``first_cutoff``, ``first_stopband`` and ``last_stopband`` (the latter over the last cutoff) fix the
    frequencies, ``critical`` is the number of layers at full bandwidth, ``margin`` the pixels around the image.
    """

    resolution: int
    channels: tuple[int, ...]
    kernel: int
    radial: bool
    z_dim: int
    w_dim: int
    hidden: tuple[int, ...]
    label_dim: int = 0
    mapping_rate: float = 0.01
    clamp: float | None = 256.0
    first_cutoff: float = 2.0
    first_stopband: float = 2**2.1
    last_stopband: float = 2**0.3
    critical: int = 2
    margin: int = 10
    scale: float = 0.25

    def __post_init__(self) -> None:
        check_sizes("StyleGAN3", (self.z_dim, *self.channels))
        check_mapping("StyleGAN3", self.w_dim, self.hidden, self.label_dim)
        if type(self.critical) is not int or not 1 <= self.critical < len(self.channels) <= MOST_LAYERS:
            raise CheckpointError(
                f"A StyleGAN3 has {self.critical!r} of {len(self.channels)} layers at full bandwidth."
            )
        if type(self.resolution) is not int or not 16 <= self.resolution <= LARGEST_RESOLUTION:
            raise CheckpointError(f"A StyleGAN3 of {self.resolution!r} pixels is not known; 16 to 4096 are.")
        if self.resolution & (self.resolution - 1):
            raise CheckpointError(f"A StyleGAN3 makes images of 2^n pixels; found {self.resolution}.")
        if self.kernel not in (1, 3) or type(self.radial) is not bool:
            raise CheckpointError(f"A StyleGAN3 has kernels of 1 or 3 pixels; found {self.kernel!r}.")
        if type(self.margin) is not int or not 0 <= self.margin <= 64:
            raise CheckpointError(f"A StyleGAN3 has a margin of 0 to 64 pixels; found {self.margin!r}.")
        self._check_numbers()
        self.shapes  # noqa: B018  (sizes that do not follow from one another raise here, not later)

    def _check_numbers(self) -> None:
        clamp = 1.0 if self.clamp is None else self.clamp
        values = (self.mapping_rate, clamp, self.scale, self.first_cutoff, self.first_stopband, self.last_stopband)
        if not all(isinstance(value, int | float) and 0 < value < float("inf") for value in values):
            raise CheckpointError("Frequencies, clamp, scale and learning rate of a StyleGAN3 are numbers above 0.")
        highest = self.resolution / 2
        rising = 1 <= self.first_cutoff < self.first_stopband < highest * self.last_stopband
        if not rising or self.first_cutoff >= highest or not 1 < self.last_stopband <= 2:
            raise CheckpointError("The frequencies of this StyleGAN3 do not rise from its first to its last layer.")

    @classmethod
    def published(cls, resolution: int, radial: bool, label_dim: int = 0) -> "StyleGAN3Architecture":
        """Return what was published as StyleGAN3-T, or with `radial` as StyleGAN3-R, for 256, 512 or 1024 pixels."""
        base, most = (16384 if resolution <= 256 else 32768) * (1 + radial), 512 * (1 + radial)
        first, highest = cls.first_cutoff, resolution / 2
        cutoffs = [first * (highest / first) ** min(i / 12, 1) for i in range(14)]
        channels = tuple(round(min(base / 2 / cutoff, most)) for cutoff in cutoffs)
        return cls(resolution, channels, 1 if radial else 3, radial, 512, 512, (512, 512), label_dim)

    @property
    def layers(self) -> int:
        """Rows of w+: one for the input, one for each layer, the colors included."""
        return len(self.channels) + 2

    @functools.cached_property
    def shapes(self) -> tuple[LayerShape, ...]:
        """The layers in order, the colors last."""
        count = len(self.channels)
        grids = [self._grid(max(i, 0)) for i in range(-1, count + 1)]
        channels = (self.channels[0], *self.channels, 3)
        shapes = []
        for i in range(count + 1):
            (rate_in, size_in, cut_in, half_in), (rate_out, size_out, cut_out, half_out) = grids[i : i + 2]
            colors = i == count
            shapes.append(
                LayerShape(
                    channels[i],
                    channels[i + 1],
                    1 if colors else self.kernel,
                    size_in,
                    size_out,
                    rate_in,
                    rate_out,
                    cut_in,
                    cut_out,
                    half_in,
                    half_out,
                    0 if colors else FINER * max(rate_in, rate_out) // rate_in,
                    self.radial and i < count - self.critical,
                )
            )
        for i, shape in enumerate(shapes[:-1]):
            crop = (shape.size_in + shape.kernel - 2 + TAPS_PER_FACTOR) * shape.factor
            if shape.rate_out < shape.rate_in or crop < (shape.size_out - 1 + TAPS_PER_FACTOR) * FINER:
                raise CheckpointError(f"Layer {i} of this StyleGAN3 would be larger than what its input fills.")
        return tuple(shapes)

    def _grid(self, i: int) -> tuple[int, int, float, float]:
        """Return rate, size, cutoff and half width of the transition band of the map that layer i puts out."""
        rise = min(i / (len(self.channels) - self.critical), 1)
        highest = self.resolution / 2
        cutoff = self.first_cutoff * (highest / self.first_cutoff) ** rise
        stopband = self.first_stopband * (highest * self.last_stopband / self.first_stopband) ** rise
        rate = 2 ** math.ceil(math.log2(min(stopband * 2, self.resolution)))
        size = self.resolution if i >= len(self.channels) - 1 else rate + 2 * self.margin
        return rate, size, cutoff, max(stopband, rate / 2) - cutoff
