"""How near the eyes that are found come to those of label maps, and how many faces are found at all."""

import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import numpy as np
from cyclopts import Parameter

from ganvas.comparisons.tables import table
from ganvas.images.faces import find_faces
from studies.alignment.labeled import PHOTOS, Eyes, labeled_faces
from studies.command import Out, Threads, show_progress
from studies.files import write_text

Labeled = Annotated[Path, Parameter(help="Zip of faces 000.jpg with label maps 000.png (FASSEG version 2).")]


def study(labeled: Labeled, /, *, out: Out, count: int = 50, threads: Threads = None) -> list[Path]:
    """Find the faces in photos with known eyes, as they are, rotated and small on a page. Writes ``alignment.md``.

    Args:
        count: Number of faces.
    """
    rows, faces = [], list(labeled_faces(labeled, range(count)))
    with TemporaryDirectory() as folder:
        for done, (name, place) in enumerate(PHOTOS.items()):
            show_progress("Photos", done, len(PHOTOS))
            errors, begun = [], time.perf_counter()
            for file, image, eyes in faces:
                photo, known = place(image, eyes)
                path = Path(folder) / file
                photo.save(path, quality=95)
                found = find_faces(path)
                errors.append(relative_error(found[0].eyes, known, photo.size) if found else np.nan)
            rows.append([name, *summary(np.array(errors)), f"{(time.perf_counter() - begun) / count:.2f}"])
    header = ["photos", "faces found", "median error", "9 of 10 below", "largest", "seconds a photo"]
    return [write_text(out / "alignment.md", table([header, *rows]))]


def relative_error(found: Eyes, known: Eyes, size: tuple[int, int]) -> float:
    """Return the larger of the errors of both eyes in pixels, relative to the distance of the known ones."""
    pixels = np.array([found, known]) * np.array(size)
    return float(np.linalg.norm(pixels[0] - pixels[1], axis=1).max() / np.linalg.norm(pixels[1, 0] - pixels[1, 1]))


def summary(errors: np.ndarray) -> list[str]:
    """Return the number found, the median, the 0.9 quantile and the largest of errors; NaN is a face not found."""
    kept = errors[~np.isnan(errors)]
    quantiles = np.quantile(kept, [0.5, 0.9, 1]) if len(kept) else [np.nan] * 3
    return [f"{len(kept)} of {len(errors)}", *(f"{value:.3f}" for value in quantiles)]
