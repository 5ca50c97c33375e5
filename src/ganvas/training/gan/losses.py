"""What a discriminator and a generator minimize, as pure functions of the discriminator's scores (logits).

Knows no network. Scores are [n], real and fake of equal number.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

Scores = Float[Tensor, "n"]


@dataclass(frozen=True)
class Objective:
    """A pair of losses: `discriminator(real, fake)` and `generator(real, fake)`; only a `relativistic` generator loss
    looks at the scores of real images.
    """

    name: str
    discriminator: Callable[[Tensor, Tensor], Tensor]
    generator: Callable[[Tensor | None, Tensor], Tensor]
    relativistic: bool = False


def cross_entropy(real: Scores, fake: Scores) -> Float[Tensor, ""]:
    """Return ``-log sigmoid(real) - log(1 - sigmoid(fake))``, averaged (Goodfellow et al. 2014, Eq. 1)."""
    return F.softplus(-real).mean() + F.softplus(fake).mean()


def non_saturating(real: Scores | None, fake: Scores) -> Float[Tensor, ""]:
    """Return ``-log sigmoid(fake)``, averaged (Goodfellow et al. 2014, section 3)."""
    return F.softplus(-fake).mean()


def hinge(real: Scores, fake: Scores) -> Float[Tensor, ""]:
    """Return ``max(0, 1 - real) + max(0, 1 + fake)``, averaged (Lim and Ye 2017)."""
    return F.relu(1 - real).mean() + F.relu(1 + fake).mean()


def hinge_generator(real: Scores | None, fake: Scores) -> Float[Tensor, ""]:
    """Return ``-fake``, averaged."""
    return -fake.mean()


def relativistic(real: Scores, fake: Scores) -> Float[Tensor, ""]:
    """Return ``softplus(fake - real)``, averaged over pairs (R3GAN, Huang et al. 2024, Eq. 2)."""
    return F.softplus(fake - real).mean()


def relativistic_generator(real: Scores | None, fake: Scores) -> Float[Tensor, ""]:
    """Return ``softplus(real - fake)``, averaged over pairs: the discriminator's loss with its parts exchanged."""
    assert real is not None
    return F.softplus(real - fake).mean()


OBJECTIVES = {
    "bce": Objective("bce", cross_entropy, non_saturating),
    "hinge": Objective("hinge", hinge, hinge_generator),
    "relativistic": Objective("relativistic", relativistic, relativistic_generator, relativistic=True),
}


def score_means(real: Scores, fake: Scores) -> dict[str, Float[Tensor, ""]]:
    """Return what a log tells of scores: how probably real and made images are taken for real, on average, and the
    mean sign of real scores, by which adaptive augmentation goes.
    """
    real, fake = real.detach(), fake.detach()
    return {"D(x)": real.sigmoid().mean(), "D(G(z))": fake.sigmoid().mean(), "sign": real.sign().mean()}


def gradient_penalty(score: Callable[[Tensor], Tensor], images: Float[Tensor, "n c h w"]) -> Float[Tensor, ""]:
    """Return ``|d score / d image|^2``, averaged over images: R1 on real ones, R2 on fake ones (Mescheder et al.
    2018, Eq. 9); the loss adds gamma / 2 of it.
    """
    images = images.detach().requires_grad_()
    (gradient,) = torch.autograd.grad(score(images).sum(), images, create_graph=True)
    return gradient.square().sum(dim=(1, 2, 3)).mean()


def path_lengths(
    images: Float[Tensor, "n c h w"], ws: Float[Tensor, "n layers d"], direction: Float[Tensor, "n c h w"]
) -> Float[Tensor, "n"]:
    """Return ``|J_w^T y|`` for normal `direction` y, scaled by the number of pixels (StyleGAN2, Karras et al. 2020,
    Eq. 4).
    """
    pixels = images.shape[2] * images.shape[3]
    (gradient,) = torch.autograd.grad((images * direction).sum() / pixels**0.5, ws, create_graph=True)
    return gradient.square().sum(dim=2).mean(dim=1).sqrt()
