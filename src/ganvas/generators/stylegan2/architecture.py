"""What fixes the shapes of a StyleGAN2."""

from dataclasses import dataclass
from typing import Literal

from ganvas.errors import CheckpointError
from ganvas.generators.sizes import check_mapping, check_sizes

Kind = Literal["skip", "resnet", "orig"]
MOST_BLOCKS = 9


@dataclass(frozen=True)
class StyleGAN2Architecture:
    """All that fixes the shapes of a StyleGAN2: what a checkpoint's header must hold.

    ``channels`` are those of the blocks from 4 px up; ``hidden`` are the widths of the mapping network's layers, its
    output included; ``clamp`` bounds activations (NVIDIA's conv_clamp), None for no bound; ``mapping_rate`` is the
    mapping's learning-rate multiplier.
    """

    resolution: int
    channels: tuple[int, ...]
    z_dim: int
    w_dim: int
    hidden: tuple[int, ...]
    label_dim: int = 0
    kind: Kind = "skip"
    clamp: float | None = None
    mapping_rate: float = 0.01
    noise: bool = True

    def __post_init__(self) -> None:
        check_sizes("StyleGAN2", (self.resolution, self.z_dim, *self.channels))
        check_mapping("StyleGAN2", self.w_dim, self.hidden, self.label_dim)
        if not 1 <= len(self.channels) <= MOST_BLOCKS or self.resolution != 2 ** (len(self.channels) + 1):
            raise CheckpointError(f"{len(self.channels)} blocks do not make images of {self.resolution} pixels.")
        if self.kind not in ("skip", "resnet", "orig"):
            raise CheckpointError(f"A StyleGAN2 of kind {self.kind!r} is not known; skip, resnet and orig are.")
        for value in (self.mapping_rate, 1.0 if self.clamp is None else self.clamp):
            if not isinstance(value, int | float) or not 0 < value < float("inf"):
                raise CheckpointError("The clamp and the mapping's learning rate of a StyleGAN2 are numbers above 0.")

    @property
    def resolutions(self) -> tuple[int, ...]:
        """Sizes of the blocks: 4, 8, ..., resolution."""
        return tuple(4 * 2**i for i in range(len(self.channels)))

    @property
    def layers(self) -> int:
        """Rows of w+: 2 log2(resolution) - 2."""
        return 2 * len(self.channels)
