"""The images of latents, each in a file of its own, written as they are made."""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from ganvas.edits.confine import Confinement
from ganvas.errors import GanvasError
from ganvas.generators.at_once import samples_at_once
from ganvas.generators.protocol import Generator
from ganvas.images import pixels
from ganvas.images.saving import ImageFiles, file_name
from ganvas.inversion.photos import unique_names
from ganvas.io.progress import Progress
from ganvas.io.result_folder import check_new_file
from ganvas.latents.latent import Latent
from ganvas.reports.sheet_size import on_sheet


def write_images(
    folder: Path,
    generator: Generator,
    latent: Latent,
    files: ImageFiles,
    *,
    keep: bool = False,
    confined: tuple[Confinement, Latent] | None = None,
) -> Iterator[Float[Tensor, "n 3 h w"]]:
    """Write the image of every sample as PNG, named after it; yields the images at the size of sheets, some at a time.

    With `keep`, images that are there already, of the same run, are not made again. Images may be `confined`, those of
    a latent with as many samples being the originals: one at a time, so that these are the same in every file.
    """
    names = unique_names([file_name(caption) for caption in latent.captions])
    at_once = samples_at_once(generator) if confined is None else 1
    for first in range(0, len(latent), at_once):
        batch = latent[first : first + at_once]
        paths = [folder / f"{name}.png" for name in names[first : first + at_once]]
        if keep and all(path.exists() for path in paths):
            yield torch.cat([on_sheet(pixels.read_image(path)) for path in paths])
            continue
        if confined is None:
            images = torch.cat(list(batch.images(generator)))
        else:
            confinement, originals = confined
            images = confinement.images(generator, originals[first], batch).cpu()
        for path, image in zip(paths, images, strict=True):
            files.write(path, image[None])
        yield on_sheet(images)


def check_single(path: Path, count: int, overwrite: bool) -> Path:
    """Return the name of the file for the one image that results, before work begins.

    Raises:
        GanvasError: There are several images, or the file exists and may not be replaced.
    """
    if count != 1:
        raise GanvasError(
            f"{count} images result, and '{path}' is the name of one file; give a folder by --out, or choose one image."
        )
    return check_new_file(path, overwrite)


def write_single(
    path: Path,
    generator: Generator,
    latents: Iterable[Latent],
    count: int,
    files: ImageFiles,
    overwrite: bool = False,
) -> list[Path]:
    """Write the one image of some latents under a name of the user's, in the format of its suffix.

    Raises:
        GanvasError: There are several images, or the file exists and may not be replaced.
    """
    check_single(path, count, overwrite)
    return [files.write(path, next(next(iter(latents)).images(generator)))]


def counted(progress: Progress, total: int, what: str = "Making images") -> Callable[[int], None]:
    """Return a function that reports that so many more of all are made; none are at first, which is reported too."""
    done = 0
    progress(what, done, total)

    def more(count: int) -> None:
        nonlocal done
        done += count
        progress(what, done, total)

    return more


def counting(batches: Iterable[Tensor], more: Callable[[int], None]) -> Iterator[Tensor]:
    """Yield batches of images, and report each after it was taken."""
    for images in batches:
        yield images
        more(len(images))
