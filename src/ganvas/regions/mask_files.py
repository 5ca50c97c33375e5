"""Reads masks and label maps from image files as numpy arrays. Knows no regions."""

import warnings
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
DARKEST_WHITE = 64 / 255  # below this brightest value a file holds labels, not a mask
FULL_WHITE = 0.9
COLORED = 24  # levels between the channels of a pixel; JPEG makes a few of them in gray
MOST_COLORED = 1e-3  # share of the pixels


def read_mask(path: str | PathLike[str]) -> Float[np.ndarray, "h w"]:
    """Read an image as a soft mask in [0, 1]: opacity if any pixel is transparent, else its gray values.

    16-bit gray keeps its depth. A mask that is nowhere white is a warning. Raises `ImageError` for a file that cannot
    be read or has 32 bits per pixel, `RegionError` for one with colors, or so dark that it holds 0 and 1 or labels.
    """
    image, name = _decoded(path), fspath(path)
    if image.has_transparency_data:
        alpha = np.asarray(image.convert("RGBA").getchannel("A"))
        if alpha.min() < 255:
            return _checked(alpha, 255, name, "opacity")
        image = image.convert("RGB")
    if image.mode.startswith("I;16"):
        return _checked(np.asarray(image), 65535, name, "value")
    if image.mode in ("I", "F"):
        raise ImageError(f"'{name}' has 32 bits per pixel; save the mask with 8 or 16 bits, gray or color.")
    if not _is_gray(image):
        raise RegionError(
            f"'{name}' has colors, so that inside and outside cannot be told; a mask is gray, white inside, or "
            f"transparent outside. The labels of a palette image are labels:{name}:1."
        )
    return _checked(np.asarray(image.convert("L")), 255, name, "value")


def _is_gray(image: Image.Image) -> bool:
    if image.mode in ("1", "L", "LA"):
        return True
    channels = np.asarray(image.convert("RGB")).astype(np.int16)
    return bool((np.ptp(channels, axis=2) > COLORED).mean() <= MOST_COLORED)


def _checked(levels: Integer[np.ndarray, "h w"], white: int, name: str, what: str) -> Float[np.ndarray, "h w"]:
    """Return levels, of which `white` is 1, as a mask; refuses labels and warns of what may be none."""
    brightest = int(levels.max())
    share, labels = brightest / white, ""
    if brightest and what == "value":
        labels = f"If it holds labels, use labels:{name}:{levels[levels > 0].min()}."
    found = f"'{name}': the {'highest opacity' if what == 'opacity' else 'brightest value'} is {brightest} of {white}"
    if 0 < share < DARKEST_WHITE:
        raise RegionError(f"{found}; a mask has {white} inside and 0 outside. {labels}".rstrip())
    if 0 < share < FULL_WHITE:
        warnings.warn(f"{found}, so nothing counts in full. {labels}".rstrip(), stacklevel=4)
    elif white == 255 and ((dark := levels[levels < 255]) > 0).any() and dark.max() < DARKEST_WHITE * 255:
        warnings.warn(f"'{name}' holds 255 and values up to {dark.max()}, none between. {labels}", stacklevel=4)
    return levels.astype(np.float32) / white


def warn_if_inverted(mask: Float[np.ndarray, "h w"], name: str) -> None:
    """Warn of a mask that covers most of the image and touches all of its edges: it may be that of the background."""
    inside = mask >= 0.5
    edges = (inside[0], inside[-1], inside[:, 0], inside[:, -1])
    if inside.mean() > 0.5 and not inside.all() and all(edge.any() for edge in edges):
        warnings.warn(
            f"The mask '{name}' covers {inside.mean():.0%} of the image and touches all of its edges: is it inverted? "
            f"White is inside; for its black part write not:mask:{name}.",
            stacklevel=3,
        )


def read_label_map(path: str | PathLike[str]) -> Integer[np.ndarray, "h w"]:
    """Read the values of a gray image or the indices of a palette image; `ImageError` for a color image."""
    image = _decoded(path)
    if image.mode in ("RGB", "RGBA", "LA"):
        channels = np.asarray(image.convert("RGB"))
        if (channels == channels[..., :1]).all():
            return channels[..., 0].astype(np.int64)
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
