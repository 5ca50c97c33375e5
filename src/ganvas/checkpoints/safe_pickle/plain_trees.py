"""What a foreign file may become: a tree of plain data and inert records; and the one way to open such a file."""

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from io import BufferedIOBase
from itertools import chain
from pathlib import Path
from typing import NamedTuple

from ganvas.checkpoints.safe_pickle.foreign import ForeignRecord, OddKey
from ganvas.checkpoints.safe_pickle.machine import shown
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
    """Return the tree that `read` makes of a file, given as a stream and its size in bytes, after a check that it can
    be walked.

    The tree holds None, bool, int, float, str, bytes (at most 64), dict, list, tuple, set, records, numpy arrays and
    tensors, and beside them what stands for a name, a dtype or bytes, which nobody has a use for. Nothing but a
    `ForeignRecord` contains itself, and between two of them nothing lies deeper than `DEEPEST`. An object that the file
    names in two places is one object here too, but never in so many that a walk through all places (a `repr`, a copy)
    could take long. Every failure is a `CheckpointError` that starts with the path.
    """
    try:
        with _open(path) as stream:
            tree = read(stream, os.fstat(stream.fileno()).st_size)
        _require_walkable(tree)
    except CheckpointError as error:
        raise type(error)(f"{shown(str(path), 500)}: {error}") from error
    except (OSError, ValueError, MemoryError, RecursionError) as error:
        raise CheckpointError(f"{shown(str(path), 500)}: cannot be read ({shown(str(error))}).") from error
    return tree


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


def _require_walkable(tree: object) -> None:
    """Refuse what is too deep, in itself or too much to walk. A foreign record is measured by itself: whoever walks
    a tree keeps in mind which records he has seen.
    """
    measured = _Measured()
    measured.waiting.append(tree)
    while measured.waiting:
        _measure(measured.waiting.pop(), 0, measured, set())


@dataclass(eq=False)
class _Measured:
    """What is known of a tree: the extents of finished containers by id, the foreign records met by id, and what these
    hold, which waits to be measured.
    """

    extents: dict[int, _Extent] = field(default_factory=dict)
    records: set[int] = field(default_factory=set)
    waiting: list[object] = field(default_factory=list)

    def meet(self, record: ForeignRecord) -> None:
        """Let the parts of a record wait, once."""
        if id(record) not in self.records:
            self.records.add(id(record))
            self.waiting.extend(part for part in record.parts() if part is not None)


def _measure(node: object, depth: int, measured: _Measured, above: set[int]) -> _Extent:
    """Measure `node`, which lies `depth` deep inside the containers `above`.

    A container that occurs in many places is walked once.
    """
    if isinstance(node, ForeignRecord):
        measured.meet(node)
    children = _children(node)
    if children is None:
        return _Extent(0, 1)
    if id(node) in above:
        raise UnsafeFileError("something in the file contains itself.")
    if id(node) not in measured.extents and depth < DEEPEST:
        above.add(id(node))
        extents = [_measure(child, depth + 1, measured, above) for child in children]
        above.remove(id(node))
        height = 1 + max((extent.height for extent in extents), default=0)
        measured.extents[id(node)] = _Extent(height, 1 + sum(extent.parts for extent in extents))
    extent = measured.extents.get(id(node), _Extent(1, 1))
    if depth + extent.height > DEEPEST or extent.parts > MOST_PARTS:
        raise UnsafeFileError(f"more than {DEEPEST} containers in one another, or more than {MOST_PARTS} parts.")
    return extent


def _children(node: object) -> Iterable[object] | None:
    """Return what a container holds; None for what is none."""
    if isinstance(node, dict):
        return chain(node.values(), (key for key in node if isinstance(key, OddKey)))
    if isinstance(node, list | tuple | set):
        return node
    if isinstance(node, OddKey):
        return (node.value,)
    if isinstance(node, PersistentRecord):
        return node.init_args, node.init_kwargs, node.state
    return (node.state,) if isinstance(node, NetworkRecord) else None
