"""Which candidate of a sketch is the best: by the loss, and by how real its image is.

A face with one eye, or none, can match strokes better than a whole one, by a little. So some of the loss is given for
an image that a discriminator takes for more real.
"""

from collections.abc import Callable, Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from ganvas.errors import GanvasError

TOLERANCE = 0.35  # share of the smallest loss by which that of a more real image may be larger
Realness = Callable[[Float[Tensor, "n 3 h w"]], Float[Tensor, "n"]]


def measure_realness(realness: Realness, images: Float[Tensor, "n 3 h w"]) -> list[float]:
    """Return how real each image is, by a function of the user's; raises `GanvasError` where it gives anything but a
    number for each.
    """
    found: object = realness(images)
    if not isinstance(found, Tensor) or found.shape != (len(images),) or not found.isfinite().all():
        given = f"shape {list(found.shape)}" if isinstance(found, Tensor) else type(found).__name__
        raise GanvasError(
            f"realness gives a tensor [{len(images)}] of finite numbers for {len(images)} images; it gave {given}."
        )
    return found.tolist()


def choose_candidate(losses: Sequence[float], realness: Sequence[float] | None = None) -> int:
    """Return the most real candidate among those whose loss is at most 35 % above the smallest; without `realness` that
    of the smallest loss. Of equal ones it is the first.

    The loss decides what may be chosen, so that a more real image that does not show the sketch is not. 35 % and the
    discriminator were chosen by eye on four sketches of cats with four candidates each, and tried on one more: weak
    evidence, and no proof that an eye is never missing (docs/methods/sketch.md). Hence all candidates are shown.

    Raises:
        GanvasError: There is no candidate, another number of realness values, or a value is not finite.
    """
    given = [losses] if realness is None else [losses, realness]
    if not losses or any(len(one) != len(losses) for one in given) or not torch.tensor(given).isfinite().all():
        raise GanvasError("Candidates have a finite loss and realness each, and there is at least one.")
    most = min(losses) + TOLERANCE * abs(min(losses))
    near = [index for index, loss in enumerate(losses) if loss <= most]
    return min(near, key=lambda index: losses[index] if realness is None else -realness[index])
