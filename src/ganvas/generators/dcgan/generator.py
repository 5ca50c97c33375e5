"""DCGAN (Radford et al. 2016) behind the Generator protocol: space z, one feature map per block, derivative.

A linear layer makes 4 x 4 maps of the code, every further layer is a transposed convolution that doubles the size
(kernel 4, stride 2, no bias); batch normalization and ReLU follow each but the last, which ends in tanh. A module in
training mode normalizes by its batch and updates its statistics, as `torch.nn.BatchNorm2d` does; every other mode of
use (and all that Ganvas loads) normalizes by the statistics, so that a code has one image.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import cast

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ganvas.errors import CheckpointError, LatentError
from ganvas.generators.codes import check_space, sample_normal
from ganvas.generators.dcgan.layers import FIRST, INITIAL_STD, Block, Colors
from ganvas.generators.labels import one_hot
from ganvas.generators.protocol import About, Label, Noise
from ganvas.generators.takes_latent import takes_latent
from ganvas.generators.z_only import check_feature, check_noise, check_shape, refuse_mapping

LARGEST_WIDTH, MOST_BLOCKS = 65536, 9


@dataclass(frozen=True)
class Architecture:
    """All that fixes the shapes of a DCGAN generator; `standard` gives the published one.

    ``channels`` are those of the maps of 4, 8, ... pixels, up to half the resolution; three colors follow.
    """

    resolution: int
    channels: tuple[int, ...]
    z_dim: int = 100

    def __post_init__(self) -> None:
        sizes = (self.resolution, self.z_dim, *self.channels)
        if not all(type(size) is int and 0 < size <= LARGEST_WIDTH for size in sizes):
            raise CheckpointError(f"Sizes of a DCGAN are whole numbers from 1 to {LARGEST_WIDTH}; found others.")
        if not 1 <= len(self.channels) <= MOST_BLOCKS or self.resolution != FIRST * 2 ** len(self.channels):
            raise CheckpointError(
                f"{len(self.channels)} maps do not make images of {self.resolution} pixels: a DCGAN has maps of "
                "4, 8, ... pixels up to half its resolution."
            )

    @classmethod
    def standard(cls, resolution: int = 64, width: int = 64, z_dim: int = 100) -> "Architecture":
        """Return the published widths: `width` channels (ngf) in the finest map, twice as many in each coarser one.

        `resolution` is a power of two from 8; 64 with the other defaults has 3,576,704 parameters.
        """
        maps = max(resolution // FIRST, 1).bit_length() - 1
        return cls(resolution, tuple(width * 2**i for i in reversed(range(maps))), z_dim)

    @property
    def resolutions(self) -> tuple[int, ...]:
        """Sizes of the feature maps: 4, 8, ..., resolution / 2."""
        return tuple(FIRST * 2**i for i in range(len(self.channels)))


class DCGAN(nn.Module):
    """A DCGAN generator; see `ganvas.generators.protocol.Generator` for what its members promise.

    ``generator(z)`` is the forward pass that training uses. Truncation pulls codes towards the prior's mean: ``z psi``.
    """

    family = "dcgan"
    spaces: tuple[str, ...] = ("z",)
    layers = 0
    about: About | None = None

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        self.architecture = architecture
        self.resolution = architecture.resolution
        inputs = (architecture.z_dim, *architecture.channels)
        self.blocks = nn.ModuleDict(
            {
                f"b{size}": Block(inputs[i], inputs[i + 1], first=i == 0)
                for i, size in enumerate(architecture.resolutions)
            }
        )
        self.colors = Colors(inputs[-1])
        self.feature_names = tuple(self.blocks)

    @property
    def device(self) -> torch.device:
        """Where the weights lie."""
        return self.colors.weight.device

    def set_precision(self, dtype: torch.dtype) -> "DCGAN":
        """Convolve in `dtype` (float32 or bfloat16); normalization and colors stay in float32."""
        for layer in self.parts():
            layer.weight.data = layer.weight.data.to(dtype)
        return self

    def parts(self) -> "list[Block | Colors]":
        """Return the blocks and the colors, in order."""
        return [*(cast(Block, block) for block in self.blocks.values()), self.colors]

    def dimensions(self, space: str) -> tuple[int, ...]:
        """Return the shape of one code of `space`."""
        check_space(space, self.spaces)
        return (self.architecture.z_dim,)

    def sample(self, seeds: Sequence[int]) -> Float[Tensor, "n z_dim"]:
        """Return one standard normal code per seed."""
        return sample_normal(seeds, self.architecture.z_dim).to(self.device)

    def one_hot(self, label: Label, rows: int) -> Float[Tensor, "n classes"] | None:
        """Return None: there are no classes; raises `LatentError` for a label."""
        return one_hot(label, rows, 0, self.device)

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
        refuse_mapping(to)

    def forward(self, z: Float[Tensor, "n z_dim"]) -> Float[Tensor, "n 3 h w"]:
        """Return images in [-1, 1] of codes z."""
        return self._run(z)[0]

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
        """Return images in [-1, 1] of the codes times `truncation`."""
        return self._run(self._codes(codes, space, noise, label) * truncation)[0]

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
        """Return feature maps by name ("b32": the block of 32 pixels, after ReLU); with `image`, that too under
        "image".
        """
        for name in names:
            check_feature(name, self.feature_names)
        if not names and not with_image:
            return {}
        last = None if with_image else max(names, key=self.feature_names.index)
        image, maps = self._run(self._codes(codes, space, noise, label) * truncation, last=last)
        return {name: maps[name] for name in names} | ({"image": image} if with_image else {})

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
        """Return the image when the map `name` is `feature`, which settles it: `codes` only have their shape
        checked.
        """
        check_feature(name, self.feature_names)
        self._codes(codes, space, noise, label)
        return self._run(feature, after=name)[0]

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
        """Return the image of one code and its derivative by that code, from tangents [n, z_dim] to [n, 3, h, w].

        Raises `LatentError` in training mode, where an image depends on its batch.
        """
        if self.training:
            raise LatentError("A generator in training mode has no derivative of its own: call eval() first.")
        if layers is not None:
            raise LatentError("Layers were given, but this generator has none: leave layers out.")
        with torch.no_grad():
            x, pushes = self._codes(codes, space, noise, label) * truncation, list[Callable[[Tensor], Tensor]]()
            for part in self.parts():
                x, push = part.linearize(x)
                pushes.append(push)

        @torch.no_grad()
        def push_all(tangents: Float[Tensor, "n z_dim"]) -> Float[Tensor, "n 3 h w"]:
            dx = self._codes(tangents, space, noise, label) * truncation
            for push in pushes:
                dx = push(dx)
            return dx

        return x, push_all

    def _codes(self, codes: Tensor, space: str, noise: Noise, label: Label) -> Tensor:
        """Return `codes` after checks of all that comes with them."""
        check_noise(noise)
        self.one_hot(label, len(codes))
        check_shape(codes, self.dimensions(space), space, self._code_dtype)
        return codes

    @property
    def _code_dtype(self) -> torch.dtype:
        """Of codes: that of what `set_precision` leaves alone."""
        return next(self.buffers()).dtype

    def _run(self, x: Tensor, after: str = "", last: str | None = None) -> tuple[Tensor, dict[str, Tensor]]:
        """Return the image (or the map `last`) and all maps on the way, from codes or from the map `after`."""
        maps = {}
        for name in self.feature_names[self.feature_names.index(after) + 1 if after else 0 :]:
            maps[name] = x = self.blocks[name](x)
            if name == last:
                return x, maps
        return self.colors(x), maps


def initialize(generator: DCGAN, random: torch.Generator) -> DCGAN:
    """Draw the weights as published: convolutions from N(0, 0.02), the normalization's from N(1, 0.02), its biases 0.

    `random` decides them, whatever the device of the generator.
    """
    with torch.no_grad():
        for name, parameter in generator.named_parameters():
            if name.endswith("norm.bias"):
                parameter.zero_()
                continue
            drawn = torch.randn(parameter.shape, generator=random, device=random.device) * INITIAL_STD
            parameter.copy_(drawn + 1 if name.endswith("norm.weight") else drawn)
    return generator
