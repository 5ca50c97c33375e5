"""Strengths at which edits change a region equally, so that what they do elsewhere can be compared.

Knows numbers only, no images.
"""

import math
from collections.abc import Callable

import torch
from jaxtyping import Float, Int
from torch import Tensor

from ganvas.errors import GanvasError

Change = Callable[[Int[Tensor, "k"], Float[Tensor, "k"]], Float[Tensor, "k"]]
"""Given row numbers and a strength for each of them, returns how much each row changes."""

DOUBLINGS = 6
STEPS = 60


def match_strength(
    change: Change, rows: int, target: float, limit: float, tolerance: float = 0.01
) -> Float[Tensor, "rows"]:
    """Return for each row the strength in (0, limit] at which ``change`` is `target` within `tolerance` of it.

    `change` is continuous and 0 at strength 0. The strength doubles from ``limit / 64`` until the target is passed;
    then chords and halvings take turns. So the smallest solution is found unless the change rises above the target and
    falls again between two doublings. Where even `limit` does not reach the target (or gives nan), the strength is inf.
    Only rows that are still open are asked for. Raises `GanvasError` unless target, limit and tolerance are positive.
    """
    if not (target > 0 and 0 < limit < math.inf and tolerance > 0):
        raise GanvasError(
            f"Target {target:g}, limit {limit:g} and tolerance {tolerance:g} must all be positive and finite."
        )
    low, low_change, high, high_change = _bracket(change, rows, target, limit)
    reached = high_change >= target
    for step in range(STEPS):
        # The upper end is the answer: chords approach it soon where the change is nearly straight, halvings always.
        open_rows = (reached & (high_change > (1 + tolerance) * target)).nonzero()[:, 0]
        if len(open_rows) == 0:
            break
        a, b, at_a, at_b = (end[open_rows] for end in (low, high, low_change, high_change))
        # Aimed a little above the target, so that the next point becomes the upper end rather than a new lower one.
        share = ((1 + tolerance / 2) * target - at_a) / (at_b - at_a) if step % 2 == 0 else torch.tensor(0.5)
        middle = a + share.clamp(0.02, 0.98) * (b - a)
        at_middle = change(open_rows, middle)
        above = at_middle >= target
        low[open_rows], low_change[open_rows] = torch.where(above, a, middle), torch.where(above, at_a, at_middle)
        high[open_rows], high_change[open_rows] = torch.where(above, middle, b), torch.where(above, at_middle, at_b)
    return torch.where(reached, high, torch.inf)


def _bracket(change: Change, rows: int, target: float, limit: float) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return lower ends, changes there, upper ends and changes there; the target lies between where it was reached."""
    everything = torch.arange(rows)
    low, low_change = torch.zeros(rows), torch.zeros(rows)
    high = torch.full((rows,), limit / 2**DOUBLINGS)
    high_change = change(everything, high)
    for _ in range(DOUBLINGS):
        below = (high_change < target).nonzero()[:, 0]
        if len(below) == 0:
            break
        low[below], low_change[below] = high[below], high_change[below]
        high[below] = 2 * high[below]
        high_change[below] = change(below, high[below])
    return low, low_change, high, high_change
