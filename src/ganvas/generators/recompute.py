"""Reverse mode with less memory: what the layers of large images save for it is computed again in its course
(Chen et al. 2016, "Training deep nets with sublinear memory cost").
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

LARGE_IMAGES = 1024  # pixels
LARGE_MAPS = 2**22  # values of all samples' maps
_ACTIVE: ContextVar[bool] = ContextVar("recompute", default=False)


@contextmanager
def recompute_above(resolution: int) -> Iterator[None]:
    """Compute maps of generators with images of 1024 pixels and more again in reverse mode: half more time for a step,
    a gigabyte less memory, the same values.
    """
    token = _ACTIVE.set(resolution >= LARGE_IMAGES)
    try:
        yield
    finally:
        _ACTIVE.reset(token)


def maybe_recomputed(layer: Callable[..., Tensor], x: Tensor, *arguments: Any) -> Tensor:
    """Return ``layer(x, *arguments)``; nothing but the arguments is kept for reverse mode where that is worth it."""
    if _ACTIVE.get() and x.numel() >= LARGE_MAPS and torch.is_grad_enabled():
        return checkpoint(layer, x, *arguments, use_reentrant=False, preserve_rng_state=False)
    return layer(x, *arguments)
