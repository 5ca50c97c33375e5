"""What every command with photos has: which files, how they are cut, what they are called, a warning of what is far."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Literal, TypeVar

import torch
from cyclopts import Parameter
from torch import Tensor

from ganvas.checkpoints.load import named_regions
from ganvas.cli.progress import Report
from ganvas.errors import GanvasError, ImageError
from ganvas.generators.labels import label_of
from ganvas.generators.protocol import Generator, Label
from ganvas.images.decoding import SUFFIXES
from ganvas.images.eyes import find_eyes
from ganvas.images.photos import Box, Point, read_photo
from ganvas.inversion.encoder import again_by_encoder
from ganvas.metrics.features import FeatureNetwork, load_features
from ganvas.metrics.ood import Again, Familiarity, learn_familiarity, strangenesses
from ganvas.regions.eyes import eye_places_of

LARGEST_CHECKED = 256
Read = TypeVar("Read")


@Parameter(name="*")
@dataclass(frozen=True)
class Preparation:
    """Options on how photos are cut."""

    crop: str | None = None
    """The part of every photo to take: LEFT,TOP,RIGHT,BOTTOM in fractions; its middle square is used."""
    eyes: Annotated[tuple[str, ...], Parameter(negative=())] = ()
    """Where the left and the right eye are in the photo: X,Y;X,Y in fractions, or auto to find a person's (extra
    align). They come to where the generator has eyes. Once for all photos, or once for each, in their order."""
    background: str = "white"
    """What lies behind transparent photos: a color's name or #rrggbb."""
    familiar: Literal["auto", "on", "off"] = "auto"
    """Warn of photos that are far from what the generator knows, which takes 450 of its images once; auto does so up
    to 256 pixels."""

    def check(self, photos: int) -> None:
        """Raise `GanvasError` where the options do not fit each other or so many photos."""
        if self.eyes and self.crop is not None:
            raise GanvasError("--eyes settle what part of a photo is taken; leave --crop out, or --eyes.")
        if len(self.eyes) not in (0, 1, photos):
            raise GanvasError(
                f"--eyes was given {len(self.eyes)} times for {photos} photos; give it once for all, or once for each."
            )

    def read(self, path: Path, generator: Generator, row: int = 0) -> Tensor:
        """Return the photo at the generator's size; `row` is its place among all, of which each may have its eyes."""
        places = eye_places_of(named_regions(generator)) if self.eyes else None
        if self.eyes and places is None:
            raise GanvasError("This generator does not say where eyes belong; leave --eyes out, or give --crop.")
        eyes = _eyes(self.eyes[row if len(self.eyes) > 1 else 0], path) if self.eyes else None
        box = (0.0, 0.0, 1.0, 1.0) if self.crop is None else _box(self.crop)
        side = generator.resolution
        return read_photo(path, side, box=box, eyes=eyes, eye_places=places, background=self.background)

    def warnings(
        self, generator: Generator, photos: Tensor, names: Sequence[str], label: Label, report: Report
    ) -> list[str]:
        """Return a sentence for every photo [3, r, r] that is far from what the generator knows."""
        if self.familiar == "off" or (self.familiar == "auto" and generator.resolution > LARGEST_CHECKED):
            return []
        network = load_features(device=generator.device)
        again = again_by_encoder(generator)
        return strangenesses(network, default_of(generator, network, label, report, again), photos, names, again)


def default_of(
    generator: Generator, network: FeatureNetwork, label: Label, report: Report, again: Again | None = None
) -> Familiarity:
    """Return what is usual for a generator, which is learnt from its images the first time; with what is usually lost
    where they are made `again`.
    """
    told = partial(report, "Learning what is usual")
    return learn_familiarity(network, generator, label=label, again=again, progress=told)


def read_all(
    paths: Sequence[Path], generator: Generator, preparation: Preparation
) -> tuple[Tensor, list[int], list[tuple[Path, ImageError]]]:
    """Return the photos that can be read, their places among `paths`, and what is wrong with the others.

    Raises `ImageError` where none can be read.
    """
    preparation.check(len(paths))
    images, rows, bad = read_each(paths, lambda row, path: preparation.read(path, generator, row))
    return torch.cat(images), rows, bad


def read_each(
    paths: Sequence[Path], read: Callable[[int, Path], Read], what: str = "photos"
) -> tuple[list[Read], list[int], list[tuple[Path, ImageError]]]:
    """Return what `read` makes, by place and path, of the files that it can read, their places among `paths`, and what
    is wrong with the others; raises `ImageError` where it can read none. Messages say `what` they are.
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
        raise bad[0][1] if len(bad) == 1 else ImageError(complaint(bad, len(paths), what))
    return found, rows, bad


def images_in(paths: Sequence[Path]) -> list[Path]:
    """Return the files meant by paths, of which a folder stands for the images in it, sorted by name.

    Raises `GanvasError` for a folder without an image.
    """
    found: list[Path] = []
    for path in paths:
        inside = sorted(one for one in path.iterdir() if is_photo(one)) if path.is_dir() else [path]
        if not inside:
            raise GanvasError(f"The folder '{path}' holds no image ({', '.join(SUFFIXES)}); give another.")
        found += inside
    return found


def is_photo(path: Path) -> bool:
    """Tell by its name whether a file is an image that is not hidden."""
    return path.suffix.lower() in SUFFIXES and not path.name.startswith(".")


def different(names: Sequence[str]) -> list[str]:
    """Return names for files of which no two are the same, on file systems without capitals either: "-2", "-3" and so
    on are added to those that were there before.
    """
    taken: set[str] = set()
    given = {name.lower() for name in names}
    result = []
    for name in names:
        one, count = name, 1
        while one.lower() in taken or (count > 1 and one.lower() in given):
            count += 1
            one = f"{name}-{count}"
        taken.add(one.lower())
        result.append(one)
    return result


def class_of(generator: Generator, label: str | None) -> int | None:
    """Return the class of all images of a run, None without one; raises `GanvasError` for several."""
    found = label_of(generator, label)
    if isinstance(found, tuple):
        raise GanvasError("All images of one run are of one class; give one --label.")
    return found


def complaint(bad: Sequence[tuple[Path, ImageError]], count: int, what: str = "photos") -> str:
    """Return what is wrong with the images that cannot be used."""
    reasons = "\n".join(f"  {error}" for _, error in bad)
    done = "nothing was made" if len(bad) == count else "the others are done"
    return f"{len(bad)} of {count} {what} cannot be used; {done}:\n{reasons}"


def _eyes(text: str, photo: Path) -> tuple[Point, Point]:
    """Return the eyes meant by "X,Y;X,Y" or, in a photo, by "auto"."""
    if text == "auto":
        return find_eyes(photo)
    try:
        first, second = (tuple(map(float, point.split(","))) for point in text.split(";"))
        (left, top), (right, bottom) = first, second
    except ValueError:
        raise GanvasError(f"'{text}' are no eyes; write X,Y;X,Y such as 0.35,0.4;0.62,0.41, or auto.") from None
    return (left, top), (right, bottom)


def _box(text: str) -> Box:
    try:
        left, top, right, bottom = map(float, text.split(","))
    except ValueError:
        raise GanvasError(f"'{text}' is no part of a photo; write LEFT,TOP,RIGHT,BOTTOM such as 0,0.1,1,0.9.") from None
    return left, top, right, bottom
