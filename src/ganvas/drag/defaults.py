"""What to drag by, by rule from a generator's size: the space and its rows, the map to follow, radii, rate, arrival.

The papers' numbers are for images of 512 pixels; rounding them in proportion would leave an empty disc at 64.
"""

from collections.abc import Mapping
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from ganvas.drag.sampling import Plane, sample_grid
from ganvas.drag.state import Subject
from ganvas.errors import LatentError
from ganvas.generators.codes import Layers, check_space, parse_layers
from ganvas.generators.protocol import Generator, Label, Noise, feature_extent
from ganvas.latents.spaces import sample_codes

PUBLISHED_PIXELS = 512
RATE_IN_STDS = 0.008
SCALE_IN_DIFFERENCES = 0.7
SAMPLES = 256


def choose_subject(
    generator: Generator,
    space: str | None = None,
    layers: Layers = None,
    feature: str | None = None,
    label: Label = None,
    truncation: float = 1.0,
    noise: Noise = "const",
) -> Subject:
    """Return what to drag by, with defaults for a generator of this size.

    w+ where there is one, else z; of w+ the share of rows that the papers train; the finest map of at most
    min(128, R / 2) pixels. Raises `LatentError` for a space, layers or a map that the generator does not have.
    """
    default = "w+" if "w+" in generator.spaces else "z"
    space = default if space is None else space
    check_space(space, tuple(one for one in ("z", "w", "w+") if one in generator.spaces))
    if space != "z" and not generator.layers:
        raise LatentError("A drag in w needs a generator with w+, one row for each layer; drag in z here.")
    if space == "z" and layers is not None:
        raise LatentError("Layers are trained in w and w+; a drag in z has none: leave layers out.")
    if feature is None:
        feature = default_feature(generator, label, truncation)
    elif feature not in generator.feature_names:
        listed = ", ".join(generator.feature_names) or "none"
        raise LatentError(f"Feature map '{feature}' does not exist: this generator has {listed}.")
    rows: tuple[int, ...] = ()
    if space != "z":
        rows = default_rows(generator.layers) if layers is None else parse_layers(layers, generator.layers)
    plane = Plane(generator.resolution, feature_extent(generator, feature))
    return Subject(generator, space, rows, feature, plane, label, truncation, noise)


def default_rows(layers: int) -> tuple[int, ...]:
    """Return the first 6 of 16 to 18 rows, as DragGAN and FreeDrag train, and the same share of others (4 of 10)."""
    return tuple(range(max(1, round(layers * 6 / 17))))


@torch.no_grad()
def default_feature(generator: Generator, label: Label = None, truncation: float = 1.0) -> str:
    """Return the last map among those that show the image at the finest size of at most min(128, R / 2) pixels.

    At 512 px that is the map of 128 px that both papers follow. Raises `LatentError` where there is no map at all.
    """
    names = generator.feature_names
    if not names:
        raise LatentError("This generator has no feature maps to follow a point by, so that nothing can be dragged.")
    codes, space = generator.sample([0]), "z"
    if "w+" in generator.spaces:  # where no class is needed
        codes, space = codes.new_zeros(1, *generator.dimensions("w+")), "w+"
    maps = generator.features(codes, names, space, label=label, truncation=truncation)
    sizes = {name: _size_on_image(generator, name, maps[name]) for name in names}
    wanted = min(128, generator.resolution / 2)
    fitting = {name: size for name, size in sizes.items() if size <= wanted} or {
        name: size for name, size in sizes.items() if size == min(sizes.values())
    }
    return [name for name, size in fitting.items() if size == max(fitting.values())][-1]


def _size_on_image(generator: Generator, name: str, feature: Tensor) -> int:
    left, _, right, _ = feature_extent(generator, name)
    return round(feature.shape[-1] / (right - left))


def settings_with(subject: Subject, own: Mapping[str, float], changes: Mapping[str, float | int]) -> dict[str, Any]:
    """Return a method's settings by name: `changes`; for all else what is usual of its `own` settings, and of those
    that both methods have: radius, arrival and rate.
    """
    resolution = subject.plane.resolution
    chosen: dict[str, Any] = {
        "arrived": default_arrival(resolution),
        "radius": default_radius(resolution),
        **own,
        **changes,
    }
    if "rate" not in chosen:
        chosen["rate"] = default_rate(subject.generator, subject.space, subject.label)
    return chosen


def default_radius(resolution: int) -> float:
    """Return r1 in pixels: 3 at 512, in proportion to the size, but never less than 2 (whose disc has 9 points)."""
    return max(2.0, 3 * resolution / PUBLISHED_PIXELS)


def default_reach(resolution: int) -> float:
    """Return r2 in pixels: 12 at 512, in proportion to the size, but never less than 4."""
    return max(4.0, 12 * resolution / PUBLISHED_PIXELS)


def default_arrival(resolution: int) -> float:
    """Return from how many pixels on a point has arrived: 2 at 512, in proportion, but never less than 0.5."""
    return max(0.5, resolution / 256)


def default_rate(generator: Generator, space: str, label: Label = None) -> float:
    """Return Adam's rate: 0.008 of the deviation of the space's codes (root of their mean variance).

    The papers give 0.002 for the w of StyleGAN2, whose deviation differs between networks; z is wider than w.
    """
    wanted = "z" if space == "z" else "w"
    try:
        codes = sample_codes(generator, wanted, SAMPLES, label)
    except LatentError:  # codes of w can be dragged without knowing their class
        codes = sample_codes(generator, wanted, SAMPLES, 0)
    return RATE_IN_STDS * float(codes.double().var(dim=0).mean().sqrt())


def default_scale(feature: Float[Tensor, "1 c h w"], plane: Plane, distance: float) -> float:
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
