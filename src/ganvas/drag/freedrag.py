"""FreeDrag (Ling et al. 2024). No tracking: the feature of each handle, its template, is carried along the straight
line to the target. A sub-motion makes the image's features at the next place of the line equal to the template; the
template then takes over more of what came of it, the better it went.

Written from the paper's equations. Where paper and published code differ, `docs/drag.md` says what is done here.
"""

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from ganvas.drag.crop import feature_near
from ganvas.drag.defaults import PUBLISHED_PIXELS, default_scale, settings_with
from ganvas.drag.freedrag_state import FreeDrag, FreeDragState
from ganvas.drag.sampling import Plane, least_offset
from ganvas.drag.state import (
    NOT_FINITE,
    REACHED,
    STALLED,
    Drag,
    Fixed,
    Subject,
    changed,
    descend,
    finite,
    fresh_moments,
    remaining,
    seen,
)
from ganvas.drag.templates import adapted, discrepancies, localized, mismatches, patches

MASK_WEIGHT = 1.0  # the paper's 10 holds everything still
PUBLISHED_DISTANCE = 12.0  # pixels of 512: three of the 128-pixel map
FINISHED, ADVANCED = 0.25, 0.5  # of l, of the goal: discrepancies below which an anchor is done, or goes on
LEAST_GOAL = 0.25  # of l
FETCHED = 0.9  # of how far content was behind: nearer than that, a turn was worth it
TELLING = 0.5  # of the usual discrepancy around: where so little is left, content is found
CLEARLY = 0.5  # of the discrepancy at the target: so much less is found behind where the content was left there


def default_settings(subject: Subject, fixed: Fixed, changes: Mapping[str, float | int]) -> FreeDrag:
    """Return `changes` and, for all else, the settings that follow from the image's size, the space's deviation, and
    what the map itself changes over d.

    Raises `GanvasError` for a change that cannot be.
    """
    distance = PUBLISHED_DISTANCE * subject.plane.resolution / PUBLISHED_PIXELS
    settings = FreeDrag(**settings_with(subject, {"mask_weight": MASK_WEIGHT, "distance": distance}, changes))
    if "scale" in changes:
        return settings
    return replace(settings, scale=default_scale(fixed.feature, subject.plane, settings.distance))


def start(drag: Drag[FreeDrag], codes: Tensor) -> FreeDragState:
    """Return the state before the first step: templates from the handles; a first sub-motion that counts as over."""
    fixed, settings = drag.fixed, drag.settings
    templates = patches(fixed.feature, fixed.starts, drag.subject.plane, settings.radius)
    moments = fresh_moments(drag.subject, codes)
    entered = templates.new_zeros(len(templates))
    return FreeDragState(
        codes, codes, fixed.feature, fixed.starts, moments, templates=templates, entered=entered,
        goals=entered + settings.scale, begun=fixed.starts, behind=torch.full_like(fixed.starts[:, 0], torch.inf),
        taken=settings.inner_steps,
    )  # fmt: skip


def step(drag: Drag[FreeDrag], state: FreeDragState) -> FreeDragState:
    """Return the state after one optimization step: where a sub-motion is over, the next begins first.

    Once all anchors are at their targets and match, the codes stay what they are, and the reason says so.
    """
    codes = state.codes.detach().requires_grad_()
    lines = torch.cat([state.points, state.begun, drag.fixed.targets])
    feature = feature_near(drag, codes, lines, margin(drag.settings))
    if compared(drag, state, feature.detach()).finished.all():  # what was left behind is sought on the whole map
        feature = drag.subject.feature_of(codes)
    state = proceed(drag, state, feature.detach())
    if state.reason:
        return state
    found = patches(feature, state.points, drag.subject.plane, drag.settings.radius)
    loss = discrepancies(found, state.templates).sum()
    loss = loss + drag.settings.mask_weight * changed(feature, drag.fixed, over="unmoved")
    return replace(descend(drag.subject, state, codes, loss, drag.settings.rate), taken=state.taken + 1)


def margin(settings: FreeDrag) -> float:
    """Return how far from the lines to the targets a step reads, in pixels: the patches of anchors that go back."""
    return float(settings.distance + settings.radius)


class Compared(NamedTuple):
    """What lies at the anchors: the patches ``found``, their discrepancies ``left`` from the templates, whether each is
    near enough for its anchor to go on (``matches``), and whether it is so at its target (``finished``).
    """

    found: Float[Tensor, "k c 3 3"]
    left: Float[Tensor, "k"]
    matches: Bool[Tensor, "k"]
    finished: Bool[Tensor, "k"]


def compared(drag: Drag[FreeDrag], state: FreeDragState, feature: Float[Tensor, "1 c h w"]) -> Compared:
    """Return what the map shows at the anchors of the state."""
    settings = drag.settings
    found = patches(feature, state.points, drag.subject.plane, settings.radius)
    left = discrepancies(found, state.templates)
    arrived = (remaining(state.points, drag.fixed.targets) <= settings.arrived).to(left.device)
    matches = left <= torch.where(arrived, FINISHED * settings.scale, ADVANCED * state.goals)
    return Compared(found, left, matches, arrived & matches)


def look(drag: Drag[FreeDrag], state: FreeDragState, feature: Float[Tensor, "1 c h w"]) -> FreeDragState:
    """Return the state with the map of its codes seen and every anchor where it is."""
    if not finite(feature):
        return replace(state, reason=NOT_FINITE)
    finished = bool(compared(drag, state, feature).finished.all())
    state = seen(state, feature, state.points, drag.fixed.targets, drag.settings)
    if finished and all(place is None for place in left_behind(drag, feature)):
        return replace(state, reason=REACHED)
    return state


def proceed(drag: Drag[FreeDrag], state: FreeDragState, feature: Float[Tensor, "1 c h w"]) -> FreeDragState:
    """Return the state with the map of its codes seen, at the beginning of the next sub-motion if one is over: after
    ``inner_steps``, or as soon as every anchor matches.
    """
    if not finite(feature):
        return replace(state, reason=NOT_FINITE)
    here, settings = compared(drag, state, feature), drag.settings
    if state.taken < settings.inner_steps and not (state.taken > 0 and here.matches.all()):
        return seen(state, feature, state.points, drag.fixed.targets, settings)
    state = onward(drag, state, feature, here)
    return fetching(drag, state, feature) if here.finished.all() else state


def onward(
    drag: Drag[FreeDrag], state: FreeDragState, feature: Float[Tensor, "1 c h w"], here: Compared
) -> FreeDragState:
    """Return the state at the beginning of the next sub-motion: templates adapted, anchors on their way.

    A pin (a handle that is its own target) keeps its first template: it would take over its own drift, bit by bit.
    """
    plane, settings, targets = drag.subject.plane, drag.settings, drag.fixed.targets
    pins = (drag.fixed.starts == targets).all(dim=1).to(here.left.device)
    adapting = adapted(state.templates, here.found, here.left, here.finished, state.goals)
    templates = torch.where(pins[:, None, None, None], state.templates, adapting)
    anchors = [
        next_anchor(feature, point, begun, target, template, into, out, goal, plane, settings)
        for point, begun, target, template, into, out, goal in zip(
            state.points, state.begun, targets, templates, state.entered.tolist(), here.left.tolist(),
            state.goals.tolist(), strict=True,
        )
    ]  # fmt: skip
    points = torch.where(here.finished.cpu()[:, None], state.points, torch.stack(anchors))
    return setting_out(drag, state, feature, points, templates, (points != state.points).any(dim=1))


def setting_out(
    drag: Drag[FreeDrag],
    state: FreeDragState,
    feature: Float[Tensor, "1 c h w"],
    points: Float[Tensor, "k 2"],
    templates: Float[Tensor, "k c 3 3"],
    anew: Bool[Tensor, "k"],
) -> FreeDragState:
    """Return the state at the beginning of a sub-motion that is to bring the templates to the points; the goal of
    anchors that set out `anew` is the discrepancy with which they do, kept from a quarter of l to l.
    """
    settings = drag.settings
    entered = discrepancies(patches(feature, points, drag.subject.plane, settings.radius), templates)
    fresh = entered.clamp(LEAST_GOAL * settings.scale, settings.scale)
    goals = torch.where(anew.to(entered.device), fresh, state.goals)
    state = replace(state, templates=templates, entered=entered, goals=goals, taken=0)
    return seen(state, feature, points, drag.fixed.targets, settings)


def fetching(drag: Drag[FreeDrag], state: FreeDragState, feature: Float[Tensor, "1 c h w"]) -> FreeDragState:
    """Return the state after all anchors have arrived: it is at its end, unless content was left behind.

    Templates slip where steps are short: what five of them leave undone the template takes over in part. So the patches
    of the start are sought once more, and where one is clearly found elsewhere, its anchor goes on from there with that
    template, on a new line; a content that no such turn brought nearer has stalled. The paper looks back at nothing.
    """
    plane, settings, targets = drag.subject.plane, drag.settings, drag.fixed.targets
    points, templates, begun, behind = (
        values.clone() for values in (state.points, state.templates, state.begun, state.behind)
    )
    firsts, places = first_patches(drag), left_behind(drag, feature)
    for number, (target, first, place) in enumerate(zip(targets, firsts, places, strict=True)):
        if place is None:
            continue
        distance = float((target - place).norm())
        if distance > FETCHED * float(behind[number]):
            return replace(state, reason=STALLED)
        ahead = localized(feature, place, target, first, settings.distance, settings.scale, plane, settings.radius)
        points[number], templates[number], begun[number], behind[number] = ahead, first, place, distance
    if torch.equal(behind, state.behind):
        return replace(state, reason=REACHED)
    fetched = behind != state.behind
    state = replace(state, begun=begun, behind=behind, nearest=math.inf)
    return setting_out(drag, state, feature, points, templates, fetched)


def first_patches(drag: Drag[FreeDrag]) -> Float[Tensor, "k c 3 3"]:
    """Return the patches at the handles on the map of the start."""
    return patches(drag.fixed.feature, drag.fixed.starts, drag.subject.plane, drag.settings.radius)


def left_behind(drag: Drag[FreeDrag], feature: Float[Tensor, "1 c h w"]) -> list[Float[Tensor, "2"] | None]:
    """Return where the content of each handle is if it is not at its target: within the drag's length of it, and d."""
    settings, fixed = drag.settings, drag.fixed
    return [
        elsewhere(feature, target, max(float((target - begun).norm()), settings.distance), first, drag.subject.plane,
                  settings)
        for begun, target, first in zip(fixed.starts, fixed.targets, first_patches(drag), strict=True)
    ]  # fmt: skip


def elsewhere(
    feature: Float[Tensor, "1 c h w"],
    target: Float[Tensor, "2"],
    reach: float,
    first: Float[Tensor, "c 3 3"],
    plane: Plane,
    settings: FreeDrag,
) -> Float[Tensor, "2"] | None:
    """Return where within `reach` of the target the start's patch is found, if that is more than d / 2 away from it,
    matches as well as an anchor that may advance, and clearly better than at the target; else None.
    """
    offsets, left = mismatches(feature, target, reach, first, plane, settings.radius)
    shift = least_offset(left, offsets)
    least, there = float(left.min()), float(left[len(offsets) // 2, len(offsets) // 2])
    clear = least <= ADVANCED * settings.scale and least < CLEARLY * there
    far = float(shift.norm()) > max(settings.arrived, settings.distance / 2)
    return target + shift if clear and far else None


def located(drag: Drag[FreeDrag], state: FreeDragState) -> list[Float[Tensor, "2"] | None]:
    """Return where on the map seen last the patch of each handle's start is found, to a quarter of the patch's radius:
    within the drag's length of the start, and d. None where nothing there is nearer to it than l or than half of what
    is usual there (looks change on the way: where an independent tracker still finds content, l is often passed).
    """
    settings, fixed, plane = drag.settings, drag.fixed, drag.subject.plane
    found: list[Float[Tensor, "2"] | None] = []
    for begun, target, first in zip(fixed.starts, fixed.targets, first_patches(drag), strict=True):
        reach = float((target - begun).norm()) + settings.distance
        offsets, left = mismatches(state.feature, begun, reach, first, plane, settings.radius)
        alike = max(settings.scale, TELLING * float(left[left.isfinite()].median()))
        found.append(begun + least_offset(left, offsets) if float(left.min()) <= alike else None)
    return found


def next_anchor(
    feature: Float[Tensor, "1 c h w"],
    point: Float[Tensor, "2"],
    begun: Float[Tensor, "2"],
    target: Float[Tensor, "2"],
    template: Float[Tensor, "c 3 3"],
    into: float,
    out: float,
    goal: float,
    plane: Plane,
    settings: FreeDrag,
) -> Float[Tensor, "2"]:
    """Return where the next sub-motion is to bring the template, from the discrepancies with which the last began
    (`into`) and ended (`out`): advance to about l where it ended below half its goal; stay where it at least fell; else
    go back by d and seek the best match over 2 d.

    The `goal` is l, as in the paper, or less where d or the target left nothing farther to choose: there half of l
    would be met before anything has moved.
    """
    distance, scale = settings.distance, settings.scale
    if out <= ADVANCED * goal:
        return localized(feature, point, target, template, distance, scale, plane, settings.radius)
    if out <= into:
        return point
    whole = target - begun
    back = point - whole * (distance / max(float(whole.norm()), 1e-12))
    return localized(feature, back, target, template, 2 * distance, 0.0, plane, settings.radius)
