"""Pivotal tuning inversion (PTI, Roich et al. 2021): with the code, the pivot, held fixed, the generator's weights are
optimized until its image of the pivot is the photo (sections 3.2 and 3.3).

The change of every weight is a product of two thin matrices (LoRA, Hu et al. 2021), small enough to be kept with the
code; or a full matrix, in half precision.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor

from ganvas.errors import NotFiniteError
from ganvas.errors.arguments import checked
from ganvas.errors.ranges import CountOrNone, Rate, Seed, Steps, Truncation, Weight
from ganvas.generators.weight_differences import LEFT, RIGHT, put_weights, weights_of, with_weights
from ganvas.inversion.features import FeatureExtractor
from ganvas.inversion.loss_weights import LossWeights
from ganvas.inversion.objective import Objective, image_terms
from ganvas.inversion.terms import feature_distance, l2_distance
from ganvas.inversion.variables import LatentPoint
from ganvas.io.progress import Progress, as_one

INVERTING, TUNING = "Inverting", "Tuning"
STEP_COST = 4  # a step of tuning takes about four times as long as one of inversion


@checked
@dataclass(frozen=True)
class TuningSettings:
    """Settings of pivotal tuning.

    Attributes:
        steps: Steps of Adam, at most.
        rate: The learning rate.
        rank: The rank of the weights' changes, 0 for full ones.
        weights: The loss between image and photo (PTI, section 3.2).
        locality: The weight of the locality term (PTI, section 3.3), which keeps the images of other codes; 0 for
            none.
        radius: The distance from the pivot of the locality term's codes, in standard deviations of the space.
        truncation: The truncation of the random codes towards which these lie.
        stop_below: The perceptual distance below which tuning stops early; 0 never does.
        seed: Draws the right factors and the random codes.

    Raises:
        GanvasError: A value is not possible.

    Example:
        >>> import ganvas
        >>> ganvas.TuningSettings(steps=50).rank
        8
    """

    steps: Steps = 100
    rate: Rate = 3e-3
    rank: CountOrNone = 8
    weights: LossWeights = LossWeights(perceptual=1.0, l2=1.0)
    locality: Weight = 0.1
    radius: Weight = 0.5
    truncation: Truncation = 0.5
    stop_below: Weight = 0.0
    seed: Seed = 0


def with_tuning(progress: Progress, inverting: int, tuning: int, photos: int = 1) -> Progress:
    """Return the callback that reports so many steps of inversion and then of tuning, for each photo, as one task."""
    sizes = {INVERTING: inverting * photos, TUNING: STEP_COST * tuning * photos}
    return as_one(progress, f"{INVERTING} and {TUNING.lower()}", sizes)


@dataclass(frozen=True)
class TuningStep:
    """The state after ``number`` steps: the changes of the weights, the loss of each sample and its terms, the images,
    and the synthesis passes per sample so far, those of the locality term included.
    """

    number: int
    differences: Mapping[str, Tensor]
    losses: Float[Tensor, "n"]
    terms: Mapping[str, Float[Tensor, "n"]]
    images: Float[Tensor, "n 3 h w"]
    passes: int


def tune(objective: Objective, pivot: LatentPoint, settings: TuningSettings = TuningSettings()) -> Iterator[TuningStep]:
    """Yield the steps of tuning the objective's generator for its target at the pivot, the end last.

    All samples share the changed weights; give one sample to tune for it alone. Raises `LatentError` for a generator
    that is not a PyTorch module.
    """
    pivot = pivot.detached()
    weights = _tunable_weights(objective, pivot)
    factors = _zero_change(weights, settings.rank, settings.seed)
    tuned_generator = with_weights(objective.generator, {})
    tuned = replace(objective, generator=tuned_generator)
    optimizer = torch.optim.Adam(factors.values(), lr=settings.rate)
    neighbors = _neighbors(objective, pivot, settings)
    passes = 1  # one finds the weights on which the image depends
    for number in range(settings.steps + 1):
        last = number == settings.steps
        with torch.set_grad_enabled(not last):
            changed = {name: weight + _change(factors, name, weight) for name, weight in weights.items()}
            put_weights(tuned_generator, changed)
            images = tuned.images(pivot)
            terms = image_terms(settings.weights, objective.features, objective.target, images)
        losses = settings.weights.total(terms)
        passes += 1
        values = {name: value.detach() for name, value in terms.items()}
        kept = _in_half_precision(factors)
        if not all(bool(value.isfinite().all()) for value in (losses, *kept.values())):
            raise NotFiniteError(
                f"Tuning is not finite after {number} steps; a smaller rate (--tune-rate) or weight may help."
            )
        yield TuningStep(number, kept, losses.detach(), values, images.detach(), passes)
        if last or ("perceptual" in values and float(values["perceptual"].max()) < settings.stop_below):
            return
        loss = losses.sum()
        if settings.locality:
            loss = loss + settings.locality * locality_loss(objective, tuned, next(neighbors), objective.features)
            passes += 2  # of the original and of the tuned generator
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


def locality_loss(
    original: Objective, tuned: Objective, point: LatentPoint, features: FeatureExtractor | None
) -> Float[Tensor, ""]:
    """Return the L2 and perceptual distance between the images of the original and the tuned generator (PTI, Eq. 6-8),
    summed over samples.
    """
    with torch.no_grad():
        before = original.images(point)
    after = tuned.images(point)
    change = l2_distance(after, before)
    if features is not None:
        with torch.no_grad():
            maps = features(before)
        change = change + feature_distance(features(after), maps)
    return change.sum()


def interpolate_codes(pivot: Float[Tensor, "n *d"], others: Float[Tensor, "n *d"], alpha: float) -> Tensor:
    """Return codes at distance `alpha` from the pivot towards others, ``w_r = w_p + alpha (w_z - w_p) / |w_z - w_p|``
    (PTI, Eq. 5).
    """
    difference = (others - pivot).flatten(1)
    unit = difference / difference.norm(dim=1, keepdim=True).clamp_min(1e-12)
    return pivot + alpha * unit.reshape(pivot.shape)


def _neighbors(objective: Objective, pivot: LatentPoint, settings: TuningSettings) -> Iterator[LatentPoint]:
    """Yield points near the pivot, each time towards other random codes; noise maps stay.

    The published distance, 30, is for the w of one generator; `radius` is in standard deviations of the space.
    """
    generator, space = objective.generator, objective.space
    alpha = settings.radius * float(objective.statistics.covariance.diagonal().sum().sqrt())
    alpha *= math.sqrt(pivot.codes[0].numel() / len(objective.statistics.mean))  # a w+ code has several layers
    seed, samples = settings.seed, len(pivot.codes)
    while True:
        z = generator.sample(range(seed, seed + samples))
        if space == "z":
            others = z * settings.truncation
        else:
            with torch.no_grad():
                others = generator.map(z, to=space, label=objective.label, truncation=settings.truncation)
        yield LatentPoint(interpolate_codes(pivot.codes, others, alpha), pivot.delta, pivot.noise)
        seed += samples


def _tunable_weights(objective: Objective, pivot: LatentPoint) -> dict[str, Tensor]:
    """Return the weights on which the image of the pivot depends: matrices and kernels, no biases."""
    found = {name: weight for name, weight in weights_of(objective.generator).items() if weight.ndim >= 2}
    leaves = {name: weight.detach().float().requires_grad_() for name, weight in found.items()}
    generator = with_weights(objective.generator, leaves)
    with torch.enable_grad():
        images = replace(objective.select([0]), generator=generator).images(pivot.select(slice(1)))
        gradients = torch.autograd.grad(images.square().mean(), list(leaves.values()), allow_unused=True)
    used = [name for name, gradient in zip(leaves, gradients, strict=True) if gradient is not None]
    return {name: leaves[name].detach() for name in used}


def _zero_change(weights: Mapping[str, Tensor], rank: int, seed: int) -> dict[str, Tensor]:
    """Return the trainable factors of every weight's change, which begins at zero: the left factors are 0."""
    random = torch.Generator().manual_seed(seed)
    factors: dict[str, Tensor] = {}
    for name, weight in weights.items():
        rows, columns = weight.flatten(1).shape
        if rank == 0 or rank * (rows + columns) >= weight.numel():
            factors[name] = torch.zeros_like(weight)
            continue
        right = torch.randn(rank, columns, generator=random) / math.sqrt(rank)
        factors[name + LEFT] = weight.new_zeros(rows, rank)
        factors[name + RIGHT] = right.to(weight)
    return {name: factor.requires_grad_() for name, factor in factors.items()}


def _change(factors: Mapping[str, Tensor], name: str, weight: Tensor) -> Tensor:
    if name in factors:
        return factors[name]
    return (factors[name + LEFT] @ factors[name + RIGHT]).reshape(weight.shape)


def _in_half_precision(factors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the factors as files keep them."""
    return {name: factor.detach().half() for name, factor in factors.items()}
