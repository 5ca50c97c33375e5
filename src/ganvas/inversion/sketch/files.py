"""Sketches from files."""

from collections.abc import Sequence
from pathlib import Path

from torch import Tensor

from ganvas.errors import ImageError
from ganvas.images.photos import read_sketch
from ganvas.inversion.photos import read_each, unique_names
from ganvas.inversion.sketch.target import Sketch


def read_sketches(files: Sequence[Path], resolution: int) -> tuple[list[Sketch], list[tuple[Path, ImageError]]]:
    """Return the sketches that can be read, with names of their own, and the errors of the others.

    Raises `ImageError` where none can be read.
    """
    found, rows, bad = read_each(files, lambda _, path: _read(path, resolution), "sketches")
    readable = [files[row] for row in rows]
    names = unique_names([file.stem for file in readable])
    parts = zip(names, found, readable, strict=True)
    return [Sketch(name, *drawing, source=str(file)) for name, drawing, file in parts], bad


def _read(path: Path, resolution: int) -> tuple[Tensor, Tensor]:
    """Return a sketch's colors and alpha; raises `ImageError` for one that is transparent everywhere."""
    colors, alpha = read_sketch(path, resolution)
    if not bool(alpha.max() > 0):
        raise ImageError(f"'{path}' is transparent everywhere; draw something on it.")
    return colors, alpha
