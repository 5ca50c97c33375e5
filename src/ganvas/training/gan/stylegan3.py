"""StyleGAN3 (Karras et al. 2021), T and R: settings, networks and one training step.

A step minimizes, with real images x, codes w = f(z) and fake images G(w),

    discriminator:  L_D(D(x), D(G(w))) + gamma / 2 E|grad D(x)|^2
    generator:      L_G(D(G(w))), or at first, with ``distill``, the loss of `ganvas.training.gan.distillation`

with the non-saturating losses; no style mixing and no path length regularizer (appendix D and F). The discriminator is
that of StyleGAN2. Of the first images it sees blurred ones, so that it does not judge detail before there is any
(appendix F.2 and G), and the penalty is lazy, at the images that it sees.
"""

import copy
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from ganvas.errors import TrainingError
from ganvas.errors.arguments import checked_as
from ganvas.errors.ranges import (
    Batch,
    Depth,
    Every,
    Positive,
    Range,
    Rate,
    Seed,
    Size,
    Steps,
    StepsOrNone,
    Weight,
    Width,
)
from ganvas.generators.stylegan3.architecture import MOST_LAYERS, StyleGAN3Architecture
from ganvas.generators.stylegan3.batches import synthesize_batch
from ganvas.generators.stylegan3.generator import StyleGAN3
from ganvas.training.checks import check_precision, dtype_of
from ganvas.training.distributed import ProcessGroup
from ganvas.training.gan.channels import parse_widths, standard_channels
from ganvas.training.gan.discriminators import GROUP_SIZE, StyleDiscriminator
from ganvas.training.gan.distillation import copy_mapping, distillation_loss, teacher_of
from ganvas.training.gan.growing import start_discriminator_from
from ganvas.training.gan.losses import LOSSES, gradient_penalty, score_metrics
from ganvas.training.gan.networks import InitialNetworks, Networks, adam, copy_weights, descend
from ganvas.training.gan.step import Step
from ganvas.training.randomness import Randomness

BETAS = (0.0, 0.99)
W_AVERAGE_DECAY = 0.998
MAGNITUDE_HALF_LIFE = 20_000  # images
WIDEST_BLUR = 10 / 256  # of the width
SIGMAS = 3  # of the Gaussian on each side


@checked_as(TrainingError)
@dataclass(frozen=True)
class StyleGAN3Settings:
    """Settings of a StyleGAN3 and its training; `standard` fills in the channels.

    Attributes:
        resolution: Width and height of the images, a power of two from 16 up.
        channels: Channels of the generator's layers before the colors.
        discriminator_channels: Channels of the discriminator's maps of 4, 8, ... pixels.
        rotation: Equivariant to rotation as well (R), not to translation only (T).
        z_dim: Width of z and w.
        mapping_layers: Layers of the mapping network.
        batch: Batch size, a multiple of 4 for each process.
        learning_rate: Adam's learning rate for the generator.
        discriminator_learning_rate: Adam's learning rate for the discriminator.
        r1: Weight gamma of the gradient penalty on real images.
        penalty_every: Steps from one gradient penalty to the next.
        distill: Name or file of a trained generator whose images the generator learns to make first; "" for none.
        distill_images: Images for which it does.
        blur_images: First images, of which the discriminator sees blurred ones, ever less so; the paper has 200,000.
        discriminator_warmup: Steps at the start in which only the discriminator learns; with None as
            `StyleGAN2Settings`.
        half_life: Half-life of the averaged generator, in images.
        precision: "float32", "bfloat16" or "auto", of the feature maps.
        seed: Random seed.
        family: The kind of training, as snapshots name it.
    """

    resolution: Size
    channels: tuple[Width, ...]
    discriminator_channels: tuple[Width, ...]
    rotation: bool = False
    z_dim: Width = 256
    mapping_layers: Depth = 2
    batch: Batch = 32
    learning_rate: Rate = 2.5e-3
    discriminator_learning_rate: Rate = 2e-3
    r1: Weight = 1.0
    penalty_every: Steps = 16
    distill: str = ""
    distill_images: Every = 20_000
    blur_images: Every = 20_000
    discriminator_warmup: StepsOrNone | None = 0
    half_life: Positive = 10_000.0
    precision: str = "float32"
    seed: Seed = 0
    family: str = "stylegan3"

    def __post_init__(self) -> None:
        if self.batch < GROUP_SIZE or 2 ** (len(self.discriminator_channels) + 1) != self.resolution:
            raise TrainingError(
                f"A batch has at least {GROUP_SIZE} images, and the discriminator a map for each size from 4 to "
                f"{self.resolution} pixels."
            )
        check_precision(self.precision)

    @classmethod
    def standard(
        cls,
        resolution: int = 128,
        channels: str | None = None,
        layers: int = 14,
        rotation: bool = False,
        **settings: Any,
    ) -> "StyleGAN3Settings":
        """Return settings with ``min(16 r / cutoff, 256)`` channels, in multiples of 16, for the layer of a cutoff at r
        pixels: 32 at the end, and twice as many for R. The paper has 8192 instead of 16 r at 256 pixels, and 512. The
        discriminator has 32 channels at the finest map, too.

        Args:
            resolution: Width and height of the images, a power of two.
            channels: Channels of the layers instead, as a text such as "128,128,96,64,48,32,32".
            layers: The number of layers where no channels are given; the paper has 14 for 256 pixels and more.
            rotation: Equivariant to rotation as well (R), not to translation only (T).
            settings: Other settings by name.

        Raises:
            TrainingError: The resolution is no power of two from 16 up, or a setting is out of its range.
        """
        if settings.get("distill"):
            hidden = teacher_of(settings["distill"], torch.device("cpu")).architecture.hidden
            settings.setdefault("mapping_layers", len(hidden))
        seen = standard_channels(resolution, 32 * resolution)
        if channels:
            return cls(resolution, parse_widths(channels), seen, rotation, **settings)
        first, highest, critical = 2.0, resolution / 2, 2
        Range(critical + 1, MOST_LAYERS, whole=True).check("layers", layers, TrainingError)
        cutoffs = (first * (highest / first) ** min(i / (layers - critical), 1) for i in range(layers))
        widths = tuple(round(min(resolution / cutoff, 16)) * 16 * (1 + rotation) for cutoff in cutoffs)
        return cls(resolution, widths, seen, rotation, **settings)

    @property
    def group_size(self) -> int:
        """Samples that the discriminator sees together (minibatch standard deviation)."""
        return GROUP_SIZE

    @property
    def architecture(self) -> StyleGAN3Architecture:
        """The generator's architecture; maps are not clamped, which only half precision of the paper needs."""
        hidden, kernel = (self.z_dim,) * self.mapping_layers, 1 if self.rotation else 3
        widths = (self.z_dim, self.z_dim, hidden)
        return StyleGAN3Architecture(self.resolution, self.channels, kernel, self.rotation, *widths, clamp=None)

    def build(self, device: torch.device, source: InitialNetworks | Networks | None = None) -> Networks:
        """Return new networks, with the weights of `source` where it is given."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.seed)
            generator = StyleGAN3(self.architecture)
            if self.distill:
                copy_mapping(teacher_of(self.distill, torch.device("cpu")), generator)
            discriminator = StyleDiscriminator(self.discriminator_channels, dtype_of(self.precision))
        average = copy.deepcopy(generator).eval().requires_grad_(False)
        if source is not None:
            copy_weights(source.generator, generator)
            copy_weights(source.average, average)
            if source.discriminator is not None:
                start_discriminator_from(discriminator, source.discriminator)
        generator, discriminator = generator.to(device), discriminator.to(device)
        interval = self.penalty_every if self.r1 else 0
        return Networks(
            generator,
            discriminator,
            average.to(device),
            adam(generator, self.learning_rate, BETAS),
            adam(discriminator, self.discriminator_learning_rate, BETAS, interval),
        )

    def step(self, networks: Networks, step: Step) -> dict[str, Tensor]:
        """Do one step of both networks; returns losses and mean scores."""
        return training_step(self, networks, step)

    def exported(self, networks: Networks) -> StyleGAN3:
        """Return the generator to keep: the average."""
        return networks.average


def training_step(settings: StyleGAN3Settings, networks: Networks, step: Step) -> dict[str, Tensor]:
    """Update the discriminator, then the generator, on the same fake images; returns losses and mean scores."""
    generator, discriminator, loss = networks.generator, networks.discriminator, LOSSES["bce"]
    generator_learns = step.index >= (settings.discriminator_warmup or 0)
    images = step.index * settings.batch
    sigma, distills = blur_at(settings, images), bool(settings.distill) and images < settings.distill_images
    with torch.set_grad_enabled(generator_learns):
        fake, w = fake_images(settings, generator, step.draws, learns_from_teacher=distills)

    discriminator.requires_grad_(True)
    with torch.no_grad():
        shown = blurred(step.augmented(step.real), sigma)
        faked = blurred(step.augmented(fake.detach()), sigma)
    real_scores, fake_scores = discriminator(torch.cat([shown, faked])).chunk(2)
    discriminator_loss = total = loss.discriminator(real_scores, fake_scores)
    metrics = {"D": discriminator_loss.detach(), **score_metrics(real_scores, fake_scores)}
    if settings.r1 and step.is_due(settings.penalty_every):
        penalty = gradient_penalty(discriminator, shown)
        total = total + settings.r1 / 2 * settings.penalty_every * penalty
        metrics["R1"] = penalty.detach()
    descend(discriminator, networks.discriminator_optimizer, total, step.processes)

    if generator_learns:
        discriminator.requires_grad_(False)
        if distills:
            generator_loss = distillation_loss(teacher_of(settings.distill, fake.device), w, fake)
            metrics["distance"] = generator_loss.detach()
        else:
            generator_loss = loss.generator(None, discriminator(blurred(step.augmented(fake), sigma)))
            metrics["G"] = generator_loss.detach()
        descend(generator, networks.generator_optimizer, generator_loss, step.processes)
        _move_averages(generator, w.detach().mean(0), step.processes)
    return metrics


def fake_images(
    settings: StyleGAN3Settings, generator: StyleGAN3, draws: Randomness, *, learns_from_teacher: bool = False
) -> tuple[Float[Tensor, "n 3 r r"], Float[Tensor, "n d"]]:
    """Return a batch of new images and their codes w; the magnitudes of the layers' inputs move towards theirs."""
    w = generator.mapping(draws.normal(settings.batch, settings.z_dim), None)
    w = w.detach() if learns_from_teacher else w  # whose mapping network it shares
    decay = 0.5 ** (settings.batch / MAGNITUDE_HALF_LIFE)
    ws = w[:, None].expand(-1, generator.layers, -1)
    return synthesize_batch(generator, ws, dtype_of(settings.precision), decay), w


@torch.no_grad()
def _move_averages(generator: StyleGAN3, w_mean: Float[Tensor, "d"], processes: ProcessGroup) -> None:
    """Move the average w, and bring the magnitudes of all processes together."""
    processes.average([w_mean])
    generator.mapping.w_avg.lerp_(w_mean, 1 - W_AVERAGE_DECAY)
    processes.average([layer.magnitude for _, layer in generator.synthesis.named_layers()])


def blur_at(settings: StyleGAN3Settings, images: int) -> float:
    """Return the blur's standard deviation in pixels after so many images: it falls linearly to 0."""
    left = max(0.0, 1 - images / settings.blur_images) if settings.blur_images else 0.0
    return left * WIDEST_BLUR * settings.resolution


def blurred(images: Float[Tensor, "n c h w"], sigma: float) -> Float[Tensor, "n c h w"]:
    """Return images convolved with a Gaussian of standard deviation `sigma` pixels, reflected at their borders."""
    radius = min(int(SIGMAS * sigma), images.shape[-1] - 1)
    if radius < 1:
        return images
    offsets = torch.arange(-radius, radius + 1, device=images.device, dtype=images.dtype)
    taps = (-(offsets / sigma).square() / 2).exp()
    taps = (taps / taps.sum()).expand(images.shape[1], 1, -1)
    padded = F.pad(images, (radius,) * 4, mode="reflect")
    return F.conv2d(F.conv2d(padded, taps[:, :, None], groups=len(taps)), taps[..., None], groups=len(taps))
