"""DCGAN (Radford et al. 2016) behind the Generator protocol: space z, one feature map per block, derivative.

A linear layer makes 4 x 4 maps of the code, every further layer is a transposed convolution that doubles the size
(kernel 4, stride 2); batch normalization and ReLU follow each but the last, which ends in tanh. A module in
training mode normalizes by its batch and updates its statistics, as `torch.nn.BatchNorm2d` does; every other mode of
use (and all that Ganvas loads) normalizes by the statistics, so that a code has one image.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from ganvas.errors import CheckpointError, LatentError
from ganvas.generators.base import IMAGE, Conditions, Jvp, Painted, Request
from ganvas.generators.codes import sample_normal
from ganvas.generators.dcgan.layers import FIRST, INITIAL_STD, Block, Colors
from ganvas.generators.labels import one_hot
from ganvas.generators.protocol import Label, MapHook
from ganvas.generators.sizes import check_label, check_sizes
from ganvas.generators.z_only import ZOnlyGenerator

MOST_BLOCKS = 9


@dataclass(frozen=True)
class DCGANArchitecture:
    """All that fixes the shapes of a DCGAN generator; `standard` gives the published one.

    ``channels`` are those of the maps of 4, 8, ... pixels, up to half the resolution; three colors follow, with a
    ``color_bias`` or, as published, without. With ``label_dim`` classes, the first layer takes z and a one-hot label.
    """

    resolution: int
    channels: tuple[int, ...]
    z_dim: int = 100
    color_bias: bool = False
    label_dim: int = 0

    def __post_init__(self) -> None:
        check_sizes("DCGAN", (self.resolution, self.z_dim, *self.channels))
        check_label("DCGAN", self.label_dim)
        if not 1 <= len(self.channels) <= MOST_BLOCKS or self.resolution != FIRST * 2 ** len(self.channels):
            raise CheckpointError(
                f"{len(self.channels)} maps do not make images of {self.resolution} pixels: a DCGAN has maps of "
                "4, 8, ... pixels up to half its resolution."
            )
        if type(self.color_bias) is not bool:
            raise CheckpointError(f"The colors of a DCGAN have a bias or not; found {self.color_bias!r:.20}.")

    @classmethod
    def standard(cls, resolution: int = 64, width: int = 64, z_dim: int = 100) -> "DCGANArchitecture":
        """Return the published widths: `width` channels (ngf) in the finest map, twice as many in each coarser one.

        `resolution` is a power of two from 8; 64 with the other defaults has 3,576,704 parameters.
        """
        maps = max(resolution // FIRST, 1).bit_length() - 1
        return cls(resolution, tuple(width * 2**i for i in reversed(range(maps))), z_dim)

    @property
    def resolutions(self) -> tuple[int, ...]:
        """Sizes of the feature maps: 4, 8, ..., resolution / 2."""
        return tuple(FIRST * 2**i for i in range(len(self.channels)))


class DCGAN(ZOnlyGenerator, nn.Module):
    """A DCGAN generator; see `ganvas.generators.protocol.Generator` for what its members promise.

    ``generator(z)`` is the forward pass that training uses. Truncation pulls codes towards the prior's mean: ``z psi``.
    """

    family = "dcgan"

    def __init__(self, architecture: DCGANArchitecture) -> None:
        super().__init__()
        self.architecture = architecture
        self.resolution = architecture.resolution
        inputs = (architecture.z_dim + architecture.label_dim, *architecture.channels)
        self.blocks = nn.ModuleDict(
            {
                f"b{size}": Block(inputs[i], inputs[i + 1], first=i == 0)
                for i, size in enumerate(architecture.resolutions)
            }
        )
        self.colors = Colors(inputs[-1], architecture.color_bias)
        self.feature_names = tuple(self.blocks)

    @property
    def code_dtype(self) -> torch.dtype:
        """The precision of codes: that of what `set_precision` leaves alone."""
        return next(self.buffers()).dtype

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

    def sample(self, seeds: Sequence[int]) -> Float[Tensor, "n z_dim"]:
        """Return one standard normal code per seed."""
        return sample_normal(seeds, self.architecture.z_dim).to(self.device)

    def one_hot(self, label: Label, rows: int) -> Float[Tensor, "n classes"] | None:
        """Return the label as one row per code; None without classes."""
        return one_hot(label, rows, self.architecture.label_dim, self.device)

    def forward(self, z: Float[Tensor, "n z_dim"], label: Label = None) -> Float[Tensor, "n 3 h w"]:
        """Return images in [-1, 1] of codes z."""
        return self._run(self._inputs(z, label))[0]

    def paint(self, codes: Tensor, space: str, given: Conditions, request: Request = IMAGE) -> Painted:
        """Return images and feature maps ("b32": the block of 32 pixels, after ReLU).

        A map to `start` from settles the image: codes only have their shape checked.
        """
        self.check_z(codes, space, given)
        last = None if request.with_image else max(request.wanted, key=self.feature_names.index)
        after, x = request.start or ("", self._inputs(codes * given.truncation, given.label))
        x, maps = self._run(x, after, last, request.hook)
        return (x if request.with_image else None), maps

    def check_z(self, codes: Tensor, space: str, given: Conditions) -> None:
        """Raise `LatentError` for codes or conditions that the generator does not take."""
        super().check_z(codes, space, given)
        self.one_hot(given.label, len(codes))

    def linearize_z(self, z: Tensor, given: Conditions) -> tuple[Tensor, Jvp]:
        """Return the image of one code and its derivative; not in training mode, where an image depends on its batch.

        Raises `LatentError` in training mode.
        """
        if self.training:
            raise LatentError("A generator in training mode has no derivative of its own: call eval() first.")
        x, pushes = self._inputs(z, given.label), list[Jvp]()
        for part in self.parts():
            x, push = part.linearize(x)
            pushes.append(push)

        def push_all(dz: Tensor) -> Tensor:
            dx = F.pad(dz, (0, self.architecture.label_dim))
            for push in pushes:
                dx = push(dx)
            return dx

        return x, push_all

    def _inputs(self, z: Tensor, label: Label) -> Float[Tensor, "n inputs"]:
        """Return what the first layer takes: codes, and behind them the label where there are classes."""
        rows = self.one_hot(label, len(z))
        return z if rows is None else torch.cat([z, rows.to(z)], dim=1)

    def _run(
        self, x: Tensor, after: str = "", last: str | None = None, hook: MapHook | None = None
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Return the image (or the map `last`) and all maps on the way, from codes or from the map `after`; the `hook`
        may change each.
        """
        maps = {}
        for name in self.feature_names[self.feature_names.index(after) + 1 if after else 0 :]:
            x = self.blocks[name](x)
            maps[name] = x = hook(name, x) if hook else x
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
