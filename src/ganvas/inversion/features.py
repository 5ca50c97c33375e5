"""Feature extractors: the networks through which a perceptual loss compares images."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

from ganvas.metrics.features import FeatureNetwork, load_features
from ganvas.metrics.lpips import PublishedFeatures
from ganvas.metrics.perceptual import unit_maps


@runtime_checkable
class FeatureExtractor(Protocol):
    """Images to feature maps whose squared differences, summed over channels, averaged over pixels and summed over
    maps, are a perceptual distance. Weights of maps and channels are applied to the maps, as their square roots.
    """

    @property
    def name(self) -> str:
        """The name of the distance, for tables."""
        ...

    def __call__(self, images: Float[Tensor, "n 3 h w"]) -> Sequence[Tensor]:
        """Return the maps [n, c, h, w] of images in [-1, 1], differentiable; samples do not influence each other."""
        ...


@dataclass(frozen=True)
class BundledFeatures:
    """Ganvas' own feature network; its distance is `ganvas.metrics.perceptual.perceptual_distance`."""

    network: FeatureNetwork
    name: str = "Ganvas perceptual distance"

    def __call__(self, images: Float[Tensor, "n 3 h w"]) -> list[Tensor]:
        """Return maps of unit vectors; every map has the same weight."""
        maps = unit_maps(self.network, images)
        return [feature / math.sqrt(len(maps)) for feature in maps]


def bundled_features(device: str | torch.device = "cpu") -> BundledFeatures:
    """Return Ganvas' own feature network as a feature extractor."""
    return BundledFeatures(load_features(device=device))


def recorded_name(features: FeatureExtractor) -> str:
    """Return what tells a distance from others in the record of a study: its name, with the hash of weights that are
    read from files.
    """
    return f"{features.name} {features.hash}" if isinstance(features, PublishedFeatures) else features.name
