"""Image files to tensors and back, animations, and resizing. Knows no generator.

Images are ``[n, 3, h, w]``, RGB, float, about [-1, 1] and unclamped: black is -1, white is 1. Files hold 8 bits
a channel.
"""

import io
from collections.abc import Sequence
from pathlib import Path

import torch
from jaxtyping import Float, Shaped, UInt8
from PIL import Image, ImageOps
from torch import Tensor
from torch.nn import functional

from ganvas.checks.arguments import checked
from ganvas.checks.ranges import Positive
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
    """Convert images to 8-bit values: v becomes round(clamp(127.5 v + 127.5, 0, 255)), halves to the even neighbor.

    Raises:
        ImageError: A value is NaN.
    """
    values = images.detach().float() * 127.5 + 127.5
    if values.isnan().any():
        broken = values.isnan().flatten(1).any(1).nonzero().flatten().tolist()
        raise ImageError(f"Images {broken} contain NaN; try a smaller strength or float32.")
    return values.clamp(0, 255).round().to(torch.uint8).movedim(1, 3).contiguous()


def from_bytes(values: UInt8[Tensor, "n h w 3"]) -> Float[Tensor, "n 3 h w"]:
    """Convert 8-bit values b to images b / 127.5 - 1 in [-1, 1]; `to_bytes` is the exact inverse."""
    return (values.float() / 127.5 - 1).movedim(3, 1).contiguous()


@checked
def read_image(file: str | Path | io.BytesIO) -> Float[Tensor, "1 3 h w"]:
    """Read an image file at its own size. To crop, align or resize a photo for a generator, use `read_photo`.

    Gray, palette and CMYK images become RGB; 16-bit gray keeps its depth; the first frame of an animation is taken.
    The EXIF orientation is applied, color profiles are not.

    Args:
        file: The path of a PNG, JPEG, WebP, GIF, BMP, TIFF or PPM file, or its bytes.

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
    with opened(file) as image:
        return over(levels(ImageOps.exif_transpose(image)), torch.full((3,), 255.0)) / 127.5 - 1


@checked
def write_image(path: str | Path, image: Shaped[Tensor, "*shape"]) -> Path:
    """Write one image to a file; a failed write leaves no partial file.

    Args:
        path: Where to write. The suffix sets the format: ``.png`` and ``.webp`` are lossless, ``.jpg`` and ``.jpeg``
            have quality 95.
        image: One RGB image, ``[1, 3, height, width]``, floats in [-1, 1]; values outside are clamped.

    Returns:
        The path.

    Raises:
        ImageError: Several images, another shape or dtype, an unknown suffix, NaN, or a path that cannot be written.

    Example:
        >>> import ganvas, torch
        >>> ganvas.write_image("white.png", torch.ones(1, 3, 8, 8)).name
        'white.png'
    """
    path = _check_suffix(path, WRITABLE)
    return _save(path, [to_pillow(image)], WRITABLE[path.suffix.lower()])


def to_pillow(image: Shaped[Tensor, "*shape"]) -> Image.Image:
    """Convert one image, ``[1, 3, h, w]``, to a Pillow image of 8-bit RGB; raises `ImageError` for anything else."""
    if not (isinstance(image, Tensor) and image.is_floating_point() and image.ndim == 4 and image.shape[1] == 3):
        raise ImageError(f"An image is a float tensor [1, 3, height, width]; you gave {_description(image)}.")
    if len(image) != 1:
        raise ImageError(
            f"{len(image)} images were given where one is written; give one of them, such as images[:1], or lay all of "
            "them out with ganvas.show(images).save(path)."
        )
    return Image.fromarray(to_bytes(image)[0].cpu().numpy())


def _description(image: object) -> str:
    if isinstance(image, Tensor):
        return f"{str(image.dtype).removeprefix('torch.')} of shape {list(image.shape)}"
    return f"a {type(image).__name__}"


def png_bytes(image: Float[Tensor, "1 3 h w"]) -> bytes:
    """Return the bytes of a PNG file; the same image gives the same bytes."""
    buffer = io.BytesIO()
    to_pillow(image).save(buffer, format="PNG")
    return buffer.getvalue()


@checked
def write_animation(
    path: str | Path, frames: Float[Tensor, "n 3 h w"], seconds_per_frame: Positive, loop: bool = True
) -> Path:
    """Write frames as an animation; a failed write leaves no partial file.

    A GIF has one palette of 256 colors for all frames and a fixed dither pattern, so that still parts do not flicker;
    its times are multiples of 1/100 s. MP4 needs the extra ``video`` and stores no loop flag.

    Args:
        path: Where to write: ``.webp`` (quality 95), ``.gif`` or ``.mp4``.
        frames: RGB images in [-1, 1], ``[n, 3, height, width]``; values outside are clamped.
        seconds_per_frame: From 0.02 to 60, which browsers respect.
        loop: Repeat without end.

    Returns:
        The path.

    Raises:
        ImageError: Another suffix, no frame, another time, or a path that cannot be written.

    Example:
        >>> import ganvas, torch
        >>> ganvas.write_animation("noise.gif", torch.rand(3, 3, 8, 8), seconds_per_frame=0.1).name
        'noise.gif'
    """
    path = _check_suffix(path, VIDEOS)
    if not 0.02 <= seconds_per_frame <= 60:
        raise ImageError(f"{seconds_per_frame} seconds per frame were asked for; browsers respect 0.02 to 60 seconds.")
    if len(frames) == 0:
        raise ImageError("An animation needs at least one frame, and none was given.")
    if path.suffix.lower() == ".mp4":
        return write_mp4(path, to_bytes(frames).cpu(), seconds_per_frame)
    if path.suffix.lower() == ".gif":
        images = dithered(to_bytes(frames).cpu())
        options = {"format": "GIF", "optimize": False, "disposal": 1} | ({"loop": 0} if loop else {})
        duration = round(seconds_per_frame * 100) * 10
    else:
        images = [to_pillow(frame[None]) for frame in frames]
        options = {"format": "WEBP", "quality": 95, "loop": 0 if loop else 1}
        duration = round(seconds_per_frame * 1000)
    return _save(path, images, options | {"save_all": True, "append_images": images[1:], "duration": duration})


def _check_suffix(path: str | Path, allowed: Sequence[str] | dict[str, dict]) -> Path:
    path = Path(path)
    if path.suffix.lower() not in allowed:
        raise ImageError(f"'{path}' ends in '{path.suffix}'; allowed are {', '.join(allowed)}.")
    return path


def _save(path: Path, images: list[Image.Image], options: dict) -> Path:
    try:
        with atomic_path(path, ImageError) as temporary:
            images[0].save(temporary, **options)
    except ValueError as error:  # what Pillow raises for sizes that a format does not have
        width, height = images[0].size
        raise ImageError(f"'{path}': {path.suffix} cannot hold {width} x {height} pixels ({error}).") from error
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
