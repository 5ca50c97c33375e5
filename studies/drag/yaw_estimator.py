"""Estimates the yaw of a head between two images, in degrees. Knows no generators.

Yaw is regressed on synthetic rotations of an ellipsoid in the middle of the image, since no pose network with a free
license is bundled. The training images are also tilted, shifted, or have only the nose pushed aside, none of which is
yaw. Images are square, in [-1, 1].
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

Extractor = Callable[[Tensor], Sequence[Tensor]]

WIDE, TALL = 0.9, 1.1  # half axes of a head, in halves of the image's width and height; it is as deep as wide
YAW, ROLL, SHIFT, PUSH = 15.0, 8.0, 0.04, 0.1  # largest in training: degrees, degrees, and fractions of the width
DRAWS = 3  # per training image
CELLS = 4  # of the coarsest map, along each side
RIDGE = 1e-2
BATCH = 32


@dataclass(frozen=True)
class YawEstimator:
    """A linear map from the odd features of `extractor` (those whose sign a mirror flips) to degrees."""

    extractor: Extractor
    weights: Float[Tensor, "d"]

    def degrees(self, before: Float[Tensor, "n 3 h w"], after: Float[Tensor, "n 3 h w"]) -> Float[Tensor, "n"]:
        """Return the change of yaw in degrees, positive to the right; a mirrored pair gives the negative."""
        return (odd_features(self.extractor, after) - odd_features(self.extractor, before)) @ self.weights


def fit_yaw_estimator(
    extractor: Extractor, images: Float[Tensor, "n 3 h w"], nose: tuple[float, float], radius: float, seed: int = 0
) -> YawEstimator:
    """Fit an estimator by ridge regression of angles on changes of odd features, with several draws of each image.

    The heads of `images` have noses at `nose` (x, y; fractions) of twice `radius` width (fraction of the width).
    """
    random = torch.Generator().manual_seed(seed)
    start = odd_features(extractor, images)
    changes, angles = [], []
    for _ in range(DRAWS):
        yaw, roll, shift, push = (2 * torch.rand(4, len(images), generator=random) - 1).to(images)
        alone = torch.rand(len(images), generator=random).to(images) < 0.5
        pushed = pushed_aside(images, nose, radius, torch.where(alone, PUSH * push, 0.0))
        moved = turned(pushed, YAW * yaw, ROLL * roll, SHIFT * shift)
        changes.append(odd_features(extractor, moved) - start)
        angles.append(YAW * yaw)
    seen, degrees = (torch.cat(each).cpu().double() for each in (changes, angles))  # mps knows no float64
    gram = seen @ seen.T
    kept = RIDGE * gram.diagonal().mean() * torch.eye(len(gram), dtype=gram.dtype)
    return YawEstimator(extractor, (seen.T @ torch.linalg.solve(gram + kept, degrees)).to(start))


@torch.no_grad()
def odd_features(extractor: Extractor, images: Float[Tensor, "n 3 h w"]) -> Float[Tensor, "n d"]:
    """Return the means of the coarsest map over cells less those of the mirrored image; mirroring flips their sign."""
    features = []
    for batch in images.split(BATCH):
        right, left = (F.adaptive_avg_pool2d(extractor(side)[-1], CELLS).flatten(1) for side in (batch, batch.flip(3)))
        features.append(right - left)
    return torch.cat(features)


def turned(
    images: Float[Tensor, "n c h w"],
    degrees: Float[Tensor, "n"],
    roll: Float[Tensor, "n"] | None = None,
    shift: Float[Tensor, "n"] | None = None,
) -> Float[Tensor, "n c h w"]:
    """Return images of heads turned about their vertical axis, positive to the right.

    A point of depth Z, that of an ellipsoid, moves by ``Z sin(degrees)`` (first order in the angle). Before that the
    image is shifted to the right by `shift`, a fraction of its width, and rotated counterclockwise by `roll` degrees.
    """
    x, y = _grid(images)
    depth = WIDE * (1 - (x / WIDE).square() - (y / TALL).square()).clamp_min(0).sqrt()
    x = x - depth * _rows(torch.deg2rad(degrees).sin())
    angle = _rows(torch.zeros_like(degrees) if roll is None else torch.deg2rad(roll))
    right = _rows(torch.zeros_like(degrees) if shift is None else shift)
    return _sampled(images, x * angle.cos() - y * angle.sin() - 2 * right, x * angle.sin() + y * angle.cos())


def degrees_for(distance: float) -> float:
    """Return the yaw in degrees that moves the middle of a face by `distance`, a fraction of the width; NaN above 0.45,
    half the head's width.
    """
    return float(torch.rad2deg(torch.asin(torch.tensor(2 * distance / WIDE))))


def pushed_aside(
    images: Float[Tensor, "n c h w"], center: tuple[float, float], radius: float, distance: Float[Tensor, "n"]
) -> Float[Tensor, "n c h w"]:
    """Return images whose content at `center` (x, y; fractions) is moved to the right by `distance` (fraction of the
    width); the shift falls off as a Gaussian of std `radius` around its new position.
    """
    x, y = _grid(images)
    new_x = 2 * (center[0] + _rows(distance)) - 1
    weight = torch.exp(-((x - new_x).square() + (y - (2 * center[1] - 1)).square()) / (2 * (2 * radius) ** 2))
    moved = x - 2 * _rows(distance) * weight
    return _sampled(images, moved, y.expand_as(moved))


def _rows(values: Float[Tensor, "n"]) -> Float[Tensor, "n 1 1"]:
    return values[:, None, None]


def _grid(images: Tensor) -> tuple[Float[Tensor, "1 1 w"], Float[Tensor, "1 h 1"]]:
    """Return x and y of the pixel centers, from -1 to 1."""
    height, width = images.shape[-2:]
    x, y = ((2 * torch.arange(size).to(images) + 1) / size - 1 for size in (width, height))
    return x[None, None], y[None, :, None]


def _sampled(
    images: Float[Tensor, "n c h w"], x: Float[Tensor, "n h w"], y: Float[Tensor, "n h w"]
) -> Float[Tensor, "n c h w"]:
    return F.grid_sample(images, torch.stack([x, y], dim=3), "bicubic", "reflection", align_corners=False)
