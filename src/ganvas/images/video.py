"""GIFs that do not flicker, and MP4, from frames of 8-bit values; called by `ganvas.images.pixels.write_animation`."""

import importlib
import importlib.util
import math
from fractions import Fraction
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, UInt8
from PIL import Image
from torch import Tensor

from ganvas.errors import ImageError
from ganvas.io.files import atomic_path

MISSING_VIDEO = 'MP4 needs the package av: pip install "ganvas[video]"; or write .webp or .gif.'


def dithered(frames: UInt8[Tensor, "n h w 3"]) -> list[Image.Image]:
    """Quantize all frames to one palette of 256 colors with an ordered dither.

    Error diffusion looks finer in a single frame, but a change at the mouth then changes the noise everywhere below it.
    """
    height, width = frames.shape[1:3]
    step = max(1, math.isqrt(frames[..., 0].numel() // 250_000))
    sample = frames[:, ::step, ::step].reshape(1, -1, 3).numpy()
    palette = Image.fromarray(sample).quantize(256, method=Image.Quantize.MEDIANCUT, kmeans=2)
    # 8 of 255 levels: about the distance between neighboring colors of a palette made for portraits.
    pattern = 8 * _bayer(3).repeat(math.ceil(height / 8), math.ceil(width / 8))[:height, :width, None]
    shifted = (frames + pattern).round().clamp(0, 255).to(torch.uint8).numpy()
    return [Image.fromarray(frame).quantize(palette=palette, dither=Image.Dither.NONE) for frame in shifted]


def _bayer(doublings: int) -> Float[Tensor, "side side"]:
    """Return the Bayer matrix of side ``2 ** doublings``: values in (-0.5, 0.5) of mean 0."""
    matrix = torch.zeros(1, 1)
    for _ in range(doublings):
        upper, lower = torch.cat([4 * matrix, 4 * matrix + 2], 1), torch.cat([4 * matrix + 3, 4 * matrix + 1], 1)
        matrix = torch.cat([upper, lower])
    return (matrix + 0.5) / matrix.numel() - 0.5


def can_write_mp4() -> bool:
    """Return whether the extra for MP4 is installed."""
    return importlib.util.find_spec("av") is not None


def write_mp4(path: Path, frames: UInt8[Tensor, "n h w 3"], seconds_per_frame: float) -> Path:
    """Write frames as H.264 in MP4 (4:2:0, which every browser plays) and return the path.

    A failed write leaves no partial file. H.264 needs even sides: odd ones repeat their last row or column.

    Raises:
        ImageError: The package av is missing, or the file cannot be written.
    """
    try:
        av = importlib.import_module("av")
    except ImportError as missing:
        raise ImageError(MISSING_VIDEO) from missing
    values = even_sides(frames).numpy()
    rate = Fraction(1 / seconds_per_frame).limit_denominator(1000)
    try:
        with atomic_path(path, ImageError) as temporary, av.open(str(temporary), "w", format="mp4") as video:
            stream = video.add_stream("libx264", rate=rate, options={"crf": "16"})
            stream.height, stream.width, stream.pix_fmt = *values.shape[1:3], "yuv420p"
            for frame in values:
                video.mux(stream.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="rgb24")))
            video.mux(stream.encode(None))
    except av.error.FFmpegError as reason:
        raise ImageError(f"'{path}' cannot be written as MP4 ({reason}); write .webp instead.") from reason
    return path


def even_sides(frames: UInt8[Tensor, "n h w 3"]) -> UInt8[Tensor, "n even_h even_w 3"]:
    """Make height and width even by repeating the last row and the last column."""
    height, width = frames.shape[1:3]
    rows = torch.arange(height + height % 2).clamp(max=height - 1)
    columns = torch.arange(width + width % 2).clamp(max=width - 1)
    return frames[:, rows][:, :, columns]
