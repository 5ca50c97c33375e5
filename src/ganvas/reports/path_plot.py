"""Curves of a video along a path: how far each image is from the one before, each code from the mean."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ganvas.edits.retime import STEP, TARGET, Timing
from ganvas.errors import ImageError
from ganvas.reports.plots import BLUE, GRAY, ORANGE, figure

COLORS = (BLUE, ORANGE)


def path_plot(timings: Mapping[str, Timing], out: str | Path) -> Path:
    """Draw the steps, as multiples of the mean step, and the distances to the mean of one or two timings of a path, by
    their names, frame by frame; returns `out`.

    Raises `ImageError`: no or more than two timings, another suffix than .png and .svg, no place to write, or no
    matplotlib.
    """
    if not 1 <= len(timings) <= len(COLORS):
        raise ImageError(f"{len(timings)} timings were given; one or two are drawn.")
    with figure(out, columns=2) as (steps, stds):
        for (name, timing), color in zip(timings.items(), COLORS, strict=False):
            frames = np.arange(1, len(timing.steps) + 1)
            label = f"{name}: largest {timing.unevenness:.2f}"
            steps.step(frames, timing.steps / timing.steps.mean(), where="mid", color=color, label=label)
            stds.plot(np.arange(len(timing.stds)), timing.stds, color=color, label=name)
        steps.axhline(TARGET, color=GRAY, linestyle="--", linewidth=1.2, label=f"{TARGET:g} times the mean step")
        _name(steps, "Change from image to image", f"step ({STEP}) / mean step")
        _name(stds, "Distance of the code to the mean", "standard deviations of the space")
    return Path(out)


def _name(panel: Any, title: str, vertical: str) -> None:
    panel.set_title(title)
    panel.set_xlabel("frame")
    panel.set_ylabel(vertical)
    panel.set_ylim(bottom=0, top=1.3 * panel.get_ylim()[1])
    panel.grid(alpha=0.25, linewidth=0.6)
    panel.spines[["top", "right"]].set_visible(False)
    panel.legend(fontsize=9, frameon=False, loc="upper right", ncols=1)
