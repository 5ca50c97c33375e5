"""A step reads the followed map near its handles only: without a mask, only a crop of the map is computed."""

from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from ganvas.drag.sampling import Plane
from ganvas.drag.state import Drag
from ganvas.generators.crops import Crop
from ganvas.generators.protocol import HasParts

RIM = 2  # samples of the map: reading between pixels of the enlarged map touches the next but one
MAX_SHARE = 0.6  # of the map: a larger crop is not worth its halo


def feature_near(
    drag: Drag[Any], codes: Tensor, points: Float[Tensor, "k 2"], margin: float
) -> Float[Tensor, "1 c h w"]:
    """Return the followed map of the codes, right within `margin` pixels of the box around the points; it may be 0
    elsewhere. All of it is computed where some of the image must stay, or where the generator cannot crop maps.
    """
    context, reference = drag.context, drag.reference
    size = reference.feature.shape[-1]
    crop = samples_near(points, margin, context.plane, size)
    croppable = isinstance(context.generator, HasParts) and reference.feature.shape[-2] == size
    if reference.must_stay is not None or not croppable or crop.area > MAX_SHARE * size**2:
        return context.feature_map(codes)
    around = (crop.left, size - crop.right, crop.top, size - crop.bottom)
    return F.pad(context.feature_map(codes, crop), around)


def samples_near(points: Float[Tensor, "k 2"], margin: float, plane: Plane, size: int) -> Crop:
    """Return the samples of a map of `size` a side that are read within `margin` pixels of the points, as one box;
    positions off the image are read at its edge.
    """
    inside = points.clamp(0, plane.resolution)
    sides = []
    for axis in (0, 1):
        low, high = plane.ends(axis)
        scale = size / (high - low)
        first, last = ((inside[:, axis].min() - margin - low) * scale, (inside[:, axis].max() + margin - low) * scale)
        sides.append((int(torch.floor(first)) - RIM, int(torch.ceil(last)) + RIM))
    (left, right), (top, bottom) = sides
    return Crop(left, top, right, bottom).within(size)
