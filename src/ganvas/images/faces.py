"""Finds the faces of people in a photo, with the landmarks of dlib (King 2009): the detector of frontal faces
(histograms of oriented gradients, Felzenszwalb et al. 2010), then five landmarks (an ensemble of regression trees,
Kazemi and Sullivan 2014), of which four are the corners of the eyes. Needs the extra ``align``.
"""

import importlib
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, UInt8
from torch import Tensor

from ganvas.errors import GanvasError
from ganvas.images.decoding import opened, upright_size
from ganvas.images.photos import Point, read_sketch
from ganvas.images.pixels import to_bytes

SIDE = 1024  # pixels of the square in which faces are searched; the detector knows faces of at least 80 pixels
LANDMARKS = "shape_predictor_5_face_landmarks.dat"  # the one of dlib's models that may be used for everything
INSTALL = 'pip install "ganvas[align]"'


@dataclass(frozen=True)
class Face:
    """A face in a photo: its eyes and its width, in fractions of the upright photo.

    Attributes:
        left_eye: The eye (x, y) further left in the photo.
        right_eye: The other one.
        width: The width of the face in fractions of the photo's longer side.
        certain: Whether it is one beyond doubt.
    """

    left_eye: Point
    right_eye: Point
    width: float
    certain: bool = True

    @property
    def eyes(self) -> tuple[Point, Point]:
        """The left and the right eye."""
        return self.left_eye, self.right_eye


def can_find_faces() -> bool:
    """Return whether the extra ``align`` is installed."""
    return find_spec("dlib") is not None and find_spec("face_recognition_models") is not None


def find_faces(path: str | Path) -> list[Face]:
    """Return the faces in a photo, the largest first; none where there is none.

    Upright and up to about 30 degrees rotated frontal faces are found from a twenty-fifth of the photo's longer side.

    Raises:
        GanvasError: The extra ``align`` is not installed.
        ImageError: The file cannot be read.
    """
    detector, predictor = _models()
    pixels = for_dlib(read_sketch(path, SIDE)[0])
    boxes = list(detector(pixels, 0)) or list(detector(pixels, 1))  # 1: at twice the size, for small faces
    with opened(path, shrinkable=True) as image:
        width, height = upright_size(image)
    faces = [_face(predictor(pixels, box), box.width(), width, height) for box in boxes]
    return sorted(faces, key=lambda face: -face.width)


def for_dlib(image: Float[Tensor, "1 3 h w"]) -> UInt8[np.ndarray, "h w 3"]:
    """Return an image as dlib takes it: contiguous. Of an array in another order dlib 20 makes a copy, frees it, and
    reads it after that, so that a face is found in one process and not in the next.
    """
    return np.ascontiguousarray(to_bytes(image)[0].cpu().numpy())


def _face(shape: Any, wide: int, width: int, height: int) -> Face:
    corners = np.array([(shape.part(index).x, shape.part(index).y) for index in range(4)], dtype=float) + 0.5
    left, right = sorted((float(x), float(y)) for x, y in (corners[:2].mean(0), corners[2:].mean(0)))
    return Face(in_photo(left, width, height), in_photo(right, width, height), wide / SIDE)


def in_photo(place: Point, width: int, height: int) -> Point:
    """Convert a pixel of the square of `SIDE` pixels around a photo to fractions of the photo, clamped to it."""
    longer = max(width, height)
    x, y = (
        (part / SIDE * longer - (longer - size) / 2) / size for part, size in zip(place, (width, height), strict=True)
    )
    return min(max(x, 0.0), 1.0), min(max(y, 0.0), 1.0)


@cache
def _models() -> tuple[Any, Any]:
    """Return dlib's detector of frontal faces and its predictor of five landmarks."""
    dlib = importlib.import_module("dlib") if can_find_faces() else None
    if dlib is None:
        raise GanvasError(
            f"Finding faces needs dlib, which is not installed: {INSTALL}, or say where the eyes are: --eyes X,Y:X,Y."
        )
    return dlib.get_frontal_face_detector(), dlib.shape_predictor(str(model_file(LANDMARKS)))


def model_file(name: str) -> Path:
    """Return the file of one of dlib's models, by its name."""
    # The package is not imported: it needs pkg_resources, which setuptools no longer has.
    found = find_spec("face_recognition_models")
    assert found is not None
    assert found.submodule_search_locations
    return Path(found.submodule_search_locations[0]) / "models" / name
