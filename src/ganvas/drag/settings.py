"""The settings that all drag methods share."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Any, ClassVar, TypeVar

from ganvas.errors import GanvasError
from ganvas.errors.arguments import checked
from ganvas.errors.ranges import PIXELS, POSITIVE, WEIGHT, Steps

Length = Annotated[Any, PIXELS]
Number = Annotated[Any, POSITIVE]
Weight = Annotated[Any, WEIGHT]
"""Numbers, or None for those that a rule of `ganvas.drag.defaults` gives for the generator at hand. The settings of a
drag that has begun hold numbers only.
"""


@checked
@dataclass(frozen=True, kw_only=True)
class DragSettings:
    """Settings of every drag method; lengths are in pixels of the image.

    Args:
        rate: Learning rate of Adam, in units of the space. None: 0.008 of the std of the space's codes.
        mask_weight: Weight of the loss that keeps what may not move. None: by the method.
        radius: Radius of what is compared around a handle. None: 3 at 512 pixels, in proportion, at least 2.
        tolerance: Distance from its target at which a handle has arrived. None: 2 at 512 pixels, at least 0.5.
        patience: Steps without a handle coming nearer to its target after which the drag has stalled.

    Raises:
        GanvasError: Where a number is not finite, or not above 0.
    """

    method: ClassVar[str] = ""

    rate: Number = None
    mask_weight: Weight = None
    radius: Length = None
    tolerance: Length = None
    patience: Steps = 60


Chosen = TypeVar("Chosen", bound=DragSettings)


def filled(settings: Chosen, rules: Mapping[str, Callable[[], float]]) -> Chosen:
    """Return the settings with the number of its rule for each None."""
    missing: dict[str, Any] = {name: rule() for name, rule in rules.items() if getattr(settings, name) is None}
    return replace(settings, **missing)


def check_lengths(settings: DragSettings, resolution: int) -> None:
    """Raise `GanvasError` where a neighborhood of a handle is wider than the image."""
    for name in ("radius", "reach"):
        length = getattr(settings, name, None)
        if length is not None and length > resolution / 2:
            raise GanvasError(f"A {name} of {length:g} pixels is not possible; give at most {resolution / 2:g} here.")
