"""StyleGAN2 behind the Generator protocol: images, feature maps, noise maps, derivative; its spaces and its mapping
are those of every style-based generator.

Written from Karras et al. 2020. Styles include toRGB's.
"""

from collections.abc import Mapping, Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from ganvas.errors import LatentError
from ganvas.generators.base import IMAGE, Conditions, Painted, Request
from ganvas.generators.crops import Crop
from ganvas.generators.protocol import WHOLE, Label, Noise
from ganvas.generators.style_based import PushStyles, StyleBased
from ganvas.generators.stylegan2.architecture import StyleGAN2Architecture
from ganvas.generators.stylegan2.synthesis import Synthesis
from ganvas.generators.styles import StyleInput
from ganvas.generators.takes_latent import takes_latent


class StyleGAN2(StyleBased[Synthesis]):
    """A StyleGAN2 generator; see `ganvas.generators.protocol.Generator` for what its members promise."""

    family = "stylegan2"

    def __init__(self, architecture: StyleGAN2Architecture) -> None:
        super().__init__(architecture)
        self.synthesis = Synthesis(architecture)
        self.feature_names = tuple(self.synthesis.blocks)

    def set_precision(self, dtype: torch.dtype) -> "StyleGAN2":
        """Convolve in `dtype` (float32 or bfloat16); styles, demodulation, colors and the mapping stay in float32."""
        for _, layer in self.synthesis.convolutions():
            layer.weight.data = layer.weight.data.to(dtype)
        return self

    def paint(self, codes: Tensor, space: str, given: Conditions, request: Request = IMAGE) -> Painted:
        """Return images and feature maps ("b32": after the last convolution of the 32-px block)."""
        styles = self.styles(codes, space, given)
        noises = self.noise_maps(given.noise, len(codes))
        if request is IMAGE:
            return self.synthesis.paint(styles, noises), {}
        dtype, start = self.synthesis.map_dtype, request.start
        replace = None if start is None else {start[0]: start[1].to(dtype)}
        return self.synthesis(styles, noises, replace, request.wanted, request.with_image, request.hook)

    def linearize_styles(self, styles: Sequence[Tensor], noise: Noise) -> tuple[Tensor, PushStyles]:
        """Return the image of one row of styles and the map from style tangents to those of images."""
        return self.synthesis.linearize(styles, self.noise_maps(noise, 1))

    @takes_latent
    def style_inputs(self, codes: Tensor, space: str, *, noise: Noise = "const") -> list[StyleInput]:
        """Return the map that each style scales, as `ganvas.generators.styles.HasStyleInputs` says."""
        maps = self.synthesis.style_inputs(self.styles(codes, space), self.noise_maps(noise, len(codes)))
        return [(values, WHOLE) for values in maps]

    @takes_latent
    def feature_part(
        self,
        codes: Tensor,
        name: str,
        window: Crop,
        space: str,
        *,
        noise: Noise = "const",
        label: Label = None,
        truncation: float = 1.0,
    ) -> Float[Tensor, "n c h w"]:
        """Return a crop of the feature map `name`, as far as it lies in the map, in about the time of its share of the
        map: equal to that crop of `features` up to rounding. Label and truncation count for space z only.
        """
        self.check_feature(name)
        styles = self.styles(codes, space, Conditions(label=label, truncation=truncation))
        return self.synthesis.part(styles, self.noise_maps(noise, len(codes)), name, window)

    def own_noise(self) -> dict[str, Tensor]:
        """Return the fixed noise maps by the names of their layers, each [1, 1, h, w]; those with noise only."""
        maps = {name: layer.noise_map() for name, layer in self.synthesis.convolutions()}
        return {name: noise for name, noise in maps.items() if noise is not None}

    def noise_maps(self, noise: Noise, rows: int) -> list[Tensor | None]:
        """Return one map per styled convolution, or None: "const", "none", a dict of maps by name, or a
        torch.Generator.
        """
        own = {name: layer.noise_map() for name, layer in self.synthesis.convolutions()}
        if isinstance(noise, Mapping):
            self._check_noise(noise, rows)
            # With all four axes, of which the first counts samples: a map [h, w] is the same for all of them.
            four = {name: values[(None,) * (4 - values.ndim)] for name, values in noise.items()}
            return [four.get(name, own[name]) for name in own]
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
            *many, height, width = (1, 1, 1, 1, *noise.shape)[-4:]
            plain = {1, size}
            if many[-1] != 1 or many[0] not in (1, rows) or not {height, width} <= plain:
                fits = f"[{size}, {size}] or [n, 1, {size}, {size}] with n = 1 or {rows}"
                raise LatentError(f"Noise map '{name}' has shape {list(noise.shape)}; {fits} fits.")
