"""``python -m studies.alignment.cats CATS --backgrounds IMAGES... --others IMAGES... --out DIR``: how near the heads of
cats that are found come to known ones, and how often one is found where there is none. See docs/results/alignment.md.
"""

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import numpy as np
import torch
import torch.nn.functional as F
from cyclopts import Parameter
from jaxtyping import Float
from torch import Tensor

from ganvas.comparisons.sheets import write_jpeg
from ganvas.comparisons.tables import table
from ganvas.images.datasets import ImageSet, open_images
from ganvas.images.heads import CAT_EYES, CAT_WIDTH, find_cats
from ganvas.images.photos import read_photo
from ganvas.images.pixels import resize, write_image
from studies.command import Threads, main, show_line, show_progress
from studies.files import write_text

RESOLUTION = 128
FAILED = 0.25  # of the head's width, or of its scale
SHOWN = 10


@dataclass(frozen=True)
class Placement:
    """How cats are put on pages of `times` their side: rotated by up to `degrees`, with a soft edge."""

    name: str
    times: float = 1.0
    degrees: float = 0.0


PLACEMENTS = (
    Placement("as they are"),
    Placement("on a page of 2 times the side, rotated by up to 20 degrees", 2, 20),
    Placement("on a page of 3 times the side, rotated by up to 20 degrees", 3, 20),
)
Sources = Annotated[tuple[Path, ...], Parameter(consume_multiple=True)]


def study(
    cats: Path,
    /,
    *,
    backgrounds: Sources,
    others: Sources,
    out: Path,
    count: int = 200,
    other_count: int = 100,
    threads: Threads = None,
) -> list[Path]:
    """Find cats' heads as they are and put on pages, and look for them where there are none. Writes ``cats.md``,
    ``others.md`` and ``cats.jpg``.

    Args:
        cats: Folder or zip of heads, framed as the generator has them.
        backgrounds: Folders or zips of images behind cats.
        others: Folders or zips of images without a cat.
        count: Number of cats.
        other_count: Number of images of each of the others.
    """
    heads = _images(cats, count)
    pages = torch.cat([_images(source, other_count) for source in backgrounds])
    with TemporaryDirectory() as folder:
        path, rows, shown = Path(folder) / "photo.png", list[list[str]](), list[Tensor]()
        own: np.ndarray = np.empty(0)
        for done, placement in enumerate(PLACEMENTS):
            show_progress("Placements", done, len(PLACEMENTS))
            known, found, seconds = _measured(placement, heads, pages, path, shown)
            own = own if len(own) else found
            rows.append([placement.name, *_summary(known, found, own), f"{seconds:.2f}"])
            show_line(" | ".join(rows[-1]))
        alarms = [[source.stem, *_alarms(_images(source, other_count), path)] for source in others]
    header = ["cats", "found", "center", "center, repeated", "scale", "angle", "failed", "seconds"]
    files = [write_text(out / "cats.md", table([header, *rows]))]
    files.append(
        write_text(
            out / "others.md", table([["images without a cat", "number", "a head is likely", "certain"], *alarms])
        )
    )
    return [*files, write_jpeg(out / "cats.jpg", torch.cat(shown, dim=3))]


def _images(source: Path, count: int) -> Float[Tensor, "n 3 r r"]:
    images: ImageSet = open_images(source, RESOLUTION, fewest=1)
    return images.batch(images.spread(count))


def _measured(
    placement: Placement, heads: Tensor, pages: Tensor, path: Path, shown: list[Tensor]
) -> tuple[np.ndarray, np.ndarray, float]:
    """Return known and found frames [n, 2] as complex numbers (center, side turned), NaN where none is found, in sides
    of the page; and the seconds of a search.
    """
    random, known, found, seconds = np.random.RandomState(0), [], [], 0.0
    for row, head in enumerate(heads):
        photo, frame = place(head[None], pages[random.randint(len(pages))][None], placement, random)
        write_image(path, photo)
        begun = time.perf_counter()
        faces = find_cats(path)
        seconds += time.perf_counter() - begun
        known.append(frame)
        found.append(frame_of(faces[0].eyes) if faces else (np.nan, np.nan))
        if placement.times == 3 and row % (len(heads) // SHOWN or 1) == 0 and len(shown) < SHOWN:
            eyes = faces[0].eyes if faces else None
            aligned = read_photo(path, RESOLUTION, eyes=eyes, eye_places=CAT_EYES)
            shown.append(torch.cat([resize(photo, RESOLUTION, RESOLUTION), aligned], dim=2))
    return np.array(known), np.array(found), seconds / len(heads)


def place(
    head: Float[Tensor, "1 3 r r"], page: Float[Tensor, "1 3 r r"], placement: Placement, random: np.random.RandomState
) -> tuple[Float[Tensor, "1 3 s s"], tuple[complex, complex]]:
    """Return a page with a head on it, and the frame of the head: its center and its turned side, in sides of the
    page.
    """
    if placement.times == 1:
        return head, (0.5 + 0.5j, 1 + 0j)
    side = round(head.shape[-1] * placement.times)
    angle, reach = math.radians(random.uniform(-1, 1) * placement.degrees), 0.5 - 0.5 / placement.times
    center = 0.5 + random.uniform(-reach, reach), 0.5 + random.uniform(-reach, reach)
    turn = complex(math.cos(angle), math.sin(angle)) / placement.times
    # From the page in [-1, 1] to the head in [-1, 1]: (g / 2 + 1/2 - c) / turn, doubled.
    inverse = 1 / turn
    middle = 2 * inverse * complex(0.5 - center[0], 0.5 - center[1])
    theta = torch.tensor([[[inverse.real, -inverse.imag, middle.real], [inverse.imag, inverse.real, middle.imag]]])
    grid = F.affine_grid(theta.float(), [1, 1, side, side], align_corners=False)
    values = F.grid_sample(head, grid, "bicubic", "border", align_corners=False)
    power = grid.abs().pow(4).sum(3).pow(0.25)
    alpha = ((1 - power) / 0.08).clamp(0, 1)
    return torch.lerp(resize(page, side, side), values, alpha[:, None]), (complex(*center), turn)


def frame_of(eyes: Sequence[tuple[float, float]]) -> tuple[complex, complex]:
    """Return center and turned side of the frame in which `eyes` are `CAT_EYES`."""
    left, right = (complex(*eye) for eye in eyes)
    turn = (right - left) / (CAT_EYES[1][0] - CAT_EYES[0][0])
    return left + turn * (complex(0.5, 0.5) - complex(*CAT_EYES[0])), turn


def _summary(known: np.ndarray, found: np.ndarray, own: np.ndarray) -> list[str]:
    """Return columns of the table: heads found; median and 0.9 quantile of the errors of center in widths of the head,
    against the frame of the data and against that found in the image as it is (`own`), of scale and of angle; failures.
    """
    center, scale, angle = errors(known, found)
    # The frame found in the image as it is, put where the image was put.
    moved = np.stack([known[:, 0] + known[:, 1] * (own[:, 0] - (0.5 + 0.5j)), known[:, 1] * own[:, 1]], axis=1)
    repeated = errors(moved, found)[0]
    failed = ~((center < FAILED) & (scale < FAILED))
    return [
        f"{int((~np.isnan(center)).sum())} of {len(center)}",
        _quantiles(center),
        "" if own is found else _quantiles(repeated),
        _quantiles(scale),
        _quantiles(angle, "°"),
        str(int(failed.sum())),
    ]


def errors(known: np.ndarray, found: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the errors of centers in widths of the head, of scales as a fraction, of angles in degrees."""
    ratio = found[:, 1] / known[:, 1]
    center = np.abs(found[:, 0] - known[:, 0]) / (CAT_WIDTH * np.abs(known[:, 1]))
    return center, np.abs(np.abs(ratio) - 1), np.degrees(np.abs(np.angle(ratio)))


def _quantiles(values: np.ndarray, unit: str = "") -> str:
    kept = values[~np.isnan(values)]
    digits = 1 if unit else 3
    low, high = np.quantile(kept, [0.5, 0.9]) if len(kept) else (np.nan, np.nan)
    return f"{low:.{digits}f}{unit}, {high:.{digits}f}{unit}"


def _alarms(images: Tensor, path: Path) -> list[str]:
    """Return the numbers of images, of those in which a head is likely, and of those in which it is certain."""
    found = [find_cats(write_image(path, image[None])) for image in images]
    certain = sum(any(face.certain for face in faces) for faces in found)
    return [str(len(images)), str(sum(map(bool, found))), str(certain)]


if __name__ == "__main__":
    main("studies.alignment.cats:study")
