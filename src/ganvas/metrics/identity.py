"""Distances of a photo's likeness to the photo: identity for people, perceptual distance for anything else."""

import importlib
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
from jaxtyping import Float
from torch import Tensor

from ganvas.images.faces import LANDMARKS, for_dlib, model_file
from ganvas.images.pixels import resize
from ganvas.metrics.features import FeatureNetwork
from ganvas.metrics.perceptual import perceptual_distance

SAME_PERSON = 0.6  # dlib's own threshold (99.38 % on Labeled Faces in the Wild)
RECOGNITION = "dlib_face_recognition_resnet_model_v1.dat"
SIDE = 512  # pixels of the images in which landmarks are found
Distance = Callable[[Float[Tensor, "1 3 h w"]], Callable[[Float[Tensor, "1 3 h w"]], float]]
"""Given a photo, returns what tells the distance of an image from it: a photo is looked at once for all its images."""


def perceptual(network: FeatureNetwork) -> Distance:
    """Return the perceptual distance in a feature network, from 0 to 4."""
    return lambda photo: lambda image: float(perceptual_distance(network, image, photo))


def identity() -> Distance:
    """Return the Euclidean distance of face descriptors (dlib's residual network, 128 numbers); below 0.6 it takes two
    images for one person. The face is found in the photo, and its landmarks in both images within that box: the
    detector would overlook the very faces that are of interest here, the damaged ones.
    """

    def to(photo: Float[Tensor, "1 3 h w"]) -> Callable[[Float[Tensor, "1 3 h w"]], float]:
        dlib, _, predictor, network = _models()
        boxes = face_boxes(photo)
        box = boxes[0] if boxes else dlib.rectangle(0, 0, SIDE, SIDE)

        def descriptor(image: Float[Tensor, "1 3 h w"]) -> np.ndarray:
            colors = _colors(image)
            return np.array(network.compute_face_descriptor(colors, predictor(colors, box)))

        photo_descriptor = descriptor(photo)
        return lambda image: float(np.linalg.norm(descriptor(image) - photo_descriptor))

    return to


def face_boxes(image: Float[Tensor, "1 3 h w"]) -> list[Any]:
    """Return the boxes of the faces in an image as dlib's detector has them, the widest first."""
    _, detector, _, _ = _models()
    return sorted(detector(_colors(image), 0), key=lambda box: -box.width())


def _colors(image: Float[Tensor, "1 3 h w"]) -> np.ndarray:
    return for_dlib(resize(image, SIDE, SIDE))


@cache
def _models() -> tuple[Any, Any, Any, Any]:
    """Return dlib, its detector of faces, its predictor of five landmarks, and its network of descriptors."""
    dlib = importlib.import_module("dlib")
    predictor = dlib.shape_predictor(str(model_file(LANDMARKS)))
    network = dlib.face_recognition_model_v1(str(model_file(RECOGNITION)))
    return dlib, dlib.get_frontal_face_detector(), predictor, network
