"""Which augmentation a run uses, and how its strength adapts."""

from collections.abc import Mapping
from dataclasses import dataclass, fields

import torch
from jaxtyping import Float
from torch import Tensor

from ganvas.errors import TrainingError
from ganvas.training.distributed import ProcessGroup
from ganvas.training.gan import augment
from ganvas.training.gan.adaptive import AdaptiveStrength
from ganvas.training.gan.augment import Augment
from ganvas.training.randomness import Randomness

KINDS = ("none", "diff", "adaptive")


@dataclass(frozen=True)
class Augmentation:
    """The augmentation of a run.

    Attributes:
        kind: "none", "diff" (fixed, Zhao et al. 2020) or "adaptive" (ADA, Karras et al. 2020).
        flip: Mirror real images at random, which doubles the data where left and right are interchangeable.
        parts: The parts of the augmentation to use (`ganvas.training.gan.augment`); empty for all.
    """

    kind: str = "none"
    flip: bool = True
    parts: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise TrainingError(f"Augmentation '{self.kind}' is not known; give one of {', '.join(KINDS)}.")

    def prepare(self, extra: dict[str, Tensor], device: torch.device) -> None:
        """Add the scalars that it carries from step to step to `extra`."""
        if self.kind == "adaptive":
            extra |= AdaptiveStrength.start(device=device).tensors()

    def flip_real(self, real: Float[Tensor, "n 3 r r"], draws: Randomness) -> Float[Tensor, "n 3 r r"]:
        """Return the real images, mirrored at random if ``flip``."""
        if not self.flip:
            return real
        mirrored = draws.bernoulli(0.5, len(real) * draws.shard.count)
        return torch.where(mirrored[:, None, None, None], real.flip(3), real)

    def before_discriminator(self, extra: Mapping[str, Tensor]) -> Augment:
        """Return the augmentation of all images, real and fake, that the discriminator sees."""
        if self.kind == "none":
            return augment.unchanged
        if self.kind == "diff":
            return augment.differentiable(self.parts or augment.DIFFERENTIABLE_PARTS)
        return augment.adaptive(_strength(extra).strength, self.parts or augment.ADAPTIVE_PARTS)

    def adapt(
        self, extra: dict[str, Tensor], metrics: Mapping[str, Tensor], batch: int, processes: ProcessGroup
    ) -> None:
        """Move the adaptive strength by the mean sign of the scores of real images."""
        if self.kind == "adaptive":
            sign = metrics["sign"].clone()
            processes.average([sign])
            extra |= _strength(extra).after(sign, batch).tensors()


def _strength(extra: Mapping[str, Tensor]) -> AdaptiveStrength:
    return AdaptiveStrength(**{field.name: extra[field.name] for field in fields(AdaptiveStrength)})
