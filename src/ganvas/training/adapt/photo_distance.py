"""How near the samples of an adapted generator have come to the photos that it adapts to."""

import torch
from jaxtyping import Float
from torch import Tensor

from ganvas.images.datasets import ImageSet
from ganvas.metrics.features import FeatureNetwork
from ganvas.metrics.perceptual import all_distances, unit_maps

MOST_PHOTOS = 64
TO_PHOTOS, AMONG_PHOTOS = "to_photos", "among_photos"


class PhotoDistance:
    """Measures the mean perceptual distance of samples to the nearest photo, which may be mirrored.

    The same distance of each photo to the nearest other one tells how small it may become before photos are copied.
    """

    @torch.no_grad()
    def __init__(self, photos: ImageSet, network: FeatureNetwork) -> None:
        images = photos.batch(photos.spread(min(len(photos), MOST_PHOTOS)), next(network.parameters()).device)
        self._network, self._count = network, len(images)
        self._maps = unit_maps(network, torch.cat([images, images.flip(3)]))

    @torch.no_grad()
    def metrics(self, samples: Float[Tensor, "n 3 h w"]) -> dict[str, float]:
        """Return the distance of samples by name, and that of the photos among each other where there are several."""
        samples = samples.to(self._maps[0].device)
        found = {TO_PHOTOS: float(all_distances(unit_maps(self._network, samples), self._maps).amin(1).mean())}
        return found | ({AMONG_PHOTOS: self._among()} if self._count > 1 else {})

    def _among(self) -> float:
        distances = all_distances([each[: self._count] for each in self._maps], self._maps)
        own = torch.eye(self._count, dtype=torch.bool, device=distances.device).repeat(1, 2)
        return float(distances.masked_fill(own, float("inf")).amin(1).mean())
