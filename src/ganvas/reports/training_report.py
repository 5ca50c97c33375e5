"""What a run of training shows: its loss curves and how the same seeds changed."""

from pathlib import Path

import torch

from ganvas.images import pixels
from ganvas.reports.plots import DistancePoint, can_plot, distance_plot, loss_plot
from ganvas.training.gan.run import DISTANCE, TIMELAPSE
from ganvas.training.log import read_log

MOST_FRAMES, SECONDS_PER_FRAME = 60, 0.25


def write_training_report(folder: Path) -> list[Path]:
    """Write ``losses.png`` and ``distance.png`` (where matplotlib is installed) and ``timelapse.webp`` of the run in
    `folder`; returns the paths of those that could be made.
    """
    lines = read_log(folder)
    paths = []
    if any("D" in line for line in lines) and can_plot():
        paths.append(loss_plot(lines, folder / "losses.png"))
    points = [
        DistancePoint(line["images"], line["kernel_distance"], line["kernel_distance_error"])
        for line in lines
        if line.get("event") == DISTANCE
    ]
    if len(points) > 1 and can_plot():
        paths.append(distance_plot(points, folder / "distance.png", name="kernel distance to held-out images"))
    sheets = sorted(folder.glob("sheet-*.png"))
    if len(sheets) > 1:
        paths.append(_timelapse(sheets, folder / TIMELAPSE))
    return paths


def _timelapse(sheets: list[Path], path: Path) -> Path:
    """Write an animation of at most sixty of the sheets, evenly chosen, the newest last."""
    chosen = sorted({round(i) for i in torch.linspace(0, len(sheets) - 1, min(len(sheets), MOST_FRAMES)).tolist()})
    frames = torch.cat([pixels.read_image(sheets[i]) for i in chosen])
    return pixels.write_animation(path, frames, SECONDS_PER_FRAME)
