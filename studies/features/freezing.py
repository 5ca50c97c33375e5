"""The trained feature network in its final form: normalization folded in, global features as a linear map."""

import copy
from collections.abc import Callable, Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ganvas.images.datasets import ImageSet, shuffled
from ganvas.metrics.distribution import moments, principal_basis
from ganvas.metrics.features import FeatureNetwork, statistics
from ganvas.training.randomness import Randomness
from studies.features.views import corrupt, draw_corruptions


@torch.no_grad()
def freeze(
    network: FeatureNetwork, sets: Sequence[ImageSet], draws: Randomness, count: int = 1024, batch: int = 64
) -> FeatureNetwork:
    """Return a network with normalization as a frozen one without, by its maps of at most `count` images of each set.

    Normalization takes the statistics of whole images instead of those of crops and is folded into the convolutions.
    Global features become the principal components of the maps' statistics, with unit variance, and for each kind of
    corruption the direction that best predicts its level.
    """
    chosen = [each.batch(shuffled(0, 0, min(count, len(each)), len(each))) for each in sets]
    images = torch.cat(chosen)[torch.randperm(sum(map(len, chosen)), generator=torch.Generator().manual_seed(0))]
    batches = images.split(batch)
    network = folded(_with_statistics_of(network, batches))
    drawn = [draw_corruptions(draws, len(part)) for part in batches]
    corrupted = [corrupt(part, each, draws) for part, each in zip(batches, drawn, strict=True)]
    clean, damaged = (torch.cat([statistics(network.maps(part)) for part in each]) for each in (batches, corrupted))
    predictors = level_directions(damaged, torch.cat([each.targets() for each in drawn]))
    network.mean.copy_(clean.mean(0))
    network.projection.copy_(feature_matrix(clean, predictors, network.architecture.features))
    return network.requires_grad_(False)


def _with_statistics_of(network: FeatureNetwork, batches: Sequence[Tensor]) -> FeatureNetwork:
    """Set the batch normalization's statistics to those of these images."""
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.reset_running_stats()
            module.momentum = None  # the plain average of all batches
    network.train()
    for part in batches:
        network.maps(part)
    return network.eval()


def feature_matrix(
    statistics: Float[Tensor, "n d"], predictors: Float[Tensor, "d j"], count: int
) -> Float[Tensor, "d k"]:
    """Return the matrix from centered statistics to `count` features, each of unit variance over these samples: first
    the principal components of the standardized statistics, then the projections onto `predictors`.
    """
    centered = statistics.double() - statistics.double().mean(0)
    stds = centered.std(0).clamp_min(1e-6)
    most = min(count - predictors.shape[1], len(centered) - 1)
    components = principal_basis(moments(centered / stds)[1], most) / stds[:, None]
    matrix = torch.cat([components, predictors.double()], dim=1)
    return (matrix / (centered @ matrix).std(0)).to(statistics.dtype)


def level_directions(
    statistics: Float[Tensor, "n d"], levels: Float[Tensor, "n j"], ridge: float = 5e-2
) -> Float[Tensor, "d j"]:
    """Return the directions that predict levels from statistics by ridge regression: the minimizers b of ``|S b -
    level|^2 + ridge n |b|^2``, with S the standardized statistics and centered levels.
    """
    centered = statistics.double() - statistics.double().mean(0)
    stds = centered.std(0).clamp_min(1e-6)
    centered = centered / stds
    gram = centered.T @ centered / len(statistics)
    gram += ridge * torch.eye(statistics.shape[1], dtype=torch.float64)
    targets = levels.double() - levels.double().mean(0)
    solution = torch.linalg.solve(gram, centered.T @ targets / len(statistics))
    return (solution / stds[:, None]).to(statistics.dtype)


def with_normalization(network: FeatureNetwork) -> FeatureNetwork:
    """Return a copy with batch normalization after every convolution, in place of the bias."""
    return _replaced(
        network, nn.Conv2d, lambda layer: nn.Sequential(_unbiased(layer), nn.BatchNorm2d(layer.out_channels))
    )


def folded(network: FeatureNetwork) -> FeatureNetwork:
    """Return the network without normalization, folded into the convolutions; its maps are those of evaluation mode."""
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
