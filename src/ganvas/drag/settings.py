"""The settings that all drag methods share, and how numbers given for them are checked."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, ClassVar, TypeVar

from ganvas.errors import GanvasError

ByRule = float | Any
"""A number, or None for the one that a rule of `ganvas.drag.defaults` gives for the generator at hand. The settings of
a drag that has begun hold numbers only."""

ZERO_ALLOWED = ("mask_weight",)
NOT_NUMBERS = ("recovery", "compat")


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

    rate: ByRule = None
    mask_weight: ByRule = None
    radius: ByRule = None
    tolerance: ByRule = None
    patience: int = 60

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if field.name not in NOT_NUMBERS and value is not None:
                check_number(field.name, value)


Chosen = TypeVar("Chosen", bound=DragSettings)


def filled(settings: Chosen, rules: Mapping[str, Callable[[], float]]) -> Chosen:
    """Return the settings with the number of its rule for each None."""
    missing: dict[str, Any] = {name: rule() for name, rule in rules.items() if getattr(settings, name) is None}
    return replace(settings, **missing)


def check_number(name: str, value: Any) -> None:
    """Raise `GanvasError` where a setting is not a finite number above 0 (for the mask's weight, of at least 0)."""
    least, allowed = (0, "0 or more") if name in ZERO_ALLOWED else (1e-12, "a number above 0")
    if not (isinstance(value, int | float) and least <= value < math.inf):
        raise GanvasError(f"A {name.replace('_', ' ')} of {value} is not possible: give {allowed}.")
