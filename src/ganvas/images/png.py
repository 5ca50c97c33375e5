"""PNG files of 8 or 16 bits a channel with chunks of one's own, which Pillow does not write (PNG specification, second
edition, W3C 2003).
"""

import struct
import zlib
from collections.abc import Iterator, Sequence

import numpy as np
from jaxtyping import Shaped

SIGNATURE = b"\x89PNG\r\n\x1a\n"
COLOR_TYPES = {1: 0, 2: 4, 3: 2, 4: 6}  # by channels: gray, gray and alpha, RGB, RGBA
SUB = 1  # filter type: every byte as the difference to the same byte of the pixel at its left
Chunk = tuple[bytes, bytes]


def encode_png(levels: Shaped[np.ndarray, "h w c"], before: Sequence[Chunk] = (), after: Sequence[Chunk] = ()) -> bytes:
    """Return a PNG file of levels, uint8 or uint16, in 1 to 4 channels; the same levels give the same bytes.

    `before` and `after` are further chunks, name and content, for before and after the pixels.
    """
    height, width, channels = levels.shape
    size = channels * levels.dtype.itemsize
    pixels = levels.astype(levels.dtype.newbyteorder(">")).view(np.uint8).reshape(height, width, size)
    lines = pixels.copy()
    lines[:, 1:] -= pixels[:, :-1]  # modulo 256
    rows = np.concatenate([np.full((height, 1), SUB, np.uint8), lines.reshape(height, -1)], axis=1)
    header = struct.pack(">IIBBBBB", width, height, 8 * levels.dtype.itemsize, COLOR_TYPES[channels], 0, 0, 0)
    data = (b"IDAT", zlib.compress(rows.tobytes(), 6))
    chunks = ((b"IHDR", header), *before, data, *after, (b"IEND", b""))
    return SIGNATURE + b"".join(_chunk(kind, content) for kind, content in chunks)


def chunks_of(data: bytes) -> Iterator[Chunk]:
    """Yield name and content of the chunks of a PNG file, as far as they are whole."""
    place = len(SIGNATURE)
    while place + 12 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, place)
        yield kind, data[place + 8 : place + 8 + length]
        place += 12 + length


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
