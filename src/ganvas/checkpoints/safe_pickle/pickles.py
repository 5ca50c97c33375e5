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

FOREIGN_HEADS = (
    (b"PK\x03\x04", "a zip archive, as torch.save writes"),
    (torch_storage.OLD_HEAD, "a checkpoint of torch.save in its old format"),
    (b"version https://git-lfs", "a pointer of git-lfs, not the file itself: fetch it with `git lfs pull`"),
    (b"\x1f\x8b", "a gzip archive: unpack it first"),
    (b"\x93NUMPY", "an array of numpy (.npy)"),
    (b"\x89HDF", "an HDF5 file"),
    (b"\x89PNG", "a PNG image"),
    (b"\xff\xd8\xff", "a JPEG image"),
)
WEB_PAGE_HEADS = (b"<!doctype", b"<html", b"<head", b"<body", b"<?xml", b"<!--")


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
    require_pickle(stream.read(512))
    window = ByteWindow(stream, 0, size, whole_file(size))
    return Machine(window, ALLOW_LIST, Budget(2 * size + SPARE_BYTES, MOST_OPERATIONS)).run()


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
        announced = int.from_bytes(head[:8], "little")
        raise CheckpointError(
            f"this is not a pickle but a file of safetensors with a header of {announced} bytes; if the file is "
            "shorter, the download was cut. Fetch it again."
        )
    if head[257:262] == b"ustar":
        raise CheckpointError(
            "this is not a pickle but a tar archive, as torch wrote at first; save it again with today's torch."
        )


ALLOW_LIST = allow_list({("torch.storage", "_load_from_bytes"): Global(reduce=torch_storage.load_storage)})
