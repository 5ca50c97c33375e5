"""Label maps from files with the latents of their images: generated images by their seeds, photos inverted first."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from ganvas.errors import ImageError, RegionError
from ganvas.generators.protocol import Generator
from ganvas.images.dataset_files import images_in
from ganvas.images.photos import resample
from ganvas.inversion.open import open_photo
from ganvas.io.progress import Progress, silent
from ganvas.latents.latent import Latent
from ganvas.parts.find import typical
from ganvas.regions.mask_files import read_label_map
from ganvas.regions.part_model import MOST_PARTS

SEED = re.compile(r"seed[-_ ]?(\d{1,9})")


def read_labeled(
    folder: Path, generator: Generator, progress: Progress | None = None
) -> tuple[Latent, Int[Tensor, "n h w"]]:
    """Return the latents and label maps [n, r, r] of a folder of PNG files.

    ``seed-4.png`` is drawn on the image of seed 4 at truncation 0.7, as ``ganvas sample`` writes it; any other map lies
    beside the photo of its name, such as ``me.jpg``, which is aligned and inverted, and its labels with it. Raises
    `RegionError` for a folder without label maps, or a map without its photo.
    """
    report, files = progress or silent, sorted(path for path in folder.glob("*.png") if path.is_file())
    if not files:
        raise RegionError(f"'{folder}' holds no label maps; draw them as seed-4.png, or as me.png beside me.jpg.")
    photos = {path.stem: path for path in images_in(folder)[0] if path.suffix.lower() != ".png"}
    latents, labels = [], []
    for number, file in enumerate(files):
        latent, frame = _latent_of(file, photos, generator)
        latents.append(latent.to_space(generator, "w+" if "w+" in generator.spaces else latent.space))
        labels.append(labels_in_frame(_checked(file), frame, generator.resolution))
        report("Reading labeled images", number + 1, len(files))
    codes = torch.cat([one.codes for one in latents])
    names = tuple(file.stem for file in files)
    return replace(latents[0], codes=codes, names=names, seeds=(), photo=None, source=str(folder)), torch.stack(labels)


def _latent_of(file: Path, photos: dict[str, Path], generator: Generator) -> tuple[Latent, Tensor]:
    """Return the latent of a label map's image, and the map from its fractions to those of the labels."""
    if found := SEED.fullmatch(file.stem.casefold()):
        return typical(generator, [int(found[1])]), torch.eye(2, 3).double()
    if file.stem not in photos:
        raise RegionError(f"'{file}' has no photo {file.stem}.jpg beside it; call it seed-4.png if it is of seed 4.")
    opened = open_photo(photos[file.stem], generator, tune=False)
    return opened.latent, opened.photo.frame


def _checked(file: Path) -> Int[np.ndarray, "h w"]:
    labels = read_label_map(file)
    if labels.max() >= MOST_PARTS:
        raise ImageError(f"'{file}' holds labels up to {labels.max()}; give at most {MOST_PARTS - 1}.")
    return labels


def labels_in_frame(
    labels: Int[np.ndarray, "h w"], frame: Float[Tensor, "2 3"], resolution: int
) -> Int[Tensor, "resolution resolution"]:
    """Return a label map in the square that `frame` maps into it: at each pixel the label that covers most of it."""
    known = np.unique(labels)
    masks = torch.from_numpy(np.stack([labels == label for label in known])).float()[None]
    shares = resample(masks, frame, resolution)[0]
    return torch.from_numpy(known.astype(np.int64))[shares.argmax(0)]
