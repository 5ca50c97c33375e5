"""One training step of StyleGAN2 (Karras et al. 2020), as functions of networks, settings and draws.

Knows no files and no loop. A step shows the discriminator one batch of real and one of made images, then the
generator one batch of its own.
"""

import copy
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from ganvas.errors import TrainingError
from ganvas.generators.stylegan2.architecture import StyleGAN2Architecture
from ganvas.generators.stylegan2.generator import StyleGAN2
from ganvas.metrics.spectrum import octave_energies
from ganvas.training.distributed import Team
from ganvas.training.gan.augment import Augment
from ganvas.training.gan.discriminators import GROUP, StyleDiscriminator
from ganvas.training.gan.finest_noise import match_finest_octave
from ganvas.training.gan.growing import start_discriminator_from, start_from
from ganvas.training.gan.losses import OBJECTIVES, gradient_penalty, path_lengths, score_means
from ganvas.training.gan.networks import Networks, Source, adam
from ganvas.training.randomness import Randomness
from ganvas.training.settings import check_above_zero, check_range

W_AVERAGE_FACTOR = 0.998
PATH_MEAN_FACTOR = 0.99
BETAS = (0.0, 0.99)
FINEST = "finest_octave"


@dataclass(frozen=True)
class StyleGAN2Recipe:
    """Everything that a step depends on beside networks and data.

    ``channels`` are those of the generator's maps of 4, 8, ... pixels, ``discriminator_channels`` the discriminator's.
    ``r1`` and ``r2`` are the weights gamma of the gradient penalties on real and on made images, applied every
    ``penalty_every`` steps to ``penalty_images`` of the batch (0: all; the first of every so many groups of four) and
    multiplied by that interval; ``path`` is the weight of the path length penalty, applied every ``path_every`` steps
    to half of the batch; ``mixing`` the share of images made from two codes; ``discriminator_warmup`` the number of
    steps at the start in which only the discriminator learns, which has to catch up with a generator that was trained
    before; ``half_life`` that of the kept average, in images; with ``match_noise`` its finest noise is set to the
    grain of the data (`match_finest_octave`); ``precision`` is that of the feature maps.
    """

    channels: tuple[int, ...]
    discriminator_channels: tuple[int, ...]
    z_dim: int = 256
    mapping_layers: int = 4
    batch: int = 32
    objective: str = "bce"
    rate: float = 2.5e-3
    discriminator_rate: float = 2.5e-3
    r1: float = 1.0
    r2: float = 0.0
    penalty_every: int = 16
    penalty_images: int = 0
    path: float = 0.0
    path_every: int = 8
    mixing: float = 0.5
    discriminator_warmup: int = 0
    half_life: float = 10_000.0
    match_noise: bool = False
    precision: str = "float32"
    seed: int = 0
    family: str = "stylegan2"

    def __post_init__(self) -> None:
        if self.objective not in OBJECTIVES:
            raise TrainingError(f"Loss '{self.objective}' is not known; give one of {', '.join(OBJECTIVES)}.")
        if self.batch < GROUP or len(self.channels) != len(self.discriminator_channels):
            raise TrainingError(f"A batch has at least {GROUP} images, and both networks the same number of maps.")
        check_above_zero(rate=self.rate, discriminator_rate=self.discriminator_rate, half_life=self.half_life)
        check_range(0, r1=self.r1, r2=self.r2, path=self.path, discriminator_warmup=self.discriminator_warmup)
        check_range(1, z_dim=self.z_dim, mapping_layers=self.mapping_layers)
        check_range(1, penalty_every=self.penalty_every, path_every=self.path_every)
        check_range(0, self.batch, penalty_images=self.penalty_images)
        check_range(0, 1, mixing=self.mixing)

    @property
    def resolution(self) -> int:
        """Width and height of the images."""
        return self.architecture.resolution

    @property
    def group(self) -> int:
        """Rows that are judged together."""
        return GROUP

    @property
    def architecture(self) -> StyleGAN2Architecture:
        """That of the generator."""
        hidden = (self.z_dim,) * self.mapping_layers
        return StyleGAN2Architecture(2 ** (len(self.channels) + 1), self.channels, self.z_dim, self.z_dim, hidden)

    def build(self, device: torch.device, source: Source | Networks | None = None) -> Networks:
        """Return new networks, with the weights of `source` where a generator or all networks of a run are given."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.seed)
            generator = StyleGAN2(self.architecture)
            discriminator = StyleDiscriminator(self.discriminator_channels, getattr(torch, self.precision))
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
            adam(generator, self.rate, BETAS, self.path_every if self.path else 0),
            adam(discriminator, self.discriminator_rate, BETAS, self.penalty_every if self.r1 or self.r2 else 0),
            {"path_mean": torch.zeros([], device=device)},
        )

    def step(
        self, networks: Networks, real: Tensor, index: int, draws: Randomness, augment: Augment, team: Team
    ) -> dict[str, Tensor]:
        """Do step `index` on this process's share of the `real` images; returns losses and mean scores."""
        seen = discriminator_step(self, networks, real, index, draws, augment, team)
        if index >= self.discriminator_warmup:
            seen |= generator_step(self, networks, real, index, draws, augment, team)
        return seen

    def see(self, networks: Networks, images: Float[Tensor, "n 3 r r"]) -> None:
        """Note the grain of the data, of which some `images` are given, for ``match_noise``."""
        networks.extra[FINEST] = octave_energies(images)[:, 0].mean().to(networks.extra["path_mean"].device)

    def usable(self, networks: Networks) -> StyleGAN2:
        """Return the generator to keep: the average, or a copy with matched noise."""
        if not self.match_noise:
            return networks.average
        return match_finest_octave(networks.average, float(networks.extra[FINEST]))


def draw_codes(generator: StyleGAN2, draws: Randomness, total: int, mixing: float) -> Float[Tensor, "n layers w_dim"]:
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
    """Return images of w+ codes with fresh noise, in float32."""
    synthesis = generator.synthesis
    noises = [
        draws.normal(total, 1, layer.resolution, layer.resolution) if layer.has_noise else None
        for _, layer in synthesis.convolutions()
    ]
    styles = synthesis.styles(ws)
    with torch.autocast(ws.device.type, precision, enabled=precision != torch.float32):
        image, _ = synthesis(styles, noises)
    return image.float()


def discriminator_step(
    recipe: StyleGAN2Recipe,
    networks: Networks,
    real: Float[Tensor, "n 3 r r"],
    index: int,
    draws: Randomness,
    augment: Augment,
    team: Team,
) -> dict[str, Tensor]:
    """Let the discriminator learn from `real` and from as many made images; returns its loss and mean scores."""
    discriminator = networks.discriminator.requires_grad_(True)
    with torch.no_grad():
        shown = augment(real, draws)
        made = augment(_fresh(recipe, networks.generator, draws)[0], draws)
    real_scores, made_scores = discriminator(torch.cat([shown, made])).chunk(2)
    loss = OBJECTIVES[recipe.objective].discriminator(real_scores, made_scores)
    networks.discriminator_optimizer.zero_grad()
    loss.backward()
    seen = {"D": loss.detach(), **score_means(real_scores, made_scores)}
    if index % recipe.penalty_every == 0:
        nth = recipe.batch // (recipe.penalty_images or recipe.batch)
        for name, gamma, images in (("R1", recipe.r1, shown), ("R2", recipe.r2, made)):
            if gamma:
                seen[name] = penalty = gradient_penalty(discriminator, every_nth_group(images, nth))
                (penalty * (gamma / 2 * recipe.penalty_every)).backward()
    team.average_gradients(discriminator)
    networks.discriminator_optimizer.step()
    return {name: value.detach() for name, value in seen.items()}


def every_nth_group(images: Float[Tensor, "n 3 r r"], nth: int) -> Float[Tensor, "m 3 r r"]:
    """Return the first of every `nth` groups of four: the same images, however many processes share a batch."""
    return images.unflatten(0, (-1, GROUP))[::nth].flatten(0, 1)


def generator_step(
    recipe: StyleGAN2Recipe,
    networks: Networks,
    real: Float[Tensor, "n 3 r r"],
    index: int,
    draws: Randomness,
    augment: Augment,
    team: Team,
) -> dict[str, Tensor]:
    """Let the generator learn from the scores of images it makes; returns its loss."""
    generator, discriminator = networks.generator, networks.discriminator.requires_grad_(False)
    objective = OBJECTIVES[recipe.objective]
    made, ws = _fresh(recipe, generator, draws)
    made_scores, real_scores = discriminator(augment(made, draws)), None
    if objective.relativistic:
        with torch.no_grad():
            real_scores = discriminator(augment(real, draws))
    loss = objective.generator(real_scores, made_scores)
    networks.generator_optimizer.zero_grad()
    loss.backward()
    seen = {"G": loss.detach()}
    if recipe.path and index % recipe.path_every == 0:
        seen["path"] = _path_penalty(recipe, networks, draws, team)
    team.average_gradients(generator)
    networks.generator_optimizer.step()
    w_mean = ws.detach()[:, 0].mean(0)
    team.average([w_mean])
    generator.mapping.w_avg.lerp_(w_mean, 1 - W_AVERAGE_FACTOR)
    return seen


def _fresh(recipe: StyleGAN2Recipe, generator: StyleGAN2, draws: Randomness) -> tuple[Tensor, Tensor]:
    """Return new images and their w+ codes."""
    ws = draw_codes(generator, draws, recipe.batch, recipe.mixing)
    return paint(generator, ws, draws, recipe.batch, getattr(torch, recipe.precision)), ws


def _path_penalty(recipe: StyleGAN2Recipe, networks: Networks, draws: Randomness, team: Team) -> Tensor:
    """Add the gradient of ``path (|J^T y| - a)^2``, a being the running mean of the lengths (Karras et al. 2020, Eq.
    4); returns the penalty.
    """
    total = recipe.batch // 2
    ws = draw_codes(networks.generator, draws, total, recipe.mixing)
    images = paint(networks.generator, ws, draws, total, getattr(torch, recipe.precision))
    lengths = path_lengths(images, ws, draws.normal(total, *images.shape[1:]))
    mean = lengths.detach().mean()
    team.average([mean])
    networks.extra["path_mean"].lerp_(mean, 1 - PATH_MEAN_FACTOR)
    penalty = (lengths - networks.extra["path_mean"]).square().mean()
    (penalty * (recipe.path * recipe.path_every)).backward()
    return penalty.detach()


def standard_channels(resolution: int, base: int = 4096, most: int = 256) -> tuple[int, ...]:
    """Return ``min(base / r, most)`` channels for the maps of r = 4, 8, ..., resolution pixels.

    Raises `TrainingError` unless the resolution is a power of two from 8 up.
    """
    if resolution < 8 or resolution & (resolution - 1):
        raise TrainingError(f"A StyleGAN2 of {resolution} pixels cannot be made; give a power of two from 8 up.")
    sizes: Sequence[int] = [2**i for i in range(2, resolution.bit_length())]
    return tuple(min(base // size, most) for size in sizes)


def parse_channels(text: str, resolution: int) -> tuple[int, ...]:
    """Return the channels meant by "256,256,128"; raises `TrainingError` for other texts, or where they are not those
    of the maps of 4, 8, ..., resolution pixels.
    """
    parts = text.split(",")
    widths = tuple(int(part) for part in parts if part.strip().isdecimal())
    if len(widths) != len(parts) or min(widths) < 1 or 2 ** (len(widths) + 1) != resolution:
        raise TrainingError(
            f"'{text}' are not the channels of the maps of 4, 8, ... {resolution} pixels; write one number for each: "
            f"{','.join(map(str, standard_channels(resolution)))}."
        )
    return widths
