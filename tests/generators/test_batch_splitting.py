"""Batches are split where their maps outgrow the cache, and only there; results do not depend on it."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from ganvas.generators import batch_splitting
from ganvas.generators.batch_splitting import State, run_stages, samples_of


@given(st.integers(1, 9), st.lists(st.integers(0, 12), min_size=1, max_size=5))
def test_split_batch_gives_the_results_of_the_whole_one(batch: int, sizes: list[int]):
    values = torch.arange(float(batch))[:, None]
    handled: list[list[int]] = [[] for _ in sizes]

    def stage(index: int):
        def run(state: State, samples: slice) -> State:
            (x,) = state
            assert x is not None
            count = samples.stop - samples.start
            assert len(x) == count
            assert count == 1 or count * sizes[index] <= 10
            handled[index] += range(samples.start, samples.stop)
            own = samples_of(values, samples) if batch > 1 else values
            return (2 * x + own,)

        return run

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(batch_splitting, "CACHE_BYTES", 10)
        found = run_stages([stage(i) for i in range(len(sizes))], sizes, (values,), slice(0, batch))
    assert isinstance(found, Tensor)
    torch.testing.assert_close(found, (2 ** (len(sizes) + 1) - 1) * values)
    assert all(sorted(each) == list(range(batch)) for each in handled)


def test_absent_result_of_a_split_batch_is_absent():
    def nothing(state: State, samples: slice) -> State:
        return (None, None)

    assert run_stages([nothing], [batch_splitting.CACHE_BYTES], (None, None), slice(0, 4)) is None


def test_value_of_all_samples_is_not_split():
    shared = torch.ones(1, 3)
    assert samples_of(shared, slice(2, 4)) is shared
    assert samples_of(None, slice(0, 1)) is None
