"""The measurements: one direction of a region on held-out samples, gone along in several ways, and compared where each
way has changed the inside of the region equally.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor

from ganvas.directions.basis import make_basis
from ganvas.directions.direction import Direction
from ganvas.directions.jacobian import Jacobian, hold, plan_columns
from ganvas.directions.jvp import Derivative, Measure, derivative
from ganvas.directions.resefa import ReSeFa
from ganvas.edits.correct import CorrectedEdit
from ganvas.edits.follow import FollowedEdit
from ganvas.edits.rim import rim_around
from ganvas.edits.straight import Way, layers_of, way_along
from ganvas.generators.protocol import Generator
from ganvas.latents.latent import Latent
from ganvas.metrics.identity import Distance
from ganvas.metrics.locality import rms_change
from ganvas.regions import Region

TARGETS = (0.1, 0.2, 0.3)
"""Root mean square changes inside the region; black to white is 2."""
STRAIGHT, BY_LAYER, ALIKE = "straight", "corrected", "corrected, layers alike"
ANEW, FOLLOWED = "corrected, J anew", "followed"
STEP, REFRESH, LONGEST, TOLERANCE, CHORDS = 1.0, 4, 16, 0.02, 6
RESOLUTION, RIM = 64, 0.1


@dataclass(frozen=True)
class Measured:
    """What one way did where it reached one target; all nan where it did not.

    ``likeness`` is the cosine between the changes inside the region of this way and of the straight one; ``distance``
    the identity's or the perceptual one to the original.
    """

    length: float
    inside: float
    outside: float
    seam: float
    likeness: float
    distance: float


Reached = dict[tuple[str, float], tuple[float, Float[Tensor, "1 3 h w"]]]
"""Length and image by way and target."""


@dataclass(frozen=True, eq=False)
class Start:
    """A sample with its Jacobian for each layer on its own, from which that for all alike is a sum."""

    generator: Generator
    latent: Latent
    linear: Derivative
    jacobian: Jacobian

    @classmethod
    def of(cls, generator: Generator, latent: Latent, direction: Direction) -> "Start":
        """Compute the Jacobian of one sample on the layers of a direction of w."""
        latent = latent.to_space(generator, "w+")
        basis = make_basis(generator, "w+", layers_of(generator, direction))
        linear = derivative(generator, latent, basis, Measure(min(RESOLUTION, generator.resolution)))
        return cls(generator, latent, linear, hold(linear, plan_columns(basis.size, linear.image.numel())))

    def ways(self, direction: Direction, region: Region, costly: bool) -> Iterator[tuple[str, Way]]:
        """Yield the ways along a direction by their names: straight, and those that need one Jacobian, or several."""
        generator, start, layers = self.generator, self.latent, layers_of(self.generator, direction)
        yield STRAIGHT, way_along(generator, start, direction)
        held = generator, start, direction, layers, self.linear, self.jacobian
        size = self.linear.measure.resolution
        each_layer = CorrectedEdit(region, STEP, resolution=size)
        if costly:
            yield ANEW, replace(each_layer, refresh=REFRESH).way_from(*held)
            followed = FollowedEdit(region, STEP, search=ReSeFa(resolution=size))
            yield FOLLOWED, followed.way(generator, start, direction, layers)
            return
        alike = make_basis(generator, "w", layers)
        summed = self.jacobian.columns.unflatten(0, (-1, alike.size)).sum(0)
        together = Derivative(self.linear.image, self.linear.push, alike, self.linear.measure)
        jacobian = Jacobian(summed, self.jacobian.channels, size)
        yield ALIKE, replace(each_layer, by_layer=False).way_from(*held[:4], together, jacobian)
        yield BY_LAYER, each_layer.way_from(*held)


@torch.no_grad()
def reach(start: Start, direction: Direction, sign: float, region: Region, costly: bool) -> Reached:
    """Return length and image of every way at every target that it reaches."""
    generator, found = start.generator, Reached()
    original = generator.synthesize(start.latent)
    inside = region.split(generator.resolution, generator.resolution)[0]
    for name, way in start.ways(direction, region, costly):

        def change(length: float, way: Way = way) -> float:
            return float(rms_change(generator.synthesize(way(sign * length)), original, inside))

        for target, length in lengths_at(change, TARGETS).items():
            found[name, target] = length, generator.synthesize(way(sign * length))
    return found


def lengths_at(change: Callable[[float], float], targets: tuple[float, ...]) -> dict[float, float]:
    """Return the first length of at most `LONGEST` steps at which ``change`` is each target within `TOLERANCE` of it:
    steps until it is passed, then chords; rising targets, those that are not reached left out.
    """
    found, low, at_low, high, at_high = dict[float, float](), 0.0, 0.0, 0.0, 0.0
    for target in targets:
        while at_high < target and high < LONGEST * STEP:
            low, at_low, high = high, at_high, high + STEP
            at_high = change(high)
        if not at_high >= target:
            break
        a, at_a, b, at_b = low, at_low, high, at_high
        for _ in range(CHORDS):
            if at_b <= (1 + TOLERANCE) * target:
                break
            middle = a + min(max((target * (1 + TOLERANCE / 2) - at_a) / (at_b - at_a), 0.02), 0.98) * (b - a)
            at_middle = change(middle)
            a, at_a, b, at_b = (a, at_a, middle, at_middle) if at_middle >= target else (middle, at_middle, b, at_b)
        found[target] = b
    return found


def measured(
    reached: Reached, original: Float[Tensor, "1 3 h w"], region: Region, distance: Distance
) -> dict[str, dict[str, Measured]]:
    """Return what every way did at every target (as text) that it reached; the distance at the last one only."""
    height, width = original.shape[-2:]
    inside, outside = region.split(height, width)
    rim, found = rim_around(region, height, width, RIM, within=False), dict[str, dict[str, Measured]]()
    for (way, target), (length, image) in reached.items():
        changes = [(one - original) * inside for one in (image, reached.get((STRAIGHT, target), (0.0, original))[1])]
        found.setdefault(way, {})[f"{target:g}"] = Measured(
            length,
            float(rms_change(image, original, inside)),
            float(rms_change(image, original, outside)),
            float(rim.seam(image, original)),
            float(torch.cosine_similarity(*(one.flatten() for one in changes), dim=0)),
            distance(original)(image) if target == TARGETS[-1] else float("nan"),
        )
    return found
