"""StyleGAN2 behind the Generator protocol: mapping network, spaces z, w, w+ and s, feature maps, derivative.

Written from Karras et al. 2019 (mapping, truncation) and 2020 (synthesis). Codes of space ``s`` are [n, sum of
channels], every layer's style in graph order with toRGB included (StyleSpace, Wu et al. 2021).
"""

import itertools
import math
from collections.abc import Callable, Mapping, Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from ganvas.errors import LatentError
from ganvas.generators import ops
from ganvas.generators.protocol import About, Label, Noise
from ganvas.generators.stylegan2_synthesis import Architecture, Synthesis
from ganvas.latents import check_space, sample_normal, truncate, widen


class FullyConnected(nn.Module):
    """``lrelu(x W^T rate / sqrt(inputs) + rate b) sqrt 2``, or the same without the nonlinearity (equalised learning
    rate).
    """

    def __init__(self, inputs: int, outputs: int, rate: float, *, linear: bool = False) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs) / rate)
        self.bias = nn.Parameter(torch.zeros(outputs))
        self.rate, self.gain, self.linear = rate, rate / math.sqrt(inputs), linear

    def forward(self, x: Float[Tensor, "n i"]) -> Float[Tensor, "n o"]:
        """Return the layer's output."""
        y = F.linear(x, self.weight * self.gain, self.bias * self.rate)
        return y if self.linear else F.leaky_relu(y, ops.LEAKY_SLOPE) * ops.LEAKY_GAIN


class MappingNetwork(nn.Module):
    """z (and a label) to w: both normalised, then fully connected layers; keeps the average w."""

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        a = architecture
        widths = (a.z_dim + (a.w_dim if a.label_dim else 0), *a.hidden)
        if a.label_dim:
            self.embed = FullyConnected(a.label_dim, a.w_dim, rate=1.0, linear=True)
        self.fc = nn.ModuleList(FullyConnected(i, o, a.mapping_rate) for i, o in itertools.pairwise(widths))
        self.register_buffer("w_avg", torch.zeros(a.w_dim))

    def forward(
        self, z: Float[Tensor, "n z_dim"], label: Float[Tensor, "n label_dim"] | None
    ) -> Float[Tensor, "n w_dim"]:
        """Return w, not truncated."""
        x = ops.normalize_second_moment(z)
        if label is not None:
            x = torch.cat([x, ops.normalize_second_moment(self.embed(label))], dim=1)
        for layer in self.fc:
            x = layer(x)
        return x


class StyleGAN2(nn.Module):
    """A StyleGAN2 generator; see `ganvas.generators.protocol.Generator` for what its members promise."""

    family = "stylegan2"
    spaces: tuple[str, ...] = ("z", "w", "w+", "s")
    about: About | None = None

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        self.architecture = architecture
        self.resolution = architecture.resolution
        self.layers = architecture.layers
        self.mapping = MappingNetwork(architecture)
        self.synthesis = Synthesis(architecture)
        self.feature_names = tuple(self.synthesis.blocks)

    @property
    def device(self) -> torch.device:
        """Where the weights lie."""
        return self.mapping.w_avg.device

    def set_precision(self, dtype: torch.dtype) -> "StyleGAN2":
        """Convolve in `dtype` (float32 or bfloat16); styles, demodulation, colours and the mapping stay in float32."""
        for _, layer in self.synthesis.convolutions():
            layer.weight.data = layer.weight.data.to(dtype)
        return self

    def dimensions(self, space: str) -> tuple[int, ...]:
        """Return the shape of one code of `space`."""
        check_space(space, self.spaces)
        a = self.architecture
        if space == "s":
            return (sum(self.style_channels()),)
        return {"z": (a.z_dim,), "w": (a.w_dim,), "w+": (self.layers, a.w_dim)}[space]

    def style_channels(self) -> list[int]:
        """Return the number of channels of each style in graph order."""
        return [layer.affine.weight.shape[0] for _, layer in self.synthesis.styled]

    def style_rows(self) -> list[int]:
        """Return the w+ row that feeds each style in graph order."""
        return self.synthesis.rows

    def sample(self, seeds: Sequence[int]) -> Float[Tensor, "n z_dim"]:
        """Return one standard normal code per seed."""
        return sample_normal(seeds, self.architecture.z_dim).to(self.device)

    def map(
        self,
        z: Float[Tensor, "n z_dim"],
        to: str = "w+",
        *,
        label: Label = None,
        truncation: float = 1.0,
        truncation_layers: int | None = None,
    ) -> Tensor:
        """Return codes of space `to` (w, w+ or s): mapped, then truncated towards the average on the first layers
        (None: all).
        """
        check_space(to, self.spaces[1:])
        if to == "w" and truncation != 1 and truncation_layers not in (None, self.layers):
            raise LatentError(
                "Truncation of some layers only gives a different w per layer: map to 'w+' instead of 'w'."
            )
        self._check("z", z)
        w = self.mapping(z, self.one_hot(label, len(z)))
        ws = truncate(w[:, None].expand(-1, self.layers, -1), self.mapping.w_avg, truncation, truncation_layers)
        if to == "s":
            return torch.cat(self.synthesis.styles(ws), dim=1)
        return ws[:, 0] if to == "w" else ws

    def one_hot(self, label: Label, rows: int) -> Float[Tensor, "n label_dim"] | None:
        """Return the label as one row per code: a class number, one per row, or one-hot rows; None without classes."""
        classes = self.architecture.label_dim
        if classes == 0:
            if label is not None:
                raise LatentError(f"Label {label} was given, but this generator has no classes; leave the label out.")
            return None
        if label is None:
            raise LatentError(f"This generator needs a label: a class from 0 to {classes - 1}.")
        if isinstance(label, Tensor) and label.is_floating_point():
            if label.shape != (rows, classes):
                raise LatentError(f"Label rows of shape {list(label.shape)} do not fit; [{rows}, {classes}] is needed.")
            return label.to(self.device)
        numbers = torch.as_tensor(label, device=self.device).flatten()
        if numbers.is_floating_point() or numbers.is_complex() or len(numbers) not in (1, rows):
            raise LatentError(f"Label {label} does not fit {rows} codes: give one class number, or one for each code.")
        if numbers.min() < 0 or numbers.max() >= classes:
            raise LatentError(f"Label {label} does not exist: this generator has classes 0-{classes - 1}.")
        return F.one_hot(numbers.long().expand(rows), classes).float()

    def synthesize(
        self,
        codes: Tensor,
        space: str = "w+",
        *,
        noise: Noise = "const",
        label: Label = None,
        truncation: float = 1.0,
        truncation_layers: int | None = None,
    ) -> Float[Tensor, "n 3 h w"]:
        """Return pictures, about [-1, 1]; label and truncation count for space z only."""
        styles = self.styles(codes, space, label=label, truncation=truncation, truncation_layers=truncation_layers)
        return self.synthesis.paint(styles, self.noise_maps(noise, len(codes)))

    def features(
        self, codes: Tensor, names: Sequence[str], space: str = "w+", *, noise: Noise = "const", picture: bool = False
    ) -> dict[str, Tensor]:
        """Return feature maps by name ("b32": after the last convolution of the 32-px block); with `picture`, that too
        under "picture".
        """
        for name in names:
            self._check_feature(name)
        if not names and not picture:
            return {}
        image, maps = self.synthesis(
            self.styles(codes, space), self.noise_maps(noise, len(codes)), wanted=names, picture=picture
        )
        return maps | {"picture": image} if picture else maps

    def resume(
        self, name: str, feature: Float[Tensor, "n c h w"], codes: Tensor, space: str = "w+", *, noise: Noise = "const"
    ) -> Float[Tensor, "n 3 h2 w2"]:
        """Return the picture when the map `name` is `feature`; what lies below it still paints by `codes`."""
        self._check_feature(name)
        styles = self.styles(codes, space)
        map_here = feature.to(self.synthesis.map_dtype)
        image, _ = self.synthesis(styles, self.noise_maps(noise, len(codes)), replace={name: map_here})
        assert image is not None
        return image

    def styles(
        self,
        codes: Tensor,
        space: str,
        *,
        label: Label = None,
        truncation: float = 1.0,
        truncation_layers: int | None = None,
    ) -> list[Tensor]:
        """Return each layer's style from codes of any space."""
        self._check(space, codes)
        if space == "s":
            return list(codes.split(self.style_channels(), dim=1))
        if space == "z":
            codes = self.map(codes, "w+", label=label, truncation=truncation, truncation_layers=truncation_layers)
            space = "w+"
        return self.synthesis.styles(widen(codes, space, self.layers, self.architecture.w_dim))

    def linearize(
        self, codes: Tensor, space: str = "w+", *, layers: Sequence[int] | None = None, noise: Noise = "const"
    ) -> tuple[Float[Tensor, "1 3 h w"], Callable[[Tensor], Tensor]]:
        """Return the picture of one code (w, w+ or s) and its derivative, a map from tangents [n, *code] to [n, 3, h,
        w].

        Tangents must be zero outside `layers` (rows of w+; None: all): what lies below the first of them is then not
        computed.
        """
        check_space(space, self.spaces[1:])
        if len(codes) != 1:
            raise LatentError(f"A derivative is taken at one code; {len(codes)} were given.")
        active = frozenset(range(self.layers) if layers is None else layers)
        with torch.no_grad():
            picture, push_styles = self.synthesis.linearize(self.styles(codes, space), self.noise_maps(noise, 1))

        @torch.no_grad()
        def push(tangents: Tensor) -> Tensor:
            self._check(space, tangents)
            if space == "s":
                parts = tangents.split(self.style_channels(), dim=1)
                masked = [t if row in active else None for t, row in zip(parts, self.style_rows(), strict=True)]
                return push_styles(masked, len(tangents))
            rows = widen(tangents, space, self.layers, self.architecture.w_dim)
            return push_styles(self.synthesis.push_styles(rows, active), len(tangents))

        return picture, push

    def noise_maps(self, noise: Noise, rows: int) -> list[Tensor | None]:
        """Return one map per styled convolution, or None: "const", "none", a dict of maps by name, or a
        torch.Generator.
        """
        own = {name: layer.noise_map() for name, layer in self.synthesis.convolutions()}
        if isinstance(noise, Mapping):
            self._check_noise(noise, rows)
            return [noise.get(name, own[name]) for name in own]
        if isinstance(noise, torch.Generator):
            # A layer without noise takes none, as its own map is None.
            sizes = [layer.resolution if layer.has_noise else None for _, layer in self.synthesis.convolutions()]
            return [
                None if r is None else torch.randn(rows, 1, r, r, generator=noise, device=noise.device).to(self.device)
                for r in sizes
            ]
        if noise == "const":
            return list(own.values())
        if noise == "none":
            return [None] * len(own)
        raise LatentError(f"Noise '{noise}' is not known: give 'const', 'none', a dict of maps, or a torch.Generator.")

    def _check_noise(self, maps: Mapping[str, Tensor], rows: int) -> None:
        layers = {name: layer for name, layer in self.synthesis.convolutions() if layer.has_noise}
        for name, noise in maps.items():
            if name not in layers:
                allowed = ", ".join(layers) or "none"
                raise LatentError(f"Noise map '{name}' does not exist: this generator has {allowed}.")
            size = layers[name].resolution
            *many, height, width = (1, 1, *noise.shape)[-4:]
            plain = {1, size}
            if many[-1] != 1 or many[0] not in (1, rows) or not {height, width} <= plain:
                fits = f"[{size}, {size}] or [n, 1, {size}, {size}] with n = 1 or {rows}"
                raise LatentError(f"Noise map '{name}' has shape {list(noise.shape)}; {fits} fits.")

    def _check(self, space: str, codes: Tensor) -> None:
        if codes.dtype != self.mapping.w_avg.dtype:
            raise LatentError(
                f"Codes are {self.mapping.w_avg.dtype} here; these are {codes.dtype}: convert them first."
            )
        expected = self.dimensions(space)
        if codes.shape[1:] != expected:
            shape = ", ".join(map(str, ("n", *expected)))
            raise LatentError(
                f"Codes of shape {list(codes.shape)} do not lie in space {space} of this generator, which wants "
                f"[{shape}]."
            )

    def _check_feature(self, name: str) -> None:
        if name not in self.feature_names:
            raise LatentError(
                f"Feature map '{name}' does not exist: this {self.resolution}-pixel generator has "
                f"{', '.join(self.feature_names)}."
            )
