"""PNG files of 16 bits a channel, which Pillow does not write (PNG specification, second edition, W3C 2003)."""

import struct
import zlib

import numpy as np
from jaxtyping import Shaped

SIGNATURE = b"\x89PNG\r\n\x1a\n"
RGB = 2  # color type
SUB = 1  # filter type: every byte as the difference to the same byte of the pixel at its left


def png16_bytes(levels: Shaped[np.ndarray, "h w 3"]) -> bytes:
    """Return a PNG file of RGB levels from 0 to 65535; the same levels give the same bytes."""
    height, width = levels.shape[:2]
    pixels = levels.astype(">u2").view(np.uint8).reshape(height, width, 6)
    lines = pixels.copy()
    lines[:, 1:] -= pixels[:, :-1]  # modulo 256
    rows = np.concatenate([np.full((height, 1), SUB, np.uint8), lines.reshape(height, -1)], axis=1)
    header = struct.pack(">IIBBBBB", width, height, 16, RGB, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(rows.tobytes(), 6)), (b"IEND", b""))
    return SIGNATURE + b"".join(_chunk(kind, data) for kind, data in chunks)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
