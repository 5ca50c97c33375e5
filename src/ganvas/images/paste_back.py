"""An edit put back into the photo that it was made from: arrays in, arrays out; knows no files and no generators.

In the image of the generator, x0 is the inversion of the photo, x1 the edited image, m a soft mask; p is the photo, W
the warp from the one to the other (cubic splines). Inside the mask the photo becomes

    p + m (W x1 - p + k (p - W x0)),

where k in [0, 1] says how much of the photo's detail ``p - W x0`` stays. With k = 1 this is ``p + m W (x1 - x0)``:
what the edit changed is added, the photo's fine texture survives and the inversion's errors do not show, but edges that
moved leave the detail of the old ones behind. With k = 0 it is ``p + m (W x1 - p)``: x1 itself, as coarse as the
generator. `kept_detail` chooses k at each place. Pixels where m is 0 are not touched.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Shaped
from scipy.ndimage import affine_transform, distance_transform_edt, gaussian_filter, spline_filter

from ganvas.images.profile_colors import ColorSpace

CUBIC = 3
BAND_POINTS = 2**19  # at which the splines are evaluated at once
BLUR, WINDOW = 0.7, 2.0  # pixels of the generator: before gradients are taken, and over which they are compared
FLAT = 7e-4  # squared gradient, in [-1, 1] a pixel, below which there is no edge that could move

Box = tuple[int, int, int, int]


@dataclass(frozen=True)
class Placement:
    """Where a generator's image lies in a photo file: `frame` [2, 3] maps its fractions to those of the stored file,
    which has `height` rows of `width` pixels.
    """

    frame: Float[np.ndarray, "2 3"]
    height: int
    width: int

    @property
    def across(self) -> float:
        """The length of a side of the generator's image in pixels of the photo."""
        return math.sqrt(abs(float(np.linalg.det(self.frame[:, :2]))) * self.width * self.height)

    def box_of(self, mask: Float[np.ndarray, "n n"]) -> Box | None:
        """Return left, top, right and bottom, in pixels, of what the spline of a mask can touch; None where all of it
        lies off the photo.
        """
        rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
        if not len(rows):
            return None
        x = np.array([columns[0] - CUBIC, columns[-1] + 1 + CUBIC]) / mask.shape[1]
        y = np.array([rows[0] - CUBIC, rows[-1] + 1 + CUBIC]) / mask.shape[0]
        corners = np.stack([x[[0, 1, 0, 1]], y[[0, 0, 1, 1]], np.ones(4)])
        places = self.frame @ corners * [[self.width], [self.height]]
        left, top = np.maximum(np.floor(places.min(axis=1)), 0).astype(int).tolist()
        right, bottom = np.minimum(np.ceil(places.max(axis=1)), [self.width, self.height]).astype(int).tolist()
        return (left, top, right, bottom) if left < right and top < bottom else None

    def bands(self, box: Box, side: int) -> Iterator[Box]:
        """Yield a box in parts that are small enough to be warped at once."""
        left, top, right, bottom = box
        rows = max(1, BAND_POINTS // ((right - left) * self._points(side) ** 2))
        return ((left, first, right, min(first + rows, bottom)) for first in range(top, bottom, rows))

    def warp(self, splines: Float[np.ndarray, "c n n"], box: Box, beyond: str) -> Float[np.ndarray, "h w c"]:
        """Return the values of cubic splines, given by their coefficients, at the pixels of a box of the photo.

        Where a pixel of the photo covers more than one of the image, it is the mean over points at most one apart.
        `beyond` is how the image goes on at its edge, a mode of SciPy.
        """
        side, (left, top, right, bottom) = splines.shape[-1], box
        points = self._points(side)
        back = np.linalg.inv(np.vstack([self.frame, [0, 0, 1]]))[1::-1, [1, 0, 2]]  # (y, x) to (y, x)
        # Pixel i of n covers [i / n, (i + 1) / n]; SciPy counts from the middle of pixel 0.
        scale = back[:, :2] * side / [self.height, self.width] / points
        offset = scale @ (np.array([top, left]) * points + 0.5) + back[:, 2] * side - 0.5
        shape = ((bottom - top) * points, (right - left) * points)
        fine = [affine_transform(one, scale, offset, shape, None, CUBIC, beyond, 0.0, False) for one in splines]
        blocks = np.stack(fine, axis=-1).reshape(bottom - top, points, right - left, points, len(splines))
        return blocks.mean(axis=(1, 3))

    def _points(self, side: int) -> int:
        return max(1, math.ceil(side / self.across - 1e-3))


def paste(
    levels: Shaped[np.ndarray, "h w channels"],
    placement: Placement,
    before: Float[np.ndarray, "c n n"],
    after: Float[np.ndarray, "c n n"],
    mask: Float[np.ndarray, "n n"],
    detail: Float[np.ndarray, "n n"],
    space: ColorSpace,
) -> Bool[np.ndarray, "h w"]:
    """Change the levels of a photo in place; returns where the mask is not 0. All other pixels stay as they are.

    Args:
        levels: Whole levels of 8 or 16 bits; the first c channels are colors, one behind them is alpha, which stays.
        placement: Where the image lies in the photo.
        before: x0, the inversion, in [-1, 1].
        after: x1, the edited image.
        mask: m, in [0, 1], 0 at the edge of the image, beyond which nothing is known.
        detail: k, in [0, 1].
        space: The photo's colors.
    """
    touched = np.zeros(levels.shape[:2], dtype=bool)
    colors, most = len(before), np.iinfo(levels.dtype).max
    images = np.stack([spline_filter(one, CUBIC, mode="mirror") for one in (*before, *after)])
    soft = np.stack([mask, detail])  # taken for coefficients: the spline is then smooth, and within [0, 1]
    box = placement.box_of(mask)
    for left, top, right, bottom in placement.bands(box, mask.shape[0]) if box else ():
        part = (left, top, right, bottom)
        m = placement.warp(soft[:1], part, "grid-constant")
        k = placement.warp(soft[1:], part, "nearest")
        x0, x1 = np.split(placement.warp(images, part, "mirror"), 2, axis=-1)
        stored = levels[top:bottom, left:right, :colors]
        srgb = space.to_srgb(stored / most)
        p = 2 * srgb - 1
        change = m * (x1 - p + k * (p - x0))
        # The difference of two ways back: no error of the conversion shows where nothing changes.
        shift = space.from_srgb(srgb + change / 2) - space.from_srgb(srgb)
        changed = np.clip(np.rint(stored + most * shift), 0, most).astype(levels.dtype)
        touched[top:bottom, left:right] = inside = m[..., 0] > 0
        levels[top:bottom, left:right, :colors] = np.where(inside[..., None], changed, stored)
    return touched


def kept_detail(before: Float[np.ndarray, "c n n"], after: Float[np.ndarray, "c n n"]) -> Float[np.ndarray, "n n"]:
    """Return how much of a photo's detail stays at each place, by how well the gradients of two images agree there:

        k = <g0 . g1> / <(g0^2 + g1^2) / 2>,

    the means over a Gaussian window and all channels, both plus a constant for what is flat. k is 1 where edges stayed,
    or there are none, and falls to 0 where edges moved by more than their width, came or went.
    """
    g0, g1 = _gradients(before), _gradients(after)
    common, size = (g0 * g1).sum(0).mean(0), (g0**2 + g1**2).sum(0).mean(0) / 2
    return np.clip((_windowed(common) + FLAT) / (_windowed(size) + FLAT), 0, 1)


def _gradients(image: Float[np.ndarray, "c n n"]) -> Float[np.ndarray, "2 c n n"]:
    return np.stack(np.gradient(gaussian_filter(image, (0, BLUR, BLUR)), axis=(1, 2)))


def _windowed(values: Float[np.ndarray, "n n"]) -> Float[np.ndarray, "n n"]:
    return gaussian_filter(values, WINDOW)


def feathered(mask: Float[np.ndarray, "n n"], rim: float) -> Float[np.ndarray, "n n"]:
    """Return a mask that is 1 in a region and in half of the rim around it, `rim` being a fraction of the side, and
    falls smoothly to 0 in the other half; and in the same way at the edge of the image, beyond which nothing is known.
    """
    side = mask.shape[0]
    width = max(rim * side / 2, 1.0)
    distance = np.asarray(distance_transform_edt(mask < mask.max() / 2))
    grown = np.maximum(mask, _smooth_step((rim * side - distance) / width))
    places = np.arange(side)
    from_edge = _smooth_step((np.minimum(places, side - 1 - places) - 1) / width)
    return grown * np.minimum.outer(from_edge, from_edge)


def _smooth_step(values: Float[np.ndarray, "*shape"]) -> Float[np.ndarray, "*shape"]:
    inside = np.clip(values, 0, 1)
    return inside**2 * (3 - 2 * inside)
