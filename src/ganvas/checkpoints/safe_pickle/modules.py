"""Networks in foreign files: records of ``torch.nn.Module``, whose parameters and buffers make a state dict."""

from collections.abc import Iterator
from typing import TypeVar

from torch import Tensor

from ganvas.checkpoints.safe_pickle.foreign import ForeignRecord
from ganvas.checkpoints.safe_pickle.machine import shown
from ganvas.checkpoints.safe_pickle.plain_trees import PersistentRecord
from ganvas.errors import CheckpointError

GROUPS = ("_parameters", "_buffers", "_modules")
LONGEST_TENSOR_NAME = 256  # characters
MOST_ALIASES = 4  # times that a tensor has a name, on average by bytes
Member = TypeVar("Member")
Record = PersistentRecord | ForeignRecord


def is_module(node: object) -> bool:
    """Return whether a node of a tree is the record of a module, of NVIDIA's persistence or of any class."""
    if isinstance(node, PersistentRecord):
        return True
    return isinstance(node, ForeignRecord) and all(isinstance(_state(node).get(group), dict) for group in GROUPS)


def module_tensors(record: Record) -> dict[str, Tensor]:
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


def submodule(record: Record, path: str) -> Record | None:
    """Return the module at a path such as "module.decoder" inside another, None where there is none."""
    for name in path.split(".") if path else ():
        inner = _state(record).get("_modules")
        inside = inner.get(name) if isinstance(inner, dict) else None
        if not isinstance(inside, Record):
            return None
        record = inside
    return record


def _state(record: Record) -> dict:
    return record.state if isinstance(record.state, dict) else {}


def _walk_module(record: Record, prefix: str, seen: set[int]) -> Iterator[tuple[str, Tensor]]:
    if id(record) in seen:
        raise CheckpointError(f"The module {prefix} occurs in two places. The file is damaged.")
    seen.add(id(record))
    forgotten = _state(record).get("_non_persistent_buffers_set")
    for name, tensor in _members(record, "_parameters", prefix, (Tensor,)):
        yield prefix + name, tensor
    for name, tensor in _members(record, "_buffers", prefix, (Tensor,)):
        if not (isinstance(forgotten, set) and name in forgotten):
            yield prefix + name, tensor
    for name, module in _members(record, "_modules", prefix, (PersistentRecord, ForeignRecord)):
        yield from _walk_module(module, f"{prefix}{name}.", seen)


def _members(record: Record, group: str, prefix: str, kinds: tuple[type[Member], ...]) -> Iterator[tuple[str, Member]]:
    """Yield the members of a module that are not None, after checks of their names and that each is of the `kinds`."""
    members = _state(record).get(group)
    if not isinstance(members, dict):
        raise CheckpointError(f"{_title(record, prefix)} is no module: it has no {group}.")
    for name, member in members.items():
        if not isinstance(name, str) or not _is_fit(name) or len(prefix) + len(name) > LONGEST_TENSOR_NAME:
            raise CheckpointError(f"{_title(record, prefix)} has a member with the unfit name {shown(str(name))}.")
        if member is not None and not isinstance(member, kinds):
            raise CheckpointError(
                f"{_title(record, prefix)} has a {type(member).__name__} where {name}, a {kinds[0].__name__}, should "
                "be."
            )
        if member is not None:
            yield name, member


def _is_fit(name: str) -> bool:
    return name != "" and "." not in name and name.isprintable()


def _title(record: Record, prefix: str) -> str:
    return f"The object {prefix.rstrip('.') or 'at the top'} of class {shown(record.class_name)}"
