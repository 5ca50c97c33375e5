"""``ganvas sketch``: sketches to images of a generator."""

import itertools
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Literal

from cyclopts import Parameter

from ganvas.cli import numbers
from ganvas.cli.paste import PasteOptions
from ganvas.cli.recipes import EditResults, Onto
from ganvas.cli.show import COMMAND_LINE, progress
from ganvas.cli.types import METHOD, EditOut, Flag, Model, Numbers, SeveralSteps
from ganvas.edits.operations import Draw
from ganvas.errors import GanvasError
from ganvas.generators.labels import class_of
from ganvas.generators.protocol import Generator
from ganvas.inversion.features import bundled_features
from ganvas.inversion.loss_weights import DEFAULT_LOSS, parse_weights
from ganvas.inversion.photos import refuse_unreadable
from ganvas.inversion.settings import default_space
from ganvas.inversion.sketch.batch import BatchSketch
from ganvas.inversion.sketch.evaluate import ood_scores, variant_mmds
from ganvas.inversion.sketch.fidelity import BALANCED, delta_weight_of, parse_fidelity
from ganvas.inversion.sketch.files import read_sketches
from ganvas.inversion.sketch.search import SketchSettings
from ganvas.metrics.evaluation import real_features
from ganvas.reports.sketch_report import metric_lines, metrics_of, write_sketches
from ganvas.training.gan.discriminator_files import realness_of

MOST_REAL = 1000


@Parameter(name="*", group="Measurements")
@dataclass(frozen=True)
class Measurements:
    """What is measured."""

    nearest: numbers.CountOrNone = 200
    """Random images of the generator to compare: candidates start at the nearest, which is also the baseline of the
    metrics; 0 for none."""
    real: Path | None = None
    """A folder or a zip of real images: print the kernel MMD of the results to them, for each weight."""
    ood: Flag = False
    """Measure the OOD score of the results too: above 1 is out of distribution. Takes 450 of the generator's images
    once."""


@Parameter(name="*", group=METHOD)
@dataclass(frozen=True)
class SketchOptions:
    """How images are searched, with one or several settings."""

    fidelity: str | None = None
    """From above 0 (look like what the generator makes) to 1 (match the sketch alone), or exact, close, balanced,
    loose, typical."""
    weight: numbers.Weight | None = None
    """The weight of the code's distance from its start, instead of --fidelity: 0 matches the sketch alone."""
    loss: str = DEFAULT_LOSS
    """Terms that compare the image with the sketch: perceptual, l1, l2; prior is the distance to the mean."""
    weights: str | None = None
    """Weights of its terms, where not the defaults: l1=0.5,prior=0.01."""
    candidates: numbers.Count | None = None
    """Images for each sketch: one starts at the mean, the others at the nearest random images; 3 by default, 1 with
    --grid."""
    space: Literal["z", "w", "w+"] | None = None
    """z, w or w+ (one style for each layer: closest to the sketch); the last that there is by default."""
    optimizer: Literal["adam", "lbfgs"] = "adam"
    """adam, or lbfgs: nearer to the sketch in fewer steps."""
    steps: numbers.Steps = SketchSettings.steps
    """Synthesis passes with gradients."""
    label: str | None = None
    """Class, for generators that have classes: a number or a name."""
    keep: numbers.Weight = SketchSettings.keep
    """With --recipe: how much the clear parts of the sketch count, all together, to stay as they are in the image, in
    multiples of what is drawn; 0 leaves them to the generator."""
    grid: Flag = False
    """Instead: every sketch by several weights and numbers of steps."""
    grid_weights: Numbers = (0.0, 1.0, 3.0)
    """Delta weights of the grid."""
    grid_steps: SeveralSteps = (500, 1000)
    """Numbers of steps of the grid."""
    measurements: Measurements = Measurements()

    def variants(self, generator: Generator) -> list[SketchSettings]:
        """Return the settings of the grid, or the one."""
        candidates = (1 if self.grid else SketchSettings.candidates) if self.candidates is None else self.candidates
        settings = SketchSettings(
            self.delta_weight,
            parse_weights(self.loss, self.weights),
            self.space or default_space(generator),
            candidates,
            self.steps,
            self.optimizer,
            class_of(generator, self.label),
            self.keep,
        )
        if not self.grid:
            return [settings]
        pairs = itertools.product(self.grid_weights, self.grid_steps)
        return [replace(settings, delta_weight=weight, steps=steps) for weight, steps in pairs]

    @property
    def delta_weight(self) -> float:
        """The delta weight of --fidelity or --weight."""
        if self.weight is None:
            return BALANCED if self.fidelity is None else delta_weight_of(parse_fidelity(self.fidelity))
        if self.fidelity is not None:
            raise GanvasError(
                f"--fidelity {self.fidelity} and --weight {self.weight:g} say the same thing; give one of them."
            )
        return self.weight


def sketch(
    model: Model,
    /,
    *sketches: Annotated[Path, Parameter(required=True)],
    paper: str = "auto",
    out: EditOut = Path("sketch"),
    search: SketchOptions = SketchOptions(),
    onto: Onto = Onto(),
    results: EditResults = EditResults(),
) -> None:
    """Make images that show sketches.

    Where a sketch is transparent or shows paper, the image is free. Writes the chosen image of each, NAME-image.png, at
    the generator's size; sketches.png, a sheet with the sketches, all candidates and the nearest random images;
    numbers.json; latent.safetensors with all codes, which ganvas edit MODEL DIRECTIONS --latent FILE opens; and
    sketch.recipe, which begins with the chosen images. With --recipe, an image is changed until it shows the sketch:
    images/, sketch.png with the image after every operation, and sketch.recipe.

    Args:
        sketches: Images. One that cannot be read is named at the end; the others are done.
        paper: What counts as transparent: white or another color; auto finds the paper of an opaque image, none counts
            such an image everywhere.
    """
    generator = results.load(model)
    variants = search.variants(generator)
    target = results.destination(out, generator, len(sketches) * len(variants))
    named, bad = read_sketches(sketches, generator.resolution, paper)
    if onto.recipe is not None:
        refuse_unreadable(bad, len(sketches), "sketches")
        if search.grid or search.candidates is not None or search.measurements != Measurements():
            raise GanvasError("A recipe takes one search from its image; leave candidates, grid and measurements out.")
        changes = [Draw(one, variants[0]) for one in named]
        recipe = onto.add(onto.read(generator), generator, changes)
        results.show_recipe("sketch", recipe, generator, out)
        return
    if onto != Onto() or results.paste != PasteOptions():
        raise GanvasError("--inside and --paste-back are for a sketch in an image; give the image by --recipe.")
    notes = [one.note for one in named if one.note]
    features, measured = bundled_features(generator.device), search.measurements
    facts: dict[str, Any] = {
        "generator": model,
        "space": variants[0].space,
        "terms": str(variants[0].terms),
        "perceptual_distance": features.name,
        "optimizer": search.optimizer,
        "random_images": measured.nearest,
        "paper": notes,
    }
    sketching = BatchSketch(generator, named, variants, features, measured.nearest, realness_of(generator, model))
    with target as folder, progress() as report:
        real = None if measured.real is None else real_features(features.network, measured.real, MOST_REAL, report)
        finished = sketching.run(report)
        metrics = metrics_of(sketching)
        if measured.ood:
            scores = ood_scores(sketching, features.network, report)
            metrics = [{**line, "ood_score": score} for line, score in zip(metrics, scores, strict=True)]
        mmds = [] if real is None else variant_mmds(sketching, features.network, real)
        facts |= {"kernel_mmds": [one.as_dict() for one in mmds]}
        if folder is None:
            paths = [results.files.write(out, sketching.results[0, 0].images[:1])]
        else:
            settings = {**facts, "command": COMMAND_LINE.get()}
            paths = write_sketches(folder.path, sketching, metrics, settings, results.files)
    lines = [*notes, *metric_lines(metrics), *map(str, mmds)]
    results.show("sketch", lines, paths, finished, **facts, images=metrics, unread=[path for path, _ in bad])
    refuse_unreadable(bad, len(sketches), "sketches")
