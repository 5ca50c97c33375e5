"""Edits put back into the photos that they were made from, at the photo's own size, bits, orientation and colors."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from operator import or_
from pathlib import Path
from typing import Literal, TypeVar

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from ganvas.directions.find import region_of
from ganvas.edits.confine import ConfineSettings
from ganvas.edits.recipe import Recipe
from ganvas.edits.render import render
from ganvas.errors import ImageError, LatentError
from ganvas.errors.arguments import checked
from ganvas.errors.ranges import Fraction
from ganvas.generators.protocol import Generator, check_generator
from ganvas.images.aligned import origin_of
from ganvas.images.color import ProfileError
from ganvas.images.paste_back import Placement, feathered, kept_detail, paste
from ganvas.images.photos import composed, in_file, read_in_frame
from ganvas.images.pixels import check_image, luma
from ganvas.images.profile_colors import ColorSpace, color_space
from ganvas.images.rewriting import check_holds, write_stored
from ganvas.images.stored_photo import StoredPhoto, read_stored
from ganvas.latents.latent import Latent
from ganvas.parts.located import settled
from ganvas.regions import Region
from ganvas.regions.part import Part

MOST_DIFFERENT = 0.25  # RMS, in [-1, 1], by which a photo may differ from what was inverted; other faces: 0.4 to 0.7


@dataclass(frozen=True)
class PastedPhoto:
    """A written photo with an edit in it.

    Attributes:
        path: The file.
        changed: How many pixels the edit may have changed; all others are those of the photo's file.
        pixels: How many pixels the photo has.
        detail: How much of the photo's detail was kept, the mean over the region.
        notes: What is different beside the edit: that a JPEG was coded again, for example.
        inside: [h, w], in the file's orientation: which pixels the edit may have changed.
    """

    path: Path
    changed: int
    pixels: int
    detail: float
    notes: tuple[str, ...]
    inside: Bool[np.ndarray, "h w"]

    @property
    def described(self) -> str:
        """What was done, in a sentence."""
        kept = "" if any(note.startswith("JPEG") for note in self.notes) else ", the others kept bit for bit"
        facts = [f"{self.changed:,} of {self.pixels:,} pixels changed{kept}", *self.notes]
        return f"{self.path.name}: {'; '.join(facts)}"

    def __repr__(self) -> str:
        return f"PastedPhoto('{self.path}', {self.changed:,} of {self.pixels:,} pixels changed)"


@checked
def paste_back(
    generator: Generator,
    edited: Recipe | Latent | Tensor,
    photo: str | Path | None,
    path: str | Path,
    *,
    original: Latent | None = None,
    region: Region | Part | str | None = None,
    rim: Fraction = ConfineSettings.rim,
    detail: Literal["auto"] | Fraction = "auto",
) -> PastedPhoto:
    """Write a photo with an edit in it: the photo's own pixels, and inside the region what the edit changed.

    The file has the photo's size, orientation, bits, color profile, transparency and EXIF data. Beyond the region and
    its rim every pixel is the photo's; only JPEG, which keeps no exact pixels, codes all of them again.

    Args:
        generator: The generator that the photo was inverted with.
        edited: A recipe that begins with a photo's latent, an edited latent, or its image, [1, 3, r, r].
        photo: The photo's file, also where it has another size than the inverted one; None for the latent's source.
        path: The file to write, of the photo's format or ``.png``; also ``.jpg`` or ``.webp``.
        original: The photo's latent, of one image, from `open_latent` or ``ganvas invert``; a recipe has its own.
        region: Where the photo may change, in the generator's image; by default the regions of a recipe whose
            operations all have one, else everywhere.
        rim: As in `ConfineSettings`: around the region the change is whole in a band of half this width, and fades out
            in the next.
        detail: How much of the photo's fine detail stays in the region: 1 adds the change to the photo, 0 shows the
            edited image itself, as coarse as the generator; "auto" keeps it where edges stayed, not where they moved.

    Returns:
        What was done.

    Raises:
        LatentError: The original is not the latent of one photo.
        ImageError: The photo is missing or another one, or its kind of pixels cannot be kept; the file's format cannot
            hold them; or the region lies off the photo.

    Example:
        >>> import ganvas
        >>> G = ganvas.load("faces-dcgan")
        >>> recipe = ganvas.Recipe(ganvas.sample(G, [3])).interpolate(ganvas.sample(G, [4]), 0.5, inside="mouth")
        >>> ganvas.paste_back(G, recipe, "me.jpg", "me-smiling.jpg")
        Traceback (most recent call last):
        ...
        ganvas.errors.LatentError: An edit goes back into a photo only from a photo's latent, ...
    """
    latent, path = _original(edited, original), Path(path)
    source, frame = way_into_photo(latent, photo)
    before, after = _image_of(check_generator(generator), latent), _image_of(generator, edited)
    region = _region_of_recipe(generator, edited) if region is None and isinstance(edited, Recipe) else region
    if before.shape != after.shape or not bool(after.isfinite().all()):
        raise ImageError(f"The edited image {list(after.shape)} does not fit {list(before.shape)}, or is not finite.")
    stored = read_stored(source)
    check_holds(path, stored)
    assert latent.photo is not None  # photo_file_of has looked
    _check_same(source, stored, frame, latent.photo.images)
    x0, x1 = _colors_of(before, stored), _colors_of(after, stored)
    side = x0.shape[-1]
    whole = np.ones((side, side))
    area = whole
    if region is not None:
        found = settled(generator, latent, region_of(generator, region)[1])
        area = found.mask(side, side)[0].double().numpy()
    kept = kept_detail(x0, x1) if detail == "auto" else whole * detail
    inside = paste(
        stored.levels,
        Placement(in_file(frame, stored.orientation).numpy(), *stored.levels.shape[:2]),
        x0,
        x1,
        feathered(area, rim),
        kept,
        _space_of(stored, source),
    )
    if not inside.any():
        raise ImageError(f"The region lies off the photo '{source}'; give another region.")
    notes = write_stored(path, stored, source)
    mean = float((kept * area).sum() / area.sum())
    return PastedPhoto(path, int(inside.sum()), inside.size, mean, notes, inside)


def photo_file_of(latent: Latent, photo: str | Path | None = None) -> Path:
    """Return the file of the one photo that a latent was inverted from, of one that `ganvas align` wrote the photo that
    it was cut from; raises `LatentError` where it is none.
    """
    return way_into_photo(latent, photo)[0]


def way_into_photo(latent: Latent, photo: str | Path | None = None) -> tuple[Path, Float[Tensor, "2 3"]]:
    """Return that file, or `photo` in its place, and the map from fractions of the image to those of the photo."""
    if latent.photo is None:
        raise LatentError(
            "An edit goes back into a photo only from a photo's latent, which knows where the image lies in it; give a "
            "photo, or a latent of open_latent or ganvas invert."
        )
    if len(latent) != 1:
        raise LatentError(f"{len(latent)} images were given; paste one at a time, such as latent[0].")
    frame, source = latent.photo.frames[0].double(), _source_of(latent, needed=photo is None)
    aligned = origin_of(source) if source is not None and source.is_file() else None
    if source is not None and aligned is not None and (photo is None or Path(photo).resolve() != source.resolve()):
        source, outer = aligned
        frame = composed(outer, frame)
    found = source if photo is None else Path(photo)
    assert found is not None  # _source_of has looked
    return found, frame


def _source_of(latent: Latent, *, needed: bool) -> Path | None:
    files = latent.source.split(", ")
    named = [file for file in files if latent.names and Path(file).stem == latent.names[0].split(" at ")[0]]
    found = files if len(files) == 1 else named
    if len(found) == 1 and found[0]:
        return Path(found[0])
    if needed:
        raise LatentError(
            f"Which photo the latent comes from is not certain (source '{latent.source}'); give the file."
        )
    return None


def _original(edited: Recipe | Latent | Tensor, original: Latent | None) -> Latent:
    if isinstance(edited, Recipe):
        return edited.base if original is None else original
    if original is None:
        raise LatentError("What was edited is not known; give the photo's latent by original=, or a Recipe.")
    return original


@torch.no_grad()
def _image_of(generator: Generator, given: Recipe | Latent | Tensor) -> Float[Tensor, "1 3 h w"]:
    if isinstance(given, Tensor):
        return check_image(given.cpu())
    images = render(generator, given).cpu() if isinstance(given, Recipe) else next(given.images(generator))
    return check_image(images)


def _region_of_recipe(generator: Generator, recipe: Recipe) -> Region | Part | None:
    """Return the union of the regions of all operations, None where one of them has none."""
    regions = [one.inside for one in recipe.active]
    return union_of([None if one is None else region_of(generator, one)[1] for one in regions])


Area = TypeVar("Area", bound=Region | Part)


def union_of(regions: Sequence[Area | None]) -> Area | None:
    """Return the union of regions, None standing for the whole image, as does no region at all."""
    known = [one for one in regions if one is not None]
    return reduce(or_, known) if len(known) == len(regions) > 0 else None


def _check_same(path: Path, stored: StoredPhoto, frame: Float[Tensor, "2 3"], known: Float[Tensor, "1 3 r r"]) -> None:
    """Raise `ImageError` where the photo does not look like the one that was inverted. One with transparency is not
    compared, for it is not known over which background it was.
    """
    if stored.has_alpha:
        return
    different = float((read_in_frame(path, known.shape[-1], frame) - known).square().mean().sqrt())
    if different > MOST_DIFFERENT:
        raise ImageError(
            f"'{path}' is not the photo that was inverted, or was cropped or turned since (RMS difference "
            f"{different:.2f}); give that photo's file, or invert this one."
        )


def _colors_of(image: Float[Tensor, "1 3 h w"], stored: StoredPhoto) -> Float[np.ndarray, "c h w"]:
    """Return an image as the photo shows it: its luma for a gray photo."""
    shown = luma(image) if stored.colors == 1 else image
    return shown[0].double().numpy()


def _space_of(stored: StoredPhoto, path: Path) -> ColorSpace:
    try:
        return color_space(stored.profile, stored.colors)
    except ProfileError as reason:
        note = f"its color profile {reason} and was ignored; its colors are taken as sRGB."
        warnings.warn(f"'{path}': {note}", stacklevel=3)
        return color_space(None, stored.colors)
