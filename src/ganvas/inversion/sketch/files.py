"""Sketches from files."""

from collections.abc import Sequence
from pathlib import Path

from ganvas.errors import ImageError
from ganvas.images.paper import SketchFile, read_drawn
from ganvas.inversion.photos import read_each, unique_names
from ganvas.inversion.sketch.target import Sketch


def read_sketches(
    files: Sequence[Path], resolution: int, paper: str = "auto"
) -> tuple[list[Sketch], list[tuple[Path, ImageError]]]:
    """Return the sketches that can be read, with names of their own and without `paper`, and the errors of the others.

    Raises `ImageError` where none can be read.
    """
    found, rows, bad = read_each(files, lambda _, path: _read(path, resolution, paper), "sketches")
    readable = [files[row] for row in rows]
    names = unique_names([file.stem for file in readable])
    parts = zip(names, found, readable, strict=True)
    return [Sketch(name, one.colors, one.alpha, str(file), one.note) for name, one, file in parts], bad


def _read(path: Path, resolution: int, paper: str) -> SketchFile:
    """Return a sketch's colors and alpha; raises `ImageError` for one that is transparent everywhere."""
    found = read_drawn(path, resolution, paper)
    if not bool(found.alpha.max() > 0):
        raise ImageError(f"'{path}' is transparent everywhere; draw something on it.")
    return found
