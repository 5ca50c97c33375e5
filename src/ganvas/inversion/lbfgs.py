"""L-BFGS with a strong Wolfe line search, as a routine that asks for values instead of calling a function: it yields
the vector where it wants to know the loss and its gradient, and is sent both.

So each row of a batch has its own curvature, its own steps and its own end, while one pass of the generator serves all
rows. Nocedal and Wright, "Numerical optimization" (2006), algorithms 3.5, 3.6 and 7.4.
"""

from collections import deque
from collections.abc import Generator
from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

Vector = Float[Tensor, "d"]
Asking = Generator[Tensor, tuple[float, Tensor], None]


@dataclass(frozen=True)
class Options:
    """The constants: pairs kept, the two conditions of Wolfe (sufficient decrease, curvature), evaluations of a line
    search, the length of the very first step, and the norm of a gradient that counts as none.

    Ten pairs, as is common, need about a third more passes in w (docs/inversion.md); a hundred cost less than a pass.
    """

    history: int = 100
    decrease: float = 1e-4
    curvature: float = 0.9
    line_steps: int = 10
    first_step: float = 1.0
    flat: float = 1e-9


@dataclass(frozen=True)
class Tried:
    """A place on the line: how far, the loss there, its slope along the line, and its gradient."""

    length: float
    loss: float
    slope: float
    gradient: Tensor


def lbfgs(x: Vector, options: Options = Options()) -> Asking:
    """Ask for losses and gradients, float64, from `x` on, until no step leads further down."""
    loss, gradient = yield x
    pairs: deque[tuple[Tensor, Tensor]] = deque(maxlen=options.history)
    while float(gradient.norm()) > options.flat:
        direction = -two_loops(gradient, pairs)
        slope = float(gradient @ direction)
        if not slope < 0:
            pairs.clear()
            direction, slope = -gradient, -float(gradient @ gradient)
        length = 1.0 if pairs else options.first_step / float(gradient.norm())
        start = Tried(0.0, loss, slope, gradient)
        found = yield from line_search(x, direction, start, length, options)
        if found is None:
            if not pairs:
                return
            pairs.clear()  # the curvature misled: once more, straight down
            continue
        step, change = found.length * direction, found.gradient - gradient
        if float(step @ change) > 1e-10 * float(change @ change):
            pairs.append((step, change))
        x, loss, gradient = x + step, found.loss, found.gradient


def two_loops(gradient: Vector, pairs: "deque[tuple[Tensor, Tensor]]") -> Vector:
    """Return the inverse Hessian that the pairs (step, change of gradient) tell, times the gradient (algorithm 7.4)."""
    q, shares = gradient.clone(), []
    for step, change in reversed(pairs):
        shares.append(float(step @ q) / float(step @ change))
        q -= shares[-1] * change
    if pairs:
        step, change = pairs[-1]
        q *= float(step @ change) / float(change @ change)
    for (step, change), share in zip(pairs, reversed(shares), strict=True):
        q += (share - float(change @ q) / float(step @ change)) * step
    return q


def line_search(
    x: Vector, direction: Vector, start: Tried, length: float, options: Options
) -> Generator[Tensor, tuple[float, Tensor], Tried | None]:
    """Return a place on the line that meets both conditions of Wolfe, else the lowest one tried that meets the first,
    else None (algorithm 3.5: go outwards until a minimum is enclosed, then `_inside` it).
    """
    before, low, high = start, None, None
    lowest: Tried | None = None
    for _ in range(options.line_steps):
        if low is not None and high is not None:
            length = _inside(low, high)
        value, gradient = yield x + length * direction
        here = Tried(length, value, float(gradient @ direction), gradient)
        enough = here.loss <= start.loss + options.decrease * length * start.slope
        if enough and (lowest is None or here.loss < lowest.loss):
            lowest = here
        if enough and abs(here.slope) <= -options.curvature * start.slope:
            return here
        if low is None or high is None:
            if not enough or (here.loss >= before.loss and before is not start):
                low, high = before, here
            elif here.slope >= 0:
                low, high = here, before
            else:
                before, length = here, 2 * length
        elif not enough or here.loss >= low.loss:
            high = here
        else:
            if here.slope * (high.length - low.length) >= 0:
                high = low
            low = here
    return lowest


def _inside(low: Tried, high: Tried) -> float:
    """Return the minimum of the cubic through both places with their slopes, at least a tenth of the way inside."""
    width = high.length - low.length
    d1 = low.slope + high.slope - 3 * (high.loss - low.loss) / width if width else 0.0
    square = d1 * d1 - low.slope * high.slope
    if width and square >= 0:
        d2 = square**0.5 if width > 0 else -(square**0.5)
        bottom = high.slope - low.slope + 2 * d2
        length = high.length - width * (high.slope + d2 - d1) / bottom if bottom else low.length + width / 2
    else:
        length = low.length + width / 2
    inner, outer = sorted((low.length + 0.1 * width, high.length - 0.1 * width))
    return min(max(length, inner), outer)
