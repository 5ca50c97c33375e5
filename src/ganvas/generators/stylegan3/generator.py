"""StyleGAN3 (T and R) behind the Generator protocol: images that can be moved and turned, feature maps with margins,
derivative; its spaces and its mapping are those of every style-based generator.

Written from Karras et al. 2021. The first style, which row 0 of w+ feeds, is four numbers: the turn (cosine, sine) and
the move (x, y) that the network itself chooses.
"""

import copy
import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import torch
from jaxtyping import Float
from torch import Tensor

from ganvas.errors import LatentError
from ganvas.generators.protocol import About, Label, Noise
from ganvas.generators.style_based import StyleBased
from ganvas.generators.stylegan3.architecture import Architecture
from ganvas.generators.stylegan3.input import check_placement, placement
from ganvas.generators.stylegan3.synthesis import Synthesis
from ganvas.generators.takes_latent import takes_latent


class StyleGAN3(StyleBased[Synthesis]):
    """A StyleGAN3 generator; see `ganvas.generators.protocol.Generator` for what its members promise.

    It has no noise maps: ``noise`` is "const" or "none", which are the same.
    """

    family = "stylegan3"

    def __init__(self, architecture: Architecture) -> None:
        super().__init__(architecture)
        self.synthesis = Synthesis(architecture)
        self.feature_names = tuple(self.synthesis.names)
        self.transform = placement()

    def transformed(
        self, matrix: Tensor | None = None, *, rotate: float = 0.0, translate: tuple[float, float] = (0.0, 0.0)
    ) -> "StyleGAN3":
        """Return this generator with its images turned by `rotate` degrees counter-clockwise, then moved by
        `translate` = (x, y) in fractions of the width, right and down; or transformed by a `matrix` [3, 3].

        The two share weights, but not the hash: results of one are used with a warning on the other. A generator that
        is already transformed has its images moved further. What comes into the image is painted, not empty. Only R
        networks turn well; T networks move well and turn roughly.
        """
        wanted = placement(rotate, translate) if matrix is None else matrix.detach().cpu().double()
        check_placement(wanted)
        moved = copy.copy(self)
        moved.transform = wanted @ self.transform
        moved.about = None if self.about is None else _about_moved(self.about, moved.transform)
        return moved

    def set_precision(self, dtype: torch.dtype) -> "StyleGAN3":
        """Convolve in `dtype` (float32 or bfloat16); filters, styles and the mapping stay in float32."""
        for _, layer in self.synthesis.named_layers():
            layer.weight.data = layer.weight.data.to(dtype)
        return self

    def extent(self, name: str) -> tuple[float, float, float, float]:
        """Return (left, top, right, bottom) of what a feature map covers, in fractions of the image: below 0 and
        above 1 in its margin.
        """
        self.check_feature(name)
        shape = self.architecture.shapes[self.feature_names.index(name)]
        beyond = (shape.size_out / shape.rate_out - 1) / 2
        return (-beyond, -beyond, 1 + beyond, 1 + beyond)

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
        check_noise(noise)
        styles = self.styles(codes, space, label=label, truncation=truncation, truncation_layers=truncation_layers)
        image, _ = self.synthesis(styles, self._inverse())
        assert image is not None
        return image

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
        """Return feature maps by name ("L3_52_512": of layer 3, 52 px a side, 512 channels), margins included; with
        `image`, that too under "image". Label and truncation count for space z only.
        """
        check_noise(noise)
        for name in names:
            self.check_feature(name)
        if not names and not with_image:
            return {}
        styles = self.styles(codes, space, label=label, truncation=truncation, truncation_layers=truncation_layers)
        image, maps = self.synthesis(styles, self._inverse(), wanted=names, with_image=with_image)
        return maps | {"image": image} if with_image else maps

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
        """Return the image when the map `name` is `feature`, which has all that lies below it."""
        check_noise(noise)
        self.check_feature(name)
        shape = self.architecture.shapes[self.feature_names.index(name)]
        expected = [len(codes), shape.channels_out, shape.size_out, shape.size_out]
        if list(feature.shape) != expected:
            raise LatentError(f"Feature map '{name}' has shape {list(feature.shape)}; {expected} fits these codes.")
        styles = self.styles(codes, space, label=label, truncation=truncation, truncation_layers=truncation_layers)
        image, _ = self.synthesis(styles, self._inverse(), (name, feature))
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
        check_noise(noise)
        return self.linearize_styles(
            codes, space, layers, lambda styles: self.synthesis.linearize(styles, self._inverse())
        )

    def _inverse(self) -> Float[Tensor, "3 3"]:
        return self.transform.inverse().to(self.mapping.w_avg)


def _about_moved(about: About, transform: Float[Tensor, "3 3"]) -> About:
    """Return what is known of a generator whose images are transformed so: it goes by a hash of its own."""
    rows = transform.tolist()
    source = {name: value for name, value in about.source.items() if name != "hash"} | {"transform": rows}
    return replace(about, hash=hashlib.sha256(f"{about.hash} {rows}".encode()).hexdigest(), source=source)


def check_noise(noise: Noise) -> None:
    """Raise `LatentError` for noise maps of one's own: there is nothing that they would go to."""
    if isinstance(noise, Mapping) and noise:
        raise LatentError(f"Noise map '{next(iter(noise))}' does not exist: a StyleGAN3 has none.")
    if isinstance(noise, str) and noise not in ("const", "none"):
        raise LatentError(f"Noise '{noise}' is not known: give 'const' or 'none', a StyleGAN3 has no noise maps.")
