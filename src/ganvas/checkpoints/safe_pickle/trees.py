"""A foreign file of any kind as a tree of plain data, and a description of it for messages. Runs nothing."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from ganvas.checkpoints.safe_pickle.byte_windows import ByteWindow
from ganvas.checkpoints.safe_pickle.foreign import ForeignName, ForeignRecord
from ganvas.checkpoints.safe_pickle.machine import shown
from ganvas.checkpoints.safe_pickle.modules import Record, is_module, module_tensors
from ganvas.checkpoints.safe_pickle.pickles import read_pickle
from ganvas.checkpoints.safe_pickle.plain_trees import NetworkRecord
from ganvas.checkpoints.safe_pickle.torch_files import read_torch_old, read_torch_zip
from ganvas.errors import CheckpointError
from ganvas.io.file_kinds import OLD_TORCH_HEAD, ZIP_HEAD
from ganvas.io.tensor_files import header_place

MOST_NAMES = 3
DEEPEST_SHOWN = 3


def read_tree(path: Path) -> Any:
    """Return what a foreign file holds: dicts, lists and tuples of tensors, numpy arrays, plain values, records.

    It is a pickle, a checkpoint of torch.save or a file of safetensors, recognized by its first bytes. Raises
    `CheckpointError` for a file of another kind or a damaged one, `UnsafeFileError` for one that wants more than data.
    """
    with path.open("rb") as stream:
        head = stream.read(32)
    if head.startswith(ZIP_HEAD):
        return read_torch_zip(path)
    if head.startswith(OLD_TORCH_HEAD):
        return read_torch_old(path)
    return read_safetensors(path) if is_safetensors(path) else read_pickle(path)


def is_safetensors(path: Path) -> bool:
    """Return whether a file has the header length and the first byte of safetensors."""
    with path.open("rb") as stream:
        head = stream.read(9)
    return len(head) == 9 and 0 < int.from_bytes(head[:8], "little") <= path.stat().st_size - 8 and head[8:] == b"{"


def read_safetensors(path: Path) -> dict[str, Tensor]:
    """Return the tensors of a file of safetensors by their names; raises `CheckpointError`."""
    try:
        return load_file(path)
    except (SafetensorError, OSError, KeyError, ValueError, TypeError, AttributeError, RuntimeError) as error:
        raise CheckpointError(
            f"{shown(str(path), 500)}: no readable file of safetensors ({shown(str(error), 200)}).{header_place(path)}"
        ) from error


def describe_tree(tree: Any, depth: int = DEEPEST_SHOWN) -> str:
    """Return a line on what a tree holds: the names at its top, and of the first tensors in them."""
    if is_module(tree):
        return _module(tree)
    if depth == 0:
        return "..."
    if isinstance(tree, ForeignRecord):
        inside = f" with {describe_tree(tree.named, depth - 1)}" if tree.named else ""
        return f"a {shown(tree.class_name, 60)}{inside}"
    if isinstance(tree, NetworkRecord):
        return f"a TensorFlow network with {describe_tree(tree.state, depth - 1)}"
    if isinstance(tree, Mapping):
        nests = [name for name in tree if _is_nest(tree[name])][:MOST_NAMES]
        if nests:
            return ", ".join(f"{shown(str(name), 60)} ({describe_tree(tree[name], depth - 1)})" for name in nests)
        return _names(tree)
    if isinstance(tree, list | tuple):
        return f"a {type(tree).__name__} of {len(tree)}" + (f": {describe_tree(tree[-1], depth - 1)}" if tree else "")
    if isinstance(tree, ByteWindow):
        return f"{tree.left} bytes"
    return f"the name {shown(str(tree), 60)}" if isinstance(tree, ForeignName) else f"a {type(tree).__name__}"


def _module(record: Record) -> str:
    try:
        inside = _names(module_tensors(record))
    except CheckpointError as error:
        inside = f"damage ({error})"
    return f"a {shown(record.class_name, 60)} with {inside}"


def _is_nest(node: Any) -> bool:
    return is_module(node) or isinstance(node, NetworkRecord) or (isinstance(node, Mapping) and bool(node))


def _names(names: Iterable[object]) -> str:
    listed = [shown(str(name), 60) for name in names]
    more = f" and {len(listed) - MOST_NAMES} more" if len(listed) > MOST_NAMES else ""
    return (", ".join(listed[:MOST_NAMES]) + more) or "nothing"
