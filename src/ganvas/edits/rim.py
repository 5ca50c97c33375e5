"""Where a confined edit may change an image: the core, where it changes freely, the limit, beyond which nothing
differs, and the rim between the two, where the change fades.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from types import EllipsisType

import numpy as np
import torch
from jaxtyping import Bool, Float
from scipy.ndimage import distance_transform_edt
from torch import Tensor

from ganvas.edits.harmonic import HarmonicFade
from ganvas.errors import RegionError
from ganvas.generators.protocol import WHOLE, Extent
from ganvas.regions import Region

HALF = 0.5
Mask = Bool[np.ndarray, "h w"]


@dataclass(frozen=True, eq=False)
class Rim:
    """Core and limit of one region at the size of the images.

    Attributes:
        region: The region's soft mask [1, h, w].
        core: Where the edit changes the image freely.
        limit: Beyond it nothing differs; contains the core.
    """

    region: Float[Tensor, "1 h w"]
    core: Mask
    limit: Mask

    @property
    def outside(self) -> Float[Tensor, "1 h w"]:
        """1 beyond the limit, 0 within."""
        return torch.from_numpy(~self.limit).float()[None]

    def seam(self, edited: Float[Tensor, "n c h w"], original: Float[Tensor, "n c h w"]) -> Float[Tensor, "n"]:
        """Return the gradient of the change on the way from core to limit over that of the original there: root mean
        squares over all pairs of neighbors but those that both lie in the core or both beyond the limit.
        """
        across = [torch.from_numpy(pairs).to(original.device) for pairs in pairs_across(self.core, self.limit)]
        over, under = (_gradient(images, across) for images in (edited - original, original))
        return (over / under.clamp(min=torch.finfo(under.dtype).tiny)).sqrt()


def rim_around(region: Region, height: int, width: int, share: float, within: bool) -> Rim:
    """Return the rim of a region on images of this size, `share` of the smaller side wide.

    The region begins where its mask has half its largest value. The limit is the region grown by the rim, and all that
    its mask touches; the core is the region grown by half of the rim. `within`, the limit is what the mask touches, and
    the core what of the region is deeper than half of the rim, or than half of the deepest place.

    Raises `RegionError` for an empty region, and where nothing lies outside the limit.
    """
    mask = region.split(height, width)[0]
    values = mask[0].numpy()
    inside, touched, reach = values >= values.max() * HALF, values > 0, share * min(height, width)
    if within:
        depth = _distance_to(~touched)
        limit, core = touched, inside & (depth > min(reach, depth.max()) * HALF)
        core = core if core.any() else depth == depth.max()
    else:
        away = _distance_to(inside)
        limit, core = (away <= reach) | touched, away <= reach * HALF
    if limit.all():
        raise RegionError(
            f"The region {region}{'' if within else f' with its rim of {share:g}'} covers the whole image at "
            f"{width}x{height} pixels, so that nothing lies outside; make it smaller{'' if within else ', or the rim'}."
        )
    return Rim(mask, core, limit | core)


def joined(rims: list[Rim]) -> Rim:
    """Return the rim of several regions together."""
    region = reduce(torch.maximum, [rim.region for rim in rims])
    return Rim(region, np.any([rim.core for rim in rims], axis=0), np.any([rim.limit for rim in rims], axis=0))


class MapBlender:
    """Confines the changes of feature maps, and of the image, of any size to one rim."""

    def __init__(self, rim: Rim) -> None:
        self.rim = rim
        self.known: dict[tuple[int, int, Extent], _Blend] = {}

    def blend(
        self, before: Float[Tensor, "n c h w"], after: Float[Tensor, "n c h w"], extent: Extent = WHOLE
    ) -> Float[Tensor, "n c h w"]:
        """Return `after` in the core and `before` beyond the limit, between them `before` and a faded change.

        A sample of a map belongs to the core where the core covers at least half of it. A map too coarse for that is
        blended by the shares of its samples that the core covers.
        """
        height, width = before.shape[-2:]
        blend = self._at(height, width, extent)
        if blend.fade is None:
            return torch.lerp(before, after, blend.share.to(before))
        core = torch.from_numpy(blend.fade.core).to(before.device)
        there, changed = before[blend.place], after[blend.place]
        blended = before.clone()
        blended[blend.place] = torch.where(core, changed, there + blend.fade(changed - there))
        return blended

    def _at(self, height: int, width: int, extent: Extent) -> "_Blend":
        key = height, width, extent
        if key not in self.known:
            core, limit = (covered(mask, extent, height, width) for mask in (self.rim.core, self.rim.limit))
            inside, share = core >= HALF, torch.from_numpy(core).float()
            reached = inside | (limit >= HALF)
            place = _around(reached)
            fade = HarmonicFade(inside[place[1:]], reached[place[1:]]) if inside.any() else None
            self.known[key] = _Blend(place, fade, share)
        return self.known[key]


@dataclass(frozen=True, eq=False)
class _Blend:
    """How maps of one size are blended: at a `place` beyond which nothing changes, by a fade there or by shares."""

    place: tuple[EllipsisType, slice, slice]
    fade: HarmonicFade | None
    share: Float[Tensor, "h w"]


def _around(mask: Mask) -> tuple[EllipsisType, slice, slice]:
    """Return where a mask lies, with the neighbors of its pixels."""
    ends = [np.flatnonzero(mask.any(axis)) for axis in (1, 0)]
    rows, columns = (slice(max(0, one[0] - 1), one[-1] + 2) if len(one) else slice(0, 0) for one in ends)
    return ..., rows, columns


def covered(mask: Mask, extent: Extent, height: int, width: int) -> Float[np.ndarray, "height width"]:
    """Return the share of every sample of a map that a mask covers; a map's `extent` is (left, top, right, bottom) in
    fractions of the image, beyond whose edges the mask goes on as it is there.
    """
    if extent == WHOLE and mask.shape == (height, width):
        return mask.astype(float)
    left, top, right, bottom = extent
    rows, columns = _overlaps(height, top, bottom, mask.shape[0]), _overlaps(width, left, right, mask.shape[1])
    return rows @ mask.astype(float) @ columns.T


def _overlaps(count: int, low: float, high: float, pixels: int) -> Float[np.ndarray, "count pixels"]:
    """Return the share of each of `count` samples from `low` to `high` that lies on each pixel of a side."""
    ends = (low + (high - low) * np.arange(count + 1) / count) * pixels
    first, last = np.arange(pixels, dtype=float), np.arange(1, pixels + 1, dtype=float)
    first[0], last[-1] = min(0.0, ends[0]), max(float(pixels), ends[-1])
    lengths = np.minimum(ends[1:, None], last) - np.maximum(ends[:-1, None], first)
    return lengths.clip(min=0) / np.diff(ends)[:, None]


def _distance_to(mask: Mask) -> Float[np.ndarray, "h w"]:
    """Return each pixel's distance to the nearest one of a mask, infinite where it has none."""
    return np.asarray(distance_transform_edt(~mask)) if mask.any() else np.full(mask.shape, np.inf)


def pairs_across(core: Mask, limit: Mask) -> tuple[np.ndarray, np.ndarray]:
    """Tell of every two neighbors, down and to the right, whether the way from core to limit leads across them."""
    both_core = core[1:] & core[:-1], core[:, 1:] & core[:, :-1]
    either_in = limit[1:] | limit[:-1], limit[:, 1:] | limit[:, :-1]
    return either_in[0] & ~both_core[0], either_in[1] & ~both_core[1]


def _gradient(images: Float[Tensor, "n c h w"], pairs: Sequence[Bool[Tensor, "_h _w"]]) -> Float[Tensor, "n"]:
    """Return the sum of squared differences of these pairs of neighbors, down and to the right."""
    down, right = pairs
    downward = (images.diff(dim=-2).square() * down).sum((1, 2, 3))
    return downward + (images.diff(dim=-1).square() * right).sum((1, 2, 3))
