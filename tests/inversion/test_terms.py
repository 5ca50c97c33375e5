"""Terms of the loss: closed forms, second writings, and that nothing outside a mask counts."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ganvas.errors import GanvasError
from ganvas.inversion import terms
from ganvas.inversion.features import bundled_features
from ganvas.inversion.loss_weights import LossWeights, parse_weights
from ganvas.inversion.objective import image_terms, make_target
from ganvas.metrics.perceptual import perceptual_distance
from tests.inversion.parts import Convolved


def images(seed: int, rows: int = 2, side: int = 16, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    return torch.rand(rows, 3, side, side, generator=torch.Generator().manual_seed(seed), dtype=dtype) * 2 - 1


def soft_mask(side: int = 16) -> torch.Tensor:
    """Return a mask with a hard hole, a hard island and a soft rim."""
    mask = torch.zeros(1, 1, side, side)
    mask[..., 4:12, 4:12] = 1
    mask[..., 3, 4:12] = 0.5
    return mask


def test_pixel_terms_are_the_weighted_means_of_numpy():
    a, b, mask = images(0), images(1), soft_mask()
    weights = mask.expand(2, 3, 16, 16).double().numpy()
    for term, difference in ((terms.l1_distance, np.abs), (terms.l2_distance, np.square)):
        expected = [np.average(difference((a - b).double().numpy()[row]), weights=weights[row]) for row in range(2)]
        np.testing.assert_allclose(term(a, b, mask).numpy(), expected, rtol=1e-6)
        torch.testing.assert_close(term(a, b), term(a, b, torch.ones_like(mask)))


def test_the_perceptual_term_is_the_distance_of_the_bundled_network():
    a, b, features = images(0, side=32), images(1, side=32), bundled_features()
    torch.testing.assert_close(
        terms.feature_distance(features(a), features(b)), perceptual_distance(features.network, a, b)
    )


@given(st.integers(0, 10_000))
@settings(max_examples=20)
def test_nothing_outside_the_mask_counts_neither_in_value_nor_in_gradient(seed: int):
    mask, outside = soft_mask(), (soft_mask() == 0).expand(2, 3, 16, 16)
    x, one, other = images(seed), images(seed + 1), images(seed + 2)
    changed = torch.where(outside, other, one)
    told = []
    for goal in (one, changed):
        leaf = x.clone().requires_grad_()
        found = image_terms(LossWeights(1.0, 1.0, 1.0), Convolved(), make_target(goal, Convolved(), mask), leaf)
        total = torch.stack(list(found.values()))
        told.append((total.detach(), torch.autograd.grad(total.sum(), leaf)[0]))
    assert torch.equal(told[0][0], told[1][0])
    assert torch.equal(told[0][1], told[1][1])


def test_an_image_that_agrees_inside_the_mask_has_no_loss():
    x, goal, mask = images(0), images(1), soft_mask()
    same = torch.where((mask > 0).expand_as(x), goal, x)
    found = image_terms(LossWeights(1.0, 1.0, 1.0), Convolved(), make_target(goal, Convolved(), mask), same)
    assert all(values.abs().max() == 0 for values in found.values())


@pytest.mark.parametrize("strength", [1.0, 0.5, 0.1, 0.01])
def test_a_constant_mask_does_not_change_the_terms(strength: float):
    x, goal = images(0), images(1)
    whole, faint = (
        image_terms(LossWeights(1.0, 1.0, 1.0), Convolved(), make_target(goal, Convolved(), mask), x)
        for mask in (None, torch.full((1, 16, 16), strength))
    )
    for name in whole:
        torch.testing.assert_close(whole[name], faint[name], rtol=1e-4, atol=1e-5)


def test_half_the_mask_value_is_half_the_weight():
    """Of two halves that differ by d and by nothing, the mean is d times the first one's share, in every term."""
    x, goal = images(0, side=32), images(0, side=32)
    goal[..., :16] = images(1, side=32)[..., :16]
    for strength in (1.0, 0.5, 0.25):
        mask = torch.ones(1, 32, 32)
        mask[..., :16] = strength
        found = image_terms(LossWeights(1.0, 1.0, 1.0), Convolved(), make_target(goal, Convolved(), mask), x)
        whole = image_terms(LossWeights(1.0, 1.0, 1.0), Convolved(), make_target(goal, Convolved()), x)
        for name, values in found.items():
            share = 2 * strength / (strength + 1)
            torch.testing.assert_close(values, share * whole[name], rtol=0.12, atol=0)  # maps see across the seam


def test_relative_opacity_keeps_soft_rims_and_fills_faint_strokes():
    mask = torch.zeros(1, 1, 16, 16)
    mask[..., 4:12] = 1.0
    mask[..., 3] = 0.3
    assert torch.equal(terms.relative_opacity(mask), mask)
    torch.testing.assert_close(terms.relative_opacity(0.2 * mask), mask)


def test_a_mask_of_ones_changes_nothing():
    x, goal = images(0), images(1)
    whole, masked = (
        image_terms(LossWeights(1.0, 1.0, 1.0), Convolved(), make_target(goal, Convolved(), mask), x)
        for mask in (None, torch.ones(1, 16, 16))
    )
    for name in whole:
        torch.testing.assert_close(whole[name], masked[name])


def test_the_masked_perceptual_term_has_a_right_derivative():
    goal, mask = images(1, 1, 8, torch.float64), torch.rand(1, 1, 8, 8, dtype=torch.float64)

    def loss(x: torch.Tensor) -> torch.Tensor:
        features = Convolved()
        return terms.feature_distance(features(x), features(terms.composite(goal, x, mask)), mask)

    assert torch.autograd.gradcheck(loss, images(0, 1, 8, torch.float64).requires_grad_())


def test_mean_squared_z_score_is_one_at_one_standard_deviation():
    std = torch.tensor([0.5, 1.0, 4.0])
    codes = std * torch.tensor([[1.0, -1.0, 1.0], [2.0, 2.0, -2.0]])
    torch.testing.assert_close(terms.mean_squared_z_score(codes, std), torch.tensor([1.0, 4.0]))
    torch.testing.assert_close(
        terms.mean_squared_z_score(codes[:, None].repeat(1, 3, 1), std), torch.tensor([1.0, 4.0])
    )


def slow_regularity(noise: np.ndarray) -> float:
    total = 0.0
    while True:
        side = len(noise)
        across = sum(noise[y, x] * noise[y, x - 1] for y in range(side) for x in range(side)) / side**2
        down = sum(noise[y, x] * noise[y - 1, x] for y in range(side) for x in range(side)) / side**2
        total += across**2 + down**2
        if side <= 8:
            return total
        noise = noise.reshape(side // 2, 2, side // 2, 2).mean((1, 3))


def test_noise_regularization_is_that_of_plain_loops():
    maps = {f"b{side}": torch.randn(2, 1, side, side, dtype=torch.float64) for side in (4, 8, 32)}
    expected = [sum(slow_regularity(noise[row, 0].numpy()) for noise in maps.values()) for row in range(2)]
    np.testing.assert_allclose(terms.noise_regularization(maps).numpy(), expected, rtol=1e-10)


def test_noise_regularization_is_small_for_white_noise_and_large_for_stripes():
    white = torch.randn(1, 1, 64, 64, generator=torch.Generator().manual_seed(0))
    stripes = torch.ones(64, 64)
    stripes[:, 1::2] = -1
    assert terms.noise_regularization({"a": white}) < 0.01
    assert terms.noise_regularization({"a": stripes[None, None]}) > 1


def test_loss_weights_are_parsed_and_printed():
    assert parse_weights("perceptual+l2") == LossWeights(perceptual=1.0, l2=1.0)
    assert parse_weights("l1 + prior", "prior=0.5") == LossWeights(l1=0.1, prior=0.5)
    assert str(parse_weights("perceptual+l1", "l1=2")) == "1 perceptual + 2 l1"


def test_every_term_named_without_a_weight_has_its_default_one():
    found = parse_weights("perceptual+l1+l2+prior+delta+noise")
    assert found == LossWeights(perceptual=1.0, l1=0.1, l2=1.0, prior=0.001, delta=0.001, noise=1.0)


@pytest.mark.parametrize(
    ("loss", "weights", "message"),
    [
        ("percptual", None, "no term 'percptual'; there are perceptual, l1"),
        ("", None, "no term ''"),
        ("l1", "l2=1", "weights no term of the loss l1"),
        ("l1", "l1=much", "is no weight"),
        ("l1", "l1=nan", "not possible"),
        ("l1", "l1=-1", "not possible"),
        ("prior+delta", None, "No term compares"),
        ("l1", "l1=0", "No term compares"),
    ],
)
def test_impossible_losses_are_refused(loss: str, weights: str | None, message: str):
    with pytest.raises(GanvasError, match=message):
        parse_weights(loss, weights)


def test_empty_masks_and_masks_of_another_size_are_refused():
    with pytest.raises(GanvasError, match="nothing to match"):
        make_target(images(0), None, torch.zeros(1, 16, 16))
    with pytest.raises(GanvasError, match="another size"):
        make_target(images(0), None, torch.ones(1, 8, 8))


def test_distances_do_not_depend_on_the_place_in_the_batch():
    assert math.isclose(
        float(terms.l2_distance(images(0, 5), images(1, 5))[3]),
        float(terms.l2_distance(images(0, 5)[3:4], images(1, 5)[3:4])[0]),
        rel_tol=1e-6,
    )
