"""The photos from which latents were inverted, kept beside the codes: to compare edits with, and for the way back."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from ganvas.images.pixels import to_bytes


@dataclass(frozen=True)
class PhotoOrigin:
    """Photos as they were cut for a generator, one for each sample.

    Attributes:
        images: [n, 3, r, r] in [-1, 1].
        frames: [n, 2, 3], the affine maps from fractions of the image to fractions of the upright photo file.
    """

    images: Float[Tensor, "n 3 r r"]
    frames: Float[Tensor, "n 2 3"]

    def rows(self, chosen: Sequence[int]) -> "PhotoOrigin":
        """Return the photos of some samples."""
        return PhotoOrigin(self.images[list(chosen)], self.frames[list(chosen)])

    def tensors(self) -> dict[str, Tensor]:
        """Return what a latent file holds of the photos: 8-bit levels [n, r, r, 3] and the maps."""
        return {"images": to_bytes(self.images.cpu()), "frames": self.frames.double()}


def photo_origin_of(tensors: Mapping[str, Tensor], count: int) -> PhotoOrigin | None:
    """Return the photos of a latent file with `count` samples, None where it holds none; raises ValueError for what
    cannot be photos.
    """
    if not tensors:
        return None
    levels, frames = tensors["images"], tensors["frames"]
    height = levels.shape[1] if levels.ndim == 4 else 0
    if levels.dtype != torch.uint8 or tuple(levels.shape) != (count, height, height, 3) or height == 0:
        raise ValueError(f"its photos have shape {list(levels.shape)} and type {levels.dtype}")
    if tuple(frames.shape) != (count, 2, 3) or not frames.is_floating_point() or not bool(frames.isfinite().all()):
        raise ValueError(f"the maps of its photos have shape {list(frames.shape)} or are not finite")
    return PhotoOrigin(levels.movedim(3, 1).float() / 127.5 - 1, frames.double())


def joined(origins: Sequence[PhotoOrigin | None]) -> PhotoOrigin | None:
    """Return the photos of several latents as one; None where one of them has none."""
    known = [origin for origin in origins if origin is not None]
    if len(known) < len(origins) or not known:
        return None
    return PhotoOrigin(torch.cat([one.images for one in known]), torch.cat([one.frames for one in known]))
