"""EXIF data kept byte for byte, but for the small image in it, which would still show the photo before an edit."""

import struct

PREFIX = b"Exif\0\0"
ENTRY = 12  # bytes of one entry of a directory
THUMBNAIL_START, THUMBNAIL_SIZE, STRIP_STARTS, STRIP_SIZES = 0x0201, 0x0202, 0x0111, 0x0117
LONG, SHORT = 4, 3


def without_thumbnail(exif: bytes) -> tuple[bytes, bool]:
    """Return EXIF data (TIFF 6.0, with or without the prefix of JPEG) with its second directory cut off, the one of the
    thumbnail, whose pixels are set to 0; and whether there was one. What cannot be read stays as it is.
    """
    head = len(PREFIX) if exif.startswith(PREFIX) else 0
    data = bytearray(exif[head:])
    try:
        order = {b"II": "<", b"MM": ">"}[bytes(data[:2])]
        link = _end_of(data, order, struct.unpack_from(f"{order}I", data, 4)[0])
        (second,) = struct.unpack_from(f"{order}I", data, link)
        if not second:
            return exif, False
        found = _numbers(data, order, second)
        struct.pack_into(f"{order}I", data, link, 0)
    except (KeyError, struct.error):
        return exif, False
    for start, size in ((THUMBNAIL_START, THUMBNAIL_SIZE), (STRIP_STARTS, STRIP_SIZES)):
        first, length = found.get(start, 0), found.get(size, 0)
        if 0 < first < len(data):
            stop = min(first + length, len(data))
            data[first:stop] = bytes(stop - first)
    return exif[:head] + bytes(data), True


def _end_of(data: bytearray, order: str, start: int) -> int:
    """Return where the link to the next directory stands."""
    return start + 2 + ENTRY * struct.unpack_from(f"{order}H", data, start)[0]


def _numbers(data: bytearray, order: str, start: int) -> dict[int, int]:
    """Return the entries of a directory that are single numbers."""
    found = {}
    for place in range(start + 2, _end_of(data, order, start), ENTRY):
        tag, kind, count = struct.unpack_from(f"{order}2HI", data, place)
        if count == 1 and kind in (SHORT, LONG):
            (found[tag],) = struct.unpack_from(f"{order}{'I' if kind == LONG else 'H'}", data, place + 8)
    return found
