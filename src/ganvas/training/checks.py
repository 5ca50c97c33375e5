"""Precisions of training."""

import torch

from ganvas.errors import TrainingError

AUTO = "auto"
PRECISIONS = ("float32", "bfloat16")


def check_precision(precision: str) -> None:
    """Raise `TrainingError` unless a precision is known; "auto" is resolved when training starts."""
    if precision not in (*PRECISIONS, AUTO):
        raise TrainingError(f"Precision '{precision}' is unknown; give {', '.join(PRECISIONS)} or {AUTO}.")


def dtype_of(precision: str) -> torch.dtype:
    """Return the data type of "float32" or "bfloat16"."""
    assert precision in PRECISIONS, "'auto' is resolved when training starts"
    return getattr(torch, precision)
