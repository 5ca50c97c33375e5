"""StyleGAN2 behind the Generator protocol: images, feature maps, noise maps, derivative; its spaces and its mapping
are those of every style-based generator.

Written from Karras et al. 2020. Styles include toRGB's.
"""

from collections.abc import Callable, Mapping, Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from ganvas.errors import LatentError
from ganvas.generators.crops import Window
from ganvas.generators.protocol import Label, Noise
from ganvas.generators.style_based import StyleBased
from ganvas.generators.stylegan2.architecture import Architecture
from ganvas.generators.stylegan2.synthesis import Synthesis
from ganvas.generators.takes_latent import takes_latent


class StyleGAN2(StyleBased[Synthesis]):
    """A StyleGAN2 generator; see `ganvas.generators.protocol.Generator` for what its members promise."""

    family = "stylegan2"

    def __init__(self, architecture: Architecture) -> None:
        super().__init__(architecture)
        self.synthesis = Synthesis(architecture)
        self.feature_names = tuple(self.synthesis.blocks)

    def set_precision(self, dtype: torch.dtype) -> "StyleGAN2":
        """Convolve in `dtype` (float32 or bfloat16); styles, demodulation, colors and the mapping stay in float32."""
        for _, layer in self.synthesis.convolutions():
            layer.weight.data = layer.weight.data.to(dtype)
        return self

    @takes_latent
    def synthesize(
        self,
        codes: Tensor,
        space: str,
        *,
        noise: Noise = "const",
        label: Label = None,
        truncation: float = 1.0,
        truncation_layers: int | None = None,
    ) -> Float[Tensor, "n 3 h w"]:
        """Return images, about [-1, 1]; label and truncation count for space z only."""
        styles = self.styles(codes, space, label=label, truncation=truncation, truncation_layers=truncation_layers)
        return self.synthesis.paint(styles, self.noise_maps(noise, len(codes)))

    @takes_latent
    def features(
        self,
        codes: Tensor,
        names: Sequence[str],
        space: str,
        *,
        noise: Noise = "const",
        with_image: bool = False,
        label: Label = None,
        truncation: float = 1.0,
        truncation_layers: int | None = None,
    ) -> dict[str, Tensor]:
        """Return feature maps by name ("b32": after the last convolution of the 32-px block); with `image`, that too
        under "image". Label and truncation count for space z only.
        """
        for name in names:
            self.check_feature(name)
        if not names and not with_image:
            return {}
        styles = self.styles(codes, space, label=label, truncation=truncation, truncation_layers=truncation_layers)
        image, maps = self.synthesis(styles, self.noise_maps(noise, len(codes)), wanted=names, with_image=with_image)
        return maps | {"image": image} if with_image else maps

    @takes_latent
    def feature_part(
        self,
        codes: Tensor,
        name: str,
        window: Window,
        space: str,
        *,
        noise: Noise = "const",
        label: Label = None,
        truncation: float = 1.0,
    ) -> Float[Tensor, "n c h w"]:
        """Return a window of the feature map `name`, or what of it lies in the map, in about the time of its share of
        the map: equal to the same window of `features`, but for rounding. Label and truncation count for space z only.
        """
        self.check_feature(name)
        styles = self.styles(codes, space, label=label, truncation=truncation)
        return self.synthesis.part(styles, self.noise_maps(noise, len(codes)), name, window)

    @takes_latent
    def resume(
        self,
        name: str,
        feature: Float[Tensor, "n c h w"],
        codes: Tensor,
        space: str,
        *,
        noise: Noise = "const",
        label: Label = None,
        truncation: float = 1.0,
        truncation_layers: int | None = None,
    ) -> Float[Tensor, "n 3 h2 w2"]:
        """Return the image when the map `name` is `feature`; what lies below it still paints by `codes`."""
        self.check_feature(name)
        styles = self.styles(codes, space, label=label, truncation=truncation, truncation_layers=truncation_layers)
        map_here = feature.to(self.synthesis.map_dtype)
        image, _ = self.synthesis(styles, self.noise_maps(noise, len(codes)), replace={name: map_here})
        assert image is not None
        return image

    @takes_latent
    def linearize(
        self, codes: Tensor, space: str, *, layers: Sequence[int] | None = None, noise: Noise = "const"
    ) -> tuple[Float[Tensor, "1 3 h w"], Callable[[Tensor], Tensor]]:
        """Return the image of one code (w, w+ or s) and its derivative, a map from tangents [n, *code] to [n, 3, h,
        w].

        Tangents must be zero outside `layers` (rows of w+; None: all): what lies below the first of them is then not
        computed.
        """
        return self.linearize_styles(
            codes, space, layers, lambda styles: self.synthesis.linearize(styles, self.noise_maps(noise, 1))
        )

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
            *many, height, width = (1, 1, 1, 1, *noise.shape)[-4:]
            plain = {1, size}
            if many[-1] != 1 or many[0] not in (1, rows) or not {height, width} <= plain:
                fits = f"[{size}, {size}] or [n, 1, {size}, {size}] with n = 1 or {rows}"
                raise LatentError(f"Noise map '{name}' has shape {list(noise.shape)}; {fits} fits.")
