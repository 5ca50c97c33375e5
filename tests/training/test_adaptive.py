"""The strength of adaptive augmentation: its steps, its bounds, and its convergence to the target."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ganvas.training.gan.adaptive import LARGEST, TARGET, AdaptiveStrength, adjusted


def test_strength_rises_above_the_target_overfitting_and_falls_below_it():
    p = torch.tensor(0.3)
    step = 32 * 4 / 500_000
    assert adjusted(p, torch.tensor(0.9), 32, 4) == pytest.approx(0.3 + step)
    assert adjusted(p, torch.tensor(0.1), 32, 4) == pytest.approx(0.3 - step)
    assert adjusted(p, torch.tensor(TARGET), 32, 4) == p


@given(st.floats(0, LARGEST), st.floats(-1, 1), st.integers(1, 4096), st.integers(1, 64))
def test_strength_stays_in_its_bounds(strength: float, sign: float, batch: int, every: int):
    p = adjusted(torch.tensor(strength), torch.tensor(sign), batch, every, images=1000)
    assert 0 <= p <= torch.tensor(LARGEST)


def test_strength_grows_linearly_with_the_images():
    state = AdaptiveStrength.start()
    for _ in range(600):
        state = state.after(torch.tensor(1.0), 100, images=100_000)
    assert state.strength == pytest.approx(0.6, abs=1e-4)


def test_strength_moves_every_fourth_step_by_the_mean_of_four():
    state = AdaptiveStrength.start(0.5)
    for sign in (1.0, 1.0, -1.0, 1.0):  # mean 0.5: below the target
        assert state.strength == 0.5
        state = state.after(torch.tensor(sign), 50_000)
    assert state.strength == pytest.approx(0.5 - 0.4)
    assert (state.steps, state.signs) == (0, 0)


def test_restored_strength_continues_as_the_saved_one():
    signs = [math.cos(i) for i in range(23)]
    whole = parts = AdaptiveStrength.start(0.2)
    for i, sign in enumerate(signs):
        whole = whole.after(torch.tensor(sign), 1000)
        parts = parts.after(torch.tensor(sign), 1000)
        if i == 9:
            saved = {name: value.clone() for name, value in parts.tensors().items()}
            assert set(saved) == {"strength", "signs", "steps"}
            parts = AdaptiveStrength(**saved)
    assert torch.equal(whole.strength, parts.strength)


def test_strength_converges_where_overfitting_is_at_its_target():
    """A discriminator whose overfitting falls with the strength: r = 0.9 - p."""
    state = AdaptiveStrength.start()
    for _ in range(800):
        state = state.after(0.9 - state.strength, 64, images=50_000)
    assert state.strength == pytest.approx(0.9 - TARGET, abs=0.01)
