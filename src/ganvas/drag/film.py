"""Pictures of a drag: handles red, targets blue, an arrow between them. Draws on pictures; paints none by itself."""

import math
from collections.abc import Callable, Sequence

import numpy as np
import torch
from jaxtyping import Float
from PIL import Image, ImageDraw
from torch import Tensor

from ganvas import images
from ganvas.drag.state import Point

RED, BLUE, WHITE = (230, 30, 40), (30, 100, 255), (255, 255, 255)
SMALLEST, LARGEST = 384, 512  # pixels: points are still seen apart, and a film of them fits into memory
SMOOTHER = 4  # marks are drawn so many times larger and shrunk
RADIUS = 1 / 72  # of the width, of a point


def at_viewing_size(picture: Float[Tensor, "1 3 h w"]) -> Float[Tensor, "1 3 h2 w2"]:
    """Return the picture enlarged by a whole factor to at least 384 pixels, or shrunk to 512."""
    size = picture.shape[-1]
    if size > LARGEST:
        return images.resize(picture, LARGEST, LARGEST)
    return images.enlarge(picture, math.ceil(SMALLEST / size))


def marked(
    picture: Float[Tensor, "1 3 h w"], handles: Sequence[Point], targets: Sequence[Point]
) -> Float[Tensor, "1 3 h w"]:
    """Return the picture with the points, (x, y) in fractions, drawn on it: a red dot for each handle, a blue one for
    each target, both rimmed in white, and an arrow from one to the other where they lie apart.
    """
    height, width = picture.shape[-2:]
    layer = Image.new("RGBA", (width * SMOOTHER, height * SMOOTHER), (*WHITE, 0))
    brush = ImageDraw.Draw(layer)
    size = np.array([layer.width, layer.height], dtype=float)
    radius = max(3.0, RADIUS * width) * SMOOTHER
    pairs = [
        (np.array(handle) * size, np.array(target) * size) for handle, target in zip(handles, targets, strict=True)
    ]
    for handle, target in pairs:
        _arrow(brush, handle, target, radius)
    for handle, target in pairs:
        _dot(brush, target, radius, BLUE)
        _dot(brush, handle, radius, RED)
    over = torch.from_numpy(np.array(layer.resize((width, height), Image.Resampling.BOX))).to(picture.device)
    opacity = over[None, ..., 3:].movedim(3, 1) / 255
    return picture.lerp(images.from_bytes(over[None, ..., :3]).to(picture), opacity.to(picture))


def _dot(brush: ImageDraw.ImageDraw, middle: np.ndarray, radius: float, colour: tuple[int, int, int]) -> None:
    for reach, shade in ((radius * 1.35, WHITE), (radius, colour)):
        brush.ellipse((*(middle - reach), *(middle + reach)), fill=(*shade, 255))


def _arrow(brush: ImageDraw.ImageDraw, start: np.ndarray, end: np.ndarray, radius: float) -> None:
    """Draw an arrow whose head ends at the rim of the target's dot; none where the dots touch."""
    way = end - start
    length = float(np.hypot(*way))
    if length < 3 * radius:
        return
    along = way / length
    across = np.array([-along[1], along[0]])
    tip = end - along * radius * 1.4
    neck = tip - along * radius * 1.4
    line = [tuple(start), tuple(neck)]
    brush.line(line, fill=(*WHITE, 255), width=max(1, round(radius * 0.55)))
    brush.polygon([tuple(tip), tuple(neck + across * radius * 0.8), tuple(neck - across * radius * 0.8)], (*WHITE, 255))


class Reel:
    """The frames of a film whose length is not known beforehand: at most `most`, evenly spaced in steps.

    When there are too many, every other one is dropped and only every other step is wanted from then on.
    """

    def __init__(self, most: int) -> None:
        self.most, self.stride, self.offered, self.frames = most, 1, 0, dict[int, Tensor]()

    def offer(self, paint: Callable[[], Float[Tensor, "1 3 h w"]], last: bool = False) -> None:
        """Take one more frame if it is wanted, or is the `last` of a drag; `paint` is called only then."""
        number = self.offered
        self.offered += 1
        if self.most > 0 and (last or number % self.stride == 0):
            self.frames[number] = paint()
        while len(self.frames) > max(self.most, 2):  # the first and the last always stay
            self.stride *= 2
            self.frames = {n: kept for n, kept in self.frames.items() if n % self.stride == 0 or n == number}

    def film(self, pause: int = 0) -> Float[Tensor, "n 3 h w"]:
        """Return the frames in order, the last one `pause` times more."""
        frames = [self.frames[step] for step in sorted(self.frames)]
        return torch.cat([*frames, *frames[-1:] * pause])
