"""What dragging works on: the image that is dragged, what is asked of it, how far it has come; and the parts that
both methods share, as pure functions: the mask term, Adam, when nothing comes nearer any more.

Points are (x, y) in fractions of the image in `Task`, as everywhere; in `State` they are in its pixels, float64 on
the CPU. Knows no method and no files.
"""

import math
from dataclasses import dataclass, fields, replace
from typing import Any, Generic, TypeVar

import torch
from jaxtyping import Float
from torch import Tensor

from ganvas.drag.sampling import Plane
from ganvas.errors import GanvasError, RegionError
from ganvas.generators.crops import Crop
from ganvas.generators.protocol import Generator, HasParts, Label, Noise
from ganvas.images.pixels import resize
from ganvas.regions import Region

REACHED, STEP_LIMIT, STALLED, CANCELED, NOT_FINITE = REASONS = (
    "reached",
    "step limit",
    "stalled",
    "canceled",
    "not finite",
)
MOST_POINTS = 1000
MAY_BE_ZERO = ("mask_weight",)
Point = tuple[float, float]


def code_space_of(space: str) -> str:
    """Return the space in which codes are written that are dragged in `space`: z, or w+ for w too."""
    return "z" if space == "z" else "w+"


@dataclass(frozen=True)
class Subject:
    """The image that is dragged, beside its codes: a generator with what goes along with them.

    ``space`` is that of the way: w+ (every trained row by itself), w (the same for all of them) or z. ``rows`` of w+
    are trained, () for z. ``feature`` is the map that is followed, ``plane`` where it lies. Label and truncation count
    for z only; ``noise`` as in `Generator.synthesize`.
    """

    generator: Generator
    space: str
    rows: tuple[int, ...]
    feature: str
    plane: Plane
    label: Label = None
    truncation: float = 1.0
    noise: Noise = "const"

    @property
    def code_space(self) -> str:
        """The space that the codes themselves are written in: z or w+."""
        return code_space_of(self.space)

    def feature_of(self, codes: Tensor, window: Crop | None = None) -> Float[Tensor, "1 c h w"]:
        """Return the followed map, or a window of it where the generator `HasParts`; what lies above it is not
        computed.
        """
        options: dict[str, Any] = {"noise": self.noise, "label": self.label, "truncation": self.truncation}
        if window is not None:
            assert isinstance(self.generator, HasParts)
            return self.generator.feature_part(codes, self.feature, window, self.code_space, **options).float()
        return self.generator.features(codes, [self.feature], self.code_space, **options)[self.feature].float()

    def paint(self, feature: Tensor, codes: Tensor) -> Float[Tensor, "1 3 h w"]:
        """Return the image above a map that `feature_of` gave."""
        options: dict[str, Any] = {"noise": self.noise, "label": self.label, "truncation": self.truncation}
        return self.generator.resume(self.feature, feature, codes, self.code_space, **options)


@dataclass(frozen=True)
class Task:
    """What is asked: handles to targets, (x, y) in fractions, and perhaps the region that may move (1 = may)."""

    handles: tuple[Point, ...]
    targets: tuple[Point, ...]
    movable: Region | None = None

    def __post_init__(self) -> None:
        if not self.handles or len(self.handles) != len(self.targets):
            raise RegionError(
                f"{len(self.handles)} handles and {len(self.targets)} targets were given; give a target for each of at "
                "least one handle."
            )
        if len(self.handles) > MOST_POINTS:
            raise RegionError(f"{len(self.handles)} points are too many to drag at once; give at most {MOST_POINTS}.")
        for what, points in (("handle", self.handles), ("target", self.targets)):
            for x, y in points:
                if not (0 <= x <= 1 and 0 <= y <= 1):
                    raise RegionError(
                        f"The {what} ({x:g}, {y:g}) lies off the image: points are (x, y) in fractions of width and "
                        "height, from 0 to 1."
                    )


@dataclass(frozen=True)
class Moments:
    """Adam's running means of the gradient and of its square, and how many there were."""

    first: Tensor
    second: Tensor
    count: int = 0


@dataclass(frozen=True)
class Fixed:
    """What stays the same throughout one drag: targets and starts [k, 2] in pixels, the map at its start, and how much
    each of its samples must stay, [1, 1, h, w] in [0, 1] (None: nothing must).
    """

    starts: Float[Tensor, "k 2"]
    targets: Float[Tensor, "k 2"]
    feature: Float[Tensor, "1 c h w"]
    must_stay: Float[Tensor, "1 1 h w"] | None


@dataclass(frozen=True)
class Settings:
    """Settings of both methods: Adam's rate in the units of the space, the weight of what must stay, from how many
    pixels on a point has arrived, and after how many steps without coming nearer a drag has stalled.
    """

    rate: float
    mask_weight: float
    arrived: float
    patience: int = 60

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            least, allowed = (0, "0 or more") if field.name in MAY_BE_ZERO else (1e-12, "a number above 0")
            if not (isinstance(value, int | float) and least <= value < math.inf):
                raise GanvasError(f"A {field.name.replace('_', ' ')} of {value} is not possible: give {allowed}.")


@dataclass(frozen=True)
class State:
    """How far a drag has come after ``steps`` steps: the next ``codes`` [1, *code] to look at, and what was seen last:
    ``points`` [k, 2] in pixels (DragGAN's tracked handles, FreeDrag's anchors) on the map ``feature`` of
    ``seen_codes``, of which steps may know only what lies near the points.

    ``reason`` is "" while it goes on, then one of `REASONS`; ``loss`` is that of the last step. ``nearest`` is the
    smallest mean distance to the targets so far, in pixels, ``waited`` the steps since it was.
    """

    codes: Tensor
    seen_codes: Tensor
    feature: Float[Tensor, "1 c h w"]
    points: Float[Tensor, "k 2"]
    moments: Moments
    steps: int = 0
    loss: float = math.nan
    reason: str = ""
    nearest: float = math.inf
    waited: int = 0


Kind = TypeVar("Kind", bound=State)
Chosen = TypeVar("Chosen", bound=Settings)


@dataclass(frozen=True)
class Drag(Generic[Chosen]):
    """One drag: of which image, what is fixed throughout it, and the settings of its method."""

    subject: Subject
    fixed: Fixed
    settings: Chosen


def begin(subject: Subject, codes: Tensor, task: Task) -> Fixed:
    """Return what stays the same throughout the drag of one image with `codes` [1, *code] of ``code_space``."""
    with torch.no_grad():
        feature = subject.feature_of(codes)
    resolution = subject.plane.resolution
    starts, targets = (
        torch.tensor(points, dtype=torch.float64) * resolution for points in (task.handles, task.targets)
    )
    must_stay = None
    if task.movable is not None:
        height, width = feature.shape[-2:]
        must_stay = staying_weights(task.movable, height, width, subject.plane).to(feature.device)
        must_stay = must_stay if must_stay.any() else None
    return Fixed(starts, targets, feature, must_stay)


def staying_weights(movable: Region, height: int, width: int, plane: Plane) -> Float[Tensor, "1 1 height width"]:
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


def changed(feature: Float[Tensor, "1 c h w"], fixed: Fixed, over: str = "map") -> Float[Tensor, ""]:
    """Return ``mean |(F - F0) (1 - M)|`` over the map (DragGAN, Eq. 1), or over what must stay (FreeDrag): 0 without.

    M is the mask at the map's own size: the papers' codes enlarge the maps to the image instead.
    """
    if fixed.must_stay is None:
        return feature.new_zeros(())
    total = ((feature - fixed.feature) * fixed.must_stay).abs().sum() / feature.shape[1]
    count = feature[0, 0].numel() if over == "map" else (fixed.must_stay > 0).sum()
    return total / count


def trainable(subject: Subject, gradient: Tensor) -> Tensor:
    """Return the gradient by what is trained, from that by the codes: rows of w+, their sum for w, z itself."""
    if subject.space == "z":
        return gradient
    rows = gradient[:, list(subject.rows)]
    return rows.sum(dim=1, keepdim=True) if subject.space == "w" else rows


def moved(subject: Subject, codes: Tensor, shift: Tensor) -> Tensor:
    """Return the codes with what is trained shifted; all other rows stay."""
    if subject.space == "z":
        return codes + shift
    result = codes.clone()
    result[:, list(subject.rows)] += shift
    return result


def fresh_moments(subject: Subject, codes: Tensor) -> Moments:
    """Return Adam's moments at the start of a drag."""
    zeros = torch.zeros_like(trainable(subject, codes))
    return Moments(zeros, zeros)


def adam(moments: Moments, gradient: Tensor, rate: float) -> tuple[Moments, Tensor]:
    """Return Adam's new moments and the shift that it takes (Kingma and Ba 2015, Algorithm 1, default settings)."""
    count = moments.count + 1
    first = 0.9 * moments.first + 0.1 * gradient
    second = 0.999 * moments.second + 0.001 * gradient.square()
    scale = (second / (1 - 0.999**count)).sqrt() + 1e-8
    return Moments(first, second, count), -rate * (first / (1 - 0.9**count)) / scale


def descend(subject: Subject, state: Kind, codes: Tensor, loss: Float[Tensor, ""], rate: float) -> Kind:
    """Return the state after one step of Adam down the `loss`, which was computed from `codes`; one that is not finite
    ends the drag where it is.
    """
    (gradient,) = torch.autograd.grad(loss, codes)
    moments, shift = adam(state.moments, trainable(subject, gradient), rate)
    following = moved(subject, state.codes, shift)
    if not (loss.isfinite() and following.isfinite().all()):
        return replace(state, reason=NOT_FINITE)
    return replace(state, codes=following, moments=moments, steps=state.steps + 1, loss=float(loss.detach()))


def seen(state: Kind, feature: Tensor, points: Tensor, targets: Tensor, settings: Settings) -> Kind:
    """Return the state with what was seen of its codes; where nothing has come nearer for long, it has stalled."""
    distance = float(remaining(points, targets).mean())
    nearer = distance < state.nearest - settings.arrived / 10
    waited = 0 if nearer else state.waited + 1
    return replace(
        state,
        seen_codes=state.codes,
        feature=feature,
        points=points,
        nearest=min(distance, state.nearest) if nearer else state.nearest,
        waited=waited,
        reason=STALLED if waited > settings.patience else "",
    )


def finite(values: Tensor) -> bool:
    """Whether all values are finite numbers; by their sum, which costs a sixth of asking each of them."""
    return bool(values.sum().isfinite())


def remaining(points: Float[Tensor, "k 2"], targets: Float[Tensor, "k 2"]) -> Float[Tensor, "k"]:
    """Return how far each point is from its target, in pixels."""
    return (targets - points).norm(dim=1)
