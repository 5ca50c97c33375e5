"""What a foreign file may become: a tree of plain data and inert records; and the one way to open such a file."""

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from io import BufferedIOBase
from pathlib import Path
from typing import NamedTuple

import numpy as np
from torch import Tensor

from ganvas.checkpoints.safe_pickle.byte_windows import Budget, ByteWindow
from ganvas.checkpoints.safe_pickle.machine import Global, shown
from ganvas.errors import CheckpointError, UnsafeFileError

DEEPEST = 100  # containers inside containers; NVIDIA's files have 16
MOST_PARTS = 2_000_000  # met in a walk through the tree; NVIDIA's files have about 5,000


@dataclass(frozen=True, eq=False)
class PersistentRecord:
    """What a pickle says about one object of NVIDIA's persistence: data only, never the class itself.

    `class_name` such as "Generator"; `init_args` and `init_kwargs` as its constructor got them; `state` its
    ``__dict__``, where a module has ``_parameters``, ``_buffers`` and ``_modules`` (whose values are again records).
    """

    class_name: str
    init_args: tuple
    init_kwargs: dict
    state: dict = field(repr=False)


@dataclass(frozen=True, eq=False)
class NetworkRecord:
    """What a pickle says about one network of NVIDIA's TensorFlow code (``dnnlib.tflib.network.Network``).

    `state` has ``name``, ``static_kwargs``, ``variables`` (name and array each) and ``components`` (records again).
    """

    state: dict = field(default_factory=dict, repr=False)


def read_checked(path: Path, read: Callable[[BufferedIOBase, int], object]) -> object:
    """Return the tree that `read` makes of a file, given as a stream and its size in bytes, after a check that it holds
    nothing but data.

    The tree holds None, bool, int, float, str, bytes (at most 64), dict, list, tuple, set, records, numpy arrays and
    tensors. Nothing contains itself, nothing lies deeper than `DEEPEST`. An object that the file names in two places is
    one object here too, but never in so many that a walk through all places (a `repr`, a copy) could take long. Every
    failure is a `CheckpointError` that starts with the path.
    """
    try:
        with _open(path) as stream:
            tree = read(stream, os.fstat(stream.fileno()).st_size)
        _require_plain(tree, 0, {}, set())
    except CheckpointError as error:
        raise type(error)(f"{shown(str(path), 500)}: {error}") from error
    except (OSError, ValueError, MemoryError, RecursionError) as error:
        raise CheckpointError(f"{shown(str(path), 500)}: cannot be read ({shown(str(error))}).") from error
    return tree


def make_dict(arguments: tuple, budget: Budget) -> dict:
    """Answer calls such as ``OrderedDict()`` with an empty dict, to be filled by the operations that follow."""
    if arguments:
        raise UnsafeFileError("a dictionary that is made of something, where such files start with an empty one.")
    return {}


def _open(path: Path) -> BufferedIOBase:
    if path.is_dir():
        raise CheckpointError("this is a folder; give the file inside it.")
    if not path.exists():
        raise CheckpointError("no such file.")
    if not path.is_file():
        raise CheckpointError("this is not a regular file.")
    return path.open("rb")


class _Extent(NamedTuple):
    """How many containers lie one inside the other, and how many parts a walk through all of them meets."""

    height: int
    parts: int


def _require_plain(node: object, depth: int, known: dict[int, _Extent], above: set[int]) -> _Extent:
    """Measure `node`, which lies `depth` deep; refuse what is no data, too deep, in itself or too much to walk.

    `known` remembers finished containers by id, so that one which occurs in many places is walked once; `above` holds
    those around `node`.
    """
    children = _children(node)
    if children is None:
        return _Extent(0, 1)
    if id(node) in above:
        raise UnsafeFileError("something in the file contains itself.")
    if id(node) not in known and depth < DEEPEST:
        above.add(id(node))
        extents = [_require_plain(child, depth + 1, known, above) for child in children]
        above.remove(id(node))
        height = 1 + max((extent.height for extent in extents), default=0)
        known[id(node)] = _Extent(height, 1 + sum(extent.parts for extent in extents))
    extent = known.get(id(node), _Extent(1, 1))
    if depth + extent.height > DEEPEST or extent.parts > MOST_PARTS:
        raise UnsafeFileError(f"more than {DEEPEST} containers in one another, or more than {MOST_PARTS} parts.")
    return extent


def _children(node: object) -> Iterable[object] | None:
    """Return what a container holds, None for other plain data; refuse the rest."""
    if node is None or isinstance(node, bool | int | float | str | bytes | Tensor | np.ndarray):
        return None
    if isinstance(node, dict):
        return node.values()
    if isinstance(node, list | tuple | set):
        return node
    if isinstance(node, PersistentRecord):
        return node.init_args, node.init_kwargs, node.state
    if isinstance(node, NetworkRecord):
        return (node.state,)
    if isinstance(node, Global):
        raise UnsafeFileError("the name of a function or class where data should be.")
    if isinstance(node, ByteWindow):
        raise UnsafeFileError(f"{node.left} bytes that belong to no tensor or array.")
    raise UnsafeFileError(f"a {type(node).__name__} on its own, which is no data.")
