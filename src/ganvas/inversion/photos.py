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
from ganvas.errors.arguments import checked, checked_as
from ganvas.generators.protocol import Generator, Label, about_of
from ganvas.images.aligned import origin_of
from ganvas.images.dataset_files import counted_kinds, holding, images_in
from ganvas.images.face_finders import FaceFinder, finder_named
from ganvas.images.faces import Face
from ganvas.images.photos import WHOLE, Box, Point, read_photo_in_frame
from ganvas.inversion.encoder import encoder_reconstructor
from ganvas.io.progress import Progress
from ganvas.metrics.features import SMALLEST, load_features
from ganvas.metrics.ood import fit_ood_detector, ood_warnings
from ganvas.regions.eyes import eye_places_of

LARGEST_CHECKED = 256  # pixels up to which "auto" checks photos
Eyes = tuple[Point, Point] | Literal["auto"]
OODCheck = Literal["auto", "on", "off"]
Read = TypeVar("Read")


@checked
@dataclass(frozen=True)
class PhotoSettings:
    """How photos are cropped or aligned. With the defaults, the face of a person or the head of a cat, whichever the
    generator makes, is found and aligned by itself where its eye positions are known; other photos are taken as they
    are.

    Attributes:
        box: The part of every photo to take, (left, top, right, bottom) in fractions; its middle square is used.
        eyes: The left and the right eye in fractions, or "auto" for those of a face, which must then be found; they
            come to where the generator has eyes. One entry for all photos, or one per photo.
        background: The color behind transparent photos: a name or "#rrggbb".
        face: Which face of a photo with several, 1 the largest.
        as_is: Take the middle square without looking for a face, and accept photos that are out of distribution.
        ood: Whether it is checked if photos are out of distribution: "on", "off", or "auto" for up to 256 pixels.

    Raises:
        GanvasError: A box, eyes and `as_is` are given together, or a face below 1.
    """

    box: Box | None = None
    eyes: tuple[Eyes, ...] = ()
    background: str = "white"
    face: int = 1
    as_is: bool = False
    ood: OODCheck = "auto"

    def __post_init__(self) -> None:
        if self.eyes and self.box is not None:
            raise GanvasError("Eyes decide what part of a photo is taken; leave the crop out, or the eyes.")
        if self.as_is and (self.eyes or self.box is not None or self.face != 1):
            raise GanvasError("A photo as it is has no crop, eyes or face to choose; leave one of them out.")
        if self.face < 1:
            raise GanvasError(f"Faces are counted from 1, the largest; {self.face} was given.")

    def check_count(self, photos: int) -> None:
        """Raise `GanvasError` where the eyes do not fit the number of photos."""
        if len(self.eyes) not in (0, 1, photos):
            raise GanvasError(
                f"Eyes were given {len(self.eyes)} times for {photos} photos; give them once for all, or once for each."
            )


@dataclass(frozen=True)
class AlignedPhoto:
    """A photo at a generator's resolution.

    Attributes:
        image: [1, 3, r, r] in [-1, 1].
        frame: [2, 3], the affine map from fractions of the image to fractions of the upright photo.
        how: What was done with the photo, as a phrase: "aligned by the eyes of its face".
        chosen: Whether a person, or a face found beyond doubt, decided what part of the photo is taken; if not, it may
            be a wrong one.
        advice: What may help where the photo is out of distribution: options of the command line.
    """

    image: Float[Tensor, "1 3 r r"]
    frame: Float[Tensor, "2 3"]
    how: str
    chosen: bool = True
    advice: str = ""


@dataclass(frozen=True)
class Photos:
    """Photos [n, 3, r, r] at a generator's resolution, their files, and the errors of unreadable files."""

    images: Float[Tensor, "n 3 r r"]
    files: tuple[Path, ...]
    rows: tuple[int, ...]  # the places of `files` among all that were given
    unreadable: tuple[tuple[Path, ImageError], ...] = ()
    aligned: tuple[AlignedPhoto, ...] = ()

    @property
    def frames(self) -> Float[Tensor, "n 2 3"]:
        """The maps from fractions of the images to fractions of the upright files."""
        return torch.stack([one.frame for one in self.aligned])


@checked_as(ImageError)
def align_photo(
    path: str | Path,
    generator: Generator,
    settings: PhotoSettings = PhotoSettings(),
    row: int = 0,
    size: int | None = None,
) -> AlignedPhoto:
    """Read a photo for a generator: its face aligned to where the generator has faces, a part of it, or its middle.

    Args:
        path: An image file; its EXIF orientation is applied.
        generator: The generator; its named regions say where it has eyes.
        settings: What part of the photo is taken.
        row: With eyes per photo in `settings`, which are those of this one.
        size: Pixels of a side of the result; the generator's resolution by default.

    Returns:
        The photo at the generator's resolution, with the map back into the file.

    Raises:
        GanvasError: Eyes or a face are asked for where the generator has no known eye positions, or cannot be found
            because the extra ``align`` is not installed.
        ImageError: The file cannot be read, or has no such face.

    Example:
        >>> import ganvas, torch
        >>> G = ganvas.load("faces-dcgan")
        >>> path = ganvas.write_image("gray.png", torch.zeros(1, 3, 90, 120))
        >>> photo = ganvas.align_photo(path, G, ganvas.PhotoSettings(box=(0.0, 0.0, 0.75, 1.0)))
        >>> photo.image.shape, photo.how
        (torch.Size([1, 3, 64, 64]), 'cropped')
    """
    places = eye_places_of(named_regions(generator))
    asked: Eyes | None = settings.eyes[row if len(settings.eyes) > 1 else 0] if settings.eyes else None
    if places is None and (asked is not None or settings.face != 1):
        raise GanvasError("It is not known where this generator has eyes; leave --eyes and --face out, or give --crop.")
    eyes, how, chosen, advice = None, "cropped", True, ""
    if asked is not None and asked != "auto":
        eyes, how = asked, "aligned by its eyes"
    elif settings.as_is:
        how = "taken as it is"
    elif settings.box is None and asked is None and origin_of(path) is not None:
        how = "aligned before"
    elif settings.box is None:
        finder = None if places is None else finder_named(about_of(generator).face_finder)
        found, how, advice = _face_found(path, settings, finder, asked == "auto" or settings.face != 1)
        eyes, chosen = (found.eyes, found.certain) if found else (None, False)
    image, frame = read_photo_in_frame(
        path,
        size or generator.resolution,
        box=settings.box or WHOLE,
        eyes=eyes,
        eye_places=places,
        background=settings.background,
    )
    return AlignedPhoto(image, frame, how, chosen, advice)


def _face_found(
    path: str | Path, settings: PhotoSettings, finder: FaceFinder | None, needed: bool
) -> tuple[Face | None, str, str]:
    """Return the face that the settings choose or None, what was done, and what may help."""
    by_hand = "give the eyes with --eyes X,Y:X,Y, a part of the photo with --crop, or --as-is"
    if finder is None:
        return None, "taken as it is", "give a part of the photo with --crop, or --as-is"
    if not needed and not finder.installed():
        missing = f"taken as it is, since its face cannot be found without {finder.install}"
        return None, missing, f"{finder.install}, or {by_hand}"
    faces = finder.find(path)
    if len(faces) < settings.face and (faces or needed):
        counted = "One face was" if len(faces) == 1 else f"{len(faces)} faces were"
        raise ImageError(f"{counted} found in '{path}', not {settings.face}; choose another, or {by_hand}.")
    if not faces:
        return None, f"taken as it is, since no {finder.face} was found in it", by_hand
    others = f", the {_ordinal(settings.face)} of {len(faces)}; --face chooses another" if len(faces) > 1 else ""
    face = faces[settings.face - 1]
    if not face.certain:
        return face, f"aligned by what may be the {finder.face}{others}", by_hand
    return face, f"aligned by {finder.aligned_by}{others}", ""


def _ordinal(number: int) -> str:
    return "largest" if number == 1 else f"number {number} by size"


def read_photos(paths: Sequence[Path], generator: Generator, settings: PhotoSettings = PhotoSettings()) -> Photos:
    """Return the photos that can be read, and the errors of the others; raises `ImageError` where none can be read."""
    settings.check_count(len(paths))
    aligned, rows, unreadable = read_each(paths, lambda row, path: align_photo(path, generator, settings, row))
    images = torch.cat([one.image for one in aligned])
    return Photos(images, tuple(paths[row] for row in rows), tuple(rows), tuple(unreadable), tuple(aligned))


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


def accept_photos(
    photos: Photos,
    generator: Generator,
    settings: PhotoSettings,
    *,
    label: Label = None,
    progress: Progress | None = None,
) -> tuple[Photos, list[str]]:
    """Return the photos that may be inverted, and warnings on those of them that are out of distribution. One of which
    neither a found face nor the settings decided what part is taken is put among the unreadable ones; its message says
    what helps. Raises `ImageError` where no photo is left.
    """
    names = [file.stem for file in photos.files]
    messages = check_photos_ood(generator, photos.images, names, label=label, check=settings.ood, progress=progress)
    refused = {
        row: ImageError(f"{message} It was {photos.aligned[row].how}: {photos.aligned[row].advice}.")
        for row, message in enumerate(messages)
        if message and not (photos.aligned[row].chosen or settings.as_is)
    }
    kept = [row for row in range(len(names)) if row not in refused]
    unreadable = (*photos.unreadable, *((photos.files[row], error) for row, error in refused.items()))
    if not kept:
        bad = len(unreadable)
        raise unreadable[0][1] if bad == 1 else ImageError(unreadable_message(unreadable, bad))
    accepted = Photos(
        photos.images[kept],
        tuple(photos.files[row] for row in kept),
        tuple(photos.rows[row] for row in kept),
        unreadable,
        tuple(photos.aligned[row] for row in kept),
    )
    return accepted, [messages[row] for row in kept if messages[row]]


def refuse_unreadable(bad: Sequence[tuple[Path, ImageError]], count: int, what: str = "photos") -> None:
    """Raise `ImageError` where any of the files cannot be used."""
    if bad:
        raise ImageError(unreadable_message(bad, count, what))


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
    """Return a warning for every photo, "" where it is not out of distribution for the generator.

    The first check fits an OOD detector to 450 images of the generator and keeps it; "auto" checks from 16 pixels,
    which the feature network needs, to 256.
    """
    if check == "off" or (check == "auto" and not SMALLEST <= generator.resolution <= LARGEST_CHECKED):
        return [""] * len(photos)
    network, reconstructor = load_features(device=generator.device), encoder_reconstructor(generator)
    detector = fit_ood_detector(network, generator, label=label, reconstructor=reconstructor, progress=progress)
    return ood_warnings(network, detector, photos, names, reconstructor)
