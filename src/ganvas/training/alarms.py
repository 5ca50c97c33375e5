"""Signs of a run that goes wrong, from its log and from its images."""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from jaxtyping import Float
from torch import Tensor

CERTAIN, LINES = 0.98, 5
COLLAPSED, GRACE = 0.35, 20_000


def spread(images: Float[Tensor, "n 3 h w"]) -> float:
    """Return the root mean square difference between two images, over all pairs; 0 where all are the same.

    Twice the variance over the rows, by ``E|a - b|^2 = 2 Var``, so that it costs one pass.
    """
    return float((2 * images.float().var(dim=0, unbiased=True).mean()).sqrt())


@dataclass
class Watch:
    """Remembers what it needs of the last log lines; `real_spread` is that of real images, `widest` the largest share
    of it that samples had.
    """

    real_spread: float
    widest: float = 0.0
    certain: deque = field(default_factory=lambda: deque(maxlen=LINES))
    warned: set[str] = field(default_factory=set)

    def line(self, numbers: dict[str, float]) -> str:
        """Return an alarm for a new log line, "" for none; each alarm is raised once until it passes.

        A discriminator that is certain of everything for five lines teaches the generator nothing more.
        """
        self.certain.append(numbers["D(x)"] > CERTAIN and numbers["D(G(z))"] < 1 - CERTAIN)
        return self._once(
            "discriminator",
            len(self.certain) == LINES and all(self.certain),
            f"The discriminator tells real from made with more than {CERTAIN:.0%} certainty: the generator learns "
            "little. Augment (--augment), raise --r1, or go back to an earlier snapshot.",
        )

    def images(self, made: Float[Tensor, "n 3 h w"], seen: int) -> str:
        """Return an alarm for samples after so many images `seen`, "" for none: their spread is far below that of
        real images. At first, when all samples are still gray, only if it was larger before.
        """
        share = spread(made) / max(self.real_spread, 1e-6)
        self.widest = max(self.widest, share)
        return self._once(
            "collapse",
            share < COLLAPSED and (self.widest >= COLLAPSED or seen >= GRACE),
            f"The samples differ among themselves {share:.0%} as much as real images: modes may have collapsed. Go "
            "back to an earlier snapshot with --resume, or augment.",
        )

    def _once(self, name: str, raised: bool, text: str) -> str:
        new = raised and name not in self.warned
        (self.warned.add if raised else self.warned.discard)(name)
        return text if new else ""


def first_broken(numbers: Mapping[str, Tensor]) -> str:
    """Return the name of the first that holds a number that is not finite, "" where all are."""
    return next((name for name, value in numbers.items() if not torch.isfinite(value).all()), "")
