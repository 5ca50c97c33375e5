"""One training step of StyleGAN2 (Karras et al. 2020), as functions of networks, settings and draws.

Knows no files and no loop. A step shows the discriminator one batch of real and one of made pictures, then the
generator one batch of its own.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ganvas.generators.stylegan2 import StyleGAN2
from ganvas.training.losses import OBJECTIVES, gradient_penalty, path_lengths
from ganvas.training.randomness import Randomness

W_AVERAGE_FACTOR = 0.998
Augment = Callable[[Tensor, Randomness], Tensor]


@dataclass(frozen=True)
class Settings:
    """Everything a step depends on beside networks and data.

    ``r1`` and ``r2`` are the weights gamma of the gradient penalties on real and on made pictures, applied every
    ``penalty_every`` steps to ``penalty_pictures`` of the batch (0: all) and multiplied by that interval; ``path`` is the weight of the path
    length penalty, applied every ``path_every`` steps to half of the batch; ``mixing`` the share of pictures made from
    two codes; ``precision`` that of the feature maps.
    """

    batch: int = 32
    objective: str = "bce"
    rate: float = 2.5e-3
    r1: float = 1.0
    r2: float = 0.0
    penalty_every: int = 16
    penalty_pictures: int = 0
    path: float = 0.0
    path_every: int = 8
    mixing: float = 0.5
    precision: torch.dtype = torch.float32
    seed: int = 0


@dataclass
class Networks:
    """What training changes: generator, discriminator, their optimisers, and the averages kept."""

    generator: StyleGAN2
    discriminator: nn.Module
    generator_optimiser: torch.optim.Optimizer
    discriminator_optimiser: torch.optim.Optimizer
    average: StyleGAN2
    path_mean: Tensor = field(default_factory=lambda: torch.zeros([]))


def optimiser(network: nn.Module, rate: float, every: int) -> torch.optim.Adam:
    """Return Adam with betas 0 and 0.99; where a penalty every `every` steps is an update of its own share, rate and
    betas are those of ``every / (every + 1)`` of a step (lazy regularisation, Karras et al. 2020, appendix B).
    """
    share = every / (every + 1) if every else 1.0
    parameters = list(network.parameters())
    return torch.optim.Adam(parameters, rate * share, (0.0, 0.99**share), eps=1e-8, foreach=True)


def draw_styles(generator: StyleGAN2, draws: Randomness, total: int, mixing: float) -> Float[Tensor, "n layers w_dim"]:
    """Return w+ codes of fresh z; a share `mixing` of the rows takes a second code from a random layer on (Karras et
    al. 2019, section 3.1).
    """
    layers, width = generator.layers, generator.architecture.z_dim
    first, second = draws.normal(total, width), draws.normal(total, width)
    cut = draws.whole(layers - 1, total) + 1
    cut = torch.where(draws.chance(mixing, total), cut, layers)
    w, other = generator.mapping(torch.cat([first, second]), None).chunk(2)
    takes_other = torch.arange(layers, device=cut.device) >= cut[:, None]  # [n, layers]
    return torch.where(takes_other[:, :, None], other[:, None], w[:, None])


def paint(
    generator: StyleGAN2, ws: Float[Tensor, "n layers d"], draws: Randomness, total: int, precision: torch.dtype
) -> Float[Tensor, "n 3 r r"]:
    """Return pictures of w+ codes with fresh noise, float32."""
    synthesis = generator.synthesis
    noises = [
        draws.normal(total, 1, layer.resolution, layer.resolution) if layer.has_noise else None
        for _, layer in synthesis.convolutions()
    ]
    styles = synthesis.styles(ws)
    with torch.autocast(ws.device.type, precision, enabled=precision != torch.float32):
        picture, _ = synthesis(styles, noises)
    return picture.float()


def step(
    networks: Networks,
    settings: Settings,
    real: Float[Tensor, "n 3 r r"],
    index: int,
    draws: Randomness,
    *,
    augment: Augment,
    generator_too: bool = True,
) -> dict[str, Tensor]:
    """Do step `index` on the `real` pictures of this process; returns losses and mean scores as scalars.

    With `generator_too` off only the discriminator learns, which catches up with a generator that was trained before.
    """
    seen = _discriminator_step(networks, settings, real, index, draws, augment)
    if generator_too:
        seen |= _generator_step(networks, settings, real, index, draws, augment)
    return seen


def _discriminator_step(
    networks: Networks, settings: Settings, real: Tensor, index: int, draws: Randomness, augment: Augment
) -> dict[str, Tensor]:
    generator, judge = networks.generator, networks.discriminator
    objective = OBJECTIVES[settings.objective]
    judge.requires_grad_(True)
    with torch.no_grad():
        ws = draw_styles(generator, draws, settings.batch, settings.mixing)
        made = paint(generator, ws, draws, settings.batch, settings.precision)
        shown, made = augment(real, draws), augment(made, draws)
    scores = judge(torch.cat([shown, made]))
    real_scores, made_scores = scores.chunk(2)
    loss = objective.discriminator(real_scores, made_scores)
    seen = {
        "D": loss.detach(),
        "D(x)": real_scores.detach().sigmoid().mean(),
        "sign": real_scores.detach().sign().mean(),
        "D(G(z))": made_scores.detach().sigmoid().mean(),
    }
    networks.discriminator_optimiser.zero_grad()
    loss.backward()
    if settings.penalty_every and index % settings.penalty_every == 0:
        for name, gamma, pictures in (("R1", settings.r1, shown), ("R2", settings.r2, made)):
            if gamma:
                count = settings.penalty_pictures or len(pictures)
                penalty = gradient_penalty(judge, pictures[:count])
                (penalty * (gamma / 2 * settings.penalty_every)).backward()
                seen[name] = penalty.detach()
    networks.discriminator_optimiser.step()
    return seen


def _generator_step(
    networks: Networks, settings: Settings, real: Tensor, index: int, draws: Randomness, augment: Augment
) -> dict[str, Tensor]:
    generator, judge = networks.generator, networks.discriminator
    objective = OBJECTIVES[settings.objective]
    judge.requires_grad_(False)
    ws = draw_styles(generator, draws, settings.batch, settings.mixing)
    made_scores = judge(augment(paint(generator, ws, draws, settings.batch, settings.precision), draws))
    real_scores = None
    if objective.relativistic:
        with torch.no_grad():
            real_scores = judge(augment(real, draws))
    loss = objective.generator(real_scores, made_scores)
    networks.generator_optimiser.zero_grad()
    loss.backward()
    seen = {"G": loss.detach()}
    if settings.path and index % settings.path_every == 0:
        seen["path"] = _path_penalty(networks, settings, draws)
    networks.generator_optimiser.step()
    with torch.no_grad():
        generator.mapping.w_avg.lerp_(ws.detach()[:, 0].mean(0), 1 - W_AVERAGE_FACTOR)
    return seen


def _path_penalty(networks: Networks, settings: Settings, draws: Randomness) -> Tensor:
    """Add the gradient of ``path (|J^T y| - a)^2`` with a the running mean of the lengths; returns the penalty."""
    generator, total = networks.generator, settings.batch // 2
    ws = draw_styles(generator, draws, total, settings.mixing)
    pictures = paint(generator, ws, draws, total, settings.precision)
    lengths = path_lengths(pictures, ws, draws.normal(total, *pictures.shape[1:]))
    networks.path_mean = networks.path_mean.to(lengths.device).lerp(lengths.detach().mean(), 0.01)
    penalty = (lengths - networks.path_mean).square().mean()
    (penalty * (settings.path * settings.path_every)).backward()
    return penalty.detach()
