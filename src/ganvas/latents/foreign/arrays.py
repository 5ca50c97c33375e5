"""Any foreign file as named arrays of numbers, read without running anything and in memory in proportion to its size.

Knows containers (arrays, archives, pickles, torch and safetensors files, text), not what their numbers mean.
"""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from io import BufferedIOBase
from pathlib import Path
from typing import Any

import numpy as np

from ganvas.checkpoints.safe_pickle.byte_windows import MOST_OPERATIONS, SPARE_BYTES, Budget, ByteWindow, whole_file
from ganvas.checkpoints.safe_pickle.foreign import ForeignRecord
from ganvas.checkpoints.safe_pickle.machine import shown
from ganvas.checkpoints.safe_pickle.trees import read_safetensors, read_tree
from ganvas.checkpoints.safe_pickle.zip_directory import read_entries
from ganvas.errors import CheckpointError, ResultFileError, UnsafeFileError
from ganvas.io.file_kinds import HEAD_BYTES
from ganvas.latents.foreign import npy, text
from ganvas.latents.foreign.kinds import kind_of
from ganvas.latents.foreign.trees import Collected, collect, refuse_generator

GROWTH = 100  # bytes of numbers that a byte of a file may become: a compressed archive of one repeated row
MOST_SHOWN = 4


@dataclass(frozen=True, eq=False)
class ForeignArrays:
    """The numbers in a foreign file.

    ``container`` is "npy", "npz", "torch", "pickle", "safetensors" or "text"; ``arrays`` are float64, by the names that
    they have in the file ("" for a file that is one array); ``others`` says in words what else it holds, by name.
    """

    path: Path
    container: str
    arrays: Mapping[str, np.ndarray]
    others: Mapping[str, str]


def read_arrays(path: str | Path) -> ForeignArrays:
    """Return the arrays of floats in a file of any kind that latents and directions are published in.

    Nothing in the file is run. Raises `ResultFileError` with the reason for a file that is missing, damaged or hostile,
    that holds no floats, or that is something else: an image, a generator, a pointer of Git LFS.
    """
    path = Path(path)
    try:
        if path.is_file():
            return _read(path)
    except ResultFileError as reason:
        raise ResultFileError(f"'{path}' cannot be read as a latent or directions: {reason}.") from reason
    except UnsafeFileError as reason:
        raise ResultFileError(f"'{path}' {_unsafe(reason, path)}") from reason
    except CheckpointError as reason:
        said = _without_path(reason, path).rstrip(".")
        raise ResultFileError(f"'{path}' cannot be read as a latent or directions: {said}.") from reason
    except (OSError, MemoryError) as reason:
        raise ResultFileError(f"'{path}' cannot be read ({reason}).") from reason
    raise ResultFileError(f"There is no file '{path}'; check the name.")


def require_finite(array: np.ndarray, what: str) -> None:
    """Raise `ResultFileError` for an array without numbers, or with some that are not finite."""
    if array.size == 0:
        raise ResultFileError(f"{what} holds an array of shape {list(array.shape)}, without a number in it.")
    wrong = int(array.size - np.isfinite(array).sum())
    if wrong:
        raise ResultFileError(f"{what} holds numbers that are not finite (nan or inf): {wrong} of {array.size}.")


def _read(path: Path) -> ForeignArrays:
    with path.open("rb") as stream:
        size = os.fstat(stream.fileno()).st_size
        head = stream.read(HEAD_BYTES)
        kind = kind_of(head, size)
        budget = Budget(GROWTH * size + SPARE_BYTES, MOST_OPERATIONS)
        if kind == "zip" and "data.pkl" not in {name.rpartition("/")[2] for name in read_entries(stream, size)}:
            return _assemble(path, "npz", dict(npy.read_npz(stream, size, budget)), budget)
        if kind == "npy":
            return _assemble(path, "npy", npy.read_npy(ByteWindow(stream, 0, size, whole_file(size))), budget)
        if kind == "unknown":
            return _assemble(path, "text", _read_text(stream, size, path), budget)
    tree = read_safetensors(path) if kind == "safetensors" else read_tree(path)
    refuse_generator(tree, path)
    return _assemble(path, "torch" if kind == "zip" else kind, tree, budget)


def _read_text(stream: BufferedIOBase, size: int, path: Path) -> np.ndarray:
    if size > text.LARGEST_TEXT:
        raise ResultFileError(f"it is of no known kind, and too large for numbers as text: {size >> 20} MiB")
    stream.seek(0)
    written = text.decode_text(stream.read())
    if written is None or path.suffix.lower() in (".pkl", ".pickle", ".pt", ".pth", ".npy", ".npz"):
        raise ResultFileError(
            f"its content is not what a file called '{path.suffix or path.name}' holds; Ganvas reads .npy, .npz, .pt "
            "and .pth, .pkl of protocol 2 or later, .safetensors, and text of numbers"
        )
    return text.read_numbers(written)


def _assemble(path: Path, container: str, tree: Any, budget: Budget) -> ForeignArrays:
    """Return the arrays of a tree, or say what it holds instead of arrays."""
    found = Collected({}, {}, budget)
    collect(tree, "", found)
    if not found.arrays:
        raise ResultFileError(_nothing(tree, found.others))
    return ForeignArrays(path, container, found.arrays, found.others)


def _nothing(tree: Any, others: Mapping[str, str]) -> str:
    if isinstance(tree, ForeignRecord):
        return f"it {_not_only_numbers(str(tree.kind))}"
    if not others:
        kind = "dict" if isinstance(tree, Mapping) else type(tree).__name__
        return f"it holds an empty {kind}; nothing was saved in it"
    if list(others) == [""]:
        return f"it holds {others['']}, not an array of floats"
    listed = ", ".join(f"{shown(name, 40)} ({what})" for name, what in list(others.items())[:MOST_SHOWN])
    more = f" and {len(others) - MOST_SHOWN} more" if len(others) > MOST_SHOWN else ""
    settings = all(what.startswith(("the text", "the number")) for what in others.values())
    return f"it holds {'settings' if settings else 'no array of floats'}: {listed}{more}"


def _unsafe(reason: CheckpointError, path: Path) -> str:
    """Say what a file wants that is more than data."""
    said = _without_path(reason, path)
    wanted = re.search(r"asks for ([\w.]+\.\w+)", said)
    return f"{_not_only_numbers(wanted[1])}." if wanted else f"is not read, for safety: {said}"


def _not_only_numbers(name: str) -> str:
    library = name.split(".")[0]
    if library in ("dill", "cloudpickle", "joblib"):
        return (
            f"was written with {library}, which stores program code; nothing of it was run. Save the numbers alone: "
            "numpy.save('file.npy', array)"
        )
    return (
        f"holds an object of the class or function {shown(name)}, not only numbers; nothing of it was run. Save the "
        "numbers alone: numpy.save('file.npy', array)"
    )


def _without_path(reason: CheckpointError, path: Path) -> str:
    return str(reason).removeprefix(f"{shown(str(path), 500)}: ")
