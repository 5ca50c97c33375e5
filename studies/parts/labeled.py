"""Labeled photos as a generator sees them: aligned by the eyes of their own label maps, and inverted once."""

import tempfile
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from ganvas.generators.protocol import Generator
from ganvas.inversion.encoder import default_start
from ganvas.inversion.invert import invert
from ganvas.inversion.labeled import labels_in_frame
from ganvas.inversion.photos import PhotoSettings, align_photo
from ganvas.inversion.settings import InversionSettings
from ganvas.latents.files import load_latent
from ganvas.latents.latent import Latent
from ganvas.regions.mask_files import read_label_map
from studies.command import show_progress

LABELS = ("background", "hair", "skin", "eyes", "nose", "mouth")
EYES = LABELS.index("eyes")
HELD_OUT = (2, 4, 5, 8, 10, 13, 16, 17, 20, 23, 25, 26, 29, 31, 34, 37, 40, 41, 44, 47)
"""The faces, counted in their order, that take no part in training; chosen before anything was computed."""
STEPS, AT_ONCE = 150, 4


@dataclass(frozen=True)
class LabeledFaces:
    """Faces with their label maps [n, h, w] at the generator's size, and their latents."""

    latent: Latent
    labels: Int[Tensor, "n h w"]

    def rows(self, chosen: Sequence[int]) -> "LabeledFaces":
        """Return some of them."""
        return LabeledFaces(self.latent.rows(chosen), self.labels[list(chosen)])

    def __len__(self) -> int:
        return len(self.labels)


def read_labeled(archive: Path, generator: Generator, kept: Path) -> LabeledFaces:
    """Return the faces of a zip of NNN.jpg and NNN.png, inverted into w+ and kept in the folder `kept`."""
    with tempfile.TemporaryDirectory() as folder, zipfile.ZipFile(archive) as zipped:
        zipped.extractall(folder)
        files = sorted(Path(folder).glob("*.jpg"))
        pairs = [_aligned(file, generator) for file in files]
    photos, labels = torch.cat([photo for photo, _ in pairs]), torch.stack([one for _, one in pairs])
    settings = InversionSettings(steps=STEPS, start=default_start(generator, "w+"))
    paths = [kept / f"face-{row:02d}.safetensors" for row in range(len(photos))]
    missing = [row for row, path in enumerate(paths) if not path.is_file()]
    missing.sort(key=lambda row: row not in HELD_OUT)
    kept.mkdir(parents=True, exist_ok=True)
    for first in range(0, len(missing), AT_ONCE):
        rows = missing[first : first + AT_ONCE]
        found = invert(generator, photos[rows], settings).latent
        for row, one in zip(rows, found, strict=True):
            one.save(paths[row])
        show_progress("faces inverted", first + len(rows), len(missing))
    return LabeledFaces(Latent(torch.cat([load_latent(path).codes for path in paths]), "w+"), labels)


def _aligned(file: Path, generator: Generator) -> tuple[Float[Tensor, "1 3 r r"], Int[Tensor, "r r"]]:
    """Return a photo and its label map in the generator's frame."""
    labels = read_label_map(file.with_suffix(".png"))
    photo = align_photo(file, generator, PhotoSettings(eyes=(eyes_of(labels),)))
    return photo.image, labels_in_frame(labels, photo.frame, generator.resolution)


def eyes_of(labels: Int[np.ndarray, "h w"]) -> tuple[tuple[float, float], tuple[float, float]]:
    """Return the middles (x, y) of the left and the right eye in fractions: label 3, split at its middle column."""
    rows, columns = np.nonzero(labels == EYES)
    left = columns < (columns.min() + columns.max()) / 2
    height, width = labels.shape
    places = [((columns[eye].mean() + 0.5) / width, (rows[eye].mean() + 0.5) / height) for eye in (left, ~left)]
    return (float(places[0][0]), float(places[0][1])), (float(places[1][0]), float(places[1][1]))
