"""Image files to tensors and back, and resizing. Knows no generator.

Images are ``[n, 3, h, w]``, RGB, float, about [-1, 1] and unclamped: black is -1, white is 1. Files hold 8 bits
a channel, PNG files 16 on request.
"""

import io
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from jaxtyping import Float, Shaped, UInt8
from PIL import Image, ImageOps
from torch import Tensor
from torch.nn import functional

from ganvas.errors import ImageError
from ganvas.errors.arguments import checked_as
from ganvas.images.color import to_srgb
from ganvas.images.decoding import levels, opened, over
from ganvas.images.png import encode_png
from ganvas.io.files import atomic_path

_JPEG = {"format": "JPEG", "quality": 95, "subsampling": 0}
WRITABLE: dict[str, dict[str, Any]] = {
    ".png": {"format": "PNG"},
    ".jpg": _JPEG,
    ".jpeg": _JPEG,
    ".webp": {"format": "WEBP", "lossless": True},
}
LUMA_WEIGHTS = (0.2126, 0.7152, 0.0722)


def to_bytes(images: Float[Tensor, "n 3 h w"]) -> UInt8[Tensor, "n h w 3"]:
    """Convert images to 8-bit values: v becomes round(clamp(127.5 v + 127.5, 0, 255)), halves to the even neighbor.

    Raises:
        ImageError: A value is NaN.
    """
    return to_levels(images, 8).to(torch.uint8)


def to_levels(images: Float[Tensor, "n 3 h w"], bits: int) -> Float[Tensor, "n h w 3"]:
    """Convert images to whole levels from 0 to ``2 ** bits - 1``, as `to_bytes` does for 8 bits."""
    half = (2**bits - 1) / 2
    values = images.detach().float() * half + half
    if values.isnan().any():
        broken = values.isnan().flatten(1).any(1).nonzero().flatten().tolist()
        raise ImageError(f"Images {broken} contain NaN; try a smaller strength or float32.")
    return values.clamp(0, 2 * half).round().movedim(1, 3).contiguous()


def from_bytes(values: UInt8[Tensor, "n h w 3"]) -> Float[Tensor, "n 3 h w"]:
    """Convert 8-bit values b to images b / 127.5 - 1 in [-1, 1]; `to_bytes` is the exact inverse."""
    return (values.float() / 127.5 - 1).movedim(3, 1).contiguous()


@checked_as(ImageError)
def read_image(file: str | Path | io.BytesIO) -> Float[Tensor, "1 3 h w"]:
    """Read an image file at its own size. To crop, align or resize a photo for a generator, use `read_photo`.

    Gray, palette and CMYK images become RGB; 16-bit gray keeps its depth; the first frame of an animation is taken.
    The EXIF orientation is applied, and colors are converted to sRGB where the file has another color profile; a
    damaged profile is ignored with a warning.

    Args:
        file: The path of a PNG, JPEG, WebP, GIF, BMP, TIFF, PPM or AVIF file, or HEIC with the extra ``heic``; or its
            bytes. Its content decides, not the ending of its name.

    Returns:
        One RGB image in [-1, 1], ``[1, 3, height, width]``; transparent pixels are composited over white.

    Raises:
        ImageError: The file is missing, damaged, no image, or above Pillow's limit against decompression bombs.

    Example:
        >>> import ganvas, torch
        >>> path = ganvas.write_image("white.png", torch.ones(1, 3, 4, 6))
        >>> ganvas.read_image(path).shape
        torch.Size([1, 3, 4, 6])
    """
    values, note = decode_image(file)
    if note:
        name = f"'{file}'" if isinstance(file, str | Path) else "The image"
        warnings.warn(f"{name}: {note}", stacklevel=2)
    return values


def decode_image(file: str | Path | io.BytesIO) -> tuple[Float[Tensor, "1 3 h w"], str]:
    """Return what `read_image` returns, and "" or why the color profile was ignored."""
    with opened(file) as image:
        converted, note = to_srgb(ImageOps.exif_transpose(image))
        return over(levels(converted), torch.full((3,), 255.0)) / 127.5 - 1, note


@checked_as(ImageError)
def write_image(path: str | Path, image: Shaped[Tensor, "*shape"], bits: Literal[8, 16] = 8) -> Path:
    """Write one image to a file; a failed write leaves no partial file.

    Args:
        path: Where to write. The suffix sets the format: ``.png`` and ``.webp`` are lossless, ``.jpg`` and ``.jpeg``
            have quality 95.
        image: One RGB image, ``[1, 3, height, width]``, floats in [-1, 1]; values outside are clamped.
        bits: Bits a channel: 8, or 16, which PNG alone holds.

    Returns:
        The path.

    Raises:
        ImageError: Several images, another shape or dtype, an unknown suffix, NaN, 16 bits in another format than PNG,
            or a path that cannot be written.

    Example:
        >>> import ganvas, torch
        >>> ganvas.write_image("white.png", torch.ones(1, 3, 8, 8)).name
        'white.png'
    """
    path = check_suffix(path, WRITABLE)
    if bits == 16:
        return _write_deep(path, image)
    shown = to_pillow(image)
    try:
        with atomic_path(path, ImageError) as temporary:
            shown.save(temporary, **WRITABLE[path.suffix.lower()])
    except ValueError as error:  # what Pillow raises for sizes that a format does not have
        raise ImageError(
            f"'{path}': {path.suffix} cannot hold {shown.width} x {shown.height} pixels ({error})."
        ) from error
    return path


def _write_deep(path: Path, image: Shaped[Tensor, "*shape"]) -> Path:
    """Write a PNG of 16 bits a channel."""
    if path.suffix.lower() != ".png":
        raise ImageError(f"'{path}': {path.suffix} holds 8 bits a channel; write .png for 16.")
    data = encode_png(to_levels(check_image(image), 16)[0].cpu().numpy().astype(np.uint16))
    with atomic_path(path, ImageError) as temporary:
        temporary.write_bytes(data)
    return path


def to_pillow(image: Shaped[Tensor, "*shape"]) -> Image.Image:
    """Convert one image, ``[1, 3, h, w]``, to a Pillow image of 8-bit RGB; raises `ImageError` for anything else."""
    return Image.fromarray(to_bytes(check_image(image))[0].cpu().numpy())


def check_image(image: Shaped[Tensor, "*shape"]) -> Float[Tensor, "1 3 h w"]:
    """Return one image, ``[1, 3, h, w]``; raises `ImageError` for anything else."""
    if not (isinstance(image, Tensor) and image.is_floating_point() and image.ndim == 4 and image.shape[1] == 3):
        raise ImageError(f"An image is a float tensor [1, 3, height, width]; you gave {_description(image)}.")
    if len(image) != 1:
        raise ImageError(
            f"{len(image)} images were given where one is written; give one of them, such as images[:1], or lay all of "
            "them out with ganvas.show(images).save(path)."
        )
    return image


def _description(image: object) -> str:
    if isinstance(image, Tensor):
        return f"{str(image.dtype).removeprefix('torch.')} of shape {list(image.shape)}"
    return f"a {type(image).__name__}"


def png_bytes(image: Float[Tensor, "1 3 h w"]) -> bytes:
    """Return the bytes of a PNG file; the same image gives the same bytes."""
    buffer = io.BytesIO()
    to_pillow(image).save(buffer, format="PNG")
    return buffer.getvalue()


def check_suffix(path: str | Path, allowed: Sequence[str] | dict[str, dict]) -> Path:
    """Return the path; raises `ImageError` for one whose suffix is not among those allowed."""
    path = Path(path)
    if path.suffix.lower() not in allowed:
        raise ImageError(f"'{path}' ends in '{path.suffix}'; allowed are {', '.join(allowed)}.")
    return path


def resize(images: Float[Tensor, "n c h w"], height: int, width: int) -> Float[Tensor, "n c height width"]:
    """Resize without aliasing; differentiable in forward and reverse mode, also under `torch.func.jvp` and `vmap`.

    Smaller by whole factors: the exact mean over the area. Otherwise smaller or equal in both directions: bilinear with
    antialiasing (never leaves the range of its input). Larger in at least one direction: bicubic (a = -0.5, as Pillow),
    which may overshoot at edges.

    Raises:
        ImageError: A side under 1 pixel.
    """
    old_height, old_width = images.shape[-2:]
    if height < 1 or width < 1:
        raise ImageError(f"Cannot resize to {width} x {height} pixels; both sides must be at least 1.")
    if (height, width) == (old_height, old_width):
        return images
    if old_height % height == 0 and old_width % width == 0:
        return functional.avg_pool2d(images, (old_height // height, old_width // width))
    mode = "bilinear" if height <= old_height and width <= old_width else "bicubic"
    return functional.interpolate(images, size=(height, width), mode=mode, antialias=True, align_corners=False)


def enlarge(images: Float[Tensor, "n c h w"], factor: int) -> Float[Tensor, "n c height width"]:
    """Enlarge by a whole factor with bicubic interpolation."""
    return resize(images, images.shape[-2] * factor, images.shape[-1] * factor)


def luma(images: Float[Tensor, "n 3 h w"]) -> Float[Tensor, "n 1 h w"]:
    """Return Rec. 709 luma, 0.2126 R + 0.7152 G + 0.0722 B of the stored (gamma-coded) values, in the same range."""
    weights = images.new_tensor(LUMA_WEIGHTS).view(1, 3, 1, 1)
    return (images * weights).sum(1, keepdim=True)
