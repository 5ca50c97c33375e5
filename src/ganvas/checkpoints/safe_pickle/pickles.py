"""Reads the ``.pkl`` files of foreign generators into plain data, without running or importing anything that they name.

NVIDIA's files (StyleGAN2-ADA, StyleGAN3 and their many descendants) hold "persistence" objects: the source text of a
class, its name, and the ``__dict__`` of an instance. NVIDIA's loader runs the source; here it is dropped, and the rest
becomes an inert `PersistentRecord`, from whose arguments and names of tensors the readers take the architecture. What
names mean is in `ganvas.checkpoints.safe_pickle.known_names`; the operations that are allowed at all are in
`ganvas.checkpoints.safe_pickle.machine`.
"""

from io import BufferedIOBase
from pathlib import Path

from ganvas.checkpoints.safe_pickle import torch_storage
from ganvas.checkpoints.safe_pickle.byte_windows import MOST_OPERATIONS, SPARE_BYTES, Budget, ByteWindow, whole_file
from ganvas.checkpoints.safe_pickle.known_names import allow_list
from ganvas.checkpoints.safe_pickle.machine import Global, Machine
from ganvas.checkpoints.safe_pickle.plain_trees import read_checked
from ganvas.errors import CheckpointError
from ganvas.io.file_kinds import CUT_SAFETENSORS, HEAD_BYTES, PICKLE, SAFETENSORS, TEXT, kind_instead, kind_of

STOP = b"."  # how every pickle ends


def read_pickle(path: Path) -> object:
    """Return the tree of plain data in a ``.pkl`` file, as a rule a dict with "G", "D" and "G_ema", or a tuple of them.

    See `ganvas.checkpoints.safe_pickle.plain_trees.read_checked` for what it can hold: dict also stands for
    OrderedDict and NVIDIA's EasyDict, tensors are contiguous and on the CPU, parameters too; numpy's single numbers
    become Python's. Keys are short texts, small whole numbers, or an `OddKey` in place of another.

    Time and memory are in proportion to the file's size. Raises `UnsafeFileError` for a file that asks for a program or
    for more memory than it has bytes, `CheckpointError` for one that is missing, damaged or of another kind; nothing of
    the file is ever run.
    """
    return read_checked(path, _read)


def _read(stream: BufferedIOBase, size: int) -> object:
    head = stream.read(HEAD_BYTES)
    stream.seek(max(0, size - 1))
    require_pickle(head, size, stream.read(1))
    window = ByteWindow(stream, 0, size, whole_file(size))
    return Machine(window, ALLOW_LIST, Budget(2 * size + SPARE_BYTES, MOST_OPERATIONS)).run()


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


ALLOW_LIST = allow_list({("torch.storage", "_load_from_bytes"): Global(reduce=torch_storage.load_storage)})
