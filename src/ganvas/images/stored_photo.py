"""A photo's levels as its file holds them: its own size, bits, channels and orientation, with all that is beside them.

`ganvas.images.decoding` reads images to look at them; this reads a photo to write it again with some pixels changed.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Shaped
from PIL import Image, JpegImagePlugin

from ganvas.errors import ImageError
from ganvas.images.color import profile_of
from ganvas.images.decoding import ORIENTATION, check_single, opened, shrink
from ganvas.images.exif import without_thumbnail

EIGHT_BITS = {"1": "L", "L": "L", "LA": "LA", "P": "RGB", "PA": "RGBA", "RGB": "RGB", "RGBA": "RGBA"}
WITH_ALPHA = {"L": "LA", "RGB": "RGBA"}
SIXTEEN_BITS = ("RGB;16", "RGBA;16", "I;16")
"""Raw modes of Pillow, without the order of bytes: B, L or N for that of the machine."""
# Of Pillow's two ways to read 16 bits a channel into 8, the one takes the upper bytes, the other the lower ones.
OTHER_BYTES = {"B": "L", "L": "B", "N": "B" if np.little_endian else "L"}
# Tags of TIFF 6.0, and values of them.
BITS, PHOTOMETRIC, EXTRA_SAMPLES, WHITE_IS_ZERO, PREMULTIPLIED = 258, 262, 338, 0, 1
SAVE_AS = "save it as gray, RGB or RGBA, 8 or 16 bits a channel"
# From upright to stored pixels, by EXIF orientation: which Pillow turns TIFF files away from.
TO_STORED = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}


@dataclass(frozen=True)
class StoredPhoto:
    """A photo as its file holds it.

    Attributes:
        levels: [h, w, c], uint8 or uint16: gray, gray and alpha, RGB, or RGBA; in the orientation of the file.
        format: Pillow's name of the file's format: "PNG".
        orientation: The EXIF orientation that turns the levels upright, 1 to 8.
        profile: The ICC profile, None for sRGB.
        exif: EXIF data without their thumbnail.
        info: What Pillow found beside the pixels: resolution, XMP, comment.
        coding: How a JPEG is coded: quantization tables, subsampling, progressive or not.
        tags: The tags of a TIFF.
        notes: What is different in a file written from this.
    """

    levels: Shaped[np.ndarray, "h w c"] = field(repr=False)
    format: str
    orientation: int = 1
    profile: bytes | None = field(default=None, repr=False)
    exif: bytes = field(default=b"", repr=False)
    info: Mapping[Any, Any] = field(default_factory=dict, repr=False)
    coding: Mapping[str, Any] = field(default_factory=dict, repr=False)
    tags: Any = field(default=None, repr=False)
    notes: tuple[str, ...] = ()

    @property
    def colors(self) -> int:
        """How many channels are colors: 1 or 3."""
        return 1 if self.levels.shape[2] < 3 else 3

    @property
    def has_alpha(self) -> bool:
        """Whether the last channel is alpha."""
        return self.levels.shape[2] > self.colors

    @property
    def deep(self) -> bool:
        """Whether levels have 16 bits."""
        return self.levels.dtype == np.uint16


def read_stored(path: str | Path) -> StoredPhoto:
    """Read a photo to be written again; raises `ImageError` for one that cannot be, and says what to do."""
    with opened(path, shrinkable=True) as image:
        check_single(image)
        shrink(image, 1.0)  # refuses what is too large
        tags = getattr(image, "tag_v2", None)
        orientation = (image.getexif() if tags is None else tags).get(ORIENTATION, 1)
        orientation = orientation if orientation in range(1, 9) else 1
        kept_tags = None if tags is None else {tag: (tags.tagtype.get(tag), value) for tag, value in tags.items()}
        exif, had_thumbnail = without_thumbnail(_exif_of(image))
        raw_mode, profile = _raw_mode(image), profile_of(image)
        coding = _coding(image)
        levels = _deep(path, image, raw_mode) if raw_mode[:-1] in SIXTEEN_BITS else _eight_bits(image, raw_mode)
        notes = ["its EXIF thumbnail, which shows it before the edit, is left out"] if had_thumbnail else []
        if image.info.get("mp"):
            notes.append("the further images in it (HDR gain map or depth) are left out")
        if image.info.get("bit_depth", 8) > 8:
            notes.append(f"its {image.info['bit_depth']} bits are read as 8")
        return StoredPhoto(
            levels, str(image.format), orientation, profile, exif, dict(image.info), coding, kept_tags, tuple(notes)
        )


def _exif_of(image: Image.Image) -> bytes:
    if image.format == "TIFF":
        return b""  # its tags hold them
    return image.info.get("exif") or (image.getexif().tobytes() if image.getexif() else b"")


def _raw_mode(image: Image.Image) -> str:
    """Return how the file holds pixels, in the words of Pillow, "RGB;16B"; "" where a decoder knows no such word."""
    tiles = getattr(image, "tile", None)
    if image.format not in ("PNG", "TIFF") or not tiles:
        return ""
    given = tiles[0][3]
    raw = given if isinstance(given, str) else given[0]
    return f"{raw}N" if raw == "I;16" else raw if isinstance(raw, str) else ""


def _eight_bits(image: Image.Image, raw_mode: str) -> Shaped[np.ndarray, "h w c"]:
    """Return levels of 8 bits, in the orientation of the file."""
    if image.mode in ("CMYK", "YCCK"):
        raise ImageError(
            "its colors are CMYK, from which no exact way leads to an edit and back; save it as RGB, and edit that."
        )
    more_bits = ";16" in raw_mode or np.max(_tag(image, BITS, 8)) > 8
    if image.mode not in EIGHT_BITS or more_bits or PREMULTIPLIED in np.atleast_1d(_tag(image, EXTRA_SAMPLES)):
        raise ImageError(f"its pixels ({raw_mode or image.mode}) cannot be kept; {SAVE_AS}.")
    orientation = _tag(image, ORIENTATION)
    mode = EIGHT_BITS[image.mode]
    mode = WITH_ALPHA.get(mode, mode) if image.has_transparency_data else mode
    return _channels_last(np.asarray(_as_stored(image, orientation).convert(mode)))


def _deep(path: str | Path, image: Image.Image, raw_mode: str) -> Shaped[np.ndarray, "h w c"]:
    """Return levels of 16 bits, in the orientation of the file."""
    inverted = image.format == "TIFF" and _tag(image, PHOTOMETRIC) == WHITE_IS_ZERO
    if "transparency" in image.info or inverted or PREMULTIPLIED in np.atleast_1d(_tag(image, EXTRA_SAMPLES)):
        raise ImageError(
            f"its pixels (16 bits, with a transparent color or of another kind) cannot be kept; {SAVE_AS}."
        )
    orientation = _tag(image, ORIENTATION)
    if raw_mode.startswith("I"):
        return _channels_last(np.asarray(_as_stored(image, orientation)).astype(np.uint16))
    other = raw_mode[:-1] + OTHER_BYTES[raw_mode[-1]]
    with opened(path) as again:
        tiles: Any = again
        tiles.tile = [one._replace(args=_with_raw_mode(one.args, other)) for one in tiles.tile]
        halves = [np.asarray(_as_stored(one, orientation)).astype(np.uint16) for one in (image, again)]
    return _channels_last(halves[0] << 8 | halves[1])


def _with_raw_mode(arguments: Any, raw_mode: str) -> Any:
    return raw_mode if isinstance(arguments, str) else (raw_mode, *arguments[1:])


def _tag(image: Image.Image, tag: int, missing: int = 0) -> Any:
    """Return a tag of a TIFF, before Pillow decodes it."""
    tags = getattr(image, "tag_v2", None)
    return missing if tags is None else tags.get(tag, missing)


def _as_stored(image: Image.Image, orientation: int) -> Image.Image:
    """Return a decoded image in the orientation of its file; Pillow turns a TIFF of this `orientation` upright."""
    image.load()
    return image.transpose(TO_STORED[orientation]) if orientation in TO_STORED else image


def _channels_last(levels: Shaped[np.ndarray, "*shape"]) -> Shaped[np.ndarray, "h w c"]:
    return np.array(levels if levels.ndim == 3 else levels[..., None])


def _coding(image: Image.Image) -> dict[str, Any]:
    """Return the options of Pillow with which a JPEG is coded as it was."""
    if image.format not in ("JPEG", "MPO") or image.mode == "CMYK":
        return {}
    tables: Any = getattr(image, "quantization", None)
    coding: dict[str, Any] = {"qtables": tables, "progressive": bool(image.info.get("progressive"))}
    subsampling = JpegImagePlugin.get_sampling(image)
    # Gray has none; what Pillow cannot write, 4:4:0 and the like, becomes 4:4:4.
    return coding | {"subsampling": max(subsampling, 0)}
