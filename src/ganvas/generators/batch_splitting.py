"""Running a chain of stages on a batch whose maps may outgrow the processor's cache.

Convolutions at low resolutions are fast with many samples, those at high resolutions with few. So a batch is split in
halves before the first stage whose maps are larger than the cache, each half runs on alone, and is split again where
it has to be.
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

CACHE_BYTES = 32 * 2**20

State = tuple[Tensor | None, ...]
Stage = Callable[[State, slice], State]
"""A step from one state to the next, of the given samples of the batch; tensors of a state have the samples first."""


def run_stages(stages: Sequence[Stage], sample_bytes: Sequence[int], state: State, samples: slice) -> Tensor | None:
    """Return the last tensor of the state after all stages, for these samples of the batch.

    `sample_bytes` is the size of each stage's largest map of one sample. The result is that of the unsplit batch, up to
    rounding.
    """
    count = samples.stop - samples.start
    for index, stage in enumerate(stages):
        if count > 1 and count * sample_bytes[index] > CACHE_BYTES:
            left = sample_bytes[index:]
            parts = [
                run_stages(stages[index:], left, tuple(samples_of(part, half) for part in state), of_batch)
                for half, of_batch in _halves(count, samples.start)
            ]
            first, second = parts
            return None if first is None or second is None else torch.cat([first, second])
        state = stage(state, samples)
    return state[-1]


def _halves(count: int, start: int) -> list[tuple[slice, slice]]:
    """Return both halves of `count` samples, counted from the first of them and from the start of the batch."""
    cuts = (0, count // 2), (count // 2, count)
    return [(slice(first, stop), slice(start + first, start + stop)) for first, stop in cuts]


def samples_of(values: Tensor | None, samples: slice) -> Tensor | None:
    """Return the values of some samples of the batch; None, and one value for all samples, stay as they are."""
    return values if values is None or len(values) == 1 else values[samples]
