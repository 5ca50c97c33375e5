"""``ganvas scribble``: sketches to images of a generator."""

import itertools
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import torch
from cyclopts import Parameter
from jaxtyping import Float
from torch import Tensor

from ganvas.cli.context import COMMAND_LINE
from ganvas.cli.photo_options import class_of
from ganvas.cli.progress import Report, progress
from ganvas.cli.shared import Common, Flag, make_folder, with_seconds, wrote
from ganvas.errors import GanvasError, ImageError
from ganvas.images.photos import read_sketch
from ganvas.inversion.features import bundled_features
from ganvas.inversion.loss_weights import DEFAULT_LOSS, parse_weights
from ganvas.inversion.photos import read_each, unique_names, unreadable_message
from ganvas.inversion.settings import default_space
from ganvas.inversion.sketch.batch import BatchSketch
from ganvas.inversion.sketch.fidelity import BALANCED, delta_weight_of, parse_fidelity
from ganvas.inversion.sketch.search import SketchSettings
from ganvas.inversion.sketch.target import Sketch
from ganvas.metrics.distribution import kernel_mmd
from ganvas.metrics.evaluation import real_features
from ganvas.metrics.features import FeatureNetwork
from ganvas.metrics.ood import descriptors, fit_ood_detector
from ganvas.reports.sketch_report import metrics_of, variant_name, write_sketches

CANDIDATES, MOST_REAL = 3, 1000


@Parameter(name="*")
@dataclass(frozen=True)
class Table:
    """Options of the table."""

    grid: Flag = False
    """Instead: every sketch by several weights and numbers of steps, one candidate each."""
    grid_weights: str = "0,1,3"
    """Weights of the table."""
    grid_steps: str = "500,1000"
    """Steps of the table."""

    def variants(self, one: SketchSettings) -> list[SketchSettings]:
        """Return the settings of the table, or the one."""
        if not self.grid:
            return [one]
        pairs = itertools.product(numbers_of(self.grid_weights), steps_of(self.grid_steps))
        return [replace(one, delta_weight=weight, steps=steps) for weight, steps in pairs]


@Parameter(name="*")
@dataclass(frozen=True)
class Measures:
    """Options on what is measured besides."""

    nearest: int = 200
    """Random images of the generator to look at: candidates start there, and the nearest is what results are measured
    by; 0 for none."""
    real: Path | None = None
    """A folder or a zip of real images: print the kernel MMD of the results to them, for each weight."""
    ood: Flag = False
    """Measure the OOD score of the results too: above 1 is out of distribution. Takes 450 of the generator's images
    once."""


def scribble(
    model: str,
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
    out: Path = Path("scribble"),
    table: Table = Table(),
    measures: Measures = Measures(),
    common: Common = Common(),
) -> None:
    """Make images that show sketches.

    Where a sketch is transparent, the image is free. Writes scribble.png with the sketches, what became of them and
    the nearest random images; the best image of each; numbers.json; latent.safetensors with all codes, which ganvas
    edit MODEL DIRECTIONS --latent FILE opens.

    Parameters
    ----------
    model
        A bundled name (faces, cats), a name of the zoo or a file of a generator.
    sketches
        RGBA images; an opaque one, a photo, counts everywhere. One that cannot be read is named at the end; the
        others are done.
    fidelity
        From above 0 (look like what the generator makes) to 1 (match the sketch alone), or exact, close, balanced,
        loose, typical.
    weight
        The weight of the code's distance from its start, instead of the fidelity: 0 matches the sketch alone.
    loss
        What compares the image with the sketch: perceptual, l1, l2; prior is the distance to the mean besides.
    weights
        How much its terms count, where not the usual: l1=0.5,prior=0.01.
    candidates
        Images for each sketch: one starts at the mean, the others at the nearest random images; 3 by default.
    space
        z, w or w+ (one style for each layer: closest to the sketch); the last that there is by default.
    optimizer
        adam, or lbfgs: nearer to the sketch in fewer steps.
    steps
        Synthesis passes with gradients.
    label
        Class of generators that have classes: a number or a name.
    out
        Folder for the results; files of an earlier run there are replaced.
    table
        A table of weights and steps.
    measures
        What is measured besides.
    common
        Options of every command.
    """
    begun = time.perf_counter()
    if not sketches:
        raise GanvasError("No sketch was given; name at least one image file after the generator.")
    delta, terms = delta_of(fidelity, weight), parse_weights(loss, weights)
    generator = common.load(model)
    one = SketchSettings(
        delta,
        terms,
        space or default_space(generator),
        (1 if table.grid else CANDIDATES) if candidates is None else candidates,
        steps,
        optimizer,
        class_of(generator, label),
    )
    variants = table.variants(one)
    found, rows, bad = read_each(sketches, lambda _, path: _read(path, generator.resolution), "sketches")
    names = unique_names([sketches[row].stem for row in rows])
    named = [
        Sketch(name, *parts, source=str(sketches[row])) for name, parts, row in zip(names, found, rows, strict=True)
    ]
    features = bundled_features(generator.device)
    sketching = BatchSketch(generator, named, variants, features, measures.nearest)
    make_folder(out)
    with progress() as report:
        real = None if measures.real is None else real_features(features.network, measures.real, MOST_REAL, report)
        whole = sketching.run(report)
        lines = metrics_of(sketching)
        if measures.ood:
            add_ood_scores(lines, sketching, features.network, report)
    kernels = [] if real is None else kernels_of(sketching, features.network, real)
    facts = {
        "generator": model,
        "space": one.space,
        "terms": str(terms),
        "perceptual_distance": features.name,
        "optimizer": optimizer,
        "random_images": measures.nearest,
        "command": COMMAND_LINE.get(),
    }
    paths = write_sketches(out, sketching, lines, {**facts, "kernel_distances": kernels})
    common.show(
        [
            *in_words(lines),
            *(f"{one['variant']}: {one['words']}" for one in kernels),
            *wrote(paths),
            with_seconds(begun),
        ],
        {
            "command": "scribble",
            **facts,
            "images": lines,
            "kernel_distances": kernels,
            "unread": [path for path, _ in bad],
            "files": paths,
        },
    )
    if not whole:
        raise KeyboardInterrupt
    if bad:
        raise ImageError(unreadable_message(bad, len(sketches), "sketches"))


def delta_of(fidelity: str | None, weight: float | None) -> float:
    """Return the delta weight of --fidelity or --weight."""
    if fidelity is not None and weight is not None:
        raise GanvasError(f"--fidelity {fidelity} and --weight {weight:g} say the same thing; give one of them.")
    if weight is not None:
        return weight
    return BALANCED if fidelity is None else delta_weight_of(parse_fidelity(fidelity))


def numbers_of(text: str) -> list[float]:
    """Return the numbers of "0,1,3"."""
    try:
        return [float(part) for part in text.split(",")]
    except ValueError:
        raise GanvasError(f"'{text}' are no numbers; write such as 0,1,3.") from None


def steps_of(text: str) -> list[int]:
    """Return the numbers of steps of "500,1000"."""
    if not all(number.is_integer() for number in numbers_of(text)):
        raise GanvasError(f"'{text}': numbers of steps are whole numbers, such as 500,1000.")
    return [int(number) for number in numbers_of(text)]


def add_ood_scores(
    lines: Sequence[dict[str, Any]], sketching: BatchSketch, network: FeatureNetwork, report: Report
) -> None:
    """Add the OOD score of every candidate to its metrics."""
    label = sketching.variants[0].label
    detector = fit_ood_detector(network, sketching.generator, label=label, progress=report)
    images = torch.cat([result.images for result in sketching.results.values()])
    for line, score in zip(lines, detector.scores(descriptors(network, images)).tolist(), strict=True):
        line["ood_score"] = score


@torch.no_grad()
def kernels_of(sketching: BatchSketch, network: FeatureNetwork, real: Float[Tensor, "n d"]) -> list[dict[str, Any]]:
    """Return the kernel MMD to real images of all candidates of each variant that has at least three."""
    told = []
    for column in range(len(sketching.variants)):
        some = [result for (_, variant), result in sketching.results.items() if variant == column]
        images = torch.cat([one.images for one in some]) if some else torch.zeros(0, 3, 1, 1)
        if len(images) < 3:
            continue
        found = kernel_mmd(real, network(images.to(network.mean.device)))
        words = f"kernel MMD {found} of {len(images)} images to {len(real)} real ones"
        told.append({"variant": variant_name(some[0]), "value": found.value, "error": found.error, "words": words})
    return told


def in_words(lines: Sequence[dict[str, Any]]) -> list[str]:
    """Return the lines that tell the numbers: candidates of each sketch, the best first."""
    width = max(len(line["sketch"]) for line in lines)
    far = "    OOD score" if "ood_score" in lines[0] else ""
    words = [f"{'':{width}}  weight  steps  start         distance  of the nearest  from the mean{far}"]
    for line in lines:
        quotient = (
            "" if line["relative_distance"] != line["relative_distance"] else f"{line['relative_distance']:.2f} times"
        )
        ratio = f"  {line['ood_score']:11.2f}" if far else ""
        words.append(
            f"{line['sketch']:{width}}  {line['delta_weight']:<6.3g}  {line['steps']:5}  {line['start']:12}  "
            f"{line['distance']:8.4f}  {quotient:>14}  {line['from_mean']:13.2f}{ratio}"
        )
    return words


def _read(path: Path, resolution: int) -> tuple[Tensor, Tensor]:
    """Return a sketch's colors and alpha; raises `ImageError` for one that is transparent everywhere."""
    colors, alpha = read_sketch(path, resolution)
    if not bool(alpha.max() > 0):
        raise ImageError(f"'{path}' is transparent everywhere; draw something on it.")
    return colors, alpha
