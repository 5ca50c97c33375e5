"""``ganvas sketch``: sketches to images of a generator."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from cyclopts import Parameter
from torch import Tensor

from ganvas.cli.options import Loading, class_of, make_folder
from ganvas.cli.show import COMMAND_LINE, progress
from ganvas.cli.types import Flag, Model, Numbers, Out, WholeNumbers
from ganvas.errors import GanvasError, ImageError
from ganvas.images.photos import read_sketch
from ganvas.inversion.features import bundled_features
from ganvas.inversion.loss_weights import DEFAULT_LOSS, parse_weights
from ganvas.inversion.photos import read_each, unique_names, unreadable_message
from ganvas.inversion.settings import default_space
from ganvas.inversion.sketch.batch import BatchSketch
from ganvas.inversion.sketch.evaluate import ood_scores, variant_mmds
from ganvas.inversion.sketch.fidelity import BALANCED, delta_weight_of, parse_fidelity
from ganvas.inversion.sketch.search import SketchSettings
from ganvas.inversion.sketch.target import Sketch
from ganvas.metrics.evaluation import real_features
from ganvas.reports.sketch_report import metrics_of, write_sketches

CANDIDATES, MOST_REAL = 3, 1000


@Parameter(name="*", group="Grid of settings")
@dataclass(frozen=True)
class Grid:
    """Every sketch by several settings."""

    grid: Flag = False
    """Instead: every sketch by several weights and numbers of steps, one candidate each."""
    grid_weights: Numbers = (0.0, 1.0, 3.0)
    """Delta weights of the grid."""
    grid_steps: WholeNumbers = (500, 1000)
    """Numbers of steps of the grid."""

    def variants(self, settings: SketchSettings) -> list[SketchSettings]:
        """Return the settings of the grid, or the one."""
        if not self.grid:
            return [settings]
        pairs = itertools.product(self.grid_weights, self.grid_steps)
        return [replace(settings, delta_weight=weight, steps=steps) for weight, steps in pairs]


@Parameter(name="*", group="Measurements")
@dataclass(frozen=True)
class Measurements:
    """What is measured."""

    nearest: int = 200
    """Random images of the generator to compare: candidates start at the nearest, which is also the baseline of the
    metrics; 0 for none."""
    real: Path | None = None
    """A folder or a zip of real images: print the kernel MMD of the results to them, for each weight."""
    ood: Flag = False
    """Measure the OOD score of the results too: above 1 is out of distribution. Takes 450 of the generator's images
    once."""


def sketch(
    model: Model,
    /,
    *sketches: Path,
    fidelity: str | None = None,
    weight: float | None = None,
    loss: str = DEFAULT_LOSS,
    weights: str | None = None,
    candidates: int | None = None,
    space: Literal["z", "w", "w+"] | None = None,
    optimizer: Literal["adam", "lbfgs"] = "adam",
    steps: int = 300,
    label: str | None = None,
    out: Out = Path("sketch"),
    grid: Grid = Grid(),
    measurements: Measurements = Measurements(),
    loading: Loading = Loading(),
) -> None:
    """Make images that show sketches.

    Where a sketch is transparent, the image is free. Writes sketches.png with the sketches, their images and the
    nearest random images; the best image of each; numbers.json; latent.safetensors with all codes, which ganvas edit
    MODEL DIRECTIONS --latent FILE opens.

    Args:
        sketches: RGBA images; an opaque one, a photo, counts everywhere. One that cannot be read is named at the end;
            the others are done.
        fidelity: From above 0 (look like what the generator makes) to 1 (match the sketch alone), or exact, close,
            balanced, loose, typical.
        weight: The weight of the code's distance from its start, instead of --fidelity: 0 matches the sketch alone.
        loss: Terms that compare the image with the sketch: perceptual, l1, l2; prior is the distance to the mean.
        weights: Weights of its terms, where not the defaults: l1=0.5,prior=0.01.
        candidates: Images for each sketch: one starts at the mean, the others at the nearest random images; 3 by
            default, 1 with --grid.
        space: z, w or w+ (one style for each layer: closest to the sketch); the last that there is by default.
        optimizer: adam, or lbfgs: nearer to the sketch in fewer steps.
        steps: Synthesis passes with gradients.
        label: Class, for generators that have classes: a number or a name.
    """
    if not sketches:
        raise GanvasError("No sketch was given; name at least one image file after the generator.")
    delta, terms = _delta_weight(fidelity, weight), parse_weights(loss, weights)
    generator = loading.load(model)
    count = (1 if grid.grid else CANDIDATES) if candidates is None else candidates
    where = space or default_space(generator)
    settings = SketchSettings(delta, terms, where, count, steps, optimizer, class_of(generator, label))
    variants = grid.variants(settings)
    found, rows, bad = read_each(sketches, lambda _, path: _read(path, generator.resolution), "sketches")
    files = [sketches[row] for row in rows]
    names = unique_names([file.stem for file in files])
    named = [Sketch(name, *parts, source=str(file)) for name, parts, file in zip(names, found, files, strict=True)]
    features = bundled_features(generator.device)
    sketching = BatchSketch(generator, named, variants, features, measurements.nearest)
    make_folder(out)
    with progress() as report:
        given = measurements.real
        real = None if given is None else real_features(features.network, given, MOST_REAL, report)
        finished = sketching.run(report)
        metrics = metrics_of(sketching)
        if measurements.ood:
            scores = ood_scores(sketching, features.network, report)
            metrics = [{**line, "ood_score": score} for line, score in zip(metrics, scores, strict=True)]
    mmds = [] if real is None else variant_mmds(sketching, features.network, real)
    distances = [
        {
            "delta_weight": one.settings.delta_weight,
            "steps": one.settings.steps,
            "value": one.distance.value,
            "error": one.distance.error,
            "images": one.images,
        }
        for one in mmds
    ]
    facts = {
        "generator": model,
        "space": where,
        "terms": str(terms),
        "perceptual_distance": features.name,
        "optimizer": optimizer,
        "random_images": measurements.nearest,
        "command": COMMAND_LINE.get(),
        "kernel_mmds": distances,
    }
    paths = write_sketches(out, sketching, metrics, facts)
    lines = [f"weight {one.settings.delta_weight:g}, {one.settings.steps} steps: {one}" for one in mmds]
    unread = [path for path, _ in bad]
    shown = {name: value for name, value in facts.items() if name != "command"}
    loading.show("sketch", [*metric_lines(metrics), *lines], paths, **shown, images=metrics, unread=unread)
    if not finished:
        raise KeyboardInterrupt
    if bad:
        raise ImageError(unreadable_message(bad, len(sketches), "sketches"))


def metric_lines(metrics: Sequence[dict[str, Any]]) -> list[str]:
    """Return the metrics of the candidates of each sketch, the best first, one line each."""
    width = max(len(line["sketch"]) for line in metrics)
    scored = "    OOD score" if "ood_score" in metrics[0] else ""
    lines = [f"{'':{width}}  weight  steps  start         distance  of the nearest  from the mean{scored}"]
    for line in metrics:
        ratio = line["relative_distance"]
        relative = "" if ratio != ratio else f"{ratio:.2f} times"
        score = f"  {line['ood_score']:11.2f}" if scored else ""
        lines.append(
            f"{line['sketch']:{width}}  {line['delta_weight']:<6.3g}  {line['steps']:5}  {line['start']:12}  "
            f"{line['distance']:8.4f}  {relative:>14}  {line['from_mean']:13.2f}{score}"
        )
    return lines


def _delta_weight(fidelity: str | None, weight: float | None) -> float:
    """Return the delta weight of --fidelity or --weight."""
    if fidelity is not None and weight is not None:
        raise GanvasError(f"--fidelity {fidelity} and --weight {weight:g} say the same thing; give one of them.")
    if weight is not None:
        return weight
    return BALANCED if fidelity is None else delta_weight_of(parse_fidelity(fidelity))


def _read(path: Path, resolution: int) -> tuple[Tensor, Tensor]:
    """Return a sketch's colors and alpha; raises `ImageError` for one that is transparent everywhere."""
    colors, alpha = read_sketch(path, resolution)
    if not bool(alpha.max() > 0):
        raise ImageError(f"'{path}' is transparent everywhere; draw something on it.")
    return colors, alpha
