"""The search for images that match one sketch, from several starts.

The loss is that of `ganvas.inversion` with the sketch's alpha as the mask, and the delta term.
"""

import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Annotated

import torch
from jaxtyping import Float
from torch import Tensor

from ganvas.errors import GanvasError
from ganvas.errors.arguments import checked
from ganvas.errors.ranges import Range, Steps, Weight
from ganvas.generators.protocol import Generator
from ganvas.images.notebook import notebook_cell
from ganvas.inversion.features import FeatureExtractor
from ganvas.inversion.loss_weights import DEFAULT_WEIGHTS, LossWeights
from ganvas.inversion.optimizers import OptimizerStep
from ganvas.inversion.prepare import PreparedInversion, latent_at, prepare_inversion
from ganvas.inversion.settings import InversionSettings
from ganvas.inversion.sketch.fidelity import BALANCED
from ganvas.inversion.sketch.nearest import RandomImages
from ganvas.inversion.sketch.realness import Realness, choose_candidate, measure_realness
from ganvas.inversion.sketch.target import COMPARED, Sketch, masked_distance, sketch_terms
from ganvas.inversion.starts import mean_start
from ganvas.inversion.terms import mean_squared_z_score
from ganvas.latents.latent import Latent, sample
from ganvas.latents.spaces import statistics

MOST_CANDIDATES = 32
KEPT = 1.0


@checked
@dataclass(frozen=True)
class SketchSettings:
    """Settings of a sketch's search.

    Attributes:
        delta_weight: The weight of the code's distance from its start; 0 matches the sketch alone. Of a fidelity f it
            is (1 - f) / f.
        terms: The weights of the terms that compare the image with the sketch, and of the prior.
        space: The space of the codes: "z", "w" or "w+".
        candidates: Images per sketch: the first starts at the mean, the others at the random codes whose images are
            nearest to the sketch.
        steps: Synthesis passes with gradients.
        optimizer: "adam" or "lbfgs".
        label: The class of all images, for generators that have classes.
        keep: Of a drawing on an image (`ganvas.Recipe.sketch`): how much the clear parts count, all together, to stay
            as they are, in multiples of what the drawn parts count; 0 leaves them to the generator.

    Raises:
        GanvasError: A value is not possible.

    Example:
        >>> import ganvas
        >>> ganvas.SketchSettings(delta_weight=3.0).candidates
        3
    """

    delta_weight: Weight = BALANCED
    terms: LossWeights = DEFAULT_WEIGHTS
    space: str = "w+"
    candidates: Annotated[int, Range(1, MOST_CANDIDATES, whole=True)] = 3
    steps: Steps = 300
    optimizer: str = "adam"
    label: int | None = None
    keep: Weight = KEPT

    def __post_init__(self) -> None:
        if self.terms.delta or self.terms.noise:
            raise GanvasError("delta_weight is the weight of delta, and noise maps stay: leave delta and noise out.")
        self.inversion("mean")

    def inversion(self, start: str | Latent) -> InversionSettings:
        """Return the settings of the inversion from a start."""
        weights = replace(self.terms, delta=self.delta_weight)
        return InversionSettings(self.space, weights, self.optimizer, steps=self.steps, start=start, label=self.label)


@dataclass(frozen=True)
class CandidateMetrics:
    """The metrics of one candidate.

    Attributes:
        start: The name of its start.
        distance: The masked distance from the sketch, the weighted sum of the next three terms.
        nearest: The masked distance of the nearest random image, nan without random images.
        relative_distance: ``distance / nearest``.
        perceptual: The perceptual term, nan where its weight is 0; likewise `l1` and `l2`.
        l1: The mean absolute difference.
        l2: The mean squared difference.
        delta: ``mean((delta / std)^2)`` of the code's difference from its start.
        loss: The loss that was minimized.
        realness: What the discriminator says of the image, larger is more real; nan where none was asked.
        from_mean: Distance of the code from the mean in standard deviations, about 1 for random codes.
        steps: Steps of the search.
    """

    start: str
    distance: float
    nearest: float
    relative_distance: float
    perceptual: float
    l1: float
    l2: float
    delta: float
    loss: float
    realness: float
    from_mean: float
    steps: int


@dataclass(frozen=True)
class SketchResult:
    """Images that match one sketch, those of all candidates: the chosen one first, then the smallest loss.

    Chosen is the most real of those whose loss is at most 35 % above the smallest, where realness is measured.

    Attributes:
        sketch: The drawing.
        settings: The settings of the search.
        latent: The codes.
        images: The images [k, 3, h, w], about [-1, 1].
        metrics: The metrics of each candidate.
        seconds: The time of the search.
    """

    sketch: Sketch = field(repr=False)
    settings: SketchSettings
    latent: Latent = field(repr=False)
    images: Float[Tensor, "k 3 h w"] = field(repr=False)
    metrics: tuple[CandidateMetrics, ...]
    seconds: float

    def __repr__(self) -> str:
        distances = ", ".join(f"{one.distance:.3f}" for one in self.metrics[:4])
        return f"SketchResult({self.sketch.name}: {len(self.metrics)} candidates, masked distance {distances})"

    def _repr_html_(self) -> str:
        return notebook_cell(self, self.images)


@dataclass
class SketchSearch:
    """The search for images that match one sketch; ``steps`` runs it, ``result`` is that of the last step."""

    sketch: Sketch
    settings: SketchSettings
    prepared: PreparedInversion
    nearest: float
    realness: Realness | None = None
    last: OptimizerStep | None = None
    seconds: float = 0.0

    def steps(self) -> Iterator[OptimizerStep]:
        """Yield every step, the end last."""
        begun = time.perf_counter()
        for step in self.prepared.steps():
            self.last, self.seconds = step, time.perf_counter() - begun
            yield step

    @torch.no_grad()
    def result(self) -> SketchResult:
        """Return the result of the last step that was taken."""
        assert self.last is not None, "take a step first"
        generator = self.prepared.objective.generator
        latent = latent_at(self.prepared, self.last)
        images = torch.cat(list(latent.images(generator)))
        metrics = self._metrics(self.last, images.to(generator.device))
        losses = [one.loss for one in metrics]
        chosen = choose_candidate(losses, None if self.realness is None else [one.realness for one in metrics])
        order = sorted(range(len(metrics)), key=lambda sample: (sample != chosen, losses[sample]))
        names = tuple(f"{self.sketch.name} from {name}" for name in latent.names)
        latent = replace(latent, names=names, source=self.sketch.source or self.sketch.name).rows(order)
        ordered = tuple(metrics[sample] for sample in order)
        return SketchResult(self.sketch, self.settings, latent, images[order], ordered, self.seconds)

    def _metrics(self, step: OptimizerStep, images: Float[Tensor, "k 3 h w"]) -> list[CandidateMetrics]:
        known, point = self.prepared.objective.statistics, self.prepared.variables.at(step.x)
        weights = self.settings.terms
        columns = sketch_terms([self.sketch], images, weights, self.prepared.features)
        terms = {name: values[:, 0] for name, values in columns.items()}
        distances = masked_distance(weights, terms)
        deltas = mean_squared_z_score(point.delta, known.std).cpu()
        priors = mean_squared_z_score(point.codes - known.mean, known.std).cpu()
        losses = distances + self.settings.delta_weight * deltas + weights.prior * priors
        realness = [math.nan] * len(losses) if self.realness is None else measure_realness(self.realness, images)
        return [
            CandidateMetrics(
                start=name,
                distance=float(distances[sample]),
                nearest=self.nearest,
                relative_distance=float(distances[sample]) / self.nearest if self.nearest else math.nan,
                **{term: float(terms[term][sample]) if term in terms else math.nan for term in COMPARED},
                delta=float(deltas[sample]),
                loss=float(losses[sample]),
                realness=realness[sample],
                from_mean=float(priors[sample].sqrt()),
                steps=step.number,
            )
            for sample, name in enumerate(self.prepared.names)
        ]


def start_search(
    generator: Generator,
    sketch: Sketch,
    settings: SketchSettings,
    features: FeatureExtractor,
    random_images: RandomImages,
    column: int = 0,
    realness: Realness | None = None,
) -> SketchSearch:
    """Return the search for images of a sketch, that of a `column` of `random_images`, before its first step;
    `realness` says how real images are.

    Raises `GanvasError` where there are fewer random images than candidates that start from them.
    """
    count = settings.candidates
    check_candidates(count, len(random_images.distances))
    sketch = sketch.on(generator)
    start = candidate_starts(generator, settings, random_images.nearest_seeds(column, count - 1))
    prepared = prepare_inversion(
        generator,
        sketch.colors.expand(count, -1, -1, -1),
        settings.inversion(start),
        mask=sketch.alpha,
        features=features,
        names=start.names,
    )
    return SketchSearch(sketch, settings, prepared, random_images.smallest_distance(column), realness)


def check_candidates(count: int, random: int) -> None:
    """Raise `GanvasError` where there are fewer `random` images than candidates that start from them."""
    if count - 1 > random >= 0:
        raise GanvasError(
            f"{count} candidates start at the mean and at {count - 1} random images, and there are {random}; "
            "ask for more random images, or for fewer candidates."
        )


def candidate_starts(generator: Generator, settings: SketchSettings, seeds: Sequence[int]) -> Latent:
    """Return the codes from which candidates start, with their names: the mean, then those of seeds."""
    known = statistics(generator, settings.space, settings.label)
    codes = mean_start(generator, settings.space, known, 1, settings.label).codes
    if seeds:
        others = sample(generator, seeds, label=settings.label, space=settings.space)
        codes = torch.cat([codes, others.codes])
    return Latent(codes, settings.space, names=("the mean", *(f"seed {seed}" for seed in seeds)))
