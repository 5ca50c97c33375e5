"""The weights of a loss, and the text that the command line takes for them."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields

import torch
from jaxtyping import Float
from torch import Tensor

from ganvas.errors import GanvasError
from ganvas.errors.arguments import checked
from ganvas.errors.ranges import Weight


@checked
@dataclass(frozen=True)
class LossWeights:
    """The weight of each term of a loss; a term of weight 0 is left out.

    The terms are in `ganvas.inversion.terms`.

    Attributes:
        perceptual: Distance of the images in the maps of the feature extractor.
        l1: Mean absolute difference of the images.
        l2: Mean squared difference of the images.
        prior: Distance of the codes from the mean of their space, in standard deviations.
        delta: Distance of the codes from their start, in standard deviations.
        noise: Correlations of the noise maps with themselves, which white noise has not.
    """

    perceptual: Weight = 0.0
    l1: Weight = 0.0
    l2: Weight = 0.0
    prior: Weight = 0.0
    delta: Weight = 0.0
    noise: Weight = 0.0

    def __post_init__(self) -> None:
        if not self.perceptual + self.l1 + self.l2:
            raise GanvasError("No term compares the images; give perceptual, l1 or l2.")

    def total(self, terms: Mapping[str, Float[Tensor, "*n"]]) -> Float[Tensor, "*n"]:
        """Return the weighted sum of terms by name."""
        return torch.stack([getattr(self, name) * values for name, values in terms.items()]).sum(0)

    def __str__(self) -> str:
        return " + ".join(f"{weight:g} {name}" for name, weight in asdict(self).items() if weight)


TERM_WEIGHTS = LossWeights(perceptual=1.0, l1=0.1, l2=1.0, prior=0.001, delta=0.001, noise=1.0)
"""The weight of a term that is named without one."""
DEFAULT_LOSS = "perceptual+l1+l2"


def parse_weights(loss: str, weights: str | None = None) -> LossWeights:
    """Return the weights of a loss such as "perceptual+l1+l2", of which "l1=0.5,l2=2" changes some.

    Raises `GanvasError` for unknown terms, with the known ones.
    """
    known = [field.name for field in fields(LossWeights)]
    given: dict[str, float] = {}
    for name in (part.strip().lower() for part in loss.split("+")):
        if name not in known:
            raise GanvasError(f"A loss has no term '{name}'; there are {', '.join(known)}, with + between.")
        given[name] = getattr(TERM_WEIGHTS, name)
    for part in (weights or "").split(",") if weights else ():
        name, _, number = (word.strip().lower() for word in part.partition("="))
        if name not in given:
            raise GanvasError(f"'{part}' weights no term of the loss {loss}; write such as {next(iter(given))}=0.5.")
        try:
            given[name] = float(number)
        except ValueError:
            raise GanvasError(f"'{part}' is no weight; write such as {name}=0.5.") from None
    return LossWeights(**given)


DEFAULT_WEIGHTS = parse_weights(DEFAULT_LOSS)
