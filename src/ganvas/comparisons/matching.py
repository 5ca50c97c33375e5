"""Strengths at which edits change a region equally, so that what they do elsewhere can be compared.

Knows numbers only, no images.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

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
    """Return for each row the strength of one target, as `match_strengths` finds it."""
    return match_strengths(change, rows, (target,), limit, tolerance)[0]


def match_strengths(
    change: Change, rows: int, targets: Sequence[float], limit: float, tolerance: float = 0.01
) -> Float[Tensor, "targets rows"]:
    """Return for each target and row the strength in (0, limit] at which ``change`` is the target within `tolerance`
    of it.

    `change` is continuous and 0 at strength 0. From ``limit / 64``, or from the strength of the target before, the
    strength grows in proportion to what is missing, at most to its double at a time, until the target is passed; then
    chords and halvings take turns. So the smallest solution is found unless the change rises above the target and falls
    again between two of these strengths. Where even `limit` does not reach the target (or gives nan), the strength is
    inf. Only rows that are still open are asked for.

    Raises `GanvasError` unless the targets rise, and all of them, limit and tolerance are positive and finite.
    """
    named = ", ".join(f"{target:g}" for target in targets)
    if not (targets and min(targets) > 0 and 0 < limit < math.inf and tolerance > 0):
        raise GanvasError(
            f"Target {named}, limit {limit:g} and tolerance {tolerance:g} must all be positive and finite."
        )
    if list(targets) != sorted(set(targets)):
        raise GanvasError(f"Targets {named} must rise from one to the next.")
    nothing, begin = torch.zeros(rows), torch.full((rows,), limit / 2**DOUBLINGS)
    ends = _Ends(nothing, nothing.clone(), begin, change(torch.arange(rows), begin))
    found = []
    for target in targets:
        ends.raise_to(change, target, limit, 1 + tolerance / 2)
        found.append(ends.match(change, target, tolerance))
        ends = _Ends(ends.high, ends.high_change, ends.high.clone(), ends.high_change.clone())
    return torch.stack(found)


@dataclass
class _Ends:
    """For each row two strengths and the changes there; the target lies between where it was reached."""

    low: Float[Tensor, "rows"]
    low_change: Float[Tensor, "rows"]
    high: Float[Tensor, "rows"]
    high_change: Float[Tensor, "rows"]

    def raise_to(self, change: Change, target: float, limit: float, aim: float) -> None:
        """Raise the upper ends until they reach the target, or the limit: in proportion to what is missing, at most to
        the double, and by more at each attempt that falls short, so that none creeps toward a target out of reach.
        """
        least = torch.full_like(self.high, aim)
        while True:
            below = (~(self.high_change >= target) & (self.high < limit)).nonzero()[:, 0]
            if len(below) == 0:
                return
            at, at_change = self.high[below], self.high_change[below]
            factor = (aim * target / at_change).nan_to_num(2, 2, 2).maximum(least[below]).clamp(max=2)
            least[below] = torch.where(factor < 2, 2 * factor - 1, least[below])
            raised = (factor * at).clamp(max=limit)
            self.low[below], self.low_change[below] = at, at_change
            self.high[below], self.high_change[below] = raised, change(below, raised)

    def match(self, change: Change, target: float, tolerance: float) -> Float[Tensor, "rows"]:
        """Draw the ends together until the upper ones are within tolerance of the target, and return those."""
        reached = self.high_change >= target
        for step in range(STEPS):
            # The upper end is the answer: chords approach it soon where the change is nearly straight, halvings always.
            rows = (reached & (self.high_change > (1 + tolerance) * target)).nonzero()[:, 0]
            if len(rows) == 0:
                break
            a, b = self.low[rows], self.high[rows]
            at_a, at_b = self.low_change[rows], self.high_change[rows]
            # Aimed a little above the target, so that the next point becomes the upper end rather than a new lower one.
            share = ((1 + tolerance / 2) * target - at_a) / (at_b - at_a) if step % 2 == 0 else torch.tensor(0.5)
            middle = a + share.nan_to_num(0.5).clamp(0.02, 0.98) * (b - a)
            at_middle = change(rows, middle)
            above = at_middle >= target
            self.low[rows], self.low_change[rows] = torch.where(above, a, middle), torch.where(above, at_a, at_middle)
            self.high[rows], self.high_change[rows] = torch.where(above, middle, b), torch.where(above, at_middle, at_b)
        return torch.where(reached, self.high, torch.inf)
