"""What a step reads of the followed map lies near its points: where nothing else has to stay, the rest of the map need
not be computed.
"""

from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from ganvas.drag.sampling import Plane
from ganvas.drag.state import Drag
from ganvas.generators.crops import Crop
from ganvas.generators.protocol import HasParts

BESIDE = 2  # samples of the map: reading between pixels of the enlarged map touches the next but one
WORTH = 0.6  # of the map: a part that is larger is not worth its rim


def feature_near(
    drag: Drag[Any], codes: Tensor, points: Float[Tensor, "k 2"], margin: float
) -> Float[Tensor, "1 c h w"]:
    """Return the followed map of the codes, right within `margin` pixels of the box around the points; it may be 0
    elsewhere. All of it is right where some of the image must stay, and where the generator knows no parts.
    """
    subject, size = drag.subject, drag.fixed.feature.shape[-1]
    window = samples_near(points, margin, subject.plane, size)
    known = isinstance(subject.generator, HasParts) and drag.fixed.feature.shape[-2] == size
    if drag.fixed.must_stay is not None or not known or window.area > WORTH * size**2:
        return subject.feature_of(codes)
    around = (window.left, size - window.right, window.top, size - window.bottom)
    return F.pad(subject.feature_of(codes, window), around)


def samples_near(points: Float[Tensor, "k 2"], margin: float, plane: Plane, size: int) -> Crop:
    """Return the samples of a map of `size` a side that are read within `margin` pixels of the points, as one box;
    places off the image are read at its edge.
    """
    inside = points.clamp(0, plane.resolution)
    sides = []
    for axis in (0, 1):
        low, high = plane.ends(axis)
        scale = size / (high - low)
        first, last = ((inside[:, axis].min() - margin - low) * scale, (inside[:, axis].max() + margin - low) * scale)
        sides.append((int(torch.floor(first)) - BESIDE, int(torch.ceil(last)) + BESIDE))
    (left, right), (top, bottom) = sides
    return Crop(left, top, right, bottom).within(size)
