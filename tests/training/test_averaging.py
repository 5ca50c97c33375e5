"""The moving average of weights: its half-life, its start, and what it averages."""

import pytest
import torch
from torch import nn

from ganvas.training.gan.averaging import decay, update


def test_half_of_the_old_average_is_left_after_a_half_life():
    factor = decay(32, 640.0, 1_000_000)
    assert factor ** (640 / 32) == pytest.approx(0.5)


def test_half_life_is_shorter_at_the_start():
    assert decay(32, 10_000.0, 0) == 0.5
    factors = [decay(32, 10_000.0, images) for images in range(0, 400_000, 10_000)]
    assert factors == sorted(factors)
    assert factors[-1] == 0.5 ** (32 / 10_000)


def test_weights_and_statistics_are_averaged():
    average, current = nn.BatchNorm1d(3), nn.BatchNorm1d(3)
    current(torch.randn(8, 3))  # moves the statistics and counts
    with torch.no_grad():
        current.weight.fill_(5.0)
    update(average, current, 0.75)
    torch.testing.assert_close(average.weight.detach(), torch.full((3,), 2.0))
    torch.testing.assert_close(average.running_mean, 0.25 * current.running_mean)
    assert int(average.num_batches_tracked) == 0


def test_average_of_equal_weights_is_unchanged():
    module = nn.Linear(3, 3)
    before = module.weight.clone()
    update(module, module, 0.3)
    torch.testing.assert_close(module.weight, before)
