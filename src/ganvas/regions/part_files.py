"""Parts in files of their own, which ``ganvas models convert --parts`` puts into a generator's file."""

from pathlib import Path

from ganvas.errors import ResultFileError
from ganvas.errors.arguments import checked
from ganvas.io.tensor_files import read_tensors
from ganvas.regions.part_model import KIND, PartModel, stored_part_model


@checked
def load_parts(path: str | Path) -> PartModel:
    """Read a file of parts.

    Args:
        path: A file that ``ganvas parts`` or `PartModel.save` wrote.

    Returns:
        The parts.

    Raises:
        ResultFileError: The file is missing, or is no file of parts.
        RegionError: The parts in it are damaged.

    Example:
        >>> import ganvas, tempfile
        >>> parts = ganvas.find_parts(ganvas.load("faces-dcgan"), count=6, samples=8)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     ganvas.load_parts(parts.save(f"{folder}/parts.safetensors"))
        PartModel(6 clusters of b16)
    """
    return stored_part_model(*read_tensors(path, KIND, ResultFileError))
