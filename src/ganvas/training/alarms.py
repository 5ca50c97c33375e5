"""Signs of a failing run, from its log and from its samples."""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from jaxtyping import Float
from torch import Tensor

from ganvas.errors import NotFiniteError

CERTAIN, CERTAIN_LINES = 0.98, 5
COLLAPSED, GRACE_IMAGES = 0.35, 20_000


def rms_difference(images: Float[Tensor, "n 3 h w"]) -> float:
    """Return the root mean square difference between two images, over all pairs; 0 where all are equal.

    By ``E|a - b|^2 = 2 Var``: one pass over the images.
    """
    return float((2 * images.float().var(dim=0, unbiased=True).mean()).sqrt())


@dataclass
class AlarmMonitor:
    """Raises each alarm once until its cause has passed.

    ``real_difference`` is the `rms_difference` of real images, ``largest_ratio`` the largest one of samples so far, as
    a fraction of that.
    """

    real_difference: float
    largest_ratio: float = 0.0
    certain: deque = field(default_factory=lambda: deque(maxlen=CERTAIN_LINES))
    raised: set[str] = field(default_factory=set)

    def check_metrics(self, metrics: Mapping[str, float]) -> str:
        """Return an alarm for a new log line, "" for none.

        A discriminator that is certain of every image for five lines gives the generator no gradient.
        """
        self.certain.append(metrics["D(x)"] > CERTAIN and metrics["D(G(z))"] < 1 - CERTAIN)
        return self._once(
            "discriminator",
            len(self.certain) == CERTAIN_LINES and all(self.certain),
            f"The discriminator separates real from fake images with more than {CERTAIN:.0%} certainty: the generator "
            "learns little. Augment (--augment), raise --r1, or go back to an earlier snapshot.",
        )

    def check_samples(self, fake: Float[Tensor, "n 3 h w"], images: int) -> str:
        """Return an alarm for samples after so many `images`, "" for none: they differ far less than real images.

        Early samples are all gray: at first the alarm is raised only if the samples differed more before.
        """
        ratio = rms_difference(fake) / max(self.real_difference, 1e-6)
        self.largest_ratio = max(self.largest_ratio, ratio)
        return self._once(
            "collapse",
            ratio < COLLAPSED and (self.largest_ratio >= COLLAPSED or images >= GRACE_IMAGES),
            f"The samples differ {ratio:.0%} as much as real images do: mode collapse is likely. Go back to an earlier "
            "snapshot with --resume, or augment.",
        )

    def _once(self, name: str, raised: bool, text: str) -> str:
        new = raised and name not in self.raised
        (self.raised.add if raised else self.raised.discard)(name)
        return text if new else ""


def check_finite(tensors: Mapping[str, Tensor], when: str, advice: str = "A smaller learning rate may help.") -> None:
    """Raise `NotFiniteError`, naming the first tensor with a value that is not finite; `when` says after how much."""
    broken = next((name for name, value in tensors.items() if not torch.isfinite(value).all()), "")
    if broken:
        raise NotFiniteError(f"{broken} is not finite after {when}. {advice}")
