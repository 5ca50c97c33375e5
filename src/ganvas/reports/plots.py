"""Plots of a training run: losses and scores, a metric with its standard errors, convergence.

matplotlib is an optional dependency and is imported when something is drawn. No windows, no global state, and the same
file for the same numbers.
"""

import math
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from ganvas.errors import ImageError
from ganvas.io.files import atomic_path
from ganvas.training.log import read_log

SUFFIXES = (".png", ".svg")
# From the palette of Okabe and Ito, which color-blind people can distinguish.
BLUE, ORANGE, GREEN, GRAY = "#0072b2", "#d55e00", "#009e73", "#767676"
LOSSES = {"D": ("discriminator", BLUE), "G": ("generator", ORANGE)}
SCORES = {"D(x)": ("D(x), real images", BLUE), "D(G(z))": ("D(G(z)), fake images", ORANGE)}
STRENGTH = {"strength": ("augmentation strength", GREEN)}
SMOOTHING_STD = 0.02  # of the smoothing Gaussian, as a fraction of the curve
RESOLUTION = 150  # dots per inch
LONGEST_LABEL = 24
Values = Float[np.ndarray, "n"]
Line = Mapping[str, Any]


def can_plot() -> bool:
    """Whether matplotlib is installed."""
    return find_spec("matplotlib") is not None


@dataclass(frozen=True)
class MetricPoint:
    """A metric after so many images, and its standard error (0 where it is not known)."""

    images: int
    value: float
    error: float = 0.0


def loss_plot(log: Sequence[Line] | Path, out: str | Path) -> Path:
    """Plot the losses of G and D, and the mean scores D(x) and D(G(z)), against the images shown; returns `out`.

    Faint lines are logged values, strong lines are smoothed. A vertical line marks where a run resumed from a
    weights-only snapshot (an "event" that is "joined"). Where the images of lines go back, the later lines count.

    Args:
        log: The folder of a run, or the lines of its log: mappings with "images" and any of "D", "G", "D(x)",
            "D(G(z))", "strength".
        out: A file that ends in .png or .svg.

    Raises:
        ImageError: There is nothing to plot, the suffix is another, the file cannot be written, or matplotlib is not
            installed.
    """
    lines = read_log(log) if isinstance(log, Path) else log
    panels = [{name: curve(lines, name) for name in names} for names in (LOSSES, SCORES | STRENGTH)]
    if not any(len(seen) for panel in panels for seen, _ in panel.values()):
        raise ImageError("The log has no losses yet; train longer, or give the folder that holds log.jsonl.")
    with figure(out, columns=2) as (losses, scores):
        for name, (label, color) in LOSSES.items():
            _draw_curve(losses, *panels[0][name], label, color)
        for name, (label, color) in (SCORES | STRENGTH).items():
            _draw_curve(scores, *panels[1][name], label, color)
        _name_axes(losses, "Losses", "loss")
        _name_axes(scores, "Scores of the discriminator", "mean probability of being real")
        scores.set_ylim(-0.02, 1.02)
        losses.set_ylim(*_range_without_outliers([values for _, values in panels[0].values()]))
        for panel in (losses, scores):
            _draw_joins(panel, lines)
            _add_legend(panel)
    return Path(out)


def metric_plot(
    points: Sequence[MetricPoint],
    out: str | Path,
    *,
    name: str = "kernel MMD to the test images",
    references: Mapping[str, float] | None = None,
) -> Path:
    """Plot a metric with its standard errors against the images shown, with a horizontal line for each of the named
    `references`; returns `out`.

    Raises:
        ImageError: There are no points, the suffix is another, the file cannot be written, or matplotlib is not
            installed.
    """
    if not points:
        raise ImageError("There are no values to plot; evaluate at least one snapshot.")
    ordered = sorted(points, key=lambda point: point.images)
    images, values, errors = (
        np.array([float(getattr(point, part)) for point in ordered]) for part in ("images", "value", "error")
    )
    with figure(out, columns=1) as (panel,):
        panel.errorbar(images, values, errors, color=BLUE, marker="o", markersize=4, capsize=3, label=name)
        for (label, level), style in zip((references or {}).items(), _styles(), strict=False):
            panel.axhline(level, color=GRAY, linestyle=style, linewidth=1.2, label=label)
        _name_axes(panel, f"{name[:1].upper()}{name[1:]}", name)
        panel.set_ylim(bottom=min(0.0, float((values - errors).min()) * 1.05))
        _add_legend(panel)
    return Path(out)


def convergence_plot(curves: Mapping[str, Values], out: str | Path, *, name: str = "loss") -> Path:
    """Plot a loss against the steps on a logarithmic scale, a curve for each name (more than eight in gray, with one
    legend); returns `out`.

    Raises:
        ImageError: There is nothing to plot, the suffix is another, the file cannot be written, or matplotlib is not
            installed.
    """
    if not any(len(values) for values in curves.values()):
        raise ImageError("There is no loss to draw; take at least one step.")
    colors = (BLUE, ORANGE, GREEN, "#cc79a7", "#56b4e9", "#e69f00", "#000000", "#b8a000")
    few = len(curves) <= len(colors)
    with figure(out, columns=1) as (panel,):
        for number, (label, values) in enumerate(curves.items()):
            shown = label[:LONGEST_LABEL] if few else f"{len(curves)} images" if number == 0 else None
            panel.plot(values, color=colors[number] if few else GRAY, linewidth=1.6 if few else 0.8, label=shown)
        panel.set_yscale("log")
        panel.yaxis.set_major_formatter(lambda value, position: f"{value:g}")
        # A loss crosses few powers of ten: label ticks between them too.
        panel.yaxis.set_minor_formatter(lambda value, position: f"{value:.2g}" if f"{value:.0e}"[0] in "235" else "")
        panel.set_title("Loss")
        panel.set_xlabel("step")
        panel.set_ylabel(name)
        panel.grid(alpha=0.25, linewidth=0.6, which="both")
        panel.spines[["top", "right"]].set_visible(False)
        _add_legend(panel)
    return Path(out)


def curve(lines: Sequence[Line], name: str) -> tuple[Values, Values]:
    """Return the images shown and the values of `name`, in ascending order of images.

    Of a part that was trained twice the later lines count. Values that are not finite numbers are skipped.
    """
    kept: list[tuple[float, float]] = []
    for line in lines:
        value, seen = line.get(name), line.get("images")
        if not isinstance(value, int | float) or not isinstance(seen, int | float) or not math.isfinite(value):
            continue
        while kept and kept[-1][0] >= seen:
            kept.pop()
        kept.append((float(seen), float(value)))
    points = np.array(kept, dtype=np.float64).reshape(-1, 2)
    return points[:, 0], points[:, 1]


def smoothed(values: Values, std: float) -> Values:
    """Return the values smoothed by a Gaussian of this std, in samples, normalized at the ends."""
    reach = math.ceil(3 * std)
    if reach == 0 or len(values) == 0:
        return values
    gaussian = np.exp(-0.5 * (np.arange(-reach, reach + 1) / std) ** 2)
    middle = slice(reach, reach + len(values))
    return np.convolve(values, gaussian)[middle] / np.convolve(np.ones_like(values), gaussian)[middle]


@contextmanager
def figure(out: str | Path, columns: int) -> Generator[tuple[Any, ...]]:
    """Yield axes side by side and write the figure to `out` at the end."""
    suffix = Path(out).suffix.lower()
    if suffix not in SUFFIXES:
        raise ImageError(f"A plot '{out}' cannot be written; give a name that ends in {' or '.join(SUFFIXES)}.")
    try:
        import matplotlib
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as missing:
        raise ImageError('Plots need matplotlib: pip install "ganvas[plots]"') from missing
    # With a fixed salt: matplotlib otherwise names the parts of an SVG at random.
    with matplotlib.rc_context({"svg.hashsalt": "ganvas", "font.size": 10.5}):
        sheet = Figure(figsize=(10, 5), layout="constrained")
        FigureCanvasAgg(sheet)
        panels = sheet.subplots(1, columns, squeeze=False)[0]
        yield tuple(panels)
        undated = {"Software": None} if suffix == ".png" else {"Creator": None, "Date": None}
        with atomic_path(out, ImageError) as temporary:
            sheet.savefig(temporary, format=suffix[1:], dpi=RESOLUTION, metadata=undated)


def _draw_curve(panel: Any, seen: Values, values: Values, label: str, color: str) -> None:
    if len(values) == 0:
        return
    panel.plot(seen, values, color=color, alpha=0.25, linewidth=0.8)
    panel.plot(seen, smoothed(values, SMOOTHING_STD * len(values)), color=color, linewidth=1.8, label=label)


def _draw_joins(panel: Any, lines: Sequence[Line]) -> None:
    joins = [line["images"] for line in lines if line.get("event") == "joined"]
    for number, images in enumerate(joins):
        label = "from a weights-only snapshot" if number == 0 else None
        panel.axvline(images, color=GRAY, linestyle="--", linewidth=1, label=label)


def _name_axes(panel: Any, title: str, vertical: str) -> None:
    panel.set_title(title)
    panel.set_xlabel("images shown (thousands)")
    panel.set_ylabel(vertical)
    panel.xaxis.set_major_formatter(lambda images, position: f"{images / 1000:,.10g}")
    panel.set_xlim(left=0)
    panel.grid(alpha=0.25, linewidth=0.6)
    panel.spines[["top", "right"]].set_visible(False)


def _add_legend(panel: Any) -> None:
    """Write the legend below the axes, where it hides no curve."""
    lines, labels = panel.get_legend_handles_labels()
    if labels:
        panel.legend(
            lines,
            labels,
            loc="upper center",
            bbox_to_anchor=(0.5, -0.12),
            ncols=2,
            columnspacing=1,
            fontsize=9,
            frameon=False,
        )


def _styles() -> Iterator[str]:
    while True:
        yield from ("--", ":", "-.")


def _range_without_outliers(curves: Sequence[np.ndarray]) -> tuple[float, float]:
    """Return a vertical range from percentiles, which single spikes do not stretch."""
    values = np.concatenate([*curves, np.zeros(1)])
    low, high = np.percentile(values, (0.5, 99.5))
    room = 0.08 * max(high - low, 1e-3)
    return float(low - room), float(high + room)
