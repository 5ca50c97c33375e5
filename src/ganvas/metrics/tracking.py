"""Tracks points from one image to another: normalized cross-correlation of patches, coarse to fine, then subpixel least
squares; and finds corners to track.

Uses no generator and no features, so it is independent of drag methods, which track points by features. A forward-
backward check decides whether a point counts as found.
"""

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor

from ganvas.errors import ImageError
from ganvas.images.pixels import resize

COARSEST = 64  # pixels of width at which all positions within reach are compared
PATCH = 0.1  # of the width: half side of a patch
REACH = 0.3  # of the width: how far content may have moved
AROUND = 2  # pixels of a finer level that are searched around the match of the coarser one
REFINEMENTS = 6
SMALLEST = 32
LEAST_SCORE, FARTHEST_BACK = 0.5, 0.03
FAINT = 1e-6
FARTHEST_STEP = 1.5  # pixels between the best whole pixel and the subpixel position


@dataclass(frozen=True)
class Tracked:
    """Tracked points: ``places`` [k, 2] (x, y) in fractions, their correlation ``scores`` [k] from -1 to 1, and the
    forward-backward errors ``far`` [k] in fractions of the width.
    """

    places: Float[Tensor, "k 2"]
    scores: Float[Tensor, "k"]
    far: Float[Tensor, "k"]

    @property
    def found(self) -> Bool[Tensor, "k"]:
        """Whether each point counts as found: a high score and a small forward-backward error."""
        return (self.scores >= LEAST_SCORE) & (self.far <= FARTHEST_BACK)


def track(before: Float[Tensor, "1 3 h w"], after: Float[Tensor, "1 3 h w"], points: Float[Tensor, "k 2"]) -> Tracked:
    """Track `points` (x, y; fractions) of `before` to `after`, with the forward-backward error of Kalal et al. 2010.

    Handles shifts of up to 0.3 of the width, changes of brightness and of each channel's level, but no rotation and no
    scaling. Raises `ImageError` for images of different sizes or under 32 pixels.
    """
    if before.shape != after.shape or min(before.shape[-2:]) < SMALLEST:
        raise ImageError(
            f"Points cannot be tracked from an image of {list(before.shape)} to one of {list(after.shape)}; give two "
            f"of the same size, with sides of at least {SMALLEST} pixels."
        )
    before, after = (image.detach().cpu().double().clamp(-1, 1) for image in (before, after))
    there, scores = _follow(before, after, points.double())
    back, _ = _follow(after, before, there)
    return Tracked(there, scores, (back - points.double()).norm(dim=1))


def corner_strength(image: Float[Tensor, "1 3 h w"], std: float = 0.02) -> Float[Tensor, "h w"]:
    """Return the smaller eigenvalue of the structure tensor at each pixel (Shi and Tomasi 1994, "Good features to
    track"): large at corners, 0 on edges and flat areas.

    The tensor is the sum over channels of the products of derivatives, smoothed by a Gaussian of `std` (of the width).
    """
    values = F.pad(image.detach().cpu().double(), (1, 1, 1, 1), mode="replicate")
    across = (values[..., 1:-1, 2:] - values[..., 1:-1, :-2]) / 2
    down = (values[..., 2:, 1:-1] - values[..., :-2, 1:-1]) / 2
    products = torch.cat([(a * b).sum(1, keepdim=True) for a, b in ((across, across), (down, down), (across, down))])
    xx, yy, xy = _smoothed(products, std * image.shape[-1])[:, 0]
    return (xx + yy) / 2 - (((xx - yy) / 2).square() + xy.square()).sqrt()


def _smoothed(values: Float[Tensor, "n 1 h w"], std: float) -> Float[Tensor, "n 1 h w"]:
    reach = math.ceil(3 * std)
    taps = gaussian(reach, std)
    padded = F.pad(values, (reach,) * 4, mode="replicate")
    return F.conv2d(F.conv2d(padded, taps.view(1, 1, 1, -1)), taps.view(1, 1, -1, 1))


def gaussian(reach: int, std: float) -> Float[Tensor, "side"]:
    """Return a Gaussian on the integers from -reach to reach, of sum 1."""
    taps = torch.exp(-(torch.arange(-reach, reach + 1).double() / std).square() / 2)
    return taps / taps.sum()


def correlation(
    template: Float[Tensor, "*#some 3 p"], patches: Float[Tensor, "*some 3 p"], weights: Float[Tensor, "p"]
) -> Float[Tensor, "*some"]:
    """Return the normalized cross-correlation of patches of p pixels with each channel's mean subtracted, from -1 to 1.

    It is invariant to a common gain and to the level of each channel. The pixels' `weights` sum to 1.
    """
    first, second = _centered(template, weights), _centered(patches, weights)
    product = (first * second * weights).sum((-2, -1))
    sizes = [(values.square() * weights).sum((-2, -1)) for values in (first, second)]
    return product / (sizes[0] * sizes[1]).clamp_min(FAINT**2).sqrt()


def _centered(values: Float[Tensor, "*some 3 p"], weights: Float[Tensor, "p"]) -> Float[Tensor, "*some 3 p"]:
    return values - (values * weights).sum(-1, keepdim=True)


def _follow(
    before: Float[Tensor, "1 3 h w"], after: Float[Tensor, "1 3 h w"], points: Float[Tensor, "k 2"]
) -> tuple[Float[Tensor, "k 2"], Float[Tensor, "k"]]:
    """Return the positions and scores in one direction."""
    places, scores = [], []
    pyramids = [_pyramid(image) for image in (before, after)]
    for point in points:
        found = point
        for level, (old, new) in enumerate(zip(*pyramids, strict=True)):
            reach = math.ceil(REACH * old.shape[-1]) if level == 0 else AROUND
            found = _best_whole(old, new, point, found, reach)
        place, score = _between_pixels(pyramids[0][-1], pyramids[1][-1], point, found)
        places.append(place)
        scores.append(score)
    return torch.stack(places), torch.stack(scores)


def _pyramid(image: Float[Tensor, "1 3 h w"]) -> list[Float[Tensor, "1 3 _h _w"]]:
    """Return an image pyramid by halving down to the coarsest size, from coarse to fine."""
    levels = [image]
    while levels[0].shape[-1] >= 2 * COARSEST and all(side % 2 == 0 for side in levels[0].shape[-2:]):
        height, width = levels[0].shape[-2:]
        levels.insert(0, resize(levels[0], height // 2, width // 2))
    return levels


def _square(reach: int) -> Float[Tensor, "side side 2"]:
    """Return the integer offsets (x, y) from -reach to reach."""
    line = torch.arange(-reach, reach + 1).double()
    y, x = torch.meshgrid(line, line, indexing="ij")
    return torch.stack([x, y], dim=-1)


def _half_side(image: Tensor) -> int:
    return max(3, round(PATCH * image.shape[-1]))


def _weights(reach: int) -> Float[Tensor, "p"]:
    """Return the weights of a patch's pixels, larger in the middle."""
    taps = gaussian(reach, reach / 2)
    return torch.outer(taps, taps).flatten()


def _size(image: Tensor) -> Float[Tensor, "2"]:
    return torch.tensor([image.shape[-1], image.shape[-2]]).double()


def read(image: Float[Tensor, "1 3 h w"], places: Float[Tensor, "*some 2"]) -> Float[Tensor, "3 *some"]:
    """Sample the image at positions (x, y) in pixels, bicubically; the border is repeated outside."""
    grid = (places * 2 / _size(image) - 1).reshape(1, 1, -1, 2)
    values = F.grid_sample(image, grid, mode="bicubic", padding_mode="border", align_corners=False)
    return values[0, :, 0].unflatten(1, places.shape[:-1])


def _best_whole(old: Tensor, new: Tensor, point: Tensor, around: Tensor, reach: int) -> Float[Tensor, "2"]:
    """Return the position of highest correlation, in fractions, whole pixels from `around`, in the image."""
    size, half = _size(old), _half_side(old)
    template = read(old, point * size + _square(half)).flatten(1)  # [3, p]
    neighborhood = read(new, around * size + _square(half + reach))
    patches = F.unfold(neighborhood[None], 2 * half + 1)[0].unflatten(0, (3, -1)).permute(2, 0, 1)  # [m, 3, p]
    places = (around * size + _square(reach)).flatten(0, 1)
    scores = correlation(template, patches, _weights(half))
    scores[((places < 0) | (places > size)).any(1)] = -torch.inf
    return places[int(scores.argmax())] / size


def _between_pixels(old: Tensor, new: Tensor, point: Tensor, start: Tensor) -> tuple[Tensor, Tensor]:
    """Return the subpixel position and its score: Gauss-Newton steps for the shift, a common gain and the channels'
    levels (Lucas and Kanade 1981, with brightness as in Hager and Belhumeur 1998).

    If it leaves the pixel or lowers the correlation, the whole pixel is returned.
    """
    size, half = _size(old), _half_side(old)
    offsets, weights = _square(half).flatten(0, 1), _weights(half)
    template = read(old, point * size + offsets)  # [3, p]
    levels = torch.eye(3).double()[:, None].expand(3, len(offsets), 3)
    root = weights.sqrt()[:, None]
    first = place = start * size
    for _ in range(REFINEMENTS):
        slopes = [
            read(new, place + offsets + step) - read(new, place + offsets - step) for step in torch.eye(2).double() / 2
        ]
        # The model is gain * template + level; a step d changes the patch by slopes * d.
        unknown = torch.cat([-torch.stack(slopes, dim=-1), template[..., None], levels], dim=-1)  # [3, p, 2 + 1 + 3]
        here = read(new, place + offsets)[..., None]
        solved = torch.linalg.lstsq(
            (unknown * root).flatten(0, 1), (here * root).flatten(0, 1), driver="gelsd"
        ).solution
        place = place + solved[:2, 0].clamp(-1, 1)
    scores = [correlation(template, read(new, one + offsets), weights) for one in (first, place)]
    if float((place - first).abs().max()) > FARTHEST_STEP or not scores[1] >= scores[0]:
        return start, scores[0]
    return place / size, scores[1]
