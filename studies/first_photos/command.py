"""The README's commands on photos as they are: what each makes of every photo, and how like the photo it stays."""

import json
import statistics
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
from cyclopts import Parameter
from jaxtyping import Float
from torch import Tensor

from ganvas.checkpoints.load import load
from ganvas.comparisons.sheets import write_jpeg
from ganvas.comparisons.tables import table
from ganvas.errors import GanvasError
from ganvas.generators.protocol import Generator
from ganvas.images.dataset_files import images_in
from ganvas.images.decoding import opened
from ganvas.images.pixels import from_bytes, read_image
from ganvas.images.sheets import labeled_grid
from ganvas.inversion.open import open_photo
from ganvas.inversion.photos import PhotoSettings
from ganvas.metrics.features import load_features
from ganvas.metrics.identity import Distance, identity, perceptual
from studies.command import Flag, Out, Threads, show_progress
from studies.files import write_text

Folder = Annotated[Path, Parameter(help="Folder of photos; all are used.")]
COLUMNS = {
    "photo": "photo",
    "before": "inverted as it\nis, not tuned",
    "inversion": "inversion",
    "edit -4": "edit -4",
    "edit +4": "edit +4",
    "drag": "drag",
    "halfway": "halfway to\nthe next",
}
COMPARED = ("before", "inversion", "edit -4", "edit +4", "drag")  # those that show the photo


@dataclass(frozen=True)
class PhotoResult:
    """What became of a photo: images [1, 3, r, r] by column, the distance of each from the photo, how it was aligned,
    and the message where it was refused.
    """

    name: str
    how: str = ""
    images: dict[str, Float[Tensor, "1 3 r r"]] = field(default_factory=dict)
    distances: dict[str, float] = field(default_factory=dict)
    refused: str = ""


def study(
    model: str,
    photos: Folder,
    /,
    *,
    out: Out,
    region: str = "mouth",
    point: str = "0.35,0.75:0.35,0.68",
    points: Path | None = None,
    of_people: Flag = False,
    threads: Threads = None,
) -> list[Path]:
    """Run ``ganvas edit``, ``drag`` and ``interpolate`` with their defaults on every photo. Writes ``first-photos.md``
    and ``first-photos.jpg``.

    Args:
        model: A generator with named regions: a bundled name, a name of the zoo, or a file.
        photos: The photos.
        region: The region of the directions.
        point: The handle and the target of the drag, for photos that `points` does not name.
        points: A JSON file of them by the photo's name, as a person would place them: people.json here.
        of_people: Compare the persons (dlib's descriptors); else the perceptual distance counts.
    """
    generator = load(model)
    files = sorted(images_in(photos)[0])
    distance = identity() if of_people else perceptual(load_features(device=generator.device))
    directions = out / "directions"
    if not directions.is_dir():
        _run("directions", model, "--region", region, "--seeds", "0-3", "--out", directions)
    placed = {} if points is None else json.loads(points.read_text("utf-8"))
    results = []
    for index, file in enumerate(files):
        show_progress("Photos", index, len(files))
        after, dragged = files[(index + 1) % len(files)], placed.get(file.stem, point)
        commands = _Commands(model, directions / "directions.safetensors", dragged, file, after, out / file.stem)
        results.append(_one_photo(generator, commands, distance))
    return [write_text(out / "first-photos.md", _text(results)), write_jpeg(out / "first-photos.jpg", _sheet(results))]


@dataclass(frozen=True)
class _Commands:
    """The README's commands on a photo: ``after`` is the photo that the video ends with, ``out`` the folder."""

    model: str
    directions: Path
    point: str
    file: Path
    after: Path
    out: Path

    def run(self) -> dict[str, Float[Tensor, "1 3 r r"]]:
        """Run those whose results are not there, and return their images; raises `GanvasError` where one refuses."""
        model, file, out = self.model, self.file, self.out
        _run("edit", model, self.directions, "--latent", file, "--strength", "-4:4:3", "--out", out / "edit")
        _run("drag", model, "--latent", file, "--point", self.point, "--out", out / "drag")
        _run("interpolate", model, file, self.after, "--frames", "3", "--out", out / "interpolate")
        edited = {f"edit {one}": read_image(out / "edit" / "images" / f"{file.stem}_{one}.png") for one in ("-4", "+4")}
        return edited | {
            "drag": read_image(out / "drag" / "end.png"),
            "halfway": _frame(out / "interpolate" / "interpolate.webp", 1),
        }


def _one_photo(generator: Generator, commands: _Commands, distance: Distance) -> PhotoResult:
    """Return what the commands make of a photo."""
    result = PhotoResult(commands.file.stem)
    try:
        now, images = open_photo(commands.file, generator), commands.run()
    except GanvasError as error:
        return replace(result, refused=str(error))
    before = open_photo(commands.file, generator, settings=PhotoSettings(as_is=True), tune=False)
    shown = {"before": before, "inversion": now}
    inverted = {name: next(iter(one.latent.images(generator))) for name, one in shown.items()}
    photos = {"before": before.photo.image}  # the part of the photo that was shown then
    images = {"photo": now.photo.image, **inverted, **images}
    distances = {name: distance(photos.get(name, now.photo.image))(images[name]) for name in COMPARED}
    return replace(result, how=now.photo.how, images=images, distances=distances)


def _run(*arguments: object) -> None:
    """Run a command of ganvas, unless its folder of results is there; raises `GanvasError` with its message."""
    if Path(str(arguments[-1])).is_dir():
        return
    done = subprocess.run(
        [sys.executable, "-m", "ganvas", *map(str, arguments)], capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise GanvasError(done.stderr.strip().removeprefix("Error: "))


def _frame(path: Path, index: int) -> Float[Tensor, "1 3 r r"]:
    with opened(path) as video:
        video.seek(index)
        return from_bytes(torch.from_numpy(np.array(video.convert("RGB")))[None])


def _text(results: Sequence[PhotoResult]) -> str:
    kept = [result for result in results if not result.refused]
    rows = [[one.name, one.how, *(f"{one.distances[name]:.3f}" for name in COMPARED)] for one in kept]
    middle = [f"{statistics.median(one.distances[name] for one in kept):.3f}" for name in COMPARED]
    header = ["photo", "how", "inverted as it is, not tuned", *COMPARED[1:]]
    refused = [f"* {one.name}: {one.refused}" for one in results if one.refused]
    return "\n".join([table([header, *rows, ["median", "", *middle]]), "", *refused])


def _sheet(results: Sequence[PhotoResult]) -> Float[Tensor, "1 3 h w"]:
    kept = [result for result in results if not result.refused]
    images = torch.cat([one.images[name] for one in kept for name in COLUMNS])
    return labeled_grid(images, len(COLUMNS), list(COLUMNS.values()), [one.name for one in kept])
