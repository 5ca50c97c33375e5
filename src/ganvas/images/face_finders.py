"""What finds faces in photos, by the name that a generator's file says: of people or of cats."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from ganvas.errors import GanvasError
from ganvas.images.faces import INSTALL, Face, can_find_faces, find_faces
from ganvas.images.heads import find_cats

PEOPLE = "people"


@dataclass(frozen=True)
class FaceFinder:
    """Finds faces of one kind in a photo.

    Attributes:
        find: Returns the faces in the photo of a path, the largest first.
        face: What it finds, in words: "face of a person".
        aligned_by: By what of it a photo is aligned, in words: "the eyes of its face".
        install: How to install what it needs.
        installed: Returns whether that is installed.
    """

    find: Callable[[str | Path], list[Face]]
    face: str
    aligned_by: str
    install: str = ""
    installed: Callable[[], bool] = lambda: True


FINDERS: Mapping[str, FaceFinder] = MappingProxyType(
    {
        PEOPLE: FaceFinder(find_faces, "face of a person", "the eyes of its face", INSTALL, can_find_faces),
        "cats": FaceFinder(find_cats, "head of a cat", "the head of the cat"),
    }
)


def finder_named(name: str) -> FaceFinder:
    """Return the finder of this name, people's for ""; raises `GanvasError` where there is none."""
    if (name or PEOPLE) not in FINDERS:
        raise GanvasError(f"There is no face finder '{name}'; there are {', '.join(FINDERS)}.")
    return FINDERS[name or PEOPLE]
