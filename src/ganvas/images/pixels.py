"""Files to tensors and back, sizes, sheets of images and animations. Knows nothing of generators.

Images are ``[n, 3, h, w]``, RGB, float, about [-1, 1] and unclamped: black is -1, white is 1. Files hold 8 bits
a channel.
"""

import io
from collections.abc import Sequence
from pathlib import Path

import torch
from jaxtyping import Float, UInt8
from PIL import Image, ImageOps
from torch import Tensor
from torch.nn import functional

from ganvas.errors import ImageError
from ganvas.images.decoding import levels, opened, over
from ganvas.images.video import dithered, write_mp4
from ganvas.io.files import atomic_path

_JPEG = {"format": "JPEG", "quality": 95, "subsampling": 0}
WRITABLE = {
    ".png": {"format": "PNG"},
    ".jpg": _JPEG,
    ".jpeg": _JPEG,
    ".webp": {"format": "WEBP", "lossless": True},
}
VIDEOS = (".gif", ".webp", ".mp4")
LUMA_WEIGHTS = (0.2126, 0.7152, 0.0722)


def to_bytes(images: Float[Tensor, "n 3 h w"]) -> UInt8[Tensor, "n h w 3"]:
    """Turn images into 8-bit values: v becomes round(clamp(127.5 v + 127.5, 0, 255)), halves to the even neighbor.

    Raises:
        ImageError: a value is not a number.
    """
    values = images.detach().float() * 127.5 + 127.5
    if values.isnan().any():
        broken = values.isnan().flatten(1).any(1).nonzero().flatten().tolist()
        raise ImageError(f"Images {broken} hold values that are not numbers; try a smaller strength or float32.")
    return values.clamp(0, 255).round().to(torch.uint8).movedim(1, 3).contiguous()


def from_bytes(values: UInt8[Tensor, "n h w 3"]) -> Float[Tensor, "n 3 h w"]:
    """Turn 8-bit values b into images b / 127.5 - 1 in [-1, 1]; `to_bytes` gives each of the 256 values back."""
    return (values.float() / 127.5 - 1).movedim(3, 1).contiguous()


def read_image(file: str | Path | io.BytesIO) -> Float[Tensor, "1 3 h w"]:
    """Read an image file as RGB in [-1, 1], upright as its EXIF data say, transparency laid on white.

    Gray, palette and CMYK images become RGB; 16-bit gray keeps its depth; the first frame of an animation is taken.
    Color profiles are not applied.

    Raises:
        ImageError: the file is missing, damaged, no image, or above Pillow's limit against decompression bombs.
    """
    with opened(file) as image:
        return over(levels(ImageOps.exif_transpose(image)), torch.full((3,), 255.0)) / 127.5 - 1


def write_image(path: str | Path, image: Float[Tensor, "1 3 h w"]) -> Path:
    """Write an image whole or not at all: .png and .webp without loss, .jpg and .jpeg at quality 95. Returns the path.

    Raises:
        ImageError: another suffix, values that are not numbers, or the file cannot be written.
    """
    path = _check_suffix(path, WRITABLE)
    return _save(path, [_image(image)], WRITABLE[path.suffix.lower()])


def png_bytes(image: Float[Tensor, "1 3 h w"]) -> bytes:
    """Return the bytes of a PNG file; the same image gives the same bytes."""
    buffer = io.BytesIO()
    _image(image).save(buffer, format="PNG")
    return buffer.getvalue()


def write_animation(
    path: str | Path, frames: Float[Tensor, "n 3 h w"], seconds_per_frame: float, loop: bool = True
) -> Path:
    """Write a .webp (quality 95), .gif or .mp4 animation, whole or not at all. Returns the path.

    A GIF has one palette of 256 colors for all frames and a fixed dither pattern, so that what does not move does not
    flicker; its clock counts in 1/100 s. MP4 needs the extra ``video`` and cannot say that it loops.

    Raises:
        ImageError: another suffix, no frame, a time that browsers would not keep (under 0.02 s), or no way to write.
    """
    path = _check_suffix(path, VIDEOS)
    if not 0.02 <= seconds_per_frame <= 60:
        raise ImageError(f"{seconds_per_frame} seconds per frame: browsers keep times from 0.02 to 60 seconds.")
    if len(frames) == 0:
        raise ImageError("An animation needs at least one frame, and none was given.")
    if path.suffix.lower() == ".mp4":
        return write_mp4(path, to_bytes(frames).cpu(), seconds_per_frame)
    if path.suffix.lower() == ".gif":
        images = dithered(to_bytes(frames).cpu())
        options = {"format": "GIF", "optimize": False, "disposal": 1} | ({"loop": 0} if loop else {})
        duration = round(seconds_per_frame * 100) * 10
    else:
        images = [_image(frame[None]) for frame in frames]
        options = {"format": "WEBP", "quality": 95, "loop": 0 if loop else 1}
        duration = round(seconds_per_frame * 1000)
    return _save(path, images, options | {"save_all": True, "append_images": images[1:], "duration": duration})


def _check_suffix(path: str | Path, allowed: Sequence[str] | dict[str, dict]) -> Path:
    path = Path(path)
    if path.suffix.lower() not in allowed:
        raise ImageError(f"'{path}' ends in '{path.suffix}'; allowed are {', '.join(allowed)}.")
    return path


def _image(image: Float[Tensor, "1 3 h w"]) -> Image.Image:
    return Image.fromarray(to_bytes(image)[0].cpu().numpy())


def _save(path: Path, images: list[Image.Image], options: dict) -> Path:
    try:
        with atomic_path(path, ImageError) as temporary:
            images[0].save(temporary, **options)
    except ValueError as error:  # what Pillow raises for sizes that a format does not have
        width, height = images[0].size
        raise ImageError(f"'{path}': {path.suffix} cannot hold {width} x {height} pixels ({error}).") from error
    return path


def resize(images: Float[Tensor, "n c h w"], height: int, width: int) -> Float[Tensor, "n c height width"]:
    """Resize without aliasing; differentiable forwards and backwards, under `torch.func.jvp` and `vmap` too.

    Smaller by whole factors: the exact mean over the area. Otherwise smaller or equal in both directions: bilinear with
    antialiasing (never leaves the range of its input). Larger in one direction at least: bicubic (a = -0.5, as Pillow),
    which may overshoot at edges.

    Raises:
        ImageError: a side under 1 pixel.
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
    """Enlarge by a whole factor with bicubic interpolation, for small images on large screens."""
    return resize(images, images.shape[-2] * factor, images.shape[-1] * factor)


def luma(images: Float[Tensor, "n 3 h w"]) -> Float[Tensor, "n 1 h w"]:
    """Return Rec. 709 luma, 0.2126 R + 0.7152 G + 0.0722 B of the stored (gamma-coded) values, in the same range."""
    weights = images.new_tensor(LUMA_WEIGHTS).view(1, 3, 1, 1)
    return (images * weights).sum(1, keepdim=True)
