"""Animations: GIFs that do not flicker, WebP and MP4, written frame by frame. Knows no generator."""

import importlib
import importlib.util
import math
from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, UInt8
from PIL import GifImagePlugin, Image
from torch import Tensor

from ganvas.errors import GanvasError, ImageError
from ganvas.errors.arguments import checked_as
from ganvas.images.pixels import check_suffix, to_bytes
from ganvas.images.stored_frames import Frame, Frames, StoredFrames
from ganvas.io.files import atomic_path

VIDEOS = (".gif", ".webp", ".mp4")
MISSING_VIDEO = 'MP4 needs the package av: pip install "ganvas[video]"; or write .webp or .gif.'
COLORS_FROM, PALETTE_PIXELS = 16, 60_000  # frames and pixels in all, from which the palette of a GIF is made
UNSETTLED = 100  # pixels that may still change their color when k-means ends: 1 % more error, a tenth of the time


@checked_as(ImageError)
def write_animation(
    path: str | Path,
    frames: Float[Tensor, "n 3 h w"] | Iterable[Float[Tensor, "_n 3 h w"]],
    seconds_per_frame: float | int,
    loop: bool = True,
) -> Path:
    """Write frames as an animation; a failed write leaves no partial file.

    A GIF has one palette of 256 colors for all frames and a fixed dither pattern, so that still parts do not flicker;
    its times are multiples of 1/100 s. MP4 needs the extra ``video`` and stores no loop flag.

    Args:
        path: Where to write: ``.webp`` (quality 95), ``.gif`` or ``.mp4``.
        frames: RGB images in [-1, 1], ``[n, 3, height, width]``, or batches of them one after the other, such as
            ``latent.images(generator)`` yields, which takes the memory of one batch. Values outside are clamped.
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
        >>> batches = (torch.rand(2, 3, 8, 8) for _ in range(3))
        >>> ganvas.write_animation("more-noise.webp", batches, seconds_per_frame=0.1).name
        'more-noise.webp'
    """
    path = check_suffix(path, VIDEOS)
    _check_seconds(seconds_per_frame)
    if path.suffix.lower() == ".mp4" and not can_write_mp4():
        raise ImageError(MISSING_VIDEO)
    with StoredFrames() as video:
        for some in [frames] if isinstance(frames, Tensor) else frames:
            video.append(to_bytes(some))
        return write_frames(path, video, seconds_per_frame, loop)


def write_frames(path: str | Path, frames: Frames, seconds_per_frame: float, loop: bool = True) -> Path:
    """Write frames of 8-bit values as `write_animation` does, one at a time."""
    path = check_suffix(path, VIDEOS)
    _check_seconds(seconds_per_frame)
    if len(frames) == 0:
        raise ImageError("An animation needs at least one frame, and none was given.")
    if path.suffix.lower() == ".mp4":
        return _write_mp4(path, frames, seconds_per_frame)
    write = _write_gif if path.suffix.lower() == ".gif" else _write_webp
    try:
        return write(path, frames, seconds_per_frame, loop)
    except ValueError as error:  # what Pillow raises for sizes that a format does not have
        height, width = frames[0].shape[:2]
        raise ImageError(f"'{path}': {path.suffix} cannot hold {width} x {height} pixels ({error}).") from error


def check_frames(frames: int, most: int = 200) -> None:
    """Raise `GanvasError` for a number of frames that makes no video; 0 means no video."""
    if frames != 0 and not 2 <= frames <= most:
        raise GanvasError(f"{frames} frames make no video; give 2 to {most}, or 0 for none.")


def _check_seconds(seconds: float) -> None:
    if not 0.02 <= seconds <= 60:
        raise ImageError(f"{seconds} seconds per frame were asked for; browsers respect 0.02 to 60 seconds.")


class _FramesImage(Image.Image):
    """Frames as Pillow's own images of several frames, one in memory at a time."""

    def __init__(self, frames: Frames) -> None:
        super().__init__()
        self._frames, self.n_frames, self._index = frames, len(frames), 0
        self.seek(0)

    def seek(self, frame: int) -> None:
        """Show a frame."""
        image = Image.fromarray(self._frames[frame])
        self._im, self._mode, self._size, self._index = image.im, image.mode, image.size, frame

    def tell(self) -> int:
        """Return the number of the frame that is shown."""
        return self._index


def _write_webp(path: Path, frames: Frames, seconds_per_frame: float, loop: bool) -> Path:
    options = {"quality": 95, "loop": 0 if loop else 1, "duration": round(seconds_per_frame * 1000)}
    with atomic_path(path, ImageError) as temporary:
        _FramesImage(frames).save(temporary, format="WEBP", save_all=True, **options)
    return path


def _write_gif(path: Path, frames: Frames, seconds_per_frame: float, loop: bool) -> Path:
    """Write every frame as the rectangle that differs from the frame before."""
    palette, before = shared_palette(frames), None
    options = {"duration": round(seconds_per_frame * 100) * 10, "disposal": 1}
    with atomic_path(path, ImageError) as temporary, temporary.open("wb") as file:
        for index in range(len(frames)):
            frame = dithered(frames[index], palette)
            if before is None:
                file.writelines(GifImagePlugin.getheader(frame, info=options | ({"loop": 0} if loop else {}))[0])
            left, top, right, bottom = _changed(before, frame)
            part = frame.crop((left, top, right, bottom))
            file.writelines(GifImagePlugin.getdata(part, (left, top), **options))
            before = frame
        file.write(b";")
    return path


def _changed(before: Image.Image | None, frame: Image.Image) -> tuple[int, int, int, int]:
    """Return (left, top, right, bottom) of what differs; one pixel where nothing does, which keeps the frame's time."""
    if before is None:
        return (0, 0, *frame.size)
    rows, columns = np.nonzero(np.asarray(before) != np.asarray(frame))
    if len(rows) == 0:
        return 0, 0, 1, 1
    return int(columns.min()), int(rows.min()), int(columns.max()) + 1, int(rows.max()) + 1


def shared_palette(frames: Frames) -> Image.Image:
    """Return an image with one palette of 256 colors for all frames, made from an even choice of them."""
    chosen = np.unique(np.linspace(0, len(frames) - 1, COLORS_FROM).round().astype(int)).tolist()
    height, width = frames[0].shape[:2]
    step = max(1, math.ceil(math.sqrt(len(chosen) * height * width / PALETTE_PIXELS)))
    sample = np.concatenate([frames[index][::step, ::step].reshape(1, -1, 3) for index in chosen], axis=1)
    return Image.fromarray(sample).quantize(256, method=Image.Quantize.MEDIANCUT, kmeans=UNSETTLED)


def dithered(frame: Frame, palette: Image.Image) -> Image.Image:
    """Quantize a frame to a palette with an ordered dither.

    Error diffusion looks finer in a single frame, but a change at the mouth then changes the noise everywhere below it.
    """
    height, width = frame.shape[:2]
    # 8 of 255 levels: about the distance between neighboring colors of a palette made for portraits.
    pattern = 8 * _bayer(3).repeat(math.ceil(height / 8), math.ceil(width / 8))[:height, :width, None]
    shifted = (torch.from_numpy(frame.astype(np.float32)) + pattern).round().clamp(0, 255).to(torch.uint8)
    return Image.fromarray(shifted.numpy()).quantize(palette=palette, dither=Image.Dither.NONE)


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


def _write_mp4(path: Path, frames: Frames, seconds_per_frame: float) -> Path:
    """Write frames as H.264 in MP4 (4:2:0, which every browser plays) and return the path.

    A failed write leaves no partial file. H.264 needs even sides: odd ones repeat their last row or column.

    Raises:
        ImageError: The package av is missing, or the file cannot be written.
    """
    try:
        av = importlib.import_module("av")
    except ImportError as missing:
        raise ImageError(MISSING_VIDEO) from missing
    rate = Fraction(1 / seconds_per_frame).limit_denominator(1000)
    try:
        with atomic_path(path, ImageError) as temporary, av.open(str(temporary), "w", format="mp4") as video:
            # Few frames ahead and two threads: an encoder's memory grows with both, and with the number of cores.
            options = {"crf": "16", "rc-lookahead": "10", "threads": "2"}
            stream = video.add_stream("libx264", rate=rate, options=options)
            stream.height, stream.width, stream.pix_fmt = *even_sides(frames[0]).shape[:2], "yuv420p"
            for index in range(len(frames)):
                values = np.ascontiguousarray(even_sides(frames[index]))
                video.mux(stream.encode(av.VideoFrame.from_ndarray(values, format="rgb24")))
            video.mux(stream.encode(None))
    except av.error.FFmpegError as reason:
        raise ImageError(f"'{path}' cannot be written as MP4 ({reason}); write .webp instead.") from reason
    return path


def even_sides(frame: UInt8[np.ndarray, "h w 3"]) -> UInt8[np.ndarray, "even_h even_w 3"]:
    """Make height and width even by repeating the last row and the last column."""
    height, width = frame.shape[:2]
    return np.pad(frame, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
