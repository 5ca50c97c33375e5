"""What a path between latents leaves: videos, a strip of frames, the curve and the numbers of its steps, its codes."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from ganvas.edits.interpolate import LatentPath, Positions
from ganvas.edits.retime import STEP, TARGET, Timing
from ganvas.generators.protocol import Generator
from ganvas.images import pixels, sheets
from ganvas.images.saving import ImageFiles
from ganvas.images.video import write_frames
from ganvas.io.json_files import write_json
from ganvas.io.progress import Progress, silent
from ganvas.reports.image_files import counted, counting
from ganvas.reports.path_plot import path_plot
from ganvas.reports.plots import can_plot
from ganvas.reports.sheet_size import on_sheet

SECONDS_PER_FRAME = 0.06
ON_STRIP = 9


def write_path(
    out: Path,
    generator: Generator,
    path: LatentPath,
    timings: Mapping[str, Timing],
    videos: Sequence[str],
    files: ImageFiles = ImageFiles(),
    progress: Progress = silent,
) -> list[Path]:
    """Write a path with its timings by name, the last of which the videos show; returns what was written.

    `videos` are suffixes such as ".gif". The latent file is left out where weights change from frame to frame.
    """
    names = [out / f"interpolate{suffix}" for suffix in videos]
    written = write_videos(names, generator, path, timings, files, progress)
    written.append(pixels.write_image(out / "interpolate.png", path_strip(generator, path, timings)))
    if can_plot():
        written.append(path_plot(timings, out / "steps.png"))
    written.append(write_json(out / "steps.json", path_summary(path, timings)))
    return written if path.tuned else [*written, path.at(shown(path, timings)).save(out / "latent.safetensors")]


def write_videos(
    names: Sequence[Path],
    generator: Generator,
    path: LatentPath,
    timings: Mapping[str, Timing],
    files: ImageFiles = ImageFiles(),
    progress: Progress = silent,
) -> list[Path]:
    """Write the video of the last timing under names whose suffixes set the formats, at the generator's size; every
    frame is made once, and one is in memory at a time.
    """
    positions = shown(path, timings)
    more = counted(progress, len(positions), "Making frames")
    frames = counting(path.images(generator, positions), more)
    with files.stored(names[0].parent, frames) as video:
        video = video if path.closed else video.there_and_back()
        return [write_frames(name, video, SECONDS_PER_FRAME) for name in names]


def shown(path: LatentPath, timings: Mapping[str, Timing]) -> Positions:
    """Return the positions that the video shows: those of the last timing, of a loop without the last, its first."""
    positions = list(timings.values())[-1].positions
    return positions[:-1] if path.closed else positions


def path_strip(
    generator: Generator, path: LatentPath, timings: Mapping[str, Timing]
) -> Float[Tensor, "1 3 height width"]:
    """Return frames that are evenly spaced in time, a row for each timing; above them the photos that the path goes
    through, each over the frame nearest to it.
    """
    last = len(next(iter(timings.values())).positions) - 1
    chosen = np.linspace(0, last, min(ON_STRIP, last + 1)).round().astype(int)
    rows = []
    for timing in timings.values():
        rows += [on_sheet(some) for some in path.images(generator, timing.positions[chosen])]
    names = list(timings) if len(timings) > 1 or path.photos else []
    if path.photos:
        names.insert(0, "photos")
        rows.insert(0, _photo_row(path, list(timings.values())[-1].positions[chosen], rows[0]))
    return sheets.labeled_grid(torch.cat(rows), len(chosen), [f"frame {number}" for number in chosen], names)


def _photo_row(path: LatentPath, positions: Positions, like: Float[Tensor, "_ 3 h w"]) -> Float[Tensor, "n 3 h w"]:
    """Return the photos of a path at the size of frames, each at the place of the position nearest to its sample, white
    elsewhere.
    """
    row = like.new_ones(len(positions), *like.shape[1:])
    for photo, place in zip(path.photos, path.key_positions, strict=True):
        if photo is not None:
            row[np.abs(positions - place).argmin()] = pixels.resize(photo[None], *like.shape[-2:])[0]
    return row


def path_lines(path: LatentPath, timings: Mapping[str, Timing]) -> list[str]:
    """Return how evenly a path moves, and which files could not be written, one line each."""
    lines = [timing_line(name, timing) for name, timing in timings.items()]
    if not can_plot():
        lines.append('no plot: it needs matplotlib, pip install "ganvas[plots]"')
    if path.tuned:
        lines.append("no latent file: every frame has weights of its own, between those that were tuned")
    return lines


def timing_line(name: str, timing: Timing) -> str:
    """Return how evenly a path moves, in one line."""
    stds = timing.stds[~np.isnan(timing.stds)]
    distance = f"; {stds.min():.2f} to {stds.max():.2f} std from the mean" if stds.size else ""
    even = np.allclose(np.diff(timing.shares), timing.shares[1])
    reference = "the mean" if even else "the largest that easing asks for"
    by_ssim = f"; by SSIM, which is not used for re-timing, {timing.structural_unevenness:.2f} times"
    return f"{name}: largest step {timing.unevenness:.2f} times {reference} (target {TARGET:g}){by_ssim}{distance}"


def path_summary(path: LatentPath, timings: Mapping[str, Timing]) -> dict[str, Any]:
    """Return what is known of a path and its timings, as JSON holds it."""
    return {
        "latents": list(path.keys.captions),
        "space": path.keys.space,
        "mode": path.mode,
        "loop": path.closed,
        "step": STEP,
        "target": TARGET,
        "timings": {name: timing.summary() for name, timing in timings.items()},
    }
