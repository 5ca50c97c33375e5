"""How far the samples of an adapted generator have moved towards the photos that it adapts to."""

import torch
from jaxtyping import Float
from torch import Tensor

from ganvas.images.datasets import ImageSet
from ganvas.metrics.features import FeatureNetwork, global_features

MOST_PHOTOS = 64
SIMILARITY = "photo_similarity"


class PhotoSimilarity:
    """Measures where the mean of samples lies on the way from the original generator's mean o to the photos' mean p, in
    global features: ``<s - o, p - o> / |p - o|^2``, 0 for the `original` samples and 1 for the photos.

    The distance to the nearest photo does not show progress: a cat is as far from a dog as that is from the next dog.
    """

    def __init__(self, photos: ImageSet, original: Float[Tensor, "n 3 h w"], network: FeatureNetwork) -> None:
        chosen = photos.batch(photos.spread(min(len(photos), MOST_PHOTOS)))
        self._network = network
        self._original = self._mean(original)
        self._way = self._mean(torch.cat([chosen, chosen.flip(3)])) - self._original

    def of(self, samples: Float[Tensor, "n 3 h w"]) -> float:
        """Return the similarity of samples."""
        moved = self._mean(samples) - self._original
        return float(moved @ self._way / (self._way @ self._way).clamp_min(1e-12))

    def _mean(self, images: Float[Tensor, "n 3 h w"]) -> Float[Tensor, "d"]:
        device = next(self._network.parameters()).device
        return global_features(self._network, images.to(device)).mean(0)
