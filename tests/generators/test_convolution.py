"""Convolutions that can be differentiated twice: PyTorch's numbers, and right ones in half precision too."""

import os
import subprocess
import sys

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd import grad

from ganvas.generators.convolution import convolve

# Rows, inputs, size, outputs, kernel, stride, padding, transposed: the kinds that discriminators and generators have.
KINDS = [
    (8, 8, 16, 8, 3, 1, 1, False),
    (2, 64, 16, 32, 3, 1, 1, False),
    (4, 8, 17, 16, 3, 2, 0, False),
    (8, 3, 16, 8, 1, 1, 0, False),
    (8, 17, 4, 16, 3, 1, 1, False),
    (4, 16, 8, 8, 3, 2, 0, True),
]
DERIVATIVES = ("y", "x'", "w'", "dx'/dw", "dx'/dy'", "dw'/dx", "dw'/dy'")


def published(x: Tensor, weight: Tensor, *, stride: int, padding: int, transposed: bool) -> Tensor:
    return (F.conv_transpose2d if transposed else F.conv2d)(x, weight, None, stride, padding)


def derivatives(convolution, kind: tuple, dtype: torch.dtype) -> list[Tensor]:
    """Return output, gradients and their derivatives of a convolution, at values that bfloat16 has, in float64."""
    rows, inputs, size, outputs, kernel, stride, padding, transposed = kind
    random = torch.Generator().manual_seed(0)

    def draw(*shape: int) -> Tensor:
        drawn = torch.randn(shape, generator=random).bfloat16().to(dtype)
        return drawn.contiguous(memory_format=torch.channels_last).requires_grad_()

    x = draw(rows, inputs, size, size)
    weight = draw(*((inputs, outputs) if transposed else (outputs, inputs)), kernel, kernel)
    y = convolution(x, weight, stride=stride, padding=padding, transposed=transposed)
    upstream = draw(*y.shape)
    by_x, by_weight = grad(y, [x, weight], upstream, create_graph=True)
    second = grad(by_x, [weight, upstream], draw(*x.shape), retain_graph=True)
    third = grad(by_weight, [x, upstream], draw(*weight.shape))
    return [each.detach().double() for each in (y, by_x, by_weight, *second, *third)]


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_derivatives_are_those_of_pytorch(kind: tuple):
    found, expected = (derivatives(each, kind, torch.float64) for each in (convolve, published))
    for name, ours, theirs in zip(DERIVATIVES, found, expected, strict=True):
        torch.testing.assert_close(ours, theirs, msg=lambda text, name=name: f"{name}: {text}")


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_derivatives_in_bfloat16_are_rounded_ones(kind: tuple):
    """Sums are made in float32 and rounded once, to 2^-9 of their size at most: so is the norm of the error. The bound
    leaves kernels three more roundings of that size. PyTorch's own dx'/dw is off by 1.4 here on a processor with AMX.
    """
    found = derivatives(convolve, kind, torch.bfloat16)
    for name, half, exact in zip(DERIVATIVES, found, derivatives(convolve, kind, torch.float64), strict=True):
        assert float((half - exact).norm() / exact.norm()) < 4 * 2**-9, name


@pytest.mark.slow
@pytest.mark.parametrize("transposed", [False, True])
def test_third_derivatives_are_those_of_finite_differences(transposed: bool):
    x = torch.randn(2, 2, 4, 4, dtype=torch.float64, requires_grad=True)
    weight = torch.randn(2, 2, 3, 3, dtype=torch.float64, requires_grad=True)
    bias = torch.randn(2, dtype=torch.float64, requires_grad=True)

    def gradient(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        y = convolve(x, weight, bias, stride=2, padding=1, transposed=transposed)
        return grad(y.sin().sum(), x, create_graph=True)[0]

    assert torch.autograd.gradcheck(gradient, (x, weight, bias))
    assert torch.autograd.gradgradcheck(gradient, (x, weight, bias))


def test_autocast_counts_and_the_gradient_keeps_the_weights_type():
    x, weight = torch.randn(2, 3, 8, 8), torch.randn(4, 3, 3, 3, requires_grad=True)
    with torch.autocast("cpu", torch.bfloat16):
        y = convolve(x, weight, padding=1)
    assert y.dtype == torch.bfloat16
    assert grad(y.float().square().sum(), weight)[0].dtype == torch.float32


@pytest.mark.slow
def test_first_layer_of_the_default_training_survives_one_thread():
    """The shape of which PyTorch's own second derivative dies on a processor with AMX, in a process of its own."""
    code = """
import torch
from ganvas.generators.convolution import convolve
torch.manual_seed(0)
x = torch.randn(32, 3, 128, 128).bfloat16().to(memory_format=torch.channels_last).requires_grad_()
weight = torch.randn(32, 3, 1, 1).bfloat16().requires_grad_()
(slope,) = torch.autograd.grad(convolve(x, weight).float().square().sum(), x, create_graph=True)
slope.float().square().sum().backward()
assert weight.grad.isfinite().all()
"""
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
