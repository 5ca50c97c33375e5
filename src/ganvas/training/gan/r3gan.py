"""R3GAN (Huang et al. 2024): settings, networks and one training step.

A step minimizes, with real images x and fake images G(z) in pairs,

    discriminator:  E softplus(D(G(z)) - D(x)) + gamma / 2 (E |grad D(x)|^2 + E |grad D(G(z))|^2)      (Eq. 2, 4, 5)
    generator:      E softplus(D(x) - D(G(z)))

with both penalties at every step: with them the loss is known to converge locally, and no other trick is needed. While
the networks settle, the weight of the penalties and the learning rate fall by a cosine, and Adam's second moment
remembers longer and longer (section 4 and appendix: "burn-in").
"""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from ganvas.errors import TrainingError
from ganvas.errors.arguments import checked_as
from ganvas.errors.ranges import Batch, Depth, Images, Positive, Rate, Seed, Weight, Width
from ganvas.generators import ops
from ganvas.generators.r3gan.generator import R3GAN, R3GANArchitecture, initialize
from ganvas.generators.r3gan.layers import FIRST, Convolution, Residual, halved
from ganvas.training.checks import check_precision, dtype_of
from ganvas.training.gan.channels import parse_channels, standard_channels
from ganvas.training.gan.losses import LOSSES, penalized_scores, score_metrics
from ganvas.training.gan.networks import InitialNetworks, Networks, descend, networks_of
from ganvas.training.gan.step import Step

FIRST_BETA, LAST_BETA = 0.9, 0.99  # of Adam's second moment; there is no first one
CHANNELS = (2048, 128)


@checked_as(TrainingError)
@dataclass(frozen=True)
class R3GANSettings:
    """Settings of an R3GAN and its training; `standard` fills in the channels.

    Attributes:
        channels: Channels of the maps of 4, 8, ... pixels in both networks, multiples of 8.
        depth: Residual blocks for each size of maps, in both networks.
        z_dim: Width of z.
        batch: Batch size.
        learning_rate: Adam's learning rate of both networks at the beginning.
        last_learning_rate: The same after the burn-in.
        gamma: Weight of the gradient penalties at the beginning.
        last_gamma: The same after the burn-in.
        burn_in: Images in which the settings go from the first to the last ones.
        half_life: Half-life of the averaged generator, in images.
        precision: "float32", "bfloat16" or "auto", of the feature maps.
        seed: Random seed.
        family: The kind of training, as snapshots name it.
    """

    group_size: ClassVar[int] = 1
    discriminator_warmup: ClassVar[int] = 0  # both networks learn from the first step

    channels: tuple[Width, ...]
    depth: Depth = 2
    z_dim: Width = 64
    batch: Batch = 32
    learning_rate: Rate = 2e-4
    last_learning_rate: Rate = 5e-5
    gamma: Weight = 2.0
    last_gamma: Weight = 0.2
    burn_in: Images = 200_000
    half_life: Positive = 10_000.0
    precision: str = "float32"
    seed: Seed = 0
    family: str = "r3gan"

    def __post_init__(self) -> None:
        if len(self.channels) < 2 or any(width % 8 for width in self.channels):
            raise TrainingError(f"An R3GAN has at least two maps, of multiples of 8 channels; {self.channels} is none.")
        check_precision(self.precision)

    @classmethod
    def standard(cls, resolution: int = 64, channels: str | None = None, **settings: Any) -> "R3GANSettings":
        """Return settings with ``min(2048 / r, 128)`` channels at r pixels: a sixth of the published ones at 64 px, for
        a processor without a graphics card.

        Args:
            resolution: Width and height of the images, a power of two.
            channels: Channels of the maps of 4, 8, ... pixels as a text, such as "768,768,768,384,192".
            settings: Other settings by name.

        Raises:
            TrainingError: The resolution is no power of two from 8 up, or a setting is out of its range.
        """
        widths = parse_channels(channels, resolution) if channels else standard_channels(resolution, *CHANNELS)
        return cls(widths, **settings)

    @property
    def resolution(self) -> int:
        """Width and height of the images."""
        return FIRST * 2 ** (len(self.channels) - 1)

    @property
    def architecture(self) -> R3GANArchitecture:
        """The generator's architecture."""
        return R3GANArchitecture.of_maps(self.channels, self.depth, z_dim=self.z_dim)

    def burnt_in(self, images: int) -> float:
        """Return how far the settings are on their way after so many images: from 0 to 1, by a cosine."""
        return (1 - math.cos(math.pi * min(1.0, images / self.burn_in))) / 2

    def build(self, device: torch.device, source: InitialNetworks | Networks | None = None) -> Networks:
        """Return new networks, with the weights of `source` where it is given."""
        random = torch.Generator().manual_seed(self.seed)
        generator, discriminator = R3GAN(self.architecture), R3GANDiscriminator(self.architecture)
        initialize(generator, random)
        initialize(discriminator, random)
        rates = self.learning_rate, self.learning_rate
        return networks_of(generator, discriminator, device, source, rates, (0.0, FIRST_BETA))

    def step(self, networks: Networks, step: Step) -> dict[str, Tensor]:
        """Do one step of both networks; returns losses and mean scores."""
        anneal(self, networks.optimizers.values(), step.index * self.batch)
        with torch.autocast(step.real.device.type, dtype_of(self.precision), enabled=self.precision != "float32"):
            return training_step(self, networks, step)

    def exported(self, networks: Networks) -> R3GAN:
        """Return the generator to keep: the average."""
        return networks.average


class R3GANDiscriminator(nn.Module):
    """Images [n, 3, r, r] to scores [n]: the generator's blocks the other way round."""

    def __init__(self, architecture: R3GANArchitecture) -> None:
        super().__init__()
        channels = architecture.channels
        self.from_rgb = Convolution(3, channels[-1])
        self.stages = nn.ModuleList(
            nn.ModuleList(architecture.residuals(stage)) for stage in reversed(range(len(channels)))
        )
        widths = itertools.pairwise(reversed(channels))
        self.downs = nn.ModuleList(Convolution(i, o) if i != o else nn.Identity() for i, o in widths)
        self.basis = Convolution(1, channels[0], FIRST)  # one map of 4 pixels for each channel
        self.score = Convolution(channels[0], 1)

    def forward(self, images: Float[Tensor, "n 3 r r"]) -> Float[Tensor, "n"]:
        """Return scores: logits of "real"."""
        x = self.from_rgb(images)
        for index, stage in enumerate(self.stages):
            for residual in _blocks(stage):
                x = residual(x)
            if index < len(self.downs):
                x = self.downs[index](halved(x))
        x = ops.at_least_float32(x) * self.basis.weight[:, 0]
        return F.linear(x.sum(dim=(2, 3)), self.score.weight[:, :, 0, 0]).flatten()


def _blocks(stage: nn.Module) -> Sequence[Residual]:
    assert isinstance(stage, nn.ModuleList)
    return [block for block in stage if isinstance(block, Residual)]


def anneal(settings: R3GANSettings, optimizers: Any, images: int) -> None:
    """Set the learning rates and the memory of the second moment to those after so many images."""
    done = settings.burnt_in(images)
    rate = 1 + done * (settings.last_learning_rate / settings.learning_rate - 1)
    for optimizer in optimizers:
        (group,) = optimizer.param_groups
        group["lr"] *= rate  # set anew before every step
        group["betas"] = (0.0, FIRST_BETA + done * (LAST_BETA - FIRST_BETA))


def training_step(settings: R3GANSettings, networks: Networks, step: Step) -> dict[str, Tensor]:
    """Update the discriminator, then the generator, on the same pairs; returns losses and mean scores."""
    loss, discriminator = LOSSES["relativistic"], networks.discriminator
    done = settings.burnt_in(step.index * settings.batch)
    gamma = settings.gamma + done * (settings.last_gamma - settings.gamma)
    fake = networks.generator(step.draws.normal(settings.batch, settings.z_dim))

    discriminator.requires_grad_(True)
    real_scores, r1 = penalized_scores(discriminator, step.augmented(step.real))
    fake_scores, r2 = penalized_scores(discriminator, step.augmented(fake))
    adversarial = loss.discriminator(real_scores, fake_scores)
    discriminator_loss = adversarial + gamma / 2 * (r1 + r2)
    descend(discriminator, networks.discriminator_optimizer, discriminator_loss, step.processes)

    discriminator.requires_grad_(False)
    real_again = discriminator(step.augmented(step.real))
    generator_loss = loss.generator(real_again, discriminator(step.augmented(fake)))
    descend(networks.generator, networks.generator_optimizer, generator_loss, step.processes)
    losses = {"D": adversarial.detach(), "G": generator_loss.detach(), "R1": r1.detach(), "R2": r2.detach()}
    return losses | score_metrics(real_scores, fake_scores)
