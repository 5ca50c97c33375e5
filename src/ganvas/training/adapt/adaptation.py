"""Few-shot adaptation: a trained generator moves to a new class from a handful of images, step by step.

The discriminator is the one that the generator was trained against, which has seen thousands of images of a class
nearby, or where that is lost the one of `ganvas.training.adapt.feature_discriminator`. Images that differed go on to
differ in the same way: the similarities between the maps of different codes are held to those of the generator as it
was (cross-domain correspondence, Ojha et al. 2021, section 3.1). The mapping network stays as it is, so that w keeps
its meaning.
"""

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from ganvas.checkpoints.load import load
from ganvas.errors import TrainingError
from ganvas.generators.protocol import Generator, HasNoise, Noise
from ganvas.metrics.features import load_features
from ganvas.training.adapt.feature_discriminator import FeatureDiscriminator
from ganvas.training.distributed import Team
from ganvas.training.gan.augment import Augment
from ganvas.training.gan.discriminator_files import discriminator_beside, load_discriminator
from ganvas.training.gan.discriminators import StyleDiscriminator
from ganvas.training.gan.losses import gradient_penalty, hinge, hinge_generator, score_means
from ganvas.training.gan.networks import Networks, adam
from ganvas.training.randomness import Randomness
from ganvas.training.settings import check_above_zero, check_range

BETAS = (0.0, 0.99)
KNOWN = 64
UNMOVED = "mapping."
FEATURES, BESIDE = "features", "beside"


@dataclass(frozen=True)
class Usual:
    """Learning rate of both networks and weight of the gradient penalty, as they were found to work."""

    rate: float
    r1: float


WITH_DISCRIMINATOR, WITH_FEATURES = Usual(5e-4, 1.0), Usual(2e-3, 0.0)


@dataclass(frozen=True)
class AdaptationRecipe:
    """Everything that a step depends on beside networks and data.

    ``model`` is the name or file of the generator to adapt, ``hash`` its hash and ``resolution`` the width of its
    images; ``discriminator`` is "features", "beside" (the discriminator that comes with the model) or the file of one,
    of whose maps the ``frozen`` finest stay as they are (FreezeD, Mo et al. 2020); ``r1`` the weight gamma of the
    gradient penalty on real images, applied every ``penalty_every`` steps; ``correspondence`` the weight of the term
    that keeps the differences between images; ``half_life`` that of the kept average, in images.
    """

    model: str
    hash: str
    resolution: int
    discriminator: str = FEATURES
    frozen: int = 2
    batch: int = 8
    rate: float = WITH_FEATURES.rate
    discriminator_rate: float = WITH_FEATURES.rate
    r1: float = WITH_FEATURES.r1
    penalty_every: int = 4
    correspondence: float = 100.0
    half_life: float = 500.0
    precision: str = "float32"
    seed: int = 0
    family: str = "adapt"

    def __post_init__(self) -> None:
        if self.batch < 4:
            raise TrainingError(f"A batch of {self.batch} shows too few differences between images; give 4 or more.")
        check_above_zero(rate=self.rate, discriminator_rate=self.discriminator_rate, half_life=self.half_life)
        check_range(0, correspondence=self.correspondence, r1=self.r1, frozen=self.frozen)
        check_range(1, penalty_every=self.penalty_every)

    @property
    def group(self) -> int:
        """Rows that belong together: the differences are within a process's rows."""
        return 4

    @property
    def discriminator_warmup(self) -> int:
        """Both networks learn from the start, their rates rising."""
        return 0

    def build(self, device: torch.device, source: Any = None) -> "Adapting":
        """Return the generator, a copy to be kept, one that stays as it was, and a new discriminator.

        Raises `TrainingError` where the model is no longer the one that the recipe was made for, or the discriminator
        that of another generator.
        """
        origin: Any = load(self.model, device=device)
        if origin.about.hash != self.hash:
            raise TrainingError(f"'{self.model}' is not the generator that this run began with; give that one.")
        generator, average = copy.deepcopy(origin), copy.deepcopy(origin)
        for name, weight in generator.named_parameters():
            weight.requires_grad_(not name.startswith(UNMOVED))
        with torch.random.fork_rng(devices=[]), torch.no_grad():
            torch.manual_seed(self.seed)
            discriminator = self._discriminator_of(origin).to(device)
        return Adapting(
            generator,
            discriminator,
            average,
            adam(generator, self.rate, BETAS),
            adam(discriminator, self.discriminator_rate, BETAS),
            origin=origin,
        )

    def _discriminator_of(self, origin: Any) -> nn.Module:
        if self.discriminator == FEATURES:
            known = origin.synthesize(origin.sample(range(KNOWN)), "z")
            return FeatureDiscriminator(load_features(device=origin.device), known)
        path = discriminator_beside(self.model) if self.discriminator == BESIDE else Path(self.discriminator)
        if path is None:
            raise TrainingError(f"No discriminator comes with '{self.model}'; give the file of one, or features.")
        discriminator, made_for = load_discriminator(path)
        if made_for not in origin.about.hashes or discriminator.resolution != origin.resolution:
            raise TrainingError(
                f"'{path}' is not the discriminator of '{self.model}'; give the one that was trained with it, or "
                "--discriminator features."
            )
        return discriminator

    def step(
        self, networks: Networks, real: Tensor, index: int, draws: Randomness, augment: Augment, team: Team
    ) -> dict[str, Tensor]:
        """Do one step on this process's share of the `real` images; returns losses and mean scores."""
        assert isinstance(networks, Adapting)
        with torch.autocast(real.device.type, getattr(torch, self.precision), enabled=self.precision != "float32"):
            seen = _discriminator_step(self, networks, real, index, draws, augment, team)
            return seen | _generator_step(self, networks, draws, augment, team)

    def usable(self, networks: Networks) -> Any:
        """Return the generator to keep: the average."""
        return networks.average


@dataclass
class Adapting(Networks):
    """What training changes, and beside it ``origin``, the generator as it was."""

    origin: Any = None


def correspondence(
    new: Mapping[str, Float[Tensor, "n *_map"]], old: Mapping[str, Float[Tensor, "n *_map"]]
) -> Float[Tensor, ""]:
    """Return how far each row's similarities to the others have moved: the Kullback-Leibler divergence from those
    between `old` maps to those between `new` ones, averaged over rows and maps (Ojha et al. 2021, Eq. 2 and 3).
    """
    parts = []
    for name, before in old.items():
        now, then = similarities(new[name]), similarities(before)
        parts.append((now.exp() * (now - then)).sum(dim=1).mean())
    return torch.stack(parts).mean()


def similarities(maps: Float[Tensor, "n *_map"]) -> Float[Tensor, "n others"]:
    """Return the logarithms of a softmax over each row's cosines with all other rows (Ojha et al. 2021, Eq. 1)."""
    unit = F.normalize(maps.flatten(1).float(), dim=1)
    cosines = unit @ unit.T
    others = ~torch.eye(len(unit), dtype=torch.bool, device=unit.device)
    return cosines[others].view(len(unit), -1).log_softmax(dim=1)


def _discriminator_step(
    recipe: AdaptationRecipe,
    networks: Adapting,
    real: Tensor,
    index: int,
    draws: Randomness,
    augment: Augment,
    team: Team,
) -> dict[str, Tensor]:
    discriminator = _free_to_learn(networks.discriminator, recipe.frozen)
    with torch.no_grad():
        made = _paint(networks.generator, *_draw(networks.generator, draws, recipe.batch), ())["image"]
        shown, made = augment(real, draws), augment(made, draws)
    pairs = list(zip(_scores(discriminator, shown), _scores(discriminator, made), strict=True))
    loss = torch.stack([hinge(ours.flatten(), theirs.flatten()) for ours, theirs in pairs]).mean()
    networks.discriminator_optimizer.zero_grad()
    loss.backward()
    if recipe.r1 and index % recipe.penalty_every == 0:
        penalty = gradient_penalty(lambda images: _mean_score(_scores(discriminator, images)), shown)
        (penalty * (recipe.r1 / 2 * recipe.penalty_every)).backward()
    team.average_gradients(discriminator)
    networks.discriminator_optimizer.step()
    real_scores, made_scores = (_mean_score(list(scores)) for scores in zip(*pairs, strict=True))
    return {"D": loss.detach(), **score_means(real_scores, made_scores)}


def _generator_step(
    recipe: AdaptationRecipe, networks: Adapting, draws: Randomness, augment: Augment, team: Team
) -> dict[str, Tensor]:
    generator, discriminator = networks.generator, networks.discriminator.requires_grad_(False)
    codes, noise = _draw(generator, draws, recipe.batch)
    painted = _paint(generator, codes, noise, generator.feature_names)
    scores = _scores(discriminator, augment(painted["image"], draws))
    loss = torch.stack([hinge_generator(None, each.flatten()) for each in scores]).mean()
    seen = {"G": loss.detach()}
    if recipe.correspondence:
        with torch.no_grad():
            before = _paint(networks.origin, codes, noise, generator.feature_names)
        seen["correspondence"] = term = correspondence(painted, before)
        loss = loss + recipe.correspondence * term
    networks.generator_optimizer.zero_grad()
    loss.backward()
    team.average_gradients(generator)
    networks.generator_optimizer.step()
    return {name: value.detach() for name, value in seen.items()}


def _draw(generator: Any, draws: Randomness, total: int) -> tuple[Tensor, Noise]:
    """Return fresh codes of the space after the mapping network, where there is one, and fresh noise maps."""
    z = draws.normal(total, *generator.dimensions("z"))
    kept = generator.own_noise() if isinstance(generator, HasNoise) else {}
    noise = {name: draws.normal(total, *map_.shape[1:]) for name, map_ in kept.items()} or "const"
    if "w" not in generator.spaces:
        return z, noise
    with torch.no_grad():
        return generator.map(z, "w+").float(), noise


def _paint(generator: Generator, codes: Tensor, noise: Noise, names: Sequence[str]) -> dict[str, Tensor]:
    """Return the maps of these names and the image."""
    space = "w+" if "w" in generator.spaces else "z"
    if not names:
        return {"image": generator.synthesize(codes, space, noise=noise)}
    return generator.features(codes, names, space, noise=noise, with_image=True)


def _scores(discriminator: nn.Module, images: Float[Tensor, "n 3 h w"]) -> list[Float[Tensor, "n _patches"]]:
    """Return the scores of patches, or of whole images as of one patch."""
    found = discriminator(images)
    return [found[:, None]] if isinstance(found, Tensor) else found


def _free_to_learn(discriminator: nn.Module, frozen: int) -> nn.Module:
    """Let a discriminator learn, but for the layers that see the finest details where it looks at images itself."""
    discriminator.requires_grad_(True)
    if isinstance(discriminator, StyleDiscriminator) and frozen:
        discriminator.from_rgb.requires_grad_(False)
        for block in list(discriminator.blocks.values())[: frozen - 1]:
            block.requires_grad_(False)
    return discriminator


def _mean_score(scores: Sequence[Float[Tensor, "n _patches"]]) -> Float[Tensor, "n"]:
    """Return each image's score: the mean over patches and maps."""
    return torch.stack([each.float().mean(dim=1) for each in scores]).mean(dim=0)
