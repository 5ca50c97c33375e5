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

MASK_WEIGHT = 10.0
PUBLISHED_DISTANCE = 12.0  # pixels of 512: three of the 128-pixel map
SCALE_IN_DIFFERENCES = 0.7
PLACES = 10  # that are looked at on the line
FINISHED, ADVANCED = 0.25, 0.5  # of l: discrepancies below which an anchor is done, or goes on


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
    """The anchors are ``points``; their ``templates`` [k, c, 3, 3], the discrepancies [k] with which the sub-motion was
    ``entered``, and how many optimisation steps of it are ``taken``.
    """

    templates: Tensor = torch.empty(0)
    entered: Tensor = torch.empty(0)
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
    matching = state.taken > 0 and bool((left < FINISHED * settings.scale).all())
    if state.taken < settings.inner_steps and not matching:
        return seen(state, feature, state.points, targets, settings)
    arrived = remaining(state.points, targets) <= settings.arrived
    finished = arrived & (left <= FINISHED * settings.scale).cpu()
    templates = adapted(state.templates, found, left, finished.to(left.device), settings.scale)
    anchors = [
        point if done else next_anchor(feature, point, begun, target, template, into, out, plane, settings)
        for point, begun, target, template, into, out, done in zip(
            state.points, drag.fixed.starts, targets, templates, state.entered.tolist(), left.tolist(),
            finished.tolist(), strict=True,
        )
    ]  # fmt: skip
    points = torch.stack(anchors)
    entered = discrepancies(patches(feature, points, plane, settings.radius), templates)
    state = replace(state, templates=templates, entered=entered, taken=0)
    state = seen(state, feature, points, targets, settings)
    return replace(state, reason=REACHED) if finished.all() else state


def patches(
    feature: Float[Tensor, "1 c h w"], points: Float[Tensor, "k 2"], plane: Plane, radius: float
) -> Float[Tensor, "k c 3 3"]:
    """Return F_r at each point: 3x3 samples, `radius` pixels of the picture apart (section 3.1)."""
    offsets = torch.tensor([-radius, 0.0, radius], dtype=torch.float64)
    return torch.stack([sample_square(feature, point, offsets, plane) for point in points])


def discrepancies(found: Float[Tensor, "k c 3 3"], templates: Float[Tensor, "k c 3 3"]) -> Float[Tensor, "k"]:
    """Return the mean absolute difference of each patch from its template."""
    return (found - templates).abs().flatten(1).mean(dim=1)


def takeover(left: Float[Tensor, "k"], scale: float) -> Float[Tensor, "k"]:
    """Return lambda, the share of the new patch in the template: ``1 / (1 + exp(alpha (L - beta)))``, which is 0.5
    where 0.2 l is left and 0.1 where 0.8 l is, at most 0.675.
    """
    alpha, beta = math.log(9) / (0.6 * scale), 0.2 * scale
    return 1 / (1 + torch.exp(alpha * (left - beta)))


def adapted(
    templates: Float[Tensor, "k c 3 3"],
    found: Float[Tensor, "k c 3 3"],
    left: Float[Tensor, "k"],
    finished: Bool[Tensor, "k"],
    scale: float,
) -> Float[Tensor, "k c 3 3"]:
    """Return ``lambda F_r(h) + (1 - lambda) T``; the template of a finished anchor is replaced."""
    share = torch.where(finished, 1.0, takeover(left, scale))[:, None, None, None]
    return share * found + (1 - share) * templates


def next_anchor(
    feature: Float[Tensor, "1 c h w"],
    point: Float[Tensor, "2"],
    begun: Float[Tensor, "2"],
    target: Float[Tensor, "2"],
    template: Float[Tensor, "c 3 3"],
    into: float,
    out: float,
    plane: Plane,
    settings: FreeDrag,
) -> Float[Tensor, "2"]:
    """Return where the next sub-motion is to bring the template, from the discrepancies with which the last began
    (`into`) and ended (`out`): advance to about l where it ended below l / 2; stay where it at least fell; else go back
    by d and seek the best match over 2 d.
    """
    distance, scale = settings.distance, settings.scale
    if out <= ADVANCED * scale:
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
