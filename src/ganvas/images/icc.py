"""Writes minimal ICC profiles (ICC.1:2001-04): a header and tags."""

import struct
from collections.abc import Mapping, Sequence

Color = tuple[float, float, float]
D50: Color = (0.9642, 1.0, 0.8249)


def profile(space: str, tags: Mapping[str, bytes], name: str) -> bytes:
    """Return a profile of a display; `space` is "RGB " or "GRAY", tags are by signature, such as "rXYZ", "rTRC"."""
    tags = {"desc": _description(name), "wtpt": xyz(D50), "cprt": b"text\0\0\0\0none\0", **tags}
    table, body, start = b"", b"", 128 + 4 + 12 * len(tags)
    for tag, content in tags.items():
        table += tag.encode() + struct.pack(">2I", start + len(body), len(content))
        body += content + bytes(-len(content) % 4)
    header = struct.pack(">I4sI4s4s4s", start + len(body), b"none", 0x02100000, b"mntr", space.encode(), b"XYZ ")
    header += struct.pack(">6H", 2000, 1, 1, 0, 0, 0) + b"acsp" + bytes(28) + _fixed(D50)
    return header.ljust(128, b"\0") + struct.pack(">I", len(tags)) + table + body


def xyz(color: Color) -> bytes:
    """Return the tag of a color X, Y, Z relative to D50."""
    return b"XYZ \0\0\0\0" + _fixed(color)


def power(gamma: float) -> bytes:
    """Return the tag of a curve v^gamma."""
    return b"curv" + struct.pack(">2IH", 0, 1, round(gamma * 256))


def srgb_curve() -> bytes:
    """Return the tag of sRGB's curve: ((v + 0.055) / 1.055)^2.4 above 0.04045, v / 12.92 below (ICC.1:2010, type 3)."""
    return b"para" + struct.pack(">I2H", 0, 3, 0) + _fixed((2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045))


def _fixed(numbers: Sequence[float]) -> bytes:
    return struct.pack(f">{len(numbers)}i", *(round(value * 65536) for value in numbers))


def _description(name: str) -> bytes:
    text = name.encode("ascii") + b"\0"
    return b"desc" + struct.pack(">2I", 0, len(text)) + text + bytes(78)


# The primaries of Adobe RGB (1998), section 4.3.5, adapted to D50.
ADOBE_RGB = profile(
    "RGB ",
    {
        "rXYZ": xyz((0.60974, 0.31111, 0.01947)),
        "gXYZ": xyz((0.20528, 0.62567, 0.06087)),
        "bXYZ": xyz((0.14919, 0.06322, 0.74457)),
        **dict.fromkeys(("rTRC", "gTRC", "bTRC"), power(563 / 256)),
    },
    "Adobe RGB (1998)",
)
# The primaries of SMPTE EG 432-1 with white D65, adapted to D50, and the curve of sRGB.
DISPLAY_P3 = profile(
    "RGB ",
    {
        "rXYZ": xyz((0.51512, 0.24120, -0.00105)),
        "gXYZ": xyz((0.29198, 0.69225, 0.04189)),
        "bXYZ": xyz((0.15710, 0.06657, 0.78407)),
        **dict.fromkeys(("rTRC", "gTRC", "bTRC"), srgb_curve()),
    },
    "Display P3",
)
