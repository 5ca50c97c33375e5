"""Images as files of their own: their size, their depth, and what they are called."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from jaxtyping import Float
from torch import Tensor

from ganvas.errors import ImageError
from ganvas.errors.arguments import checked_as
from ganvas.errors.ranges import Size
from ganvas.images.pixels import resize, to_bytes, write_image
from ganvas.images.stored_frames import StoredFrames

IMAGES, VIDEOS_FOLDER = "images", "videos"
"""The folders of single images and of videos inside that of a command's results."""


@checked_as(ImageError)
@dataclass(frozen=True)
class ImageFiles:
    """How images and videos are written: at the generator's size, without captions.

    Raises:
        ImageError: A size below 1.
    """

    size: Size | None = None
    """Width of single images and videos in pixels, such as 256 for smaller ones; that of the generator by default."""
    bits: Literal[8, 16] = 8
    """Bits a channel of single images."""

    def check_fits(self, resolution: int) -> None:
        """Raise `ImageError` for a size above that of the images, which enlarging makes no better."""
        if self.size is not None and self.size > resolution:
            raise ImageError(
                f"The generator's images have {resolution} pixels, fewer than a size of {self.size}; give at most "
                f"{resolution}, or leave the size out."
            )

    def fitted(self, images: Float[Tensor, "n 3 h w"]) -> Float[Tensor, "n 3 height width"]:
        """Return images at the size of files, the sides in the same proportion."""
        height, width = images.shape[-2:]
        return images if self.size is None else resize(images, max(1, round(height * self.size / width)), self.size)

    def write(self, path: Path, image: Float[Tensor, "1 3 h w"]) -> Path:
        """Write one image; returns the path."""
        return write_image(path, self.fitted(image), self.bits)

    def stored(self, folder: Path, batches: Iterable[Float[Tensor, "_n 3 h w"]]) -> StoredFrames:
        """Return the frames of a video, at the size of files, in a temporary file in `folder`."""
        frames = StoredFrames(folder)
        for images in batches:
            frames.append(to_bytes(self.fitted(images)))
        return frames


def file_name(caption: str) -> str:
    """Return what the file of an image is called, without suffix: "seed 4" is seed0004, as in NVIDIA's tools, so that
    names are in the order of seeds; whatever else files may not be called with becomes a minus.
    """
    padded = re.sub(r"\bseed (\d+)", lambda found: f"seed{int(found[1]):04}", caption.replace("−", "-"))
    return re.sub(r"[^\w.+-]+", "-", padded).strip("-.")[:100] or "image"
