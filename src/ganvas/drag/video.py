"""Handles and targets drawn on images: red, blue, an arrow between them; and which frames a video keeps."""

import math
from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float
from PIL import Image, ImageDraw
from torch import Tensor

from ganvas.drag.request import Point
from ganvas.images import pixels

RED, BLUE, WHITE = (230, 30, 40), (30, 100, 255), (255, 255, 255)
SMALLEST, LARGEST = 384, 512  # pixels: handles can be told apart, and a sheet is no larger than a screen
SUPERSAMPLING = 4  # marks are drawn so many times larger and shrunk
RADIUS = 1 / 72  # of the width, of a point


def at_viewing_size(image: Float[Tensor, "1 3 h w"]) -> Float[Tensor, "1 3 h2 w2"]:
    """Return the image enlarged by a whole factor to at least 384 pixels, or shrunk to 512."""
    if image.shape[-1] > LARGEST:
        return pixels.resize(image, LARGEST, LARGEST)
    return at_least_viewing_size(image)


def at_least_viewing_size(image: Float[Tensor, "1 3 h w"]) -> Float[Tensor, "1 3 h2 w2"]:
    """Return the image, a small one enlarged by a whole factor to at least 384 pixels."""
    return pixels.enlarge(image, math.ceil(SMALLEST / image.shape[-1]))


def marked(
    image: Float[Tensor, "1 3 h w"], handles: Sequence[Point | None], targets: Sequence[Point]
) -> Float[Tensor, "1 3 h w"]:
    """Return the image with the points, (x, y) in fractions, drawn on it: a red dot for each handle, a blue one for
    each target, both rimmed in white, and an arrow from one to the other where they lie apart. A handle of None, one
    that was not found, has no dot.
    """
    height, width = image.shape[-2:]
    layer = Image.new("RGBA", (width * SUPERSAMPLING, height * SUPERSAMPLING), (*WHITE, 0))
    brush = ImageDraw.Draw(layer)
    size = np.array([layer.width, layer.height], dtype=float)
    radius = max(3.0, RADIUS * width) * SUPERSAMPLING
    pairs = [(handle, target) for handle, target in zip(handles, targets, strict=True) if handle is not None]
    for handle, target in pairs:
        _arrow(brush, np.array(handle) * size, np.array(target) * size, radius)
    for target in targets:
        _dot(brush, np.array(target) * size, radius, BLUE)
    for handle, _ in pairs:
        _dot(brush, np.array(handle) * size, radius, RED)
    over = torch.from_numpy(np.array(layer.resize((width, height), Image.Resampling.BOX))).to(image.device)
    opacity = over[None, ..., 3:].movedim(3, 1) / 255
    return image.lerp(pixels.from_bytes(over[None, ..., :3]).to(image), opacity.to(image))


def _dot(brush: ImageDraw.ImageDraw, middle: np.ndarray, radius: float, color: tuple[int, int, int]) -> None:
    for reach, shade in ((radius * 1.35, WHITE), (radius, color)):
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


def evenly(count: int, most: int) -> list[int]:
    """Return which of `count` frames make a video of at most `most`: the first, the last, and an even choice
    between.
    """
    if min(count, most) < 2:
        return list(range(count))[-1:] if most > 0 else []
    kept = min(count, most)
    return [round(number * (count - 1) / (kept - 1)) for number in range(kept)]
