"""How far a head has turned from one image to another, in degrees. Knows no generators.

No network of poses is at hand that may be shipped, so that the answer is learned on images that are turned by known
angles: a head is taken for an ellipsoid in the middle of the image. What reads the angle also sees heads that are
tilted and moved aside, and noses pushed aside alone, none of which is a turn. Images are in [-1, 1], and square.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

Look = Callable[[Tensor], Sequence[Tensor]]

WIDE, TALL = 0.9, 1.1  # half axes of a head, in halves of the image's width and height; it is as deep as wide
TURN, TILT, ASIDE, PUSH = 15.0, 8.0, 0.04, 0.1  # most that is learned: degrees twice, fractions of the width twice
DRAWS = 3  # of every image
CELLS = 4  # of the coarsest map, each way
RIDGE = 1e-2
BATCH = 32


@dataclass(frozen=True)
class TurnReader:
    """Reads turns: ``look`` gives maps of images, ``weights`` are degrees for what a mirror turns around in them."""

    look: Look
    weights: Float[Tensor, "d"]

    def degrees(self, before: Float[Tensor, "n 3 h w"], after: Float[Tensor, "n 3 h w"]) -> Float[Tensor, "n"]:
        """Return by how many degrees heads have turned, positive to the right of the image; of a mirrored pair it is
        the negative.
        """
        return (odd(self.look, after) - odd(self.look, before)) @ self.weights


def learn_turns(
    look: Look, images: Float[Tensor, "n 3 h w"], nose: tuple[float, float], radius: float, seed: int = 0
) -> TurnReader:
    """Return a reader learned on these heads, whose noses are at `nose` (x, y; fractions) and as wide as twice `radius`
    (fraction of the width): ridge regression of angles on the change of maps, several draws of each image.
    """
    random = torch.Generator().manual_seed(seed)
    start = odd(look, images)
    changes, angles = [], []
    for _ in range(DRAWS):
        turn, tilt, aside, push = (2 * torch.rand(4, len(images), generator=random) - 1).to(images)
        alone = torch.rand(len(images), generator=random).to(images) < 0.5
        pushed = pushed_aside(images, nose, radius, torch.where(alone, PUSH * push, 0.0))
        changes.append(odd(look, turned(pushed, TURN * turn, TILT * tilt, ASIDE * aside)) - start)
        angles.append(TURN * turn)
    seen, degrees = (torch.cat(each).cpu().double() for each in (changes, angles))  # mps knows no float64
    gram = seen @ seen.T
    kept = RIDGE * gram.diagonal().mean() * torch.eye(len(gram), dtype=gram.dtype)
    return TurnReader(look, (seen.T @ torch.linalg.solve(gram + kept, degrees)).to(start))


@torch.no_grad()
def odd(look: Look, images: Float[Tensor, "n 3 h w"]) -> Float[Tensor, "n d"]:
    """Return what a mirror turns around in the coarsest maps: their means over cells less those of the mirrored
    images.
    """
    rows = []
    for some in images.split(BATCH):
        right, left = (F.adaptive_avg_pool2d(look(side)[-1], CELLS).flatten(1) for side in (some, some.flip(3)))
        rows.append(right - left)
    return torch.cat(rows)


def turned(
    images: Float[Tensor, "n c h w"],
    degrees: Float[Tensor, "n"],
    tilt: Float[Tensor, "n"] | None = None,
    aside: Float[Tensor, "n"] | None = None,
) -> Float[Tensor, "n c h w"]:
    """Return images of heads turned about their upright axis, positive to the right: a point of depth Z is moved by
    ``Z sin(degrees)``, to first order in the angle, the depth being that of an ellipsoid. Before that the image is
    moved to the right by `aside`, a fraction of its width, and turned in its plane by `tilt` degrees, counter-clockwise
    as seen.
    """
    x, y = _grid(images)
    depth = WIDE * (1 - (x / WIDE).square() - (y / TALL).square()).clamp_min(0).sqrt()
    x = x - depth * _rows(torch.deg2rad(degrees).sin())
    angle = _rows(torch.zeros_like(degrees) if tilt is None else torch.deg2rad(tilt))
    way = _rows(torch.zeros_like(degrees) if aside is None else aside)
    return _sampled(images, x * angle.cos() - y * angle.sin() - 2 * way, x * angle.sin() + y * angle.cos())


def degrees_for(way: float) -> float:
    """Return by how many degrees a head turns to carry the middle of its face so far, in fractions of the width; nan
    for more than half the head's own, 0.45.
    """
    return float(torch.rad2deg(torch.asin(torch.tensor(2 * way / WIDE))))


def pushed_aside(
    images: Float[Tensor, "n c h w"], place: tuple[float, float], radius: float, way: Float[Tensor, "n"]
) -> Float[Tensor, "n c h w"]:
    """Return images in which what is at `place` (x, y; fractions) lies `way` further to the right (fraction of the
    width), less so what is further from it: by a Gaussian of deviation `radius` around where it comes to.
    """
    x, y = _grid(images)
    center = 2 * (place[0] + _rows(way)) - 1
    near = torch.exp(-((x - center).square() + (y - (2 * place[1] - 1)).square()) / (2 * (2 * radius) ** 2))
    moved = x - 2 * _rows(way) * near
    return _sampled(images, moved, y.expand_as(moved))


def _rows(values: Float[Tensor, "n"]) -> Float[Tensor, "n 1 1"]:
    return values[:, None, None]


def _grid(images: Tensor) -> tuple[Float[Tensor, "1 1 w"], Float[Tensor, "1 h 1"]]:
    """Return x and y of the pixels' middles, from -1 to 1."""
    height, width = images.shape[-2:]
    x, y = ((2 * torch.arange(size).to(images) + 1) / size - 1 for size in (width, height))
    return x[None, None], y[None, :, None]


def _sampled(
    images: Float[Tensor, "n c h w"], x: Float[Tensor, "n h w"], y: Float[Tensor, "n h w"]
) -> Float[Tensor, "n c h w"]:
    return F.grid_sample(images, torch.stack([x, y], dim=3), "bicubic", "reflection", align_corners=False)
