"""Color profiles: images are converted to sRGB as they are read, and back where the result is a photo.

The conversion is LittleCMS's, relative colorimetric with black point compensation, at 8 bits. Colors beyond sRGB are
clipped to it.
"""

import io
from contextlib import suppress
from functools import lru_cache
from typing import Any

import numpy as np
from jaxtyping import Float
from PIL import Image, ImageCms

from ganvas.images.icc import ADOBE_RGB, DISPLAY_P3

SRGB_DIFFERENCE = 1  # levels by which a profile may differ from sRGB and still be taken for it
GRID = 9  # levels of each channel at which a profile is compared with sRGB
INTEROPERABILITY_IFD, INTEROPERABILITY_INDEX = 0xA005, 0x0001  # of EXIF
SPACES = {"RGB": "RGB", "GRAY": "gray", "CMYK": "CMYK"}
H273_P3 = 12  # color primaries of ITU-T H.273
DEEP_MODES = ("I", "F")  # and those that begin with I;16


class ProfileError(Exception):
    """Why a color profile cannot be used."""


def profile_of(image: Image.Image) -> bytes | None:
    """Return the ICC profile of an opened image: the embedded one; Display P3 where HEIC says so by a number (ITU-T
    H.273); Adobe RGB where the EXIF data of a camera say so ("R03", DCF 2.0); None where nothing says that it is other
    than sRGB.
    """
    if embedded := image.info.get("icc_profile"):
        return embedded
    if (image.info.get("nclx_profile") or {}).get("color_primaries") == H273_P3:
        return DISPLAY_P3
    with suppress(Exception):  # Pillow's parser of EXIF raises almost any type on damaged data
        index = image.getexif().get_ifd(INTEROPERABILITY_IFD).get(INTEROPERABILITY_INDEX)
        if isinstance(index, str) and index.startswith("R03"):
            return ADOBE_RGB
    return None


def to_srgb(image: Image.Image) -> tuple[Image.Image, str]:
    """Return an image with its colors in sRGB, and "" or why its profile was ignored.

    An image without a profile, or with one that differs from sRGB by at most a level, is returned unchanged. Gray of
    more than 8 bits becomes mode I, from 0 to 65535.
    """
    profile = profile_of(image)
    if not profile:
        return image, ""
    try:
        return _converted(image, profile), ""
    except ProfileError as reason:
        return image, f"its color profile {reason} and was ignored; its colors are taken as sRGB."


def from_srgb(image: Image.Image, profile: bytes) -> Image.Image:
    """Return an sRGB image of mode RGB in the colors of a profile: mode RGB, L or CMYK. Raises `ProfileError`."""
    mode = {"RGB": "RGB", "GRAY": "L", "CMYK": "CMYK"}[_space_of(profile)]
    transform = _transform(profile, "RGB", mode, back=True)
    return image if transform is None else _apply(image, transform)


def _converted(image: Image.Image, profile: bytes) -> Image.Image:
    space = _space_of(profile)
    if image.mode in DEEP_MODES or image.mode.startswith("I;16"):
        return _deep_converted(image, profile, space)
    if space == "RGB" and image.mode not in ("CMYK", "LAB"):
        image = image.convert("RGBA" if image.has_transparency_data else "RGB")
        transform = _transform(profile, image.mode, image.mode)
        return image if transform is None else _apply(image, transform)
    if space == "GRAY" and image.mode in ("L", "LA", "1"):
        transparent = image.has_transparency_data
        curve = _gray_curve(profile, "L")
        if curve is None:
            return image
        colors = image.convert("L").point(curve.round().astype(int).tolist()).convert("RGB")
        if transparent:
            colors.putalpha(image.convert("LA").getchannel("A"))
        return colors
    if space == "CMYK" and image.mode == "CMYK":
        return _apply(image, _transform(profile, "CMYK", "RGB"))
    raise ProfileError(f"is for {SPACES[space]}, not for images of mode {image.mode},")


def _deep_converted(image: Image.Image, profile: bytes, space: str) -> Image.Image:
    """Convert gray of 16 bits by the curve that the profile has at 256 levels, interpolated."""
    if space == "CMYK":
        raise ProfileError("is for CMYK, not for gray,")
    curve = _gray_curve(profile, "L" if space == "GRAY" else "RGB")
    if curve is None:
        return image
    values = np.interp(np.asarray(image, dtype=np.float64), np.arange(256) * 257.0, curve * 257)
    return Image.fromarray(np.rint(values).astype(np.int32))


def _gray_curve(profile: bytes, mode: str) -> Float[np.ndarray, "256"] | None:
    """Return the levels of sRGB that a profile's 256 grays are, for images of `mode`; None where nothing changes."""
    transform = _transform(profile, mode, "RGB")
    if transform is None:
        return None
    ramp = Image.fromarray(np.arange(256, dtype=np.uint8)[None]).convert(mode)
    return np.asarray(_apply(ramp, transform)).mean(axis=2)[0]


def _space_of(profile: bytes) -> str:
    """Return "RGB", "GRAY" or "CMYK"; raises `ProfileError` for a profile of another kind or a damaged one."""
    space = profile[16:20].decode("ascii", "replace").strip()
    if space not in SPACES:
        raise ProfileError("is damaged or of an unknown kind")
    return space


@lru_cache(maxsize=32)
def _transform(profile: bytes, source: str, target: str, back: bool = False) -> Any:
    """Return the transform from images of mode `source` in the profile's colors to sRGB of mode `target`, or `back`
    from sRGB to the profile; None where nothing changes. Raises `ProfileError`.
    """
    try:
        # For gray LittleCMS makes a table of few steps first, which is off by ten levels for steep curves.
        gray = "L" in (source, target)
        flags = ImageCms.Flags.BLACKPOINTCOMPENSATION | (ImageCms.Flags.NOOPTIMIZE if gray else ImageCms.Flags.NONE)
        theirs, ours = ImageCms.ImageCmsProfile(io.BytesIO(profile)), ImageCms.createProfile("sRGB")
        ends = (ours, theirs) if back else (theirs, ours)
        transform = ImageCms.buildTransform(*ends, source, target, ImageCms.Intent.RELATIVE_COLORIMETRIC, flags)
    except ImportError:
        raise ProfileError("cannot be used without LittleCMS, which this Pillow lacks,") from None
    except Exception as reason:  # PyCMSError and, for damaged profiles, others
        raise ProfileError("is damaged") from reason
    return None if _changes_nothing(transform, source, target) else transform


def _changes_nothing(transform: Any, source: str, target: str) -> bool:
    """Return whether a transform between images of red, green and blue, or of gray, changes no color by more than
    `SRGB_DIFFERENCE`.
    """
    if "CMYK" in (source, target):
        return False
    if "L" in (source, target):
        grays = np.arange(256, dtype=np.uint8)[None]
        grid = np.repeat(grays[..., None], 3, axis=2) if source != "L" else grays
    else:
        steps = np.linspace(0, 255, GRID).round().astype(np.uint8)
        grid = np.stack(np.meshgrid(steps, steps, steps), axis=-1).reshape(1, -1, 3)
    colors = Image.fromarray(grid).convert(source)
    changed = np.asarray(_apply(colors, transform).convert("RGB"), dtype=np.int16)
    return bool(np.abs(changed - np.asarray(colors.convert("RGB"), dtype=np.int16)).max() <= SRGB_DIFFERENCE)


def _apply(image: Image.Image, transform: Any) -> Image.Image:
    try:
        changed = ImageCms.applyTransform(image, transform)
    except Exception as reason:
        raise ProfileError("is damaged") from reason
    assert changed is not None  # None only for a conversion in place
    return changed
