"""Photos to codes: target, start, variables and optimizer put together.

``prepare`` checks everything and gives a `Run`; its ``steps`` are the work; ``finish`` makes of any step, the last or
one at which somebody lost patience, the `Inversion` with its latent and its numbers.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace

import torch
from jaxtyping import Float
from torch import Tensor

from ganvas.errors import GanvasError, ImageError, LatentError
from ganvas.generators.codes import check_space
from ganvas.generators.protocol import Generator, about_of
from ganvas.inversion.objective import Objective, make_target
from ganvas.inversion.optimize import Step, adam, limited_memory
from ganvas.inversion.report_card import Card, distances, psnr
from ganvas.inversion.schedules import schedule_named
from ganvas.inversion.starts import Encode, Start, encoder_start, latent_start, mean_start, nearest_start
from ganvas.inversion.terms import DEFAULT, FeatureMaps, Weights, bundled_features
from ganvas.inversion.tuning import Tuned, Tuning, tune
from ganvas.inversion.variables import Variables, make_variables
from ganvas.latents.latent import Latent
from ganvas.latents.spaces import statistics

OPTIMIZERS = ("adam", "lbfgs")


@dataclass(frozen=True)
class InversionSettings:
    """How an inversion is made.

    ``space`` is z, w or w+; ``optimizer`` "adam", by the ``schedule`` of this name, or "lbfgs"; ``steps`` are synthesis
    passes with gradients, at most. ``start`` is "mean", "random", "random:8" (the nearest of eight), an encoder, or a
    latent of one code or one for each photo. With ``noise`` the noise maps are changed too. ``seed`` draws random
    starts and the schedule's noise on codes.
    """

    space: str = "w+"
    weights: Weights = DEFAULT
    optimizer: str = "adam"
    schedule: str = "ganvas"
    steps: int = 300
    start: str | Latent | Encode = "mean"
    noise: bool = False
    seed: int = 0
    label: int | None = None

    def __post_init__(self) -> None:
        if self.space not in ("z", "w", "w+"):
            raise LatentError(f"Photos are not inverted into space '{self.space}'; give z, w or w+.")
        if self.optimizer not in OPTIMIZERS:
            raise GanvasError(f"There is no optimizer '{self.optimizer}'; give {' or '.join(OPTIMIZERS)}.")
        if not 1 <= self.steps <= 1_000_000:
            raise GanvasError(f"{self.steps} steps are not possible; give 1 or more, such as 300.")
        schedule_named(self.schedule)


@dataclass(frozen=True)
class Run:
    """An inversion that is ready to begin."""

    objective: Objective
    variables: Variables
    settings: InversionSettings
    start: Start
    look: FeatureMaps
    names: tuple[str, ...]
    sources: tuple[str, ...] = ()

    def steps(self) -> Iterator[Step]:
        """Yield every step, the end last: `InversionSettings.steps` and one, or fewer where L-BFGS ends early."""
        wanted = self.settings
        if wanted.optimizer == "lbfgs":
            return limited_memory(self.objective, self.variables, wanted.steps)
        return adam(self.objective, self.variables, schedule_named(wanted.schedule), wanted.steps, wanted.seed)

    def alone(self, row: int, step: Step) -> "tuple[Run, Step]":
        """Return the run of one photo, and its part of a step."""
        part = slice(row, row + 1)
        kept = replace(
            self,
            objective=self.objective.rows([row]),
            variables=self.variables.rows([row]),
            names=self.names[part],
            sources=self.sources[part],
        )
        terms = {name: values[part] for name, values in step.terms.items()}
        alone = Step(step.number, step.x[part], step.losses[part], terms, step.images[part], step.passes[part])
        return kept, alone

    def tuning(self, step: Step, settings: Tuning) -> Iterator[Tuned]:
        """Yield the steps of tuning the generator's weights at the codes of `step`.

        What tuning looks through is there even where the inversion itself compared pixels alone.
        """
        objective = self.objective
        if settings.weights.perceptual and objective.look is None:
            target = make_target(objective.target.images, self.look, objective.target.mask)
            objective = replace(objective, look=self.look, target=target)
        return tune(objective, self.variables.at(step.x), settings)


@dataclass(frozen=True)
class Inversion:
    """What became of photos: their `latent`, the `images` it paints [n, 3, h, w], a `Card` of numbers for each."""

    latent: Latent
    images: Float[Tensor, "n 3 h w"]
    cards: tuple[Card, ...]
    history: tuple[Float[Tensor, "n"], ...] = field(repr=False, default=())


def invert(
    generator: Generator,
    photos: Float[Tensor, "n 3 h w"],
    settings: InversionSettings = InversionSettings(),
    *,
    mask: Float[Tensor, "1 h w"] | None = None,
    look: FeatureMaps | None = None,
    names: Sequence[str] = (),
    tuning: Tuning | None = None,
    progress: Callable[[str, int, int], None] | None = None,
) -> Inversion:
    """Return codes whose images are like `photos`, which have the generator's size and values in [-1, 1].

    Photos are optimized side by side and do not influence each other, but for `tuning`, which then changes the
    generator's weights for all of them together. `mask` says where they must be matched. `look` is what the perceptual
    term sees by, the bundled feature network by default. Raises `GanvasError` for what the generator does not have.
    """
    begun = time.perf_counter()
    run = prepare(generator, photos, settings, mask=mask, look=look, names=names)
    history, last, tuned = [], None, None
    for last in run.steps():
        history.append(last.losses.cpu())
        if progress:
            progress("Inverting", last.number, settings.steps)
    assert last is not None
    for tuned in run.tuning(last, tuning) if tuning else ():
        if progress and tuning:
            progress("Tuning", tuned.number, tuning.steps)
    return replace(finish(run, last, time.perf_counter() - begun, tuned), history=tuple(history))


def prepare(
    generator: Generator,
    photos: Float[Tensor, "n 3 h w"],
    settings: InversionSettings = InversionSettings(),
    *,
    mask: Float[Tensor, "1 h w"] | None = None,
    look: FeatureMaps | None = None,
    names: Sequence[str] = (),
    sources: Sequence[str] = (),
) -> Run:
    """Return an inversion with its start found; see `invert`. `sources` are the files of the photos."""
    side = generator.resolution
    if photos.ndim != 4 or len(photos) == 0 or photos.shape[1:] != (3, side, side):
        raise ImageError(
            f"Photos of shape {list(photos.shape)} are none for this generator; give [n, 3, {side}, {side}]."
        )
    check_space(settings.space, generator.spaces)
    eyes: FeatureMaps = look or bundled_features(generator.device)
    objective = Objective(
        generator,
        settings.space,
        make_target(
            photos.to(generator.device),
            eyes if settings.weights.perceptual else None,
            None if mask is None else mask.to(generator.device),
        ),
        settings.weights,
        eyes if settings.weights.perceptual else None,
        statistics(generator, settings.space, settings.label),
        settings.label,
    )
    start = find_start(objective, settings.start, settings.seed)
    whitened = settings.optimizer == "adam" and schedule_named(settings.schedule).whitened
    variables = make_variables(generator, start.codes, objective.statistics, whitened=whitened, noise=settings.noise)
    kept = tuple(names) or tuple(f"photo {row}" for row in range(len(photos)))
    return Run(objective, variables, settings, start, eyes, kept, tuple(sources))


def default_space(generator: Generator) -> str:
    """Return the space into which photos are inverted unless another is asked for: the last of z, w, w+ there is."""
    return [known for known in generator.spaces if known != "s"][-1]


def find_start(objective: Objective, start: str | Latent | Encode, seed: int = 0) -> Start:
    """Return where rows set out, as `InversionSettings` say; raises `GanvasError` for other words."""
    generator, space, rows = objective.generator, objective.space, len(objective.target.images)
    if isinstance(start, Latent):
        return latent_start(generator, space, start, rows)
    if not isinstance(start, str):
        return encoder_start(generator, space, start, objective.target.images)
    if start == "mean":
        return mean_start(generator, space, objective.statistics, rows, objective.label)
    word, _, count = start.partition(":")
    if word != "random" or not (count or "1").isdecimal():
        raise GanvasError(f"'{start}' is no start; give mean, random, random:8, encoder or a latent file.")
    return nearest_start(objective, int(count or 1), seed)


def finish(run: Run, step: Step, seconds: float, tuned: Tuned | None = None) -> Inversion:
    """Return what a step of a run, and perhaps of its tuning, comes to."""
    latent = latent_of(run, step, tuned)
    objective, point = run.objective, run.variables.at(step.x)
    images = torch.cat(list(latent.images(objective.generator)))
    target, painted = objective.target, images.to(objective.target.images)
    with torch.no_grad():  # of what is written, by what was inverted with: one number for every stage
        losses = objective.losses(objective.terms(point, painted))
    passes = step.passes + run.start.passes + (tuned.passes if tuned else 0) + 1
    told = zip(
        run.names,
        psnr(painted, target.images, target.mask).tolist(),
        distances(run.look, painted, target).tolist(),
        losses.tolist(),
        objective.statistics.distances(point.codes).tolist(),
        strict=True,
    )
    cards = tuple(Card(*one, count, seconds) for one, count in zip(told, passes.tolist(), strict=True))
    return Inversion(latent, images, cards)


def latent_of(run: Run, step: Step, tuned: Tuned | None = None) -> Latent:
    """Return the latent of a step."""
    point = run.variables.at(step.x)
    about = about_of(run.objective.generator)
    return Latent(
        point.codes.detach().cpu(),
        run.objective.space,
        names=run.names,
        label=run.objective.label,
        source=", ".join(run.sources or run.names),
        generator=about.name,
        generator_hash=about.hash,
        noise={name: noise.detach().cpu() for name, noise in point.noise.items()},
        tuned=dict(tuned.differences) if tuned else {},
    )
