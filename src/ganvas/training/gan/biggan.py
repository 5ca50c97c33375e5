"""BigGAN-deep (Brock et al. 2019): settings, networks and one training step, class by class.

A step minimizes, with real images x of classes y, codes z, classes c and fake images G(z, c), the hinge losses

    discriminator:  E max(0, 1 - D(x, y)) + E max(0, 1 + D(G(z, c), c))
    generator:      -E D(G(z, c), c) + beta sum over weights |W W^T (1 - I)|^2        (Eq. 3, optional)

The generator's batch normalization is conditioned on code and class, the discriminator projects on classes, and the
weights of both are spectrally normalized. Codes are drawn from the prior that sampling has, the normal distribution
truncated to [-2, 2]. The generator to keep is the average of the weights, with batch statistics of its own at several
truncations (section 3.1 and appendix C: "standing statistics").
"""

import copy
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.func import functional_call

from ganvas.errors import TrainingError
from ganvas.errors.arguments import checked_as
from ganvas.errors.ranges import Batch, Count, Depth, Positive, Range, Rate, Seed, Weight, Width
from ganvas.generators.biggan.generator import BigGAN
from ganvas.generators.biggan.synthesis import BigGANArchitecture
from ganvas.training.checks import check_precision, dtype_of
from ganvas.training.gan.channels import parse_channels, standard_channels
from ganvas.training.gan.losses import LOSSES, score_metrics
from ganvas.training.gan.networks import InitialNetworks, Networks, descend, networks_of
from ganvas.training.gan.projection_discriminator import ProjectionDiscriminator
from ganvas.training.gan.spectral import FIRST_ITERATIONS, first_vector, iterate, normalized
from ganvas.training.gan.standing_statistics import with_standing_statistics
from ganvas.training.gan.step import Step
from ganvas.training.randomness import Randomness

BETAS = (0.0, 0.999)
VECTOR = "u."
PRIOR_BOUND = 2.0
CHANNELS = (2048, 512)


@checked_as(TrainingError)
@dataclass(frozen=True)
class BigGANSettings:
    """Settings of a BigGAN-deep and its training; `standard` fills in the channels.

    Attributes:
        channels: Channels of the generator's maps of 4, 8, ... pixels, never more than those of the map before.
        discriminator_channels: Channels of the discriminator's maps of 4, 8, ... pixels.
        classes: Names of the classes; empty for those of the data.
        depth: Blocks for each size of maps, in both networks.
        z_dim: Width of z.
        embed_dim: Width of a class's embedding.
        batch: Batch size.
        learning_rate: Adam's learning rate for the generator.
        discriminator_learning_rate: Adam's learning rate for the discriminator.
        discriminator_steps: Steps of the discriminator for each of the generator.
        orthogonal: Weight beta of orthogonal regularization; the paper's is 1e-4, 0 leaves it out.
        statistics: Truncations, equally spaced from 0 to 1, at which the kept generator has batch statistics.
        half_life: Half-life of the averaged generator, in images.
        precision: "float32", "bfloat16" or "auto", of the feature maps.
        seed: Random seed.
        family: The kind of training, as snapshots name it.
    """

    group_size: ClassVar[int] = 2  # samples that a process takes at least: those of batch normalization
    discriminator_warmup: ClassVar[int] = 0  # both networks learn from the first step

    channels: tuple[Width, ...]
    discriminator_channels: tuple[Width, ...]
    classes: tuple[str, ...] = ()
    depth: Depth = 2
    z_dim: Width = 128
    embed_dim: Width = 32
    batch: Batch = 32
    learning_rate: Rate = 2e-4
    discriminator_learning_rate: Rate = 8e-4
    discriminator_steps: Count = 1
    orthogonal: Weight = 0.0
    statistics: int = 11
    half_life: Positive = 10_000.0
    precision: str = "float32"
    seed: Seed = 0
    family: str = "biggan"

    def __post_init__(self) -> None:
        if self.batch < 2 or len(self.channels) != len(self.discriminator_channels) or len(self.channels) < 2:
            raise TrainingError("A batch has at least 2 images, and both networks the same number of maps, at least 2.")
        Range(2, 1000, whole=True).check("statistics", self.statistics, TrainingError)
        check_precision(self.precision)

    @classmethod
    def standard(cls, resolution: int = 64, channels: str | None = None, **settings: Any) -> "BigGANSettings":
        """Return settings with ``min(2048 / r, 512)`` channels at r pixels in both networks, where the paper has 16384
        and 2048, and half in the discriminator. The discriminator learns four times as fast as the generator.

        Args:
            resolution: Width and height of the images, a power of two.
            channels: Channels of the maps of 4, 8, ... pixels as a text, such as "256,256,128,64,32".
            settings: Other settings by name.

        Raises:
            TrainingError: The resolution is no power of two from 8 up, or a setting is out of its range.
        """
        widths = parse_channels(channels, resolution) if channels else standard_channels(resolution, *CHANNELS)
        learning_rate = settings.get("learning_rate", cls.learning_rate)
        return cls(widths, widths, **{"discriminator_learning_rate": 4 * learning_rate} | settings)

    @property
    def resolution(self) -> int:
        """Width and height of the images."""
        return 2 ** (len(self.channels) + 1)

    @property
    def architecture(self) -> BigGANArchitecture:
        """The generator's architecture; raises `TrainingError` where the classes are not known."""
        if not self.classes:
            raise TrainingError("A BigGAN has classes: give data with a folder for each, or with labels.")
        return BigGANArchitecture.of_maps(
            self.channels,
            self.depth,
            z_dim=self.z_dim,
            embed_dim=self.embed_dim,
            label_dim=len(self.classes),
            statistics=self.statistics,
            class_names=self.classes,
        )

    def build(self, device: torch.device, source: InitialNetworks | Networks | None = None) -> Networks:
        """Return new networks, with the weights of `source` where it is given."""
        random = torch.Generator().manual_seed(self.seed)
        generator = initialize(BigGAN(self.architecture), random)
        discriminator = ProjectionDiscriminator(self.discriminator_channels, len(self.classes), self.depth, random)
        rates = self.learning_rate, self.discriminator_learning_rate
        networks = networks_of(generator, discriminator, device, source, rates, BETAS)
        for name, weight in matrices(networks.generator):
            networks.extra[VECTOR + name] = first_vector(weight.detach().cpu(), random).to(device)
        return networks

    def step(self, networks: Networks, step: Step) -> dict[str, Tensor]:
        """Do one step on real images of classes; returns losses and mean scores."""
        with torch.autocast(step.real.device.type, dtype_of(self.precision), enabled=self.precision != "float32"):
            return training_step(self, networks, step)

    def exported(self, networks: Networks) -> BigGAN:
        """Return the generator to keep: the average, its weights normalized, with standing statistics."""
        generator = copy.deepcopy(networks.average)
        for name, weight in matrices(generator):
            weight.copy_(normalized(weight, *iterate(weight, networks.extra[VECTOR + name], FIRST_ITERATIONS)))
        with torch.autocast(generator.device.type, dtype_of(self.precision), enabled=self.precision != "float32"):
            return with_standing_statistics(generator)


def training_step(settings: BigGANSettings, networks: Networks, step: Step) -> dict[str, Tensor]:
    """Update the discriminator, then at every so manyth step the generator, on the same fake images; returns losses and
    mean scores.
    """
    assert step.classes is not None
    loss, discriminator, draws = LOSSES["hinge"], networks.discriminator, step.draws
    generator_learns = (step.index + 1) % settings.discriminator_steps == 0
    fake_classes = draws.integers(len(settings.classes), settings.batch)
    z = truncated_normal(draws, settings.batch, settings.z_dim)
    with torch.set_grad_enabled(generator_learns):
        fake = functional_call(networks.generator, normalized_weights(networks), (z, _one_hot(fake_classes, settings)))

    discriminator.requires_grad_(True)
    shown = torch.cat([step.augmented(step.real), step.augmented(fake.detach())])
    real_scores, fake_scores = discriminator(shown, torch.cat([step.classes, fake_classes])).chunk(2)
    discriminator_loss = loss.discriminator(real_scores, fake_scores)
    descend(discriminator, networks.discriminator_optimizer, discriminator_loss, step.processes)
    metrics = {"D": discriminator_loss.detach(), **score_metrics(real_scores, fake_scores)}

    if generator_learns:
        discriminator.requires_grad_(False)
        generator_loss = loss.generator(None, discriminator(step.augmented(fake), fake_classes))
        metrics["G"] = generator_loss.detach()
        if settings.orthogonal:
            penalty = orthogonality(weight for _, weight in matrices(networks.generator))
            generator_loss = generator_loss + settings.orthogonal * penalty
        descend(networks.generator, networks.generator_optimizer, generator_loss, step.processes)
    return metrics


def _one_hot(classes: Int[Tensor, "n"], settings: BigGANSettings) -> Float[Tensor, "n c"]:
    return F.one_hot(classes, len(settings.classes)).float()


def truncated_normal(draws: Randomness, total: int, width: int) -> Float[Tensor, "n d"]:
    """Return codes of the normal distribution truncated to [-2, 2]: its quantiles at uniform draws."""
    bound = torch.special.ndtr(torch.tensor(PRIOR_BOUND))
    return torch.special.ndtri((1 - bound) + draws.uniform(total, width) * (2 * bound - 1)).clamp(-2, 2)


def matrices(generator: nn.Module) -> list[tuple[str, nn.Parameter]]:
    """Return the weights that are spectrally normalized, by name: all but the classes' embedding."""
    return [(name, p) for name, p in generator.named_parameters() if p.ndim > 1 and name != "embedding"]


def normalized_weights(networks: Networks) -> dict[str, Tensor]:
    """Return the generator's normalized weights by name, and move their left vectors, which ``extra`` holds."""
    weights = {}
    for name, weight in matrices(networks.generator):
        networks.extra[VECTOR + name], v = iterate(weight, networks.extra[VECTOR + name])
        weights[name] = normalized(weight, networks.extra[VECTOR + name], v)
    return weights


def orthogonality(weights: Iterable[Tensor]) -> Float[Tensor, ""]:
    """Return the sum of ``|W W^T (1 - I)|^2`` over the weights (Eq. 3): how far outputs are from orthogonal."""
    total = torch.zeros([])
    for weight in weights:
        matrix = weight.flatten(1)
        with torch.autocast(weight.device.type, enabled=False):
            gram = matrix @ matrix.T
        total = total.to(gram) + (gram - torch.diag(gram.diagonal())).square().sum()
    return total


@torch.no_grad()
def initialize(generator: BigGAN, random: torch.Generator) -> BigGAN:
    """Draw all weights orthogonal (Saxe et al. 2014), and the classes' embedding from N(0, 1), like a code."""
    for _, weight in matrices(generator):
        nn.init.orthogonal_(weight, generator=random)
    generator.embedding.copy_(torch.randn(generator.embedding.shape, generator=random))
    return generator
