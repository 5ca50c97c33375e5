"""Decodes image files with Pillow: which formats are read, how large a file may be, and what is wrong with a bad one.

Values are levels from 0 to 255, RGB or RGBA with straight alpha (colors not multiplied by it), not images in [-1, 1].
"""

import importlib
import io
import math
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from PIL import Image, JpegImagePlugin, features
from torch import Tensor

from ganvas.errors import ImageError
from ganvas.io.file_kinds import AVIF, HEAD_BYTES, HEIC, JPEG, FileKind, kind_instead, kind_of, kind_of_file

# Named one by one: Pillow also knows formats that start other programs (EPS calls Ghostscript).
READABLE = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF", "PPM", "AVIF")
# The endings of names by which a file is taken for an image before it is looked into.
ENDINGS = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff", ".ppm", ".gif", ".avif", ".heic", ".jfif")
LARGEST_JPEG = 2**30  # pixels of a JPEG that is decoded at a smaller size: takes some seconds
QUARTER_TURNS = (5, 6, 7, 8)
ORIENTATION = 0x0112
File = str | Path | io.BytesIO


def is_image(path: str | Path) -> bool:
    """Return whether a file is to be opened as an image: by its content, whatever its name ends in, or by such an
    ending, so that opening it says what is wrong. Hidden files are not.
    """
    path = Path(path)
    if path.name.startswith("."):
        return False
    if path.suffix.lower() in ENDINGS:
        return True
    try:
        kind = kind_of_file(path) if path.is_file() else None
    except OSError:
        return False
    return kind is not None and kind.group == "image"


@contextmanager
def opened(file: File, shrinkable: bool = False) -> Iterator[Image.Image]:
    """Open an image file without decoding it; every error in the block becomes an `ImageError` that names the file.

    This is the one place where image files of others are opened.

    Args:
        file: A path, or the bytes of a file.
        shrinkable: Open a JPEG above Pillow's limit against decompression bombs too; `shrink` then decides whether it
            can be decoded. Every other file above the limit is refused.

    Raises:
        ImageError: The file is missing, empty, damaged, no image, or too large.
    """
    kind = None
    try:
        kind = _kind(file)
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            warnings.filterwarnings("ignore", "image file could not be identified because", UserWarning)
            with _open(file, kind, shrinkable) as image:
                yield image
    except MemoryError:
        raise
    except Exception as error:  # Pillow's decoders raise almost any type on damaged data
        name = f"'{file}'" if isinstance(file, str | Path) else "the image"
        raise ImageError(f"Cannot read {name}: {_reason(error, kind)}") from error


def _kind(file: File) -> FileKind | None:
    if isinstance(file, io.BytesIO):
        content = file.getbuffer()
        return kind_of(bytes(content[:HEAD_BYTES]), content.nbytes)
    return kind_of_file(file)


def _open(file: File, kind: FileKind | None, shrinkable: bool) -> Image.Image:
    if kind is JPEG and shrinkable:
        return JpegImagePlugin.JpegImageFile(file)  # Image.open would refuse a large one before it can be shrunk
    if kind is not HEIC:
        image: Any = Image.open(file, formats=READABLE)
        image.filename = ""  # else Pillow 13 maps gray TIFF files into memory, those of a quarter turn row by wrong row
        return image
    try:
        plugin: Any = importlib.import_module("pillow_heif")
    except ImportError:
        raise ImageError(f'it is {HEIC.words}; pip install "ganvas[heic]", or save it as JPEG or PNG.') from None
    image = plugin.HeifImageFile(file)
    if image.width * image.height > (Image.MAX_IMAGE_PIXELS or math.inf):
        image.close()
        raise Image.DecompressionBombError
    return image


def shrink(image: Image.Image, factor: float) -> int:
    """Set a JPEG to be decoded at 1/2, 1/4 or 1/8 of its size, at most reduced by `factor`; returns the reduction.

    Other images are left alone (returns 1). Raises `Image.DecompressionBombError` where the pixels held in memory would
    exceed Pillow's limit.
    """
    if not isinstance(image, JpegImagePlugin.JpegImageFile):
        return 1
    (width, height), scale = image.size, 1
    if factor >= 2:
        drawn = image.draft(None, (max(1, int(width / factor)), max(1, int(height / factor))))
        scale = 1 if drawn is None else round(width / drawn[1][2])
    # A progressive file is held whole until its last scan has been read.
    held = width * height if image.info.get("progressive") else image.size[0] * image.size[1]
    if held > (Image.MAX_IMAGE_PIXELS or held) or width * height > LARGEST_JPEG:
        raise Image.DecompressionBombError
    return scale


def check_single(image: Image.Image) -> None:
    """Raise `ImageError` for an animation, or for pages."""
    count = getattr(image, "n_frames", 1)
    if count > 1:
        raise ImageError(f"it has {count} images (an animation or pages); save the one that you want as PNG.")


def upright_size(image: Image.Image) -> tuple[int, int]:
    """Return width and height after the EXIF orientation is applied."""
    turned = orientation_of(image) in QUARTER_TURNS  # of a TIFF the size is known only after this
    width, height = image.size
    return (height, width) if turned else (width, height)


def orientation_of(image: Image.Image) -> int:
    """Return the EXIF orientation, 1 to 8, that the pixels of `levels` still need (1: none).

    Pillow applies a TIFF's orientation itself while decoding; only then do all its versions give the upright size.
    """
    if image.format == "TIFF":
        image.load()
        return 1
    return image.getexif().get(ORIENTATION, 1)


def levels(image: Image.Image, factor: int = 1) -> Float[Tensor, "1 c h w"]:
    """Decode to levels from 0 to 255 in the file's orientation: RGB, or RGBA where any pixel is transparent.

    Blocks of `factor` x `factor` pixels are averaged (at the right and lower edge whatever remains of them), colors
    weighted by alpha. Gray, palette and CMYK images become RGB; 16-bit gray keeps its depth; the first frame of an
    animation is taken. Colors are not converted; see `ganvas.images.color.to_srgb`. Raises `ImageError` for gray
    values that are not 16-bit.
    """
    if image.mode == "F" or image.mode.startswith("I"):
        deep = _deep_gray(np.array(image, dtype=np.float32))
        return F.avg_pool2d(deep, factor, ceil_mode=True, count_include_pad=False).expand(1, 3, -1, -1).contiguous()
    image = image.convert("RGBA" if image.has_transparency_data else "RGB")
    if factor > 1 and image.mode == "RGBA":
        image = image.convert("RGBa").reduce(factor).convert("RGBA")
    elif factor > 1:
        image = image.reduce(factor)
    return torch.from_numpy(np.array(image)).movedim(2, 0)[None].float().contiguous()


def over(values: Float[Tensor, "1 c h w"], background: Float[Tensor, "3"]) -> Float[Tensor, "1 3 h w"]:
    """Composite RGBA levels over a background color, ``a c + (1 - a) b``; RGB levels are returned unchanged."""
    if values.shape[1] == 3:
        return values
    alpha = values[:, 3:] / 255
    return alpha * values[:, :3] + (1 - alpha) * background.view(1, 3, 1, 1)


def _deep_gray(values: np.ndarray) -> Float[Tensor, "1 1 h w"]:
    if not (values.min() >= 0 and values.max() <= 65535 and (values == np.rint(values)).all()):
        raise ImageError("its gray values are not 16-bit, so the value of white is unknown; save it with 8 or 16 bits.")
    return torch.from_numpy(values / np.float32(257))[None, None]


def _reason(error: Exception, kind: FileKind | None) -> str:
    if isinstance(error, ImageError):
        return str(error)
    if isinstance(error, Image.DecompressionBombError | Image.DecompressionBombWarning):
        return f"it has more than {(Image.MAX_IMAGE_PIXELS or 0) // 1_000_000} megapixels; make it smaller first."
    if isinstance(error, OSError) and error.strerror:
        return f"{error.strerror}. Give the path of a PNG, JPEG or WebP file."
    if kind is AVIF and not features.check("avif"):
        return f"it is {AVIF.words}, which this Pillow cannot decode: pip install -U pillow, or save it as PNG."
    if kind is not None and kind.group != "image":
        return f"it is {kind_instead(kind, 'an image')}."
    if isinstance(error, OSError) and "truncated" in str(error):
        return "it is damaged, its end is missing; copy or download it again."
    return f"it is damaged or none of {', '.join(READABLE)}, HEIC. Save it again as PNG."
