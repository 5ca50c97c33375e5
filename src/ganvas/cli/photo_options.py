"""The options of every command with photos, as the library takes them."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter
from torch import Tensor

from ganvas.cli.progress import Report
from ganvas.errors import GanvasError
from ganvas.generators.labels import label_of
from ganvas.generators.protocol import Generator, Label
from ganvas.images.photos import Box, Point
from ganvas.inversion.photos import Photos, PhotoSettings, check_photos_ood, read_photos


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
    """The color behind transparent photos: a name or #rrggbb."""
    ood: Literal["auto", "on", "off"] = "auto"
    """Warn of photos that are out of distribution for the generator, which takes 450 of its images once; auto checks
    up to 256 pixels."""

    def settings(self) -> PhotoSettings:
        """Return the settings for the library; raises `GanvasError` where the options do not fit each other."""
        if self.eyes and self.crop is not None:
            raise GanvasError("--eyes settle what part of a photo is taken; leave --crop out, or --eyes.")
        eyes = tuple("auto" if text == "auto" else _eyes(text) for text in self.eyes)
        return PhotoSettings(None if self.crop is None else _box(self.crop), eyes, self.background)

    def read(self, paths: Sequence[Path], generator: Generator) -> Photos:
        """Return the photos that can be read, and the errors of the others."""
        return read_photos(paths, generator, self.settings())

    def warnings(
        self, generator: Generator, photos: Tensor, names: Sequence[str], label: Label, report: Report
    ) -> list[str]:
        """Return a sentence for every photo that is out of distribution."""
        return check_photos_ood(generator, photos, names, label=label, check=self.ood, progress=report)


def class_of(generator: Generator, label: str | None) -> int | None:
    """Return the class of all images of a run, None without one; raises `GanvasError` for several."""
    found = label_of(generator, label)
    if isinstance(found, tuple):
        raise GanvasError("All images of one run are of one class; give one --label.")
    return found


def _eyes(text: str) -> tuple[Point, Point]:
    """Return the eyes of "X,Y;X,Y"."""
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
