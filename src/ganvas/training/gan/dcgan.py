"""One training step of DCGAN (Radford et al. 2016), as functions of networks, settings and draws.

Knows no files and no loop. Real and made images pass the discriminator in batches of their own, since its batch
normalization must not see which is which at once.
"""

import copy
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ganvas.errors import TrainingError
from ganvas.generators.dcgan.generator import DCGAN, DCGANArchitecture, initialize
from ganvas.generators.dcgan.layers import MOMENTUM, BatchNorm
from ganvas.training.distributed import Team
from ganvas.training.gan.augment import Augment
from ganvas.training.gan.discriminators import ConvolutionalDiscriminator
from ganvas.training.gan.losses import OBJECTIVES, score_means
from ganvas.training.gan.networks import Networks, Source, adam
from ganvas.training.randomness import Randomness
from ganvas.training.settings import check_above_zero, check_range

BETAS = (0.5, 0.999)
SETTLING_BATCHES, SETTLING_ROWS = 8, 128


@dataclass(frozen=True)
class DCGANRecipe:
    """Everything that a step depends on beside networks and data; the defaults are the published ones, at batch 64.

    ``width`` and ``discriminator_width`` are the channels of the finest maps (ngf, ndf); ``half_life`` that of the kept
    average, in images; ``precision`` that of the convolutions.
    """

    resolution: int = 64
    z_dim: int = 100
    width: int = 64
    discriminator_width: int = 64
    batch: int = 64
    objective: str = "bce"
    rate: float = 2e-4
    discriminator_rate: float = 2e-4
    half_life: float = 5_000.0
    precision: str = "float32"
    seed: int = 0
    family: str = "dcgan"

    def __post_init__(self) -> None:
        allowed = [name for name, objective in OBJECTIVES.items() if not objective.relativistic]
        if self.objective not in allowed:
            raise TrainingError(f"Loss '{self.objective}' does not train a DCGAN; give one of {', '.join(allowed)}.")
        if self.resolution not in (32, 64, 128):
            raise TrainingError(f"A DCGAN is trained at 32, 64 or 128 pixels; {self.resolution} was given.")
        if self.batch < 2:
            raise TrainingError("Batch normalization needs batches of at least 2 images.")
        check_above_zero(rate=self.rate, discriminator_rate=self.discriminator_rate, half_life=self.half_life)
        check_range(1, z_dim=self.z_dim, width=self.width, discriminator_width=self.discriminator_width)

    @property
    def group(self) -> int:
        """Rows that are judged together; batch normalization takes what it gets."""
        return 2

    @property
    def discriminator_warmup(self) -> int:
        """Both networks learn from the start."""
        return 0

    def build(self, device: torch.device, source: Source | Networks | None = None) -> Networks:
        """Return new networks, with the weights of `source` where a generator or all networks of a run are given."""
        random = torch.Generator().manual_seed(self.seed)
        generator = DCGAN(DCGANArchitecture.standard(self.resolution, self.width, self.z_dim))
        initialize(generator, random)
        discriminator = ConvolutionalDiscriminator(self.resolution, self.discriminator_width, random)
        if source is not None:
            _copy(source.generator, generator)
            if source.discriminator is not None:
                _copy(source.discriminator, discriminator)
        generator, discriminator = _fast(generator, device).train(), _fast(discriminator, device).train()
        average = copy.deepcopy(generator).eval().requires_grad_(False)
        optimizers = adam(generator, self.rate, BETAS), adam(discriminator, self.discriminator_rate, BETAS)
        return Networks(generator, discriminator, average, *optimizers)

    def step(
        self, networks: Networks, real: Tensor, index: int, draws: Randomness, augment: Augment, team: Team
    ) -> dict[str, Tensor]:
        """Do one step on this process's share of the `real` images; returns losses and mean scores."""
        with torch.autocast(real.device.type, getattr(torch, self.precision), enabled=self.precision != "float32"):
            return _step(self, networks, real, draws, augment, team)

    def usable(self, networks: Networks) -> DCGAN:
        """Return a copy of the average whose batch statistics are its own."""
        return settled(networks.average)


def _copy(source: nn.Module, target: nn.Module) -> None:
    shapes = [{name: tensor.shape for name, tensor in network.state_dict().items()} for network in (source, target)]
    if shapes[0] != shapes[1]:
        raise TrainingError("A DCGAN starts from one of the same sizes; leave --start out, or change the sizes.")
    target.load_state_dict(source.state_dict())


def _fast(module: nn.Module, device: torch.device) -> Any:
    """Move a module to the device, its kernels in the layout in which they are fastest."""
    for parameter in module.parameters():
        if parameter.ndim == 4:
            parameter.data = parameter.data.contiguous(memory_format=torch.channels_last)
    return module.to(device)


def _step(
    recipe: DCGANRecipe,
    networks: Networks,
    real: Float[Tensor, "n 3 r r"],
    draws: Randomness,
    augment: Augment,
    team: Team,
) -> dict[str, Tensor]:
    objective, discriminator = OBJECTIVES[recipe.objective], networks.discriminator
    made = networks.generator(draws.normal(recipe.batch, recipe.z_dim))
    discriminator.requires_grad_(True)
    real_scores = discriminator(augment(real, draws)).float()
    made_scores = discriminator(augment(made.detach(), draws)).float()
    discriminator_loss = objective.discriminator(real_scores, made_scores)
    networks.discriminator_optimizer.zero_grad()
    discriminator_loss.backward()
    team.average_gradients(discriminator)
    networks.discriminator_optimizer.step()
    discriminator.requires_grad_(False)
    fooled_scores = discriminator(augment(made, draws)).float()
    generator_loss = objective.generator(None, fooled_scores)
    networks.generator_optimizer.zero_grad()
    generator_loss.backward()
    team.average_gradients(networks.generator)
    networks.generator_optimizer.step()
    return {"D": discriminator_loss.detach(), "G": generator_loss.detach(), **score_means(real_scores, made_scores)}


@torch.no_grad()
def settled(average: DCGAN) -> DCGAN:
    """Return a copy whose batch statistics are those of its own maps, over fixed codes.

    Averaged statistics are of the networks along the way, not of the averaged weights.
    """
    generator, random = copy.deepcopy(average).train(), torch.Generator().manual_seed(0)
    statistics = [t for part in generator.modules() if isinstance(part, BatchNorm) for t in part.buffers()]
    torch._foreach_zero_(statistics)
    for _ in range(SETTLING_BATCHES):
        generator(torch.randn(SETTLING_ROWS, generator.architecture.z_dim, generator=random).to(generator.device))
    # From zero, each batch moved them by a tenth: a mean over the batches, times what is divided by here.
    torch._foreach_div_(statistics, 1 - (1 - MOMENTUM) ** SETTLING_BATCHES)
    return generator.eval()
