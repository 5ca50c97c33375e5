"""Arrays in numpy's ``.npy`` and ``.npz`` files, without pickles and never larger than the file says and holds."""

import io
import math
from dataclasses import dataclass
from io import BufferedIOBase

import numpy as np

from ganvas.checkpoints.safe_pickle.byte_windows import Budget, ByteWindow
from ganvas.checkpoints.safe_pickle.machine import shown
from ganvas.checkpoints.safe_pickle.torch_storage import MOST_DIMENSIONS
from ganvas.checkpoints.safe_pickle.zip_directory import read_entries
from ganvas.errors import CheckpointError, ResultFileError

LONGEST_HEADER = 10_000  # characters; numpy's own limit for a header that is parsed
LARGEST_ARRAY = 1 << 30  # bytes


@dataclass(frozen=True)
class NotFloats:
    """What a ``.npy`` file or an entry of an archive holds instead of floats, in words."""

    words: str


def read_npy(window: ByteWindow) -> np.ndarray | NotFloats:
    """Return the array of a ``.npy`` file that fills the window, or what it holds instead of floats, in words.

    Raises `ResultFileError` where the header or the number of bytes cannot be.
    """
    head = window.again().take(min(window.left, LONGEST_HEADER + 16))
    dtype, shape, column_major, start = _read_header(head)
    if dtype.hasobject:
        return NotFloats("an array of Python objects (a pickle inside)")
    if dtype.kind != "f":
        return NotFloats(f"an array of {dtype.name} {list(shape)}")
    size, there = math.prod(shape) * dtype.itemsize, window.left - start
    if size != there:
        raise ResultFileError(
            f"its header says {dtype.name} of shape {list(shape)}, which takes {size} bytes, but {there} bytes follow; "
            "it is damaged or was cut short"
        )
    if size > LARGEST_ARRAY:
        raise ResultFileError(f"it holds {size >> 20} MiB of numbers; latents and directions have at most 1024 MiB")
    window.take_window(start)
    return np.frombuffer(window.take(size), dtype).reshape(shape, order="F" if column_major else "C")


def read_npz(stream: BufferedIOBase, size: int, budget: Budget) -> dict[str, np.ndarray | NotFloats]:
    """Return what the entries of a ``.npz`` archive hold, by name; they may be compressed."""
    members: dict[str, np.ndarray | NotFloats] = {}
    for name, entry in read_entries(stream, size).items():
        if not name.endswith(".npy"):
            members[name] = NotFloats("an entry that is not an array")
            continue
        data = entry.read(budget)
        try:
            members[name.removesuffix(".npy")] = read_npy(
                ByteWindow(io.BytesIO(data), 0, len(data), f"the {len(data)} bytes of {shown(name)}")
            )
        except (ResultFileError, CheckpointError) as error:
            raise ResultFileError(f"in its entry {shown(name)}: {error}") from error
    return members


def _read_header(head: bytes) -> tuple[np.dtype, tuple[int, ...], bool, int]:
    """Return dtype, shape, whether the order is Fortran's, and where the numbers begin."""
    stream = io.BytesIO(head)  # not the file itself: numpy asks for whatever length the header announces
    try:
        version = np.lib.format.read_magic(stream)
        read = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}[version]
        shape, column_major, dtype = read(stream, max_header_size=LONGEST_HEADER)
    except Exception as reason:  # numpy's reader of headers lets through whatever Python's tokenizer raises
        raise ResultFileError(f"its header cannot be read ({shown(str(reason), 80)})") from reason
    if len(shape) > MOST_DIMENSIONS or any(type(length) is not int or length < 0 for length in shape):
        raise ResultFileError(f"its header says shape {shown(str(shape))}, which no array has")
    return dtype, shape, column_major, stream.tell()
