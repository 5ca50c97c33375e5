"""The strength of adaptive augmentation (ADA): as much as keeps the discriminator from memorizing the real images.

From Karras et al. 2020, "Training Generative Adversarial Networks with Limited Data", section 3.1. Every fourth step
the strength p moves by a fixed amount towards where the overfitting heuristic ``r_t = E[sign(D(x))]`` (Eq. 1),
x being real images, equals its target. `ganvas.training.gan.augment.adaptive` applies the strength.
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
    """Return the strength p after `every` steps of `batch` images: ``p + sign(r_t - target) batch every / images``.

    It is clamped to [0, 0.8]; `images` is the number of images in which p can go from 0 to 1. Above 0.8 augmentations
    leak into the generator (section 2.2 and Fig. 5).
    """
    step = batch * every / images
    return (strength + torch.sign(overfitting - target) * step).clamp(0, LARGEST)


@dataclass(frozen=True)
class AdaptiveStrength:
    """The strength, and the sum of r_t over the ``steps`` since it last moved; tensors, for snapshots hold them."""

    strength: Float[Tensor, ""]
    signs: Float[Tensor, ""]
    steps: Int[Tensor, ""]

    @staticmethod
    def start(strength: float = 0.0, device: torch.device | str = "cpu") -> "AdaptiveStrength":
        """Return the state before the first step."""
        # The count stays on the CPU: a step must not synchronize with the device.
        return AdaptiveStrength(torch.tensor(strength, device=device), torch.zeros([], device=device), torch.tensor(0))

    def tensors(self) -> dict[str, Tensor]:
        """Return the state by name; ``AdaptiveStrength(**tensors)`` restores it."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    def after(
        self, sign: Float[Tensor, ""], batch: int, *, every: int = 4, target: float = TARGET, images: int = 500_000
    ) -> "AdaptiveStrength":
        """Return the state after a step in which r_t was `sign` over the whole `batch` of real images; the strength
        moves at every fourth step.
        """
        signs, steps = self.signs + sign.detach(), self.steps + 1
        if int(steps) < every:
            return AdaptiveStrength(self.strength, signs, steps)
        strength = adjusted(self.strength, signs / every, batch, every, target=target, images=images)
        return AdaptiveStrength(strength, torch.zeros_like(signs), torch.zeros_like(steps))
