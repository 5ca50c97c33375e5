"""How strongly to augment: as much as keeps the discriminator from knowing the real images by heart.

From Karras et al. 2020, "Training Generative Adversarial Networks with Limited Data", section 3.1. Knows nothing of
images; `ganvas.training.gan.augment.adaptive` takes the strength.
"""

from dataclasses import dataclass, fields

import torch
from jaxtyping import Float, Int
from torch import Tensor

TARGET = 0.6
LARGEST = 0.8


def adjusted(
    strength: Float[Tensor, ""],
    overfitting: Float[Tensor, ""],
    batch: int,
    every: int,
    *,
    target: float = TARGET,
    images: int = 500_000,
) -> Float[Tensor, ""]:
    """Return the strength p after `every` steps of `batch` images, moved towards where ``r = E[sign D(x)]``, x being
    real images, is `target`: up where r is larger, down where it is smaller, by what takes it from 0 to 1 within
    `images`, and held between 0 and 0.8.

    Above 0.8 augmentations leak into the generator (Karras et al. 2020, section 2.2 and Fig. 5).
    """
    step = batch * every / images
    return (strength + torch.sign(overfitting - target) * step).clamp(0, LARGEST)


@dataclass(frozen=True)
class AdaptiveStrength:
    """The strength, and what was seen since it last moved: the sum of ``E[sign D(x)]`` over ``steps``; tensors, so that
    a snapshot holds them.
    """

    strength: Float[Tensor, ""]
    signs: Float[Tensor, ""]
    steps: Int[Tensor, ""]

    @staticmethod
    def start(strength: float = 0.0, device: torch.device | str = "cpu") -> "AdaptiveStrength":
        """Return the state before the first step."""
        # The count stays on the CPU: a step must not wait for the device.
        return AdaptiveStrength(torch.tensor(strength, device=device), torch.zeros([], device=device), torch.tensor(0))

    def tensors(self) -> dict[str, Tensor]:
        """Return all there is to save; ``AdaptiveStrength(**tensors)`` goes on from it."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    def after(
        self, sign: Float[Tensor, ""], batch: int, *, every: int = 4, target: float = TARGET, images: int = 500_000
    ) -> "AdaptiveStrength":
        """Return the state after a step in which ``sign D(x)`` averaged `sign` over the whole batch of `batch` real
        images; the strength moves at every fourth step.
        """
        signs, steps = self.signs + sign.detach(), self.steps + 1
        if int(steps) < every:
            return AdaptiveStrength(self.strength, signs, steps)
        strength = adjusted(self.strength, signs / every, batch, every, target=target, images=images)
        return AdaptiveStrength(strength, torch.zeros_like(signs), torch.zeros_like(steps))
