"""Writes a photo again after some of its pixels changed, with what its file held beside them.

PNG, TIFF and WebP are written without loss. A JPEG is coded with the tables and the subsampling that it had.
"""

import io
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, TiffImagePlugin

from ganvas.errors import ImageError
from ganvas.images.decoding import opened
from ganvas.images.png import Chunk, chunks_of, encode_png
from ganvas.images.stored_photo import BITS, EXTRA_SAMPLES, PHOTOMETRIC, StoredPhoto
from ganvas.io.files import atomic_path

FORMATS = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".webp": "WEBP", ".tif": "TIFF", ".tiff": "TIFF"}
SUFFIXES = {"PNG": ".png", "JPEG": ".jpg", "WEBP": ".webp", "TIFF": ".tif"}
# Chunks of PNG that hold pixels or describe them; all others are copied.
PIXEL_CHUNKS = (b"IHDR", b"PLTE", b"IDAT", b"IEND", b"tRNS", b"hIST", b"sBIT", b"bKGD", b"eXIf")
# Tags of TIFF 6.0 that say how pixels are stored; all others are copied.
WIDTH, HEIGHT, COMPRESSION, STARTS, SAMPLES, ROWS, SIZES, SAMPLE_FORMAT = 256, 257, 259, 273, 277, 278, 279, 339
PLANAR, PREDICTOR, FILL_ORDER, PALETTE, PROFILE = 284, 317, 266, 320, 34675
PIXEL_TAGS = (BITS, PHOTOMETRIC, EXTRA_SAMPLES, WIDTH, HEIGHT, COMPRESSION, STARTS, SAMPLES, ROWS, SIZES)
PIXEL_TAGS += (SAMPLE_FORMAT, PLANAR, PREDICTOR, FILL_ORDER, PALETTE, *range(322, 326), 347, *range(529, 533))
NO_COMPRESSION, DEFLATE, GRAY, RGB, STRAIGHT_ALPHA, STRIP_BYTES = 1, 8, 1, 2, 2, 2**20


def written_suffix(path: str | Path) -> str:
    """Return the ending for a file written from a photo: its own where its format is written, else ``.png``. HEIC, AVIF
    and GIF become PNG, which loses nothing more.
    """
    with opened(path, shrinkable=True) as image:
        own, known = Path(path).suffix.lower(), str(image.format)
    return own if FORMATS.get(own) == known else SUFFIXES.get(known, ".png")


def check_holds(path: Path, photo: StoredPhoto) -> None:
    """Raise `ImageError` where the format of a file's name cannot hold a photo as it is."""
    target = FORMATS.get(path.suffix.lower())
    if target is None or (target == "TIFF" and photo.format != "TIFF"):
        raise ImageError(
            f"'{path}': a {photo.format} photo is written as {photo.format} or PNG, also as JPEG or WebP; give a name "
            f"that ends in {SUFFIXES.get(photo.format, '.png')}."
        )
    if photo.deep and target in ("JPEG", "WEBP"):
        raise ImageError(f"'{path}': the photo has 16 bits a channel, {target} holds 8; give a name that ends in .png.")
    if photo.has_alpha and target == "JPEG":
        raise ImageError(f"'{path}': the photo has transparency, which JPEG has not; give a name that ends in .png.")


def write_stored(path: Path, photo: StoredPhoto, source: str | Path) -> tuple[str, ...]:
    """Write a photo, read from the file `source` and then changed, atomically; returns what is different in the file
    beside the change. Raises `ImageError` where the format cannot hold it.
    """
    check_holds(path, photo)
    target = FORMATS[path.suffix.lower()]
    notes = photo.notes
    with atomic_path(path, ImageError) as temporary:
        if target == "PNG":
            temporary.write_bytes(_png(photo, source))
        elif target == "TIFF":
            temporary.write_bytes(_tiff(photo))
        elif target == "JPEG":
            _image(photo).save(temporary, "JPEG", **{**_beside(photo), **_jpeg_options(photo)})
            kept = "with its own quantization tables and subsampling" if photo.coding else "with quality 95"
            notes = (*notes, f"JPEG keeps no exact pixels: it is coded again, {kept}")
        else:
            _image(photo).save(temporary, "WEBP", lossless=True, exact=True, **_beside(photo))
    return notes


def _jpeg_options(photo: StoredPhoto) -> Mapping[str, Any]:
    comment = {"comment": photo.info["comment"]} if "comment" in photo.info else {}
    return {**(photo.coding or {"quality": 95, "subsampling": 0}), **comment}


def _beside(photo: StoredPhoto) -> dict[str, Any]:
    """Return what Pillow writes beside the pixels of JPEG and WebP."""
    known = {"icc_profile": photo.profile, "exif": photo.exif, "xmp": photo.info.get("xmp")}
    known["dpi"] = photo.info.get("dpi")
    return {name: value for name, value in known.items() if value}


def _image(photo: StoredPhoto) -> Image.Image:
    levels = photo.levels[..., 0] if photo.levels.shape[2] == 1 else photo.levels
    return Image.fromarray(levels)


def _png(photo: StoredPhoto, source: str | Path) -> bytes:
    """Return a PNG with the chunks of the photo's file where that is one, else with profile, EXIF and resolution."""
    before, after = list[Chunk](), list[Chunk]()
    if photo.format == "PNG":
        at_end = False
        for kind, content in chunks_of(Path(source).read_bytes()):
            at_end |= kind == b"IDAT"
            if kind not in PIXEL_CHUNKS:
                (after if at_end else before).append((kind, content))
    else:
        before += [(b"iCCP", b"ICC profile\0\0" + zlib.compress(photo.profile))] if photo.profile else []
    if photo.exif and not any(content.startswith(b"Raw profile type exif") for _, content in (*before, *after)):
        before.append((b"eXIf", photo.exif.removeprefix(b"Exif\0\0")))
    return encode_png(photo.levels, before, after)


def _tiff(photo: StoredPhoto) -> bytes:
    """Return a TIFF in strips, compressed by Deflate where it was compressed."""
    height, width, channels = photo.levels.shape
    rows = max(1, STRIP_BYTES // (width * channels * photo.levels.itemsize))
    plain = photo.tags.get(COMPRESSION, (None, NO_COMPRESSION))[1] == NO_COMPRESSION
    levels = photo.levels.astype(photo.levels.dtype.newbyteorder("<"))
    strips = [levels[first : first + rows].tobytes() for first in range(0, height, rows)]
    strips = strips if plain else [zlib.compress(strip, 6) for strip in strips]
    directory: Any = TiffImagePlugin.ImageFileDirectory_v2(prefix=b"II")
    for tag, (kind, value) in photo.tags.items():
        if tag not in PIXEL_TAGS:
            directory.tagtype[tag] = kind
            directory[tag] = value
    sizes = [len(strip) for strip in strips]
    starts = np.cumsum([0, *sizes[:-1]]).tolist()
    directory[WIDTH], directory[HEIGHT], directory[SAMPLES], directory[ROWS] = width, height, channels, rows
    directory[BITS] = (8 * photo.levels.itemsize,) * channels
    directory[COMPRESSION] = NO_COMPRESSION if plain else DEFLATE
    directory[PHOTOMETRIC] = GRAY if photo.colors == 1 else RGB
    if photo.has_alpha:
        directory[EXTRA_SAMPLES] = (STRAIGHT_ALPHA,)
    directory[STARTS], directory[SIZES] = tuple(starts), tuple(sizes)
    head = io.BytesIO()
    directory.save(head)
    return head.getvalue() + b"".join(strips)
