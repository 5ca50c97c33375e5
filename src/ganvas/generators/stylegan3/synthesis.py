"""StyleGAN3's synthesis network (Karras et al. 2021, Fig. 4b): Fourier features, then layers that each convolve and
apply a filtered nonlinearity, and at the end colors. Each forward formula has its derivative beside it.

Images are made one row at a time: maps are large, and one style's scales then go into the weights, so that between
two convolutions only the filters pass over a map.
"""

from collections.abc import Callable, Sequence
from typing import cast

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from ganvas.generators import ops
from ganvas.generators.protocol import MapHook
from ganvas.generators.stylegan3.architecture import FINER, TAPS_PER_FACTOR, LayerShape, StyleGAN3Architecture
from ganvas.generators.stylegan3.filters import Resampler, filtered_leaky, lowpass, push_filtered_leaky
from ganvas.generators.stylegan3.input import FourierInput
from ganvas.generators.styles import Affine, StyleSynthesis, away_from_zero

EPSILON = 1e-8
PUSHED_BYTES = 256 * 2**20


class Layer(nn.Module):
    """Modulated convolution, bias, filtered leaky ReLU; for the colors, no demodulation and no nonlinearity.

    ``magnitude`` is the running mean square of the layer's input, by whose root the input is divided.
    """

    magnitude: Tensor
    up_filter: Tensor
    down_filter: Tensor

    def __init__(self, shape: LayerShape, w_dim: int, clamp: float | None) -> None:
        super().__init__()
        self.affine = Affine(w_dim, shape.channels_in)
        self.weight = nn.Parameter(ops.normal(shape.channels_out, shape.channels_in, shape.kernel, shape.kernel))
        self.bias = nn.Parameter(torch.zeros(shape.channels_out))
        self.register_buffer("magnitude", torch.ones([]))
        self.shape, self.clamp, self.colors = shape, clamp, shape.factor == 0
        if not self.colors:
            up, down = design(shape)
            self.register_buffer("up_filter", up, persistent=False)
            self.register_buffer("down_filter", down, persistent=False)

    def forward(self, x: Float[Tensor, "1 i h w"], style: Float[Tensor, "1 i"]) -> Float[Tensor, "1 o h2 w2"]:
        """Return the layer's map, or the colors."""
        return self.activate(self.convolve(x, style[0] * self.scale(style)[0][:, None], self.bias))

    def scale(self, style: Float[Tensor, "n i"]) -> Float[Tensor, "n o"]:
        """Return the factor of each output channel: demodulation (Eq. 3 of StyleGAN2) and the input's magnitude.

        Weights are normalized per output and styles per row before (appendix D.1 of the paper), which demodulation
        undoes but for its epsilon: ``1 / sqrt(sum_i s_i^2 E_ij + 1e-8 mean_i(s_i^2) mean(w_j^2))``. So a row depends on
        itself alone; the published code normalizes styles by the whole batch.
        """
        gain = ops.at_least_float32(self.magnitude).rsqrt()
        if self.colors:
            return (gain * self.shape.channels_in**-0.5).expand(len(style), self.shape.channels_out)
        energy = self.energy()
        return gain * (style.square() @ energy + torch.finfo(style.dtype).tiny).rsqrt()

    def energy(self) -> Float[Tensor, "i o"]:
        """Return the squared weights summed over the kernel, and the epsilon that is relative to them."""
        squares = ops.at_least_float32(self.weight).square()
        inputs = self.shape.channels_in
        return squares.sum(dim=(2, 3)).T + squares.mean(dim=(1, 2, 3)) * (EPSILON / inputs)

    def convolve(self, x: Tensor, factors: Float[Tensor, "o i"], bias: Tensor | None) -> Float[Tensor, "n o h2 w2"]:
        """Correlate with the weights times `factors`, wherever the kernel touches the map; float32 comes out."""
        weight = (self.weight * factors[:, :, None, None]).to(self.weight.dtype)
        bias = None if bias is None else bias.to(weight.dtype)
        return ops.at_least_float32(F.conv2d(x.to(weight.dtype), weight, bias, padding=weight.shape[-1] - 1))

    def activate(self, convolved: Float[Tensor, "1 o h w"]) -> Float[Tensor, "1 o h2 w2"]:
        """Apply the filtered nonlinearity, or for the colors the clamp."""
        if self.colors:
            return convolved if self.clamp is None else convolved.clamp(-self.clamp, self.clamp)
        return filtered_leaky(convolved, self.resampler(), self.clamp)

    def resampler(self) -> Resampler:
        """Return the layer's filters with the sizes they go between."""
        return resampler_of(self.shape, self.up_filter, self.down_filter)

    def linearize(
        self, x: Float[Tensor, "1 i h w"], style: Float[Tensor, "1 i"]
    ) -> tuple[Tensor, Callable[[Tensor | None, Tensor | None], Tensor | None]]:
        """Return the output at (x, style) and the derivative in both, None for a tangent that is zero.

        With a = conv(x; w_ij s_i d_j) + b:  da = conv(dx + x ds / s; w s d) + (a - b) dd / d, then the filters'.
        """
        scale = self.scale(style)[0]
        steady = away_from_zero(style)
        factors = scale[:, None] * steady[0]
        convolved = self.convolve(x, factors, self.bias)
        energy = None if self.colors else self.energy()

        def push(dx: Tensor | None, dstyle: Tensor | None) -> Tensor | None:
            if dx is None and dstyle is None:
                return None
            if dstyle is not None:
                by_style = x * ops.per_channel(dstyle / steady, x)
                dx = by_style if dx is None else by_style.add_(dx)
            assert dx is not None
            da = self.convolve(dx, factors, None)
            if dstyle is not None and energy is not None:
                of_scale = -((style * dstyle) @ energy) / (style.square() @ energy + torch.finfo(style.dtype).tiny)
                da.addcmul_(convolved - self.bias[:, None, None], ops.per_channel(of_scale, da))
            if self.colors:
                return da if self.clamp is None else da * (convolved.abs() < self.clamp)
            return push_filtered_leaky(convolved, da, self.resampler(), self.clamp)

        return self.activate(convolved), push


def resampler_of(shape: LayerShape, up: Tensor | None = None, down: Tensor | None = None) -> Resampler:
    """Return the filters of a layer of this shape with the sizes they go between; designed where none are given."""
    if up is None or down is None:
        up, down = design(shape)
    return Resampler(up, down, shape.factor, shape.size_in + shape.kernel - 1, shape.size_out)


def design(shape: LayerShape) -> tuple[Tensor, Tensor]:
    """Return the upsampling and the downsampling filter of a layer, float32 (section 3.2 and appendix C)."""
    rate = float(shape.fine_rate)
    up = lowpass(TAPS_PER_FACTOR * shape.factor, shape.cutoff_in, 2 * shape.half_width_in, rate)
    down = lowpass(TAPS_PER_FACTOR * FINER, shape.cutoff_out, 2 * shape.half_width_out, rate, shape.radial)
    # Not torch.tensor: a module built on the meta device must still have its filters.
    return torch.from_numpy(up).float(), torch.from_numpy(down).float()


class Synthesis(StyleSynthesis):
    """Styles to images: a list of [n, channels], the four numbers that steer the input first, the colors last.

    `inverse` is the inverse of the user's transform, [3, 3].
    """

    def __init__(self, architecture: StyleGAN3Architecture) -> None:
        super().__init__()
        a = architecture
        first = a.shapes[0]
        self.input = FourierInput(first.channels_in, a.w_dim, first.size_in, first.rate_in, first.cutoff_in)
        self.layers = nn.ModuleList(Layer(shape, a.w_dim, a.clamp) for shape in a.shapes)
        self.names = [f"L{i}_{shape.size_out}_{shape.channels_out}" for i, shape in enumerate(a.shapes)]
        self.rows = list(range(a.layers))
        self.scale = a.scale

    def affines(self) -> list[Affine]:
        """Return what makes each style, in graph order."""
        return [self.input.affine, *(layer.affine for _, layer in self.named_layers())]

    def makes_colors(self) -> list[bool]:
        """Return whether each style steers a layer that makes colors, in graph order: the last alone."""
        return [False] * len(self.layers) + [True]

    def named_layers(self) -> list[tuple[str, Layer]]:
        """Return the layers with their names, such as ``L3_52_512``: number, size and channels of the map."""
        return [(name, cast(Layer, layer)) for name, layer in zip(self.names, self.layers, strict=True)]

    def forward(
        self,
        styles: Sequence[Tensor],
        inverse: Tensor,
        start: tuple[str, Tensor] | None = None,
        wanted: Sequence[str] = (),
        with_image: bool = True,
        hook: MapHook | None = None,
    ) -> tuple[Tensor | None, dict[str, Tensor]]:
        """Return images and the `wanted` maps; `start` is the name of a map and what to take for it, and the `hook` may
        change each map of a row.

        Begins after `start`, and stops at the highest wanted map where no `image` is asked.
        """
        first = 0 if start is None else self.names.index(start[0]) + 1
        last = len(self.names) if with_image else max(self.names.index(name) for name in wanted) + 1
        rows = []
        for i in range(len(styles[0])):
            own = [style[i : i + 1] for style in styles]
            x = self.input(own[0], inverse) if start is None else start[1][i : i + 1]
            rows.append(self._row(x, own, range(first, last), wanted, hook))
        images = torch.cat([x for x, _ in rows]) * self.scale if with_image else None
        return images, {name: torch.cat([maps[name] for _, maps in rows]) for name in wanted}

    def _row(
        self, x: Tensor, styles: Sequence[Tensor], numbers: range, wanted: Sequence[str], hook: MapHook | None
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Run the layers `numbers` on one map."""
        maps: dict[str, Tensor] = {}
        named = self.named_layers()
        for i in numbers:
            name, layer = named[i]
            x = layer(x, styles[i + 1])
            x = hook(name, x) if hook else x
            if name in wanted:
                maps[name] = x
        return x, maps

    def style_inputs(self, styles: Sequence[Tensor], inverse: Tensor) -> list[Tensor]:
        """Return the map [n, c, h, w] whose channels each layer's style scales, from the first layer on."""
        first = torch.cat([self.input(style, inverse) for style in styles[0].split(1)])
        _, maps = self(styles, inverse, wanted=self.names[:-1], with_image=False)
        return [first, *maps.values()]

    def linearize(
        self, styles: Sequence[Tensor], inverse: Tensor
    ) -> tuple[Float[Tensor, "1 3 h w"], Callable[[Sequence[Tensor | None], int], Tensor]]:
        """Return the image at one point, and the map from n style tangents [n, channels] (None: zero), and n, to
        image tangents [n, 3, h, w].
        """
        x, columns = self.input.linearize(styles[0], inverse)
        pushes = []
        for (_, layer), style in zip(self.named_layers(), styles[1:], strict=True):
            x, push = layer.linearize(x, style)
            pushes.append(push)

        def push_rows(tangents: Sequence[Tensor | None], rows: int) -> Tensor:
            first = tangents[0]
            dx = None if first is None else torch.einsum("nk,kchw->nchw", first, columns)
            for push, tangent in zip(pushes, tangents[1:], strict=True):
                dx = push(dx, tangent)
            return x.new_zeros(rows, *x.shape[1:]) if dx is None else dx * self.scale

        largest = max(layer.shape.channels_out * layer.shape.size_out**2 for _, layer in self.named_layers())
        count = max(1, PUSHED_BYTES // (largest * 4))

        def push_all(tangents: Sequence[Tensor | None], rows: int) -> Tensor:
            parts = [
                push_rows([None if t is None else t[i : i + count] for t in tangents], min(count, rows - i))
                for i in range(0, rows, count)
            ]
            return torch.cat(parts) if parts else x.new_zeros(0, *x.shape[1:])

        return x * self.scale, push_all
