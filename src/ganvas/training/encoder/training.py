"""One training step of a generator's companion encoder.

Fake images have known codes, which the encoder learns to predict. Real images have no codes: for them the generator's
image of the predicted code has to match, in pixels and perceptually.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from ganvas.errors import TrainingError
from ganvas.errors.arguments import checked_as
from ganvas.errors.ranges import Batch, Fraction, Range, Rate, Seed, Steps, StepsOrNone, Weight
from ganvas.generators.stylegan2.generator import StyleGAN2
from ganvas.inversion.encoder import FINAL_SIZE, Encoder, EncoderArchitecture
from ganvas.training.checks import check_precision, dtype_of
from ganvas.training.gan.sampling import sample_ws, synthesize
from ganvas.training.randomness import Randomness

STATISTICS_SAMPLES = 10_000
LARGEST = 128
WIDTHS = (24, 48, 96, 128, 160, 160)
PerceptualDistance = Callable[[Tensor, Tensor], Tensor]


@checked_as(TrainingError)
@dataclass(frozen=True)
class EncoderSettings:
    """Settings of an encoder's training.

    Attributes:
        batch: Batch size.
        real_from: The step from which on half of each batch is real; before, all images are fake.
        learning_rate: Adam's learning rate; it falls linearly to 0 over the last third of the steps.
        steps: Steps in all.
        codes: Weight of the loss in codes, of fake images.
        pixels: Weight of the L1 loss in pixels, of real images.
        perceptual: Weight of the perceptual loss, of real images.
        prior: Weight of the squared distance of real images' codes from the mean code, in std.
        mixing: Probability of style mixing in fake images.
        precision: "float32", "bfloat16" or "auto", of the feature maps.
        seed: Random seed.
    """

    batch: Batch = 32
    real_from: StepsOrNone = 2_000
    learning_rate: Rate = 1e-3
    steps: Steps = 10_000
    codes: Weight = 1.0
    pixels: Weight = 1.0
    perceptual: Weight = 1.0
    prior: Weight = 0.02
    mixing: Fraction = 0.3
    precision: str = "float32"
    seed: Seed = 0

    def __post_init__(self) -> None:
        Range(2, 4096, whole=True).check("batch", self.batch, TrainingError)
        check_precision(self.precision)

    def learning_rate_at(self, step: int) -> float:
        """Return the learning rate: constant, then linear to 0 over the last third of the steps."""
        left = (self.steps - step) / (self.steps / 3)
        return self.learning_rate * min(1.0, max(left, 0.0))


def standard_architecture(generator: StyleGAN2) -> EncoderArchitecture:
    """Return the sizes of a generator's encoder, whose input has at most 128 pixels."""
    halvings = (min(generator.resolution, LARGEST) // FINAL_SIZE).bit_length() - 1
    widths = WIDTHS[-halvings - 1 :]
    return EncoderArchitecture(FINAL_SIZE * 2**halvings, generator.layers, generator.architecture.w_dim, widths)


@torch.no_grad()
def new_encoder(generator: StyleGAN2, seed: int = 0, architecture: EncoderArchitecture | None = None) -> Encoder:
    """Return an untrained encoder of a generator, with the mean and the std of its w over 10,000 codes."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        encoder = Encoder(architecture or standard_architecture(generator))
    draws = Randomness(seed, 0, device=generator.device)
    w = generator.mapping(draws.normal(STATISTICS_SAMPLES, generator.architecture.z_dim), None)
    encoder.mean.copy_(generator.mapping.w_avg)
    encoder.std.copy_((w - generator.mapping.w_avg).square().mean(0).sqrt())
    return encoder.to(generator.device)


def step(
    settings: EncoderSettings,
    encoder: Encoder,
    generator: StyleGAN2,
    optimizer: torch.optim.Optimizer,
    real: Float[Tensor, "n 3 r r"],
    index: int,
    draws: Randomness,
    perceptual: PerceptualDistance,
) -> dict[str, Tensor]:
    """Do step `index`; returns its losses. `perceptual` returns the perceptual distance of each pair of images."""
    fakes = settings.batch // 2 if index >= settings.real_from else settings.batch
    precision = dtype_of(settings.precision)
    with torch.no_grad():
        codes = sample_ws(generator, draws, fakes, settings.mixing)
        fake = synthesize(generator, codes, draws, fakes, precision)
    photos = real[: settings.batch - fakes]
    with torch.autocast(fake.device.type, precision, enabled=precision != torch.float32):
        predicted = encoder(torch.cat([fake, photos]) if fakes < settings.batch else fake)
    losses = {"codes": _standardized_error(encoder, predicted[:fakes], codes)}
    if fakes < settings.batch:
        losses |= _losses_of_photos(encoder, generator, predicted[fakes:], photos, precision, perceptual)
    loss = torch.stack([getattr(settings, name) * value for name, value in losses.items()]).sum()
    for group in optimizer.param_groups:
        group["lr"] = settings.learning_rate_at(index)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return {name: value.detach() for name, value in losses.items()}


def _losses_of_photos(
    encoder: Encoder,
    generator: StyleGAN2,
    codes: Tensor,
    photos: Tensor,
    precision: torch.dtype,
    perceptual: PerceptualDistance,
) -> dict[str, Tensor]:
    """Return the losses of the codes predicted for real images, by the names of their weights in the settings."""
    with torch.autocast(photos.device.type, precision, enabled=precision != torch.float32):
        reconstruction = generator.synthesize(codes, "w+").float()
    return {
        "pixels": (reconstruction - photos).abs().mean(),
        "perceptual": perceptual(reconstruction, photos).mean(),
        "prior": ((codes - encoder.mean) / encoder.std).square().mean(),
    }


def _standardized_error(encoder: Encoder, predicted: Tensor, codes: Tensor) -> Float[Tensor, ""]:
    """Return the mean squared difference of codes in std of the space."""
    return ((predicted - codes) / encoder.std).square().mean()
