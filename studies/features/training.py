"""Self-supervised training of the feature network, on images without labels.

Two tasks at once. Instance discrimination (SimCLR, Chen et al. 2020, Eq. 1): two views of an image (crop, mirror,
colors) have to find each other in a batch of images of one kind. Corruption estimation: views are blurred, noisy,
upsampled, warped or patched, and the level of each corruption is predicted linearly from the statistics of all maps.
Both views of an image are corrupted alike, so that instance discrimination never rewards ignoring a corruption.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from ganvas.errors import TrainingError
from ganvas.images.datasets import ImageSet, shuffled
from ganvas.metrics.features import Architecture, FeatureNetwork, statistics
from ganvas.training.alarms import check_finite
from ganvas.training.randomness import Randomness
from studies.features.freezing import freeze, with_normalization
from studies.features.views import KINDS, draw_corruptions, draw_view

INSTANCE, CORRUPTION = "instance", "corruption"


@dataclass(frozen=True)
class FeatureTrainingSettings:
    """Settings of the feature network's training.

    Attributes:
        steps: Steps to do.
        horizon: Steps of the whole schedule, of which `steps` are done.
        batch: Images of a step, in two views each.
        crops: Sizes of the views in pixels, in equal parts of the schedule.
        learning_rate: AdamW's largest learning rate; it falls along half a cosine.
        decay: AdamW's weight decay.
        temperature: Temperature of instance discrimination.
        corruption_weight: Weight of corruption estimation.
        precision: Data type of the maps.
        seed: Random seed.
    """

    steps: int = 600
    horizon: int = 1000
    batch: int = 96
    crops: tuple[int, ...] = (64, 80, 96)
    learning_rate: float = 2e-3
    decay: float = 1e-2
    temperature: float = 0.2
    corruption_weight: float = 5.0
    precision: torch.dtype = torch.bfloat16
    seed: int = 0


class Learner(nn.Module):
    """A feature network with batch normalization after every convolution, and a head for each task."""

    def __init__(self, architecture: Architecture, embedding: int = 128) -> None:
        super().__init__()
        self.network = with_normalization(FeatureNetwork(architecture))
        width = architecture.widths[-1]
        self.project = nn.Sequential(nn.Linear(width, width), nn.ReLU(), nn.Linear(width, embedding))
        self.estimate = nn.Sequential(
            nn.BatchNorm1d(architecture.statistics), nn.Linear(architecture.statistics, len(KINDS))
        )

    def forward(self, views: Float[Tensor, "n 3 h w"]) -> tuple[Float[Tensor, "n e"], Float[Tensor, "m kinds"]]:
        """Return unit embeddings of all views, and the estimated corruption levels of the first half of them (the
        statistics of large maps cost more than the maps).
        """
        maps = self.network.maps_at_size(views.contiguous(memory_format=torch.channels_last))
        embeddings = self.project(maps[-1].float().mean(dim=(2, 3)))
        of_first = statistics([feature[: len(feature) // 2] for feature in maps])
        return F.normalize(embeddings.float(), dim=1), self.estimate(of_first).float()


def instance_loss(first: Float[Tensor, "n e"], second: Float[Tensor, "n e"], temperature: float) -> Float[Tensor, ""]:
    """Return the mean of ``-log(exp(a.b / t) / sum_k exp(a.k / t))`` over all 2 n unit embeddings a, with b the other
    view of the same image and k all embeddings but a (Chen et al. 2020, Eq. 1).
    """
    embeddings = torch.cat([first, second])
    similarities = embeddings @ embeddings.T / temperature
    similarities.fill_diagonal_(-math.inf)
    partner = torch.arange(len(embeddings), device=embeddings.device).roll(len(first))
    return F.cross_entropy(similarities, partner)


def train(
    sets: Sequence[ImageSet],
    settings: FeatureTrainingSettings,
    architecture: Architecture = Architecture(),
    on_step: Callable[[int, dict[str, float]], None] = lambda step, losses: None,
) -> FeatureNetwork:
    """Return a feature network trained on the images of several sets.

    Each batch is of one set, chosen with a probability that grows with the square root of its size. `on_step` is called
    with the number of steps done and the losses. Raises `TrainingError` where there are fewer images than twice the
    features.
    """
    total = sum(map(len, sets))
    if total < 2 * architecture.features:
        raise TrainingError(
            f"{total} images are too few for {architecture.features} features; give at least "
            f"{2 * architecture.features}, better some thousands."
        )
    torch.manual_seed(settings.seed)
    learner = Learner(architecture)
    optimizer = torch.optim.AdamW(learner.parameters(), settings.learning_rate, weight_decay=settings.decay)
    weights = torch.tensor([len(images) ** 0.5 for images in sets]).cumsum(0)
    shown = [0] * len(sets)
    for step in range(settings.steps):
        draws = Randomness(settings.seed, step)
        chosen = int((draws.uniform(1) * weights[-1] >= weights).sum())
        indices = shuffled(settings.seed, shown[chosen], shown[chosen] + settings.batch, len(sets[chosen]))
        shown[chosen] += settings.batch
        size = settings.crops[step * len(settings.crops) // settings.horizon]
        losses = _losses(learner, sets[chosen].batch(indices), size, settings, draws)
        for group in optimizer.param_groups:
            group["lr"] = learning_rate_at(step, settings)
        optimizer.zero_grad()
        (losses[INSTANCE] + settings.corruption_weight * losses[CORRUPTION]).backward()
        optimizer.step()
        check_finite({name: loss.detach() for name, loss in losses.items()}, f"{step + 1} steps")
        on_step(step + 1, {name: float(loss.detach()) for name, loss in losses.items()})
    check_finite(dict(learner.named_parameters()), f"{settings.steps} steps")
    return freeze(learner.network, sets, Randomness(settings.seed, settings.steps))


def learning_rate_at(step: int, settings: FeatureTrainingSettings) -> float:
    """Return the learning rate: a linear warm-up over a tenth of the schedule, then half a cosine to 0 at its end."""
    warmup = max(1, settings.horizon // 10)
    done = max(0, step - warmup) / max(1, settings.horizon - warmup)
    return settings.learning_rate * min(1.0, (step + 1) / warmup) * 0.5 * (1 + math.cos(math.pi * done))


def _losses(
    learner: Learner,
    images: Float[Tensor, "n 3 r r"],
    size: int,
    settings: FeatureTrainingSettings,
    draws: Randomness,
) -> dict[str, Tensor]:
    drawn = draw_corruptions(draws, len(images))
    views = [draw_view(images, size, drawn, draws) for _ in range(2)]
    with torch.autocast("cpu", settings.precision, enabled=settings.precision != torch.float32):
        embeddings, levels = learner(torch.cat(views))
    first, second = embeddings.chunk(2)
    return {
        INSTANCE: instance_loss(first, second, settings.temperature),
        CORRUPTION: F.mse_loss(levels, drawn.targets()) * len(KINDS),
    }
