"""GAN losses, gradient penalties and path lengths, as functions of discriminator scores, images and codes.

With scores s = D(x) (logits of "real"), ``real`` = D(x) of real images and ``fake`` = D(G(z)), both [n]:

    name           discriminator minimizes                           generator minimizes
    bce            softplus(-real) + softplus(fake)                  softplus(-fake)           Goodfellow et al. 2014
    hinge          max(0, 1 - real) + max(0, 1 + fake)               -fake                     Lim and Ye 2017
    relativistic   softplus(fake - real)                             softplus(real - fake)     Huang et al. 2024 (R3GAN)

each averaged over the batch; softplus(x) = log(1 + e^x) = -log sigmoid(-x).
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

Scores = Float[Tensor, "n"]


@dataclass(frozen=True)
class GANLoss:
    """A pair of losses, ``discriminator(real, fake)`` and ``generator(real, fake)``.

    Only the generator's loss of a `relativistic` pair uses the scores of real images; others take None.
    """

    name: str
    discriminator: Callable[[Tensor, Tensor], Tensor]
    generator: Callable[[Tensor | None, Tensor], Tensor]
    relativistic: bool = False


def cross_entropy(real: Scores, fake: Scores) -> Float[Tensor, ""]:
    """Return the mean of ``-log sigmoid(real) - log(1 - sigmoid(fake))`` (Goodfellow et al. 2014, Eq. 1)."""
    return F.softplus(-real).mean() + F.softplus(fake).mean()


def non_saturating(real: Scores | None, fake: Scores) -> Float[Tensor, ""]:
    """Return the mean of ``-log sigmoid(fake)`` (Goodfellow et al. 2014, section 3)."""
    return F.softplus(-fake).mean()


def hinge(real: Scores, fake: Scores) -> Float[Tensor, ""]:
    """Return the mean of ``max(0, 1 - real) + max(0, 1 + fake)`` (Lim and Ye 2017)."""
    return F.relu(1 - real).mean() + F.relu(1 + fake).mean()


def hinge_generator(real: Scores | None, fake: Scores) -> Float[Tensor, ""]:
    """Return the mean of ``-fake``."""
    return -fake.mean()


def relativistic(real: Scores, fake: Scores) -> Float[Tensor, ""]:
    """Return the mean of ``softplus(fake - real)`` over pairs (R3GAN, Huang et al. 2024, Eq. 2)."""
    return F.softplus(fake - real).mean()


def relativistic_generator(real: Scores | None, fake: Scores) -> Float[Tensor, ""]:
    """Return the mean of ``softplus(real - fake)`` over pairs, the discriminator's loss with both exchanged."""
    assert real is not None
    return F.softplus(real - fake).mean()


LOSSES = {
    "bce": GANLoss("bce", cross_entropy, non_saturating),
    "hinge": GANLoss("hinge", hinge, hinge_generator),
    "relativistic": GANLoss("relativistic", relativistic, relativistic_generator, relativistic=True),
}


def score_metrics(real: Scores, fake: Scores) -> dict[str, Float[Tensor, ""]]:
    """Return what a log records of scores: the mean probabilities D(x) and D(G(z)) of being real, and the mean sign of
    real scores, from which adaptive augmentation estimates overfitting (r_t of Karras et al. 2020, ADA, Eq. 1).
    """
    real, fake = real.detach(), fake.detach()
    return {"D(x)": real.sigmoid().mean(), "D(G(z))": fake.sigmoid().mean(), "sign": real.sign().mean()}


def penalized_scores(
    score: Callable[[Tensor], Tensor], images: Float[Tensor, "n c h w"]
) -> tuple[Scores, Float[Tensor, ""]]:
    """Return scores of images, and the mean of ``|grad_x D(x)|^2`` over them, differentiable in the weights of D.

    Times gamma / 2 it is R1 on real images and R2 on fake ones (Mescheder et al. 2018, Eq. 9 and 10).
    """
    images = images.detach().requires_grad_()
    scores = score(images)
    (gradient,) = torch.autograd.grad(scores.sum(), images, create_graph=True)
    return scores, gradient.square().sum(dim=(1, 2, 3)).mean()


def gradient_penalty(score: Callable[[Tensor], Tensor], images: Float[Tensor, "n c h w"]) -> Float[Tensor, ""]:
    """Return the penalty of `penalized_scores` alone."""
    return penalized_scores(score, images)[1]


def path_lengths(
    images: Float[Tensor, "n c h w"], ws: Float[Tensor, "n layers d"], noise: Float[Tensor, "n c h w"]
) -> Float[Tensor, "n"]:
    """Return ``|J_w^T y|`` for images y of normal `noise`, with the Jacobian J_w of G in w (StyleGAN2, Karras et al.
    2020, Eq. 4).

    ``J_w^T y = grad_w (G(w) . y)`` takes one backward pass. y is divided by the square root of the number of pixels,
    and squares are averaged over the layers of w+.
    """
    pixels = images.shape[2] * images.shape[3]
    (gradient,) = torch.autograd.grad((images * noise).sum() / pixels**0.5, ws, create_graph=True)
    return gradient.square().sum(dim=2).mean(dim=1).sqrt()
