"""Settings of an inversion."""

from dataclasses import dataclass

from ganvas.errors import GanvasError, LatentError
from ganvas.errors.arguments import checked
from ganvas.errors.ranges import Seed, Steps
from ganvas.generators.protocol import Generator
from ganvas.inversion.loss_weights import DEFAULT_WEIGHTS, LossWeights
from ganvas.inversion.schedules import schedule_named
from ganvas.inversion.starts import ImageEncoder
from ganvas.latents.latent import Latent

SPACES = ("z", "w", "w+")
OPTIMIZERS = ("adam", "lbfgs")


@checked
@dataclass(frozen=True)
class InversionSettings:
    """Settings of an inversion.

    Attributes:
        space: The space of the codes: "z", "w" or "w+".
        weights: The weights of the loss' terms.
        optimizer: "adam", with the learning rates of `schedule`, or "lbfgs".
        schedule: "ganvas" or "nvidia", that of NVIDIA's projector.
        steps: Synthesis passes with gradients, at most.
        start: "mean", "random", "random:8" (the nearest of eight), an encoder, or a latent of one code or one per
            photo.
        noise: Whether noise maps are optimized too.
        seed: Draws random starts and the schedule's noise on codes.
        label: The class of all photos, for generators that have classes.

    Raises:
        LatentError: The space is unknown.
        GanvasError: The optimizer, the schedule or the number of steps is not possible.

    Example:
        >>> import ganvas
        >>> ganvas.InversionSettings(space="w", steps=100).optimizer
        'adam'
    """

    space: str = "w+"
    weights: LossWeights = DEFAULT_WEIGHTS
    optimizer: str = "adam"
    schedule: str = "ganvas"
    steps: Steps = 300
    start: str | Latent | ImageEncoder = "mean"
    noise: bool = False
    seed: Seed = 0
    label: int | None = None

    def __post_init__(self) -> None:
        if self.space not in SPACES:
            raise LatentError(f"Photos are not inverted into space '{self.space}'; give z, w or w+.")
        if self.optimizer not in OPTIMIZERS:
            raise GanvasError(f"There is no optimizer '{self.optimizer}'; give {' or '.join(OPTIMIZERS)}.")
        schedule_named(self.schedule)


def default_space(generator: Generator) -> str:
    """Return the space into which photos are inverted by default: the last of z, w, w+ that the generator has."""
    return [space for space in generator.spaces if space != "s"][-1]
