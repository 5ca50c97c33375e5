"""DCGAN (Radford et al. 2016) behind the Generator protocol: space z, one feature map per block, derivative.

A linear layer makes 4 x 4 maps of the code, every further layer is a transposed convolution that doubles the size
(kernel 4, stride 2); batch normalization and ReLU follow each but the last, which ends in tanh. A module in
training mode normalizes by its batch and updates its statistics, as `torch.nn.BatchNorm2d` does; every other mode of
use (and all that Ganvas loads) normalizes by the statistics, so that a code has one image.
"""

from dataclasses import dataclass

import torch
from torch import nn

from ganvas.errors import CheckpointError
from ganvas.generators.chained import ChainedGenerator
from ganvas.generators.dcgan.layers import FIRST, INITIAL_STD, Block, Colors
from ganvas.generators.sizes import check_label, check_sizes

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


class DCGAN(ChainedGenerator):
    """A DCGAN generator; see `ganvas.generators.protocol.Generator` for what its members promise."""

    family = "dcgan"
    architecture: DCGANArchitecture

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
        self.feature_names = tuple(self.blocks)
        self.colors = Colors(inputs[-1], architecture.color_bias)

    @property
    def code_dtype(self) -> torch.dtype:
        """The precision of codes: that of what `set_precision` leaves alone."""
        return next(self.buffers()).dtype

    def set_precision(self, dtype: torch.dtype) -> "DCGAN":
        """Convolve in `dtype` (float32 or bfloat16); normalization and colors stay in float32."""
        for part in self.modules():
            if isinstance(part, Block | Colors):
                part.weight.data = part.weight.data.to(dtype)
        return self


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
