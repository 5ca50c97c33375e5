"""One drag from its first state to its last: the loop that every caller shares.

`DragRun` yields the state after each step; whoever wants progress, frames or a way to stop looks at the states.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor

from ganvas.drag.context import DragContext
from ganvas.drag.masks import check_movable, stored_mask
from ganvas.drag.methods import module_of
from ganvas.drag.request import DragRequest, Point
from ganvas.drag.settings import DragSettings
from ganvas.drag.state import CANCELED, STEP_LIMIT, Drag, DragState, distances_left, make_reference
from ganvas.errors import GanvasError


@dataclass(frozen=True)
class FinishedDrag:
    """A finished drag: what was asked, the settings that were used (numbers only), the codes after it [1, *code] in the
    context's ``code_space``, and why it ended after so many steps (one of `ganvas.drag.state.REASONS`).

    All points are (x, y) in fractions: ``path`` holds the handles at each step, the last in the end (DragGAN's tracked
    handles, or FreeDrag's anchors, which lead the content); ``final_handles`` is where the method's own features find
    the content of each handle in the end, None where they do not.
    """

    request: DragRequest
    settings: DragSettings
    codes: Tensor = field(repr=False)
    path: tuple[tuple[Point, ...], ...] = field(repr=False)
    final_handles: tuple[Point | None, ...]
    steps: int
    reason: str


class DragRun:
    """A drag in progress. Iterating yields the state after every step, the last one with a reason; `finish` may be
    called at any time, also after an interrupt, and ends the drag where it is.

    Raises:
        RegionError: For handles that the mask does not let move.
        GanvasError: Where the generator's feature map is not finite before any step.
    """

    def __init__(self, context: DragContext, codes: Tensor, request: DragRequest) -> None:
        self.request, self.context, self.method = request, context, module_of(request.method)
        self.drag, self.state = prepare(context, codes, request)
        self.path: list[tuple[Point, ...]] = []

    def __iter__(self) -> Iterator[DragState]:
        while not self.state.reason:
            if self.state.steps >= self.request.steps:
                self._keep(ended(self.drag, self.state, STEP_LIMIT))
            else:
                self._keep(with_whole_map(self.drag, self.method.step(self.drag, self.state)))
            yield self.state

    @property
    def distance(self) -> float:
        """The mean distance of the handles from their targets, in pixels."""
        return float(distances_left(self.state.handles, self.drag.reference.targets).mean())

    def finish(self) -> FinishedDrag:
        """Return the finished drag; one that has not ended by itself is canceled."""
        if not self.state.reason:
            self._keep(ended(self.drag, self.state, CANCELED))
        state = self.state
        found = tuple(None if at is None else self._fraction(at) for at in self.method.locate(self.drag, state))
        return FinishedDrag(
            self.request, self.drag.settings, state.seen_codes, tuple(self.path), found, state.steps, state.reason
        )

    def _keep(self, state: DragState) -> None:
        self.state = state
        self.path.append(tuple(self._fraction(handle) for handle in state.handles))

    def _fraction(self, point: Tensor) -> Point:
        x, y = (point / self.context.plane.resolution).tolist()
        return x, y


def prepare(context: DragContext, codes: Tensor, request: DragRequest) -> tuple[Drag[Any], DragState]:
    """Return a drag and its first state; raises as `DragRun` does.

    A mask counts by the 8-bit pixels that a trace keeps of it, so that a replay finds the same codes.
    """
    method, resolution = module_of(request.method), context.plane.resolution
    request = replace(request, movable=stored_mask(request.movable, resolution))
    reference = make_reference(context, codes, request)
    if not reference.feature.isfinite().all():
        raise GanvasError(
            "The generator's feature map holds values that are not finite (nan or inf) before any step: its weights or "
            "the codes are damaged."
        )
    settings = method.resolve(request.method, context, reference)
    check_movable(request, resolution, settings.radius)
    drag = Drag(context, reference, settings)
    return drag, method.start(drag, codes)


@torch.no_grad()
def with_whole_map(drag: Drag[Any], state: DragState) -> DragState:
    """Return the state; one with a reason with all of its map, in which content is looked for."""
    return replace(state, feature=drag.context.feature_map(state.seen_codes)) if state.reason else state


@torch.no_grad()
def ended(drag: Drag[Any], state: DragState, reason: str) -> DragState:
    """Return a state that is to end for `reason` with its codes observed once more, which may find another reason; no
    anchor advances.
    """
    state = module_of(drag.settings).observe(drag, state, drag.context.feature_map(state.codes))
    return replace(with_whole_map(drag, state), reason=state.reason or reason)
