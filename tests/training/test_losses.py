"""GAN losses in closed form, against those of torch, and their derivatives."""

import math

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.autograd import gradcheck

from ganvas.training.gan.losses import (
    LOSSES,
    cross_entropy,
    gradient_penalty,
    hinge,
    hinge_generator,
    non_saturating,
    path_lengths,
    relativistic,
    relativistic_generator,
)


def scores(seed: int, count: int = 6) -> Tensor:
    return 2 * torch.randn(count, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_losses_of_an_undecided_discriminator_are_their_constants():
    zero = torch.zeros(5)
    assert float(cross_entropy(zero, zero)) == pytest.approx(2 * math.log(2))
    assert float(non_saturating(None, zero)) == pytest.approx(math.log(2))
    assert float(relativistic(zero, zero)) == pytest.approx(math.log(2))
    assert float(hinge(zero, zero)) == 2


def test_cross_entropy_equals_torch():
    real, fake = scores(0), scores(1)
    by_torch = F.binary_cross_entropy_with_logits
    expected = by_torch(real, torch.ones_like(real)) + by_torch(fake, torch.zeros_like(fake))
    torch.testing.assert_close(cross_entropy(real, fake), expected)
    torch.testing.assert_close(non_saturating(None, fake), by_torch(fake, torch.ones_like(fake)))


def test_hinge_equals_a_hand_computed_example():
    assert float(hinge(torch.tensor([3.0, 0.5]), torch.tensor([-3.0, 0.5]))) == pytest.approx((0 + 0.5) / 2 + 1.5 / 2)
    assert float(hinge_generator(None, torch.tensor([1.0, -4.0]))) == 1.5


@given(st.floats(-50, 50))
def test_relativistic_loss_is_symmetric_and_depends_on_differences_alone(shift: float):
    real, fake = scores(0), scores(1)
    torch.testing.assert_close(relativistic(real, fake), relativistic_generator(fake, real))
    torch.testing.assert_close(relativistic(real + shift, fake + shift), relativistic(real, fake))


def test_losses_of_large_scores_are_finite():
    large = torch.tensor([1e4, -1e4])
    for objective in LOSSES.values():
        assert objective.discriminator(large, -large).isfinite()
        assert objective.generator(large, -large).isfinite()


@pytest.mark.parametrize("name", LOSSES)
def test_losses_have_correct_derivatives(name: str):
    objective = LOSSES[name]
    inputs = (scores(0).requires_grad_(), scores(1).requires_grad_())
    assert gradcheck(objective.discriminator, inputs)
    assert gradcheck(lambda fake: objective.generator(inputs[0].detach(), fake), inputs[1:])


def test_discriminator_and_generator_losses_have_opposite_gradients():
    for objective in LOSSES.values():
        real, fake = torch.zeros(3, requires_grad=True), torch.zeros(3, requires_grad=True)
        objective.discriminator(real, fake).backward()
        assert real.grad is not None
        assert (real.grad < 0).all()
        assert fake.grad is not None
        assert (fake.grad > 0).all()
        (upwards,) = torch.autograd.grad(objective.generator(real.detach(), fake), fake)
        assert (upwards < 0).all()


def test_gradient_penalty_of_a_linear_score_is_its_squared_slope():
    slope = torch.randn(3, 4, 4, dtype=torch.float64)
    images = torch.randn(5, 3, 4, 4, dtype=torch.float64)
    penalty = gradient_penalty(lambda x: (x * slope).sum(dim=(1, 2, 3)) + 7, images)
    torch.testing.assert_close(penalty, slope.square().sum())
    assert not images.requires_grad


def test_gradient_penalty_has_correct_second_derivatives():
    images = torch.randn(2, 3, 2, 2, dtype=torch.float64)

    def penalty(weight: Tensor) -> Tensor:
        return gradient_penalty(lambda x: (x * weight).sum(dim=(1, 2, 3)).tanh(), images)

    assert gradcheck(penalty, torch.randn(3, 2, 2, dtype=torch.float64, requires_grad=True))


def test_path_lengths_of_a_linear_generator_in_closed_form():
    matrix = torch.randn(2 * 5, 3 * 4 * 4, dtype=torch.float64)  # two layers of five
    ws = torch.randn(6, 2, 5, dtype=torch.float64, requires_grad=True)
    direction = torch.randn(6, 3, 4, 4, dtype=torch.float64)
    lengths = path_lengths((ws.flatten(1) @ matrix).view(6, 3, 4, 4), ws, direction)
    pulled = (direction.flatten(1) @ matrix.T).view(6, 2, 5) / 4
    torch.testing.assert_close(lengths, pulled.square().sum(2).mean(1).sqrt())


def test_path_lengths_have_correct_second_derivatives():
    ws, direction = torch.randn(2, 2, 3, dtype=torch.float64), torch.randn(2, 3, 2, 2, dtype=torch.float64)

    def lengths(matrix: Tensor) -> Tensor:
        leaf = ws.clone().requires_grad_()
        return path_lengths((leaf.flatten(1) @ matrix).view(2, 3, 2, 2).tanh(), leaf, direction)

    assert gradcheck(lengths, torch.randn(6, 12, dtype=torch.float64, requires_grad=True))
