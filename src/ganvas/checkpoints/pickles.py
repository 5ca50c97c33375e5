"""Reads the ``.pkl`` files of foreign generators into plain data, without running or importing anything that they name.

NVIDIA's files (StyleGAN2-ADA, StyleGAN3 and their many descendants) hold "persistence" objects: the source text of a
class, its name, and the ``__dict__`` of an instance. NVIDIA's loader runs the source; here it is dropped, and the rest
becomes an inert `PersistentRecord`. The architecture is then told by the record's arguments and by the names of its
tensors. A new kind of file is a new line in `NAMES`; what may be asked of a pickle at all is decided in
`ganvas.checkpoints.pickle_machine`.
"""

import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from io import BufferedIOBase
from pathlib import Path
from typing import NamedTuple, TypeVar

import numpy as np
from torch import Tensor

from ganvas.checkpoints import numpy_values, torch_storage
from ganvas.checkpoints.pickle_machine import Global, Machine, Vocabulary, require_key, shown
from ganvas.checkpoints.windows import Allowance, Window
from ganvas.errors import CheckpointError, UnsafeFileError

DEEPEST = 100  # containers inside containers; NVIDIA's files have 16
LONGEST_TENSOR_NAME = 256  # characters
SPARE_BYTES = 1 << 20
MOST_OPERATIONS = 1_000_000  # NVIDIA's files take about 24,000, and a little more for each tensor of a larger network
MOST_PARTS = 2_000_000  # met in a walk through the tree; NVIDIA's files have about 5,000
MOST_ALIASES = 4  # times that a tensor has a name, on average by bytes
BYTES_PER_KEY = 64  # about what a set needs
NAME = re.compile(r"[A-Za-z0-9_]+")
Member = TypeVar("Member")
TORCH_SAVE_HEAD = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."

FOREIGN_HEADS = (
    (
        b"PK\x03\x04",
        "a zip archive, as torch.save writes: if it is a .pt, .pth or .bin checkpoint, give it that ending",
    ),
    (TORCH_SAVE_HEAD, "a checkpoint of torch.save in its old format: give it the ending .pt"),
    (b"version https://git-lfs", "a pointer of git-lfs, not the file itself: fetch it with `git lfs pull`"),
    (b"\x1f\x8b", "a gzip archive: unpack it first"),
    (b"\x93NUMPY", "an array of numpy (.npy)"),
    (b"\x89HDF", "an HDF5 file"),
    (b"\x89PNG", "a PNG picture"),
    (b"\xff\xd8\xff", "a JPEG picture"),
)
WEB_PAGE_HEADS = (b"<!doctype", b"<html", b"<head", b"<body", b"<?xml", b"<!--")


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


def read_pickle(path: Path) -> object:
    """Return the tree of plain data in a ``.pkl`` file, as a rule a dict with "G", "D" and "G_ema".

    It holds None, bool, int, float, str, bytes (at most 64), dict (also for OrderedDict and EasyDict), list, tuple,
    set, `PersistentRecord`, numpy arrays, and contiguous tensors on the CPU, parameters too; numpy's single numbers
    become Python's. Keys are short texts or small whole numbers, nothing contains itself, nothing lies deeper than
    `DEEPEST`. An object that the file names in two places is one object here too, but never in so many that a walk
    through all places (a `repr`, a copy) could take long.

    Time and memory are in proportion to the file's size. Raises `UnsafeFileError` for a file that asks for anything but
    such data, `CheckpointError` for one that is missing, damaged or of another kind; nothing of the file is ever run.
    """
    try:
        with _open(path) as stream:
            size = os.fstat(stream.fileno()).st_size
            require_pickle(stream.read(512))
            window = Window(stream, 0, size, f"the file's {size}: the download was probably cut short. Fetch it again")
            tree = Machine(window, VOCABULARY, Allowance(2 * size + SPARE_BYTES, MOST_OPERATIONS)).run()
        _require_plain(tree, 0, {}, set())
    except CheckpointError as error:
        raise type(error)(f"{shown(str(path), 500)}: {error}") from error
    except (OSError, ValueError, MemoryError, RecursionError) as error:
        raise CheckpointError(f"{shown(str(path), 500)}: cannot be read ({shown(str(error))}).") from error
    return tree


def module_tensors(record: PersistentRecord) -> dict[str, Tensor]:
    """Return the tensors of a module by their dotted names ("synthesis.b4.const"), as ``state_dict`` does.

    Parameters come before buffers, and both before the modules inside. Raises `CheckpointError` where the record is no
    module, has a name that is none, or where two tensors have one name or two places one module.
    """
    tensors: dict[str, Tensor] = {}
    for name, tensor in _walk_module(record, "", set()):
        if name in tensors:
            raise CheckpointError(f"Two tensors have the name {name}. The file is damaged.")
        tensors[name] = tensor
    own_bytes = sum(tensor.nbytes for tensor in {id(tensor): tensor for tensor in tensors.values()}.values())
    if sum(tensor.nbytes for tensor in tensors.values()) > MOST_ALIASES * own_bytes:
        raise CheckpointError("The same tensors have many names. The file is damaged or means harm.")
    return tensors


def require_pickle(head: bytes) -> None:
    """Raise `CheckpointError` if the first bytes of a file show that it is no pickle; the message says what it is."""
    if not head:
        raise CheckpointError("the file is empty. Fetch it again.")
    if head.lstrip(b"\xef\xbb\xbf \t\r\n").lower().startswith(WEB_PAGE_HEADS):
        raise CheckpointError(
            "this looks like an HTML page, not like a pickle: the download probably failed. Fetch it again."
        )
    for start, kind in FOREIGN_HEADS:
        if head.startswith(start):
            raise CheckpointError(f"this is not a pickle but {kind}.")
    if head[8:10] == b'{"':
        raise CheckpointError("this is not a pickle but a file of safetensors: give it the ending .safetensors.")


def _open(path: Path) -> BufferedIOBase:
    if path.is_dir():
        raise CheckpointError("this is a folder; give the .pkl file inside it.")
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
    if isinstance(node, Global):
        raise UnsafeFileError("the name of a function or class where data should be.")
    if isinstance(node, Window):
        raise UnsafeFileError(f"{node.left} bytes that belong to no tensor or array.")
    raise UnsafeFileError(f"a {type(node).__name__} on its own, which is no data.")


def _walk_module(record: PersistentRecord, prefix: str, seen: set[int]) -> Iterator[tuple[str, Tensor]]:
    if id(record) in seen:
        raise CheckpointError(f"The module {prefix} occurs in two places. The file is damaged.")
    seen.add(id(record))
    forgotten = record.state.get("_non_persistent_buffers_set")
    for name, tensor in _members(record, "_parameters", prefix, Tensor):
        yield prefix + name, tensor
    for name, tensor in _members(record, "_buffers", prefix, Tensor):
        if not (isinstance(forgotten, set) and name in forgotten):
            yield prefix + name, tensor
    for name, module in _members(record, "_modules", prefix, PersistentRecord):
        yield from _walk_module(module, f"{prefix}{name}.", seen)


def _members(record: PersistentRecord, group: str, prefix: str, kind: type[Member]) -> Iterator[tuple[str, Member]]:
    """Yield the members of a module that are not None, after checks of their names and that each is a `kind`."""
    members = record.state.get(group)
    if not isinstance(members, dict):
        raise CheckpointError(f"{_title(record, prefix)} is no module: it has no {group}.")
    for name, member in members.items():
        if not isinstance(name, str) or not NAME.fullmatch(name) or len(prefix) + len(name) > LONGEST_TENSOR_NAME:
            raise CheckpointError(f"{_title(record, prefix)} has a member with the unfit name {shown(str(name))}.")
        if member is not None and not isinstance(member, kind):
            raise CheckpointError(
                f"{_title(record, prefix)} has a {type(member).__name__} where {name}, a {kind.__name__}, should be."
            )
        if member is not None:
            yield name, member


def _title(record: PersistentRecord, prefix: str) -> str:
    return f"The object {prefix.rstrip('.') or 'at the top'} of class {shown(record.class_name)}"


def _make_record(arguments: tuple, allowance: Allowance) -> PersistentRecord:
    """Answer ``torch_utils.persistence._reconstruct_persistent_obj(meta)``; the source in `meta` is left behind."""
    match arguments:
        case ({"type": str() as kind, "class_name": str() as name, "state": dict() as state},) if kind == "class":
            args, kwargs = state.get("_init_args", ()), state.get("_init_kwargs", {})
            if type(args) is tuple and type(kwargs) is dict:
                return PersistentRecord(name, args, kwargs, state)
    raise UnsafeFileError("a persistence object without class name, arguments or state.")


def _make_dict(arguments: tuple, allowance: Allowance) -> dict:
    if arguments:
        raise UnsafeFileError("a dictionary that is made of something, where NVIDIA's files start with an empty one.")
    return {}


def _make_set(arguments: tuple, allowance: Allowance) -> set:
    """Answer ``set(list)``, as protocols 2 and 3 write sets."""
    match arguments:
        case (list() as items,):
            allowance.spend(BYTES_PER_KEY * len(items))
            for item in items:
                require_key(item)
            return set(items)
    raise UnsafeFileError("a set that is not made of a list.")


def _in_numpy(module: str, name: str, answer: Global) -> dict[tuple[str, str], Global]:
    """Return an entry each for the name in numpy 1 and in numpy 2."""
    return {(f"numpy.core.{module}", name): answer, (f"numpy._core.{module}", name): answer}


NAMES = {
    ("torch_utils.persistence", "_reconstruct_persistent_obj"): Global(reduce=_make_record),
    ("dnnlib.util", "EasyDict"): Global(reduce=_make_dict, create=_make_dict),
    ("collections", "OrderedDict"): Global(reduce=_make_dict),
    ("builtins", "set"): Global(reduce=_make_set),
    ("__builtin__", "set"): Global(reduce=_make_set),
    ("torch._utils", "_rebuild_tensor_v2"): Global(reduce=torch_storage.rebuild_tensor),
    ("torch._utils", "_rebuild_parameter"): Global(reduce=torch_storage.rebuild_parameter),
    ("torch.storage", "_load_from_bytes"): Global(reduce=torch_storage.load_storage),
    ("numpy", "dtype"): Global(reduce=numpy_values.make_dtype),
    ("numpy", "ndarray"): Global(meaning=np.ndarray),
    **_in_numpy("multiarray", "scalar", Global(reduce=numpy_values.make_scalar)),
    **_in_numpy("multiarray", "_reconstruct", Global(reduce=numpy_values.make_array)),
    **_in_numpy("numeric", "_frombuffer", Global(reduce=numpy_values.array_from_buffer)),
}
VOCABULARY = Vocabulary(
    names=NAMES,
    builders={np.ndarray: numpy_values.set_array_state, np.dtype: numpy_values.check_dtype_state},
)
