"""Checks of numbers in settings."""

import math

import torch

from ganvas.errors import TrainingError

AUTO = "auto"
PRECISIONS = ("float32", "bfloat16")


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


def check_precision(precision: str) -> None:
    """Raise `TrainingError` unless a precision is known; "auto" is resolved when training starts."""
    if precision not in (*PRECISIONS, AUTO):
        raise TrainingError(f"Precision '{precision}' is unknown; give {', '.join(PRECISIONS)} or {AUTO}.")


def dtype_of(precision: str) -> torch.dtype:
    """Return the data type of "float32" or "bfloat16"."""
    assert precision in PRECISIONS, "'auto' is resolved when training starts"
    return getattr(torch, precision)
