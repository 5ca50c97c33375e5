"""The table of contents of a zip archive, read by ourselves: names, places and sizes; nothing is unpacked to a disk.

Python's ``zipfile`` keeps objects for whatever number of entries a file claims and unpacks bombs. ``torch.save`` stores
its entries without compression, so an entry is a stretch of the file (APPNOTE.TXT of PKWARE, 4.3 and 4.5);
``numpy.savez_compressed`` deflates them.
"""

import struct
import zlib
from io import BufferedIOBase
from typing import NamedTuple

from ganvas.checkpoints.safe_pickle.byte_windows import Budget, ByteWindow, whole_file
from ganvas.checkpoints.safe_pickle.machine import shown
from ganvas.errors import CheckpointError, UnsafeFileError

MOST_ENTRIES = 100_000
LONGEST_ENTRY_NAME = 512
LONGEST_COMMENT = 65535
ALL_ONES_32 = 0xFFFFFFFF
LINK_MODE, KIND_MASK = 0o120000, 0o170000  # Unix modes, in the upper half of an entry's attributes
END = struct.Struct("<4s4H2LH")
END_64_PLACE = struct.Struct("<4sLQL")
END_64 = struct.Struct("<4sQ2H2L4Q")
CENTRAL = struct.Struct("<4s6H3L5H2L")
LOCAL = struct.Struct("<4s5H3L2H")
EXTRA_64 = 0x0001
STORED, DEFLATED = 0, 8
RAW_DEFLATE = -zlib.MAX_WBITS


class ZipEntry(NamedTuple):
    """One entry: its bytes as they lie in the file, how many they are once unpacked, and their checksum."""

    window: ByteWindow
    unpacked: int
    checksum: int
    method: int

    def read(self, budget: Budget) -> bytes:
        """Return the unpacked bytes, at most as many as announced; raises `CheckpointError` where they are damaged."""
        budget.spend(self.unpacked)
        data = self.window.again().take(self.window.left)
        if self.method == DEFLATED:
            try:
                data = zlib.decompressobj(RAW_DEFLATE).decompress(data, self.unpacked + 1)
            except zlib.error as error:
                raise CheckpointError(f"a compressed entry cannot be unpacked ({error}). Fetch it again.") from error
        if len(data) != self.unpacked or zlib.crc32(data) != self.checksum:
            raise CheckpointError("an entry of the zip archive does not match its checksum. Fetch it again.")
        return data


def read_directory(stream: BufferedIOBase, size: int) -> dict[str, ByteWindow]:
    """Return the stretches of a stream that are the stored entries of a zip archive, by name.

    Raises `CheckpointError` for a damaged archive, `UnsafeFileError` for one that torch does not write: compressed or
    encrypted entries, two of one name, or very many.
    """
    return {name: entry.window for name, entry in read_entries(stream, size, (STORED,)).items()}


def read_entries(
    stream: BufferedIOBase, size: int, methods: tuple[int, ...] = (STORED, DEFLATED)
) -> dict[str, ZipEntry]:
    """Return the entries of a zip archive by name, as `read_directory` does, packed by one of `methods`."""
    directory, count = _find_directory(stream, size)
    if count > MOST_ENTRIES:
        raise UnsafeFileError(f"a zip archive of {count} entries; a checkpoint has at most {MOST_ENTRIES}.")
    entries: dict[str, ZipEntry] = {}
    for _ in range(count):
        start = directory.position
        try:
            name, entry = _read_entry(stream, directory, size, methods)
        except (CheckpointError, struct.error, UnicodeDecodeError) as error:
            kind = type(error) if isinstance(error, CheckpointError) else CheckpointError
            raise kind(f"byte {start}: an entry of the zip archive is damaged or strange: {error}") from error
        if name in entries:
            raise UnsafeFileError(f"byte {start}: the zip archive has two entries {shown(name)}.")
        entries[name] = entry
    return entries


def _find_directory(stream: BufferedIOBase, size: int) -> tuple[ByteWindow, int]:
    """Return the stretch of the central directory and the number of its entries."""
    start = max(0, size - END.size - LONGEST_COMMENT)
    tail = ByteWindow(stream, start, size, whole_file(size)).take(size - start)
    at = tail.rfind(b"PK\x05\x06")
    if at < 0 or len(tail) - at < END.size:
        raise CheckpointError("a zip archive without its end: the download was probably cut short. Fetch it again.")
    _, _, _, _, count, length, offset, _ = END.unpack_from(tail, at)
    if at >= END_64_PLACE.size and tail[at - END_64_PLACE.size :][:4] == b"PK\x06\x07":
        place = END_64_PLACE.unpack_from(tail, at - END_64_PLACE.size)[2]
        end = _stretch(stream, place, END_64.size, size).take(END_64.size)
        signature, _, _, _, _, _, _, count, length, offset = END_64.unpack(end)
        if signature != b"PK\x06\x06":
            raise CheckpointError(f"byte {place}: no end of a large zip archive. The file is damaged.")
    return _stretch(stream, offset, length, size), count


def _read_entry(
    stream: BufferedIOBase, directory: ByteWindow, size: int, methods: tuple[int, ...]
) -> tuple[str, ZipEntry]:
    """Read one line of the central directory; return the name and the entry."""
    fields = CENTRAL.unpack(directory.take(CENTRAL.size))
    signature, _, _, flags, method, _, _, checksum, stored, unpacked, *lengths = fields[:13]
    name_length, extra_length, comment_length = lengths
    if signature != b"PK\x01\x02":
        raise CheckpointError("its head is missing.")
    if name_length > LONGEST_ENTRY_NAME:
        raise UnsafeFileError(f"a name of {name_length} bytes.")
    name = directory.take(name_length).decode("utf-8")
    extra = directory.take(extra_length)
    directory.take_window(comment_length)
    # Nothing is unpacked to a disk here; whoever writes such entries has a program in mind that does.
    if name.startswith("/") or ".." in name.split("/"):
        raise UnsafeFileError(f"{shown(name)} leads out of the archive.")
    if fields[-2] >> 16 & KIND_MASK == LINK_MODE:
        raise UnsafeFileError(f"{shown(name)} is a link, which torch.save does not write.")
    unpacked, stored, offset = _wide_values(extra, [unpacked, stored, fields[-1]])
    if method not in methods or flags & 1 or (method == STORED and stored != unpacked):
        raise UnsafeFileError(f"{shown(name)} is compressed or encrypted, which torch.save does not do.")
    local = LOCAL.unpack(_stretch(stream, offset, LOCAL.size, size).take(LOCAL.size))
    if local[0] != b"PK\x03\x04":
        raise CheckpointError(f"{shown(name)} does not begin at byte {offset}.")
    window = _stretch(stream, offset + LOCAL.size + local[-2] + local[-1], stored, size)
    return name, ZipEntry(window, unpacked, checksum, method)


def _wide_values(extra: bytes, values: list[int]) -> list[int]:
    """Return sizes and offset, those that do not fit into 32 bits from the extra field of zip64."""
    at = 0
    while at + 4 <= len(extra):
        kind, length = struct.unpack_from("<2H", extra, at)
        if kind == EXTRA_64:
            wide = iter(struct.unpack_from(f"<{length // 8}Q", extra, at + 4))
            return [next(wide, value) if value == ALL_ONES_32 else value for value in values]
        at += 4 + length
    return values


def _stretch(stream: BufferedIOBase, start: int, length: int, size: int) -> ByteWindow:
    if start + length > size:
        raise CheckpointError(f"{length} bytes from byte {start} on, where the file has {size}. Fetch it again.")
    return ByteWindow(stream, start, start + length, f"the {length} bytes stored there")
