"""Arrays of floats out of a tree of plain data (dicts, lists, tensors, numbers), by name."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from ganvas.checkpoints.load import recognize_tree
from ganvas.checkpoints.own_format import is_own
from ganvas.checkpoints.safe_pickle.byte_windows import Budget
from ganvas.checkpoints.safe_pickle.foreign import ForeignRecord
from ganvas.checkpoints.safe_pickle.machine import shown
from ganvas.checkpoints.safe_pickle.modules import is_module
from ganvas.checkpoints.safe_pickle.plain_trees import NetworkRecord
from ganvas.checkpoints.safe_pickle.trees import is_safetensors
from ganvas.errors import CheckpointError, ResultFileError
from ganvas.latents.foreign.npy import NotFloats

LONGEST_NAME = 200  # characters
DEEPEST_RECORDS = 4  # kinds of dictionaries in one another
FEW_ARRAYS = 4  # a generator has more
WEIGHT_ENDINGS = (".weight", ".bias", "_weight", "_bias", ".running_mean")


@dataclass(eq=False)
class Collected:
    """What was found so far: arrays of floats, words for the rest, the arrays of objects met before by id, and the ids
    of the records around what is looked at.
    """

    arrays: dict[str, np.ndarray]
    others: dict[str, str]
    budget: Budget
    known: dict[int, np.ndarray | None] = field(default_factory=dict)
    records: list[int] = field(default_factory=list)


def collect(node: Any, name: str, found: Collected) -> None:
    """Put what a tree holds into `found`; the names of what lies inside are joined by dots."""
    array = _array(node, found)
    if array is not None:
        found.arrays[name] = array
    elif isinstance(node, ForeignRecord) and node.entries and _may_enter(node, found):
        found.records.append(id(node))
        collect(node.entries, name, found)
        found.records.pop()
    elif isinstance(node, Mapping):
        for key, value in node.items():
            collect(value, _inside(name, key), found)
    elif isinstance(node, list | tuple) and node and not _plain(node):
        for index, value in enumerate(node):
            collect(value, _inside(name, index), found)
    elif not isinstance(node, Sequence | Mapping) or isinstance(node, str | bytes) or node:
        found.others[name] = _words(node)


def _may_enter(record: ForeignRecord, found: Collected) -> bool:
    """Return whether a kind of dictionary (EasyDict) lies neither in itself nor in many others."""
    return len(found.records) < DEEPEST_RECORDS and id(record) not in found.records


def _inside(name: str, key: object) -> str:
    return f"{name}.{key}" if name else str(key)


def _array(node: Any, found: Collected) -> np.ndarray | None:
    """Return a node as float64 where it is an array of floats, or a list of numbers or of arrays of one shape."""
    if id(node) in found.known:
        return found.known[id(node)]
    array = None
    if isinstance(node, Tensor) and node.is_floating_point():
        found.budget.spend(8 * node.numel())
        array = node.detach().double().cpu().numpy()
    elif isinstance(node, np.ndarray) and node.dtype.kind == "f":
        found.budget.spend(8 * node.size)
        with np.errstate(over="ignore"):
            array = np.array(node, dtype=np.float64, order="C")
    elif isinstance(node, list | tuple) and node and not all(isinstance(one, bool | int) for one in node):
        array = _stacked(node, found)
    if isinstance(node, Tensor | np.ndarray | list | tuple):
        found.known[id(node)] = array
    return array


def _stacked(nodes: Sequence[Any], found: Collected) -> np.ndarray | None:
    if all(isinstance(one, int | float) and not isinstance(one, bool) for one in nodes):
        found.budget.spend(8 * len(nodes))
        try:
            return np.array(nodes, dtype=np.float64)
        except OverflowError:
            return None
    parts = []
    for node in nodes:
        part = _array(node, found)
        if part is None or part.shape != (parts[0].shape if parts else part.shape):
            return None
        parts.append(part)
    found.budget.spend(8 * len(parts) * parts[0].size)
    return np.stack(parts)


def _plain(nodes: Sequence[Any]) -> bool:
    return all(isinstance(one, bool | int | float | str | None) for one in nodes)


def _words(node: Any) -> str:
    if isinstance(node, NotFloats):
        return node.words
    if isinstance(node, str):
        return f"the text '{shown(node, 30)}'"
    if isinstance(node, bool | int | float):
        return f"the number {str(node)[:20]}"
    if isinstance(node, Tensor):
        return f"an array of {str(node.dtype).removeprefix('torch.')} {list(node.shape)}"
    if isinstance(node, np.ndarray):
        return f"an array of {node.dtype.name} {list(node.shape)}"
    if isinstance(node, ForeignRecord):
        return f"an object of the class or function {shown(str(node.kind), 60)}"
    return "nothing" if node is None else f"a {type(node).__name__}"


def refuse_generator(tree: Any, path: Path) -> None:
    """Raise `ResultFileError` where a tree is a generator or the weights of another network."""
    parts = list(tree.values()) if isinstance(tree, Mapping) else tree if isinstance(tree, list | tuple) else [tree]
    if any(isinstance(part, NetworkRecord) or is_module(part) for part in [tree, *parts]):
        raise ResultFileError("it is the checkpoint of a network; load it with ganvas.load")
    if is_safetensors(path) and is_own(path):
        raise ResultFileError("it is a generator; load it with ganvas.load")
    if isinstance(tree, Mapping):
        _refuse_weights(tree, path)


def _refuse_weights(tree: Mapping[Any, Any], path: Path) -> None:
    inner = [part for part in tree.values() if isinstance(part, Mapping)]
    names = [str(name) for part in [tree, *inner] for name in part]
    if len(names) > FEW_ARRAYS:
        try:
            found = recognize_tree(tree, path)
        except CheckpointError:
            pass
        else:
            raise ResultFileError(f"it is a generator ({found.format}); load it with ganvas.load")
    if any(name.endswith(WEIGHT_ENDINGS) for name in names):
        first = next(name for name in names if name.endswith(WEIGHT_ENDINGS))
        raise ResultFileError(
            f"it holds the weights of a network ({shown(first, 60)}, ...), not codes; a generator is loaded with "
            "ganvas.load"
        )
