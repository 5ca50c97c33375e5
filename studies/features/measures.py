"""What is asked of the feature network, as functions of it and of real images that it was not trained on."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import pairwise

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from ganvas.metrics import corruptions as distortions
from ganvas.metrics.distribution import KernelMMD, frechet_distance, kernel_mmd
from ganvas.metrics.features import FeatureNetwork, global_features
from ganvas.metrics.perceptual import all_distances, distance_of_maps, unit_maps

Spoil = Callable[[Tensor, float], Tensor]
BATCH = 20
SHIFT = 2


def _noisy(images: Tensor, std: float) -> Tensor:
    normal = torch.randn(images.shape, generator=torch.Generator().manual_seed(0))
    return distortions.add_noise(images, torch.full((len(images),), std), normal)


def _blurred(images: Tensor, std: float) -> Tensor:
    return distortions.blur(images, torch.full((len(images),), std))


def _shifted(images: Tensor, pixels: float) -> Tensor:
    return distortions.shift(images, round(pixels))


KINDS: Mapping[str, tuple[Spoil, tuple[float, ...]]] = {
    "noise": (_noisy, (0.02, 0.05, 0.1, 0.2, 0.4)),
    "blur": (_blurred, (0.5, 1, 2, 4, 8)),
    "shift": (_shifted, (1, 2, 4, 8, 16)),
}


@dataclass(frozen=True)
class Rising:
    """Five levels of one distortion: the share of images whose perceptual distance from themselves rises from each
    level to the next, its means, and the distances of the whole set from training images, undistorted first.
    """

    share: float
    perceptual: tuple[float, ...]
    kernel: tuple[KernelMMD, ...]
    frechet: tuple[float, ...]

    @property
    def sets_rise(self) -> bool:
        """Whether kernel and Fréchet distance of the set both rise from each level to the next."""
        kernel = [distance.value for distance in self.kernel]
        return rises(kernel) and rises(self.frechet)


def rises(values: tuple[float, ...] | list[float]) -> bool:
    """Tell whether each value is larger than the one before."""
    return all(later > earlier for earlier, later in pairwise(values))


@torch.no_grad()
def rising(network: FeatureNetwork, images: Float[Tensor, "n 3 h w"], real: Float[Tensor, "m d"], kind: str) -> Rising:
    """Measure one kind of distortion; `real` are features of training images."""
    spoil, levels = KINDS[kind]
    distances = [torch.zeros(len(images))]
    features = [global_features(network, images)]
    for level in levels:
        spoiled = spoil(images, level)
        parts = zip(images.split(BATCH), spoiled.split(BATCH), strict=True)
        distances.append(torch.cat([distance_of_maps(unit_maps(network, a), unit_maps(network, b)) for a, b in parts]))
        features.append(global_features(network, spoiled))
    steps = torch.stack(distances).diff(dim=0)  # [levels, n]
    return Rising(
        float((steps > 0).all(0).float().mean()),
        tuple(float(distance.mean()) for distance in distances[1:]),
        tuple(kernel_mmd(real, each) for each in features),
        tuple(float(frechet_distance(real, each)) for each in features),
    )


@torch.no_grad()
def nearest_to_itself(network: FeatureNetwork, images: Float[Tensor, "n 3 h w"], pixels: int = SHIFT) -> float:
    """Return the share of images that, moved by `pixels`, have a smaller perceptual distance from themselves than
    from any other image.
    """
    others = unit_maps(network, images)
    rows = []
    for part in distortions.shift(images, pixels).split(BATCH):
        rows.append(all_distances(unit_maps(network, part), others))
    return _found(torch.cat(rows))


@torch.no_grad()
def found_again(network: FeatureNetwork, images: Float[Tensor, "n 3 h w"]) -> float:
    """Return the share of images that are more alike (`similarity`) to their own crop of 112 pixels, mirrored, of
    other contrast, brightness and saturation, than to that of any other image.
    """
    random = torch.Generator().manual_seed(0)
    rows, margin = len(images), images.shape[3] - 112
    corners = torch.randint(margin + 1, (rows, 2), generator=random)
    seen = distortions.crop(images, corners, 112).flip(3)
    draws = torch.rand(rows, 5, generator=random)
    seen = distortions.recolor(seen, 0.8 + 0.4 * draws[:, :3], 0.4 * draws[:, 3] - 0.2, 0.5 + draws[:, 4])
    codes = [F.normalize(global_features(network, each), dim=1) for each in (images, seen.clamp(-1, 1))]
    return _found(-codes[0] @ codes[1].T)


def _found(distances: Float[Tensor, "n n"]) -> float:
    return float((distances.argmin(1) == torch.arange(len(distances))).float().mean())


def as_if_made(images: Float[Tensor, "n 3 h w"]) -> dict[str, Float[Tensor, "_n 3 h w"]]:
    """Return what generators of known faults would make, from real images: too small, too few, wrongly put together,
    too pale.
    """
    half = images.shape[3] // 2
    return {
        "as they are": images,
        "of 64 pixels, enlarged": distortions.coarsen(images, 64),
        "of 32 pixels, enlarged": distortions.coarsen(images, 32),
        "only 20 images, 10 times each": images[:20].repeat(10, 1, 1, 1),
        "left and right half of different images": torch.cat(
            [images[..., :half], images.roll(1, 0)[..., half:]], dim=3
        ),
        "contrast 0.8": images * 0.8,
    }
