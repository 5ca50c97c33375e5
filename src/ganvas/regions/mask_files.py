"""Masks and label maps from image files, as numpy arrays; knows no regions."""

from collections.abc import Iterable
from operator import index
from os import PathLike, fspath

import numpy as np
from jaxtyping import Bool, Float, Integer
from PIL import Image, ImageOps

from ganvas.errors import ImageError, RegionError

MOST_PIXELS = 4096 * 4096
MOST_LISTED = 30


def read_mask(path: str | PathLike[str]) -> Float[np.ndarray, "h w"]:
    """Read any image as a soft mask in [0, 1]: opacity if some of it is transparent, else luminance (Rec. 601).

    Gray images of 16 bits keep them. Raises ImageError.
    """
    image = _open(path)
    if image.has_transparency_data:
        alpha = np.asarray(image.convert("RGBA").getchannel("A"))
        if alpha.min() < 255:
            return alpha.astype(np.float32) / 255
        image = image.convert("RGB")
    if image.mode.startswith("I;16"):
        return np.asarray(image).astype(np.float32) / 65535
    if image.mode in ("I", "F"):
        raise ImageError(f"{path} has 32 bits per pixel; save the mask with 8 or 16 bits, gray or color.")
    return np.asarray(image.convert("L")).astype(np.float32) / 255


def read_label_map(path: str | PathLike[str]) -> Integer[np.ndarray, "h w"]:
    """Read a gray image's values or a palette image's indices. Raises ImageError, also for color images."""
    image = _open(path)
    if image.mode not in ("1", "L", "P", "I") and not image.mode.startswith("I;16"):
        raise ImageError(
            f"{path} is an image of mode {image.mode}, not a label map: save the labels as a gray (8 or 16 bit) or "
            "palette PNG, one number per pixel."
        )
    return np.asarray(image).astype(np.int64)


def _open(path: str | PathLike[str]) -> Image.Image:
    try:
        with Image.open(path) as file:
            if file.width * file.height > MOST_PIXELS:
                raise ImageError(
                    f"{fspath(path)} has {file.width}x{file.height} pixels; a mask of at most 4096x4096 says as much."
                )
            file.load()
            return ImageOps.exif_transpose(file)
    except FileNotFoundError as error:
        raise ImageError(f"There is no file {fspath(path)}.") from error
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise ImageError(f"{fspath(path)} cannot be read as an image: {error}") from error


def parse_labels(labels: str | int | Iterable[int]) -> tuple[int, ...]:
    """Return label numbers; a text holds them with commas between, "10" is ten. Raises RegionError."""
    try:
        if isinstance(labels, str):
            numbers = tuple(int(item) for item in labels.split(","))
        else:
            numbers = tuple(index(item) for item in ([labels] if isinstance(labels, int) else labels))
    except (TypeError, ValueError) as error:
        raise RegionError(f"Labels are whole numbers with commas between, such as 4,5; got '{labels}'.") from error
    if not numbers:
        raise RegionError("No label was given; name at least one, such as 4.")
    return numbers


def select_labels(label_map: Integer[np.ndarray, "h w"], wanted: tuple[int, ...], name: str) -> Bool[np.ndarray, "h w"]:
    """Return where the map holds one of the wanted labels; RegionError when it lacks one of them."""
    present = np.unique(label_map).tolist()
    missing = [label for label in wanted if label not in present]
    if missing:
        listed = ", ".join(map(str, present[:MOST_LISTED])) + (", ..." if len(present) > MOST_LISTED else "")
        raise RegionError(
            f"Label {', '.join(map(str, missing))} is not in the label map{name and f' {name}'}; it has {listed}."
        )
    return np.isin(label_map, wanted)
