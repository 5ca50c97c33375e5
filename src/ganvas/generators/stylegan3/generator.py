"""StyleGAN3 (T and R) behind the Generator protocol: images that can be moved and turned, feature maps with margins,
derivative; its spaces and its mapping are those of every style-based generator.

Written from Karras et al. 2021. The first style, which row 0 of w+ feeds, is four numbers: the turn (cosine, sine) and
the move (x, y) that the network itself chooses.
"""

import copy
import hashlib
from collections.abc import Sequence
from dataclasses import replace

import torch
from jaxtyping import Float
from torch import Tensor

from ganvas.errors import LatentError
from ganvas.generators.base import IMAGE, Conditions, Painted, Request, refuse_noise
from ganvas.generators.protocol import About, Extent, Noise
from ganvas.generators.style_based import PushStyles, StyleBased
from ganvas.generators.stylegan3.architecture import StyleGAN3Architecture
from ganvas.generators.stylegan3.input import check_placement, placement
from ganvas.generators.stylegan3.synthesis import Synthesis
from ganvas.generators.styles import StyleInput
from ganvas.generators.takes_latent import takes_latent


class StyleGAN3(StyleBased[Synthesis]):
    """A StyleGAN3 generator; see `ganvas.generators.protocol.Generator` for what its members promise.

    It has no noise maps: ``noise`` is "const" or "none", which are the same.
    """

    family = "stylegan3"

    def __init__(self, architecture: StyleGAN3Architecture) -> None:
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
        return margins(shape.size_out, shape.rate_out)

    def paint(self, codes: Tensor, space: str, given: Conditions, request: Request = IMAGE) -> Painted:
        """Return images and feature maps, margins included ("L3_52_512": of layer 3, 52 px a side, 512 channels)."""
        refuse_noise(given.noise)
        if request.start is not None:
            self._check_shape(*request.start, len(codes))
        styles = self.styles(codes, space, given)
        return self.synthesis(styles, self._inverse(), request.start, request.wanted, request.with_image, request.hook)

    @takes_latent
    def style_inputs(self, codes: Tensor, space: str, *, noise: Noise = "const") -> list[StyleInput | None]:
        """Return the map that each style scales, as `ganvas.generators.styles.HasStyleInputs` says."""
        refuse_noise(noise)
        maps = self.synthesis.style_inputs(self.styles(codes, space), self._inverse())
        covered = [margins(shape.size_in, shape.rate_in) for shape in self.architecture.shapes]
        return [None, *zip(maps, covered, strict=True)]

    def linearize_styles(self, styles: Sequence[Tensor], noise: Noise) -> tuple[Tensor, PushStyles]:
        """Return the image of one row of styles and the map from style tangents to those of images."""
        refuse_noise(noise)
        return self.synthesis.linearize(styles, self._inverse())

    def _check_shape(self, name: str, feature: Tensor, rows: int) -> None:
        shape = self.architecture.shapes[self.feature_names.index(name)]
        expected = [rows, shape.channels_out, shape.size_out, shape.size_out]
        if list(feature.shape) != expected:
            raise LatentError(f"Feature map '{name}' has shape {list(feature.shape)}; {expected} fits these codes.")

    def _inverse(self) -> Float[Tensor, "3 3"]:
        return self.transform.inverse().to(self.mapping.w_avg)


def margins(size: int, rate: float | int) -> Extent:
    """Return what a map of `size` samples a side covers of the image, which has `rate` samples a side."""
    beyond = (size / rate - 1) / 2
    return (-beyond, -beyond, 1 + beyond, 1 + beyond)


def _about_moved(about: About, transform: Float[Tensor, "3 3"]) -> About:
    """Return what is known of a generator whose images are transformed so: it goes by a hash of its own."""
    rows = transform.tolist()
    source = {name: value for name, value in about.source.items() if name != "hash"} | {"transform": rows}
    return replace(about, hash=hashlib.sha256(f"{about.hash} {rows}".encode()).hexdigest(), source=source)
