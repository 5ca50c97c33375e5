"""StyleGAN2's synthesis network (Karras et al. 2020, Fig. 7): blocks from 4 px up, in the skip, resnet and orig
architectures.

``Synthesis.linearize`` returns the image at one point and a function from style tangents to image tangents.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, cast

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ganvas.generators import ops
from ganvas.generators.batch_splitting import Stage, State, run_stages, samples_of
from ganvas.generators.crops import Crop, crops_below
from ganvas.generators.protocol import MapHook
from ganvas.generators.recompute import maybe_recomputed
from ganvas.generators.stylegan2.architecture import StyleGAN2Architecture
from ganvas.generators.stylegan2.layers import Push, Shortcut, StyledConvolution, StyledLayer, ToImage
from ganvas.generators.styles import Affine, StyleSynthesis


class Block(nn.Module):
    """One resolution: a constant or an upsampling convolution, a second convolution, and (last block, or skip) the
    colors.
    """

    def __init__(self, index: int, architecture: StyleGAN2Architecture) -> None:
        super().__init__()
        a = architecture
        resolution, outputs = a.resolutions[index], a.channels[index]
        self.resolution = resolution
        self.first = index == 0
        self.paints = a.kind == "skip" or index == len(a.channels) - 1
        self.residual = a.kind == "resnet" and index > 0
        if self.first:
            self.const = nn.Parameter(ops.normal(outputs, resolution, resolution))
        else:
            self.conv0 = StyledConvolution(
                a.channels[index - 1], outputs, a.w_dim, resolution, up=True, clamp=a.clamp, gain=1.0, noise=a.noise
            )
        gain = 0.5**0.5 if self.residual else 1.0
        self.conv1 = StyledConvolution(
            outputs, outputs, a.w_dim, resolution, up=False, clamp=a.clamp, gain=gain, noise=a.noise
        )
        if self.paints:
            self.torgb = ToImage(outputs, a.w_dim, a.clamp)
        if self.residual:
            self.skip = Shortcut(a.channels[index - 1], outputs)

    def input_bytes(self, dtype: torch.dtype) -> int:
        """Return the size of one sample's map at this resolution with the channels of the one below."""
        inputs = (self.conv1 if self.first else self.conv0).weight.shape[1]
        return inputs * self.resolution**2 * dtype.itemsize

    def convolutions(self) -> Iterator[tuple[str, StyledConvolution]]:
        """Yield the styled convolutions with their names, in order."""
        if not self.first:
            yield "conv0", self.conv0
        yield "conv1", self.conv1

    def styled_layers(self) -> Iterator[tuple[str, StyledLayer]]:
        """Yield all that a style feeds, in graph order."""
        yield from self.convolutions()
        if self.paints:
            yield "torgb", self.torgb

    def forward(self, x: Tensor, styles: Sequence[Tensor], noises: Sequence[Tensor | None], kernel: Tensor) -> Tensor:
        """Return the block's feature map from the one below (or from the constant, expanded by the caller)."""
        y = x
        for (_, convolution), style, noise in zip(self.convolutions(), styles, noises, strict=True):
            y = maybe_recomputed(convolution, y, style, noise, kernel)
        return y + self.skip(x, kernel) if self.residual else y

    def paint(self, x: Tensor, image: Tensor | None, style: Tensor | None, kernel: Tensor) -> Tensor | None:
        """Add this block's colors to the image so far, doubled in size."""
        doubled = None if image is None else ops.upsample(image, kernel)
        if style is None:
            return doubled
        colors = self.torgb(x, style)
        return colors if doubled is None else colors + doubled

    def linearize(
        self, x: Tensor, styles: Sequence[Tensor], noises: Sequence[Tensor | None], kernel: Tensor
    ) -> tuple[Tensor, Callable[[Tensor | None, Sequence[Tensor | None]], Tensor | None]]:
        """Return the feature map at one point and its derivative in (map below, styles)."""
        y, pushes = x, list[Push]()
        for (_, convolution), style, noise in zip(self.convolutions(), styles, noises, strict=True):
            y, push = convolution.linearize(y, style, noise, kernel)
            pushes.append(push)

        def push_block(dx: Tensor | None, dstyles: Sequence[Tensor | None]) -> Tensor | None:
            dy = dx
            for push, dstyle in zip(pushes, dstyles, strict=True):
                dy = push(dy, dstyle)
            if not self.residual or dx is None:
                return dy
            return self.skip(dx, kernel) if dy is None else dy.add_(self.skip(dx, kernel))

        return (y + self.skip(x, kernel) if self.residual else y), push_block


class Synthesis(StyleSynthesis):
    """Styles to image. Styles are a list of [n, channels], one per styled layer in graph order, toRGB included."""

    kernel: Tensor

    def __init__(self, architecture: StyleGAN2Architecture) -> None:
        super().__init__()
        named = {f"b{r}": Block(i, architecture) for i, r in enumerate(architecture.resolutions)}
        self.blocks = nn.ModuleDict(named)
        taps = torch.tensor([[1.0, 3.0, 3.0, 1.0]] * 4)
        self.register_buffer("kernel", ops.with_memory(taps, lambda rows: rows * rows.T / 64))
        self.styled = [(f"{b}.{name}", layer) for b, block in named.items() for name, layer in block.styled_layers()]
        self.rows = _rows_of_styles(list(named.values()))

    def affines(self) -> list[Affine]:
        """Return what makes each style, in graph order."""
        return [layer.affine for _, layer in self.styled]

    def makes_colors(self) -> list[bool]:
        """Return whether each style steers a layer that makes colors, in graph order."""
        return [not isinstance(layer, StyledConvolution) for _, layer in self.styled]

    def named_blocks(self) -> list[tuple[str, Block]]:
        """Return the blocks with their names, ``b4`` first."""
        return [(name, cast(Block, block)) for name, block in self.blocks.items()]

    def convolutions(self) -> list[tuple[str, StyledConvolution]]:
        """Return the styled convolutions with their names (such as ``b32.conv0``), in graph order; each has a noise
        map.
        """
        return [(name, layer) for name, layer in self.styled if isinstance(layer, StyledConvolution)]

    def forward(
        self,
        styles: Sequence[Tensor],
        noises: Sequence[Tensor | None],
        replace: Mapping[str, Tensor] | None = None,
        wanted: Sequence[str] = (),
        with_image: bool = True,
        hook: MapHook | None = None,
    ) -> tuple[Tensor | None, dict[str, Tensor]]:
        """Return the image and the `wanted` feature maps; `replace` puts maps of the caller's in place of a block's
        own, and the `hook` may change each, and the colors so far ("b32.colors").

        Stops at the highest wanted map where no `image` is asked.
        """
        maps: dict[str, Tensor] = {}
        x, colors = self._constant(len(styles[0])), None
        for name, block, (conv_styles, color_style), conv_noises in self._parts(styles, noises):
            x = replace[name] if replace and name in replace else block(x, conv_styles, conv_noises, self.kernel)
            x = hook(name, x) if hook else x
            if name in wanted:
                maps[name] = x
                if not with_image and len(maps) == len(set(wanted)):
                    return None, maps
            if with_image:
                colors = block.paint(x, colors, color_style, self.kernel)
                colors = hook(f"{name}.colors", colors) if hook and colors is not None else colors
        return colors, maps

    def style_inputs(self, styles: Sequence[Tensor], noises: Sequence[Tensor | None]) -> list[Tensor]:
        """Return the map [n, c, h, w] whose channels each style scales, in graph order."""
        found, x = list[Tensor](), self._constant(len(styles[0]))
        for _, block, (conv_styles, color_style), conv_noises in self._parts(styles, noises):
            y = x
            for (_, convolution), style, noise in zip(block.convolutions(), conv_styles, conv_noises, strict=True):
                found.append(y)
                y = convolution(y, style, noise, self.kernel)
            x = y + block.skip(x, self.kernel) if block.residual else y
            if color_style is not None:
                found.append(x)
        return found

    def part(
        self, styles: Sequence[Tensor], noises: Sequence[Tensor | None], name: str, window: Crop
    ) -> Float[Tensor, "n c h w"]:
        """Return a window of the map `name`; of the maps below it only what it depends on is computed."""
        parts = list(self._parts(styles, noises))
        parts = parts[: [known for known, *_ in parts].index(name) + 1]
        sizes = [block.resolution for _, block, *_ in parts]
        x, made = self._constant(len(styles[0])), Crop(0, 0, sizes[0], sizes[0])
        for (_, block, (conv_styles, _), conv_noises), wanted in zip(parts, crops_below(window, sizes), strict=True):
            noises_here = [None if noise is None else _window(noise, block.resolution, made) for noise in conv_noises]
            x = block(x, conv_styles, noises_here, self.kernel)[..., *wanted.inside(made).slices]
            made = wanted.doubled()
        return x

    def paint(self, styles: Sequence[Tensor], noises: Sequence[Tensor | None]) -> Float[Tensor, "n 3 h w"]:
        """Return the images; without gradients, the batch is split where its maps outgrow the cache."""
        if torch.is_grad_enabled():
            image, _ = self.forward(styles, noises)
        else:
            parts = list(self._parts(styles, noises))
            stages = [partial(self._block_stage, *part[1:]) for part in parts]
            sizes = [0, *(block.input_bytes(self.map_dtype) for _, block, *_ in parts[1:])]
            batch = len(styles[0])
            image = run_stages(stages, sizes, (self._constant(batch), None), slice(0, batch))
        assert image is not None
        return image

    def _block_stage(self, block: Block, styles: tuple, noises: Sequence, state: State, samples: slice) -> State:
        """Run one block on some samples of the batch: (map, colors) to (map, colors)."""
        x, colors = state
        conv_styles, color_style = styles
        y = block(
            x,
            [samples_of(style, samples) for style in conv_styles],
            [samples_of(noise, samples) for noise in noises],
            self.kernel,
        )
        return y, block.paint(y, colors, samples_of(color_style, samples), self.kernel)

    def linearize(
        self, styles: Sequence[Tensor], noises: Sequence[Tensor | None]
    ) -> tuple[Float[Tensor, "1 3 h w"], Callable[[Sequence[Tensor | None], int], Tensor]]:
        """Return the image at one point, and the map from n style tangents [n, channels] (None: zero), and n, to
        image tangents [n, 3, h, w].
        """
        x, colors = self._constant(1), None
        pushes, sizes = list[tuple[Push, Push | None]](), list[int]()
        for _, block, (conv_styles, color_style), conv_noises in self._parts(styles, noises):
            x, push = block.linearize(x, conv_styles, conv_noises, self.kernel)
            push_colors = None
            if color_style is not None:
                y, push_colors = block.torgb.linearize(x, color_style)
                colors = y if colors is None else ops.upsample(colors, self.kernel).add_(y)
            pushes.append((push, push_colors))
            sizes.append(x[0].numel() * x.element_size())
        assert colors is not None
        shape = colors.shape[1:]

        def push_all(tangents: Sequence[Tensor | None], count: int) -> Tensor:
            stages: list[Stage] = [
                partial(self._push_stage, *pair, *grouped)
                for pair, grouped in zip(pushes, self._grouped(tangents), strict=True)
            ]
            pushed = run_stages(stages, sizes, (None, None), slice(0, count))
            return pushed if pushed is not None else self.kernel.new_zeros(count, *shape)

        return colors, push_all

    def _push_stage(
        self,
        push: Callable,
        push_colors: Push | None,
        conv_tangents: Sequence[Tensor | None],
        color_tangent: Tensor | None,
        state: State,
        samples: slice,
    ) -> State:
        """Push some tangents of the batch through one block: tangents of (map, colors) to those of (map, colors)."""
        dx, dcolors = state
        dx = push(dx, [_tangents_of(tangent, samples) for tangent in conv_tangents])
        dcolors = None if dcolors is None else ops.upsample(dcolors, self.kernel)
        dy = push_colors(dx, _tangents_of(color_tangent, samples)) if push_colors is not None else None
        if dy is not None:
            dcolors = dy if dcolors is None else dcolors.add_(dy)
        return dx, dcolors

    @property
    def map_dtype(self) -> torch.dtype:
        """The precision of feature maps."""
        return self.named_blocks()[0][1].conv1.weight.dtype

    def _constant(self, rows: int) -> Tensor:
        _, first = self.named_blocks()[0]
        return (
            first.const[None]
            .to(first.conv1.weight.dtype)
            .expand(rows, -1, -1, -1)
            .contiguous(memory_format=torch.channels_last)
        )

    def _grouped(self, values: Sequence) -> Iterator[tuple[list, Any]]:
        """Split per-layer values by block: those of its convolutions, and that of its colors (None without)."""
        remaining = iter(values)
        for _, block in self.named_blocks():
            convs = [next(remaining) for _ in block.convolutions()]
            yield convs, (next(remaining) if block.paints else None)

    def _parts(self, styles: Sequence[Tensor], noises: Sequence[Tensor | None]) -> Iterator[tuple]:
        remaining = iter(noises)
        for (name, block), grouped in zip(self.named_blocks(), self._grouped(styles), strict=True):
            yield name, block, grouped, [next(remaining) for _ in block.convolutions()]


def _rows_of_styles(blocks: Sequence[Block]) -> list[int]:
    """Return the w+ row that feeds each styled layer: a block's colors share the row of the next block's first
    convolution.
    """
    rows: list[int] = []
    first = 0
    for block in blocks:
        names = [name for name, _ in block.styled_layers()]
        rows += [first + i for i in range(len(names))]
        first += sum(name != "torgb" for name in names)
    return rows


def _window(noise: Tensor, size: int, window: Crop) -> Tensor:
    return noise.expand(*noise.shape[:-2], size, size)[..., *window.slices]


def _tangents_of(tangents: Tensor | None, samples: slice) -> Tensor | None:
    return None if tangents is None else tangents[samples]
