"""How different two images look, and how alike they are in what they show, by the feature network.

In the manner of Zhang et al. 2018 ("The unreasonable effectiveness of deep features"), Eq. 1, without weights learnt
from people's answers: our own distance, with a scale of its own.
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
    """A network that sees images in maps: the feature network, or a discriminator."""

    def maps(self, images: Float[Tensor, "n 3 h w"]) -> Sequence[Float[Tensor, "n _c _h _w"]]:
        """Return maps of images in [-1, 1], differentiable, row by row."""
        ...


def perceptual_distance(
    network: HasMaps, images: Float[Tensor, "n 3 h w"], others: Float[Tensor, "m 3 _h _w"]
) -> Float[Tensor, "_rows"]:
    """Return how different each image looks from the other of its row, from 0 (the same) to 4, float32; symmetric and
    differentiable. A single row on one side is compared with all of the other.

    Raises `ImageError` for numbers of images that do not fit.
    """
    _check(images, others)
    return distance_of_maps(unit_maps(network, images), unit_maps(network, others))


def unit_maps(network: HasMaps, images: Float[Tensor, "n 3 h w"]) -> list[Float[Tensor, "n _c _h _w"]]:
    """Return the network's maps with a vector of unit length at every pixel, float32: what `distance_of_maps` takes, so
    that an image that is compared often is looked at once.
    """
    return [F.normalize(feature.float(), dim=1, eps=FAINTEST) for feature in network.maps(images)]


def distance_of_maps(
    maps: Sequence[Float[Tensor, "n _c _h _w"]], others: Sequence[Float[Tensor, "m _c _h _w"]]
) -> Float[Tensor, "_rows"]:
    """Return the squared difference of unit vectors, ``|u - v|^2``, averaged over the pixels of each map and then over
    the maps, all with the same weight.
    """
    distances = [(a - b).square().sum(1).mean((1, 2)) for a, b in zip(maps, others, strict=True)]
    return sum(distances[1:], distances[0]) / len(distances)


def similarity(
    network: FeatureNetwork, images: Float[Tensor, "n 3 h w"], others: Float[Tensor, "m 3 _h _w"]
) -> Float[Tensor, "_rows"]:
    """Return how alike each image is to the other of its row, from -1 to 1 (the same), around 0 for two images by
    chance: the cosine of the global features, which do not know where in the image something is. Not an identity: it
    knows no persons.

    A single row on one side is compared with all of the other; raises `ImageError` for numbers that do not fit.
    """
    _check(images, others)
    return F.cosine_similarity(network(images), network(others), dim=1)


def all_distances(
    maps: Sequence[Float[Tensor, "n _c _h _w"]], others: Sequence[Float[Tensor, "m _c _h _w"]]
) -> Float[Tensor, "n m"]:
    """Return the distance of every row of `unit_maps` from every other row's, as products of matrices."""
    total = maps[0].new_zeros(len(maps[0]), len(others[0]))
    for a, b in zip(maps, others, strict=True):
        pixels = a.shape[2] * a.shape[3]
        lengths = [x.square().sum((1, 2, 3)) for x in (a, b)]  # pixels, less what is too faint to have a direction
        total += (lengths[0][:, None] + lengths[1] - 2 * a.flatten(1) @ b.flatten(1).T) / pixels
    return total.clamp_min(0) / len(maps)


def _check(images: Tensor, others: Tensor) -> None:
    if len(images) != len(others) and 1 not in (len(images), len(others)):
        raise ImageError(
            f"{len(images)} images cannot be compared with {len(others)}; give as many of both, or one of one."
        )
