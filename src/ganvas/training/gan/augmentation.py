"""Which augmentation a run uses, and how its strength follows the discriminator."""

from collections.abc import Mapping
from dataclasses import dataclass, fields

import torch
from jaxtyping import Float
from torch import Tensor

from ganvas.errors import TrainingError
from ganvas.training.distributed import Team
from ganvas.training.gan import augment
from ganvas.training.gan.adaptive import AdaptiveStrength
from ganvas.training.gan.augment import Augment
from ganvas.training.randomness import Randomness

KINDS = ("none", "diff", "adaptive")


@dataclass(frozen=True)
class Augmentation:
    """``kind``: none, diff (the fixed one of Zhao et al. 2020) or adaptive (Karras et al. 2020); ``flip``: mirror real
    images at random, which doubles the data where left and right do not matter.

    The adaptive one keeps its ``strength`` and what it saw since that last moved among the run's numbers.
    """

    kind: str = "none"
    flip: bool = True

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise TrainingError(f"Augmentation '{self.kind}' is not known; give one of {', '.join(KINDS)}.")

    def prepare(self, extra: dict[str, Tensor], device: torch.device) -> None:
        """Put the numbers that it carries from step to step among `extra`."""
        if self.kind == "adaptive":
            extra |= AdaptiveStrength.start(device=device).tensors()

    def of_data(self, real: Float[Tensor, "n 3 r r"], draws: Randomness) -> Float[Tensor, "n 3 r r"]:
        """Return the real images, mirrored at random where that is asked."""
        if not self.flip:
            return real
        mirrored = draws.chance(0.5, len(real) * draws.share.count)
        return torch.where(mirrored[:, None, None, None], real.flip(3), real)

    def of_networks(self, extra: Mapping[str, Tensor]) -> Augment:
        """Return what all images go through before the discriminator."""
        if self.kind == "none":
            return augment.unchanged
        return augment.differentiable() if self.kind == "diff" else augment.adaptive(_strength(extra).strength)

    def adjust(self, extra: dict[str, Tensor], seen: Mapping[str, Tensor], batch: int, team: Team) -> None:
        """Let the strength follow the mean sign of the scores of real images, as time goes on."""
        if self.kind == "adaptive":
            sign = seen["sign"].clone()
            team.average([sign])
            extra |= _strength(extra).after(sign, batch).tensors()


def _strength(extra: Mapping[str, Tensor]) -> AdaptiveStrength:
    return AdaptiveStrength(**{field.name: extra[field.name] for field in fields(AdaptiveStrength)})
