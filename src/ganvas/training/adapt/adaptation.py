"""Few-shot adaptation (Ojha et al. 2021): a trained generator moves to a new class from a handful of images.

The discriminator is the one that the generator was trained against, which has seen thousands of images of a related
class, or where that is lost the one of `ganvas.training.adapt.feature_discriminator`. Cross-domain correspondence
(section 3.1) keeps the pairwise similarities of the feature maps of different codes as they were in the original
generator. The mapping network is frozen, so that w keeps its meaning.
"""

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ganvas.checkpoints.load import load
from ganvas.errors import TrainingError
from ganvas.errors.arguments import checked_as
from ganvas.errors.ranges import Batch, LayerCount, Positive, Rate, Seed, Size, Steps, Weight
from ganvas.generators.protocol import Generator, HasNoise, Noise
from ganvas.images.datasets import ImageSet
from ganvas.metrics.features import load_features
from ganvas.training.adapt.feature_discriminator import FeatureDiscriminator
from ganvas.training.adapt.photo_similarity import SIMILARITY, PhotoSimilarity
from ganvas.training.checks import check_precision, dtype_of
from ganvas.training.gan.discriminator_files import companion_discriminator_path, load_discriminator
from ganvas.training.gan.discriminators import StyleDiscriminator
from ganvas.training.gan.losses import gradient_penalty, hinge, hinge_generator, score_metrics
from ganvas.training.gan.networks import Networks, SheetMeasure, adam
from ganvas.training.gan.step import Step
from ganvas.training.randomness import Randomness

BETAS = (0.0, 0.99)
STATISTICS_SEEDS = range(64)
FROZEN_PART = "mapping."
FEATURES, COMPANION, AUTO = "features", "companion", "auto"


@dataclass(frozen=True)
class AdaptationDefaults:
    """The learning rate of both networks, the weight of the gradient penalty and the half-life of the average that
    worked with a discriminator.
    """

    learning_rate: float
    r1: float
    half_life: float


WITH_DISCRIMINATOR, WITH_FEATURES = AdaptationDefaults(1e-3, 1.0, 250.0), AdaptationDefaults(2e-3, 0.0, 500.0)


@checked_as(TrainingError)
@dataclass(frozen=True)
class AdaptationSettings:
    """Settings of few-shot adaptation; `of_model` fills in those that follow from the generator.

    Attributes:
        model: Name or file of the generator to adapt.
        hash: Its hash.
        resolution: Width and height of its images.
        discriminator: "features", "companion" (the discriminator that comes with the model) or a discriminator file.
        frozen: How many of the discriminator's finest layers stay frozen (FreezeD, Mo et al. 2020).
        batch: Batch size, at least 4 for each process.
        learning_rate: Adam's learning rate for the generator.
        discriminator_learning_rate: Adam's learning rate for the discriminator.
        r1: Weight gamma of the gradient penalty on real images.
        penalty_every: Steps from one gradient penalty to the next.
        correspondence: Weight of the cross-domain correspondence loss.
        half_life: Half-life of the averaged generator, in images.
        precision: "float32", "bfloat16" or "auto", of the feature maps.
        seed: Random seed.
        family: The kind of training, as snapshots name it.
    """

    model: str
    hash: str
    resolution: Size
    discriminator: str = FEATURES
    frozen: LayerCount = 2
    batch: Batch = 8
    learning_rate: Rate = WITH_FEATURES.learning_rate
    discriminator_learning_rate: Rate = WITH_FEATURES.learning_rate
    r1: Weight = WITH_FEATURES.r1
    penalty_every: Steps = 4
    correspondence: Weight = 100.0
    half_life: Positive = WITH_FEATURES.half_life
    precision: str = "float32"
    seed: Seed = 0
    family: str = "adapt"

    group_size: ClassVar[int] = 4  # similarities are computed within a process's samples
    discriminator_warmup: ClassVar[int] = 0  # both networks learn from the first step, with a learning-rate warm-up

    def __post_init__(self) -> None:
        if self.batch < 4:
            raise TrainingError(f"A batch of {self.batch} shows too few differences between images; give 4 or more.")
        check_precision(self.precision)

    @classmethod
    def of_model(
        cls, model: str, discriminator: str = AUTO, learning_rate: float | None = None, **settings: object
    ) -> "AdaptationSettings":
        """Return the settings for a generator.

        Args:
            model: Name or file of the generator to adapt.
            discriminator: "auto" for the companion discriminator where there is one, else "features"; or "companion",
                "features" or a discriminator file.
            learning_rate: Learning rate of both networks; by default 1e-3 with a trained discriminator, else 2e-3.
            settings: Other settings by name.

        Raises:
            GanvasError: There is no such generator, or a setting is out of its range.
        """
        generator: Any = load(model)
        if discriminator == AUTO:
            discriminator = COMPANION if companion_discriminator_path(model) else FEATURES
        default = WITH_FEATURES if discriminator == FEATURES else WITH_DISCRIMINATOR
        rate = default.learning_rate if learning_rate is None else learning_rate
        rates = {"learning_rate": rate, "discriminator_learning_rate": rate, "r1": default.r1}
        given: dict[str, Any] = rates | {"half_life": default.half_life} | settings
        return cls(model, generator.about.hash, generator.resolution, discriminator, **given)

    def build(self, device: torch.device, source: Any = None) -> "AdaptationNetworks":
        """Return the generator, its average, its frozen original, and a discriminator.

        Raises `TrainingError` where the model or the discriminator is not that of these settings.
        """
        origin: Any = load(self.model, device=device)
        if origin.about.hash != self.hash:
            raise TrainingError(f"'{self.model}' is not the generator that this run began with; give that one.")
        generator, average = copy.deepcopy(origin), copy.deepcopy(origin)
        for name, weight in generator.named_parameters():
            weight.requires_grad_(not name.startswith(FROZEN_PART))
        with torch.random.fork_rng(devices=[]), torch.no_grad():
            torch.manual_seed(self.seed)
            discriminator = self._discriminator_for(origin).to(device)
        return AdaptationNetworks(
            generator,
            discriminator,
            average,
            adam(generator, self.learning_rate, BETAS),
            adam(discriminator, self.discriminator_learning_rate, BETAS),
            origin=origin,
        )

    def _discriminator_for(self, origin: Any) -> nn.Module:
        if self.discriminator == FEATURES:
            known = origin.synthesize(origin.sample(STATISTICS_SEEDS), "z")
            return FeatureDiscriminator(load_features(device=origin.device), known)
        named = self.discriminator
        path = companion_discriminator_path(self.model) if named == COMPANION else Path(named)
        if path is None:
            raise TrainingError(f"No discriminator comes with '{self.model}'; give the file of one, or features.")
        discriminator, generator_hash = load_discriminator(path)
        if generator_hash not in origin.about.hashes or discriminator.resolution != origin.resolution:
            raise TrainingError(
                f"'{path}' is not the discriminator of '{self.model}'; give the one that was trained with it, or "
                "--discriminator features."
            )
        return discriminator

    def step(self, networks: Networks, step: Step) -> dict[str, Tensor]:
        """Do one step, both networks on the same fake images; returns losses and mean scores."""
        assert isinstance(networks, AdaptationNetworks)
        generator = networks.generator
        with torch.autocast(step.real.device.type, dtype_of(self.precision), enabled=self.precision != "float32"):
            codes, noise = _draw(generator, step.draws, self.batch)
            maps = _synthesize(generator, codes, noise, generator.feature_names)
            fake = maps["image"].detach()
            metrics = _discriminator_step(self, networks, fake, step)
            original: dict[str, Tensor] = {}
            if self.correspondence:
                with torch.no_grad():
                    original = _synthesize(networks.origin, codes, noise, generator.feature_names)
            return metrics | _generator_step(self, networks, maps, original, step)

    def exported(self, networks: Networks) -> Any:
        """Return the generator to keep: the average."""
        return networks.average


@dataclass
class AdaptationNetworks(Networks):
    """The state that training changes, and ``origin``, the original generator."""

    origin: Any = None

    def sheet_measure(self, data: ImageSet, samples_of: Callable[[Any], Tensor]) -> SheetMeasure:
        """Return what measures how far the samples of a sheet have moved to the photos."""
        similarity = PhotoSimilarity(data, samples_of(self.origin), load_features(device=self.origin.device))
        return lambda samples: {SIMILARITY: similarity.of(samples)}


def correspondence(
    new: Mapping[str, Float[Tensor, "n *_map"]], old: Mapping[str, Float[Tensor, "n *_map"]]
) -> Float[Tensor, ""]:
    """Return the cross-domain correspondence loss (Ojha et al. 2021, Eq. 2 and 3): the Kullback-Leibler divergence of
    each sample's similarities between `new` maps from those between `old` ones, averaged over samples and maps.
    """
    parts = []
    for name, old_maps in old.items():
        log_new, log_old = similarities(new[name]), similarities(old_maps)
        parts.append((log_new.exp() * (log_new - log_old)).sum(dim=1).mean())
    return torch.stack(parts).mean()


def similarities(maps: Float[Tensor, "n *_map"]) -> Float[Tensor, "n others"]:
    """Return the log-softmax of each sample's cosine similarities to the others (Ojha et al. 2021, Eq. 1)."""
    flat = maps.flatten(1).float()
    with torch.autocast(flat.device.type, enabled=False):  # products of long vectors, of which small differences count
        products = flat @ flat.T
    lengths = products.diagonal().clamp_min(1e-12).sqrt()
    cosines = products / (lengths[:, None] * lengths)
    others = ~torch.eye(len(flat), dtype=torch.bool, device=flat.device)
    return cosines[others].view(len(flat), -1).log_softmax(dim=1)


def _discriminator_step(
    settings: AdaptationSettings,
    networks: AdaptationNetworks,
    fake: Tensor,
    step: Step,
) -> dict[str, Tensor]:
    discriminator = _unfreeze(networks.discriminator, settings.frozen)
    with torch.no_grad():
        real, fake = step.augmented(step.real), step.augmented(fake)
    pairs = list(zip(_patch_scores(discriminator, real), _patch_scores(discriminator, fake), strict=True))
    loss = torch.stack([hinge(of_real.flatten(), of_fake.flatten()) for of_real, of_fake in pairs]).mean()
    networks.discriminator_optimizer.zero_grad()
    loss.backward()
    if settings.r1 and step.is_due(settings.penalty_every):
        penalty = gradient_penalty(lambda images: _mean_score(_patch_scores(discriminator, images)), real)
        (penalty * (settings.r1 / 2 * settings.penalty_every)).backward()
    step.processes.average_gradients(discriminator)
    networks.discriminator_optimizer.step()
    real_scores, fake_scores = (_mean_score(list(scores)) for scores in zip(*pairs, strict=True))
    return {"D": loss.detach(), **score_metrics(real_scores, fake_scores)}


def _generator_step(
    settings: AdaptationSettings,
    networks: AdaptationNetworks,
    maps: Mapping[str, Tensor],
    original: Mapping[str, Tensor],
    step: Step,
) -> dict[str, Tensor]:
    generator, discriminator = networks.generator, networks.discriminator.requires_grad_(False)
    scores = _patch_scores(discriminator, step.augmented(maps["image"]))
    loss = torch.stack([hinge_generator(None, each.flatten()) for each in scores]).mean()
    metrics = {"G": loss.detach()}
    if original:
        metrics["correspondence"] = term = correspondence(maps, original)
        loss = loss + settings.correspondence * term
    networks.generator_optimizer.zero_grad()
    loss.backward()
    step.processes.average_gradients(generator)
    networks.generator_optimizer.step()
    return {name: value.detach() for name, value in metrics.items()}


def _draw(generator: Any, draws: Randomness, total: int) -> tuple[Tensor, Noise]:
    """Return fresh codes, w+ where the generator has it and else z, and fresh noise maps."""
    z = draws.normal(total, *generator.dimensions("z"))
    own = generator.own_noise() if isinstance(generator, HasNoise) else {}
    noise = {name: draws.normal(total, *map_.shape[1:]) for name, map_ in own.items()} or "const"
    if "w" not in generator.spaces:
        return z, noise
    with torch.no_grad():
        return generator.map(z, "w+").float(), noise


def _synthesize(generator: Generator, codes: Tensor, noise: Noise, names: Sequence[str]) -> dict[str, Tensor]:
    """Return the maps of these names and the image."""
    space = "w+" if "w" in generator.spaces else "z"
    if not names:
        return {"image": generator.synthesize(codes, space, noise=noise)}
    return generator.features(codes, names, space, noise=noise, with_image=True)


def _patch_scores(discriminator: nn.Module, images: Float[Tensor, "n 3 h w"]) -> list[Float[Tensor, "n _patches"]]:
    """Return the scores of patches; a score of a whole image counts as one patch."""
    scores = discriminator(images)
    return [scores[:, None]] if isinstance(scores, Tensor) else scores


def _unfreeze(discriminator: nn.Module, frozen: int) -> nn.Module:
    """Make a discriminator trainable, except the `frozen` finest layers of StyleGAN2's (FreezeD)."""
    discriminator.requires_grad_(True)
    if isinstance(discriminator, StyleDiscriminator) and frozen:
        discriminator.from_rgb.requires_grad_(False)
        for block in list(discriminator.blocks.values())[: frozen - 1]:
            block.requires_grad_(False)
    return discriminator


def _mean_score(scores: Sequence[Float[Tensor, "n _patches"]]) -> Float[Tensor, "n"]:
    """Return each image's score: the mean over patches and maps."""
    return torch.stack([each.float().mean(dim=1) for each in scores]).mean(dim=0)
