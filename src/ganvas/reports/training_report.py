"""The report of a training run: loss curves, the kernel MMD while training, and a timelapse of its samples."""

from collections import defaultdict
from pathlib import Path

import torch

from ganvas.images import pixels
from ganvas.images.dataset_files import counted_kinds
from ganvas.images.datasets import DatasetSummary
from ganvas.images.video import write_animation
from ganvas.reports.plots import MetricPoint, can_plot, loss_plot, metric_plot
from ganvas.training.events import EVALUATION
from ganvas.training.launch import Rehearsal
from ganvas.training.log import read_log

LOSSES, KERNEL_MMD, TIMELAPSE = "losses.png", "kernel-mmd.png", "timelapse.webp"
MOST_REASONS = 5  # for which images are left out, in words
MOST_FRAMES, SECONDS_PER_FRAME = 60, 0.25


def write_training_report(folder: Path) -> list[Path]:
    """Write the report of the run in `folder`; returns the paths of what could be made.

    ``losses.png`` and ``kernel-mmd.png`` (from two evaluations on) need matplotlib, ``timelapse.webp`` two sheets.
    """
    lines = read_log(folder)
    paths = []
    if any("D" in line for line in lines) and can_plot():
        paths.append(loss_plot(lines, folder / LOSSES))
    points = [
        MetricPoint(line["images"], line["kernel_mmd"], line["kernel_mmd_error"])
        for line in lines
        if line.get("event") == EVALUATION
    ]
    if len(points) > 1 and can_plot():
        paths.append(metric_plot(points, folder / KERNEL_MMD, name="kernel MMD to held-out images"))
    sheets = sorted(folder.glob("sheet-*.png"))
    if len(sheets) > 1:
        paths.append(_timelapse(sheets, folder / TIMELAPSE))
    return paths


def _timelapse(sheets: list[Path], path: Path) -> Path:
    """Write an animation of at most sixty sheets at equal distances, the newest last."""
    chosen = sorted({round(i) for i in torch.linspace(0, len(sheets) - 1, min(len(sheets), MOST_FRAMES)).tolist()})
    return write_animation(path, (pixels.read_image(sheets[i]) for i in chosen), SECONDS_PER_FRAME)


def rehearsal_lines(found: Rehearsal, images: int) -> list[str]:
    """Return the size and the speed of a run, and how long it would take for so many images."""
    sizes, rate = found.parameters, found.images_per_second
    return [
        f"generator {sizes['generator']:,} parameters, discriminator {sizes['discriminator']:,}, in {found.precision}",
        f"{rate:.1f} images a second on {found.device}: {images:,} would take about {_duration(images / rate)}",
        "dry run: no step was kept and nothing written to --out",
    ]


def summary_lines(summary: DatasetSummary) -> list[str]:
    """Return what the training data holds, one fact a line."""
    lines = [f"{summary.count:,} images at {summary.resolution} pixels from {summary.source}"]
    if summary.cropped:
        fitted = "the middle was taken" if summary.fit == "crop" else "black was added"
        lines.append(f"{summary.cropped:,} were not square: {fitted}")
    if summary.repeated:
        lines.append(f"{summary.repeated:,} are the same as others")
    if summary.enlarged:
        lines.append(f"{summary.enlarged:,} are smaller than {summary.resolution} pixels and were enlarged")
    if summary.unprofiled:
        lines.append(f"{summary.unprofiled:,} have a damaged color profile: their colors were taken as sRGB")
    if summary.others:
        lines.append(f"left out, for they hold no image: {counted_kinds(summary.others)}")
    by_reason = defaultdict[str, list[str]](list)
    for name, reason in summary.skipped.items():
        by_reason[reason].append(name)
    for reason, names in list(by_reason.items())[:MOST_REASONS]:
        lines.append(f"left out {names[0]}{f' and {len(names) - 1:,} more' if len(names) > 1 else ''}: {reason}")
    if unsaid := sum(map(len, list(by_reason.values())[MOST_REASONS:])):
        lines.append(f"left out {unsaid:,} more that cannot be read")
    return lines


def _duration(seconds: float) -> str:
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min" if minutes else "a minute"
