"""Folders for results: one run each, so that no run replaces what another one has found."""

import json
import mimetypes
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from ganvas.errors import GanvasError
from ganvas.io.files import make_folder
from ganvas.io.json_files import write_json

RECORD = "run.json"
MADE_HERE = ".ganvas"
"""A file in each subfolder that a run has made for many files: what lies there may be replaced."""
RESULTS = ("latent.safetensors", "directions.safetensors", "trace.json", "index.html")
"""What tells the results of a run that left no record."""
FILE_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".gif", ".mp4", ".tif", ".tiff")
OTHER_SUFFIXES = (".npy", ".npz", ".pt", ".pth", ".pkl", ".safetensors", ".recipe", ".avif", ".webm")
"""Files that Python's list of kinds does not know."""


@dataclass(frozen=True)
class ResultFolder:
    """A folder in which one run writes; `continued` if the same run has written there before."""

    path: Path
    continued: bool = False

    def __truediv__(self, name: str) -> Path:
        return self.path / name

    def part(self, name: str) -> Path:
        """Return a subfolder for many files; raises `GanvasError` where files of somebody else are in it."""
        folder = self.path / name
        if folder.exists() and not (folder / MADE_HERE).exists():
            raise GanvasError(f"The folder '{folder}' is not of this run and is left alone; give another by --out.")
        make_folder(folder)
        (folder / MADE_HERE).touch()
        return folder


def is_file_name(path: Path) -> bool:
    """Return whether results are to go into one file of this name, not into a folder."""
    return path.suffix.lower() in FILE_SUFFIXES and not path.is_dir()


def _looks_like_a_file(path: Path) -> bool:
    """Return whether a name ends as files of some kind do, so that nobody means a folder: "walk.txt", not "run-0.5"."""
    kind, _ = mimetypes.MimeTypes().guess_type(path.name)
    known = kind is not None or path.suffix.lower() in (*FILE_SUFFIXES, *OTHER_SUFFIXES)
    return known and not path.is_dir()


def check_ending(path: Path, endings: Iterable[str]) -> None:
    """Raise `GanvasError` where results are to go into one file, and its name has none of these endings."""
    if _looks_like_a_file(path) and path.suffix.lower() not in endings:
        raise GanvasError(
            f"'{path}' ends in '{path.suffix}'; --out is a folder, or one file that ends in {', '.join(endings)}."
        )


def check_new_file(path: Path, overwrite: bool) -> Path:
    """Return the name of a file for a result; raises `GanvasError` where there is one and it may not be replaced."""
    if path.exists() and not overwrite:
        raise GanvasError(f"'{path}' exists already; give another name by --out, or --overwrite to replace it.")
    return path


def free_name(path: Path, overwrite: bool) -> Path:
    """Return the name of a file for a result whose user gave none: the first that is free of region.png, region-2.png,
    region-3.png, or the first itself with `overwrite`.
    """
    if overwrite or not path.exists():
        return path
    numbered = (path.with_stem(f"{path.stem}-{number}") for number in count(2))
    return next(one for one in numbered if not one.exists())


@contextmanager
def result_folder(path: Path, run: dict[str, str], *, overwrite: bool = False) -> Iterator[ResultFolder]:
    """Give a folder for the results of one run, which `run` describes: its command, and the hash of its generator.

    The description is kept in the folder as run.json. With `overwrite`, another run's results are replaced, and the
    subfolders that it made for many files are removed. A run that fails leaves no folder, an interrupted one what it
    has written.

    Raises:
        GanvasError: The folder holds results of another run, cannot be made, or is named as a file is.
    """
    if _looks_like_a_file(path):
        raise GanvasError(f"Several files result here, and '{path}' is the name of one; give a folder by --out.")
    before = _recorded(path)
    continued = before == run
    if not (continued or overwrite):
        _refuse_others(path, before)
    made = [folder for folder in (path, *path.parents) if not folder.exists()]
    make_folder(path)
    older = {one.name for one in path.iterdir()}
    if not continued:
        for mark in path.glob(f"*/{MADE_HERE}"):
            shutil.rmtree(mark.parent, ignore_errors=True)
        write_json(path / RECORD, run)
    try:
        yield ResultFolder(path, continued)
    except BaseException as error:
        if not continued:
            _leave_nothing(path, older, made, failed=not isinstance(error, KeyboardInterrupt))
        raise


def _refuse_others(path: Path, before: dict[str, str] | None) -> None:
    """Raise `GanvasError` where a folder holds results that are not of this run."""
    if before is not None or any((path / name).exists() for name in RESULTS):
        whose = f" ({before['command'][:200]})" if before and isinstance(before.get("command"), str) else ""
        raise GanvasError(
            f"The folder '{path}' holds results of another run{whose}; give another folder by --out, or --overwrite to "
            "replace them."
        )


def _recorded(path: Path) -> dict[str, str] | None:
    """Return the description of the run that wrote in a folder, an empty one where it cannot be read."""
    if not (path / RECORD).is_file():
        return None
    try:
        found = json.loads((path / RECORD).read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _leave_nothing(path: Path, older: set[str], made: list[Path], failed: bool) -> None:
    """Where a run has written no result beside the `older` files, remove its record and the folders that it `made`.

    Single images of a run that `failed` are no result; those of an interrupted one are.
    """
    for mark in path.glob(f"*/{MADE_HERE}"):
        if mark.parent.name not in older and (failed or len(list(mark.parent.iterdir())) == 1):
            shutil.rmtree(mark.parent, ignore_errors=True)
    if {one.name for one in path.iterdir()} == older | {RECORD}:
        (path / RECORD).unlink()
        with suppress(OSError):  # what others have put there in the meantime stays
            for folder in made:
                folder.rmdir()
