"""Colors of a photo's ICC profile to sRGB and back, in floating point.

Profiles of a matrix and three curves (ICC.1:2010, 8.3.3), which cameras and screens have, and gray ones (8.3.4) are
computed here: `ganvas.images.color` converts by LittleCMS, which Pillow gives 8 bits only and which clips what lies
beyond sRGB. Colors beyond sRGB go below 0 and above 1, by the odd continuation of sRGB's curve. Other profiles of RGB,
those of tables, are left to LittleCMS.
"""

import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from PIL import Image

from ganvas.images.color import ProfileError, from_srgb, to_srgb

Colors = Float[np.ndarray, "h w c"]
LEVELS = np.linspace(0, 1, 65536)  # at which curves are tabulated: levels of 16 bits are met exactly
# Linear sRGB to XYZ relative to D50 (IEC 61966-2-1, adapted by Bradford's method).
SRGB_MATRIX = np.array([[0.43607, 0.38515, 0.14307], [0.22249, 0.71687, 0.06061], [0.01392, 0.09708, 0.71410]])


@dataclass(frozen=True)
class ColorSpace:
    """The way from a photo's colors [h, w, c], in [0, 1], to sRGB, and back."""

    to_srgb: Callable[[Colors], Colors]
    from_srgb: Callable[[Colors], Colors]


def color_space(profile: bytes | None, channels: int) -> ColorSpace:
    """Return the way for images of 1 or 3 color channels with an ICC profile, None for sRGB. Raises `ProfileError`."""
    if profile is None:
        return ColorSpace(lambda colors: colors, lambda colors: colors)
    kind = profile[16:20]
    try:
        tags = _tags(profile)
        if channels == 1 and kind in (b"GRAY", b"RGB "):
            return _curves_only(_curve(tags["kTRC" if kind == b"GRAY" else "gTRC"]))
        if channels == 3 and kind == b"RGB ":
            return _matrix_and_curves(tags) if "rXYZ" in tags and "A2B0" not in tags else _by_littlecms(profile)
    except (KeyError, IndexError, ValueError, struct.error, np.linalg.LinAlgError) as reason:
        raise ProfileError("is damaged or of an unknown kind") from reason
    raise ProfileError(f"is not one for images of {channels} channels")


def _matrix_and_curves(tags: Mapping[str, bytes]) -> ColorSpace:
    there = np.linalg.solve(SRGB_MATRIX, _matrix(tags)).T  # of rows: linear RGB to linear sRGB
    back = np.linalg.inv(there)
    curves = [_curve(tags[name]) for name in ("rTRC", "gTRC", "bTRC")]

    def to_srgb(colors: Colors) -> Colors:
        linear = [np.interp(colors[..., i], LEVELS, curve) for i, curve in enumerate(curves)]
        return _encode(np.stack(linear, axis=-1) @ there)

    def from_srgb(colors: Colors) -> Colors:
        linear = _decode(colors) @ back
        return np.stack([np.interp(linear[..., i], curve, LEVELS) for i, curve in enumerate(curves)], axis=-1)

    return ColorSpace(to_srgb, from_srgb)


def _curves_only(curve: Float[np.ndarray, "65536"]) -> ColorSpace:
    return ColorSpace(
        lambda colors: _encode(np.interp(colors, LEVELS, curve)),
        lambda colors: np.interp(_decode(colors), curve, LEVELS),
    )


def _by_littlecms(profile: bytes) -> ColorSpace:
    def shown(colors: Colors) -> Image.Image:
        return Image.fromarray(np.rint(np.clip(colors, 0, 1) * 255).astype(np.uint8))

    def there(colors: Colors) -> Colors:
        image = shown(colors)
        image.info["icc_profile"] = profile
        converted, note = to_srgb(image)
        if note:
            raise ProfileError("is damaged")
        return np.asarray(converted) / 255

    there(np.zeros((1, 1, 3)))  # a damaged profile is found now
    return ColorSpace(there, lambda colors: np.asarray(from_srgb(shown(colors), profile)) / 255)


def _encode(linear: Colors) -> Colors:
    """Apply sRGB's curve (IEC 61966-2-1), odd about 0."""
    size = np.abs(linear)
    return np.copysign(np.where(size <= 0.0031308, 12.92 * size, 1.055 * size ** (1 / 2.4) - 0.055), linear)


def _decode(colors: Colors) -> Colors:
    size = np.abs(colors)
    return np.copysign(np.where(size <= 0.04045, size / 12.92, ((size + 0.055) / 1.055) ** 2.4), colors)


def _tags(profile: bytes) -> dict[str, bytes]:
    """Return the tags of a profile by their signatures (ICC.1:2010, 7.3)."""
    (count,) = struct.unpack_from(">I", profile, 128)
    entries = [struct.unpack_from(">4s2I", profile, 132 + 12 * index) for index in range(min(count, 1000))]
    return {name.decode("latin-1"): profile[start : start + size] for name, start, size in entries}


def _matrix(tags: Mapping[str, bytes]) -> Float[np.ndarray, "3 3"]:
    """Return the matrix from linear RGB to XYZ relative to D50."""
    columns = [struct.unpack_from(">3i", tags[name], 8) for name in ("rXYZ", "gXYZ", "bXYZ")]
    return np.array(columns).T / 65536


def _curve(tag: bytes) -> Float[np.ndarray, "65536"]:
    """Return a tone curve (ICC.1:2010, 10.5 and 10.15) at `LEVELS`; raises `ValueError` for one that falls."""
    kind, number = tag[:4], struct.unpack_from(">I" if tag[:4] == b"curv" else ">H", tag, 8)[0]
    if kind == b"para":
        values = _parametric(number, tag)
    elif kind != b"curv":
        raise ValueError(kind)
    elif number == 0:
        values = LEVELS
    elif number == 1:
        values = LEVELS ** (struct.unpack_from(">H", tag, 12)[0] / 256)
    else:
        given = np.frombuffer(tag, ">u2", number, 12) / 65535
        values = np.interp(LEVELS, np.linspace(0, 1, number), given)
    if not (np.isfinite(values).all() and (np.diff(values) >= 0).all() and values[-1] > values[0]):
        raise ValueError("a curve that falls")
    return values


def _parametric(kind: int, tag: bytes) -> Float[np.ndarray, "65536"]:
    """Return (a x + b)^g + e from x = d on, c x + f below."""
    given = (np.array(struct.unpack_from(f">{(1, 3, 4, 5, 7)[kind]}i", tag, 12)) / 65536).tolist()
    g, a, b, c, d, e, f = (given + [1.0, 0.0, 0.0, -1.0, 0.0, 0.0][len(given) - 1 :])[:7]
    if g <= 0:
        raise ValueError("a curve that falls")
    if kind in (1, 2):  # their linear part is constant and begins at -b / a
        c, d, e, f = 0.0, -b / a, (given[3] if kind == 2 else 0.0), (given[3] if kind == 2 else 0.0)
    return np.where(d <= LEVELS, np.maximum(a * LEVELS + b, 0) ** g + e, c * LEVELS + f)
