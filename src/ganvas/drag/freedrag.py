"""FreeDrag (Ling et al. 2024). No tracking: the feature of each handle, its template, is carried along the straight
line to the target. A sub-motion makes the picture's features at the next place of the line equal to the template; the
template then takes over more of what came of it, the better it went.

Written from the paper's equations. Where paper and published code differ, `docs/drag.md` says what is done here.
"""

import math
from dataclasses import dataclass, replace

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from ganvas.drag.defaults import PUBLISHED_PIXELS, usual_arrival, usual_radius, usual_rate
from ganvas.drag.sampling import Plane, sample_grid, sample_square
from ganvas.drag.state import (
    NOT_FINITE,
    REACHED,
    STALLED,
    Drag,
    Fixed,
    Settings,
    State,
    Subject,
    changed,
    descend,
    finite,
    fresh_moments,
    remaining,
    seen,
)

MASK_WEIGHT = 1.0  # the paper's 10 holds everything still
PUBLISHED_DISTANCE = 12.0  # pixels of 512: three of the 128-pixel map
SCALE_IN_DIFFERENCES = 0.7
PLACES = 10  # that are looked at on the line
FINISHED, ADVANCED = 0.25, 0.5  # of l, of the goal: discrepancies below which an anchor is done, or goes on
LEAST_GOAL = 0.25  # of l
FETCHED = 0.9  # of how far content was behind: nearer than that, a turn was worth it
CLEARLY = 0.5  # of the discrepancy at the target: so much less is found behind where the content was left there


@dataclass(frozen=True)
class FreeDrag(Settings):
    """Settings: the ``scale`` l of discrepancies, in units of the features; the longest ``distance`` d of one advance
    and the half side ``radius`` of a patch, in pixels of the picture; optimisation steps a sub-motion.
    """

    radius: float = 3.0
    distance: float = 12.0
    scale: float = 0.3
    inner_steps: int = 5


@dataclass(frozen=True)
class FreeDragState(State):
    """The anchors are ``points``; their ``templates`` [k, c, 3, 3]; the discrepancies [k] that count as l for each of
    them (``goals``) and with which the sub-motion was ``entered``; how many optimisation steps of it are ``taken``;
    where the line to each target was ``begun`` [k, 2], and how far, in pixels, each content was ``behind`` when its
    anchor arrived without it (inf before that).
    """

    templates: Tensor = torch.empty(0)
    entered: Tensor = torch.empty(0)
    goals: Tensor = torch.empty(0)
    begun: Tensor = torch.empty(0)
    behind: Tensor = torch.empty(0)
    taken: int = 0


def usual_settings(subject: Subject, fixed: Fixed, rate: float | None = None) -> FreeDrag:
    """Return the settings that follow from the picture's size, the space's deviation and the map's own differences."""
    resolution = subject.plane.resolution
    rate = usual_rate(subject.generator, subject.space, subject.label) if rate is None else rate
    distance = PUBLISHED_DISTANCE * resolution / PUBLISHED_PIXELS
    scale = usual_scale(fixed.feature, subject.plane, distance)
    return FreeDrag(rate, MASK_WEIGHT, usual_arrival(resolution), 60, usual_radius(resolution), distance, scale)


def usual_scale(feature: Float[Tensor, "1 c h w"], plane: Plane, distance: float) -> float:
    """Return l: 0.7 of the mean absolute difference of the map between places `distance` apart, along x and y.

    So l is near the discrepancy that a template has after one advance of d. The published pairs (0.3, 3) and (0.4, 4)
    have the same quotient, as such a rule demands; their numbers are of networks with other features.
    """
    size = feature.shape[-1]
    low, high = plane.ends(0)
    places = (torch.arange(size, dtype=torch.float64) + 0.5) * (high - low) / size + low
    ahead = (places + distance).clamp(max=high)
    still = sample_grid(feature, places, places, plane)
    moved = (sample_grid(feature, ahead, places, plane), sample_grid(feature, places, ahead, plane))
    differences = [float((one - still).abs().mean()) for one in moved]
    return max(SCALE_IN_DIFFERENCES * sum(differences) / 2, 1e-12)


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
    """Return the state after one optimisation step: where a sub-motion is over, the next begins first.

    Once all anchors are at their targets and match, the codes stay what they are, and the reason says so.
    """
    codes = state.codes.detach().requires_grad_()
    feature = drag.subject.feature_of(codes)
    state = look(drag, state, feature.detach())
    if state.reason:
        return state
    found = patches(feature, state.points, drag.subject.plane, drag.settings.radius)
    loss = discrepancies(found, state.templates).sum()
    loss = loss + drag.settings.mask_weight * changed(feature, drag.fixed, over="unmoved")
    return replace(descend(drag.subject, state, codes, loss, drag.settings.rate), taken=state.taken + 1)


def look(drag: Drag[FreeDrag], state: FreeDragState, feature: Float[Tensor, "1 c h w"]) -> FreeDragState:
    """Return the state with the map of its codes seen, at the beginning of the next sub-motion if one is over: after
    ``inner_steps``, or as soon as every anchor matches.
    """
    if not finite(feature):
        return replace(state, reason=NOT_FINITE)
    plane, settings, targets = drag.subject.plane, drag.settings, drag.fixed.targets
    found = patches(feature, state.points, plane, settings.radius)
    left = discrepancies(found, state.templates)
    arrived = (remaining(state.points, targets) <= settings.arrived).to(left.device)
    matches = left <= torch.where(arrived, FINISHED * settings.scale, ADVANCED * state.goals)
    if state.taken < settings.inner_steps and not (state.taken > 0 and matches.all()):
        return seen(state, feature, state.points, targets, settings)
    finished = arrived & matches
    templates = adapted(state.templates, found, left, finished, state.goals)
    anchors = [
        next_anchor(feature, point, begun, target, template, into, out, goal, plane, settings)
        for point, begun, target, template, into, out, goal in zip(
            state.points, state.begun, targets, templates, state.entered.tolist(), left.tolist(),
            state.goals.tolist(), strict=True,
        )
    ]  # fmt: skip
    points = torch.where(finished.cpu()[:, None], state.points, torch.stack(anchors))
    entered = discrepancies(patches(feature, points, plane, settings.radius), templates)
    stays = (points == state.points).all(dim=1).to(left.device)
    goals = torch.where(stays, state.goals, entered.clamp(LEAST_GOAL * settings.scale, settings.scale))
    state = replace(state, templates=templates, entered=entered, goals=goals, taken=0)
    state = seen(state, feature, points, targets, settings)
    return fetching(drag, state, feature) if finished.all() else state


def fetching(drag: Drag[FreeDrag], state: FreeDragState, feature: Float[Tensor, "1 c h w"]) -> FreeDragState:
    """Return the state after all anchors have arrived: it is at its end, unless content was left behind.

    Templates slip where steps are short: what five of them leave undone the template takes over in part. So the patches
    of the start are sought once more, and where one is clearly found elsewhere, its anchor goes on from there with that
    template, on a new line; a content that no such turn brought nearer has stalled. The paper looks back at nothing.
    """
    plane, settings, fixed = drag.subject.plane, drag.settings, drag.fixed
    firsts = patches(fixed.feature, fixed.starts, plane, settings.radius)
    points, templates, begun, behind = (
        values.clone() for values in (state.points, state.templates, state.begun, state.behind)
    )
    for number, (start, target, first) in enumerate(zip(fixed.starts, fixed.targets, firsts, strict=True)):
        place = left_behind(feature, target, float((target - start).norm()), first, plane, settings)
        if place is None:
            continue
        distance = float((target - place).norm())
        if distance > FETCHED * float(behind[number]):
            return replace(state, reason=STALLED)
        ahead = localized(feature, place, target, first, settings.distance, settings.scale, plane, settings.radius)
        points[number], templates[number], begun[number], behind[number] = ahead, first, place, distance
    if torch.equal(behind, state.behind):
        return replace(state, reason=REACHED)
    entered = discrepancies(patches(feature, points, plane, settings.radius), templates)
    fetched = (behind != state.behind).to(entered.device)
    goals = torch.where(fetched, entered.clamp(LEAST_GOAL * settings.scale, settings.scale), state.goals)
    state = replace(state, templates=templates, entered=entered, goals=goals, begun=begun, behind=behind)
    return seen(replace(state, nearest=math.inf), feature, points, fixed.targets, settings)


def left_behind(
    feature: Float[Tensor, "1 c h w"],
    target: Float[Tensor, "2"],
    reach: float,
    first: Float[Tensor, "c 3 3"],
    plane: Plane,
    settings: FreeDrag,
) -> Float[Tensor, "2"] | None:
    """Return where within `reach` of the target the start's patch is found, if that is more than d / 2 away from it,
    matches as well as an anchor that may advance, and clearly better than at the target; else None.

    Looked at are places a quarter of the patch's radius apart, so that all their patches are samples of one grid.
    """
    count, quarter = max(1, math.ceil(4 * reach / settings.radius)), settings.radius / 4
    offsets = torch.arange(-count, count + 1, dtype=torch.float64) * quarter
    beyond = torch.arange(-count - 4, count + 5, dtype=torch.float64) * quarter
    grid, size = sample_square(feature, target, beyond, plane), len(offsets)
    left = torch.zeros(size, size, dtype=grid.dtype, device=grid.device)
    for row in range(3):
        for column in range(3):
            part = grid[:, 4 * row : 4 * row + size, 4 * column : 4 * column + size]
            left += (part - first[:, row, column, None, None]).abs().mean(dim=0) / 9
    row, column = divmod(int(left.argmin()), size)
    shift = torch.stack([offsets[column], offsets[row]])
    clear = left[row, column] <= min(ADVANCED * settings.scale, CLEARLY * float(left[count, count]))
    inside = bool(((target + shift >= 0) & (target + shift <= plane.resolution)).all())
    far = float(shift.norm()) > max(settings.arrived, settings.distance / 2)
    return target + shift if clear and far and inside else None


def patches(
    feature: Float[Tensor, "1 c h w"], points: Float[Tensor, "k 2"], plane: Plane, radius: float
) -> Float[Tensor, "k c 3 3"]:
    """Return F_r at each point: 3x3 samples, `radius` pixels of the picture apart (section 3.1)."""
    offsets = torch.tensor([-radius, 0.0, radius], dtype=torch.float64)
    return torch.stack([sample_square(feature, point, offsets, plane) for point in points])


def discrepancies(found: Float[Tensor, "k c 3 3"], templates: Float[Tensor, "k c 3 3"]) -> Float[Tensor, "k"]:
    """Return the mean absolute difference of each patch from its template."""
    return (found - templates).abs().flatten(1).mean(dim=1)


def takeover(left: Float[Tensor, "k"], goals: Float[Tensor, "k"]) -> Float[Tensor, "k"]:
    """Return lambda, the share of the new patch in the template: ``1 / (1 + exp(alpha (L - beta)))``, which is 0.5
    where 0.2 of the goal l is left and 0.1 where 0.8 of it is, at most 0.675.
    """
    alpha, beta = math.log(9) / (0.6 * goals), 0.2 * goals
    return 1 / (1 + torch.exp(alpha * (left - beta)))


def adapted(
    templates: Float[Tensor, "k c 3 3"],
    found: Float[Tensor, "k c 3 3"],
    left: Float[Tensor, "k"],
    finished: Bool[Tensor, "k"],
    goals: Float[Tensor, "k"],
) -> Float[Tensor, "k c 3 3"]:
    """Return ``lambda F_r(h) + (1 - lambda) T``; the template of a finished anchor is replaced."""
    share = torch.where(finished, 1.0, takeover(left, goals))[:, None, None, None]
    return share * found + (1 - share) * templates


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


def localized(
    feature: Float[Tensor, "1 c h w"],
    point: Float[Tensor, "2"],
    target: Float[Tensor, "2"],
    template: Float[Tensor, "c 3 3"],
    distance: float,
    wanted: float,
    plane: Plane,
    radius: float,
) -> Float[Tensor, "2"]:
    """Return S(h, t, T, d, l): of ten places on the line to the target, up to d away and not beyond it, the one whose
    discrepancy is nearest to `wanted`.
    """
    way = target - point
    longest = min(distance, float(way.norm()))
    if longest == 0:
        return point
    shares = torch.arange(1, PLACES + 1, dtype=torch.float64) / PLACES
    places = point + shares[:, None] * way * (longest / way.norm())
    found = patches(feature, places, plane, radius)
    left = discrepancies(found, template.expand_as(found))
    return places[int((left - wanted).abs().argmin())]
