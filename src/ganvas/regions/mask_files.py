"""Masks and label maps from picture files, as numpy arrays; knows no regions."""

from collections.abc import Iterable
from operator import index
from os import PathLike, fspath

import numpy as np
from jaxtyping import Bool, Float, Integer
from PIL import Image, ImageOps

from ganvas.errors import PictureError, RegionError

MOST_PIXELS = 4096 * 4096
MOST_LISTED = 30


def read_mask(path: str | PathLike[str]) -> Float[np.ndarray, "h w"]:
    """Read any picture as a soft mask in [0, 1]: opacity if some of it is transparent, else luminance (Rec. 601).

    Grey pictures of 16 bits keep them. Raises PictureError.
    """
    picture = _open(path)
    if picture.has_transparency_data:
        alpha = np.asarray(picture.convert("RGBA").getchannel("A"))
        if alpha.min() < 255:
            return alpha.astype(np.float32) / 255
        picture = picture.convert("RGB")
    if picture.mode.startswith("I;16"):
        return np.asarray(picture).astype(np.float32) / 65535
    if picture.mode in ("I", "F"):
        raise PictureError(f"{path} has 32 bits per pixel; save the mask with 8 or 16 bits, grey or colour.")
    return np.asarray(picture.convert("L")).astype(np.float32) / 255


def read_label_map(path: str | PathLike[str]) -> Integer[np.ndarray, "h w"]:
    """Read a grey picture's values or a palette picture's indices. Raises PictureError, also for colour pictures."""
    picture = _open(path)
    if picture.mode not in ("1", "L", "P", "I") and not picture.mode.startswith("I;16"):
        raise PictureError(
            f"{path} is a picture of mode {picture.mode}, not a label map: save the labels as a grey (8 or 16 bit) or "
            "palette PNG, one number per pixel."
        )
    return np.asarray(picture).astype(np.int64)


def _open(path: str | PathLike[str]) -> Image.Image:
    try:
        with Image.open(path) as file:
            if file.width * file.height > MOST_PIXELS:
                raise PictureError(
                    f"{fspath(path)} has {file.width}x{file.height} pixels; a mask of at most 4096x4096 says as much."
                )
            file.load()
            return ImageOps.exif_transpose(file)
    except FileNotFoundError as error:
        raise PictureError(f"There is no file {fspath(path)}.") from error
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise PictureError(f"{fspath(path)} cannot be read as a picture: {error}") from error


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
