"""Photo files made ready for inversion: read, cropped or aligned, and checked for being out of distribution."""

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeVar

import torch
from jaxtyping import Float
from torch import Tensor

from ganvas.checkpoints.load import named_regions
from ganvas.errors import GanvasError, ImageError
from ganvas.generators.protocol import Generator, Label
from ganvas.images.dataset_files import counted_kinds, holding, images_in
from ganvas.images.eyes import find_eyes
from ganvas.images.photos import WHOLE, Box, Point, read_photo
from ganvas.inversion.encoder import encoder_reconstructor
from ganvas.io.progress import Progress
from ganvas.metrics.features import load_features
from ganvas.metrics.ood import fit_ood_detector, ood_warnings
from ganvas.regions.eyes import eye_places_of

LARGEST_CHECKED = 256  # pixels up to which "auto" checks photos
Eyes = tuple[Point, Point] | Literal["auto"]
OODCheck = Literal["auto", "on", "off"]
Read = TypeVar("Read")


@dataclass(frozen=True)
class PhotoSettings:
    """How photos are cropped or aligned.

    Attributes:
        box: The part of every photo to take, (left, top, right, bottom) in fractions; its middle square is used.
        eyes: The left and the right eye in fractions, or "auto" to find those of a person; they come to where the
            generator has eyes. Empty: no alignment. One entry for all photos, or one per photo.
        background: The color behind transparent photos: a name or "#rrggbb".

    Raises:
        GanvasError: Both a box and eyes are given.
    """

    box: Box | None = None
    eyes: tuple[Eyes, ...] = ()
    background: str = "white"

    def __post_init__(self) -> None:
        if self.eyes and self.box is not None:
            raise GanvasError("Eyes decide what part of a photo is taken; leave the crop out, or the eyes.")

    def check_count(self, photos: int) -> None:
        """Raise `GanvasError` where the eyes do not fit the number of photos."""
        if len(self.eyes) not in (0, 1, photos):
            raise GanvasError(
                f"Eyes were given {len(self.eyes)} times for {photos} photos; give them once for all, or once for each."
            )


@dataclass(frozen=True)
class Photos:
    """Photos [n, 3, r, r] at a generator's resolution, their files, and the errors of unreadable files."""

    images: Float[Tensor, "n 3 r r"]
    files: tuple[Path, ...]
    rows: tuple[int, ...]  # the places of `files` among all that were given
    unreadable: tuple[tuple[Path, ImageError], ...] = ()


def read_aligned_photo(
    path: Path, generator: Generator, settings: PhotoSettings = PhotoSettings(), row: int = 0
) -> Float[Tensor, "1 3 r r"]:
    """Return a photo at the generator's resolution; with eyes per photo, `row` says which are its own.

    Raises `GanvasError` for eyes where the generator has none, `ImageError` for an unreadable file.
    """
    targets = eye_places_of(named_regions(generator)) if settings.eyes else None
    if settings.eyes and targets is None:
        raise GanvasError("It is not known where this generator has eyes; leave --eyes out, or give --crop.")
    eyes: Eyes | None = settings.eyes[row if len(settings.eyes) > 1 else 0] if settings.eyes else None
    return read_photo(
        path,
        generator.resolution,
        box=settings.box or WHOLE,
        eyes=find_eyes(path) if eyes == "auto" else eyes,
        eye_places=targets,
        background=settings.background,
    )


def read_photos(paths: Sequence[Path], generator: Generator, settings: PhotoSettings = PhotoSettings()) -> Photos:
    """Return the photos that can be read, and the errors of the others; raises `ImageError` where none can be read."""
    settings.check_count(len(paths))
    images, rows, unreadable = read_each(paths, lambda row, path: read_aligned_photo(path, generator, settings, row))
    return Photos(torch.cat(images), tuple(paths[row] for row in rows), tuple(rows), tuple(unreadable))


def read_each(
    paths: Sequence[Path], read: Callable[[int, Path], Read], what: str = "photos"
) -> tuple[list[Read], list[int], list[tuple[Path, ImageError]]]:
    """Return what `read` returns for the index and path of each file that it can read, the indices of these, and the
    errors of the others; raises `ImageError` where it can read none. Messages call the files `what`.
    """
    found, rows, bad = list[Read](), list[int](), list[tuple[Path, ImageError]]()
    for row, path in enumerate(paths):
        try:
            found.append(read(row, path))
            rows.append(row)
        except ImageError as error:
            bad.append((path, error))
        except MemoryError:
            bad.append((path, ImageError(f"Cannot read '{path}': there is too little memory; make it smaller.")))
    if not found:
        raise bad[0][1] if len(bad) == 1 else ImageError(unreadable_message(bad, len(paths), what))
    return found, rows, bad


def unreadable_message(bad: Sequence[tuple[Path, ImageError]], count: int, what: str = "photos") -> str:
    """Return the message on files that cannot be used."""
    reasons = "\n".join(f"  {error}" for _, error in bad)
    done = "nothing was made" if len(bad) == count else "the others are done"
    return f"{len(bad)} of {count} {what} cannot be used; {done}:\n{reasons}"


def photo_files(paths: Sequence[Path]) -> list[Path]:
    """Return the files of paths, with the images in a folder, sorted by name, in its place; warns of the files in a
    folder that are none.

    Raises `GanvasError` for a folder without an image.
    """
    found: list[Path] = []
    for path in paths:
        inside, others = images_in(path) if path.is_dir() else ([path], {})
        if not inside:
            raise GanvasError(f"The folder '{path}' holds no image{holding(others)}; give another.")
        if others:
            warnings.warn(f"Left out of '{path}', for they hold no image: {counted_kinds(others)}.", stacklevel=2)
        found += inside
    return found


def unique_names(names: Sequence[str]) -> list[str]:
    """Return names of which no two are the same, on case-insensitive file systems either: "-2", "-3" and so on are
    appended to those that occurred before.
    """
    taken: set[str] = set()
    given = {name.lower() for name in names}
    result = []
    for name in names:
        unique, count = name, 1
        while unique.lower() in taken or (count > 1 and unique.lower() in given):
            count += 1
            unique = f"{name}-{count}"
        taken.add(unique.lower())
        result.append(unique)
    return result


def check_photos_ood(
    generator: Generator,
    photos: Float[Tensor, "n 3 r r"],
    names: Sequence[str],
    *,
    label: Label = None,
    check: OODCheck = "auto",
    progress: Progress | None = None,
) -> list[str]:
    """Return a warning for every photo that is out of distribution for the generator.

    The first check fits an OOD detector to 450 images of the generator and keeps it; "auto" checks up to 256 pixels.
    """
    if check == "off" or (check == "auto" and generator.resolution > LARGEST_CHECKED):
        return []
    network, reconstructor = load_features(device=generator.device), encoder_reconstructor(generator)
    detector = fit_ood_detector(network, generator, label=label, reconstructor=reconstructor, progress=progress)
    return ood_warnings(network, detector, photos, names, reconstructor)
