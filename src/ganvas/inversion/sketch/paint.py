"""One sketch to images: the search from several starts, and what came of it in numbers.

The loss is that of `ganvas.inversion`, with the sketch's alpha as the mask and the dial's weight for the delta term.
Knows no files.
"""

import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor

from ganvas.errors import GanvasError
from ganvas.generators.protocol import Generator
from ganvas.inversion.invert import InversionSettings, Run, latent_of, prepare
from ganvas.inversion.optimize import Step
from ganvas.inversion.sketch.fidelity import BALANCED, check_weight
from ganvas.inversion.sketch.nearest import Nearest, look_at_random, random_codes
from ganvas.inversion.sketch.sketch import COMPARED, Sketch, distance_of, terms_from
from ganvas.inversion.starts import mean_start
from ganvas.inversion.terms import DEFAULT, FeatureMaps, Weights, bundled_features, in_stds
from ganvas.io.progress import Progress
from ganvas.latents.latent import Latent
from ganvas.latents.spaces import statistics

MOST_CANDIDATES = 32
RANDOM = 200


@dataclass(frozen=True)
class ScribbleSettings:
    """How sketches become images.

    ``delta`` is the weight of the delta term, `ganvas.inversion.sketch.fidelity.weight_at` a position of the dial;
    ``terms`` are the weights of what compares the image with the sketch. The first of the ``candidates`` starts at the
    mean of ``space``, the others at the random codes whose images are nearest to the sketch. ``steps`` are synthesis
    passes with gradients.
    """

    delta: float = BALANCED
    terms: Weights = DEFAULT
    space: str = "w+"
    candidates: int = 3
    steps: int = 300
    optimizer: str = "adam"
    label: int | None = None

    def __post_init__(self) -> None:
        check_weight(self.delta)
        if self.terms.delta or self.terms.noise:
            raise GanvasError("The delta term is the dial's, and noise maps stay: leave delta and noise out of terms.")
        if not 1 <= self.candidates <= MOST_CANDIDATES:
            raise GanvasError(f"{self.candidates} candidates are not possible; give 1 to {MOST_CANDIDATES}.")
        self.search("mean")

    def search(self, start: str | Latent) -> InversionSettings:
        """Return the settings of the search from a start."""
        weights = replace(self.terms, delta=self.delta)
        return InversionSettings(self.space, weights, self.optimizer, steps=self.steps, start=start, label=self.label)


@dataclass(frozen=True)
class Mark:
    """One candidate in numbers.

    ``distance`` is the masked distance from the sketch, the weighted sum of ``perceptual``, ``l1`` and ``l2`` (nan
    where they do not count); ``nearest`` that of the nearest random image, and ``quotient`` the one by the other, nan
    where none was looked at. ``delta`` is the mean of (delta / deviation)^2; ``loss`` is what was made small;
    ``from_mean`` the distance of the code to the mean in deviations, about 1 for random codes.
    """

    start: str
    distance: float
    nearest: float
    quotient: float
    perceptual: float
    l1: float
    l2: float
    delta: float
    loss: float
    from_mean: float
    steps: int

    def as_dict(self) -> dict[str, str | float]:
        """Return the numbers by name."""
        return asdict(self)


@dataclass(frozen=True)
class Painting:
    """What became of one sketch, the candidate of the smallest loss first: codes, images and numbers."""

    sketch: Sketch
    settings: ScribbleSettings
    latent: Latent
    images: Float[Tensor, "k 3 h w"]
    marks: tuple[Mark, ...]
    seconds: float


@dataclass
class Painter:
    """The search for images of one sketch, to be gone through step by step."""

    sketch: Sketch
    settings: ScribbleSettings
    run: Run
    nearest: float
    last: Step | None = None
    seconds: float = 0.0

    def steps(self) -> Iterator[Step]:
        """Yield every step, the end last."""
        begun = time.perf_counter()
        for step in self.run.steps():
            self.last, self.seconds = step, time.perf_counter() - begun
            yield step

    @torch.no_grad()
    def painting(self) -> Painting:
        """Return what there is at the last step that was taken."""
        assert self.last is not None, "take a step first"
        generator = self.run.objective.generator
        latent = latent_of(self.run, self.last)
        images = torch.cat(list(latent.images(generator)))
        marks = self._marks(images.to(generator.device))
        order = sorted(range(len(marks)), key=lambda row: marks[row].loss)
        names = tuple(f"{self.sketch.name} from {name}" for name in latent.names)
        latent = replace(latent, names=names, source=self.sketch.source or self.sketch.name).rows(order)
        ordered = tuple(marks[row] for row in order)
        return Painting(self.sketch, self.settings, latent, images[order], ordered, self.seconds)

    def _marks(self, images: Float[Tensor, "k 3 h w"]) -> list[Mark]:
        assert self.last is not None
        objective, point = self.run.objective, self.run.variables.at(self.last.x)
        terms = {
            name: values[:, 0]
            for name, values in terms_from([self.sketch], images, self.settings.terms, self.run.look).items()
        }
        distances = distance_of(self.settings.terms, terms)
        deltas = in_stds(point.delta, objective.statistics.std).cpu()
        priors = in_stds(point.codes - objective.statistics.mean, objective.statistics.std).cpu()
        losses = distances + self.settings.delta * deltas + self.settings.terms.prior * priors
        return [
            Mark(
                start=name,
                distance=float(distances[row]),
                nearest=self.nearest,
                quotient=float(distances[row]) / self.nearest if self.nearest else math.nan,
                **{term: float(terms[term][row]) if term in terms else math.nan for term in COMPARED},
                delta=float(deltas[row]),
                loss=float(losses[row]),
                from_mean=float(priors[row].sqrt()),
                steps=self.last.number,
            )
            for row, name in enumerate(self.run.names)
        ]


def begin(
    generator: Generator,
    sketch: Sketch,
    settings: ScribbleSettings,
    look: FeatureMaps,
    nearest: Nearest,
    column: int = 0,
) -> Painter:
    """Return the search for images of a sketch, the one of a `column` of `nearest`, ready to start.

    Raises `GanvasError` where fewer random images were looked at than candidates start from.
    """
    count = settings.candidates
    check_candidates(count, len(nearest.distances))
    here, start = sketch.on(generator), candidate_starts(generator, settings, nearest.seeds(column, count - 1))
    run = prepare(
        generator,
        here.colors.expand(count, -1, -1, -1),
        settings.search(start),
        mask=here.alpha,
        look=look,
        names=start.names,
    )
    return Painter(here, settings, run, nearest.distance(column))


def check_candidates(count: int, random: int) -> None:
    """Raise `GanvasError` where fewer `random` images are looked at than candidates start from."""
    if count - 1 > random >= 0:
        raise GanvasError(
            f"{count} candidates start at the mean and at {count - 1} random images, and {random} are looked at; "
            "look at more, or ask for fewer candidates."
        )


def candidate_starts(generator: Generator, settings: ScribbleSettings, seeds: Sequence[int]) -> Latent:
    """Return the codes from which candidates set out, with their names: the mean, then those of seeds."""
    known = statistics(generator, settings.space, settings.label)
    codes = mean_start(generator, settings.space, known, 1, settings.label).codes
    if seeds:
        codes = torch.cat([codes, random_codes(generator, settings.space, seeds, settings.label).codes])
    return Latent(codes, settings.space, names=("the mean", *(f"seed {seed}" for seed in seeds)))


def paint_sketch(
    generator: Generator,
    colors: Float[Tensor, "1 3 h w"],
    alpha: Float[Tensor, "1 alpha_h alpha_w"],
    settings: ScribbleSettings = ScribbleSettings(),
    *,
    look: FeatureMaps | None = None,
    random: int = RANDOM,
    progress: Progress = lambda what, done, total: None,
) -> Painting:
    """Return images of the generator that show a sketch: what `ganvas.read_sketch` reads at its resolution.

    `random` images of the generator are looked at for starts and for comparison; `look` is what the perceptual term
    sees by, the bundled feature network by default. Raises `GanvasError` for a sketch of another size or without a
    stroke, and for what the generator does not have.
    """
    check_candidates(settings.candidates, random)
    sketch, eyes = Sketch("sketch", colors, alpha).on(generator), look or bundled_features(generator.device)
    nearest = look_at_random(generator, [sketch], random, settings.terms, eyes, label=settings.label, progress=progress)
    painter = begin(generator, sketch, settings, eyes, nearest)
    for step in painter.steps():
        progress("Scribbling", step.number, settings.steps)
    return painter.painting()
