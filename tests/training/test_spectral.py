"""Spectral normalization: the estimate is the largest singular value, and gradients are those of W / sigma(W)."""

import pytest
import torch
from torch import Tensor

from ganvas.training.gan.spectral import SpectralConvolution, SpectralWeight, first_vector, iterate, normalized

pytestmark = pytest.mark.usefixtures("one_thread")


def random(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def drawn(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=random(seed))


@pytest.mark.parametrize("shape", [(7, 5), (4, 3, 3, 3), (1, 6), (6, 1)])
def test_power_iteration_finds_the_largest_singular_value(shape: tuple[int, ...]):
    weight = drawn(*shape)
    u, v = iterate(weight, drawn(shape[0], seed=1), 400)
    sigma = torch.linalg.matrix_norm(weight.flatten(1), ord=2)
    torch.testing.assert_close(u @ weight.flatten(1) @ v, sigma, rtol=1e-4, atol=1e-6)
    norm = torch.linalg.matrix_norm(normalized(weight, u, v).flatten(1), ord=2)
    torch.testing.assert_close(norm, torch.ones([]), rtol=1e-4, atol=1e-6)


def test_gradient_is_that_of_the_weight_over_its_largest_singular_value():
    weight, along = drawn(5, 4).double().requires_grad_(), drawn(5, 4, seed=2).double()
    u, v = iterate(weight, drawn(5, seed=1).double(), 400)
    (ours,) = torch.autograd.grad((normalized(weight, u, v) * along).sum(), weight)
    (exact,) = torch.autograd.grad((weight / torch.linalg.svdvals(weight)[0] * along).sum(), weight)
    torch.testing.assert_close(ours, exact)


def test_a_zero_weight_stays_finite():
    weight = torch.zeros(3, 2)
    assert normalized(weight, *iterate(weight, drawn(3))).isfinite().all()


def test_the_vector_moves_only_where_the_weight_learns():
    layer = SpectralWeight((6, 5), random())
    with torch.no_grad():
        layer.weight.copy_(drawn(6, 5))  # the vector is no longer the singular one
    before = layer.u.clone()
    layer.requires_grad_(False)()
    layer.requires_grad_(True).eval()()
    assert torch.equal(layer.u, before)
    layer.train()()
    torch.testing.assert_close(layer.u, iterate(layer.weight, before)[0])
    assert not torch.equal(layer.u, before)


def test_half_precision_of_maps_leaves_the_normalization_in_float32():
    layer = SpectralConvolution(3, 4, 3, random()).eval()
    plain = layer.normal()
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(layer.normal(), plain)
        assert layer(drawn(1, 3, 4, 4)).dtype == torch.bfloat16


def test_new_weights_are_orthogonal_so_that_they_are_normal_already():
    weight = SpectralWeight((4, 9), random())
    torch.testing.assert_close(weight.weight @ weight.weight.T, torch.eye(4), atol=1e-5, rtol=0)
    torch.testing.assert_close(weight(), weight.weight, atol=1e-5, rtol=1e-5)
    u = first_vector(drawn(8, 3), random())
    torch.testing.assert_close(u.norm(), torch.ones([]))
