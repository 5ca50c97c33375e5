"""Schedules: their values at places that the formulas give by hand."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ganvas.errors import GanvasError
from ganvas.inversion.schedules import SCHEDULES, cosine_rate, nvidia_noise, nvidia_rate, schedule_named


@pytest.mark.parametrize(
    ("t", "rate"), [(0, 0), (0.025, 0.05), (0.05, 0.1), (0.5, 0.1), (0.75, 0.1), (0.875, 0.05), (1, 0)]
)
def test_nvidia_rate_has_the_values_of_its_formula(t: float, rate: float):
    assert nvidia_rate(float(t)) == pytest.approx(rate, abs=1e-12)


@pytest.mark.parametrize(("t", "noise"), [(0, 0.05), (0.375, 0.0125), (0.75, 0), (1, 0)])
def test_nvidia_noise_has_the_values_of_its_formula(t: float, noise: float):
    assert nvidia_noise(float(t)) == pytest.approx(noise, abs=1e-12)


@given(st.floats(0, 1))
def test_cosine_rate_rises_then_falls_to_zero(t: float):
    assert 0 <= cosine_rate(t, 0.2) <= 0.2
    assert cosine_rate(1.0, 0.2) == pytest.approx(0, abs=1e-12)
    if t > 0.06:
        assert cosine_rate(t, 0.2) <= cosine_rate(0.06, 0.2)


def test_unknown_schedule_names_are_refused_with_the_known_ones():
    assert set(SCHEDULES) == {"ganvas", "nvidia"}
    with pytest.raises(GanvasError, match="give ganvas or nvidia"):
        schedule_named("cosine")
