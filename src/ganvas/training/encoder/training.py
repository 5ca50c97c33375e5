"""Training a generator's companion encoder: first on images whose codes are known, then on real ones too.

Made images teach where a code lies; real images, of which no code is known, that the code's image should look
like the photo. Knows no files.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from ganvas.generators.stylegan2.generator import StyleGAN2
from ganvas.inversion.encoder import FINAL_SIZE, Encoder, EncoderArchitecture
from ganvas.training.gan.stylegan2 import draw_codes, paint
from ganvas.training.randomness import Randomness
from ganvas.training.settings import check_above_zero, check_range

STATISTICS_ROWS = 10_000
LARGEST = 128
WIDTHS = (24, 48, 96, 128, 160, 160)
Distance = Callable[[Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class EncoderRecipe:
    """What a step depends on: ``batch`` images, of which, from step ``real_from`` on, half are real; the weights of
    the losses in codes, pixels and what they look like; ``prior`` pulls codes of real images towards the average.
    """

    batch: int = 32
    real_from: int = 2_000
    rate: float = 1e-3
    steps: int = 10_000
    codes: float = 1.0
    pixels: float = 1.0
    looks: float = 1.0
    prior: float = 0.02
    mixing: float = 0.3
    precision: str = "float32"
    seed: int = 0

    def __post_init__(self) -> None:
        check_above_zero(rate=self.rate)
        check_range(2, batch=self.batch)
        check_range(1, steps=self.steps)
        check_range(0, real_from=self.real_from, codes=self.codes, pixels=self.pixels, looks=self.looks)
        check_range(0, prior=self.prior)
        check_range(0, 1, mixing=self.mixing)

    def rate_at(self, step: int) -> float:
        """Return the learning rate: constant, and falling in a straight line to 0 over the last third."""
        left = (self.steps - step) / (self.steps / 3)
        return self.rate * min(1.0, max(left, 0.0))


def standard_architecture(generator: StyleGAN2) -> EncoderArchitecture:
    """Return the sizes of a generator's encoder: it looks at 128 pixels, or at fewer where the images have fewer."""
    halvings = (min(generator.resolution, LARGEST) // FINAL_SIZE).bit_length() - 1
    widths = WIDTHS[-halvings - 1 :]
    return EncoderArchitecture(FINAL_SIZE * 2**halvings, generator.layers, generator.architecture.w_dim, widths)


@torch.no_grad()
def new_encoder(generator: StyleGAN2, seed: int = 0, architecture: EncoderArchitecture | None = None) -> Encoder:
    """Return an untrained encoder of a generator, with the mean and the deviation of its w over 10,000 codes."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        encoder = Encoder(architecture or standard_architecture(generator))
    draws = Randomness(seed, 0, device=generator.device)
    w = generator.mapping(draws.normal(STATISTICS_ROWS, generator.architecture.z_dim), None)
    encoder.mean.copy_(generator.mapping.w_avg)
    encoder.std.copy_((w - generator.mapping.w_avg).square().mean(0).sqrt())
    return encoder.to(generator.device)


def step(
    recipe: EncoderRecipe,
    encoder: Encoder,
    generator: StyleGAN2,
    optimizer: torch.optim.Optimizer,
    real: Float[Tensor, "n 3 r r"],
    index: int,
    draws: Randomness,
    looks: Distance,
) -> dict[str, Tensor]:
    """Do step `index`; returns its losses. `looks` gives the perceptual distance of rows of images."""
    with_real = index >= recipe.real_from
    rows = recipe.batch // 2 if with_real else recipe.batch
    precision = getattr(torch, recipe.precision)
    with torch.no_grad():
        codes = draw_codes(generator, draws, rows, recipe.mixing)
        made = paint(generator, codes, draws, rows, precision)
    shown = torch.cat([made, real[: recipe.batch - rows]]) if with_real else made
    with torch.autocast(shown.device.type, precision, enabled=precision != torch.float32):
        found = encoder(shown)
    seen = {"codes": _misfit(encoder, found[:rows], codes)}
    loss = recipe.codes * seen["codes"]
    if with_real:
        with torch.autocast(shown.device.type, precision, enabled=precision != torch.float32):
            again = generator.synthesize(found[rows:], "w+")
        again, photos = again.float(), shown[rows:]
        seen |= {
            "pixels": (again - photos).abs().mean(),
            "looks": looks(again, photos).mean(),
            "prior": ((found[rows:] - encoder.mean) / encoder.std).square().mean(),
        }
        loss = loss + recipe.pixels * seen["pixels"] + recipe.looks * seen["looks"] + recipe.prior * seen["prior"]
    for group in optimizer.param_groups:
        group["lr"] = recipe.rate_at(index)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return {name: value.detach() for name, value in seen.items()}


def _misfit(encoder: Encoder, found: Tensor, codes: Tensor) -> Float[Tensor, ""]:
    """Return the mean squared difference of codes in units of the space's deviation."""
    return ((found - codes) / encoder.std).square().mean()
