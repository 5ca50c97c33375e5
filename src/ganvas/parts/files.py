"""Parts in files of their own, which ``ganvas models convert --parts`` puts into a generator's file."""

from pathlib import Path

from ganvas.errors import ResultFileError
from ganvas.errors.arguments import checked
from ganvas.io.tensor_files import read_tensors, write_tensors
from ganvas.regions.part_model import PartModel, stored_part_model

KIND = "parts"


@checked
def save_parts(path: str | Path, parts: PartModel) -> Path:
    """Write parts as a safetensors file that `load_parts` reads.

    Args:
        path: The file to write.
        parts: The parts.

    Returns:
        The path.

    Raises:
        ResultFileError: The file cannot be written.
    """
    return write_tensors(path, KIND, *parts.stored(), ResultFileError)


@checked
def load_parts(path: str | Path) -> PartModel:
    """Read a file of parts.

    Args:
        path: A file that ``ganvas parts`` or `save_parts` wrote.

    Returns:
        The parts.

    Raises:
        ResultFileError: The file is missing, or is no file of parts.
        RegionError: The parts in it are damaged.

    Example:
        >>> import ganvas, tempfile
        >>> parts = ganvas.find_parts(ganvas.load("faces-dcgan"), count=6, samples=8)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     ganvas.load_parts(ganvas.save_parts(f"{folder}/parts.safetensors", parts))
        PartModel(6 clusters of b16)
    """
    return stored_part_model(*read_tensors(path, KIND, ResultFileError))
