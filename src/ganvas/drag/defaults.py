"""Defaults by rule from a generator's size: layers, the map to follow, radii, the learning rate, FreeDrag's l.

The papers' numbers are for images of 512 pixels; rounding them in proportion would leave an empty disc at 64.
"""

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

from ganvas.drag.sampling import Plane, sample_grid
from ganvas.errors import LatentError
from ganvas.generators.protocol import Generator, Label, feature_extent
from ganvas.latents.spaces import sample_codes

PUBLISHED_PIXELS = 512
RATE_IN_STDS = 0.008
SCALE_IN_DIFFERENCES = 0.7
SAMPLES = 256


def default_layers(layers: int) -> tuple[int, ...]:
    """Return the first 6 of 16 to 18 layers, as DragGAN and FreeDrag optimize, and the same share of others."""
    return tuple(range(max(1, round(layers * 6 / 17))))


@torch.no_grad()
def default_feature(generator: Generator, label: Label = None, truncation: float = 1.0) -> str:
    """Return the last map among those that show the image at the finest size of at most min(128, R / 2) pixels.

    At 512 px that is the map of 128 px that both papers follow. Raises `LatentError` where there is no map at all.
    """
    names = generator.feature_names
    if not names:
        raise LatentError("This generator has no feature maps to follow a handle by, so that nothing can be dragged.")
    codes, space = generator.sample([0]), "z"
    if "w+" in generator.spaces:  # needs no class
        codes, space, label, truncation = codes.new_zeros(1, *generator.dimensions("w+")), "w+", None, 1.0
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


def shared_rules(generator: Generator, space: str, label: Label = None) -> dict[str, Callable[[], float]]:
    """Return the rules for the settings that all methods share, by the name of the setting."""
    resolution = generator.resolution
    return {
        "rate": lambda: default_rate(generator, space, label),
        "radius": lambda: default_radius(resolution),
        "tolerance": lambda: default_tolerance(resolution),
    }


def default_radius(resolution: int) -> float:
    """Return r1 in pixels: 3 at 512, in proportion to the size, but never less than 2 (whose disc has 9 pixels)."""
    return max(2.0, 3 * resolution / PUBLISHED_PIXELS)


def default_reach(resolution: int) -> float:
    """Return r2 in pixels: 12 at 512, in proportion to the size, but never less than 4."""
    return max(4.0, 12 * resolution / PUBLISHED_PIXELS)


def default_tolerance(resolution: int) -> float:
    """Return the distance in pixels at which a handle has arrived: 2 at 512, in proportion, but at least 0.5."""
    return max(0.5, resolution / 256)


def default_distance(resolution: int) -> float:
    """Return FreeDrag's d in pixels: 12 at 512, which is 3 samples of its map of 128 pixels, in proportion."""
    return 12 * resolution / PUBLISHED_PIXELS


def default_rate(generator: Generator, space: str, label: Label = None) -> float:
    """Return Adam's learning rate: 0.008 of the std of the space's codes (root of their mean variance).

    The papers give 0.002 for the w of StyleGAN2, whose std differs between networks; z is wider than w.
    """
    wanted = "z" if space == "z" else "w"
    try:
        codes = sample_codes(generator, wanted, SAMPLES, label)
    except LatentError:  # codes of w can be dragged without knowing their class
        codes = sample_codes(generator, wanted, SAMPLES, 0)
    return RATE_IN_STDS * float(codes.double().var(dim=0).mean().sqrt())


def default_scale(feature: Float[Tensor, "1 c h w"], plane: Plane, distance: float) -> float:
    """Return FreeDrag's l: 0.7 of the mean absolute difference of the map at pixels `distance` apart, along x and y.

    So l is near the discrepancy that a template has after one advance of d. The published pairs (0.3, 3) and (0.4, 4)
    have the same quotient, as such a rule demands; their numbers are of networks with other features.
    """
    size = feature.shape[-1]
    low, high = plane.ends(0)
    positions = (torch.arange(size, dtype=torch.float64) + 0.5) * (high - low) / size + low
    ahead = (positions + distance).clamp(max=high)
    still = sample_grid(feature, positions, positions, plane)
    moved = (sample_grid(feature, ahead, positions, plane), sample_grid(feature, positions, ahead, plane))
    differences = [float((one - still).abs().mean()) for one in moved]
    return max(SCALE_IN_DIFFERENCES * sum(differences) / 2, 1e-12)
