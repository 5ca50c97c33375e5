"""Finds the heads of cats in a photo, coarse to fine: a small network (`ganvas.images.head_network`) looks at square
windows of the photo, of several sizes, and says of each whether there is a head and by which similarity the window has
to move to frame it; the best windows are moved three times.

A window is (x, y, log side, angle): its center and side in pixels of the photo at `SIDE`, its angle clockwise.
"""

import importlib.resources
import math
from functools import cache
from pathlib import Path

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from ganvas.images.decoding import opened, upright_size
from ganvas.images.faces import Face
from ganvas.images.head_network import SIDE as WINDOW
from ganvas.images.head_network import HeadNetwork, load_head_network
from ganvas.images.photos import Point, read_sketch

SIDE = 512  # pixels of the longer side of the photo
LEVELS = 4  # of the pyramid, each of half the size of the one before
LARGEST, RATIO, SIZES = 1.2, 1.5, 5  # sides of the first windows: the largest in sides of the photo; their ratio
STRIDE = 0.3  # between first windows, in their sides
MOVED = 24  # windows that are moved
BATCH = 128
STEPS = 3
WORTH_MOVING, LIKELY, CERTAIN = -1.0, 2.5, 4.5  # logits of first windows that are moved, and of heads
APART = 0.4  # distance between two heads, in sides of the larger frame
# Shift, logarithm of scale and angle by which a frame is changed before the last look; the mean of all counts.
LAST_LOOKS = (
    (0.0, 0.0, 0.0, 0.0),
    (0.05, 0.03, 0.1, 0.08),
    (-0.05, 0.03, -0.1, -0.08),
    (0.03, -0.05, 0.05, -0.12),
    (-0.03, -0.05, -0.05, 0.12),
)
CAT_EYES = ((0.36, 0.495), (0.64, 0.495))  # in the frame that the network was trained with, AFHQ's
CAT_WIDTH = 0.82  # of a head in its frame, over the fur of its cheeks


def find_cats(path: str | Path) -> list[Face]:
    """Return the cats' heads in a photo, the largest first: those that are certain, else those that are likely.

    Found are heads that look more or less into the camera, rotated by up to about 40 degrees, from a sixth of the
    photo's longer side. Raises `ImageError` where the file cannot be read.
    """
    with opened(path, shrinkable=True) as image:
        width, height = upright_size(image)
    photo = _without_margin(read_sketch(path, SIDE)[0], width / height)
    frames, logits = find_heads(photo, _network("cat-heads"))
    likely = [(frame, logit) for frame, logit in zip(frames.tolist(), logits.tolist(), strict=True) if logit > LIKELY]
    found = [_face(frame, photo.shape[3], photo.shape[2], logit > CERTAIN) for frame, logit in likely]
    inside = [face for face in found if all(0 <= part <= 1 for eye in face.eyes for part in eye)]
    certain = [face for face in inside if face.certain]
    return sorted(certain or inside, key=lambda face: -face.width)


def _without_margin(square: Float[Tensor, "1 3 s s"], aspect: float) -> Float[Tensor, "1 3 h w"]:
    """Return the part of the square that a photo of this aspect ratio takes in its middle."""
    side = square.shape[-1]
    wide, high = (max(1, round(side * min(1.0, ratio))) for ratio in (aspect, 1 / aspect))
    left, top = (side - wide) // 2, (side - high) // 2
    return square[:, :, top : top + high, left : left + wide]


def _face(frame: list[float], width: int, height: int, certain: bool) -> Face:
    x, y, log_side, angle = frame
    turn, side = complex(math.cos(angle), math.sin(angle)), math.exp(log_side)

    def place(of_frame: Point) -> Point:
        moved = complex(x, y) + side * turn * (complex(*of_frame) - complex(0.5, 0.5))
        return moved.real / width, moved.imag / height

    return Face(place(CAT_EYES[0]), place(CAT_EYES[1]), CAT_WIDTH * side / max(width, height), certain)


@torch.no_grad()
def find_heads(
    photo: Float[Tensor, "1 3 h w"], network: HeadNetwork
) -> tuple[Float[Tensor, "n 4"], Float[Tensor, "n"]]:
    """Return the frames of heads in a photo, the most certain first, and their logits."""
    pyramid = [photo]
    for _ in range(LEVELS - 1):
        pyramid.append(F.avg_pool2d(pyramid[-1], 2, ceil_mode=True, count_include_pad=False))
    frames, logits = _look(pyramid, first_windows(photo.shape[3], photo.shape[2]), network)
    best = logits.argsort(descending=True)[:MOVED]
    frames, logits = frames[best][logits[best] > WORTH_MOVING], logits[best][logits[best] > WORTH_MOVING]
    for _ in range(STEPS):
        frames, logits = _apart(*_look(pyramid, frames, network))
    if len(frames) == 0:
        return frames, logits
    looks = frames.new_tensor(LAST_LOOKS).repeat(len(frames), 1)
    moved, again = _look(pyramid, moved_by(frames.repeat_interleave(len(LAST_LOOKS), 0), looks), network)
    return _apart(moved.unflatten(0, (len(frames), -1)).mean(1), again.view(len(frames), -1).mean(1))


def first_windows(width: int, height: int) -> Float[Tensor, "n 4"]:
    """Return upright windows of several sizes all over a photo; those at its edges reach beyond it."""
    windows = []
    for number in range(SIZES):
        side = LARGEST * max(width, height) / RATIO**number
        along = [_centers(length, side) for length in (width, height)]
        windows += [(x, y, math.log(side), 0.0) for x in along[0] for y in along[1]]
    return torch.tensor(windows)


def _centers(length: int, side: float) -> list[float]:
    inset = min(0.25 * side, length / 2)
    count = 1 + math.ceil((length - 2 * inset) / (STRIDE * side))
    return torch.linspace(inset, length - inset, count).tolist() if count > 1 else [length / 2]


def _look(
    pyramid: list[Tensor], windows: Float[Tensor, "n 4"], network: HeadNetwork
) -> tuple[Float[Tensor, "n 4"], Float[Tensor, "n"]]:
    """Return windows moved to the heads that the network sees in them, and the logits of there being one."""
    parts = [network(window_images(pyramid, part)) for part in windows.split(BATCH)]
    found = torch.cat(parts) if parts else windows.new_zeros(0, 5)
    return moved_by(windows, found[:, 1:]), found[:, 0]


def moved_by(windows: Float[Tensor, "n 4"], similarities: Float[Tensor, "n 4"]) -> Float[Tensor, "n 4"]:
    """Return windows moved by similarities relative to them: ``c + s R(a) d``, ``log s + l``, ``a + b``."""
    x, y, logs, angles = windows.T
    dx, dy, scales, turns = similarities.T
    cosine, sine = logs.exp() * angles.cos(), logs.exp() * angles.sin()
    return torch.stack([x + cosine * dx - sine * dy, y + sine * dx + cosine * dy, logs + scales, angles + turns], dim=1)


def window_images(pyramid: list[Tensor], windows: Float[Tensor, "n 4"]) -> Float[Tensor, "n 3 s s"]:
    """Return what windows show, [n, 3, 64, 64], each from the level with one to two pixels for each of its own; beyond
    the photo's edges it is mirrored.
    """
    height, width = pyramid[0].shape[2:]
    levels = ((windows[:, 2] - math.log(WINDOW)) / math.log(2)).floor().clamp(0, len(pyramid) - 1)
    images = windows.new_empty(len(windows), 3, WINDOW, WINDOW)
    for level, image in enumerate(pyramid):
        rows = (levels == level).nonzero().flatten()
        if len(rows):
            grid = F.affine_grid(_maps(windows[rows], width, height), [len(rows), 1, WINDOW, WINDOW], False)
            images[rows] = F.grid_sample(
                image.expand(len(rows), -1, -1, -1), grid, "bilinear", "reflection", align_corners=False
            )
    return images


def _maps(windows: Float[Tensor, "n 4"], width: int, height: int) -> Float[Tensor, "n 2 3"]:
    """Return the maps from windows to the photo, both in torch's [-1, 1]."""
    x, y, logs, angles = windows.T
    cosine, sine = logs.exp() * angles.cos(), logs.exp() * angles.sin()
    rows = [[cosine / width, -sine / width, 2 * x / width - 1], [sine / height, cosine / height, 2 * y / height - 1]]
    return torch.stack([torch.stack(row, dim=1) for row in rows], dim=1)


def _apart(frames: Float[Tensor, "n 4"], logits: Float[Tensor, "n"]) -> tuple[Float[Tensor, "m 4"], Float[Tensor, "m"]]:
    """Return frames that are apart from each other, by falling logit: of those of one head the most certain."""
    kept: list[int] = []
    for row in logits.argsort(descending=True).tolist():
        near = ((frames[row, :2] - frames[other, :2]).norm() / frames[[row, other], 2].max().exp() for other in kept)
        if all(distance > APART for distance in near):
            kept.append(row)
    return frames[kept], logits[kept]


@cache
def _network(name: str) -> HeadNetwork:
    """Return the bundled head network of this name."""
    return load_head_network(Path(str(importlib.resources.files("ganvas.images") / "bundled" / f"{name}.safetensors")))
