"""Photos as phones store them, made of smaller ones: a large canvas with the photo in it, turned by EXIF."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Shaped
from PIL import Image

from ganvas.images.decoding import opened
from ganvas.images.icc import DISPLAY_P3
from ganvas.images.png import encode_png
from ganvas.latents.latent import Latent
from ganvas.latents.photo_origin import PhotoOrigin

WIDTH, HEIGHT = 4000, 3000
ORIENTATION = 0x0112
LEFT, TOP = 1300, 700
KINDS = (("tif", 6), ("png", 8), ("jpg", 3), ("png16", 6))
"""Formats and EXIF orientations, in turn; png16 has 16 bits a channel."""
TURNS = {3: 2, 6: 1, 8: 3}  # quarter turns counterclockwise from upright to stored


def phone_photo(folder: Path, photo: Path, latent: Latent, number: int) -> tuple[Path, Latent]:
    """Write the photo in a canvas of 12 megapixels, in one of `KINDS`, and return the file, and the latent with its
    place in the canvas.
    """
    kind, orientation = KINDS[number % len(KINDS)]
    with opened(photo) as read:
        image = read.convert("RGB")
    canvas = image.resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC)  # around the photo, large and distorted
    canvas.paste(image, (LEFT, TOP))
    stored = np.ascontiguousarray(np.rot90(np.asarray(canvas), TURNS[orientation]))
    path = folder / f"{photo.stem}-{kind}.{kind[:3]}"
    _write(path, stored, kind, orientation)
    assert latent.photo is not None
    scale = torch.tensor([[image.width / WIDTH], [image.height / HEIGHT]], dtype=torch.float64)
    frames = latent.photo.frames * scale
    frames[:, :, 2] += torch.tensor([LEFT / WIDTH, TOP / HEIGHT], dtype=torch.float64)
    return path, replace(latent, photo=PhotoOrigin(latent.photo.images, frames), source=str(path))


def _write(path: Path, stored: Shaped[np.ndarray, "h w 3"], kind: str, orientation: int) -> None:
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    if kind == "png16":
        random = np.random.RandomState(0).randint(0, 256, stored.shape).astype(np.uint16)  # the lower bytes
        data = exif.tobytes().removeprefix(b"Exif\0\0")
        path.write_bytes(encode_png(stored.astype(np.uint16) << 8 | random, [(b"eXIf", data)]))
        return
    options: dict[str, Any] = {"tif": {"tiffinfo": {ORIENTATION: orientation}}, "jpg": {"exif": exif, "quality": 90}}
    Image.fromarray(stored).save(path, icc_profile=DISPLAY_P3, **options.get(kind, {"exif": exif}))
