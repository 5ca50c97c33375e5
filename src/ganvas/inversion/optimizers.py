"""Adam and L-BFGS on the vectors of an inversion, all samples at once and each independent of the others. Both yield
every step, so that progress, videos and early stopping need no hooks.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float, Int
from torch import Tensor

from ganvas.inversion.lbfgs import LBFGSOptions, Search, lbfgs
from ganvas.inversion.objective import Objective
from ganvas.inversion.schedules import Schedule
from ganvas.inversion.variables import LatentPoint, Variables


@dataclass(frozen=True)
class OptimizerStep:
    """The state at step ``number``, counted from 0.

    ``x`` are the vectors, ``losses`` and ``terms`` the loss of each sample and its parts (of codes with the schedule's
    noise on them, where there is one), ``images`` the images, and ``passes`` the synthesis passes of each sample so far
    (on the CPU).
    """

    number: int
    x: Float[Tensor, "n size"]
    losses: Float[Tensor, "n"]
    terms: dict[str, Float[Tensor, "n"]]
    images: Float[Tensor, "n 3 h w"]
    passes: Int[Tensor, "n"]

    def detached(self) -> "OptimizerStep":
        """Return the step without its graph."""
        terms = {name: values.detach() for name, values in self.terms.items()}
        return replace(self, x=self.x.detach(), losses=self.losses.detach(), terms=terms, images=self.images.detach())

    def select(self, chosen: slice) -> "OptimizerStep":
        """Return the step of some samples."""
        terms = {name: values[chosen] for name, values in self.terms.items()}
        return OptimizerStep(
            self.number, self.x[chosen], self.losses[chosen], terms, self.images[chosen], self.passes[chosen]
        )


def evaluate(
    objective: Objective, variables: Variables, x: Float[Tensor, "n size"], noise: Tensor | None = None
) -> OptimizerStep:
    """Return losses, terms and images of vectors, with `noise` added to the codes; differentiable in x: one pass."""
    point = variables.at(x)
    if noise is not None:
        point = LatentPoint(point.codes + noise, point.delta, point.noise)
    images = objective.images(point)
    terms = objective.terms(point, images)
    return OptimizerStep(0, x, objective.losses(terms), terms, images, torch.ones(len(x), dtype=torch.int64))


def evaluate_with_gradient(
    objective: Objective, variables: Variables, x: Float[Tensor, "n size"], noise: Tensor | None = None
) -> tuple[OptimizerStep, Float[Tensor, "n size"]]:
    """Return a detached step, and the gradient of each sample's loss in its own vector."""
    with torch.enable_grad():
        leaf = x.detach().requires_grad_()
        step = evaluate(objective, variables, leaf, noise)
        (gradient,) = torch.autograd.grad(step.losses.sum(), leaf)
    return step.detached(), gradient


def optimize_adam(
    objective: Objective, variables: Variables, schedule: Schedule, steps: int, seed: int = 0
) -> Iterator[OptimizerStep]:
    """Yield `steps` steps of Adam from the start on, and then the end, without noise on the codes.

    The noise on the codes is the same for every sample, drawn from `seed`.
    """
    x = variables.zeros()
    adam = torch.optim.Adam([x], lr=0.0)
    random = torch.Generator().manual_seed(seed)
    std = float(objective.statistics.covariance.diagonal().sum().sqrt())
    for number in range(steps):
        t = number / steps
        noise = torch.randn(1, *variables.start.shape[1:], generator=random).to(x) * std * schedule.noise(t)
        step, x.grad = evaluate_with_gradient(objective, variables, x.clone(), noise if schedule.noise(t) else None)
        yield replace(step, number=number, passes=step.passes * (number + 1))
        adam.param_groups[0]["lr"] = schedule.rate(t)
        adam.step()
    with torch.no_grad():
        end = evaluate(objective, variables, x)
    yield replace(end, number=steps, passes=end.passes * (steps + 1))


def optimize_lbfgs(
    objective: Objective,
    variables: Variables,
    steps: int,
    options: LBFGSOptions = LBFGSOptions(),
    x: Float[Tensor, "n size"] | None = None,
) -> Iterator[OptimizerStep]:
    """Yield L-BFGS after every evaluation from `x` on (the start by default), at most `steps` of them, and the end.

    A step holds the best point of each sample so far, not the one that was evaluated last. Samples whose search has
    converged are left out of the passes.
    """
    x = variables.zeros() if x is None else x
    # On the CPU in float64: products of long vectors are small differences, and not every accelerator has it.
    searches = [lbfgs(vector, options) for vector in x.cpu().double()]
    requested = {sample: next(search) for sample, search in enumerate(searches)}
    best: OptimizerStep | None = None
    number = 0
    while requested and number < steps:
        active = sorted(requested)
        vectors = torch.stack([requested[sample] for sample in active]).to(x)
        step, gradient = evaluate_with_gradient(objective.select(active), variables.select(active), vectors)
        best = replace(step if best is None else update_best(best, step, active), number=number)
        yield best
        requested = advance(searches, active, step.losses, gradient)
        number += 1
    assert best is not None, "at least one step"
    yield replace(best, number=number)


def advance(
    searches: list[Search], active: list[int], losses: Float[Tensor, "n"], gradients: Float[Tensor, "n size"]
) -> dict[int, Tensor]:
    """Send each active search its loss and gradient; returns the vectors that those which go on request next."""
    requested = {}
    for sample, loss, gradient in zip(active, losses.tolist(), gradients.cpu().double(), strict=True):
        try:
            requested[sample] = searches[sample].send((loss, gradient))
        except StopIteration:
            continue
    return requested


def update_best(best: OptimizerStep, step: OptimizerStep, active: list[int]) -> OptimizerStep:
    """Return `best` with those of the active samples whose loss is lower in `step`, and with their new passes."""
    lower = step.losses < best.losses[active]
    samples = torch.tensor(active, device=lower.device)[lower]

    def put(old: Tensor, new: Tensor) -> Tensor:
        whole = old.clone()
        whole[samples] = new[lower]
        return whole

    passes = best.passes.clone()
    passes[active] += step.passes
    return OptimizerStep(
        step.number,
        put(best.x, step.x),
        put(best.losses, step.losses),
        {name: put(values, step.terms[name]) for name, values in best.terms.items()},
        put(best.images, step.images),
        passes,
    )
