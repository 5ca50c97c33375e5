"""FreeDrag (Ling et al., CVPR 2024): no tracking. The feature patch of each handle, its template T, is carried along
the straight line to the target by sub-motions. A sub-motion optimizes the codes for some steps, until the image's
patch at the anchor h equals the template; then the template is updated, and the anchor advances, stays or goes back.

The paper's method; ``compat="official"`` runs it with the numbers and the details of the published code. What Ganvas
adds to it is in `recovery`. Where paper and published code differ, `docs/methods/drag.md` says what is done here.
"""

import math
from dataclasses import dataclass, replace
from typing import ClassVar, NamedTuple, TypeVar

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from ganvas.drag.context import DragContext
from ganvas.drag.crop import feature_near
from ganvas.drag.defaults import default_distance, default_scale, shared_rules
from ganvas.drag.patches import discrepancies, discrepancy_map, patches_at
from ganvas.drag.sampling import Plane, least_offset
from ganvas.drag.settings import DragSettings, Length, Number, check_lengths, filled
from ganvas.drag.state import (
    NOT_FINITE,
    REACHED,
    Drag,
    DragState,
    Reference,
    descend,
    distances_left,
    fresh_moments,
    is_finite,
    mask_loss,
    observed,
)
from ganvas.errors import GanvasError
from ganvas.errors.arguments import checked
from ganvas.errors.ranges import Count

MASK_WEIGHT = 1.0  # the paper's 10 lets nothing move
OFFICIAL = {"rate": 0.002, "mask_weight": 10.0, "scale": 0.3, "tolerance": 1.0}
FINISHED, MATCHED = (
    0.25,
    0.5,
)  # of l: discrepancies below which an anchor at its target is done, or another one advances
POSITIONS = 10  # that the line search compares
TYPICAL = 0.5  # of the median discrepancy around: less than that is a match


@checked
@dataclass(frozen=True, kw_only=True)
class FreeDragSettings(DragSettings):
    """Settings of FreeDrag; lengths are in pixels of the image, None is the default by rule.

    Args:
        rate: Learning rate of Adam, in units of the space. None: 0.008 of the std of the space's codes.
        mask_weight: gamma. None: 1 (the paper has 10).
        radius: Half the side of a patch. None: 3 at 512 pixels, in proportion, at least 2.
        distance: d, the largest advance of an anchor. None: 12 at 512 pixels, in proportion.
        scale: l, the discrepancy that an advance aims at, in units of the features. None: 0.7 of the mean difference of
            the features d apart.
        inner_steps: Optimization steps of a sub-motion, at most.
        recovery: Whether content that was left behind is sought again, pins keep their templates, and short advances
            have smaller goals (`ganvas.drag.recovery`); False is the paper's method.
        compat: "official" takes the published code's numbers (l = 0.3, rate 0.002, gamma = 10) and details; it has no
            recovery.
        tolerance: Distance from its target at which an anchor has arrived. None: 2 at 512 pixels, at least 0.5.
        patience: Steps without an anchor coming nearer to its target after which the drag has stalled.

    Raises:
        GanvasError: Where a number is not finite or not above 0, or `compat` is not known.

    Example:
        >>> import ganvas
        >>> ganvas.FreeDragSettings(compat="official").recovers
        False
    """

    method: ClassVar[str] = "freedrag"

    distance: Length = None
    scale: Number = None
    inner_steps: Count = 5
    recovery: bool = True
    compat: str | None = None

    def __post_init__(self) -> None:
        if self.compat not in (None, "official"):
            raise GanvasError(f"compat '{self.compat}' is not known; give 'official' or None.")

    @property
    def official(self) -> bool:
        """Whether the details of the published code hold."""
        return self.compat == "official"

    @property
    def recovers(self) -> bool:
        """Whether content that was left behind is recovered."""
        return self.recovery and not self.official


@dataclass(frozen=True)
class FreeDragState(DragState):
    """The anchors h are ``handles``; their ``templates`` T [k, c, 3, 3]; the discrepancies L_in [k] with which the
    sub-motion was ``entered``; how many optimization steps of it are ``taken``.
    """

    templates: Tensor = torch.empty(0)
    entered: Tensor = torch.empty(0)
    taken: int = 0


Kind = TypeVar("Kind", bound=FreeDragState)


class Comparison(NamedTuple):
    """The patches F_r at the anchors; their discrepancies from the templates; whether each is small enough for its
    anchor to advance (``matches``), and whether it is so at the target (``finished``).
    """

    patches: Float[Tensor, "k c 3 3"]
    discrepancies: Float[Tensor, "k"]
    matches: Bool[Tensor, "k"]
    finished: Bool[Tensor, "k"]


def resolve(settings: FreeDragSettings, context: DragContext, reference: Reference) -> FreeDragSettings:
    """Return the settings with a number for each None, by the image's size, the space's std, and what the map itself
    changes over d.
    """
    resolution = context.plane.resolution
    check_lengths(settings, resolution)
    rules = shared_rules(context.generator, context.space, context.label)
    rules |= {"mask_weight": lambda: MASK_WEIGHT, "distance": lambda: default_distance(resolution)}
    if settings.official:
        rules |= {name: lambda value=value: value for name, value in OFFICIAL.items()}
        rules["radius"] = lambda: 3.0
    settings = filled(settings, rules)
    return filled(settings, {"scale": lambda: default_scale(reference.feature, context.plane, settings.distance)})


def start(drag: Drag[FreeDragSettings], codes: Tensor) -> FreeDragState:
    """Return the state before the first step: T = F_r(p), h = p, and a sub-motion that counts as over."""
    reference, settings = drag.reference, drag.settings
    templates = first_patches(drag)
    return FreeDragState(
        codes, codes, reference.feature, reference.handles, fresh_moments(drag.context, codes),
        templates=templates, entered=templates.new_zeros(len(templates)), taken=settings.inner_steps,
    )  # fmt: skip


def first_patches(drag: Drag[FreeDragSettings]) -> Float[Tensor, "k c 3 3"]:
    """Return the patches at the handles on the map of the start."""
    return patches_at(drag.reference.feature, drag.reference.handles, drag.context.plane, drag.settings.radius)


def step(drag: Drag[FreeDragSettings], state: FreeDragState) -> FreeDragState:
    """Return the state after one optimization step: where a sub-motion is over, the next begins first.

    Once all anchors are at their targets and match, the codes stay what they are, and the reason is `REACHED`.
    """
    codes = state.codes.detach().requires_grad_()
    lines = torch.cat([state.handles, drag.reference.handles, drag.reference.targets])
    feature = feature_near(drag, codes, lines, read_margin(drag.settings))
    state = proceed(drag, state, feature.detach())
    return state if state.reason else optimize(drag, state, codes, feature)


def read_margin(settings: FreeDragSettings) -> float:
    """Return how far from the lines to the targets a step reads, in pixels: the patches of anchors that go back."""
    return float(settings.distance + settings.radius)


def optimize(drag: Drag[FreeDragSettings], state: Kind, codes: Tensor, feature: Float[Tensor, "1 c h w"]) -> Kind:
    """Return the state after a step of Adam down ``sum_i ||F_r(h_i) - T_i||_1 + gamma ||(F - F0) (1 - M)||_1``."""
    found = patches_at(feature, state.handles, drag.context.plane, drag.settings.radius)
    loss = discrepancies(found, state.templates).sum()
    loss = loss + drag.settings.mask_weight * mask_loss(feature, drag.reference, over="unmoved")
    return replace(descend(drag.context, state, codes, loss, drag.settings.rate), taken=state.taken + 1)


def proceed(drag: Drag[FreeDragSettings], state: FreeDragState, feature: Float[Tensor, "1 c h w"]) -> FreeDragState:
    """Return the state with the map of its codes observed, at the start of the next sub-motion if one is over.

    The published code decides by the map before the last step of a sub-motion, which costs it no pass; ours is measured
    by the next pass, also at no cost.
    """
    if not is_finite(feature):
        return replace(state, reason=NOT_FINITE)
    settings, targets, plane = drag.settings, drag.reference.targets, drag.context.plane
    here = compare(drag, state, feature, settings.scale)
    if not sub_motion_over(settings, state, here):
        return observed(state, feature, state.handles, targets, settings)
    if here.finished.all():
        return replace(observed(state, feature, state.handles, targets, settings), reason=REACHED)
    seen = feature
    if settings.official and state.taken >= settings.inner_steps:
        seen = state.feature
        here = compare(drag, state, seen, settings.scale)
    templates = updated_templates(state.templates, here.patches, here.discrepancies, here.finished, settings.scale)
    anchors = next_anchors(
        seen, state, drag.reference.handles, targets, templates, here, settings.scale, plane, settings
    )
    entered = discrepancies(patches_at(feature, anchors, plane, settings.radius), templates)
    state = replace(state, templates=templates, entered=entered, taken=0)
    return observed(state, feature, anchors, targets, settings)


def compare(
    drag: Drag[FreeDragSettings],
    state: FreeDragState,
    feature: Float[Tensor, "1 c h w"],
    goals: Float[Tensor, "k"] | float,
) -> Comparison:
    """Return what the map shows at the anchors; `goals` is l, for all of them or one for each."""
    settings = drag.settings
    found = patches_at(feature, state.handles, drag.context.plane, settings.radius)
    left = discrepancies(found, state.templates)
    arrived = (distances_left(state.handles, drag.reference.targets) <= settings.tolerance).to(left.device)
    advancing = (FINISHED if settings.official else MATCHED) * goals
    matches = left <= torch.where(arrived, FINISHED * settings.scale, advancing)
    return Comparison(found, left, matches, arrived & matches)


def sub_motion_over(settings: FreeDragSettings, state: FreeDragState, here: Comparison) -> bool:
    """Whether a sub-motion has taken all of its steps, or at least one and every anchor matches."""
    return state.taken >= settings.inner_steps or (state.taken > 0 and bool(here.matches.all()))


def template_weight(left: Float[Tensor, "k"], goals: Float[Tensor, "k"] | float) -> Float[Tensor, "k"]:
    """Return lambda, the weight of the new patch in the template: ``1 / (1 + exp(alpha (L_en - beta)))`` with
    ``alpha = ln 9 / (0.6 l)`` and ``beta = 0.2 l``: 0.5 where 0.2 l is left, 0.1 where 0.8 l is, at most 0.675.
    """
    alpha, beta = math.log(9) / (0.6 * goals), 0.2 * goals
    return 1 / (1 + torch.exp(alpha * (left - beta)))


def updated_templates(
    templates: Float[Tensor, "k c 3 3"],
    found: Float[Tensor, "k c 3 3"],
    left: Float[Tensor, "k"],
    finished: Bool[Tensor, "k"],
    goals: Float[Tensor, "k"] | float,
) -> Float[Tensor, "k c 3 3"]:
    """Return ``T <- lambda F_r(h) + (1 - lambda) T``; the template of a finished anchor is replaced."""
    weight = torch.where(finished, 1.0, template_weight(left, goals))[:, None, None, None]
    return weight * found + (1 - weight) * templates


def line_search(
    feature: Float[Tensor, "1 c h w"],
    anchor: Float[Tensor, "2"],
    target: Float[Tensor, "2"],
    template: Float[Tensor, "c 3 3"],
    distance: float,
    wanted: float,
    plane: Plane,
    radius: float,
) -> Float[Tensor, "2"]:
    """Return ``S(h, t, T, d, l) = argmin_q | ||F_r(q) - T||_1 - l |`` over ``q = h + j unit(t - h)``, j = 0.1 d, 0.2 d,
    ..., d, and not beyond the target; l is `wanted`.
    """
    way = target - anchor
    longest = min(distance, float(way.norm()))
    if longest == 0:
        return anchor
    shares = torch.arange(1, POSITIONS + 1, dtype=torch.float64) / POSITIONS
    positions = anchor + shares[:, None] * way * (longest / way.norm())
    found = patches_at(feature, positions, plane, radius)
    left = discrepancies(found, template.expand_as(found))
    return positions[int((left - wanted).abs().argmin())]


def next_anchor(
    feature: Float[Tensor, "1 c h w"],
    anchor: Float[Tensor, "2"],
    line_start: Float[Tensor, "2"],
    target: Float[Tensor, "2"],
    template: Float[Tensor, "c 3 3"],
    entered: float,
    left: float,
    goal: float,
    plane: Plane,
    settings: FreeDragSettings,
) -> Float[Tensor, "2"]:
    """Return the anchor of the next sub-motion, from the discrepancies L_in and L_en with which the last one was
    `entered` and `left`: advance, ``S(h, t, T, d, l)``, where L_en <= 0.5 l; stay where L_en <= L_in; else go back,
    ``S(h - d unit(t - h), t, T, 2 d, 0)``.

    `goal` stands for l in the first condition: it is l in the paper.
    """
    distance = settings.distance
    if left <= MATCHED * goal:
        return line_search(feature, anchor, target, template, distance, settings.scale, plane, settings.radius)
    if left <= entered:
        return anchor
    line = target - line_start
    back = min(distance, float((target - anchor).norm())) if settings.official else distance
    behind = anchor - line * (back / max(float(line.norm()), 1e-12))
    return line_search(feature, behind, target, template, 2 * distance, 0.0, plane, settings.radius)


def next_anchors(
    feature: Float[Tensor, "1 c h w"],
    state: FreeDragState,
    line_starts: Float[Tensor, "k 2"],
    targets: Float[Tensor, "k 2"],
    templates: Float[Tensor, "k c 3 3"],
    here: Comparison,
    goals: Float[Tensor, "k"] | float,
    plane: Plane,
    settings: FreeDragSettings,
) -> Float[Tensor, "k 2"]:
    """Return the next anchor of each handle; that of a finished one stays."""
    each = torch.as_tensor(goals).expand(len(templates)).tolist()
    anchors = [
        next_anchor(feature, anchor, line_start, target, template, entered, left, goal, plane, settings)
        for anchor, line_start, target, template, entered, left, goal in zip(
            state.handles, line_starts, targets, templates, state.entered.tolist(), here.discrepancies.tolist(), each,
            strict=True,
        )
    ]  # fmt: skip
    return torch.where(here.finished.cpu()[:, None], state.handles, torch.stack(anchors))


def observe(drag: Drag[FreeDragSettings], state: FreeDragState, feature: Float[Tensor, "1 c h w"]) -> FreeDragState:
    """Return the state with the map of its codes observed and every anchor where it is."""
    if not is_finite(feature):
        return replace(state, reason=NOT_FINITE)
    finished = compare(drag, state, feature, drag.settings.scale).finished.all()
    state = observed(state, feature, state.handles, drag.reference.targets, drag.settings)
    return replace(state, reason=REACHED) if finished else state


def locate(drag: Drag[FreeDragSettings], state: FreeDragState) -> list[Float[Tensor, "2"] | None]:
    """Return where on the map observed last the patch of each handle's start is found, to a quarter of the patch's
    radius: within the drag's length of the start, and d. None where the best discrepancy is above l and above half the
    median discrepancy around (looks change on the way: where an independent tracker still finds content, l is often
    passed). The paper has no such search.
    """
    settings, reference, plane = drag.settings, drag.reference, drag.context.plane
    found: list[Float[Tensor, "2"] | None] = []
    for handle, target, first in zip(reference.handles, reference.targets, first_patches(drag), strict=True):
        reach = float((target - handle).norm()) + settings.distance
        offsets, left = discrepancy_map(state.feature, handle, reach, first, plane, settings.radius)
        alike = max(settings.scale, TYPICAL * float(left[left.isfinite()].median()))
        found.append(handle + least_offset(left, offsets) if float(left.min()) <= alike else None)
    return found
