"""Reads masks and label maps from image files as numpy arrays. Knows no regions."""

from collections.abc import Iterable
from operator import index
from os import PathLike, fspath
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float, Integer
from PIL import Image, ImageOps

from ganvas.errors import ImageError, RegionError
from ganvas.images.decoding import opened

MOST_PIXELS = 4096 * 4096
MOST_LISTED = 30


def read_mask(path: str | PathLike[str]) -> Float[np.ndarray, "h w"]:
    """Read an image as a soft mask in [0, 1]: opacity if any pixel is transparent, else luminance (Rec. 601).

    16-bit gray keeps its depth. Raises `ImageError` for a file that cannot be read or has 32 bits per pixel.
    """
    image = _decoded(path)
    if image.has_transparency_data:
        alpha = np.asarray(image.convert("RGBA").getchannel("A"))
        if alpha.min() < 255:
            return alpha.astype(np.float32) / 255
        image = image.convert("RGB")
    if image.mode.startswith("I;16"):
        return np.asarray(image).astype(np.float32) / 65535
    if image.mode in ("I", "F"):
        raise ImageError(f"'{fspath(path)}' has 32 bits per pixel; save the mask with 8 or 16 bits, gray or color.")
    return np.asarray(image.convert("L")).astype(np.float32) / 255


def read_label_map(path: str | PathLike[str]) -> Integer[np.ndarray, "h w"]:
    """Read the values of a gray image or the indices of a palette image; `ImageError` for a color image."""
    image = _decoded(path)
    if image.mode not in ("1", "L", "P", "I") and not image.mode.startswith("I;16"):
        raise ImageError(
            f"'{fspath(path)}' is an image of mode {image.mode}, not a label map; save the labels as a gray (8 or 16 "
            "bit) or palette PNG, one number per pixel."
        )
    return np.asarray(image).astype(np.int64)


def _decoded(path: str | PathLike[str]) -> Image.Image:
    """Return an image file's pixels, upright; the size is checked before they are decoded."""
    with opened(Path(path)) as image:
        if image.width * image.height > MOST_PIXELS:
            raise ImageError(f"it has {image.width}x{image.height} pixels; save a mask of at most 4096x4096.")
        return ImageOps.exif_transpose(image)


def parse_labels(labels: str | int | Iterable[int]) -> tuple[int, ...]:
    """Return label numbers of a number, several, or a text such as "4,5" ("10" is ten); `RegionError` for others."""
    try:
        if isinstance(labels, str):
            numbers = tuple(int(item) for item in labels.split(","))
        else:
            numbers = tuple(index(item) for item in ([labels] if isinstance(labels, int) else labels))
    except (TypeError, ValueError) as error:
        raise RegionError(f"Labels are whole numbers separated by commas, such as 4,5; you gave '{labels}'.") from error
    if not numbers:
        raise RegionError("No label was given; give at least one, such as 4.")
    return numbers


def select_labels(label_map: Integer[np.ndarray, "h w"], wanted: tuple[int, ...], name: str) -> Bool[np.ndarray, "h w"]:
    """Return where the map holds one of the wanted labels; `RegionError` if it lacks one of them."""
    present = np.unique(label_map).tolist()
    missing = [label for label in wanted if label not in present]
    if missing:
        listed = ", ".join(map(str, present[:MOST_LISTED])) + (", ..." if len(present) > MOST_LISTED else "")
        raise RegionError(
            f"Label {', '.join(map(str, missing))} is not in the label map{name and f' {name}'}; choose from {listed}."
        )
    return np.isin(label_map, wanted)
