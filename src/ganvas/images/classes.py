"""Classes of an image set: from the labels that lie beside the images, or one for each subfolder or zip."""

import json
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any

import numpy as np
import torch
from jaxtyping import Int
from torch import Tensor

from ganvas.errors import TrainingError
from ganvas.images.dataset_files import LABELS
from ganvas.images.datasets import ImageSet, shuffled

FORMS = (
    f"give a folder with a subfolder or a zip of images for each class, or images with a {LABELS} that has "
    '{"labels": [["a.png", 0], ...]}'
)


@dataclass(frozen=True)
class Classes:
    """The classes of an image set: their ``names``, and the class number of each image [n]."""

    names: tuple[str, ...]
    numbers: Int[np.ndarray, "n"]

    def balanced(self, seed: int, first: int, last: int) -> Int[np.ndarray, "count"]:
        """Return the indices of images at positions first..last-1 of an endless sequence in which classes take turns.

        Position p has class ``p mod classes``; the images of a class come in shuffled epochs of their own.
        """
        positions, count = np.arange(first, last), len(self.names)
        chosen = np.empty(len(positions), dtype=int)
        for number in range(count):
            turns = positions[positions % count == number] // count
            if len(turns):
                members = np.flatnonzero(self.numbers == number)
                order = shuffled(seed, int(turns[0]), int(turns[-1]) + 1, len(members))
                chosen[positions % count == number] = members[order]
        return chosen

    def of(self, indices: Int[np.ndarray, "n"], device: torch.device | str = "cpu") -> Int[Tensor, "n"]:
        """Return the class numbers of images."""
        return torch.from_numpy(self.numbers[indices]).to(device)


def find_classes(images: ImageSet) -> Classes:
    """Return the classes of an image set, two at least.

    Where its folder or zip has a ``dataset.json`` in NVIDIA's layout, ``{"labels": [["a.png", 0], ...]}``, its numbers
    count, and the names under "classes" where it has them; else each of the outermost folders, or zips, is a class.

    Raises:
        TrainingError: There are no classes, an image has none, or a class has no images.
    """
    described = _described(Path(images.summary.source))
    if described.get("labels"):
        numbers, names = _by_labels(images.names, described)
    else:
        numbers, names = _by_folders(images.names, images.summary.source)
    counts = np.bincount(numbers, minlength=len(names))
    if len(names) < 2 or counts.min() == 0:
        empty = [name for name, count in zip(names, counts, strict=True) if count == 0]
        found = f"no image for class {empty[0]}" if empty else f"{len(names)} class"
        raise TrainingError(f"'{images.summary.source}' has {found}, and two or more are needed: {FORMS}.")
    return Classes(names, numbers)


def count_labels(images: ImageSet) -> int:
    """Return how many different labels a ``dataset.json`` beside an image set gives, 0 where there is none."""
    try:
        return len({json.dumps(label) for _, label in _described(Path(images.summary.source)).get("labels") or ()})
    except (TrainingError, TypeError, ValueError):
        return 0


def _described(source: Path) -> dict[str, Any]:
    """Return what the source's file of labels holds, nothing where there is none."""
    try:
        if source.is_dir():
            text = (source / LABELS).read_text("utf-8") if (source / LABELS).is_file() else "{}"
        else:
            with zipfile.ZipFile(source) as archive:
                text = archive.read(LABELS).decode("utf-8") if LABELS in archive.namelist() else "{}"
        described = json.loads(text)
    except (OSError, ValueError, zipfile.BadZipFile, NotImplementedError, RuntimeError) as reason:
        raise TrainingError(f"The {LABELS} of '{source}' cannot be read ({reason}); mend it or remove it.") from reason
    return described if isinstance(described, dict) else {}


def _by_labels(files: Sequence[str], described: dict[str, Any]) -> tuple[Int[np.ndarray, "n"], tuple[str, ...]]:
    try:
        labels = {PurePath(name).as_posix(): number for name, number in described["labels"]}
        found = [labels.get(PurePath(name).as_posix()) for name in files]
        highest = max(labels.values())
        names = tuple(str(name) for name in described.get("classes") or range(highest + 1))
    except (TypeError, ValueError) as reason:
        raise TrainingError(f"The labels of {LABELS} are not understood ({reason}): {FORMS}.") from reason
    for name, number in zip(files, found, strict=True):
        if type(number) is not int or not 0 <= number < len(names):
            raise TrainingError(
                f"{LABELS} gives {name} the label {number}; give each image a class number from 0 to {len(names) - 1}."
            )
    return np.array(found), names


def _by_folders(files: Sequence[str], source: str) -> tuple[Int[np.ndarray, "n"], tuple[str, ...]]:
    outside = next((name for name in files if len(PurePath(name).parts) < 2), None)
    if outside is not None:
        raise TrainingError(f"{outside} of '{source}' is in no class's folder: {FORMS}.")
    folders = [PurePath(name).parts[0].removesuffix(".zip") for name in files]
    names = tuple(sorted(set(folders)))
    number_of = {name: number for number, name in enumerate(names)}
    return np.array([number_of[name] for name in folders]), names
