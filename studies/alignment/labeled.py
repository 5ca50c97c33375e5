"""Faces whose eyes are known from label maps, as they are and in harder photos made from them."""

import io
import math
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
from PIL import Image
from scipy import ndimage

from ganvas.errors import ImageError
from ganvas.images.decoding import opened
from ganvas.images.photos import Point

EYE_LABEL = 3  # of FASSEG version 2
Eyes = tuple[Point, Point]
Placed = tuple[Image.Image, Eyes]


def labeled_faces(path: Path, indices: Sequence[int]) -> Iterator[tuple[str, Image.Image, Eyes]]:
    """Yield name, image and eyes of faces in a zip of ``000.jpg`` with the label map ``000.png``. The eyes are the
    centers of the two largest connected parts with the label of eyes, in fractions, the left one first.

    Raises `ImageError` for a face whose label map has not two eyes.
    """
    with zipfile.ZipFile(path) as file:
        for index in indices:
            name = f"{index:03d}.jpg"
            with opened(io.BytesIO(file.read(name))) as photo:
                image = photo.convert("RGB")
            with opened(io.BytesIO(file.read(f"{index:03d}.png"))) as label_map:
                labels = np.array(label_map)
            yield name, image, _eyes(labels, name)


def _eyes(labels: np.ndarray, name: str) -> Eyes:
    parts, count = ndimage.label(labels == EYE_LABEL)
    if count < 2:
        raise ImageError(f"The label map of {name} has {count} eyes, not two.")
    sizes = ndimage.sum(labels == EYE_LABEL, parts, range(1, count + 1))
    chosen = np.argsort(sizes)[-2:] + 1
    height, width = labels.shape
    centers = [np.argwhere(parts == part).mean(0) + 0.5 for part in chosen]
    left, right = sorted((float(x) / width, float(y) / height) for y, x in centers)
    return left, right


def rotated(degrees: float) -> Callable[[Image.Image, Eyes], Placed]:
    """Return what rotates an image about its middle, counterclockwise, over gray."""

    def place(image: Image.Image, eyes: Eyes) -> Placed:
        cosine, sine = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
        width, height = image.size

        def moved(eye: Point) -> Point:
            x, y = (eye[0] - 0.5) * width, (eye[1] - 0.5) * height
            return (cosine * x + sine * y) / width + 0.5, (cosine * y - sine * x) / height + 0.5

        turned = image.rotate(degrees, Image.Resampling.BICUBIC, fillcolor="gray")
        return turned, (moved(eyes[0]), moved(eyes[1]))

    return place


def on_a_page(times: int) -> Callable[[Image.Image, Eyes], Placed]:
    """Return what puts an image on a gray page whose sides are `times` as long, right of and above the middle."""

    def place(image: Image.Image, eyes: Eyes) -> Placed:
        width, height = image.size
        page = Image.new("RGB", (times * width, times * height), "gray")
        left, top = (times - 1) * width * 2 // 3, (times - 1) * height // 3
        page.paste(image, (left, top))
        x, y = left / page.width, top / page.height
        return page, (
            (x + eyes[0][0] / times, y + eyes[0][1] / times),
            (x + eyes[1][0] / times, y + eyes[1][1] / times),
        )

    return place


PHOTOS: Mapping[str, Callable[[Image.Image, Eyes], Placed]] = {
    "as they are": lambda image, eyes: (image, eyes),
    "rotated by 15 degrees": rotated(15),
    "rotated by -30 degrees": rotated(-30),
    "on a page of 3 times the size": on_a_page(3),
    "on a page of 8 times the size": on_a_page(8),
}
