"""BigGAN-deep (Brock et al. 2019) behind the Generator protocol: space z with a class, feature maps, derivative.

An image is ``G(z psi, class, psi)``: the truncation psi shortens the code and chooses the running statistics that the
batch normalizations use. Codes here are z, draws of the prior, not yet shortened.
"""

import importlib.resources
from collections.abc import Sequence
from functools import cache
from typing import cast

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ganvas.errors import LatentError
from ganvas.generators.base import IMAGE, Conditions, Jvp, Painted, Request
from ganvas.generators.biggan.layers import Condition, Convolution, statistics_weights
from ganvas.generators.biggan.synthesis import BigGANArchitecture, Synthesis
from ganvas.generators.codes import sample_truncated_normal
from ganvas.generators.labels import one_hot
from ganvas.generators.protocol import Label
from ganvas.generators.z_only import ZOnlyGenerator

IMAGENET_CLASSES = 1000


@cache
def imagenet_names() -> tuple[str, ...]:
    """Return the names of ImageNet's 1000 classes (ILSVRC 2012), one each, in their order."""
    text = importlib.resources.files("ganvas.generators.biggan").joinpath("imagenet.txt").read_text("utf-8")
    return tuple(text.splitlines())


class BigGAN(ZOnlyGenerator, nn.Module):
    """A BigGAN-deep generator; see `ganvas.generators.protocol.Generator` for what its members promise.

    ``generator(z, classes)`` is the forward pass that training uses.

    ``compat`` None interpolates the running statistics between truncations, "official" as
    pytorch-pretrained-BigGAN does (`set_compat`).
    """

    family = "biggan"
    prior = "normal truncated to [-2, 2], numpy RandomState per seed"

    def __init__(self, architecture: BigGANArchitecture) -> None:
        super().__init__()
        self.architecture = architecture
        self.resolution = architecture.resolution
        self.embedding = nn.Parameter(torch.zeros(architecture.embed_dim, architecture.label_dim))
        self.synthesis = Synthesis(architecture)
        self.feature_names = self.synthesis.names
        self.compat: str | None = None

    @property
    def code_dtype(self) -> torch.dtype:
        """The precision of codes."""
        return self.embedding.dtype

    @property
    def device(self) -> torch.device:
        """Where the weights lie."""
        return self.embedding.device

    @property
    def class_names(self) -> tuple[str, ...] | None:
        """Its own names; ImageNet's where it has none and a thousand classes; else None."""
        own = self.architecture.class_names or None
        return imagenet_names() if own is None and self.architecture.label_dim == IMAGENET_CLASSES else own

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

    def sample(self, seeds: Sequence[int]) -> Float[Tensor, "n z_dim"]:
        """Return one code per seed of the normal distribution truncated to [-2, 2]."""
        return sample_truncated_normal(seeds, self.architecture.z_dim).to(self.device)

    def forward(self, z: Float[Tensor, "n z_dim"], classes: Float[Tensor, "n label_dim"]) -> Float[Tensor, "n 3 h w"]:
        """Return images in [-1, 1] of codes z and one-hot rows of classes."""
        condition = self.condition(z, Conditions(label=classes))
        return self.synthesis.run(self.synthesis.begin(condition), condition)

    def paint(self, codes: Tensor, space: str, given: Conditions, request: Request = IMAGE) -> Painted:
        """Return images and feature maps before ReLU ("block3_16": after the fourth block, of 16 px; "attention_64").

        All blocks are conditioned on code and class, those after `start` too.
        """
        self.check_z(codes, space, given)
        condition, maps = self.condition(codes * given.truncation, given), {}
        x, done = self.synthesis.begin(condition), 0
        if request.start is not None:
            name, x = request.start
            x, done = x.to(self.synthesis.map_dtype), self.feature_names.index(name) + 1
        passed = self.feature_names if request.hook else request.wanted
        for stop in sorted({self.feature_names.index(name) + 1 for name in passed}):
            x, done = self.synthesis.run(x, condition, done, stop), stop
            name = self.feature_names[stop - 1]
            maps[name] = x = request.hook(name, x) if request.hook else x
        # Some stages add to a fresh map in place, never to the one they were given: maps stay what they were.
        return (self.synthesis.run(x, condition, done) if request.with_image else None), maps

    def linearize_z(self, z: Tensor, given: Conditions) -> tuple[Tensor, Jvp]:
        """Return the image of one code and its derivative by that code, the class held fixed; not in training mode,
        where an image depends on its batch.

        Raises `LatentError` in training mode.
        """
        if self.training:
            raise LatentError("A generator in training mode has no derivative of its own: call eval() first.")
        image, push_code = self.synthesis.linearize(self.condition(z, given))

        def push(tangents: Tensor) -> Tensor:
            still = tangents.new_zeros(len(tangents), self.architecture.embed_dim)
            return push_code(torch.cat([tangents, still], dim=1))

        return image, push

    def check_z(self, codes: Tensor, space: str, given: Conditions) -> None:
        """Raise `LatentError` for codes or conditions that the generator does not take."""
        super().check_z(codes, space, given)
        if not 0 < given.truncation <= 1:
            raise LatentError(
                f"A truncation of {given.truncation} is not possible: BigGAN shortens codes and chooses statistics by "
                "it; give a number above 0, at most 1."
            )

    def condition(self, z: Float[Tensor, "n z_dim"], given: Conditions) -> Condition:
        """Return what the network is conditioned on, from codes that are truncated already."""
        classes = self.one_hot(given.label, len(z)).to(z.dtype) @ self.embedding.T
        table = statistics_weights(self.architecture.statistics, given.truncation, official=self.compat == "official")
        return Condition(torch.cat([z, classes], dim=1), table.to(z))
