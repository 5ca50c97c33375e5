"""BigGAN-deep (Brock et al. 2019) behind the Generator protocol: space z with a class, feature maps, derivative.

An image is ``G(z psi, class, psi)``: the truncation psi shortens the code and chooses the running statistics that the
batch normalizations use. Codes here are z, draws of the prior, not yet shortened.
"""

import importlib.resources
from collections.abc import Callable, Sequence
from functools import cache
from typing import cast

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ganvas.errors import LatentError
from ganvas.generators.biggan.layers import Condition, Convolution, statistics_weights
from ganvas.generators.biggan.synthesis import Architecture, Synthesis
from ganvas.generators.codes import check_space, sample_truncated_normal
from ganvas.generators.labels import one_hot
from ganvas.generators.protocol import About, Label, Noise
from ganvas.generators.takes_latent import takes_latent
from ganvas.generators.z_only import check_feature, check_noise, check_shape, refuse_mapping

IMAGENET_CLASSES = 1000


@cache
def imagenet_names() -> tuple[str, ...]:
    """Return the names of ImageNet's 1000 classes (ILSVRC 2012), one each, in their order."""
    text = importlib.resources.files("ganvas.generators.biggan").joinpath("imagenet.txt").read_text("utf-8")
    return tuple(text.splitlines())


class BigGAN(nn.Module):
    """A BigGAN-deep generator; see `ganvas.generators.protocol.Generator` for what its members promise.

    ``compat`` None interpolates the running statistics between truncations, "official" as
    pytorch-pretrained-BigGAN does (`set_compat`).
    """

    family = "biggan"
    spaces: tuple[str, ...] = ("z",)
    layers = 0
    prior = "normal truncated to [-2, 2], numpy RandomState per seed"
    about: About | None = None

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        self.architecture = architecture
        self.resolution = architecture.resolution
        self.embedding = nn.Parameter(torch.zeros(architecture.embed_dim, architecture.label_dim))
        self.synthesis = Synthesis(architecture)
        self.feature_names = self.synthesis.names
        self.compat: str | None = None

    @property
    def device(self) -> torch.device:
        """Where the weights lie."""
        return self.embedding.device

    @property
    def class_names(self) -> tuple[str, ...] | None:
        """ImageNet's names where the generator has its thousand classes, else None."""
        return imagenet_names() if self.architecture.label_dim == IMAGENET_CLASSES else None

    def one_hot(self, label: Label, rows: int) -> Float[Tensor, "n label_dim"]:
        """Return the label as one row per code."""
        return cast(Tensor, one_hot(label, rows, self.architecture.label_dim, self.device, self.class_names))

    def set_precision(self, dtype: torch.dtype) -> "BigGAN":
        """Convolve in `dtype` (float32 or bfloat16); the condition, softmax and colors stay in float32."""
        for module in self.modules():
            if isinstance(module, Convolution):
                module.weight.data = module.weight.data.to(dtype)
        return self

    def set_compat(self, compat: str | None) -> "BigGAN":
        """Interpolate statistics as published ("official") or correctly (None); see `statistics_weights`."""
        if compat not in (None, "official"):
            raise LatentError(f"Compat '{compat}' is not known; give 'official' or None.")
        self.compat = compat
        return self

    def dimensions(self, space: str) -> tuple[int, ...]:
        """Return the shape of one code of `space`."""
        check_space(space, self.spaces)
        return (self.architecture.z_dim,)

    def sample(self, seeds: Sequence[int]) -> Float[Tensor, "n z_dim"]:
        """Return one code per seed of the normal distribution truncated to [-2, 2]."""
        return sample_truncated_normal(seeds, self.architecture.z_dim).to(self.device)

    def map(
        self,
        z: Float[Tensor, "n z_dim"],
        to: str = "w+",
        *,
        label: Label = None,
        truncation: float = 1.0,
        truncation_layers: int | None = None,
    ) -> Tensor:
        """Refuse: there is space z only."""
        return refuse_mapping(to)

    @takes_latent
    def synthesize(
        self,
        codes: Float[Tensor, "n z_dim"],
        space: str,
        *,
        noise: Noise = "const",
        label: Label = None,
        truncation: float = 1.0,
    ) -> Float[Tensor, "n 3 h w"]:
        """Return images in [-1, 1] of the codes times `truncation` (above 0, at most 1), of the classes `label`."""
        condition = self.condition(codes, space, noise, label, truncation)
        return self.synthesis.run(self.synthesis.begin(condition), condition)

    @takes_latent
    def features(
        self,
        codes: Float[Tensor, "n z_dim"],
        names: Sequence[str],
        space: str,
        *,
        noise: Noise = "const",
        with_image: bool = False,
        label: Label = None,
        truncation: float = 1.0,
    ) -> dict[str, Tensor]:
        """Return feature maps by name ("block3_16": after the fourth block, of 16 px; "attention_64"), before ReLU;
        with `image`, that too under "image".
        """
        for name in names:
            check_feature(name, self.feature_names)
        if not names and not with_image:
            return {}
        condition = self.condition(codes, space, noise, label, truncation)
        x, done, maps = self.synthesis.begin(condition), 0, {}
        for stop in sorted({self.feature_names.index(name) + 1 for name in names}):
            x, done = self.synthesis.run(x, condition, done, stop), stop
            maps[self.feature_names[stop - 1]] = x
        # Some stages add to a fresh map in place, never to the one they were given: maps stay what they were.
        return maps | ({"image": self.synthesis.run(x, condition, done)} if with_image else {})

    @takes_latent
    def resume(
        self,
        name: str,
        feature: Float[Tensor, "n c h w"],
        codes: Float[Tensor, "n z_dim"],
        space: str,
        *,
        noise: Noise = "const",
        label: Label = None,
        truncation: float = 1.0,
    ) -> Float[Tensor, "n 3 h2 w2"]:
        """Return the image when the map `name` is `feature`; later blocks still hear of `codes` and `label`."""
        check_feature(name, self.feature_names)
        condition = self.condition(codes, space, noise, label, truncation)
        return self.synthesis.run(feature.to(self.synthesis.map_dtype), condition, self.feature_names.index(name) + 1)

    @takes_latent
    def linearize(
        self,
        codes: Float[Tensor, "1 z_dim"],
        space: str,
        *,
        layers: Sequence[int] | None = None,
        noise: Noise = "const",
        label: Label = None,
        truncation: float = 1.0,
    ) -> tuple[Float[Tensor, "1 3 h w"], Callable[[Tensor], Tensor]]:
        """Return the image of one code and its derivative by that code, from tangents [n, z_dim] to [n, 3, h, w]."""
        if layers is not None:
            raise LatentError("Layers were given, but this generator has none: leave layers out.")
        with torch.no_grad():
            image, push_code = self.synthesis.linearize(self.condition(codes, space, noise, label, truncation))

        @torch.no_grad()
        def push(tangents: Float[Tensor, "n z_dim"]) -> Float[Tensor, "n 3 h w"]:
            still = tangents.new_zeros(len(tangents), self.architecture.embed_dim)
            return push_code(torch.cat([tangents * truncation, still], dim=1))

        return image, push

    def condition(
        self, codes: Float[Tensor, "n z_dim"], space: str, noise: Noise, label: Label, truncation: float
    ) -> Condition:
        """Return what the network hears of codes, classes and truncation, after checks of all that comes with them."""
        check_noise(noise)
        check_shape(codes, self.dimensions(space), space, self.embedding.dtype)
        if not 0 < truncation <= 1:
            raise LatentError(
                f"A truncation of {truncation} is not possible: BigGAN shortens codes and chooses statistics by it; "
                "give a number above 0, at most 1."
            )
        classes = self.one_hot(label, len(codes)).to(codes.dtype) @ self.embedding.T
        table = statistics_weights(self.architecture.statistics, truncation, official=self.compat == "official")
        return Condition(torch.cat([codes * truncation, classes], dim=1), table.to(codes))
