"""What Ganvas adds to FreeDrag, see `freedrag` for the paper's method: recovery of content that was left behind, pins,
and goals. ``FreeDragSettings(recovery=False)`` switches all three off.

Recovery: templates slip where steps are short, because what five of them leave undone the template takes over in part.
So once all anchors have arrived, the patches of the start are sought once more, and where one is clearly found
elsewhere, its anchor goes on from there with that template, on a new line.
Pins: a handle that is its own target keeps its first template; otherwise it would take over its own drift, bit by bit.
Goals: where d or the target left an anchor nothing farther to choose, it began with less than l, and half of l would be
met before anything has moved. It has to halve the discrepancy with which it began, at least l / 4.
"""

import math
from dataclasses import dataclass, fields, replace

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from ganvas.drag import freedrag
from ganvas.drag.crop import feature_near
from ganvas.drag.freedrag import (
    MATCHED,
    Comparison,
    FreeDragSettings,
    FreeDragState,
    compare,
    first_patches,
    line_search,
    next_anchors,
    optimize,
    read_margin,
    resolve,
    sub_motion_over,
    updated_templates,
)
from ganvas.drag.freedrag import locate as locate  # the same as the paper's
from ganvas.drag.patches import discrepancies, discrepancy_map, patches_at
from ganvas.drag.sampling import Plane, least_offset
from ganvas.drag.state import NOT_FINITE, REACHED, STALLED, Drag, is_finite, observed

__all__ = ["locate", "observe", "resolve", "start", "step"]

LEAST_GOAL = 0.25  # of l
NEARER = 0.9  # of the distance by which content was behind: recovery must reduce it by 10 %
CLEARLY = 0.5  # of the discrepancy at the target: less than that elsewhere means that content was left behind


@dataclass(frozen=True)
class RecoveryState(FreeDragState):
    """With FreeDrag's state: the discrepancies [k] that count as l for each anchor (``goals``), where its line to the
    target begins [k, 2], and how far, in pixels, each content was ``behind`` when its anchor arrived without it (inf
    before that).
    """

    goals: Tensor = torch.empty(0)
    line_starts: Tensor = torch.empty(0)
    behind: Tensor = torch.empty(0)


def start(drag: Drag[FreeDragSettings], codes: Tensor) -> RecoveryState:
    """Return the state before the first step: goals of l, and lines from the handles."""
    state, handles = freedrag.start(drag, codes), drag.reference.handles
    shared = {field.name: getattr(state, field.name) for field in fields(state)}
    goals, behind = state.entered + drag.settings.scale, torch.full_like(handles[:, 0], torch.inf)
    return RecoveryState(**shared, goals=goals, line_starts=handles, behind=behind)


def step(drag: Drag[FreeDragSettings], state: RecoveryState) -> RecoveryState:
    """Return the state after one optimization step: where a sub-motion is over, the next begins first.

    Once all anchors are at their targets and match, and no content was left behind, the codes stay what they are, and
    the reason is `REACHED`.
    """
    codes = state.codes.detach().requires_grad_()
    lines = torch.cat([state.handles, state.line_starts, drag.reference.targets])
    feature = feature_near(drag, codes, lines, read_margin(drag.settings))
    if compare(drag, state, feature.detach(), state.goals).finished.all():  # content is sought on the whole map
        feature = drag.context.feature_map(codes)
    state = proceed(drag, state, feature.detach())
    return state if state.reason else optimize(drag, state, codes, feature)


def observe(drag: Drag[FreeDragSettings], state: RecoveryState, feature: Float[Tensor, "1 c h w"]) -> RecoveryState:
    """Return the state with the map of its codes observed and every anchor where it is."""
    if not is_finite(feature):
        return replace(state, reason=NOT_FINITE)
    finished = bool(compare(drag, state, feature, state.goals).finished.all())
    state = observed(state, feature, state.handles, drag.reference.targets, drag.settings)
    if finished and all(position is None for position in left_behind(drag, feature)):
        return replace(state, reason=REACHED)
    return state


def proceed(drag: Drag[FreeDragSettings], state: RecoveryState, feature: Float[Tensor, "1 c h w"]) -> RecoveryState:
    """Return the state with the map of its codes observed, at the start of the next sub-motion if one is over."""
    if not is_finite(feature):
        return replace(state, reason=NOT_FINITE)
    here, settings = compare(drag, state, feature, state.goals), drag.settings
    if not sub_motion_over(settings, state, here):
        return observed(state, feature, state.handles, drag.reference.targets, settings)
    state = next_sub_motion(drag, state, feature, here)
    return recover(drag, state, feature) if here.finished.all() else state


def next_sub_motion(
    drag: Drag[FreeDragSettings], state: RecoveryState, feature: Float[Tensor, "1 c h w"], here: Comparison
) -> RecoveryState:
    """Return the state at the start of the next sub-motion: templates updated except for those of pins, anchors on
    their way.
    """
    plane, settings, targets = drag.context.plane, drag.settings, drag.reference.targets
    pins = (drag.reference.handles == targets).all(dim=1).to(here.discrepancies.device)
    updated = updated_templates(state.templates, here.patches, here.discrepancies, here.finished, state.goals)
    templates = torch.where(pins[:, None, None, None], state.templates, updated)
    anchors = next_anchors(feature, state, state.line_starts, targets, templates, here, state.goals, plane, settings)
    return enter(drag, state, feature, anchors, templates, (anchors != state.handles).any(dim=1))


def enter(
    drag: Drag[FreeDragSettings],
    state: RecoveryState,
    feature: Float[Tensor, "1 c h w"],
    anchors: Float[Tensor, "k 2"],
    templates: Float[Tensor, "k c 3 3"],
    moved: Bool[Tensor, "k"],
) -> RecoveryState:
    """Return the state at the start of a sub-motion towards the anchors; the goal of anchors that have `moved` is the
    discrepancy with which they begin, kept from a quarter of l to l.
    """
    settings = drag.settings
    entered = discrepancies(patches_at(feature, anchors, drag.context.plane, settings.radius), templates)
    fresh = entered.clamp(LEAST_GOAL * settings.scale, settings.scale)
    goals = torch.where(moved.to(entered.device), fresh, state.goals)
    state = replace(state, templates=templates, entered=entered, goals=goals, taken=0)
    return observed(state, feature, anchors, drag.reference.targets, settings)


def recover(drag: Drag[FreeDragSettings], state: RecoveryState, feature: Float[Tensor, "1 c h w"]) -> RecoveryState:
    """Return the state after all anchors have arrived: at its end, unless content was left behind.

    Where it was, the anchor goes back to it. Content that a recovery has not brought 10 % nearer has stalled.
    """
    plane, settings, targets = drag.context.plane, drag.settings, drag.reference.targets
    anchors, templates, line_starts, behind = (
        values.clone() for values in (state.handles, state.templates, state.line_starts, state.behind)
    )
    firsts, found = first_patches(drag), left_behind(drag, feature)
    for number, (target, first, position) in enumerate(zip(targets, firsts, found, strict=True)):
        if position is None:
            continue
        distance = float((target - position).norm())
        if distance > NEARER * float(behind[number]):
            return replace(state, reason=STALLED)
        ahead = line_search(feature, position, target, first, settings.distance, settings.scale, plane, settings.radius)
        anchors[number], templates[number], line_starts[number], behind[number] = ahead, first, position, distance
    if torch.equal(behind, state.behind):
        return replace(state, reason=REACHED)
    recovered = behind != state.behind
    state = replace(state, line_starts=line_starts, behind=behind, nearest=math.inf)
    return enter(drag, state, feature, anchors, templates, recovered)


def left_behind(drag: Drag[FreeDragSettings], feature: Float[Tensor, "1 c h w"]) -> list[Float[Tensor, "2"] | None]:
    """Return where the content of each handle is if it is not at its target: within the drag's length of it, and d."""
    settings, reference = drag.settings, drag.reference
    return [
        content_elsewhere(
            feature,
            target,
            max(float((target - handle).norm()), settings.distance),
            first,
            drag.context.plane,
            settings,
        )
        for handle, target, first in zip(reference.handles, reference.targets, first_patches(drag), strict=True)
    ]


def content_elsewhere(
    feature: Float[Tensor, "1 c h w"],
    target: Float[Tensor, "2"],
    reach: float,
    first: Float[Tensor, "c 3 3"],
    plane: Plane,
    settings: FreeDragSettings,
) -> Float[Tensor, "2"] | None:
    """Return where within `reach` of the target the start's patch is found, if that is more than d / 2 away from it,
    matches as well as an anchor that may advance, and clearly better than at the target; else None.
    """
    offsets, left = discrepancy_map(feature, target, reach, first, plane, settings.radius)
    shift = least_offset(left, offsets)
    least, at_target = float(left.min()), float(left[len(offsets) // 2, len(offsets) // 2])
    clear = least <= MATCHED * settings.scale and least < CLEARLY * at_target
    far = float(shift.norm()) > max(settings.tolerance, settings.distance / 2)
    return target + shift if clear and far else None
