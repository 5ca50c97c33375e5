"""What a comparison of methods for directions measures."""

from collections.abc import Mapping
from dataclasses import dataclass

from ganvas.directions.find import Method
from ganvas.directions.ganspace import GANSpace
from ganvas.directions.lelsd import LELSD
from ganvas.directions.localbasis import LocalBasis
from ganvas.directions.lowrankgan import LowRankGAN
from ganvas.directions.panda import PandA
from ganvas.directions.random import RandomDirections
from ganvas.directions.resefa import ReSeFa
from ganvas.directions.sefa import SeFa
from ganvas.directions.stylespace import StyleSpace
from ganvas.errors import GanvasError
from ganvas.errors.arguments import checked
from ganvas.errors.ranges import Count, Positive, Rate, Truncation
from ganvas.generators.codes import Layers

COMPARED: Mapping[str, Method] = {
    "resefa": ReSeFa(),
    "foreground": ReSeFa(background_weight=0),
    "lowrankgan": LowRankGAN(),
    "lowrankgan-spectrum": LowRankGAN(ranks="spectrum"),
    "stylespace": StyleSpace(),
    "stylespace-overlap": StyleSpace(score="overlap"),
    "lelsd": LELSD(),
    "panda": PandA(),
    "panda-learned": PandA(part="learned"),
    "sefa": SeFa(),
    "ganspace": GANSpace(),
    "localbasis": LocalBasis(),
    "random": RandomDirections(),
}
"""The methods that can be compared, by the names that tables call them."""


@checked
@dataclass(frozen=True, kw_only=True)
class DirectionComparison:
    """Settings of a comparison of methods.

    Args:
        regions: Names or texts of regions that are the same for every image.
        methods: Names of `COMPARED`.
        found_on: Seeds of the images at which directions are found.
        images: Number of held-out images at which they are measured.
        first_seed: The first of their seeds; none of them may be among `found_on`.
        levels: Root mean square changes inside the region, in image units (black to white is 2).
        directions: How many of each method's first directions are measured.
        truncation: Truncation psi of all images.
        layers: Layers that are edited; None for those that the generator recommends for each region.
        tolerance: How near to its level a change has to be, relative to it.
        limit: The largest strength that is tried, in standard deviations along the direction.
        confined: Confine every edit to its region.
        alike: On how many of the images (rounded up to files of 25) it is measured how like their originals edited
            images are: the slowest measure.

    Raises:
        GanvasError: An unknown method, or images that directions are found at.
    """

    regions: tuple[str, ...]
    methods: tuple[str, ...] = tuple(COMPARED)
    found_on: tuple[int, ...] = tuple(range(16))
    images: Count = 500
    first_seed: int = 1000
    levels: tuple[Positive, ...] = (0.1, 0.2, 0.3)
    directions: Count = 3
    truncation: Truncation = 0.7
    layers: Layers = None
    tolerance: Rate = 0.01
    limit: Positive = 30.0
    confined: bool = False
    alike: Count = 100

    def __post_init__(self) -> None:
        for name in self.methods:
            if name not in COMPARED:
                raise GanvasError(f"There is no method '{name}' to compare; there are {', '.join(COMPARED)}.")
        if not self.regions or not self.methods or not self.levels:
            raise GanvasError("A comparison needs at least one region, one method and one level.")
        if shared := set(self.found_on) & set(self.seeds):
            raise GanvasError(f"Seeds {sorted(shared)} would be held out and searched at once; choose others.")

    @property
    def seeds(self) -> range:
        """The held-out seeds."""
        return range(self.first_seed, self.first_seed + self.images)
