"""Numpy's arrays and numbers out of foreign pickles, never of more elements than there are bytes.

Only plain numbers are read. Texts, dates, records and objects stay what the file says of them: an inert record in place
of a dtype, and an array of such becomes one without elements.
"""

import math

import numpy as np

from ganvas.checkpoints.safe_pickle.byte_windows import Budget, ByteWindow
from ganvas.checkpoints.safe_pickle.foreign import ForeignName, ForeignRecord
from ganvas.checkpoints.safe_pickle.machine import Global
from ganvas.checkpoints.safe_pickle.torch_storage import require_shape
from ganvas.errors import CheckpointError, UnsafeFileError

NO_NUMBERS = np.dtype("V1")
ARRAY = ForeignName("numpy", "ndarray")
NUMBER_CODES = frozenset({"b1", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8"})


def make_dtype(arguments: tuple, budget: Budget) -> np.dtype | ForeignRecord:
    """Answer ``numpy.dtype(code, align, copy)`` for plain numbers; what it says of others is recorded."""
    match arguments:
        case (str() as code, *_) if code in NUMBER_CODES:
            return np.dtype(code)
    return ForeignRecord(ForeignName("numpy", "dtype"), arguments)


def check_dtype_state(dtype: object, state: object, budget: Budget) -> None:
    """Accept what numpy writes for a dtype of plain numbers: (version, "<" or "|", no sub-array, names, fields)."""
    match state:
        case (int(), str() as order, None, None, None, *_) if order in ("<", "|", "="):
            return
    raise UnsafeFileError("a numpy dtype that is a record, or of big-endian numbers.")


def make_scalar(arguments: tuple, budget: Budget) -> bool | int | float | ForeignRecord:
    """Answer ``numpy.core.multiarray.scalar(dtype, bytes)`` with Python's own number of the same value."""
    match arguments:
        case (ForeignRecord(), *_):
            return ForeignRecord(ARRAY, arguments)
        case (np.dtype() as dtype, bytes() as raw):
            return np.frombuffer(_number_bytes(raw, dtype, (), budget), dtype)[0].item()
    raise UnsafeFileError("a numpy number that is not made of a dtype and bytes.")


def make_array(arguments: tuple, budget: Budget) -> np.ndarray | ForeignRecord:
    """Answer ``numpy.core.multiarray._reconstruct(numpy.ndarray, (0,), b"b")``: an empty array that awaits a state."""
    match arguments:
        case (Global(meaning=np.ndarray), *_):
            return np.ndarray((0,), np.int8)
        case (ForeignName(), *_):
            return ForeignRecord(ARRAY, arguments)
    raise UnsafeFileError("a numpy array of a foreign class.")


def set_array_state(array: object, state: object, budget: Budget) -> None:
    """Fill an array of `make_array` with (version, shape, dtype, column-major, bytes)."""
    match array, state:
        case np.ndarray(), (
            int(),
            tuple() as shape,
            np.dtype() as dtype,
            bool() as column_major,
            bytes() | ByteWindow() as raw,
        ):
            filling = _number_bytes(raw, dtype, shape, budget)
            # numpy copies up to 1000 bytes and takes over longer ones, which are fresh from the file and no one else's
            array.__setstate__((1, shape, dtype, column_major, filling))
        case np.ndarray(), (int(), tuple(), ForeignRecord(), bool() as column_major, *_):
            array.__setstate__((1, (0,), NO_NUMBERS, column_major, b""))
        case _:
            raise UnsafeFileError("a numpy array whose state is not (version, shape, dtype, order, bytes).")


def array_from_buffer(arguments: tuple, budget: Budget) -> np.ndarray | ForeignRecord:
    """Answer ``numpy.core.numeric._frombuffer(bytes, dtype, shape, order)``, which protocol 5 has instead."""
    match arguments:
        case (_, ForeignRecord(), *_):
            return ForeignRecord(ARRAY, arguments)
        case (bytes() | ByteWindow() as raw, np.dtype() as dtype, tuple() as shape, str() as order) if order in (
            "C",
            "F",
        ):
            filling = _number_bytes(raw, dtype, shape, budget)
            return np.ndarray(shape, dtype, buffer=bytearray(filling), order="F" if order == "F" else "C")
    raise UnsafeFileError("a numpy array that is not made of bytes, a dtype, a shape and an order.")


def _number_bytes(raw: bytes | ByteWindow, dtype: np.dtype, shape: tuple, budget: Budget) -> bytes:
    """Return the bytes of an array, after a check that they are as many as its shape needs."""
    size = len(raw) if isinstance(raw, bytes) else raw.left
    expected = math.prod(require_shape(shape)) * dtype.itemsize
    if size != expected:
        raise CheckpointError(f"a numpy array of {expected} bytes, but {size} bytes for it. The file is damaged.")
    budget.spend(2 * size)
    data = raw if isinstance(raw, bytes) else raw.again().take(size)
    return np.not_equal(np.frombuffer(data, np.uint8), 0).tobytes() if dtype.kind == "b" else data


def encode_text(arguments: tuple, budget: Budget) -> bytes:
    """Answer ``_codecs.encode(text, "latin1")``, as protocol 2 writes the bytes of arrays."""
    match arguments:
        case (str() as characters, str() as code) if code in ("latin1", "latin-1"):
            budget.spend(len(characters))
            return characters.encode("latin-1")
    raise UnsafeFileError("bytes that are not made of a text in Latin 1.")


def _in_numpy(module: str, name: str, answer: Global) -> dict[tuple[str, str], Global]:
    """Return an entry each for the name in numpy 1 and in numpy 2."""
    return {(f"numpy.core.{module}", name): answer, (f"numpy._core.{module}", name): answer}


NAMES = {
    ("_codecs", "encode"): Global(reduce=encode_text),
    ("numpy", "dtype"): Global(reduce=make_dtype),
    ("numpy", "ndarray"): Global(meaning=np.ndarray),
    **_in_numpy("multiarray", "scalar", Global(reduce=make_scalar)),
    **_in_numpy("multiarray", "_reconstruct", Global(reduce=make_array)),
    **_in_numpy("numeric", "_frombuffer", Global(reduce=array_from_buffer)),
}
BUILDERS = {np.ndarray: set_array_state, np.dtype: check_dtype_state}
