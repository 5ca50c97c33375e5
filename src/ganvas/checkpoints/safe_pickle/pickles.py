"""Reads the ``.pkl`` files of foreign generators into plain data, without running or importing anything that they name.

NVIDIA's files (StyleGAN2-ADA, StyleGAN3 and their many descendants) hold "persistence" objects: the source text of a
class, its name, and the ``__dict__`` of an instance. NVIDIA's loader runs the source; here it is dropped, and the rest
becomes an inert `PersistentRecord`, from whose arguments and names of tensors the readers take the architecture. A new
kind of file is a new line in `NAMES`; the operations that are allowed at all are in
`ganvas.checkpoints.safe_pickle.machine`.
"""

import re
from collections.abc import Iterator
from io import BufferedIOBase
from pathlib import Path
from typing import TypeVar

from torch import Tensor

from ganvas.checkpoints.safe_pickle import numpy_values, torch_storage
from ganvas.checkpoints.safe_pickle.byte_windows import MOST_OPERATIONS, SPARE_BYTES, Budget, ByteWindow, whole_file
from ganvas.checkpoints.safe_pickle.machine import AllowList, Global, Machine, require_key, shown
from ganvas.checkpoints.safe_pickle.plain_trees import NetworkRecord, PersistentRecord, make_dict, read_checked
from ganvas.errors import CheckpointError, UnsafeFileError
from ganvas.io.file_kinds import CUT_SAFETENSORS, HEAD_BYTES, PICKLE, SAFETENSORS, TEXT, kind_instead, kind_of

LONGEST_TENSOR_NAME = 256  # characters
MOST_ALIASES = 4  # times that a tensor has a name, on average by bytes
STOP = b"."  # how every pickle ends
BYTES_PER_KEY = 64  # about what a set needs
NAME = re.compile(r"[A-Za-z0-9_]+")
Member = TypeVar("Member")


def read_pickle(path: Path) -> object:
    """Return the tree of plain data in a ``.pkl`` file, as a rule a dict with "G", "D" and "G_ema", or a tuple of them.

    See `ganvas.checkpoints.safe_pickle.plain_trees.read_checked` for what it can hold: dict also stands for
    OrderedDict and EasyDict, tensors are contiguous and on the CPU, parameters too; numpy's single numbers become
    Python's. Keys are short texts or small whole numbers.

    Time and memory are in proportion to the file's size. Raises `UnsafeFileError` for a file that asks for anything but
    such data, `CheckpointError` for one that is missing, damaged or of another kind; nothing of the file is ever run.
    """
    return read_checked(path, _read)


def _read(stream: BufferedIOBase, size: int) -> object:
    head = stream.read(HEAD_BYTES)
    stream.seek(max(0, size - 1))
    require_pickle(head, size, stream.read(1))
    window = ByteWindow(stream, 0, size, whole_file(size))
    return Machine(window, ALLOW_LIST, Budget(2 * size + SPARE_BYTES, MOST_OPERATIONS)).run()


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


def require_pickle(head: bytes, size: int, last: bytes) -> None:
    """Raise `CheckpointError` if the first bytes of a file of `size` bytes, and the last one, show that it is no pickle
    but another kind; the message says which.
    """
    kind = kind_of(head, size)
    if kind is TEXT and last == STOP:
        return  # it may be a pickle of protocol 0, which is text
    if kind is SAFETENSORS or kind is CUT_SAFETENSORS:
        announced = int.from_bytes(head[:8], "little")
        raise CheckpointError(
            f"this is not a pickle but a file of safetensors with a header of {announced} bytes; if the file is "
            "shorter, the download was cut. Fetch it again."
        )
    if kind is not None and kind is not PICKLE:
        raise CheckpointError(f"this is {kind_instead(kind, 'a generator')}.")


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


def _make_record(arguments: tuple, budget: Budget) -> PersistentRecord:
    """Answer ``torch_utils.persistence._reconstruct_persistent_obj(meta)``; the source in `meta` is left behind."""
    match arguments:
        case ({"type": str() as kind, "class_name": str() as name, "state": dict() as state},) if kind == "class":
            args, kwargs = state.get("_init_args", ()), state.get("_init_kwargs", {})
            if type(args) is tuple and type(kwargs) is dict:
                return PersistentRecord(name, args, kwargs, state)
    raise UnsafeFileError("a persistence object without class name, arguments or state.")


def _make_network(arguments: tuple, budget: Budget) -> NetworkRecord:
    """Answer a ``__new__`` of TensorFlow's Network, whose state comes next."""
    if arguments:
        raise UnsafeFileError("a TensorFlow network that is made of something.")
    return NetworkRecord()


def _set_network_state(network: object, state: object, budget: Budget) -> None:
    if not isinstance(network, NetworkRecord) or type(state) is not dict or network.state:
        raise UnsafeFileError("a TensorFlow network whose state is no dictionary, or comes twice.")
    network.state.update(state)


def _make_set(arguments: tuple, budget: Budget) -> set:
    """Answer ``set(list)``, as protocols 2 and 3 write sets."""
    match arguments:
        case (list() as items,):
            budget.spend(BYTES_PER_KEY * len(items))
            for item in items:
                require_key(item)
            return set(items)
    raise UnsafeFileError("a set that is not made of a list.")


NAMES = {
    ("torch_utils.persistence", "_reconstruct_persistent_obj"): Global(reduce=_make_record),
    ("dnnlib.tflib.network", "Network"): Global(create=_make_network),
    ("dnnlib.util", "EasyDict"): Global(reduce=make_dict, create=make_dict),
    ("collections", "OrderedDict"): Global(reduce=make_dict),
    ("builtins", "set"): Global(reduce=_make_set),
    ("__builtin__", "set"): Global(reduce=_make_set),
    ("torch._utils", "_rebuild_tensor_v2"): Global(reduce=torch_storage.rebuild_tensor),
    ("torch._utils", "_rebuild_parameter"): Global(reduce=torch_storage.rebuild_parameter),
    ("torch.storage", "_load_from_bytes"): Global(reduce=torch_storage.load_storage),
    **numpy_values.NAMES,
}
ALLOW_LIST = AllowList(
    names=NAMES,
    builders={**numpy_values.BUILDERS, NetworkRecord: _set_network_state},
)
