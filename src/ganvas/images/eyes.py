"""Finds the eyes of a person in a photo with the cascades of OpenCV 4 (Viola and Jones 2001): the largest frontal face,
then an eye in each half of it. Needs the extra ``align``; works for faces that are upright or slightly rotated.

Cats are not supported: OpenCV's cascade of cat faces is too imprecise to locate eyes.
"""

import importlib
import math
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import UInt8

from ganvas.errors import GanvasError, ImageError
from ganvas.images.decoding import opened, upright_size
from ganvas.images.photos import Point, read_sketch
from ganvas.images.pixels import LUMA_WEIGHTS

SIDE = 512  # pixels of a side at which photos are searched
SMALLEST_FACE = 0.2  # of the longer side
# Mean position of the eyes in a box of the face cascade, in fractions of it (12 photos, 60 of UTKFace: within 0.02).
DEFAULT: tuple[Point, Point] = ((0.302, 0.385), (0.702, 0.385))
FARTHEST = 0.15  # widths of the face; an eye found further from its mean position is a false detection
UPPER = (0.15, 0.6)  # the part of the box in which eyes are searched, from its top
FACE, EYE = "haarcascade_frontalface_alt2.xml", "haarcascade_eye_tree_eyeglasses.xml"
Gray = UInt8[np.ndarray, "h w"]


def find_eyes(path: str | Path) -> tuple[Point, Point]:
    """Return the left and the right eye (x, y) of the largest face, in fractions of the upright photo.

    If only the face is found, both eyes are at their mean position in it. Raises `GanvasError` without OpenCV,
    `ImageError` if the file cannot be read or no face is found.
    """
    faces, eyes = _cascade(FACE), _cascade(EYE)
    colors, _ = read_sketch(path, SIDE)
    luma = torch.einsum("c,chw->hw", torch.tensor(LUMA_WEIGHTS), colors[0])
    gray = ((luma + 1) * 127.5).round().clamp(0, 255).byte().numpy()
    face = _largest(faces, gray, round(SMALLEST_FACE * SIDE), SIDE, 4, 1.05)
    if face is None:
        raise ImageError(
            f"No face was found in '{path}'; give its eyes with --eyes X,Y;X,Y in fractions of the photo, or crop it "
            "with --crop."
        )
    with opened(path, shrinkable=True) as image:
        width, height = upright_size(image)
    left, right = (in_photo(place, width, height) for place in eyes_in_face(eyes, gray, face))
    return left, right


def eyes_in_face(cascade: Any, gray: Gray, face: tuple[int, int, int, int]) -> tuple[Point, Point]:
    """Return both eyes, in pixels, of a face in a box x, y, width, height."""
    x, y, width, height = face
    default = tuple((x + across * width, y + down * height) for across, down in DEFAULT)
    top, bottom, middle = y + round(UPPER[0] * height), y + round(UPPER[1] * height), x + width // 2
    found = []
    for start, end in ((x, middle), (middle, x + width)):
        box = _largest(cascade, gray[top:bottom, start:end], width // 8, width // 2, 3, 1.03)
        if box is not None:
            found.append((start + box[0] + box[2] / 2, top + box[1] + box[3] / 2))
    near = [math.dist(eye, place) <= FARTHEST * width for eye, place in zip(found, default, strict=False)]
    left, right = found if near == [True, True] else default
    return left, right


def in_photo(place: Point, width: int, height: int) -> Point:
    """Convert a pixel of the square of `SIDE` pixels around a photo to fractions of the photo, clamped to it."""
    longer = max(width, height)
    x, y = (
        (part / SIDE * longer - (longer - size) / 2) / size for part, size in zip(place, (width, height), strict=True)
    )
    return min(max(x, 0.0), 1.0), min(max(y, 0.0), 1.0)


def _largest(
    cascade: Any, gray: Gray, smallest: int, largest: int, neighbors: int, factor: float
) -> tuple[int, int, int, int] | None:
    """Return the largest box that a cascade finds, or None."""
    boxes = cascade.detectMultiScale(
        np.ascontiguousarray(gray), factor, neighbors, minSize=(smallest, smallest), maxSize=(largest, largest)
    )
    found = [(int(x), int(y), int(width), int(height)) for x, y, width, height in boxes]
    return max(found, key=lambda box: box[2], default=None)


def _cascade(name: str) -> Any:
    try:
        cv2: Any = importlib.import_module("cv2")
    except ImportError:
        raise GanvasError(
            'Finding eyes needs OpenCV, which is not installed: pip install "ganvas[align]", or give them with --eyes '
            "X,Y;X,Y."
        ) from None
    path = Path(cv2.__file__).parent / "data" / name
    if not path.is_file():  # from version 5 on, and in builds of some distributions
        raise GanvasError(
            f'OpenCV {cv2.__version__} lacks {name}: pip install "opencv-python-headless<5", or give the position of '
            "the eyes with --eyes X,Y;X,Y."
        )
    return cv2.CascadeClassifier(str(path))
