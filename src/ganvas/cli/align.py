"""``ganvas align``: a photo as a generator wants it, to paint a region on."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from ganvas.cli import numbers
from ganvas.cli.options import PhotoOptions, Results
from ganvas.images.aligned import write_aligned
from ganvas.inversion.photos import align_photo
from ganvas.io.result_folder import check_new_file, free_name

SMALLEST = 512  # pixels to paint on


def align(
    photo: Path,
    /,
    *,
    model: Annotated[str, Parameter(name="--for", metavar="MODEL")],
    size: numbers.Size | None = None,
    out: Path | None = None,
    preparation: PhotoOptions = PhotoOptions(),
    results: Results = Results(),
) -> None:
    """Write a photo aligned to a generator, as PNG: to look at, to paint a mask on, and to use in its place.

    A mask painted on it (white on black, saved as another file) is a region: --region mask:FILE.

    Args:
        photo: The photo.
        model: The generator that the photo is for.
        size: Pixels of a side of the image; the generator's, but at least 512, by default.
        out: The file to write; by default the photo's name with -aligned.png, in the present folder, or with
            -aligned-2.png and so on where that exists.
    """
    generator = results.load(model)
    default = free_name(Path(f"{photo.stem}-aligned.png"), results.overwrite)
    out = default if out is None else check_new_file(out, results.overwrite)
    aligned = align_photo(photo, generator, preparation.settings(), size=size or max(SMALLEST, generator.resolution))
    files = [write_aligned(out, aligned.image, aligned.frame, photo.resolve())]
    advice = [] if aligned.chosen or not aligned.advice else [f"if this is not what you want, {aligned.advice}"]
    results.show("align", [f"'{photo.name}' was {aligned.how}", *advice], files, how=aligned.how)
