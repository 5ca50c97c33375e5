"""Photos of every kind of pixels, written for tests: [h, w, c] levels as files hold them, with metadata beside them."""

import io
import zlib
from pathlib import Path

import numpy as np
from PIL import Image, TiffImagePlugin

from ganvas.images.png import encode_png

MAKE, ORIENTATION = 0x010F, 0x0112
CAMERA = "Camera"


def random_levels(height: int, width: int, channels: int, dtype: type = np.uint8, seed: int = 0) -> np.ndarray:
    """Return levels of all values; alpha too."""
    random = np.random.RandomState(seed)
    return random.randint(0, np.iinfo(dtype).max + 1, (height, width, channels)).astype(dtype)


def write_photo(path: Path, levels: np.ndarray, orientation: int = 1, profile: bytes | None = None) -> Path:
    """Write levels in the format of the suffix, with an orientation, a profile, and the camera's name."""
    suffix = path.suffix
    exif = Image.Exif()
    exif[ORIENTATION], exif[MAKE] = orientation, CAMERA
    if levels.dtype == np.uint16 and suffix == ".png":
        before = [(b"iCCP", b"p\0\0" + zlib.compress(profile))] if profile else []
        before.append((b"eXIf", exif.tobytes().removeprefix(b"Exif\0\0")))
        path.write_bytes(encode_png(levels, before, [(b"tEXt", b"Comment\0kept")]))
    elif levels.dtype == np.uint16:
        path.write_bytes(tiff16(levels, orientation))
    else:
        image = Image.fromarray(levels[..., 0] if levels.shape[2] == 1 else levels)
        options = {"lossless": True, "exact": True} if suffix == ".webp" else {}
        if suffix == ".tif":
            options = {"tiffinfo": {ORIENTATION: orientation, MAKE: CAMERA}}
        else:
            options["exif"] = exif
        image.save(path, icc_profile=profile, **options)
    return path


def tiff16(levels: np.ndarray, orientation: int = 1, order: str = "II", compressed: bool = False) -> bytes:
    """Return a TIFF of 16 bits a channel, in one strip (TIFF 6.0)."""
    height, width, channels = levels.shape
    data = levels.astype(">u2" if order == "MM" else "<u2").tobytes()
    data = zlib.compress(data) if compressed else data
    directory = TiffImagePlugin.ImageFileDirectory_v2(prefix=order.encode())
    tags = {256: width, 257: height, 258: (16,) * channels, 259: 8 if compressed else 1, 262: 1 if channels == 1 else 2}
    tags |= {273: (0,), 277: channels, 278: height, 279: (len(data),), ORIENTATION: orientation, MAKE: CAMERA}
    tags |= {338: (2,)} if channels == 4 else {}
    for tag, value in tags.items():
        directory[tag] = value
    head = io.BytesIO()
    directory.save(head)
    return head.getvalue() + data


def turned(upright: np.ndarray, orientation: int) -> np.ndarray:
    """Return the levels that a file of this EXIF orientation holds of an upright photo (EXIF 2.3, tag 274)."""
    left_right, top_bottom = upright[:, ::-1], upright[::-1]
    stored = {
        1: upright,
        2: left_right,
        3: upright[::-1, ::-1],
        4: top_bottom,
        5: upright.swapaxes(0, 1),
        6: np.rot90(upright, 1),
        7: np.rot90(upright, 2).swapaxes(0, 1),
        8: np.rot90(upright, 3),
    }
    return np.ascontiguousarray(stored[orientation])
