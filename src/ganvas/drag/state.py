"""The state of a drag and what both methods share, as pure functions: the reference, the mask loss, a step of Adam, and
stall detection.

Points are (x, y) in pixels of the image here, float64 on the CPU.
"""

import math
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

import torch
from jaxtyping import Float
from torch import Tensor

from ganvas.drag.adam import Moments, adam_step
from ganvas.drag.context import DragContext
from ganvas.drag.request import DragRequest
from ganvas.drag.sampling import Plane
from ganvas.drag.settings import Chosen, DragSettings
from ganvas.images.pixels import resize
from ganvas.regions import Region

REACHED, STEP_LIMIT, STALLED, CANCELED, NOT_FINITE = REASONS = (
    "reached",
    "step limit",
    "stalled",
    "canceled",
    "not finite",
)
"""Why a drag ends."""


@dataclass(frozen=True)
class Reference:
    """The start of a drag: handles and targets [k, 2], the feature map F0, and how much each of its samples must stay,
    1 - M, [1, 1, h, w] in [0, 1] (None: nothing must).
    """

    handles: Float[Tensor, "k 2"]
    targets: Float[Tensor, "k 2"]
    feature: Float[Tensor, "1 c h w"]
    must_stay: Float[Tensor, "1 1 h w"] | None


@dataclass(frozen=True)
class DragState:
    """A drag after some steps: the next ``codes`` [1, *code], and what was observed last: the ``handles`` [k, 2]
    (DragGAN's tracked ones, FreeDrag's anchors) on the map ``feature`` of ``seen_codes``, which may be right near the
    handles only.

    ``reason`` is "" while the drag goes on, then one of `REASONS`; ``loss`` is that of the last step. ``nearest`` is
    the smallest mean distance to the targets so far, ``waited`` the number of steps since then.
    """

    codes: Tensor
    seen_codes: Tensor
    feature: Float[Tensor, "1 c h w"]
    handles: Float[Tensor, "k 2"]
    moments: Moments
    steps: int = 0
    loss: float = math.nan
    reason: str = ""
    nearest: float = math.inf
    waited: int = 0


Kind = TypeVar("Kind", bound=DragState)


@dataclass(frozen=True)
class Drag(Generic[Chosen]):
    """What stays the same throughout one drag: the image, its start, and the settings of the method, all of them
    numbers.
    """

    context: DragContext
    reference: Reference
    settings: Chosen


def make_reference(context: DragContext, codes: Tensor, request: DragRequest) -> Reference:
    """Return the start of the drag of one image with `codes` [1, *code] of ``code_space``."""
    with torch.no_grad():
        feature = context.feature_map(codes)
    resolution = context.plane.resolution
    handles, targets = (
        torch.tensor(points, dtype=torch.float64) * resolution for points in (request.handles, request.targets)
    )
    must_stay = None
    if request.movable is not None:
        height, width = feature.shape[-2:]
        must_stay = fixed_weights(request.movable, height, width, context.plane).to(feature.device)
        must_stay = must_stay if must_stay.any() else None
    return Reference(handles, targets, feature, must_stay)


def fixed_weights(movable: Region, height: int, width: int, plane: Plane) -> Float[Tensor, "1 1 height width"]:
    """Return 1 - M of the soft mask at the size of a feature map, by area; 0 in its margins, which no mask shows."""
    sides = []
    for axis, size in ((0, width), (1, height)):
        low, high = plane.ends(axis)
        scale = size / (high - low)
        sides.append((round(-low * scale), size - round((high - plane.resolution) * scale)))
    (left, right), (top, bottom) = sides
    weights = torch.zeros(1, 1, height, width)
    whole = movable.mask(plane.resolution, plane.resolution)[None]
    weights[..., top:bottom, left:right] = 1 - resize(whole, bottom - top, right - left).clamp(0, 1)
    return weights


def mask_loss(feature: Float[Tensor, "1 c h w"], reference: Reference, over: str = "map") -> Float[Tensor, ""]:
    """Return ``mean |(F - F0) (1 - M)|`` over the map (DragGAN, Eq. 1), or over what must stay (FreeDrag): 0 without a
    mask.

    M is the mask at the map's own size: the papers' codes enlarge the maps to the image instead.
    """
    if reference.must_stay is None:
        return feature.new_zeros(())
    total = ((feature - reference.feature) * reference.must_stay).abs().sum() / feature.shape[1]
    count = feature[0, 0].numel() if over == "map" else (reference.must_stay > 0).sum()
    return total / count


def fresh_moments(context: DragContext, codes: Tensor) -> Moments:
    """Return Adam's moments at the start of a drag."""
    zeros = torch.zeros_like(context.trainable(codes))
    return Moments(zeros, zeros)


def descend(context: DragContext, state: Kind, codes: Tensor, loss: Float[Tensor, ""], rate: float) -> Kind:
    """Return the state after one step of Adam down the `loss`, which was computed from `codes`.

    A loss or codes that are not finite end the drag where it is.
    """
    (gradient,) = torch.autograd.grad(loss, codes)
    moments, shift = adam_step(state.moments, context.trainable(gradient), rate)
    following = context.shifted(state.codes, shift)
    if not (loss.isfinite() and following.isfinite().all()):
        return replace(state, reason=NOT_FINITE)
    return replace(state, codes=following, moments=moments, steps=state.steps + 1, loss=float(loss.detach()))


def observed(state: Kind, feature: Tensor, handles: Tensor, targets: Tensor, settings: DragSettings) -> Kind:
    """Return the state with the map and the handles of its codes; it has stalled where no handle has come nearer to its
    target for more than ``patience`` steps.
    """
    distance = float(distances_left(handles, targets).mean())
    nearer = distance < state.nearest - settings.tolerance / 10
    waited = 0 if nearer else state.waited + 1
    return replace(
        state,
        seen_codes=state.codes,
        feature=feature,
        handles=handles,
        nearest=min(distance, state.nearest) if nearer else state.nearest,
        waited=waited,
        reason=STALLED if waited > settings.patience else "",
    )


def is_finite(values: Tensor) -> bool:
    """Whether all values are finite numbers; by their sum, which costs a sixth of asking each of them."""
    return bool(values.sum().isfinite())


def distances_left(handles: Float[Tensor, "k 2"], targets: Float[Tensor, "k 2"]) -> Float[Tensor, "k"]:
    """Return how far each handle is from its target, in pixels."""
    return (targets - handles).norm(dim=1)
