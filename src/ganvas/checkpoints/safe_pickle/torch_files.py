"""Checkpoints of ``torch.save`` (.pt, .pth, .bin), in its zip format and in the older one, read by our own machine.

torch's loader is not asked, not even with ``weights_only``: hostile files get our errors with file and byte, and memory
stays in proportion to the file. In both formats a pickle describes the objects and names storages of tensors by keys;
the storages lie beside it, in the zip format as entries, in the older one in a row behind the pickle.
"""

import sys
from collections.abc import Callable, Collection, Mapping
from io import BufferedIOBase
from pathlib import Path

from ganvas.checkpoints.safe_pickle import torch_storage
from ganvas.checkpoints.safe_pickle.byte_windows import MOST_OPERATIONS, SPARE_BYTES, Budget, ByteWindow, whole_file
from ganvas.checkpoints.safe_pickle.foreign import ForeignName, ForeignRecord
from ganvas.checkpoints.safe_pickle.known_names import allow_list
from ganvas.checkpoints.safe_pickle.machine import AllowList, Global, Machine, shown
from ganvas.checkpoints.safe_pickle.plain_trees import read_checked
from ganvas.checkpoints.safe_pickle.torch_storage import Storage, StorageHead, read_elements, storage_head
from ganvas.checkpoints.safe_pickle.zip_directory import read_directory, read_entries
from ganvas.errors import CheckpointError, UnsafeFileError
from ganvas.images.decoding import ENDINGS

MAGIC_WORDS = (torch_storage.MAGIC, torch_storage.VERSION)


def read_torch_zip(path: Path) -> object:
    """Return the tree in a zip archive of ``torch.save``; see
    `ganvas.checkpoints.safe_pickle.plain_trees.read_checked`.
    """
    return read_checked(path, _read_zip)


def read_torch_old(path: Path) -> object:
    """Return the tree in a file of ``torch.save`` from before torch 1.6; see `read_checked`."""
    return read_checked(path, _read_old)


def _read_zip(stream: BufferedIOBase, size: int) -> object:
    try:
        entries = read_directory(stream, size)
    except UnsafeFileError:
        _refuse_images(read_entries(stream, size))
        raise
    found = [name for name in entries if name.endswith("/data.pkl")]
    if any(name.endswith("/constants.pkl") for name in entries):
        raise UnsafeFileError(
            "this is a TorchScript archive, a program; give a checkpoint with the weights alone: "
            "torch.save(model.state_dict(), path)."
        )
    if len(found) != 1:
        _refuse_images(entries)
        names = ", ".join(shown(name, 40) for name in list(entries)[:3]) or "nothing"
        raise CheckpointError(f"this zip archive has no data.pkl as torch.save writes it; it holds {names}.")
    folder = found[0].removesuffix("data.pkl")
    order = entries.get(folder + "byteorder")
    if order is not None and order.take(min(order.left, 16)) != sys.byteorder.encode():
        raise CheckpointError(f"its numbers are not {sys.byteorder}-endian; save it again on another computer.")
    places = {name.removeprefix(folder + "data/"): entry for name, entry in entries.items()}
    budget = Budget(2 * size + SPARE_BYTES, MOST_OPERATIONS)
    return Machine(entries[found[0]], _allow_list(_loader(places, budget)), budget).run()


def _refuse_images(names: Collection[str]) -> None:
    """Raise `CheckpointError` for an archive of images, compressed or not."""
    images = [name for name in names if name.lower().endswith(ENDINGS)]
    if images and not any(name.endswith("/data.pkl") for name in names):
        raise CheckpointError(
            f"this zip archive holds {len(images)} images, such as {shown(images[0], 40)}, and no generator; make one "
            "of them: ganvas train --help."
        )


def _read_old(stream: BufferedIOBase, size: int) -> object:
    """Read twice: first for what the storages are called, which tells where they lie, then for the tree itself."""
    window = ByteWindow(stream, 0, size, whole_file(size))
    budget = Budget(2 * size + SPARE_BYTES, MOST_OPERATIONS)
    magic, version, computer = (Machine(window, AllowList({}), budget).run() for _ in range(3))
    if (magic, version) != MAGIC_WORDS or not isinstance(computer, dict):
        raise CheckpointError("a head that torch does not write. The file is damaged.")
    if computer.get("little_endian") is not (sys.byteorder == "little"):
        raise CheckpointError(f"its numbers are not {sys.byteorder}-endian; save it again on another computer.")
    again = window.again()
    heads: dict[str, StorageHead] = {}
    Machine(window, _allow_list(lambda head: heads.setdefault(head.key, head), WITHOUT_TENSORS), budget).run()
    places = _places(window, heads, budget)
    budget = Budget(2 * size + SPARE_BYTES, MOST_OPERATIONS)
    return Machine(again, _allow_list(_loader(places, budget)), budget).run()


def _places(window: ByteWindow, heads: Mapping[str, StorageHead], budget: Budget) -> dict[str, ByteWindow]:
    """Return where the storages of an old file lie: behind a list of their keys, each behind its number of elements."""
    keys = Machine(window, AllowList({}), budget).run()
    # Only texts are hashed: hashing a nested tuple can take exponential time.
    if not isinstance(keys, list) or not all(type(key) is str for key in keys) or set(keys) != heads.keys():
        raise CheckpointError(f"byte {window.position}: a list of storages that the tensors do not name.")
    places = {}
    for key in keys:
        head = heads[key]
        if int.from_bytes(window.take(8), "little", signed=True) != head.count:
            raise CheckpointError(f"byte {window.position}: the storage {shown(key)} has another size than announced.")
        places[key] = window.take_window(head.count * head.dtype.itemsize)
    return places


def _loader(places: Mapping[str, ByteWindow], budget: Budget) -> Callable[[StorageHead], Storage]:
    """Return what reads a storage from its place, once, however often it is named."""
    storages: dict[str, Storage] = {}

    def load(head: StorageHead) -> Storage:
        if head.key not in places:
            raise CheckpointError(f"names the storage {shown(head.key)}, which is not in the file.")
        if head.key not in storages:
            storages[head.key] = read_elements(places[head.key].again(), head, budget)
        storage = storages[head.key]
        if storage.elements.dtype != head.dtype or len(storage.elements) != head.count:
            raise UnsafeFileError(f"names the storage {shown(head.key)} in two ways.")
        return storage

    return load


def _allow_list(
    load: Callable[[StorageHead], object], instead: Mapping[tuple[str, str], Global] | None = None
) -> AllowList:
    """Return what a checkpoint may ask for; `load` answers its storages, `instead` takes the place of some names."""
    return allow_list({**torch_storage.NAMES, **(instead or {})}, lambda named: _persistent(named, load))


def _persistent(named: object, load: Callable[[StorageHead], object]) -> object:
    """Answer a persistent id: a storage, one of a kind of numbers that Ganvas does not read, or the class of a module,
    with which the old format gives its source.
    """
    match named:
        case (str() as word, ForeignName() as name, str() | None, str() | None) if word == "module":
            return name
        case (str() as word, ForeignName() as kind, str(), str(), int(), *_) if word == "storage":
            return ForeignRecord(kind, named)
    return load(storage_head(named))


WITHOUT_TENSORS = {name: Global(reduce=lambda arguments, budget: None) for name in torch_storage.TENSORS}
