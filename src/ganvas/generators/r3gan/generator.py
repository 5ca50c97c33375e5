"""R3GAN (Huang et al. 2024) behind the Generator protocol: space z, one feature map per size, derivative.

A code of 64 numbers is all that an image depends on (and its class, where there are classes), so that a Jacobian has 64
columns.
"""

from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from ganvas.errors import CheckpointError
from ganvas.generators.chained import ChainedGenerator
from ganvas.generators.r3gan.layers import FIRST, Basis, Colors, Convolution, Residual, Stage, Up
from ganvas.generators.sizes import check_label, check_sizes

MOST_STAGES, MOST_BLOCKS = 9, 16
GROUP = 16  # channels of a group where the expansion is 2
EXPANSION = 2


@dataclass(frozen=True)
class R3GANArchitecture:
    """All that fixes the shapes of an R3GAN generator; `standard` gives widths like the published ones.

    ``channels`` are those of the maps of 4, 8, ..., resolution pixels, ``groups`` the groups of their 3x3 convolutions,
    ``blocks`` their residual blocks. With ``label_dim`` classes, ``embed_dim`` numbers of each stand behind the code.
    """

    resolution: int
    channels: tuple[int, ...]
    groups: tuple[int, ...]
    blocks: tuple[int, ...]
    z_dim: int = 64
    expansion: int = EXPANSION
    label_dim: int = 0
    embed_dim: int = 0

    def __post_init__(self) -> None:
        check_sizes("R3GAN", (self.resolution, self.z_dim, self.expansion, *self.channels, *self.groups, *self.blocks))
        check_label("R3GAN", self.label_dim)
        stages = len(self.channels)
        if not 1 <= stages <= MOST_STAGES or self.resolution != FIRST * 2 ** (stages - 1):
            raise CheckpointError(f"{stages} maps do not make images of {self.resolution} pixels.")
        if len(self.groups) != stages or len(self.blocks) != stages or max(self.blocks) > MOST_BLOCKS:
            raise CheckpointError(f"Each of {stages} maps has its groups, and 1 to {MOST_BLOCKS} blocks.")
        if any(width * self.expansion % count for width, count in zip(self.channels, self.groups, strict=True)):
            raise CheckpointError(f"Channels {self.channels} times {self.expansion} are no multiples of their groups.")
        if type(self.embed_dim) is not int or (self.embed_dim > 0) != (self.label_dim > 0):
            raise CheckpointError("An R3GAN embeds its classes where it has some; label and embedding do not fit.")

    @classmethod
    def of_maps(cls, channels: tuple[int, ...], depth: int = 2, **others: Any) -> "R3GANArchitecture":
        """Return the architecture with these channels from 4 px up, `depth` blocks a size, and 16 channels a group, as
        published.
        """
        groups = tuple(max(1, EXPANSION * width // GROUP) for width in channels)
        return cls(FIRST * 2 ** (len(channels) - 1), channels, groups, (depth,) * len(channels), **others)

    @property
    def resolutions(self) -> tuple[int, ...]:
        """Sizes of the feature maps: 4, 8, ..., resolution."""
        return tuple(FIRST * 2**i for i in range(len(self.channels)))

    def residuals(self, stage: int) -> list[Residual]:
        """Return new residual blocks of a stage."""
        width, groups, total = self.channels[stage], self.groups[stage], sum(self.blocks)
        return [Residual(width, groups, self.expansion, total) for _ in range(self.blocks[stage])]


class R3GAN(ChainedGenerator):
    """An R3GAN generator; see `ganvas.generators.protocol.Generator` for what its members promise."""

    family = "r3gan"
    architecture: R3GANArchitecture

    def __init__(self, architecture: R3GANArchitecture) -> None:
        super().__init__()
        self.architecture = a = architecture
        self.resolution = a.resolution
        stages = [Stage(Basis(a.z_dim + a.embed_dim, a.channels[0]), a.residuals(0))]
        for i in range(1, len(a.channels)):
            stages.append(Stage(Up(a.channels[i - 1], a.channels[i]), a.residuals(i)))
        self.blocks = nn.ModuleDict({f"b{size}": stage for size, stage in zip(a.resolutions, stages, strict=True)})
        self.feature_names = tuple(self.blocks)
        self.colors = Colors(a.channels[-1])
        self.embedding = nn.Parameter(torch.zeros(a.embed_dim, a.label_dim)) if a.label_dim else None

    @property
    def code_dtype(self) -> torch.dtype:
        """The precision of codes: that of what `set_precision` leaves alone."""
        return next(part for part in self.modules() if isinstance(part, Basis)).weight.dtype

    def embed(self, rows: Float[Tensor, "n classes"]) -> Float[Tensor, "n e"]:
        """Return the embedding of classes."""
        assert self.embedding is not None
        return F.linear(rows, self.embedding)

    def set_precision(self, dtype: torch.dtype) -> "R3GAN":
        """Convolve in `dtype` (float32 or bfloat16); the map of 4 pixels is made in float32."""
        for part in self.modules():
            if isinstance(part, Convolution):
                part.weight.data = part.weight.data.to(dtype)
        return self


@torch.no_grad()
def initialize(network: nn.Module, random: torch.Generator) -> None:
    """Draw the weights of a generator or a discriminator as published; `random` decides them, whatever the device."""
    for part in network.modules():
        if isinstance(part, Basis):
            part.basis.copy_(torch.randn(part.basis.shape, generator=random))
        if isinstance(part, Basis | Convolution):
            part.weight.copy_(torch.randn(part.weight.shape, generator=random) * part.std)
