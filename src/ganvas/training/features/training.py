"""Training the feature network without labels, on images alone.

Two tasks at once. Telling apart: two views of an image (crop, mirror, colors) have to find each other among a batch
of one kind of images (instance discrimination, the loss of SimCLR, Chen et al. 2020, Eq. 1). Judging: views are
blurred, noisy, enlarged, warped or patched, and how much of which has to be read linearly from the statistics of all
maps. Both views of an image are spoiled alike, so that telling apart never rewards blindness to it.
"""

import copy
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from ganvas.errors import TrainingError
from ganvas.images.datasets import ImageSet
from ganvas.images.pixels import resize
from ganvas.metrics import corruptions as distortions
from ganvas.metrics.distribution import principal_basis
from ganvas.metrics.features import Architecture, FeatureNetwork, statistics
from ganvas.training.randomness import Randomness, shuffled

SPOILED = 0.6
KINDS = ("blur", "noise", "coarse", "warp", "patch")


@dataclass(frozen=True)
class Settings:
    """Everything a training depends on beside the images.

    ``batch`` images in two views each, for ``steps`` steps of a plan for ``horizon`` steps: views grow from the first
    to the last of ``crops``, in pixels, in equal parts of it; ``rate`` is Adam's at its height, falling along half a
    cosine, and ``decay`` that of the weights; ``temperature`` that of telling apart, ``judging`` the weight of the
    other task; ``precision`` that of the maps.
    """

    steps: int = 600
    horizon: int = 1000
    batch: int = 96
    crops: tuple[int, ...] = (64, 80, 96)
    rate: float = 2e-3
    decay: float = 1e-2
    temperature: float = 0.2
    judging: float = 5.0
    precision: torch.dtype = torch.bfloat16
    seed: int = 0


class Learner(nn.Module):
    """A feature network with batch normalization after every convolution, and a head for each of the two tasks."""

    def __init__(self, architecture: Architecture, embedding: int = 128) -> None:
        super().__init__()
        self.network = with_normalization(FeatureNetwork(architecture))
        width = architecture.widths[-1]
        self.project = nn.Sequential(nn.Linear(width, width), nn.ReLU(), nn.Linear(width, embedding))
        self.discriminator = nn.Sequential(
            nn.BatchNorm1d(architecture.statistics), nn.Linear(architecture.statistics, len(KINDS))
        )

    def forward(self, views: Float[Tensor, "n 3 h w"]) -> tuple[Float[Tensor, "n e"], Float[Tensor, "m kinds"]]:
        """Return codes of unit length for telling apart, and how much of which distortion is seen in the first half of
        the rows: statistics of large maps take longer than the maps.
        """
        maps = self.network.maps_at_size(views.contiguous(memory_format=torch.channels_last))
        codes = self.project(maps[-1].float().mean(dim=(2, 3)))
        judged = statistics([feature[: len(feature) // 2] for feature in maps])
        return F.normalize(codes.float(), dim=1), self.discriminator(judged).float()


def instance_loss(first: Float[Tensor, "n e"], second: Float[Tensor, "n e"], temperature: float) -> Float[Tensor, ""]:
    """Return the mean of ``-log(exp(a.b / t) / sum_k exp(a.k / t))`` over all 2 n codes a, with b the other view of the
    same image and k all codes but a (Chen et al. 2020, Eq. 1); codes have unit length.
    """
    codes = torch.cat([first, second])
    likeness = codes @ codes.T / temperature
    likeness.fill_diagonal_(-math.inf)
    partner = torch.arange(len(codes), device=codes.device).roll(len(first))
    return F.cross_entropy(likeness, partner)


@dataclass(frozen=True)
class Spoiling:
    """What is done to each row of a batch: of kind ``kinds[i]`` (-1: nothing) as much as ``levels[i]`` in (0, 1]."""

    kinds: Int[Tensor, "n"]
    levels: Float[Tensor, "n"]

    def targets(self) -> Float[Tensor, "n kinds"]:
        """Return the level in the column of the kind, 0 elsewhere."""
        columns = torch.arange(len(KINDS)) == self.kinds[:, None]
        return columns * self.levels[:, None]


def draw_spoiling(draws: Randomness, rows: int) -> Spoiling:
    """Draw what is done to each row; rows that are made coarse share their level."""
    kinds = torch.where(draws.chance(SPOILED, rows), draws.whole(len(KINDS), rows), -1)
    levels = draws.uniform(rows) * 0.95 + 0.05
    levels = torch.where(kinds == KINDS.index("coarse"), draws.uniform(1) * 0.95 + 0.05, levels)
    return Spoiling(kinds, levels)


def spoil(images: Float[Tensor, "n 3 s s"], what: Spoiling, draws: Randomness) -> Float[Tensor, "n 3 s s"]:
    """Return the images with it done to them: blurred by 0.3 to 4 pixels, noise of deviation 0.02 to 0.5, brought to
    1/4 of the size and back at most, points moved by 0.5 to 4 pixels, a round piece of another image of radius 0.1 to
    0.35.
    """
    size, out = images.shape[-1], images.clone()
    of = {kind: (what.kinds == number).nonzero().flatten() for number, kind in enumerate(KINDS)}
    level = {kind: what.levels[rows] for kind, rows in of.items()}
    noise = draws.normal(len(images), 3, size, size)[of["noise"]]
    bends = draws.normal(len(images), 2, 6, 6)[of["warp"]]
    centers = draws.uniform(len(images), 2)[of["patch"]] * 0.6 + 0.2
    out[of["blur"]] = distortions.blur(images[of["blur"]], 0.3 * (4 / 0.3) ** level["blur"])
    out[of["noise"]] = distortions.add_noise(images[of["noise"]], 0.02 * 25 ** level["noise"], noise)
    if len(of["coarse"]):
        out[of["coarse"]] = distortions.coarsen(images[of["coarse"]], round(size * 4 ** -float(level["coarse"][0])))
    out[of["warp"]] = distortions.warp(images[of["warp"]], 0.5 * 8 ** level["warp"], bends)
    others = images.roll(1, 0)[of["patch"]]
    out[of["patch"]] = distortions.transplant(images[of["patch"]], others, centers, 0.1 + 0.25 * level["patch"])
    return out


def draw_view(
    images: Float[Tensor, "n 3 r r"], size: int, what: Spoiling, draws: Randomness
) -> Float[Tensor, "n 3 size size"]:
    """Return a crop of each image, mirrored or not, in other colors, and spoiled.

    Crops are cut at their size or up to 4/3 of it and made smaller, never larger, which would blur them.
    """
    rows, resolution = len(images), images.shape[-1]
    largest = min(resolution, size * 4 // 3)
    side = size + int(draws.whole(largest - size + 1, 1))
    corners = draws.whole(resolution - side + 1, rows, 2)
    views = resize(distortions.crop(images, corners, side), size, size)
    views = torch.where(draws.chance(0.5, rows)[:, None, None, None], views.flip(3), views)
    views = spoil(views, what, draws)
    contrast = 0.75 + 0.5 * draws.uniform(rows, 1)
    gains = contrast * (0.88 + 0.24 * draws.uniform(rows, 3))
    return distortions.recolor(views, gains, 0.5 * draws.uniform(rows) - 0.25, 0.5 + draws.uniform(rows))


def train(
    sets: Sequence[ImageSet],
    settings: Settings,
    architecture: Architecture = Architecture(),
    progress: Callable[[int, dict[str, float]], None] = lambda step, seen: None,
) -> FeatureNetwork:
    """Return a feature network trained on the images of several sets, each batch of one of them, chosen by the square
    root of their sizes; `progress` is told losses after each step.

    Raises `TrainingError` where there are fewer images than twice the features.
    """
    total = sum(map(len, sets))
    if total < 2 * architecture.features:
        raise TrainingError(
            f"{total} images are too few for {architecture.features} features; give at least "
            f"{2 * architecture.features}, better some thousands."
        )
    torch.manual_seed(settings.seed)
    learner = Learner(architecture)
    optimizer = torch.optim.AdamW(learner.parameters(), settings.rate, weight_decay=settings.decay)
    weights = torch.tensor([len(images) ** 0.5 for images in sets]).cumsum(0)
    seen = [0] * len(sets)
    for step in range(settings.steps):
        draws = Randomness(settings.seed, step)
        chosen = int((draws.uniform(1) * weights[-1] >= weights).sum())
        indices = shuffled(settings.seed, seen[chosen], seen[chosen] + settings.batch, len(sets[chosen]))
        seen[chosen] += settings.batch
        size = settings.crops[step * len(settings.crops) // settings.horizon]
        losses = _losses(learner, sets[chosen].batch(indices), size, settings, draws)
        for group in optimizer.param_groups:
            group["lr"] = rate_at(step, settings)
        optimizer.zero_grad()
        (losses["telling apart"] + settings.judging * losses["judging"]).backward()
        optimizer.step()
        progress(step + 1, {name: float(loss.detach()) for name, loss in losses.items()})
    return finish(learner, sets, settings)


def rate_at(step: int, settings: Settings) -> float:
    """Return Adam's rate: rising for a tenth of the plan, then falling along half a cosine to nothing at its end."""
    warm = max(1, settings.horizon // 10)
    done = max(0, step - warm) / max(1, settings.horizon - warm)
    return settings.rate * min(1.0, (step + 1) / warm) * 0.5 * (1 + math.cos(math.pi * done))


def _losses(
    learner: Learner, images: Float[Tensor, "n 3 r r"], size: int, settings: Settings, draws: Randomness
) -> dict[str, Tensor]:
    what = draw_spoiling(draws, len(images))
    views = [draw_view(images, size, what, draws) for _ in range(2)]
    with torch.autocast("cpu", settings.precision, enabled=settings.precision != torch.float32):
        codes, seen = learner(torch.cat(views))
    first, second = codes.chunk(2)
    return {
        "telling apart": instance_loss(first, second, settings.temperature),
        "judging": F.mse_loss(seen, what.targets()) * len(KINDS),
    }


@torch.no_grad()
def finish(
    learner: Learner, sets: Sequence[ImageSet], settings: Settings, count: int = 1024, batch: int = 64
) -> FeatureNetwork:
    """Return the network frozen, by what it sees in at most `count` whole images of each set.

    Normalization takes their statistics instead of those of crops and is folded into the convolutions. Global features
    become the principal components of the maps' statistics, at equal deviation, and one direction for each kind of
    distortion, along which its amount is best told.
    """
    chosen = [each.batch(shuffled(0, 0, min(count, len(each)), len(each))) for each in sets]
    images = torch.cat(chosen)[torch.randperm(sum(map(len, chosen)), generator=torch.Generator().manual_seed(0))]
    parts = images.split(batch)
    network = learner.network
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.reset_running_stats()
            module.momentum = None  # the plain average of all batches
    network.train()
    for part in parts:
        network.maps(part)
    network = folded(network.eval())
    draws = Randomness(settings.seed, settings.steps)
    what = [draw_spoiling(draws, len(part)) for part in parts]
    spoiled = [spoil(part, each, draws) for part, each in zip(parts, what, strict=True)]
    seen, seen_spoiled = (torch.cat([statistics(network.maps(part)) for part in each]) for each in (parts, spoiled))
    told = telling_directions(seen_spoiled, torch.cat([each.targets() for each in what]))
    network.mean.copy_(seen.mean(0))
    network.projection.copy_(features_of_statistics(seen, told, network.architecture.features))
    return network.requires_grad_(False)


def features_of_statistics(seen: Float[Tensor, "n d"], told: Float[Tensor, "d j"], count: int) -> Float[Tensor, "d k"]:
    """Return the matrix that makes of statistics (less their mean) `count` features of unit deviation over these rows:
    those along `told`, and before them the first principal components of what each statistic is in its own deviation.
    """
    centered = seen.double() - seen.double().mean(0)
    stds = centered.std(0).clamp_min(1e-6)
    components = principal_basis(centered / stds, count - told.shape[1]) / stds[:, None]
    matrix = torch.cat([components, told.double()], dim=1)
    return (matrix / (centered @ matrix).std(0)).to(seen.dtype)


def telling_directions(
    seen: Float[Tensor, "n d"], levels: Float[Tensor, "n j"], ridge: float = 5e-2
) -> Float[Tensor, "d j"]:
    """Return the directions b that tell levels from statistics s best: those of least ``|S b - level|^2 + ridge n
    |b|^2``, all centered and each statistic in its own deviation.
    """
    centered = seen.double() - seen.double().mean(0)
    stds = centered.std(0).clamp_min(1e-6)
    centered = centered / stds
    gram = centered.T @ centered / len(seen) + ridge * torch.eye(seen.shape[1], dtype=torch.float64)
    targets = levels.double() - levels.double().mean(0)
    solution = torch.linalg.solve(gram, centered.T @ targets / len(seen))
    return (solution / stds[:, None]).to(seen.dtype)


def with_normalization(network: FeatureNetwork) -> FeatureNetwork:
    """Return the network with batch normalization after every convolution in place of its bias."""
    return _replaced(
        network, nn.Conv2d, lambda layer: nn.Sequential(_unbiased(layer), nn.BatchNorm2d(layer.out_channels))
    )


def folded(network: FeatureNetwork) -> FeatureNetwork:
    """Return the network with plain convolutions that give what those with normalization give in evaluation."""
    return _replaced(network, nn.Sequential, lambda pair: nn.utils.fuse_conv_bn_eval(pair[0], pair[1]))


def _unbiased(layer: nn.Conv2d) -> nn.Conv2d:
    new = nn.Conv2d(layer.in_channels, layer.out_channels, 3, padding=1, bias=False)
    nn.init.kaiming_normal_(new.weight, 0.2)
    return new


def _replaced(network: FeatureNetwork, kind: type, build: Callable) -> FeatureNetwork:
    network = copy.deepcopy(network)
    for parent in (network, *network.stages):
        for name, layer in list(parent.named_children()):
            if isinstance(layer, kind):
                setattr(parent, name, build(layer))
    return network
