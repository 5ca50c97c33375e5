"""Checks of the numbers that a run is told. Knows no networks."""

import math

from ganvas.errors import TrainingError


def check_range(lowest: float | int, highest: float | int = math.inf, **numbers: float | int) -> None:
    """Raise `TrainingError`, naming it, for a number that is not finite or not between `lowest` and `highest`."""
    for name, number in numbers.items():
        if not (math.isfinite(number) and lowest <= number <= highest):
            allowed = f"{lowest:g} or more" if highest == math.inf else f"{lowest:g} to {highest:g}"
            raise TrainingError(f"{name.replace('_', ' ')} {number} is not possible; give {allowed}.")


def check_above_zero(**numbers: float | int) -> None:
    """Raise `TrainingError`, naming it, for a number that is not finite or not above 0."""
    for name, number in numbers.items():
        if not (math.isfinite(number) and number > 0):
            raise TrainingError(f"{name.replace('_', ' ')} {number} is not possible; give a number above 0.")
