"""Adam and L-BFGS on the vectors of an inversion, all rows at once and each for itself: they yield every step, so that
progress, films and an early end need no hooks.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from ganvas.inversion.lbfgs import Options, lbfgs
from ganvas.inversion.objective import Objective
from ganvas.inversion.schedules import Schedule
from ganvas.inversion.variables import Point, Variables

EPSILON = 1e-8


@dataclass(frozen=True)
class Step:
    """What is known after `number` synthesis passes with gradients: the vectors, and the loss of each row with its
    terms (of codes with the schedule's noise on them, where there is one).
    """

    number: int
    x: Float[Tensor, "n size"]
    losses: Float[Tensor, "n"]
    terms: dict[str, Float[Tensor, "n"]]
    pictures: Float[Tensor, "n 3 h w"]


def evaluate(
    objective: Objective, variables: Variables, x: Float[Tensor, "n size"], shift: Tensor | None = None
) -> Step:
    """Return losses, terms and pictures at vectors, with `shift` added to the codes; differentiable in x."""
    point = variables.at(x)
    if shift is not None:
        point = Point(point.codes + shift, point.delta, point.noise)
    pictures = objective.pictures(point)
    found = objective.terms(point, pictures)
    return Step(0, x, objective.losses(found), found, pictures)


def adam(
    objective: Objective,
    variables: Variables,
    schedule: Schedule,
    steps: int,
    seed: int = 0,
    betas: tuple[float, float] = (0.9, 0.999),
) -> Iterator[Step]:
    """Yield Adam's steps from the start on (Kingma and Ba 2015, algorithm 1), `steps` of them, then the end.

    The noise on codes is the same for every row, drawn from `seed`.
    """
    x = variables.zeros()
    first, second = torch.zeros_like(x), torch.zeros_like(x)
    random = torch.Generator().manual_seed(seed)
    spread = float(objective.statistics.covariance.diagonal().sum().sqrt())
    for number in range(steps):
        t = number / steps
        shift = torch.randn(1, *variables.start.shape[1:], generator=random).to(x) * spread * schedule.noise(t)
        here, gradient = with_gradient(objective, variables, x, shift if schedule.noise(t) else None)
        yield Step(number, x, here.losses, here.terms, here.pictures)
        first = betas[0] * first + (1 - betas[0]) * gradient
        second = betas[1] * second + (1 - betas[1]) * gradient.square()
        mean, energy = first / (1 - betas[0] ** (number + 1)), second / (1 - betas[1] ** (number + 1))
        x = x - schedule.rate(t) * mean / (energy.sqrt() + EPSILON)
    yield at_end(objective, variables, x, steps)


def limited_memory(
    objective: Objective,
    variables: Variables,
    steps: int,
    options: Options = Options(),
    x: Float[Tensor, "n size"] | None = None,
) -> Iterator[Step]:
    """Yield every evaluation of L-BFGS from `x` on (the start by default), at most `steps` of them, then the end.

    A step's vectors are the best so far, its losses those of the vectors that were tried. Rows whose search has ended
    are left out of the passes.
    """
    best = variables.zeros() if x is None else x
    # On the CPU in float64: products of long vectors are small differences, and not every accelerator has it.
    searches = [lbfgs(row, options) for row in best.cpu().double()]
    asked = {row: next(search) for row, search in enumerate(searches)}
    kept = at_end(objective, variables, best, 0)
    lowest = kept.losses.clone()
    for number in range(steps):
        if not asked:
            break
        rows = sorted(asked)
        some = torch.stack([asked[row] for row in rows]).to(best)
        here, gradient = with_gradient(objective.rows(rows), variables.rows(rows), some)
        kept = merged(kept, here, rows, number)
        better = here.losses < lowest[rows]
        changed = [row for row, is_better in zip(rows, better.tolist(), strict=True) if is_better]
        best = best.clone()
        best[changed], lowest[changed] = some[better], here.losses[better]
        yield Step(number, best, kept.losses, kept.terms, kept.pictures)
        asked = asked_next(searches, rows, here.losses, gradient)
    yield at_end(objective, variables, best, steps)


def asked_next(
    searches: list, rows: list[int], losses: Float[Tensor, "n"], gradients: Float[Tensor, "n size"]
) -> dict[int, Tensor]:
    """Tell each row's search its loss and gradient; returns where those that have not ended want to know more."""
    asked = {}
    for row, loss, gradient in zip(rows, losses.tolist(), gradients.cpu().double(), strict=True):
        try:
            asked[row] = searches[row].send((loss, gradient))
        except StopIteration:
            continue
    return asked


def with_gradient(
    objective: Objective, variables: Variables, x: Float[Tensor, "n size"], shift: Tensor | None = None
) -> tuple[Step, Float[Tensor, "n size"]]:
    """Return a step without its graph, and the gradient of each row's loss in its own vector."""
    with torch.enable_grad():
        leaf = x.detach().requires_grad_()
        here = evaluate(objective, variables, leaf, shift)
        (gradient,) = torch.autograd.grad(here.losses.sum(), leaf)
    return detached(here), gradient


@torch.no_grad()
def at_end(objective: Objective, variables: Variables, x: Float[Tensor, "n size"], number: int) -> Step:
    """Return the step at vectors, without noise on codes and without a gradient."""
    here = evaluate(objective, variables, x)
    return Step(number, x, here.losses, here.terms, here.pictures)


def detached(step: Step) -> Step:
    """Return a step that holds no graph."""
    terms = {name: values.detach() for name, values in step.terms.items()}
    return Step(step.number, step.x.detach(), step.losses.detach(), terms, step.pictures.detach())


def merged(kept: Step, here: Step, rows: list[int], number: int) -> Step:
    """Return `kept` with what is new of some rows."""

    def put(old: Tensor, new: Tensor) -> Tensor:
        whole = old.clone()
        whole[rows] = new
        return whole

    terms = {name: put(values, here.terms[name]) for name, values in kept.terms.items()}
    return Step(number, kept.x, put(kept.losses, here.losses), terms, put(kept.pictures, here.pictures))
