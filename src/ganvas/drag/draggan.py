"""DragGAN: Drag Your GAN (Pan et al. 2023). Motion supervision pulls the features under each handle a step towards its
target; point tracking finds the handle again by the feature that it had at first.

Written from the paper's equations. Where paper and published code differ, `docs/drag.md` says what is done here.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor

from ganvas.drag.crop import feature_near
from ganvas.drag.defaults import default_reach, settings_with
from ganvas.drag.sampling import Plane, disc, least_offset, off_image, sample_point, sample_square, whole_offsets
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

MASK_WEIGHT = 2.0  # the paper's 20 holds everything still
REFINEMENTS = 3
FARTHEST = 0.5  # pixels that one of them goes, in either direction
ROUNDING = 1e-6  # of the largest squared distance in a window: what is nearer by less is no better


@dataclass(frozen=True)
class DragGAN(Settings):
    """Settings: ``radius`` r1 of the disc that is pulled, ``reach`` r2 of the window in which a handle is sought, and
    the largest ``step`` that supervision asks for, all in pixels of the image.
    """

    radius: float = 3.0
    reach: float = 12.0
    step: float = 1.0


def default_settings(subject: Subject, fixed: Fixed, changes: Mapping[str, float | int]) -> DragGAN:
    """Return `changes` and, for all else, the settings that follow from the image's size and the space's deviation.

    Raises `GanvasError` for a change that cannot be.
    """
    own = {"mask_weight": MASK_WEIGHT, "reach": default_reach(subject.plane.resolution)}
    return DragGAN(**settings_with(subject, own, changes))


def start(drag: Drag[DragGAN], codes: Tensor) -> State:
    """Return the state before the first step."""
    fixed = drag.fixed
    return State(codes, codes, fixed.feature, fixed.starts, fresh_moments(drag.subject, codes))


def step(drag: Drag[DragGAN], state: State) -> State:
    """Return the state after one step: track the handles on the image of ``codes``, then pull them on.

    Once all handles have arrived the codes stay what they are, and the reason says so.
    """
    codes = state.codes.detach().requires_grad_()
    feature = feature_near(drag, codes, state.points, margin(drag.settings))
    state = look(drag, state, feature.detach())
    if state.reason:
        return state
    loss = motion_supervision(feature, state.points, drag.fixed.targets, drag.subject.plane, drag.settings)
    loss = loss + drag.settings.mask_weight * changed(feature, drag.fixed)
    return descend(drag.subject, state, codes, loss, drag.settings.rate)


def margin(settings: DragGAN) -> float:
    """Return how far from the handles a step reads, in pixels: where it seeks them, then around where it finds them."""
    return settings.reach + REFINEMENTS * FARTHEST + max(settings.step + settings.radius, 1.0)


def look(drag: Drag[DragGAN], state: State, feature: Float[Tensor, "1 c h w"]) -> State:
    """Return the state with the handles found on the map of its codes."""
    plane, fixed = drag.subject.plane, drag.fixed
    if not finite(feature):
        return replace(state, reason=NOT_FINITE)
    tracked = [
        track(feature, point, sample_point(fixed.feature, begun, plane), drag.settings.reach, plane)
        for point, begun in zip(state.points, fixed.starts, strict=True)
    ]
    state = seen(state, feature, torch.stack(tracked), fixed.targets, drag.settings)
    arrived = remaining(state.points, fixed.targets) <= drag.settings.arrived
    return replace(state, reason=REACHED) if arrived.all() else state


def located(drag: Drag[DragGAN], state: State) -> list[Float[Tensor, "2"] | None]:
    """Return where the content of each handle is on the map seen last: where it was tracked to."""
    return list(state.points)


def motion_supervision(
    feature: Float[Tensor, "1 c h w"],
    points: Float[Tensor, "k 2"],
    targets: Float[Tensor, "k 2"],
    plane: Plane,
    settings: DragGAN,
) -> Float[Tensor, ""]:
    """Return ``sum_i mean_q |sg(F(q)) - F(q + d_i)|`` over the disc of each handle that has not arrived (Eq. 1).

    ``d_i`` points to the target, at most ``step`` pixels long. No gradient flows through F(q): what lies at the handle
    is pulled to where it should go, and not the other way.
    """
    offsets, inside = whole_offsets(settings.radius), disc(settings.radius).to(feature.device)
    total = feature.new_zeros(())
    for point, target in zip(points, targets, strict=True):
        way = target - point
        distance = float(way.norm())
        if distance <= settings.arrived:
            continue
        ahead = point + way * (min(settings.step, distance) / distance)
        here = sample_square(feature.detach(), point, offsets, plane)
        there = sample_square(feature, ahead, offsets, plane)
        total = total + (here - there).abs()[:, inside].mean()
    return total


def track(
    feature: Float[Tensor, "1 c h w"], point: Float[Tensor, "2"], wanted: Float[Tensor, "c"], reach: float, plane: Plane
) -> Float[Tensor, "2"]:
    """Return where in the square of half side `reach` around `point` the map is nearest to `wanted` (Eq. 2), in L2.

    First among whole pixels of distance from `point`, on the image, of which the nearest of equal ones is taken; then
    between them, see `between_pixels`.
    """
    offsets = whole_offsets(reach)
    distances = (sample_square(feature, point, offsets, plane) - wanted[:, None, None]).square().sum(dim=0).cpu()
    rounding = ROUNDING * float(distances.max())
    distances[off_image(point, offsets, plane)] = torch.inf
    found = point + least_offset(distances, offsets, rounding)
    beside = torch.tensor([-1.0, 0.0, 1.0], dtype=torch.float64)
    for _ in range(REFINEMENTS):
        shift = between_pixels(sample_square(feature, found, beside, plane), wanted)
        found = (found + shift).clamp(0, plane.resolution)
    return found


def between_pixels(around: Float[Tensor, "c 3 3"], wanted: Float[Tensor, "c"]) -> Float[Tensor, "2"]:
    """Return how far (x, y), at most half a pixel each, from the middle of 3x3 samples the map is nearest to `wanted`.

    The published code keeps to whole pixels, of which a 64-pixel image has too few. This is one step of Lucas and
    Kanade: least squares by the map's slopes; along an edge, where they do not tell, it stays.
    """
    slopes = torch.stack([around[:, 1, 2] - around[:, 1, 0], around[:, 2, 1] - around[:, 0, 1]]).cpu().double() / 2
    left = (wanted - around[:, 1, 1]).cpu().double()
    inverse = torch.linalg.pinv(slopes @ slopes.T, rtol=1e-3, hermitian=True)
    return (inverse @ (slopes @ left)).clamp(-FARTHEST, FARTHEST)
