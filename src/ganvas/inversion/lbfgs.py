"""L-BFGS with a strong Wolfe line search as a coroutine: it yields the vector at which it needs the loss and the
gradient, and is sent both.

Each sample of a batch so has its own curvature, step lengths and end, while one pass of the generator serves them all.
Nocedal and Wright, "Numerical optimization" (2006), algorithms 3.5, 3.6 and 7.4.
"""

from collections import deque
from collections.abc import Generator
from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

Vector = Float[Tensor, "d"]
Search = Generator[Tensor, tuple[float, Tensor], None]
Pairs = deque[tuple[Tensor, Tensor]]


@dataclass(frozen=True)
class LBFGSOptions:
    """The constants of L-BFGS.

    ``history`` pairs (step, change of gradient) are kept; ``sufficient_decrease`` and ``curvature`` are c1 and c2 of
    the Wolfe conditions; a line search takes at most ``line_steps`` evaluations; ``first_step`` is the length of the
    very first step, and a gradient of a norm below ``gradient_tolerance`` counts as zero.

    Ten pairs, as is common, need about a third more passes in w (docs/results/inversion.md); a hundred cost less
    than a pass.
    """

    history: int = 100
    sufficient_decrease: float = 1e-4
    curvature: float = 0.9
    line_steps: int = 10
    first_step: float = 1.0
    gradient_tolerance: float = 1e-9


@dataclass(frozen=True)
class LinePoint:
    """A point on the line: its step length, the loss there, the slope along the line, and the gradient."""

    length: float
    loss: float
    slope: float
    gradient: Tensor


def lbfgs(x: Vector, options: LBFGSOptions = LBFGSOptions()) -> Search:
    """Request losses and gradients, float64, from `x` on, until no step decreases the loss (algorithm 7.5)."""
    loss, gradient = yield x
    pairs: Pairs = deque(maxlen=options.history)
    while float(gradient.norm()) > options.gradient_tolerance:
        direction = -two_loop_recursion(gradient, pairs)
        slope = float(gradient @ direction)
        if not slope < 0:
            pairs.clear()
            direction, slope = -gradient, -float(gradient @ gradient)
        length = 1.0 if pairs else options.first_step / float(gradient.norm())
        start = LinePoint(0.0, loss, slope, gradient)
        found = yield from line_search(x, direction, start, length, options)
        if found is None:
            if not pairs:
                return
            pairs.clear()  # the curvature was misleading: steepest descent once
            continue
        step, change = found.length * direction, found.gradient - gradient
        if float(step @ change) > 1e-10 * float(change @ change):
            pairs.append((step, change))
        x, loss, gradient = x + step, found.loss, found.gradient


def two_loop_recursion(gradient: Vector, pairs: Pairs) -> Vector:
    """Return the inverse Hessian estimated from pairs (step, change of gradient), times the gradient (algorithm
    7.4).
    """
    q, alphas = gradient.clone(), []
    for step, change in reversed(pairs):
        alphas.append(float(step @ q) / float(step @ change))
        q -= alphas[-1] * change
    if pairs:
        step, change = pairs[-1]
        q *= float(step @ change) / float(change @ change)
    for (step, change), alpha in zip(pairs, reversed(alphas), strict=True):
        q += (alpha - float(change @ q) / float(step @ change)) * step
    return q


def line_search(
    x: Vector, direction: Vector, start: LinePoint, length: float, options: LBFGSOptions
) -> Generator[Tensor, tuple[float, Tensor], LinePoint | None]:
    """Return a point on the line that meets both Wolfe conditions, else the lowest evaluated one that meets the first,
    else None (algorithms 3.5 and 3.6: bracket a minimum, then zoom by cubic interpolation).
    """
    before, low, high = start, None, None
    lowest: LinePoint | None = None
    for _ in range(options.line_steps):
        if low is not None and high is not None:
            length = cubic_interpolation(low, high)
        value, gradient = yield x + length * direction
        here = LinePoint(length, value, float(gradient @ direction), gradient)
        decreases = here.loss <= start.loss + options.sufficient_decrease * length * start.slope
        if decreases and (lowest is None or here.loss < lowest.loss):
            lowest = here
        if decreases and abs(here.slope) <= -options.curvature * start.slope:
            return here
        if low is None or high is None:
            if not decreases or (here.loss >= before.loss and before is not start):
                low, high = before, here
            elif here.slope >= 0:
                low, high = here, before
            else:
                before, length = here, 2 * length
        elif not decreases or here.loss >= low.loss:
            high = here
        else:
            if here.slope * (high.length - low.length) >= 0:
                high = low
            low = here
    return lowest


def cubic_interpolation(low: LinePoint, high: LinePoint) -> float:
    """Return the minimum of the cubic through both points with their slopes (Eq. 3.59), kept a tenth of the interval
    away from its ends.
    """
    width = high.length - low.length
    d1 = low.slope + high.slope - 3 * (high.loss - low.loss) / width if width else 0.0
    square = d1 * d1 - low.slope * high.slope
    if width and square >= 0:
        d2 = square**0.5 if width > 0 else -(square**0.5)
        denominator = high.slope - low.slope + 2 * d2
        length = high.length - width * (high.slope + d2 - d1) / denominator if denominator else low.length + width / 2
    else:
        length = low.length + width / 2
    inner, outer = sorted((low.length + 0.1 * width, high.length - 0.1 * width))
    return min(max(length, inner), outer)
