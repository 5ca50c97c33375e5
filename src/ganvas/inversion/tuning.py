"""Tuning: with the code held still (the pivot), the generator's weights are changed until its image is the photo
(pivotal tuning inversion, Roich et al. 2021, sections 3.2 and 3.3).

The change of every weight is a product of two thin matrices (LoRA, Hu et al. 2021), and so small enough to be kept with
the code; or whole, in half precision.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor

from ganvas.errors import GanvasError
from ganvas.generators.weight_differences import LEFT, RIGHT, put_weights, weights_of, with_weights
from ganvas.inversion.objective import Objective, image_terms
from ganvas.inversion.terms import FeatureMaps, Weights, perceptual, squared
from ganvas.inversion.variables import Point


@dataclass(frozen=True)
class Tuning:
    """How weights are tuned.

    At most `steps` of Adam at `rate`, until the perceptual distance is below `enough`. `rank` is that of the weights'
    changes, 0 for whole ones. `locality` weighs the term that keeps other images as they are: those of codes
    `distance` from the pivot towards random codes of truncation `truncation`, one a step, by L2 and perceptual
    distance.
    """

    steps: int = 100
    rate: float = 3e-3
    rank: int = 8
    weights: Weights = Weights(perceptual=1.0, l2=1.0)
    locality: float = 0.1
    distance: float = 0.5
    truncation: float = 0.5
    enough: float = 0.0
    seed: int = 0

    def __post_init__(self) -> None:
        if self.steps < 1 or self.rank < 0 or not 0 < self.rate < math.inf or self.locality < 0:
            raise GanvasError("Tuning takes at least one step at a rate above 0, a rank and a locality of 0 or more.")


@dataclass(frozen=True)
class Tuned:
    """What is known after `number` steps: the changes of weights, the loss of each row and its terms, the images, and
    how many images were synthesized for each row so far, those of the locality term included.
    """

    number: int
    differences: Mapping[str, Tensor]
    losses: Float[Tensor, "n"]
    terms: Mapping[str, Float[Tensor, "n"]]
    images: Float[Tensor, "n 3 h w"]
    passes: int


def tune(objective: Objective, pivot: Point, settings: Tuning = Tuning()) -> Iterator[Tuned]:
    """Yield the steps of tuning the objective's generator for its targets at the codes of `pivot`, the end last.

    All rows share the changed weights; give one row to tune for it alone. Raises `LatentError` for a generator that is
    made of no PyTorch module.
    """
    generator = objective.generator
    pivot = Point(pivot.codes.detach(), pivot.delta.detach(), {name: n.detach() for name, n in pivot.noise.items()})
    weights = _tunable(objective, pivot)
    parts = _zero_change(weights, settings.rank, settings.seed)
    twin = with_weights(generator, {})
    moving = replace(objective, generator=twin)
    optimizer = torch.optim.Adam(parts.values(), lr=settings.rate)
    elsewhere = _elsewhere(objective, pivot, settings)
    passes = 1  # one finds the weights that count
    for number in range(settings.steps + 1):
        last = number == settings.steps
        with torch.set_grad_enabled(not last):
            put_weights(twin, {name: weight + _change(parts, name, weight) for name, weight in weights.items()})
            images = moving.images(pivot)
            found = image_terms(settings.weights, objective.look, objective.target, images)
        losses = settings.weights.total(found)
        told = {name: values.detach() for name, values in found.items()}
        passes += 1
        yield Tuned(number, _kept(parts), losses.detach(), told, images.detach(), passes)
        if last or ("perceptual" in told and float(told["perceptual"].max()) < settings.enough):
            return
        loss = losses.sum()
        if settings.locality:
            loss = loss + settings.locality * locality(objective, moving, next(elsewhere), objective.look)
            passes += 2  # before and after
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


def locality(objective: Objective, moving: Objective, point: Point, look: FeatureMaps | None) -> Float[Tensor, ""]:
    """Return how much the images of codes beside the pivot have changed: L2 and perceptual distance between the old
    and the new generator (Roich et al. 2021, Eq. 6-8), summed over rows.
    """
    with torch.no_grad():
        before = objective.images(point)
    after = moving.images(point)
    change = squared(after, before)
    if look is not None:
        with torch.no_grad():
            maps = look(before)
        change = change + perceptual(look(after), maps)
    return change.sum()


def beside(pivot: Float[Tensor, "n *d"], others: Float[Tensor, "n *d"], length: float) -> Float[Tensor, "n *d"]:
    """Return codes at `length` from the pivot on the way to others (Roich et al. 2021, Eq. 5)."""
    way = (others - pivot).flatten(1)
    unit = way / way.norm(dim=1, keepdim=True).clamp_min(1e-12)
    return pivot + length * unit.reshape(pivot.shape)


def _elsewhere(objective: Objective, pivot: Point, settings: Tuning) -> Iterator[Point]:
    """Yield points beside the pivot, those of other random codes each time; noise maps as they are.

    The published length, 30, is meant for one generator's w; `distance` counts in deviations of this one's space.
    """
    generator, space = objective.generator, objective.space
    length = settings.distance * float(objective.statistics.covariance.diagonal().sum().sqrt())
    length *= math.sqrt(pivot.codes[0].numel() / len(objective.statistics.mean))  # a w+ code has several rows
    seed, rows = settings.seed, len(pivot.codes)
    while True:
        z = generator.sample(range(seed, seed + rows))
        with torch.no_grad():
            known = {"label": objective.label, "truncation": settings.truncation}
            others = z * settings.truncation if space == "z" else generator.map(z, to=space, **known)
        yield Point(beside(pivot.codes, others, length), pivot.delta, pivot.noise)
        seed += rows


def _tunable(objective: Objective, pivot: Point) -> dict[str, Tensor]:
    """Return the weights on which the images of the pivot depend: matrices and kernels; biases are left alone."""
    found = {name: weight for name, weight in weights_of(objective.generator).items() if weight.ndim >= 2}
    leaves = {name: weight.detach().float().requires_grad_() for name, weight in found.items()}
    twin = with_weights(objective.generator, leaves)
    with torch.enable_grad():
        images = replace(objective.rows([0]), generator=twin).images(_first(pivot))
        gradients = torch.autograd.grad(images.square().mean(), list(leaves.values()), allow_unused=True)
    used = [name for name, gradient in zip(leaves, gradients, strict=True) if gradient is not None]
    return {name: leaves[name].detach() for name in used}


def _first(pivot: Point) -> Point:
    return Point(pivot.codes[:1], pivot.delta[:1], {name: noise[:1] for name, noise in pivot.noise.items()})


def _zero_change(weights: Mapping[str, Tensor], rank: int, seed: int) -> dict[str, Tensor]:
    """Return what is optimized for every weight: nothing yet, since the left factors are 0."""
    random = torch.Generator().manual_seed(seed)
    parts: dict[str, Tensor] = {}
    for name, weight in weights.items():
        rows, columns = weight.flatten(1).shape
        if rank == 0 or rank * (rows + columns) >= weight.numel():
            parts[name] = torch.zeros_like(weight)
            continue
        right = torch.randn(rank, columns, generator=random) / math.sqrt(rank)
        parts[name + LEFT] = weight.new_zeros(rows, rank)
        parts[name + RIGHT] = right.to(weight)
    return {name: part.requires_grad_() for name, part in parts.items()}


def _change(parts: Mapping[str, Tensor], name: str, weight: Tensor) -> Tensor:
    if name in parts:
        return parts[name]
    return (parts[name + LEFT] @ parts[name + RIGHT]).reshape(weight.shape)


def _kept(parts: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the changes as files keep them, in half precision."""
    return {name: part.detach().half() for name, part in parts.items()}
