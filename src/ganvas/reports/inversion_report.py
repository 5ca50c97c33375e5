"""The files of an inversion: latents, a sheet of photos and images, metrics, loss curves and a video."""

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from ganvas.errors import ResultFileError
from ganvas.generators.protocol import about_of
from ganvas.images import pixels, sheets
from ganvas.images.saving import IMAGES, VIDEOS_FOLDER, ImageFiles, file_name
from ganvas.images.stored_frames import StoredFrames
from ganvas.images.video import write_frames
from ganvas.inversion.batch import VIDEO_PHOTOS, BatchInversion
from ganvas.inversion.metrics import InversionMetrics
from ganvas.inversion.photos import unique_names
from ganvas.inversion.prepare import Inversion
from ganvas.io.files import atomic_path
from ganvas.io.json_files import plain, write_json
from ganvas.io.result_folder import ResultFolder
from ganvas.reports.plots import can_plot, convergence_plot
from ganvas.reports.sheet_size import on_sheet

ACROSS, SECONDS_PER_FRAME, LONGEST_CAPTION = 8, 0.08, 20
HELD = 8  # frames for which the end is shown
Images = Float[Tensor, "n 3 h w"]
Image = Float[Tensor, "1 3 h w"]


def write_inversion(
    folder: ResultFolder,
    inversion: BatchInversion,
    facts: Mapping[str, Any],
    video: bool = True,
    files: ImageFiles = ImageFiles(),
) -> list[Path]:
    """Write an inversion, finished or not, into a folder; returns the paths, without those of single images."""
    before = inversion.inversions()
    images = [image for one in before for image in one.images.split(1)]
    rows = {"photo": list(inversion.photos[: len(images)].split(1)), "inverted": images}
    paths = write_latents(folder.path, inversion)
    if len(inversion.tuned) == len(images):
        rows["tuned"] = [one.images for one in inversion.tuned.values()]
    names = [metrics.name for one in before for metrics in one.metrics]
    file_names = unique_names([file_name(name) for name in names])
    for stage, row in rows.items():
        for name, image in zip(file_names, row, strict=True):
            files.write(folder.part(IMAGES) / f"{name}-{stage}.png", image)
    paths.append(pixels.write_image(folder / "inverted.png", pairs_sheet(rows, names)))
    paths += write_metrics(folder.path, inversion.metrics(), {**settings_of(inversion), **facts})
    paths += write_curves(folder / "loss.png", inversion.curves())
    return paths + (write_videos(folder, inversion, rows["photo"], file_names, files) if video else [])


def last_images(inversion: BatchInversion) -> list[Image]:
    """Return the image of every photo, tuned where that is finished."""
    inverted = [image for one in inversion.inversions() for image in one.images.split(1)]
    return [inversion.tuned[row].images if row in inversion.tuned else image for row, image in enumerate(inverted)]


def write_latents(folder: Path, inversion: BatchInversion) -> list[Path]:
    """Write the latent of all photos (of a single photo with its tuned weights), and of several photos one latent per
    tuned photo; returns the paths.
    """
    paths = [inversion.latent().save(folder / "latent.safetensors")]
    return paths + (
        [_write_tuned(folder, one) for one in inversion.tuned.values()] if len(inversion.photos) > 1 else []
    )


def write_latest(folder: Path, inversion: BatchInversion) -> Path:
    """Write the latent of the batch or tuned photo that was finished last, so that a killed process loses no more than
    one; returns the path.
    """
    if inversion.tuned and len(inversion.photos) > 1:
        return _write_tuned(folder, list(inversion.tuned.values())[-1])
    return inversion.latent().save(folder / "latent.safetensors")


def _write_tuned(folder: Path, one: Inversion) -> Path:
    """Write the latent of a tuned photo under a name of its own."""
    return one.latent.save(folder / f"tuned-{one.latent.names[0]}.safetensors")


def settings_of(inversion: BatchInversion) -> dict[str, Any]:
    """Return the settings of an inversion for a JSON file."""
    settings, prepared = inversion.settings, inversion.started[0].prepared
    return {
        "generator": about_of(inversion.generator).name,
        "space": settings.space,
        "loss": str(settings.weights),
        "perceptual_distance": prepared.features.name,
        "optimizer": settings.optimizer,
        "schedule": settings.schedule if settings.optimizer == "adam" else "",
        "steps": settings.steps,
        "start": prepared.start.name,
        "noise_maps": settings.noise,
        "seed": settings.seed,
        "tuning": None
        if inversion.tuning is None
        else {**asdict(inversion.tuning), "weights": str(inversion.tuning.weights)},
    }


def pairs_sheet(rows: Mapping[str, Sequence[Image]], captions: Sequence[str]) -> Float[Tensor, "1 3 height width"]:
    """Return one labeled image: a line for each of `rows` (photo, inverted, ...), eight photos across."""
    blocks = []
    for first in range(0, len(captions), ACROSS):
        some = slice(first, first + ACROSS)
        names = [caption[:LONGEST_CAPTION] for caption in captions[some]]
        images = torch.cat([on_sheet(image.clamp(-1, 1)) for row in rows.values() for image in row[some]])
        blocks.append(sheets.labeled_grid(images, len(names), names, list(rows)))
    width = max(block.shape[-1] for block in blocks)
    return torch.cat([functional.pad(block, (0, width - block.shape[-1]), value=1.0) for block in blocks], dim=2)


def video_steps(steps: int, frames: int) -> set[int]:
    """Return the numbers of at most `frames` steps of 0 to `steps`, quadratically spaced: most changes at first."""
    fractions = np.linspace(0, 1, max(frames, 2)) ** 2
    return {round(float(fraction) * steps) for fraction in fractions}


def write_videos(
    folder: ResultFolder, inversion: BatchInversion, photos: Sequence[Image], names: Sequence[str], files: ImageFiles
) -> list[Path]:
    """Write the kept steps of the first photos: videos at the generator's size, one for each, and way.gif and way.webp
    with all of them small, the photos above; nothing of a single step. Returns the paths.
    """
    kept = inversion.video()
    if len(kept) < 2:
        return []
    order = [*range(len(kept)), *[len(kept) - 1] * HELD]
    across = min(VIDEO_PHOTOS, len(photos), *(len(images) for images in kept))
    above = torch.cat([on_sheet(photo) for photo in photos[:across]])

    def side_by_side() -> Iterator[Images]:
        for images in kept:
            yield sheets.grid(torch.cat([above, on_sheet(pixels.from_bytes(images[:across]))]), across)

    paths = _write_stored(folder / "way", ImageFiles().stored(folder.path, side_by_side()), order)
    for row in range(across):
        alone = (pixels.from_bytes(images[row : row + 1]) for images in kept)
        paths += _write_stored(folder.part(VIDEOS_FOLDER) / names[row], files.stored(folder.path, alone), order)
    return paths


def _write_stored(stem: Path, frames: StoredFrames, order: Sequence[int]) -> list[Path]:
    """Write frames as GIF and WebP, and close them."""
    with frames:
        names = [stem.with_name(f"{stem.name}{kind}") for kind in (".gif", ".webp")]
        return [write_frames(name, frames.played(order), SECONDS_PER_FRAME) for name in names]


def write_curves(path: Path, curves: Mapping[str, Sequence[float]]) -> list[Path]:
    """Plot the loss of every photo over the steps where matplotlib is installed; returns the path."""
    if not can_plot() or not any(len(values) > 1 for values in curves.values()):
        return []
    return [convergence_plot({name: np.array(values) for name, values in curves.items()}, path)]


def write_metrics(
    folder: Path, metrics: Sequence[tuple[str, InversionMetrics]], settings: Mapping[str, Any]
) -> list[Path]:
    """Write ``numbers.csv``, a line per photo and stage ("inverted", "tuned"), and ``numbers.json``, with the settings
    too; returns the paths.
    """
    lines = [{"stage": stage, **vars(one)} for stage, one in metrics]
    table = io.StringIO(newline="")
    writer = csv.DictWriter(table, list(lines[0]))
    writer.writeheader()
    writer.writerows(lines)
    path = folder / "numbers.csv"
    with atomic_path(path, ResultFileError) as temporary:
        temporary.write_text(table.getvalue(), "utf-8", newline="")
    numbers = plain({"settings": settings, "photos": lines})
    return [path, write_json(folder / "numbers.json", numbers, ResultFileError)]


def metric_lines(metrics: Sequence[tuple[str, InversionMetrics]], distance: str) -> list[str]:
    """Return the metrics of every photo, one line each."""
    width = max(len(one.name) for _, one in metrics)
    lines = [f"{'':{width}}            PSNR   {distance}   from the mean"]
    for stage, one in metrics:
        lines.append(
            f"{one.name:{width}}  {stage:8}  {one.psnr:5.2f} dB  {one.perceptual:{len(distance)}.4f}  "
            f"{one.from_mean:5.2f} std"
        )
    return lines
