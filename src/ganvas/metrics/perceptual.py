"""Perceptual distance and similarity of images by the feature network.

The distance is Eq. 1 of Zhang et al. 2018 ("The unreasonable effectiveness of deep features") without weights learned
from human judgments. It has a scale of its own and is not LPIPS.
"""

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from ganvas.errors import ImageError
from ganvas.metrics.features import FeatureNetwork

FAINTEST = 1e-6


@runtime_checkable
class HasMaps(Protocol):
    """A network that computes feature maps of images, such as the feature network or a discriminator."""

    def maps(self, images: Float[Tensor, "n 3 h w"]) -> Sequence[Float[Tensor, "n _c _h _w"]]:
        """Return feature maps of images in [-1, 1], differentiable, each sample independent of the others."""
        ...


def perceptual_distance(
    network: HasMaps, images: Float[Tensor, "n 3 h w"], others: Float[Tensor, "m 3 _h _w"]
) -> Float[Tensor, "_rows"]:
    """Return the perceptual distance of each pair of images, from 0 (equal) to 4, float32; symmetric, differentiable.

    A single image on one side is compared with all of the other. Raises `ImageError` for numbers of images that differ.
    """
    _check(images, others)
    return distance_of_maps(unit_maps(network, images), unit_maps(network, others))


def unit_maps(network: HasMaps, images: Float[Tensor, "n 3 h w"]) -> list[Float[Tensor, "n _c _h _w"]]:
    """Return the network's maps, float32, with unit vectors at every pixel, for `distance_of_maps`.

    Keep them for an image that is compared often: its features are then computed once.
    """
    return [F.normalize(feature.float(), dim=1, eps=FAINTEST) for feature in network.maps(images)]


def distance_of_maps(
    maps: Sequence[Float[Tensor, "n _c _h _w"]], others: Sequence[Float[Tensor, "m _c _h _w"]]
) -> Float[Tensor, "_rows"]:
    """Return ``|u - v|^2`` of unit vectors, averaged over the pixels of each map, then over the maps equally."""
    distances = [(a - b).square().sum(1).mean((1, 2)) for a, b in zip(maps, others, strict=True)]
    return sum(distances[1:], distances[0]) / len(distances)


def similarity(
    network: FeatureNetwork, images: Float[Tensor, "n 3 h w"], others: Float[Tensor, "m 3 _h _w"]
) -> Float[Tensor, "_rows"]:
    """Return the cosine of the global features of each pair of images: 1 for equal ones, about 0 for random pairs.

    Global features ignore positions in the image, and are not an identity embedding. A single image on one side is
    compared with all of the other; raises `ImageError` for numbers of images that differ.
    """
    _check(images, others)
    return F.cosine_similarity(network(images), network(others), dim=1)


def all_distances(
    maps: Sequence[Float[Tensor, "n _c _h _w"]], others: Sequence[Float[Tensor, "m _c _h _w"]]
) -> Float[Tensor, "n m"]:
    """Return the distances of all pairs of samples, given their `unit_maps`, by matrix products."""
    total = maps[0].new_zeros(len(maps[0]), len(others[0]))
    for a, b in zip(maps, others, strict=True):
        pixels = a.shape[2] * a.shape[3]
        lengths = [x.square().sum((1, 2, 3)) for x in (a, b)]  # the number of vectors that are not almost 0
        total += (lengths[0][:, None] + lengths[1] - 2 * a.flatten(1) @ b.flatten(1).T) / pixels
    return total.clamp_min(0) / len(maps)


def _check(images: Tensor, others: Tensor) -> None:
    if len(images) != len(others) and 1 not in (len(images), len(others)):
        raise ImageError(
            f"{len(images)} images cannot be compared with {len(others)}; give equal numbers, or one on a side."
        )
