"""Draws depend on seed and step alone; epochs visit each image once."""

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ganvas.images.datasets import shuffled
from ganvas.training.randomness import Randomness, Shard

DRAWS = {
    "normal": lambda draws: draws.normal(12, 3),
    "uniform": lambda draws: draws.uniform(12, 3),
    "bernoulli": lambda draws: draws.bernoulli(0.4, 12, 3),
    "integers": lambda draws: draws.integers(7, 12, 3),
}


@pytest.mark.parametrize("name", DRAWS)
@pytest.mark.parametrize("count", [2, 3, 4])
def test_shards_together_are_the_whole_batch(name: str, count: int):
    def samples(shard: Shard) -> torch.Tensor:
        draws = Randomness(5, 9, shard)
        draws.normal(12)  # earlier draws of the step count, and are the same for all
        return DRAWS[name](draws)

    parts = [samples(Shard(rank, count)) for rank in range(count)]
    assert torch.equal(torch.cat(parts), samples(Shard()))


def test_draws_depend_on_seed_and_step_alone():
    first = Randomness(1, 2).normal(100)
    Randomness(1, 7).normal(3)
    torch.manual_seed(0)
    assert torch.equal(Randomness(1, 2).normal(100), first)
    others = [Randomness(1, 3), Randomness(2, 2), Randomness(2, 1), Randomness(0, 2)]
    for other in others:
        drawn = torch.stack([first, other.normal(100)])
        assert abs(float(torch.corrcoef(drawn)[0, 1])) < 0.4


def test_draws_leave_the_global_random_state_unchanged():
    before = torch.get_rng_state()
    Randomness(0, 0).normal(10)
    assert torch.equal(torch.get_rng_state(), before)


def test_draws_have_their_distributions():
    draws = Randomness(0, 0)
    normal, uniform = draws.normal(20_000), draws.uniform(20_000)
    assert abs(float(normal.mean())) < 0.03
    assert abs(float(normal.std()) - 1) < 0.03
    assert float(uniform.min()) >= 0
    assert float(uniform.max()) < 1
    assert abs(float(draws.bernoulli(0.3, 20_000).float().mean()) - 0.3) < 0.02
    assert set(draws.integers(3, 1000).tolist()) == {0, 1, 2}


@given(size=st.integers(1, 30), cuts=st.lists(st.integers(1, 17), min_size=1, max_size=12), seed=st.integers(0, 99))
def test_epoch_visits_each_image_once_however_it_is_divided(size: int, cuts: list[int], seed: int):
    ends = np.cumsum([0, *cuts]).tolist()
    row = np.concatenate([shuffled(seed, a, b, size) for a, b in itertools.pairwise(ends)])
    assert len(row) == ends[-1]
    assert np.array_equal(row, shuffled(seed, 0, ends[-1], size))
    for first in range(0, len(row) - size + 1, size):
        assert sorted(row[first : first + size]) == list(range(size))
    assert len(set(row[len(row) // size * size :])) == len(row) % size


def test_epochs_have_different_orders():
    assert not np.array_equal(shuffled(0, 0, 50, 50), shuffled(0, 50, 100, 50))
    assert not np.array_equal(shuffled(0, 0, 50, 50), shuffled(1, 0, 50, 50))
