"""Alarms are raised once until their cause has passed; values that are not finite are found."""

import itertools

import pytest
import torch

from ganvas.errors import NotFiniteError
from ganvas.training.alarms import AlarmMonitor, check_finite, rms_difference

CERTAIN = {"D(x)": 0.999, "D(G(z))": 0.001}
UNSURE = {"D(x)": 0.7, "D(G(z))": 0.3}


def test_rms_difference_is_that_of_all_pairs():
    images = torch.randn(5, 3, 4, 4, dtype=torch.float64).float()
    pairs = [(a - b).square().mean() for a, b in itertools.combinations(images, 2)]
    assert rms_difference(images) == pytest.approx(float(torch.stack(pairs).mean().sqrt()), rel=1e-5)
    assert rms_difference(images[:1].expand(4, -1, -1, -1)) == 0


def test_certain_discriminator_raises_one_alarm_until_it_passes():
    monitor = AlarmMonitor(1.0)
    raised = [bool(monitor.check_metrics(CERTAIN)) for _ in range(9)]
    assert raised == [False] * 4 + [True] + [False] * 4
    assert monitor.check_metrics(UNSURE) == ""
    assert sum(bool(monitor.check_metrics(CERTAIN)) for _ in range(9)) == 1


def test_unsure_line_among_certain_ones_prevents_the_alarm():
    monitor = AlarmMonitor(1.0)
    lines = [CERTAIN, CERTAIN, CERTAIN, UNSURE] * 4
    assert not any(monitor.check_metrics(line) for line in lines)


def varied(by: float) -> torch.Tensor:
    return by * torch.randn(16, 3, 4, 4, generator=torch.Generator().manual_seed(0))


def test_mode_collapse_raises_one_alarm_until_it_passes():
    monitor = AlarmMonitor(rms_difference(varied(1.0)))
    raised = [bool(monitor.check_samples(varied(by), 1000)) for by in (0.9, 0.1, 0.1, 0.8, 0.1)]
    assert raised == [False, True, False, False, True]
    assert "10%" in AlarmMonitor(rms_difference(varied(1.0)), largest_ratio=1.0).check_samples(varied(0.1), 0)


def test_gray_samples_at_the_start_raise_no_alarm():
    monitor = AlarmMonitor(rms_difference(varied(1.0)))
    assert monitor.check_samples(varied(0.1), 5_000) == ""
    assert monitor.check_samples(varied(0.1), 25_000) != ""


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_first_tensor_that_is_not_finite_is_named(value: float):
    fine = torch.ones(3)
    with pytest.raises(NotFiniteError, match=r"^b is not finite after 3 steps"):
        check_finite({"a": fine, "b": torch.tensor([1.0, value]), "c": torch.tensor(value)}, "3 steps")
    check_finite({"a": fine, "n": torch.tensor(3)}, "3 steps")
