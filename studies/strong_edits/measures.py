"""The measurements: one direction of a region on held-out samples, gone along in several ways, and compared where each
way has changed the inside of the region equally.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

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
from ganvas.metrics.locality import rms_change
from ganvas.regions import Region

TARGETS = (0.1, 0.2, 0.3)
"""Root mean square changes inside the region; black to white is 2."""
STRAIGHT, CORRECTED, BY_LAYER, FOLLOWED = "straight", "corrected", "corrected, each layer", "followed"
STEP, LONGEST, TOLERANCE, CHORDS = 1.0, 16, 0.01, 6
RESOLUTION, RIM = 64, 0.1
Distance = Callable[[Float[Tensor, "1 3 h w"], Float[Tensor, "1 3 h w"]], float]


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

    def ways(self, direction: Direction, region: Region, follow: bool) -> Iterator[tuple[str, Way]]:
        """Yield every way along a direction by its name."""
        generator, start, settings = self.generator, self.latent, CorrectedEdit(region, STEP)
        layers = layers_of(generator, direction)
        alike = make_basis(generator, "w", layers)
        summed = self.jacobian.columns.unflatten(0, (-1, alike.size)).sum(0)
        together = Derivative(self.linear.image, self.linear.push, alike, self.linear.measure)
        held = Jacobian(summed, self.jacobian.channels, self.jacobian.resolution)
        yield STRAIGHT, way_along(generator, start, direction)
        yield CORRECTED, settings.way_from(generator, start, direction, layers, together, held)
        yield BY_LAYER, settings.way_from(generator, start, direction, layers, self.linear, self.jacobian)
        if follow:
            search = ReSeFa(resolution=self.linear.measure.resolution)
            yield FOLLOWED, FollowedEdit(region, STEP, search=search).way(generator, start, direction, layers)


@torch.no_grad()
def reach(start: Start, direction: Direction, sign: float, region: Region, follow: bool) -> Reached:
    """Return length and image of every way at every target that it reaches."""
    generator, found = start.generator, Reached()
    original = generator.synthesize(start.latent)
    inside = region.split(generator.resolution, generator.resolution)[0]
    for name, way in start.ways(direction, region, follow):

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
            *(float(rms_change(image, original, mask)) for mask in (inside, outside)),
            float(rim.seam(image, original)),
            float(torch.cosine_similarity(*(one.flatten() for one in changes), dim=0)),
            distance(image, original) if target == TARGETS[-1] else float("nan"),
        )
    return found
