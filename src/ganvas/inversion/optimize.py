"""Adam and L-BFGS on the vectors of an inversion, all rows at once and each for itself: they yield every step, so that
progress, videos and an early end need no hooks.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float, Int
from torch import Tensor

from ganvas.inversion.lbfgs import Options, lbfgs
from ganvas.inversion.objective import Objective
from ganvas.inversion.schedules import Schedule
from ganvas.inversion.variables import Point, Variables

EPSILON = 1e-8


@dataclass(frozen=True)
class Step:
    """What is known at the step `number`, counted from 0: the vectors, the loss of each row with its terms (of codes
    with the schedule's noise on them, where there is one), its image, and how many images were synthesized for it
    so far, with and without gradients, on the CPU.
    """

    number: int
    x: Float[Tensor, "n size"]
    losses: Float[Tensor, "n"]
    terms: dict[str, Float[Tensor, "n"]]
    images: Float[Tensor, "n 3 h w"]
    passes: Int[Tensor, "n"]


def evaluate(
    objective: Objective, variables: Variables, x: Float[Tensor, "n size"], shift: Tensor | None = None
) -> Step:
    """Return losses, terms and images at vectors, with `shift` added to the codes; differentiable in x: one pass."""
    point = variables.at(x)
    if shift is not None:
        point = Point(point.codes + shift, point.delta, point.noise)
    images = objective.images(point)
    found = objective.terms(point, images)
    return Step(0, x, objective.losses(found), found, images, torch.ones(len(x), dtype=torch.int64))


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
        yield replace(here, number=number, passes=here.passes * (number + 1))
        first = betas[0] * first + (1 - betas[0]) * gradient
        second = betas[1] * second + (1 - betas[1]) * gradient.square()
        mean, energy = first / (1 - betas[0] ** (number + 1)), second / (1 - betas[1] ** (number + 1))
        x = x - schedule.rate(t) * mean / (energy.sqrt() + EPSILON)
    end = at_end(objective, variables, x)
    yield replace(end, number=steps, passes=end.passes * (steps + 1))


def limited_memory(
    objective: Objective,
    variables: Variables,
    steps: int,
    options: Options = Options(),
    x: Float[Tensor, "n size"] | None = None,
) -> Iterator[Step]:
    """Yield L-BFGS after every evaluation from `x` on (the start by default), at most `steps` of them, and the end.

    A step is the lowest place that each row has come to so far, not the one that was tried last. Rows whose search has
    ended are left out of the passes.
    """
    x = variables.zeros() if x is None else x
    # On the CPU in float64: products of long vectors are small differences, and not every accelerator has it.
    searches = [lbfgs(row, options) for row in x.cpu().double()]
    asked = {row: next(search) for row, search in enumerate(searches)}
    best: Step | None = None
    number = 0
    while asked and number < steps:
        rows = sorted(asked)
        some = torch.stack([asked[row] for row in rows]).to(x)
        here, gradient = with_gradient(objective.rows(rows), variables.rows(rows), some)
        best = replace(here if best is None else lowest(best, here, rows), number=number)
        yield best
        asked = asked_next(searches, rows, here.losses, gradient)
        number += 1
    assert best is not None, "at least one step"
    yield replace(best, number=number)


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
def at_end(objective: Objective, variables: Variables, x: Float[Tensor, "n size"]) -> Step:
    """Return the step at vectors, without noise on codes and without a gradient."""
    return evaluate(objective, variables, x)


def detached(step: Step) -> Step:
    """Return a step that holds no graph."""
    terms = {name: values.detach() for name, values in step.terms.items()}
    return replace(step, x=step.x.detach(), losses=step.losses.detach(), terms=terms, images=step.images.detach())


def lowest(best: Step, here: Step, rows: list[int]) -> Step:
    """Return `best` with those of some rows that are lower `here`, and with the passes that these rows took."""
    lower = here.losses < best.losses[rows]
    places = torch.tensor(rows, device=lower.device)[lower]

    def put(old: Tensor, new: Tensor) -> Tensor:
        whole = old.clone()
        whole[places] = new[lower]
        return whole

    passes = best.passes.clone()
    passes[rows] += here.passes
    return Step(
        here.number,
        put(best.x, here.x),
        put(best.losses, here.losses),
        {name: put(values, here.terms[name]) for name, values in best.terms.items()},
        put(best.images, here.images),
        passes,
    )
