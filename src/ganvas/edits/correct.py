"""Corrected edits: what a strong edit changes outside its region is taken back on the way.

A direction leaves the background as it is to first order only. After each part of the step the code is corrected by

    (B + mu A + a I) delta = -J_b^T (x(w) - x(w0))_b ,

with J, held, that of the image x(w0) where the edit began, A and B its Gram matrices in the region and in the
background, and ``_b`` the background: a Gauss-Newton step to the least change there, which mu keeps from undoing the
edit. J costs a derivative for each coordinate, a correction one forward pass.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from ganvas.directions.basis import make_basis
from ganvas.directions.direction import Direction
from ganvas.directions.jacobian import DEFAULT_BUDGET, Jacobian, hold, mean_grams, plan_columns
from ganvas.directions.jvp import Derivative, default_measure, derivative
from ganvas.directions.linalg import Ridge
from ganvas.edits.straight import EditMethod, Parts, Way, layers_of, moved, region_for
from ganvas.errors import GanvasError
from ganvas.errors.arguments import checked
from ganvas.errors.ranges import Positive, Size, Steps, StepsOrNone, Weight
from ganvas.generators.codes import Layers
from ganvas.generators.protocol import Generator
from ganvas.io.progress import Progress
from ganvas.latents.latent import Latent
from ganvas.regions import Region
from ganvas.regions.part import Part

Correct = Callable[[Tensor], Tensor]
"""The map from the change of an image [1, c, h, w] to a correction [d]."""
DEFAULT_RESOLUTION = 64
ROWS_AT_ONCE = 64


@checked
@dataclass(frozen=True)
class CorrectedEdit(EditMethod):
    """Settings of edits that leave the rest of the image alone at large strengths too: a method of `ganvas.edit`.

    The direction is gone in parts; after each, what changed outside the region is taken back. A correction that would
    change more outside than it found is not made.

    Args:
        region: The region or part outside of which nothing should change; None for that of the direction.
        step: Length of a part, a Euclidean distance.
        rounds: Most corrections after each part, one forward pass each; 0 for none, which is the straight edit.
        refresh: After how many steps the Jacobian is computed anew, where the edit has come to; None for never.
        hold_inside: mu: how strongly a correction is kept from changing the region; 0 lets it undo the edit there.
        ridge: What keeps corrections small.
        by_layer: Whether corrections move every layer on its own (in w+), where a direction of w moves all alike. It
            corrects more, and the Jacobian takes as many times longer as there are layers.
        resolution: Height and width in pixels at which change is measured; None for the generator's, at most 64.
        budget: Bytes of memory for the Jacobian.

    Raises:
        GanvasError: A setting has a value that it cannot have.

    Example:
        >>> import ganvas
        >>> G = ganvas.load("faces")
        >>> latent = ganvas.sample(G, [4], truncation=0.7)
        >>> found = ganvas.find_directions(G, latent, "mouth", layers="4", method=ganvas.ReSeFa(resolution=8), count=2)
        >>> ganvas.edit(G, latent, found[0], 2.0, method=ganvas.CorrectedEdit(resolution=8))
        Latent(w+ [1, 12, 256], seed 4, truncation 0.7, generator 'faces')
    """

    name: ClassVar[str] = "corrected"
    region: Region | Part | str | None = None
    step: Positive = 1.0
    rounds: StepsOrNone = 2
    refresh: Steps | None = None
    hold_inside: Weight = 1.0
    ridge: Ridge = Ridge(1e-2, of="mean")
    by_layer: bool = True
    resolution: Size | None = None
    budget: int = DEFAULT_BUDGET

    def way_of(
        self, generator: Generator, start: Latent, direction: Direction, layers: Layers, progress: Progress | None
    ) -> Way:
        """Return the way of one sample along a direction, in parts of the step."""
        linear = self.derivative(generator, start, direction, layers)
        return self.way_from(generator, start, direction, layers, linear, _held(linear, self.budget, progress))

    def derivative(self, generator: Generator, latent: Latent, direction: Direction, layers: Layers) -> Derivative:
        """Return J at a latent for the corrections of a direction."""
        space = "w+" if self.by_layer and direction.space == "w" and latent.space == "w+" else direction.space
        basis = make_basis(generator, space, layers_of(generator, direction, layers))
        size = self.resolution or min(generator.resolution, DEFAULT_RESOLUTION)
        return derivative(generator, latent, basis, default_measure(generator, size))

    def way_from(
        self,
        generator: Generator,
        start: Latent,
        direction: Direction,
        layers: Layers,
        linear: Derivative,
        jacobian: Jacobian,
    ) -> Way:
        """Return the way of one sample, in the space that its direction moves, whose J is held already."""
        measure, basis, size = linear.measure, linear.basis, linear.measure.resolution
        foreground, background = region_for(generator, start, direction, self.region).split(size, size)
        weights = background.to(linear.image)

        def solver(jacobian: Jacobian) -> Correct:
            return correction(jacobian, foreground, background, self.hold_inside, self.ridge)

        def changed(codes: Latent) -> Float[Tensor, "1 c r r"]:
            return measure(generator.synthesize(codes)) - linear.image

        @torch.no_grad()
        def advance(place: _Place, length: float) -> _Place:
            correct, steps = place.correct, place.steps
            if steps == self.refresh:
                again = self.derivative(generator, place.latent, direction, layers)
                correct, steps = solver(_held(again, self.budget)), 0
            now = moved(generator, place.latent, direction, length, layers)
            change = changed(now)
            for _ in range(self.rounds):
                delta = basis.embed(correct(change)[None])
                then = replace(now, codes=now.codes + delta.to(now.codes))
                left = changed(then)
                if float((left.square() * weights).sum()) >= float((change.square() * weights).sum()):
                    break  # J does not hold as far as this
                now, change = then, left
            return _Place(now, correct, steps + 1)

        way = Parts(_Place(start, solver(jacobian)), advance, self.step)
        return lambda length: way.at(length).latent


@dataclass(frozen=True, eq=False)
class _Place:
    """Where a way has come to, what corrects it, and how many steps ago its J was computed."""

    latent: Latent
    correct: Correct
    steps: int = 0


def _held(linear: Derivative, budget: int, progress: Progress | None = None) -> Jacobian:
    """Return J held whole; raises `GanvasError` where it does not fit the budget."""
    plan = plan_columns(linear.basis.size, linear.image.numel(), budget)
    if plan.blocks > 1:
        raise GanvasError(
            f"The Jacobian, {linear.basis.size} columns at {linear.measure.resolution} px, does not fit the budget of "
            f"{budget / 2**20:.0f} MiB: raise it, or lower the resolution."
        )
    return hold(linear, plan, progress)


def correction(
    jacobian: Jacobian,
    foreground: Float[Tensor, "1 h w"],
    background: Float[Tensor, "1 h w"],
    hold_inside: float | int,
    ridge: Ridge,
) -> Correct:
    """Return the map from the change of an image to the correction: ``(B + mu A + a I) delta = -J_b^T change_b``.

    All are means over pixels, as A and B are in ReSeFa. Raises `GanvasError` where the matrix is singular.
    """
    inside, outside = mean_grams(jacobian, foreground, background)
    amount = ridge.amount(outside)
    system = outside + hold_inside * inside + amount * torch.eye(len(outside), dtype=outside.dtype)
    factor, failed = torch.linalg.cholesky_ex(system)
    if failed:
        raise GanvasError("Some coordinates change nothing in the image, so that corrections need a ridge above 0.")
    weights = background / (jacobian.channels * background.sum())

    def correct(change: Float[Tensor, "1 c h w"]) -> Float[Tensor, "d"]:
        outside_change = (change * weights.to(change)).flatten().float()
        rows = jacobian.columns.split(ROWS_AT_ONCE)  # widened block by block where they are held in float16
        gradient = torch.cat([block.float() @ outside_change for block in rows])
        return torch.cholesky_solve(-gradient.cpu().double()[:, None], factor)[:, 0].to(change)

    return correct
