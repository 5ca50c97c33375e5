"""Files of aligned photos, to paint on: PNG images as a generator sees the photo, which remember the way back."""

import json
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from PIL.PngImagePlugin import PngInfo
from torch import Tensor

from ganvas.errors import ImageError
from ganvas.images.decoding import opened
from ganvas.images.pixels import to_pillow
from ganvas.io.files import atomic_path

KEY = "ganvas-aligned"  # of a text chunk of the PNG file


def write_aligned(
    path: str | Path, image: Float[Tensor, "1 3 r r"], frame: Float[Tensor, "2 3"], photo: str | Path
) -> Path:
    """Write an aligned photo as PNG, with the name of its file and the way back into it.

    Args:
        path: Where to write; the suffix is ``.png``.
        image: The aligned photo in [-1, 1].
        frame: The map from its fractions to those of the upright photo.
        photo: The file it comes from.

    Returns:
        The path.

    Raises:
        ImageError: The suffix is another, or the file cannot be written.
    """
    path = Path(path)
    if path.suffix.lower() != ".png":
        raise ImageError(
            f"'{path}' is no name of a PNG, which alone remembers the way back; give one that ends in .png."
        )
    chunk = PngInfo()
    chunk.add_text(KEY, json.dumps({"photo": str(photo), "frame": frame.tolist()}))
    with atomic_path(path, ImageError) as temporary:
        to_pillow(image).save(temporary, format="PNG", pnginfo=chunk)
    return path


def origin_of(path: str | Path) -> tuple[Path, Float[Tensor, "2 3"]] | None:
    """Return the photo that an aligned file comes from, and the map from the one to the other in fractions; None for
    any other file. Raises `ImageError` where it is no image.
    """
    with opened(path) as image:
        text = image.info.get(KEY)
    with suppress(ValueError, KeyError, TypeError):
        facts: Mapping[str, Any] = json.loads(text) if isinstance(text, str) else {}
        frame = torch.tensor(facts["frame"], dtype=torch.float64)
        if frame.shape == (2, 3) and bool(frame.isfinite().all()):
            return Path(str(facts["photo"])), frame
    return None
