"""An inversion that is ready to run, and the result of any of its steps."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

import torch
from jaxtyping import Float
from torch import Tensor

from ganvas.errors import ImageError
from ganvas.generators.codes import check_space
from ganvas.generators.protocol import Generator, about_of
from ganvas.images.notebook import notebook_cell
from ganvas.inversion.features import FeatureExtractor, bundled_features
from ganvas.inversion.metrics import InversionMetrics, perceptual_distances, psnr
from ganvas.inversion.objective import Objective, make_target
from ganvas.inversion.optimizers import OptimizerStep, optimize_adam, optimize_lbfgs
from ganvas.inversion.schedules import schedule_named
from ganvas.inversion.settings import InversionSettings
from ganvas.inversion.starts import InversionStart, find_start
from ganvas.inversion.tuning import TuningSettings, TuningStep, tune
from ganvas.inversion.variables import Variables, make_variables
from ganvas.latents.latent import Latent
from ganvas.latents.spaces import statistics


@dataclass(frozen=True)
class Inversion:
    """Inverted photos.

    Attributes:
        latent: The codes, with noise maps and tuned weights where they were optimized.
        images: The generator's images of the latent [n, 3, h, w], about [-1, 1].
        metrics: How near each image is to its photo.
        history: The loss of every photo at every step.
    """

    latent: Latent
    images: Float[Tensor, "n 3 h w"]
    metrics: tuple[InversionMetrics, ...]
    history: tuple[Float[Tensor, "n"], ...] = field(repr=False, default=())

    def __repr__(self) -> str:
        ratios = ", ".join(f"{one.psnr:.1f}" for one in self.metrics[:4]) + (", ..." if len(self.metrics) > 4 else "")
        tuned = ", tuned" if self.latent.tuned else ""
        return f"Inversion({len(self.metrics)} photos into {self.latent.space}{tuned}, PSNR {ratios} dB)"

    def _repr_html_(self) -> str:
        return notebook_cell(self, self.images)


@dataclass(frozen=True)
class PreparedInversion:
    """An inversion whose start is found: ``steps`` runs it, `finish_inversion` makes a result of any step."""

    objective: Objective
    variables: Variables
    settings: InversionSettings
    start: InversionStart
    features: FeatureExtractor
    names: tuple[str, ...]
    sources: tuple[str, ...] = ()

    def steps(self) -> Iterator[OptimizerStep]:
        """Yield every step, the end last: one more than `InversionSettings.steps`, or fewer where L-BFGS converges."""
        settings = self.settings
        if settings.optimizer == "lbfgs":
            return optimize_lbfgs(self.objective, self.variables, settings.steps)
        schedule = schedule_named(settings.schedule)
        return optimize_adam(self.objective, self.variables, schedule, settings.steps, settings.seed)

    def select(self, sample: int, step: OptimizerStep) -> "tuple[PreparedInversion, OptimizerStep]":
        """Return the inversion of one photo, and its part of a step."""
        part = slice(sample, sample + 1)
        prepared = replace(
            self,
            objective=self.objective.select([sample]),
            variables=self.variables.select([sample]),
            names=self.names[part],
            sources=self.sources[part],
        )
        return prepared, step.select(part)

    def tuning(self, step: OptimizerStep, settings: TuningSettings) -> Iterator[TuningStep]:
        """Yield the steps of pivotal tuning at the codes of `step`.

        The feature extractor is used for tuning even where the inversion compared pixels alone.
        """
        objective = self.objective
        if settings.weights.perceptual and objective.features is None:
            target = make_target(objective.target.images, self.features, objective.target.mask)
            objective = replace(objective, features=self.features, target=target)
        return tune(objective, self.variables.at(step.x), settings)


def prepare_inversion(
    generator: Generator,
    photos: Float[Tensor, "n 3 h w"],
    settings: InversionSettings = InversionSettings(),
    *,
    mask: Float[Tensor, "1 h w"] | None = None,
    features: FeatureExtractor | None = None,
    names: Sequence[str] = (),
    sources: Sequence[str] = (),
) -> PreparedInversion:
    """Return an inversion with its start found; see `ganvas.invert`. `sources` are the files of the photos."""
    check_photos(photos, generator)
    check_space(settings.space, generator.spaces)
    extractor: FeatureExtractor = features or bundled_features(generator.device)
    compared = extractor if settings.weights.perceptual else None
    objective = Objective(
        generator,
        settings.space,
        make_target(photos.to(generator.device), compared, None if mask is None else mask.to(generator.device)),
        settings.weights,
        compared,
        statistics(generator, settings.space, settings.label),
        settings.label,
    )
    start = find_start(objective, settings.start, settings.seed)
    whitened = settings.optimizer == "adam" and schedule_named(settings.schedule).whitened
    variables = make_variables(generator, start.codes, objective.statistics, whitened=whitened, noise=settings.noise)
    given = tuple(names) or tuple(f"photo {sample}" for sample in range(len(photos)))
    return PreparedInversion(objective, variables, settings, start, extractor, given, tuple(sources))


def check_photos(photos: object, generator: Generator) -> None:
    """Raise `ImageError` unless photos are a tensor [n, 3, r, r] at the generator's resolution."""
    side = generator.resolution
    if not isinstance(photos, Tensor):
        raise ImageError(
            f"Photos are a tensor [n, 3, {side}, {side}] with values in [-1, 1], a file or a list of files; "
            f"you gave {type(photos).__name__}."
        )
    if photos.ndim != 4 or len(photos) == 0 or photos.shape[1:] != (3, side, side):
        raise ImageError(
            f"Photos of shape {list(photos.shape)} do not fit this generator; give [n, 3, {side}, {side}]."
        )


def finish_inversion(
    prepared: PreparedInversion, step: OptimizerStep, seconds: float, tuned: TuningStep | None = None
) -> Inversion:
    """Return the result of a step of an inversion, and of a step of tuning where there is one."""
    latent = latent_at(prepared, step, tuned)
    objective, point = prepared.objective, prepared.variables.at(step.x)
    images = torch.cat(list(latent.images(objective.generator)))
    target, compared = objective.target, images.to(objective.target.images)
    with torch.no_grad():  # the loss of the final images, so that tuned and other ones compare
        losses = objective.losses(objective.terms(point, compared))
    passes = step.passes + prepared.start.passes + (tuned.passes if tuned else 0) + 1
    columns = zip(
        prepared.names,
        psnr(compared, target.images, target.mask).tolist(),
        perceptual_distances(prepared.features, compared, target).tolist(),
        losses.tolist(),
        objective.statistics.distances(point.codes).tolist(),
        passes.tolist(),
        strict=True,
    )
    return Inversion(latent, images, tuple(InversionMetrics(*values, seconds=seconds) for values in columns))


def latent_at(prepared: PreparedInversion, step: OptimizerStep, tuned: TuningStep | None = None) -> Latent:
    """Return the latent of a step."""
    point = prepared.variables.at(step.x)
    about = about_of(prepared.objective.generator)
    return Latent(
        point.codes.detach().cpu(),
        prepared.objective.space,
        names=prepared.names,
        label=prepared.objective.label,
        source=", ".join(prepared.sources or prepared.names),
        generator=about.name,
        generator_hash=about.hash,
        noise={name: noise.detach().cpu() for name, noise in point.noise.items()},
        tuned=dict(tuned.differences) if tuned else {},
    )
