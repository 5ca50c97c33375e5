"""DCGAN (Radford et al. 2016): settings, networks and one training step, with the losses of Goodfellow et al. 2014.

Real and fake images pass the discriminator in batches of their own: with a shared batch normalization their
statistics would mix.
"""

import copy
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from ganvas.errors import TrainingError
from ganvas.errors.arguments import checked_as
from ganvas.errors.ranges import Batch, Positive, Rate, Seed, Size, Width
from ganvas.generators.dcgan.generator import DCGAN, DCGANArchitecture, initialize
from ganvas.generators.dcgan.layers import MOMENTUM, BatchNorm
from ganvas.training.checks import check_precision, dtype_of
from ganvas.training.gan.discriminators import ConvolutionalDiscriminator
from ganvas.training.gan.losses import LOSSES, score_metrics
from ganvas.training.gan.networks import InitialNetworks, Networks, descend, networks_of
from ganvas.training.gan.step import Step

BETAS = (0.5, 0.999)
STATISTICS_BATCHES, STATISTICS_BATCH = 8, 128


@checked_as(TrainingError)
@dataclass(frozen=True)
class DCGANSettings:
    """Settings of a DCGAN and its training; the defaults are those of the paper, at batch size 64.

    Attributes:
        resolution: Width and height of the images: 32, 64 or 128 pixels.
        z_dim: Width of z.
        width: Channels of the generator's finest map (ngf).
        discriminator_width: Channels of the discriminator's finest map (ndf).
        batch: Batch size.
        loss: "bce" or "hinge" (`ganvas.training.gan.losses`).
        learning_rate: Adam's learning rate for the generator.
        discriminator_learning_rate: Adam's learning rate for the discriminator.
        half_life: Half-life of the averaged generator, in images.
        precision: "float32", "bfloat16" or "auto", of the convolutions.
        seed: Random seed.
        family: The kind of training, as snapshots name it.
    """

    group_size: ClassVar[int] = 2  # samples that a process takes at least: those of batch normalization
    discriminator_warmup: ClassVar[int] = 0  # both networks learn from the first step

    resolution: Size = 64
    z_dim: Width = 100
    width: Width = 64
    discriminator_width: Width = 64
    batch: Batch = 64
    loss: str = "bce"
    learning_rate: Rate = 2e-4
    discriminator_learning_rate: Rate = 2e-4
    half_life: Positive = 5_000.0
    precision: str = "float32"
    seed: Seed = 0
    family: str = "dcgan"

    def __post_init__(self) -> None:
        allowed = [name for name, loss in LOSSES.items() if not loss.relativistic]
        if self.loss not in allowed:
            raise TrainingError(f"Loss '{self.loss}' does not train a DCGAN; give one of {', '.join(allowed)}.")
        if self.resolution not in (32, 64, 128):
            raise TrainingError(f"A DCGAN is trained at 32, 64 or 128 pixels; {self.resolution} was given.")
        if self.batch < 2:
            raise TrainingError("Batch normalization needs batches of at least 2 images.")
        check_precision(self.precision)

    def build(self, device: torch.device, source: InitialNetworks | Networks | None = None) -> Networks:
        """Return new networks, with the weights of `source` where it is given."""
        random = torch.Generator().manual_seed(self.seed)
        generator = DCGAN(DCGANArchitecture.standard(self.resolution, self.width, self.z_dim))
        initialize(generator, random)
        discriminator = ConvolutionalDiscriminator(self.resolution, self.discriminator_width, random)
        rates = self.learning_rate, self.discriminator_learning_rate
        return networks_of(generator, discriminator, device, source, rates, BETAS)

    def step(self, networks: Networks, step: Step) -> dict[str, Tensor]:
        """Do one step of both networks; returns losses and mean scores."""
        with torch.autocast(step.real.device.type, dtype_of(self.precision), enabled=self.precision != "float32"):
            return training_step(self, networks, step)

    def exported(self, networks: Networks) -> DCGAN:
        """Return the generator to keep: the average, with batch statistics of its own."""
        return with_own_statistics(networks.average)


def training_step(settings: DCGANSettings, networks: Networks, step: Step) -> dict[str, Tensor]:
    """Update the discriminator, then the generator, on the same fake images; returns losses and mean scores."""
    loss, discriminator = LOSSES[settings.loss], networks.discriminator
    fake = networks.generator(step.draws.normal(settings.batch, settings.z_dim))

    discriminator.requires_grad_(True)
    real_scores = discriminator(step.augmented(step.real)).float()
    fake_scores = discriminator(step.augmented(fake.detach())).float()
    discriminator_loss = loss.discriminator(real_scores, fake_scores)
    descend(discriminator, networks.discriminator_optimizer, discriminator_loss, step.processes)

    discriminator.requires_grad_(False)
    generator_loss = loss.generator(None, discriminator(step.augmented(fake)).float())
    descend(networks.generator, networks.generator_optimizer, generator_loss, step.processes)
    losses = {"D": discriminator_loss.detach(), "G": generator_loss.detach()}
    return losses | score_metrics(real_scores, fake_scores)


@torch.no_grad()
def with_own_statistics(average: DCGAN) -> DCGAN:
    """Return a copy whose batch statistics are those of its own maps over fixed codes.

    Averaged statistics belong to the networks along the way, not to the averaged weights.
    """
    generator, random = copy.deepcopy(average).train(), torch.Generator().manual_seed(0)
    statistics = [t for part in generator.modules() if isinstance(part, BatchNorm) for t in part.buffers()]
    torch._foreach_zero_(statistics)
    for _ in range(STATISTICS_BATCHES):
        generator(torch.randn(STATISTICS_BATCH, generator.architecture.z_dim, generator=random).to(generator.device))
    # A running mean that starts at zero is biased: divide by the sum of its weights.
    torch._foreach_div_(statistics, 1 - (1 - MOMENTUM) ** STATISTICS_BATCHES)
    return generator.eval()
