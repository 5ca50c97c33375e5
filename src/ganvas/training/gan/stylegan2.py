"""StyleGAN2 (Karras et al. 2020): settings, networks and one training step.

A step minimizes, with real images x, codes w = f(z) and fake images G(w),

    discriminator:  L_D(D(x), D(G(w))) + gamma_1 / 2 E|grad D(x)|^2 + gamma_2 / 2 E|grad D(G(w))|^2
    generator:      L_G(D(G(w))) + lambda E (|J_w^T y| - a)^2

L_D and L_G are those of `ganvas.training.gan.losses`, R1 (gamma_1) and R2 (gamma_2) of Mescheder et al. 2018, and the
last term is the path length regularizer (Karras et al. 2020, Eq. 4). Regularizers are lazy: they are computed every so
many steps and multiplied by that interval (appendix B).
"""

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from ganvas.errors import TrainingError
from ganvas.errors.arguments import checked_as
from ganvas.errors.ranges import Batch, Depth, Fraction, Positive, Range, Rate, Seed, Steps, StepsOrNone, Weight, Width
from ganvas.generators.stylegan2.architecture import Kind, StyleGAN2Architecture
from ganvas.generators.stylegan2.generator import StyleGAN2
from ganvas.metrics.spectrum import octave_energies
from ganvas.training.checks import check_precision, dtype_of
from ganvas.training.distributed import ProcessGroup
from ganvas.training.gan.channels import parse_channels, standard_channels
from ganvas.training.gan.discriminators import GROUP_SIZE, StyleDiscriminator
from ganvas.training.gan.growing import start_discriminator_from, start_from
from ganvas.training.gan.losses import LOSSES, gradient_penalty, path_lengths, score_metrics
from ganvas.training.gan.networks import InitialNetworks, Networks, adam
from ganvas.training.gan.noise_matching import match_finest_octave
from ganvas.training.gan.sampling import sample_ws, synthesize
from ganvas.training.gan.step import Step
from ganvas.training.randomness import Randomness

W_AVERAGE_DECAY = 0.998
PATH_MEAN_DECAY = 0.99
BETAS = (0.0, 0.99)
FINEST_OCTAVE = "finest_octave"


@checked_as(TrainingError)
@dataclass(frozen=True)
class StyleGAN2Settings:
    """Settings of a StyleGAN2 and its training; `standard` fills in the channels.

    Attributes:
        channels: Channels of the generator's maps of 4, 8, ... pixels.
        discriminator_channels: Channels of the discriminator's maps of 4, 8, ... pixels.
        z_dim: Width of z and w.
        mapping_layers: Layers of the mapping network.
        batch: Batch size, a multiple of 4 for each process.
        loss: "bce", "hinge" or "relativistic" (`ganvas.training.gan.losses`).
        learning_rate: Adam's learning rate for the generator.
        discriminator_learning_rate: Adam's learning rate for the discriminator.
        r1: Weight gamma_1 of the gradient penalty on real images.
        r2: Weight gamma_2 of the gradient penalty on fake images.
        penalty_every: Steps from one gradient penalty to the next.
        penalty_images: Images of the batch in a gradient penalty: the first of every so many groups of 4; 0 for all.
        path: Weight lambda of the path length regularizer; the paper's is 2.
        path_every: Steps from one path length regularization to the next, which takes half of the batch.
        mixing: Probability of style mixing.
        discriminator_warmup: Steps at the start in which only the discriminator learns, so that it catches up with a
            trained generator; with None `ganvas.train` decides.
        half_life: Half-life of the averaged generator, in images.
        match_noise: Set the noise strengths of the exported generator so that its images have as much energy in the
            finest octave as the data (`match_finest_octave`).
        precision: "float32", "bfloat16" or "auto", of the feature maps.
        seed: Random seed.
        family: The kind of training, as snapshots name it.
        w_dim: Width of w; None for that of z.
        hidden: Widths of the mapping network's layers; empty for `mapping_layers` of the width of w.
        kind: "skip", "resnet" or "orig": how the generator's blocks come together.
        mapping_rate: The mapping network's learning-rate multiplier.
    """

    channels: tuple[Width, ...]
    discriminator_channels: tuple[Width, ...]
    z_dim: Width = 256
    mapping_layers: Depth = 4
    batch: Batch = 32
    loss: str = "bce"
    learning_rate: Rate = 2.5e-3
    discriminator_learning_rate: Rate = 2.5e-3
    r1: Weight = 1.0
    r2: Weight = 0.0
    penalty_every: Steps = 16
    penalty_images: int = 0
    path: Weight = 0.0
    path_every: Steps = 8
    mixing: Fraction = 0.5
    discriminator_warmup: StepsOrNone | None = 0
    half_life: Positive = 10_000.0
    match_noise: bool = False
    precision: str = "float32"
    seed: Seed = 0
    family: str = "stylegan2"
    w_dim: Width | None = None
    hidden: tuple[Width, ...] = ()
    kind: Kind = "skip"
    mapping_rate: Rate = 0.01

    def __post_init__(self) -> None:
        if self.loss not in LOSSES:
            raise TrainingError(f"Loss '{self.loss}' is not known; give one of {', '.join(LOSSES)}.")
        if self.batch < GROUP_SIZE or len(self.channels) != len(self.discriminator_channels):
            raise TrainingError(f"A batch has at least {GROUP_SIZE} images, and both networks the same number of maps.")
        Range(0, self.batch, whole=True).check("penalty images", self.penalty_images, TrainingError)
        check_precision(self.precision)

    @classmethod
    def standard(
        cls,
        resolution: int = 128,
        channel_base: int = 4096,
        channel_max: int = 256,
        channels: str | Sequence[int] | None = None,
        **settings: Any,
    ) -> "StyleGAN2Settings":
        """Return settings with ``min(channel_base / r, channel_max)`` channels at r pixels in both networks, and one
        learning rate for both.

        Args:
            resolution: Width and height of the images, a power of two.
            channel_base: Channels times pixels of the fine maps.
            channel_max: The largest number of channels of a map.
            channels: Channels of the maps of 4, 8, ... pixels instead, also as a text such as "256,256,128,64".
            settings: Other settings by name.

        Raises:
            TrainingError: The resolution is no power of two from 8 up, or a setting is out of its range.
        """
        standard = standard_channels(resolution, channel_base, channel_max)
        widths = parse_channels(channels, resolution) if isinstance(channels, str) else tuple(channels or standard)
        learning_rate = settings.get("learning_rate", cls.learning_rate)
        return cls(widths, widths, **{"discriminator_learning_rate": learning_rate} | settings)

    @property
    def resolution(self) -> int:
        """Width and height of the images."""
        return self.architecture.resolution

    @property
    def group_size(self) -> int:
        """Samples that the discriminator sees together (minibatch standard deviation)."""
        return GROUP_SIZE

    @property
    def architecture(self) -> StyleGAN2Architecture:
        """The generator's architecture."""
        w_dim = self.w_dim or self.z_dim
        return StyleGAN2Architecture(
            2 ** (len(self.channels) + 1),
            self.channels,
            self.z_dim,
            w_dim,
            self.hidden or (w_dim,) * self.mapping_layers,
            kind=self.kind,
            mapping_rate=self.mapping_rate,
        )

    def build(self, device: torch.device, source: InitialNetworks | Networks | None = None) -> Networks:
        """Return new networks, with the weights of `source` where it is given."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.seed)
            generator = StyleGAN2(self.architecture)
            discriminator = StyleDiscriminator(self.discriminator_channels, dtype_of(self.precision))
            average = copy.deepcopy(generator).eval().requires_grad_(False)
            if source is not None:
                start_from(generator, source.generator)
                start_from(average, source.average)
                if source.discriminator is not None:
                    start_discriminator_from(discriminator, source.discriminator)
        generator, discriminator, average = generator.to(device), discriminator.to(device), average.to(device)
        return Networks(
            generator,
            discriminator,
            average,
            adam(generator, self.learning_rate, BETAS, self.path_every if self.path else 0),
            adam(
                discriminator,
                self.discriminator_learning_rate,
                BETAS,
                self.penalty_every if self.r1 or self.r2 else 0,
            ),
            {"path_mean": torch.zeros([], device=device)},
        )

    def step(self, networks: Networks, step: Step) -> dict[str, Tensor]:
        """Do one step of both networks; returns losses and mean scores."""
        metrics = discriminator_step(self, networks, step)
        if step.index >= (self.discriminator_warmup or 0):
            metrics |= generator_step(self, networks, step)
        return metrics

    def measure_data(self, networks: Networks, images: Float[Tensor, "n 3 r r"]) -> None:
        """Store the energy of the finest octave of real `images`, for ``match_noise``."""
        networks.extra[FINEST_OCTAVE] = octave_energies(images)[:, 0].mean().to(networks.extra["path_mean"].device)

    def exported(self, networks: Networks) -> StyleGAN2:
        """Return the generator to keep: the average, or a copy of it with matched noise."""
        if not self.match_noise:
            return networks.average
        return match_finest_octave(networks.average, float(networks.extra[FINEST_OCTAVE]))


def discriminator_step(settings: StyleGAN2Settings, networks: Networks, step: Step) -> dict[str, Tensor]:
    """Update the discriminator on real images and as many fake ones; returns its loss and mean scores."""
    discriminator = networks.discriminator.requires_grad_(True)
    with torch.no_grad():
        real = step.augmented(step.real)
        fake = step.augmented(_fake_images(settings, networks.generator, step.draws)[0])
    real_scores, fake_scores = discriminator(torch.cat([real, fake])).chunk(2)
    loss = LOSSES[settings.loss].discriminator(real_scores, fake_scores)
    networks.discriminator_optimizer.zero_grad()
    loss.backward()
    metrics = {"D": loss.detach(), **score_metrics(real_scores, fake_scores)}
    if step.is_due(settings.penalty_every):
        metrics |= _backward_gradient_penalties(settings, discriminator, real, fake)
    step.processes.average_gradients(discriminator)
    networks.discriminator_optimizer.step()
    return metrics


def _backward_gradient_penalties(
    settings: StyleGAN2Settings, discriminator: StyleDiscriminator, real: Tensor, fake: Tensor
) -> dict[str, Tensor]:
    """Add the gradients of R1 and R2, each times the interval between penalties; returns them without the factors."""
    nth = settings.batch // (settings.penalty_images or settings.batch)
    penalties = {}
    for name, gamma, images in (("R1", settings.r1, real), ("R2", settings.r2, fake)):
        if gamma:
            penalty = gradient_penalty(discriminator, every_nth_group(images, nth))
            (gamma / 2 * settings.penalty_every * penalty).backward()
            penalties[name] = penalty.detach()
    return penalties


def every_nth_group(images: Float[Tensor, "n 3 r r"], nth: int) -> Float[Tensor, "m 3 r r"]:
    """Return the first of every `nth` groups of four: the same images, however many processes share a batch."""
    return images.unflatten(0, (-1, GROUP_SIZE))[::nth].flatten(0, 1)


def generator_step(settings: StyleGAN2Settings, networks: Networks, step: Step) -> dict[str, Tensor]:
    """Update the generator on the scores of fresh fake images; returns its loss."""
    generator, discriminator = networks.generator, networks.discriminator.requires_grad_(False)
    gan_loss = LOSSES[settings.loss]
    fake, ws = _fake_images(settings, generator, step.draws)
    fake_scores, real_scores = discriminator(step.augmented(fake)), None
    if gan_loss.relativistic:
        with torch.no_grad():
            real_scores = discriminator(step.augmented(step.real))
    loss = gan_loss.generator(real_scores, fake_scores)
    networks.generator_optimizer.zero_grad()
    loss.backward()
    metrics = {"G": loss.detach()}
    if settings.path and step.is_due(settings.path_every):
        metrics["path"] = _backward_path_regularizer(settings, networks, step.draws, step.processes)
    step.processes.average_gradients(generator)
    networks.generator_optimizer.step()
    w_mean = ws.detach()[:, 0].mean(0)
    step.processes.average([w_mean])
    generator.mapping.w_avg.lerp_(w_mean, 1 - W_AVERAGE_DECAY)
    return metrics


def _backward_path_regularizer(
    settings: StyleGAN2Settings, networks: Networks, draws: Randomness, processes: ProcessGroup
) -> Tensor:
    """Add the gradient of ``lambda E (|J_w^T y| - a)^2``, a being the moving average of lengths (Karras et al. 2020,
    Eq. 4), times the interval between regularizations; returns the mean square without the factors.
    """
    total = settings.batch // 2
    ws = sample_ws(networks.generator, draws, total, settings.mixing)
    images = synthesize(networks.generator, ws, draws, total, dtype_of(settings.precision))
    lengths = path_lengths(images, ws, draws.normal(total, *images.shape[1:]))
    mean = lengths.detach().mean()
    processes.average([mean])
    networks.extra["path_mean"].lerp_(mean, 1 - PATH_MEAN_DECAY)
    penalty = (lengths - networks.extra["path_mean"]).square().mean()
    (settings.path * settings.path_every * penalty).backward()
    return penalty.detach()


def _fake_images(settings: StyleGAN2Settings, generator: StyleGAN2, draws: Randomness) -> tuple[Tensor, Tensor]:
    """Return a batch of new images and their w+ codes."""
    ws = sample_ws(generator, draws, settings.batch, settings.mixing)
    return synthesize(generator, ws, draws, settings.batch, dtype_of(settings.precision)), ws
