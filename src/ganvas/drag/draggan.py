"""DragGAN: Drag Your GAN (Pan et al., SIGGRAPH 2023). Motion supervision (Eq. 1) pulls the features around each handle
a step towards its target; point tracking (Eq. 2) finds the handle again by the feature that it had at the start.

Written from the paper's equations. `docs/methods/drag.md` lists where paper, published code and this code differ.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Literal

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from ganvas.drag.context import DragContext
from ganvas.drag.crop import feature_near
from ganvas.drag.defaults import default_reach, shared_rules
from ganvas.drag.sampling import Plane, disc, least_offset, off_image, sample_point, sample_square, whole_offsets
from ganvas.drag.settings import DragSettings, Length, check_lengths, filled
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
from ganvas.errors.arguments import checked
from ganvas.errors.ranges import Pixels, Rate

MASK_WEIGHT = 2.0  # the paper's 20 lets nothing move
REFINEMENTS = 3
MAX_REFINEMENT = 0.5  # pixels that one of them goes along x and along y
Place = tuple[Tensor, Tensor]
"""A feature map [1, c, h, w] and a position in it (x, y)."""
ROUNDING = 1e-6  # of the largest squared distance in a window: what is nearer by less is no better


@checked
@dataclass(frozen=True, kw_only=True)
class DragGANSettings(DragSettings):
    """Settings of DragGAN; lengths are in pixels of the image, None is the default by rule.

    Args:
        rate: Learning rate of Adam, in units of the space. None: 0.008 of the std of the space's codes.
        mask_weight: lambda of Eq. 1. None: 2 (the paper has 20).
        radius: r1 of the disc that is pulled. None: 3 at 512 pixels, in proportion, at least 2.
        reach: r2, half the side of the window in which a handle is tracked. None: 12 at 512 pixels, at least 4.
        step: Length of the step that motion supervision asks for, at most.
        supervision: Whose features the place ahead of a handle is pulled to: "current", those of the present image at
            the handle, as published; "start", those of the image at the start, as in GoodDrag; "gated", those of the
            start where the handle's feature is less like it than `confidence`, as in StableDrag.
        confidence: The cosine below which the gate takes the start's features, the map's mean taken off.
        tolerance: Distance from its target at which a handle has arrived. None: 2 at 512 pixels, at least 0.5.
        patience: Steps without a handle coming nearer to its target after which the drag has stalled.

    Raises:
        GanvasError: Where a number is not finite, or not above 0.

    Example:
        >>> import ganvas
        >>> ganvas.DragGANSettings(rate=0.002).step
        1.0
    """

    method: ClassVar[str] = "draggan"

    reach: Length = None
    step: Pixels = 1.0
    supervision: Literal["current", "start", "gated"] = "current"
    confidence: Rate = 0.5


def resolve(settings: DragGANSettings, context: DragContext, reference: Reference) -> DragGANSettings:
    """Return the settings with a number for each None, by the image's size and the space's std."""
    check_lengths(settings, context.plane.resolution)
    own = {"mask_weight": lambda: MASK_WEIGHT, "reach": lambda: default_reach(context.plane.resolution)}
    return filled(settings, shared_rules(context.generator, context.space, context.label) | own)


def start(drag: Drag[DragGANSettings], codes: Tensor) -> DragState:
    """Return the state before the first step."""
    reference = drag.reference
    return DragState(codes, codes, reference.feature, reference.handles, fresh_moments(drag.context, codes))


def step(drag: Drag[DragGANSettings], state: DragState) -> DragState:
    """Return the state after one step: track the handles on the image of ``codes``, then pull them on.

    Once all handles have arrived the codes stay what they are, and the reason is `REACHED`.
    """
    settings, reference = drag.settings, drag.reference
    codes = state.codes.detach().requires_grad_()
    feature = feature_near(drag, codes, state.handles, read_margin(settings))
    state = observe(drag, state, feature.detach())
    if state.reason:
        return state
    templates = [
        template_place(drag, feature.detach(), handle, first)
        for handle, first in zip(state.handles, reference.handles, strict=True)
    ]
    loss = motion_supervision(feature, state.handles, reference.targets, drag.context.plane, settings, templates)
    loss = loss + settings.mask_weight * mask_loss(feature, reference)
    return descend(drag.context, state, codes, loss, settings.rate)


def read_margin(settings: DragGANSettings) -> float:
    """Return how far from the handles a step reads, in pixels: to track them, then around where it finds them."""
    return settings.reach + REFINEMENTS * MAX_REFINEMENT + max(settings.step + settings.radius, 1.0)


def observe(drag: Drag[DragGANSettings], state: DragState, feature: Float[Tensor, "1 c h w"]) -> DragState:
    """Return the state with the handles tracked on the map of its codes."""
    plane, reference, settings = drag.context.plane, drag.reference, drag.settings
    if not is_finite(feature):
        return replace(state, reason=NOT_FINITE)
    tracked = [
        track(feature, handle, sample_point(reference.feature, first, plane), settings.reach, plane)
        for handle, first in zip(state.handles, reference.handles, strict=True)
    ]
    state = observed(state, feature, torch.stack(tracked), reference.targets, settings)
    arrived = distances_left(state.handles, reference.targets) <= settings.tolerance
    return replace(state, reason=REACHED) if arrived.all() else state


def locate(drag: Drag[DragGANSettings], state: DragState) -> list[Float[Tensor, "2"] | None]:
    """Return where the content of each handle is on the map observed last: where it was tracked to."""
    return list(state.handles)


def template_place(
    drag: Drag[DragGANSettings],
    feature: Float[Tensor, "1 c h w"],
    handle: Float[Tensor, "2"],
    first: Float[Tensor, "2"],
) -> Place:
    """Return the map and the place in it whose features a handle's content is to keep: as published the present ones,
    or those at the start (GoodDrag, section 4.2), always or where confidence is low (StableDrag, section 3.3).

    StableDrag learns a filter that gives its confidence; here it is the cosine of the handle's feature at the start and
    now, less the mean feature of the map at the start.
    """
    start, plane, settings = drag.reference.feature, drag.context.plane, drag.settings
    if settings.supervision == "start":
        return start, first
    if settings.supervision == "gated":
        mean = start.mean((0, 2, 3))
        wanted, found = sample_point(start, first, plane) - mean, sample_point(feature, handle, plane) - mean
        if float(F.cosine_similarity(found, wanted, dim=0)) < settings.confidence:
            return start, first
    return feature, handle


def motion_supervision(
    feature: Float[Tensor, "1 c h w"],
    handles: Float[Tensor, "k 2"],
    targets: Float[Tensor, "k 2"],
    plane: Plane,
    settings: DragGANSettings,
    templates: Sequence[Place] | None = None,
) -> Float[Tensor, ""]:
    """Return ``sum_i mean_q |sg(F(q)) - F(q + d_i)|``, q in the disc Omega_1(p_i, r1), of handles not arrived (Eq. 1).

    ``d_i`` points to the target, at most ``step`` pixels long. No gradient flows through F(q): the content at the
    handle is pulled towards the target, and not the other way. F(q) is read around each of the `templates`, by default
    on the map itself around each handle.
    """
    templates = templates or [(feature.detach(), handle) for handle in handles]
    offsets, inside = whole_offsets(settings.radius), disc(settings.radius).to(feature.device)
    total = feature.new_zeros(())
    for handle, target, (template, place) in zip(handles, targets, templates, strict=True):
        way = target - handle
        distance = float(way.norm())
        if distance <= settings.tolerance:
            continue
        ahead = handle + way * (min(settings.step, distance) / distance)
        here = sample_square(template, place, offsets, plane)
        there = sample_square(feature, ahead, offsets, plane)
        total = total + (here - there).abs()[:, inside].mean()
    return total


def track(
    feature: Float[Tensor, "1 c h w"],
    handle: Float[Tensor, "2"],
    wanted: Float[Tensor, "c"],
    reach: float,
    plane: Plane,
) -> Float[Tensor, "2"]:
    """Return ``argmin_q |F(q) - f_i|`` over the square Omega_2(p_i, r2), in L2, with f_i = `wanted` (Eq. 2).

    First among whole pixels of distance from the handle, on the image, of which the nearest of equal ones is taken;
    then between them, see `subpixel_shift`.
    """
    offsets = whole_offsets(reach)
    distances = (sample_square(feature, handle, offsets, plane) - wanted[:, None, None]).square().sum(dim=0).cpu()
    rounding = ROUNDING * float(distances.max())
    distances[off_image(handle, offsets, plane)] = torch.inf
    found = handle + least_offset(distances, offsets, rounding)
    neighbors = torch.tensor([-1.0, 0.0, 1.0], dtype=torch.float64)
    for _ in range(REFINEMENTS):
        shift = subpixel_shift(sample_square(feature, found, neighbors, plane), wanted)
        found = (found + shift).clamp(0, plane.resolution)
    return found


def subpixel_shift(samples: Float[Tensor, "c 3 3"], wanted: Float[Tensor, "c"]) -> Float[Tensor, "2"]:
    """Return how far (x, y), at most half a pixel each, from the middle of 3x3 samples the map is nearest to `wanted`.

    The published code keeps to whole pixels, of which a 64-pixel image has too few. This is one step of Lucas and
    Kanade: least squares by the map's slopes. Along an edge, where the slopes do not determine it, nothing moves.
    """
    slopes = torch.stack([samples[:, 1, 2] - samples[:, 1, 0], samples[:, 2, 1] - samples[:, 0, 1]]).cpu().double() / 2
    left = (wanted - samples[:, 1, 1]).cpu().double()
    inverse = torch.linalg.pinv(slopes @ slopes.T, rtol=1e-3, hermitian=True)
    return (inverse @ (slopes @ left)).clamp(-MAX_REFINEMENT, MAX_REFINEMENT)
